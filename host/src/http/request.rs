//! The rows of one request: their text as the destination wants it, laid end to end, and where each came from.

use super::endpoint::Frame;
use crate::record::{Lane, Span};
use bytes::Bytes;
use std::ops::Range;
use std::time::Instant;

/// What a row takes besides bytes: its place, and the record that it came from, which the worker keeps until the row is
/// settled. That is a message of librdkafka's (336 bytes by its 2.12), and its columns.
const ROW: usize = 480;

/// Where a row came from, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) span: Span,
    /// Its number among the span's rows.
    pub(super) index: u32,
    end: usize,
}

/// What rows take until they are settled, in bytes, about: a record has about as many as its row.
fn weight(text: &[u8], places: &[Place]) -> usize {
    2 * text.len() + places.len() * ROW
}

/// Rows that are being gathered.
pub(super) struct Gathering {
    text: Vec<u8>,
    places: Vec<Place>,
    slots: Vec<u32>,
    /// When the first came.
    pub(super) since: Instant,
}

impl Gathering {
    /// Begins in a buffer that is not needed any more, or in a new one.
    pub(super) fn new(frame: &Frame, mut text: Vec<u8>) -> Self {
        text.clear();
        text.extend_from_slice(&frame.open);
        Self { text, places: Vec::new(), slots: Vec::new(), since: Instant::now() }
    }

    /// Appends a row, whose text `encode` appends.
    pub(super) fn push<E>(
        &mut self,
        frame: &Frame,
        (span, index): (Span, u32),
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let before = self.text.len();
        if !self.places.is_empty() {
            self.text.extend_from_slice(&frame.between);
        }
        if let Err(error) = encode(&mut self.text) {
            self.text.truncate(before);
            return Err(error);
        }
        let slot = span.lane.slot;
        if self.places.last().is_none_or(|last| last.span.lane.slot != slot) && !self.slots.contains(&slot) {
            self.slots.push(slot);
        }
        self.places.push(Place { span, index, end: self.text.len() });
        Ok(())
    }

    /// Appends all rows of another one, which has none of the same lanes.
    pub(super) fn append(&mut self, other: &Gathering, frame: &Frame) {
        self.text.extend_from_slice(&frame.between);
        let moved = self.text.len() - frame.open.len();
        self.text.extend_from_slice(&other.text[frame.open.len()..]);
        self.places.extend(other.places.iter().map(|place| Place { end: place.end + moved, ..*place }));
        self.slots.extend_from_slice(&other.slots);
    }

    pub(super) fn rows(&self) -> usize {
        self.places.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// What it weighs, about.
    pub(super) fn weight(&self) -> usize {
        weight(&self.text, &self.places)
    }

    pub(super) fn close(mut self, frame: &Frame) -> Request {
        self.text.extend_from_slice(&frame.close);
        Request { body: self.text.into(), places: self.places, slots: self.slots }
    }
}

/// Rows that go, or went, together.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) body: Bytes,
    pub(super) places: Vec<Place>,
    /// The lanes that its rows are of, by their slots: a lane that is read again keeps its slot.
    pub(super) slots: Vec<u32>,
}

