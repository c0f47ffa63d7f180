//! WASI preview 1, as far as it is granted: clocks, random, standard output and error into the log, arguments.
//!
//! There is no file, environment or input but what the host puts there itself, so whoever asks for another descriptor
//! hears that there is none. Our own and not wasmtime-wasi's: that one reaches the system through an async runtime, has
//! a world of files to switch off, and knows nothing of the time that a call may take.

use super::State;
use crate::wasm::journal::{Journal, Level};
use crate::wasm::stdio::Output;
use wasmtime::{Caller, FuncType, Linker, Val, ValType};

mod calls;
mod clock;
mod poll;

pub(in crate::wasm) use clock::Clock;

/// The module that its functions are imported from.
pub(in crate::wasm) const MODULE: &str = "wasi_snapshot_preview1";

/// What a call answers, as WASI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errno {
    Success = 0,
    /// No such descriptor.
    Badf = 8,
    /// An address outside of the memory.
    Fault = 21,
    Inval = 28,
    Nosys = 52,
    /// A descriptor that has no position.
    Spipe = 70,
}

/// What a call comes to, and whether the guest goes on.
type Answer = wasmtime::Result<Errno>;

/// Functions that only say that there is no such descriptor, and their parameters: `i` has 32 bits, `I` 64.
const CLOSED: [(&str, &str); 26] = [
    ("fd_advise", "iIIi"),
    ("fd_allocate", "iII"),
    ("fd_datasync", "i"),
    ("fd_fdstat_set_rights", "iII"),
    ("fd_filestat_set_size", "iI"),
    ("fd_filestat_set_times", "iIIi"),
    ("fd_pread", "iiiIi"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_prestat_get", "ii"),
    ("fd_pwrite", "iiiIi"),
    ("fd_readdir", "iiiIi"),
    ("fd_renumber", "ii"),
    ("fd_sync", "i"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiiIIi"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiiIIii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
];

/// Functions that do something.
const OPEN: [&str; 20] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_filestat_get",
    "fd_read",
    "fd_seek",
    "fd_tell",
    "fd_write",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
    "sock_shutdown",
];

/// Whether preview 1 has a function of this name.
pub(in crate::wasm) fn has(name: &str) -> bool {
    OPEN.contains(&name) || CLOSED.iter().any(|(closed, _)| *closed == name)
}

/// What a guest knows of the world.
pub(in crate::wasm) struct Wasi {
    /// Each ends with a zero byte.
    pub(in crate::wasm) arguments: Vec<Vec<u8>>,
    /// `NAME=value`, each ends with a zero byte.
    pub(in crate::wasm) environment: Vec<Vec<u8>>,
    /// Standard input, and how much of it was read.
    pub(in crate::wasm) input: Vec<u8>,
    read: usize,
    /// Standard output, where it is not for the log.
    pub(in crate::wasm) collected: Option<Vec<u8>>,
    pub(in crate::wasm) clock: Clock,
    output: Output,
    errors: Output,
}

impl Wasi {
    /// A world with nothing in it but the log.
    pub(in crate::wasm) fn new(journal: &Journal) -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            read: 0,
            collected: None,
            clock: Clock::Real,
            output: Output::new(journal.clone(), Level::Info),
            errors: Output::new(journal.clone(), Level::Warn),
        }
    }

    /// A call begins.
    pub(in crate::wasm) fn begin(&self) {
        self.errors.begin();
    }

    /// What was printed on standard error since the call began.
    pub(in crate::wasm) fn printed(&self) -> Option<String> {
        self.errors.since_begin()
    }
}

/// A text as programs take their arguments.
pub(in crate::wasm) fn terminated(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// Puts preview 1 into a linker.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    calls::link(linker)?;
    poll::link(linker)?;
    for (name, params) in CLOSED {
        let params = params.bytes().map(|letter| if letter == b'I' { ValType::I64 } else { ValType::I32 });
        let ty = FuncType::new(linker.engine(), params, [ValType::I32]);
        linker.func_new(MODULE, name, ty, |_, _, results| {
            results[0] = Val::I32(Errno::Badf as i32);
            Ok(())
        })?;
    }
    Ok(())
}

/// The memory of a guest that calls, as far as a call touches it.
struct View<'a> {
    memory: &'a mut [u8],
    state: &'a mut State,
}

impl<'a> View<'a> {
    fn new(caller: &'a mut Caller<'_, State>) -> wasmtime::Result<Self> {
        let (memory, state) = super::memory(caller)?;
        Ok(Self { memory, state })
    }

    fn slice(&mut self, at: u32, size: u32) -> Result<&mut [u8], Errno> {
        let end = (at as usize).checked_add(size as usize).ok_or(Errno::Fault)?;
        self.memory.get_mut(at as usize..end).ok_or(Errno::Fault)
    }

    fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Errno> {
        self.slice(at, bytes.len() as u32)?.copy_from_slice(bytes);
        Ok(())
    }

    fn number(&mut self, at: u32) -> Result<u32, Errno> {
        let bytes: [u8; 4] = self.slice(at, 4)?.try_into().map_err(|_| Errno::Fault)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn long(&mut self, at: u32) -> Result<u64, Errno> {
        let bytes: [u8; 8] = self.slice(at, 8)?.try_into().map_err(|_| Errno::Fault)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// An answer of what was done.
fn answer(done: Result<(), Errno>) -> Errno {
    done.err().unwrap_or(Errno::Success)
}
