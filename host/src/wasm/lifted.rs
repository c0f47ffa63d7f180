//! What both doors do with what a guest gave back: bounds on its size, and texts for people.

use crate::batch::Batch;
use crate::outputs::Outputs;
use std::borrow::Cow;

/// Outputs of one call. Each costs the host some hundred bytes on its way, even where it keeps all that its origin had.
pub(super) const MAX_OUTPUTS: usize = 1 << 20;

/// Bytes of a guest's message that are kept.
const MESSAGE: usize = 4096;

/// How much of a guest's outputs the host copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    bytes: usize,
    limit: usize,
    inputs: usize,
}

impl Budget {
    /// For the outputs of `inputs` records: as many bytes as the guest may have memory.
    pub(super) fn new(limit: usize, inputs: usize) -> Self {
        Self { bytes: limit, limit, inputs }
    }

    /// Takes the bytes of a field.
    pub(super) fn spend(&mut self, what: &str, size: usize) -> Result<(), String> {
        match self.bytes.checked_sub(size) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(format!("{what}: with {size} bytes the outputs are larger than limits.memory, {}", self.limit)),
        }
    }

    /// A number of outputs that can be.
    pub(super) fn outputs(&self, count: u32) -> Result<usize, String> {
        match count as usize {
            count if count > MAX_OUTPUTS => Err(format!("count: {count} outputs of one call; {MAX_OUTPUTS} at most")),
            count => Ok(count),
        }
    }

    /// A number of rejects that can be: one for each input.
    pub(super) fn rejects(&self, count: u32) -> Result<usize, String> {
        match count as usize {
            count if count > self.inputs => Err(format!("rejects: {count} in a batch of {} records", self.inputs)),
            count => Ok(count),
        }
    }
}

/// Checks lifted outputs against the batch they were made from.
///
/// # Errors
/// The first breach, in words.
// Promise: bounds
pub(super) fn check(outputs: &Outputs, batch: &Batch<'_>, limit: usize) -> Result<(), String> {
    let count = outputs.origins.len();
    if count > MAX_OUTPUTS {
        return Err(format!("origins: {count} outputs of one call; {MAX_OUTPUTS} at most"));
    }
    outputs.check(batch.len())?;
    let kept = kept(outputs, batch);
    if kept > limit {
        return Err(format!("origins: repeated so often that {kept} bytes are kept; limits.memory is {limit}"));
    }
    Ok(())
}

/// The bytes that outputs keep from origins they repeat. Without repetition they cannot be more than the input.
fn kept(outputs: &Outputs, batch: &Batch<'_>) -> usize {
    if outputs.is_one_to_one(batch.len()) || outputs.origins.is_sorted_by(|a, b| a < b) {
        return 0;
    }
    let mut kept = 0usize;
    for (keep, column) in [(outputs.keep.keys, &batch.keys), (outputs.keep.values, &batch.values)] {
        if keep {
            let each = column.each();
            let sizes = outputs.origins.iter().map(|&origin| each[origin as usize].map_or(0, <[u8]>::len));
            kept = sizes.fold(kept, usize::saturating_add);
        }
    }
    if outputs.keep.headers && !batch.headers.is_empty() {
        let starts = batch.headers.starts();
        let (names, values) = (batch.headers.names.each(), batch.headers.values.each());
        let size = |index: usize| names[index].map_or(0, <[u8]>::len) + values[index].map_or(0, <[u8]>::len);
        let sizes: Vec<usize> = starts.windows(2).map(|w| (w[0] as usize..w[1] as usize).map(size).sum()).collect();
        kept = outputs.origins.iter().map(|&origin| sizes[origin as usize]).fold(kept, usize::saturating_add);
    }
    kept
}

/// A guest's text for a person: lossy, and shortened.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if bytes.len() <= MESSAGE {
        return String::from_utf8_lossy(bytes);
    }
    let text = String::from_utf8_lossy(&bytes[..MESSAGE]);
    format!("{}…", text.trim_end_matches('\u{fffd}')).into()
}
