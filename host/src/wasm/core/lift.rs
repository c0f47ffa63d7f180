//! Copies what a guest gave back out of its memory, as `docs/guests/core-door.md` says. Believes nothing.

use crate::outputs::{Outputs, OwnedColumn, Reject};
use crate::wasm::lifted::{Budget, text};

/// Bytes of the outputs' table.
const TABLE: usize = 128;

/// What a guest's outputs are.
pub(super) enum Lifted {
    /// The outputs were filled; they are still to be checked against the batch.
    Outputs,
    /// The guest says that the whole call failed.
    Failed(String),
}

/// Reads outputs at `at` of a guest's memory into `outputs`.
///
/// # Errors
/// The first breach of the contract, in words.
// Promise: bounds
pub(super) fn read(memory: &[u8], at: u32, outputs: &mut Outputs, budget: Budget) -> Result<Lifted, String> {
    let mut reader = Reader { memory, budget };
    let table = reader.array("outputs", at, TABLE, 1)?;
    let mut fields = [0u32; TABLE / 4];
    read_numbers(table, u32::from_le_bytes).zip(&mut fields).for_each(|(number, field)| *field = number);

    if fields[30] != 0 {
        return Ok(Lifted::Failed(text(reader.bytes("error", fields[30], fields[31])?).into_owned()));
    }
    let count = reader.budget.outputs(fields[0])?;
    let origins = reader.array("origins", fields[1], count, 4)?;
    outputs.origins.extend(read_numbers(origins, u32::from_le_bytes));
    match fields[2] {
        0 => outputs.keep.timestamps = true,
        at => {
            let timestamps = reader.array("timestamps", at, count, 8)?;
            outputs.timestamps.extend(read_numbers(timestamps, i64::from_le_bytes));
        }
    }
    match fields[3] {
        0 => outputs.keep.keys = true,
        _ => reader.column("keys", &fields[3..6], count, &mut outputs.keys)?,
    }
    match fields[6] {
        0 => outputs.keep.values = true,
        _ => reader.column("values", &fields[6..9], count, &mut outputs.values)?,
    }
    match fields[9] {
        0 => outputs.keep.headers = true,
        at => {
            let counts = reader.array("header_counts", at, count, 4)?;
            outputs.headers.counts.extend(read_numbers(counts, u32::from_le_bytes));
            let total = fields[10] as usize;
            reader.column("header_names", &fields[11..14], total, &mut outputs.headers.names)?;
            reader.column("header_values", &fields[14..17], total, &mut outputs.headers.values)?;
        }
    }
    if fields[17] != 0 {
        let routes = reader.array("routes", fields[17], count, 2)?;
        outputs.routes.extend(read_numbers(routes, u16::from_le_bytes));
        let count = fields[18] as usize;
        reader.texts("route_names", &fields[19..22], count, |name| outputs.route_names.push(name.to_owned()))?;
    }
    if fields[22] != 0 {
        reader.rejects(&fields[22..30], outputs)?;
    }
    Ok(Lifted::Outputs)
}

/// The bytes of the *text* at `at` of a guest's memory.
///
/// # Errors
/// It lies outside of the memory, in words.
pub(super) fn read_text(memory: &[u8], at: u32) -> Result<&[u8], String> {
    let mut reader = Reader { memory, budget: Budget::new(memory.len(), 0) };
    let mut fields = read_numbers(reader.array("text", at, 8, 1)?, u32::from_le_bytes);
    let (start, size) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    reader.bytes("text", start, size)
}

/// A guest's memory, and how much of it may still be copied.
struct Reader<'m> {
    memory: &'m [u8],
    budget: Budget,
}

impl<'m> Reader<'m> {
    /// `count` items of `width` bytes at a multiple of 8.
    fn array(&mut self, what: &str, at: u32, count: usize, width: usize) -> Result<&'m [u8], String> {
        if count == 0 {
            return Ok(&[]);
        }
        if !at.is_multiple_of(8) {
            return Err(format!("{what}: the address {at} is no multiple of 8"));
        }
        let size = count.checked_mul(width).ok_or_else(|| format!("{what}: {count} items"))?;
        self.copyable(what, at, size)
    }

    /// `size` bytes anywhere.
    fn bytes(&mut self, what: &str, at: u32, size: u32) -> Result<&'m [u8], String> {
        match size {
            0 => Ok(&[]),
            size => self.copyable(what, at, size as usize),
        }
    }

    fn copyable(&mut self, what: &str, at: u32, size: usize) -> Result<&'m [u8], String> {
        let start = at as usize;
        let bytes = start.checked_add(size).and_then(|end| self.memory.get(start..end)).ok_or_else(|| {
            format!("{what}: {size} bytes at {at} end outside of the memory, which has {}", self.memory.len())
        })?;
        self.budget.spend(what, size)?;
        Ok(bytes)
    }

    /// A column of `count` items; `fields` are its three.
    fn column(&mut self, what: &str, fields: &[u32], count: usize, column: &mut OwnedColumn) -> Result<(), String> {
        let lengths = self.array(what, fields[0], count, 4)?;
        column.lengths.extend(read_numbers(lengths, i32::from_le_bytes));
        column.data.extend_from_slice(self.bytes(what, fields[1], fields[2])?);
        Ok(())
    }

    /// Calls `each` with the texts of a column of `count` items; `fields` are its three.
    fn texts(&mut self, what: &str, fields: &[u32], count: usize, mut each: impl FnMut(&str)) -> Result<(), String> {
        let lengths = self.array(what, fields[0], count, 4)?;
        let mut rest = self.bytes(what, fields[1], fields[2])?;
        for length in read_numbers(lengths, i32::from_le_bytes) {
            let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
            let Some((item, after)) = split else {
                return Err(format!("{what}: a length of {length} where {} bytes are left", rest.len()));
            };
            each(std::str::from_utf8(item).map_err(|_| format!("{what}: a text that is not UTF-8"))?);
            rest = after;
        }
        match rest.len() {
            0 => Ok(()),
            left => Err(format!("{what}: {left} bytes more than the lengths add up to")),
        }
    }

    /// The refused records; `fields` are `reject_count`, `reject_origins` and the two columns.
    fn rejects(&mut self, fields: &[u32], outputs: &mut Outputs) -> Result<(), String> {
        let count = self.budget.rejects(fields[0])?;
        let origins = self.array("reject_origins", fields[1], count, 4)?;
        let reject = |origin| Reject { origin, code: String::new(), message: String::new() };
        outputs.rejects.extend(read_numbers(origins, u32::from_le_bytes).map(reject));
        let mut rejects = outputs.rejects.iter_mut();
        self.texts("reject_codes", &fields[2..5], count, |code| {
            if let Some(reject) = rejects.next() {
                reject.code = text(code.as_bytes()).into_owned();
            }
        })?;
        let mut rejects = outputs.rejects.iter_mut();
        self.texts("reject_messages", &fields[5..8], count, |message| {
            if let Some(reject) = rejects.next() {
                reject.message = text(message.as_bytes()).into_owned();
            }
        })
    }
}

/// Numbers laid one after the other. Collecting them is a plain copy, which the compiler finds.
fn read_numbers<T, const N: usize>(bytes: &[u8], from: impl Fn([u8; N]) -> T) -> impl ExactSizeIterator<Item = T> {
    bytes.as_chunks::<N>().0.iter().map(move |chunk| from(*chunk))
}
