//! Spreads lanes over requests that are being gathered: requests that have a lane in common go one after the other, so each lane's rows
//! are gathered with those of few others, and together with more only where there are few rows.

use super::endpoint::Frame;
use super::request::{Gathering, Request};
use crate::config::HttpBatch;
use std::time::Instant;

/// Rows that are being gathered.
pub(super) struct Spread {
    batch: HttpBatch,
    /// As many as requests may go at a time; a lane has its rows in one of them.
    groups: Vec<Option<Gathering>>,
    /// Buffers of bodies that were taken, to be filled again.
    spare: Vec<Vec<u8>>,
}

impl Spread {
    pub(super) fn new(batch: HttpBatch) -> Self {
        Self { batch, groups: (0..batch.window).map(|_| None).collect(), spare: Vec::new() }
    }

    fn group(&self, slot: u32) -> usize {
        slot as usize % self.groups.len()
    }

    /// Where rows of a lane are gathered.
    pub(super) fn of(&mut self, slot: u32, frame: &Frame) -> &mut Gathering {
        let group = self.group(slot);
        let spare = &mut self.spare;
        self.groups[group].get_or_insert_with(|| Gathering::new(frame, spare.pop().unwrap_or_default()))
    }

    /// A request of what is gathered with rows of a lane, where it is full.
    pub(super) fn full(&mut self, slot: u32, frame: &Frame) -> Option<Request> {
        let (group, batch) = (self.group(slot), &self.batch);
        let is_full = |rows: &mut Gathering| rows.rows() >= batch.records || rows.bytes() >= batch.bytes;
        self.groups[group].take_if(is_full).map(|full| full.close(frame))
    }

    /// Requests of all that is gathered, as few as may be, in the order of their lanes.
    pub(super) fn close(&mut self, frame: &Frame) -> Vec<Request> {
        let (batch, mut closed) = (&self.batch, Vec::new());
        let mut together: Option<Gathering> = None;
        for next in self.groups.iter_mut().filter_map(|group| group.take_if(|rows| rows.rows() > 0)) {
            let fits = |rows: &&mut Gathering| {
                rows.rows() + next.rows() <= batch.records && rows.bytes() + next.bytes() <= batch.bytes
            };
            match together.as_mut().filter(fits) {
                Some(rows) => rows.append(&next, frame),
                None => closed.extend(together.replace(next).map(|full| full.close(frame))),
            }
        }
        closed.extend(together.map(|rows| rows.close(frame)));
        closed
    }

    /// When the oldest row came.
    pub(super) fn since(&self) -> Option<Instant> {
        self.rows().map(|rows| rows.since).min()
    }

    /// What it weighs, about.
    pub(super) fn weight(&self) -> usize {
        self.rows().map(Gathering::weight).sum()
    }

    fn rows(&self) -> impl Iterator<Item = &Gathering> {
        self.groups.iter().flatten().filter(|rows| rows.rows() > 0)
    }

    /// Takes the buffer of a request that was taken.
    pub(super) fn reuse(&mut self, request: Request) {
        if self.spare.len() < self.groups.len() {
            self.spare.extend(request.into_buffer());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Lane, Span};
    use std::time::Duration;

    fn spread(records: usize, rows: &[(u32, &str)]) -> (Spread, Vec<Request>) {
        let batch = HttpBatch { records, bytes: 100, age: Duration::from_secs(1), window: 2, in_flight: 1 << 20 };
        let (mut spread, mut full) = (Spread::new(batch), Vec::new());
        for (index, (slot, text)) in rows.iter().enumerate() {
            let span = Span { lane: Lane { slot: *slot, epoch: 1 }, number: 0 };
            let encode = |all: &mut Vec<u8>| {
                all.extend_from_slice(text.as_bytes());
                Ok::<(), ()>(())
            };
            spread.of(*slot, &frame()).push(&frame(), (span, index as u32), encode).unwrap();
            full.extend(spread.full(*slot, &frame()));
        }
        (spread, full)
    }

    fn frame() -> Frame {
        Frame { open: b"[".to_vec(), between: b", ".to_vec(), close: b"]".to_vec() }
    }

    fn bodies(requests: &[Request]) -> Vec<&[u8]> {
        requests.iter().map(|request| &request.body[..]).collect()
    }

    #[test]
    fn lanes_fill_requests_of_their_own() {
        let (mut spread, full) = spread(2, &[(0, "a0"), (1, "b0"), (0, "a1"), (2, "c0"), (1, "b1")]);
        assert_eq!(bodies(&full), [b"[a0, a1]", b"[b0, b1]"]);
        assert!(full.iter().all(|request| request.slots.len() == 1));
        assert_eq!(bodies(&spread.close(&frame())), [b"[c0]"]);
        assert!(spread.close(&frame()).is_empty() && spread.since().is_none());
    }

    #[test]
    fn few_rows_of_many_lanes_go_together() {
        let (mut spread, full) = spread(4, &[(0, "a0"), (1, "b0"), (3, "d0"), (0, "a1")]);
        assert!(full.is_empty());
        let together = spread.close(&frame());
        assert_eq!(bodies(&together), [b"[a0, a1, b0, d0]"]);
        assert_eq!(together[0].slots, [0, 1, 3]);
        let places: Vec<_> = together[0].places.iter().map(|place| place.index).collect();
        assert_eq!(places, [0, 3, 1, 2]);
        let (first, second) = together.into_iter().next().unwrap().halves(&frame());
        assert_eq!(bodies(&[first, second]), [b"[a0, a1]", b"[b0, d0]"]);
    }

    #[test]
    fn what_does_not_fit_goes_apart() {
        let (mut spread, _) = spread(4, &[(0, "a"), (0, "a"), (0, "a"), (1, "b"), (1, "b")]);
        assert_eq!(bodies(&spread.close(&frame())), [&b"[a, a, a]"[..], b"[b, b]"]);
    }

    #[test]
    fn a_request_of_enough_bytes_is_full() {
        let row = "x".repeat(40);
        let (mut spread, full) = spread(1000, &[(0, &row), (0, &row), (0, &row), (0, &row), (1, &row), (2, &row)]);
        assert_eq!(full.iter().map(|request| request.places.len()).collect::<Vec<_>>(), [3]);
        // one row and two more of another lane's would be too many for one
        let apart = spread.close(&frame());
        assert_eq!(apart.iter().map(|request| request.places.len()).collect::<Vec<_>>(), [2, 1]);
    }
}
