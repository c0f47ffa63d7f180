//! Values of rows that librdkafka reads where they lie, instead of copying each into a block of its own.

use super::Handle;
use crate::batch::{Bytes, Column};
use std::sync::Arc;

/// The values of a batch's rows, end to end. They stay as they are while a row is out.
pub(in crate::kafka) struct Slab {
    bytes: Vec<u8>,
    /// Rows that were handed over and have not come back.
    out: usize,
    handle: Arc<Handle>,
}

impl Slab {
    /// Makes an empty one.
    pub(in crate::kafka) fn new(handle: &Arc<Handle>) -> Self {
        Self { bytes: Vec::new(), out: 0, handle: handle.clone() }
    }

    /// Replaces what it has. No row may be out.
    pub(in crate::kafka) fn fill(&mut self, values: &Column<'_>, size: usize) {
        assert_eq!(self.out, 0, "librdkafka still reads from this slab");
        self.bytes.clear();
        self.bytes.reserve(size);
        match values {
            Column::Dense { data, .. } => self.bytes.extend_from_slice(data),
            Column::Each(each) => each.iter().flatten().for_each(|value| self.bytes.extend_from_slice(value)),
        }
    }

    /// The memory that it takes.
    pub(in crate::kafka) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Rows of it have come back.
    pub(in crate::kafka) fn land(&mut self, rows: usize) {
        self.out -= rows;
    }

    /// The part that begins at `at` and is as long as `value`, which it is a copy of.
    pub(super) fn part(&self, at: usize, value: Bytes<'_>) -> Bytes<'_> {
        value.map(|value| &self.bytes[at..at + value.len()])
    }

    /// A row was handed over.
    pub(super) fn fly(&mut self) {
        self.out += 1;
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        if self.out > 0 {
            // librdkafka may still read it
            self.handle.keep(std::mem::take(&mut self.bytes));
        }
    }
}
