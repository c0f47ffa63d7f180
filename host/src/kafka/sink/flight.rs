//! What has been handed to librdkafka and not come back.

use super::super::raw::{Handle, Slab};
use crate::batch::Column;
use crate::record::Span;
use std::sync::Arc;

/// What librdkafka spends on a row besides its bytes.
pub(super) const ROW: usize = 128;
/// Values of a batch that are together as large as this are copied once, end to end: librdkafka's copies, one a row, cost
/// more.
const SLAB: usize = 16 << 10;

/// See the module.
#[derive(Default)]
pub(super) struct Flight {
    /// A span's rows carry its index. Every row comes back exactly once, so an index is reused when all have.
    spans: Vec<Flying>,
    free: Vec<usize>,
    pub(super) bytes: usize,
    pub(super) rows: usize,
    /// Slabs without rows, to be filled again.
    spare: Vec<Slab>,
}

struct Flying {
    span: Span,
    rows: usize,
    bytes: usize,
    /// The rows' values, where they were worth a copy of their own.
    slab: Option<Slab>,
}

impl Flight {
    /// A span's rows will be handed over.
    pub(super) fn take_off(&mut self, span: Span, values: &Column<'_>, handle: &Arc<Handle>) -> usize {
        let size = values.size();
        let slab = (size >= SLAB).then(|| {
            let mut slab = match self.spare.pop() {
                Some(slab) if slab.capacity() / 4 <= size => slab,
                _ => Slab::new(handle),
            };
            slab.fill(values, size);
            slab
        });
        // one more than its rows until all are handed over: some may come back before
        let flying = Flying { span, rows: 1, bytes: 0, slab };
        match self.free.pop() {
            Some(index) => {
                self.spans[index] = flying;
                index
            }
            None => {
                self.spans.push(flying);
                self.spans.len() - 1
            }
        }
    }

    /// A row was handed over.
    pub(super) fn fly(&mut self, index: usize, bytes: usize) {
        self.spans[index].rows += 1;
        self.spans[index].bytes += bytes;
        self.bytes += bytes;
        self.rows += 1;
    }

    /// A row is back. What its headers took is only known for the whole span, and comes back with the last.
    pub(super) fn unload(&mut self, index: usize, bytes: usize) {
        let flying = &mut self.spans[index];
        let bytes = (ROW + bytes).min(flying.bytes);
        flying.bytes -= bytes;
        self.bytes -= bytes;
        self.rows -= 1;
    }

    /// Rows of a span are settled; with the last of them its index is free.
    pub(super) fn land(&mut self, index: usize, count: u32) -> Span {
        let flying = &mut self.spans[index];
        if let Some(slab) = &mut flying.slab {
            slab.land(count as usize);
        }
        self.end(index, count as usize)
    }

    /// All rows of a span have been handed over.
    pub(super) fn close(&mut self, index: usize) {
        self.end(index, 1);
    }

    fn end(&mut self, index: usize, count: usize) -> Span {
        let flying = &mut self.spans[index];
        flying.rows -= count;
        if flying.rows == 0 {
            self.bytes -= flying.bytes;
            self.free.push(index);
            self.spare.extend(flying.slab.take());
        }
        flying.span
    }
}

impl Flight {
    /// Where the values of a span's rows have been copied to, where they have.
    pub(super) fn slab(&mut self, index: usize) -> Option<&mut Slab> {
        self.spans[index].slab.as_mut()
    }
}