impl Request {
    /// The buffer of its body, where nobody else has it any more.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        self.body.is_unique().then(|| self.body.into())
    }

    pub(super) fn has(&self, lanes: &[Lane]) -> bool {
        self.places.iter().any(|place| lanes.contains(&place.span.lane))
    }

    fn text(&self, row: usize, frame: &Frame) -> Range<usize> {
        let start = match row.checked_sub(1) {
            None => frame.open.len(),
            Some(before) => self.places[before].end + frame.between.len(),
        };
        start..self.places[row].end
    }

    /// A request of some of the rows, in order.
    fn select(&self, frame: &Frame, rows: impl Iterator<Item = usize>) -> Request {
        let mut some = Gathering::new(frame, Vec::with_capacity(self.body.len()));
        for row in rows {
            let Place { span, index, .. } = self.places[row];
            let text = &self.body[self.text(row, frame)];
            let pushed = some.push(frame, (span, index), |all| {
                all.extend_from_slice(text);
                Ok::<(), std::convert::Infallible>(())
            });
            debug_assert!(pushed.is_ok(), "nothing is refused");
        }
        some.close(frame)
    }

    /// Two of half the rows each, in order; there are two at least.
    pub(super) fn halves(self, frame: &Frame) -> (Request, Request) {
        let (half, all) = (self.places.len() / 2, self.places.len());
        (self.select(frame, 0..half), self.select(frame, half..all))
    }

    /// Without the rows of these lanes; none where no row is left.
    pub(super) fn without(self, lanes: &[Lane], frame: &Frame) -> Option<Request> {
        if !self.has(lanes) {
            return Some(self);
        }
        let kept: Vec<_> = (0..self.places.len()).filter(|&row| !lanes.contains(&self.places[row].span.lane)).collect();
        (!kept.is_empty()).then(|| self.select(frame, kept.into_iter()))
    }

    /// Requests that have all rows in order, and each of these, by ascending numbers, alone.
    pub(super) fn apart(&self, rows: &[usize], frame: &Frame) -> Vec<Request> {
        let ends = rows.iter().flat_map(|&row| [row, row + 1]).chain([self.places.len()]);
        let ranges = ends.scan(0, |from, to| Some(std::mem::replace(from, to)..to));
        ranges.filter(|range| !range.is_empty()).map(|range| self.select(frame, range)).collect()
    }

    /// What it weighs, about.
    pub(super) fn weight(&self) -> usize {
        weight(&self.body, &self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { open: b"[".to_vec(), between: b", ".to_vec(), close: b"]".to_vec() }
    }

    fn span(slot: u32) -> Span {
        Span { lane: Lane { slot, epoch: 1 }, number: 0 }
    }

    fn request(rows: &[(u32, &str)]) -> Request {
        let mut gathering = Gathering::new(&frame(), Vec::new());
        for (index, (slot, text)) in rows.iter().enumerate() {
            let encode = |all: &mut Vec<u8>| {
                all.extend_from_slice(text.as_bytes());
                Ok::<(), ()>(())
            };
            gathering.push(&frame(), (span(*slot), index as u32), encode).unwrap();
        }
        gathering.close(&frame())
    }

    #[test]
    fn a_body_is_cut_between_rows_and_stays_well_formed() {
        let whole = request(&[(0, "1"), (1, "22"), (0, "333")]);
        assert_eq!(&whole.body[..], b"[1, 22, 333]");
        assert_eq!(whole.slots, [0, 1]);
        let (first, second) = whole.halves(&frame());
        assert_eq!((&first.body[..], &second.body[..]), (&b"[1]"[..], &b"[22, 333]"[..]));
        assert_eq!(second.places.iter().map(|place| place.index).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn rows_of_lost_lanes_are_left_out() {
        let lost = [span(0).lane];
        let left = request(&[(0, "1"), (1, "22"), (0, "333")]).without(&lost, &frame()).unwrap();
        assert_eq!(&left.body[..], b"[22]");
        assert!(request(&[(0, "1")]).without(&lost, &frame()).is_none());
        let later = [Lane { epoch: 2, ..lost[0] }];
        assert_eq!(&request(&[(0, "1")]).without(&later, &frame()).unwrap().body[..], b"[1]");
    }

    #[test]
    fn some_rows_go_alone_and_all_in_order() {
        let all = request(&[(0, "1"), (1, "22"), (0, "333"), (0, "4")]);
        let apart = |rows: &[usize]| {
            let pieces = all.apart(rows, &frame());
            pieces.iter().map(|piece| String::from_utf8(piece.body.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(apart(&[1]), ["[1]", "[22]", "[333, 4]"]);
        assert_eq!(apart(&[0, 2, 3]), ["[1]", "[22]", "[333]", "[4]"]);
    }

    #[test]
    fn what_cannot_be_encoded_leaves_nothing_behind() {
        let mut gathering = Gathering::new(&frame(), b"what was there before".to_vec());
        let encode = |result| {
            move |all: &mut Vec<u8>| {
                all.push(b'x');
                result
            }
        };
        assert!(gathering.push(&frame(), (span(0), 0), encode(Ok::<(), ()>(()))).is_ok());
        assert!(gathering.push(&frame(), (span(0), 1), encode(Err(()))).is_err());
        assert_eq!((gathering.rows(), gathering.bytes()), (1, 2));
        assert_eq!(&gathering.close(&frame()).body[..], b"[x]");
    }
}
