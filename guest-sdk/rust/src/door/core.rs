//! The core door: a plain module whose buffers are its own. `docs/guests/core-door.md` is the specification.
//!
//! All unsafe code of this door is here. It rests on two facts: this target has one thread, and the host has checked
//! what it writes into the input buffer.

use crate::columns::{Columns, Growing, part};
use crate::log::Level;
use crate::record::{Batch, Column};
use crate::transform::{self, Transform};
use std::cell::UnsafeCell;

/// The state behind a module's exports.
pub struct Door<T> {
    state: UnsafeCell<State<T>>,
}

struct State<T> {
    transform: Option<T>,
    columns: Columns,
    /// The input buffer, in words because the host wants multiples of 8.
    input: Vec<u64>,
    outputs: Table<32>,
    error: String,
    text: Table<2>,
}

/// A table of fields: the host wants it at a multiple of 8.
#[repr(C, align(8))]
struct Table<const FIELDS: usize>([u32; FIELDS]);

// SAFETY: wasm32-unknown-unknown without atomics has one thread.
unsafe impl<T> Sync for Door<T> {}

impl<T: Transform> Door<T> {
    /// A door without a transform; `configure` makes it.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Door<T> {
        Door {
            state: UnsafeCell::new(State {
                transform: None,
                columns: Columns::new(),
                input: Vec::new(),
                outputs: Table([0; 32]),
                error: String::new(),
                text: Table([0; 2]),
            }),
        }
    }

    #[allow(clippy::mut_from_ref)]
    fn state(&self) -> &mut State<T> {
        // SAFETY: one thread, and the exports neither nest nor keep what they borrow.
        unsafe { &mut *self.state.get() }
    }

    /// The address of an input buffer of at least `size` bytes; 0 where there is no memory.
    pub fn alloc(&self, size: u32) -> u32 {
        let input = &mut self.state().input;
        let words = size.div_ceil(8) as usize;
        if input.capacity() < words {
            *input = Vec::new();
            if input.try_reserve_exact(words.max(8192)).is_err() {
                return 0;
            }
        }
        input.as_mut_ptr() as usize as u32
    }

    /// Makes the transform; returns 0, or the address of a text that says what is wrong.
    pub fn configure(&self, ptr: u32, len: u32) -> u32 {
        crate::log::panics();
        let state = self.state();
        // SAFETY: the host wrote `len` bytes there.
        let config = unsafe { bytes(ptr, len as usize) };
        let made = std::str::from_utf8(config).map_err(|error| format!("the configuration is not utf-8: {error}"));
        match made.and_then(transform::configure) {
            Ok(made) => state.transform = Some(made),
            Err(error) => {
                state.error = error;
                state.text = Table([address(state.error.as_bytes()), state.error.len() as u32]);
                return address(&state.text.0);
            }
        }
        0
    }

    /// Takes the address of a batch, returns that of the outputs.
    pub fn transform(&self, batch: u32) -> u32 {
        let State { transform, columns, outputs: Table(outputs), .. } = self.state();
        outputs.fill(0);
        let Some(transform) = transform else {
            let error = "transform was called before configure";
            outputs[30..].copy_from_slice(&[address(error.as_bytes()), error.len() as u32]);
            return address(outputs);
        };
        // SAFETY: the host wrote a batch there, as the specification has it.
        let batch = unsafe { read(batch) };
        transform::run(|record, out| transform.transform(record, out), &batch, columns);
        write(columns, outputs);
        address(outputs)
    }
}

/// Reads the batch's layout.
///
/// # Safety
///
/// A batch that the host has checked is at this address and stays there for `'a`.
unsafe fn read<'a>(batch: u32) -> Batch<'a> {
    // SAFETY: as above, for every address in it.
    unsafe {
        let fields: &[u32] = items(batch, 20);
        let count = fields[0] as usize;
        let headers = fields[13] as usize;
        Batch {
            topic: std::str::from_utf8_unchecked(bytes(fields[2], fields[3] as usize)),
            partition: fields[1] as i32,
            offsets: items(fields[4], count),
            timestamps: items(fields[5], count),
            keys: column(&fields[6..9], count),
            values: column(&fields[9..12], count),
            header_counts: if fields[12] == 0 { &[] } else { items(fields[12], count) },
            header_names: column(&fields[14..17], headers),
            header_values: column(&fields[17..20], headers),
        }
    }
}

