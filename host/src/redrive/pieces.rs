//! Cuts a batch of dead letters into runs that a chain can be given, and runs that go back as they are.

use crate::batch::{Batch, Bytes};
use crate::dead_letter::Letter;
use crate::records::Gathered;
use crate::source::Messages;
use std::borrow::Cow;

/// A run of dead letters with the same fate.
pub(super) enum Piece {
    /// To be tried again: one original topic and partition, in the order of the originals' offsets.
    Records(Copied),
    /// To be put back, or passed over.
    Back(Copied),
}

/// Records out of a batch, copied: this is no hot path.
pub(super) struct Copied {
    records: Gathered,
    /// The dead letters' own offsets.
    offsets: Vec<i64>,
    tried: Vec<u32>,
}

impl Copied {
    fn new(topic: &str, partition: i32) -> Self {
        Self { records: Gathered::new(topic, partition), offsets: Vec::new(), tried: Vec::new() }
    }
}

impl Messages for Copied {
    fn batch(&self) -> Batch<'_> {
        self.records.batch()
    }

    fn offsets(&self) -> Cow<'_, [i64]> {
        Cow::Borrowed(&self.offsets)
    }

    fn tried(&self) -> Cow<'_, [u32]> {
        Cow::Borrowed(&self.tried)
    }
}

/// One batch on its way to pieces.
pub(super) struct Cut<'b, 'a> {
    batch: &'b Batch<'a>,
    keys: Cow<'b, [Bytes<'a>]>,
    values: Cow<'b, [Bytes<'a>]>,
    pieces: Vec<Piece>,
    /// The last offset that was passed over, while no piece covers it.
    passed_over: Option<i64>,
}

impl<'b, 'a> Cut<'b, 'a> {
    pub(super) fn new(batch: &'b Batch<'a>) -> Self {
        let (keys, values) = (batch.keys.each(), batch.values.each());
        Self { batch, keys, values, pieces: Vec::new(), passed_over: None }
    }

    /// Makes a dead letter the record that it was. `headers` are all that it has.
    pub(super) fn restore(&mut self, index: usize, letter: &Letter<'_>, headers: &[(Bytes<'_>, Bytes<'_>)]) {
        // the contract's batch: one partition, offsets ascending; so a record that failed twice starts a new one
        let fits = match self.pieces.last() {
            Some(Piece::Records(run)) => {
                let last = run.records.batch().offsets.last().copied();
                run.records.topic == letter.topic
                    && run.records.partition == letter.partition
                    && last.is_some_and(|last| last < letter.offset)
            }
            _ => false,
        };
        if !fits {
            self.pieces.push(Piece::Records(Copied::new(letter.topic, letter.partition)));
        }
        self.push(index, letter.offset, letter.timestamp, &headers[..letter.own]);
        if let Some(Piece::Records(run)) = self.pieces.last_mut() {
            run.tried.push(letter.tries);
        }
    }

    /// Leaves a dead letter as it is, to be put back.
    pub(super) fn put_back(&mut self, index: usize, headers: &[(Bytes<'_>, Bytes<'_>)]) {
        if !matches!(self.pieces.last(), Some(Piece::Back(_))) {
            self.pieces.push(Piece::Back(Copied::new(self.batch.topic, self.batch.partition)));
        }
        self.push(index, self.batch.offsets[index], self.batch.timestamps[index], headers);
    }

    /// Leaves a record where it is. The next piece's offsets, or a piece without records, are behind it.
    pub(super) fn pass_over(&mut self, index: usize) {
        self.passed_over = Some(self.batch.offsets[index]);
    }

    /// The pieces, in order.
    pub(super) fn end(mut self) -> Vec<Piece> {
        if let Some(offset) = self.passed_over {
            let mut none = Copied::new(self.batch.topic, self.batch.partition);
            none.offsets.push(offset);
            self.pieces.push(Piece::Back(none));
        }
        self.pieces
    }

    fn push(&mut self, index: usize, offset: i64, timestamp: i64, headers: &[(Bytes<'_>, Bytes<'_>)]) {
        self.passed_over = None;
        let Some(Piece::Records(run) | Piece::Back(run)) = self.pieces.last_mut() else { return };
        run.records.push(offset, timestamp, self.keys[index], self.values[index]);
        for (name, value) in headers {
            run.records.push_header(name.unwrap_or_default(), *value);
        }
        run.offsets.push(self.batch.offsets[index]);
    }
}