unsafe fn column<'a>(fields: &[u32], count: usize) -> Column<'a> {
    // SAFETY: the caller's.
    unsafe { Column { lengths: items(fields[0], count), data: bytes(fields[1], fields[2] as usize) } }
}

unsafe fn bytes<'a>(ptr: u32, len: usize) -> &'a [u8] {
    // SAFETY: the caller's.
    unsafe { items(ptr, len) }
}

unsafe fn items<'a, I>(ptr: u32, count: usize) -> &'a [I] {
    if count == 0 {
        return &[];
    }
    // SAFETY: the caller's.
    unsafe { std::slice::from_raw_parts(ptr as usize as *const I, count) }
}

/// Writes the layout of the outputs.
fn write(columns: &Columns, outputs: &mut [u32; 32]) {
    let touched = |part| columns.touched & part != 0;
    outputs[0] = columns.origins.len() as u32;
    outputs[1] = address(&columns.origins);
    if touched(part::TIMESTAMP) {
        outputs[2] = address(&columns.timestamps);
    }
    if touched(part::KEY) {
        outputs[3..6].copy_from_slice(&layout(&columns.keys));
    }
    if touched(part::VALUE) {
        outputs[6..9].copy_from_slice(&layout(&columns.values));
    }
    if touched(part::HEADERS) {
        outputs[9] = address(&columns.header_counts);
        outputs[10] = columns.header_names.lengths.len() as u32;
        outputs[11..14].copy_from_slice(&layout(&columns.header_names));
        outputs[14..17].copy_from_slice(&layout(&columns.header_values));
    }
    if touched(part::ROUTE) {
        outputs[17] = address(&columns.routes);
        outputs[18] = columns.route_names.lengths.len() as u32;
        outputs[19..22].copy_from_slice(&layout(&columns.route_names));
    }
    outputs[22] = columns.reject_origins.len() as u32;
    outputs[23] = address(&columns.reject_origins);
    outputs[24..27].copy_from_slice(&layout(&columns.reject_codes));
    outputs[27..30].copy_from_slice(&layout(&columns.reject_messages));
}

fn layout(column: &Growing) -> [u32; 3] {
    let view = column.view();
    [address(view.lengths), address(view.data), view.data.len() as u32]
}

/// The address of what the host will read; 0 where there is nothing. Rust's allocator for this target aligns all memory
/// to 8 bytes, as the specification wants of tables.
fn address<I>(items: &[I]) -> u32 {
    if items.is_empty() { 0 } else { items.as_ptr() as usize as u32 }
}

#[link(wasm_import_module = "edgemill:transform/log@1.0.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn log_import(level: u32, ptr: u32, len: u32);
}

/// Writes to the host's log.
pub(crate) fn log(level: Level, message: &str) {
    // SAFETY: the host reads the text during the call and keeps nothing.
    unsafe { log_import(level as u32, address(message.as_bytes()), message.len() as u32) }
}

/// The exports of the core door.
#[doc(hidden)]
#[macro_export]
macro_rules! __door {
    ($transform:ty) => {
        const _: () = {
            static DOOR: $crate::door::Door<$transform> = $crate::door::Door::new();

            #[unsafe(no_mangle)]
            extern "C" fn edgemill_alloc(size: u32) -> u32 {
                DOOR.alloc(size)
            }

            #[unsafe(no_mangle)]
            extern "C" fn edgemill_configure(ptr: u32, len: u32) -> u32 {
                DOOR.configure(ptr, len)
            }

            #[unsafe(no_mangle)]
            extern "C" fn edgemill_transform_1_0_0(batch: u32) -> u32 {
                DOOR.transform(batch)
            }
        };
    };
}
