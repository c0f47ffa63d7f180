//! Which offsets may be committed: spans settle in any order, resume points only move over a settled run of them.

use crate::record::{Lane, Offset, Resume, Span};
use std::collections::VecDeque;

/// The lanes of one worker.
#[derive(Debug, Default)]
pub struct Ledger {
    lanes: Vec<Book>,
}

#[derive(Debug, Default)]
struct Book {
    epoch: u32,
    held: bool,
    /// Spans that are not yet part of the settled run, oldest first.
    open: VecDeque<Entry>,
    /// Number of the first of them.
    first: u64,
    resume: Option<Resume>,
    committed: Option<Resume>,
}

#[derive(Debug)]
struct Entry {
    resume: Resume,
    /// What the span still waits for.
    outstanding: u32,
}

impl Ledger {
    /// Takes a free slot for a new assignment.
    pub fn assign(&mut self) -> Lane {
        let slot = self.lanes.iter().position(|book| !book.held).unwrap_or_else(|| {
            self.lanes.push(Book::default());
            self.lanes.len() - 1
        });
        let book = &mut self.lanes[slot];
        *book = Book { epoch: book.epoch + 1, held: true, ..Book::default() };
        Lane { slot: slot as u32, epoch: book.epoch }
    }

    /// Whether the assignment still lasts.
    pub fn holds(&self, lane: Lane) -> bool {
        self.lanes.get(lane.slot as usize).is_some_and(|book| book.held && book.epoch == lane.epoch)
    }

    /// Ends an assignment. Late settlements of its spans are ignored from here on.
    pub fn release(&mut self, lane: Lane) {
        if let Some(book) = self.book(lane) {
            *book = Book { epoch: book.epoch, ..Book::default() };
        }
    }

    /// Gives up all open spans of a lane, to read it again from its resume point; `None` means from where the
    /// assignment began. The lane continues under a new epoch.
    // Promise: order
    pub fn rewind(&mut self, lane: Lane) -> Option<(Lane, Option<Resume>)> {
        let book = self.book(lane)?;
        let (resume, committed) = (book.resume, book.committed);
        *book = Book { epoch: book.epoch + 1, held: true, resume, committed, ..Book::default() };
        Some((Lane { slot: lane.slot, epoch: book.epoch }, resume))
    }

    /// Gives up everything of a lane that is not marked as committed, to read it again from there; `None` means from where
    /// the assignment began. The lane continues under a new epoch.
    // Promise: once
    pub fn void(&mut self, lane: Lane) -> Option<(Lane, Option<Resume>)> {
        let book = self.book(lane)?;
        book.resume = book.committed;
        self.rewind(lane)
    }

    /// Gives up everything of a lane that is not marked as committed, as [`Ledger::void`] does, for those who still have the
    /// records and pass them again: the lane keeps its epoch.
    // Promise: once
    pub fn void_open(&mut self, lane: Lane) {
        if let Some(book) = self.book(lane) {
            book.first += book.open.len() as u64;
            book.open.clear();
            book.resume = book.committed;
        }
    }

    /// Opens the span of a batch that ends with `last`, waiting for one settlement: the caller's own, see [`Ledger::expect`].
    pub fn open(&mut self, lane: Lane, last: Offset) -> Option<Span> {
        let book = self.book(lane)?;
        book.open.push_back(Entry { resume: last.resume(), outstanding: 1 });
        Some(Span { lane, number: book.first + book.open.len() as u64 - 1 })
    }

    /// Gives up a span that was opened and cannot be handed over, and those behind it in its lane, so that what is before
    /// can be drained. Nothing may be opened afterwards.
    pub fn take_back(&mut self, span: Span) {
        let Some(book) = self.book(span.lane) else { return };
        let index = span.number.saturating_sub(book.first);
        book.open.truncate(usize::try_from(index).unwrap_or(usize::MAX));
    }

    /// Makes a span wait for `count` settlements more.
    pub fn expect(&mut self, span: Span, count: u32) {
        if let Some(entry) = self.entry(span) {
            entry.outstanding += count;
        }
    }

    /// Settles `count` of what a span waits for, and moves the lane's resume point over all that is settled.
    // Promise: commit
    pub fn settle(&mut self, span: Span, count: u32) {
        let Some(entry) = self.entry(span) else { return };
        entry.outstanding = entry.outstanding.saturating_sub(count);
        let Some(book) = self.book(span.lane) else { return };
        while let Some(entry) = book.open.front().filter(|entry| entry.outstanding == 0) {
            book.resume = Some(entry.resume);
            book.open.pop_front();
            book.first += 1;
        }
    }

    /// The lane's resume point, once there is one.
    pub fn resume(&self, lane: Lane) -> Option<Resume> {
        self.lanes.get(lane.slot as usize).filter(|book| book.epoch == lane.epoch)?.resume
    }

    /// Whether a span still waits for something.
    pub fn is_open(&self, span: Span) -> bool {
        let book = self.lanes.get(span.lane.slot as usize).filter(|book| book.held && book.epoch == span.lane.epoch);
        let entry = book.and_then(|book| book.open.get(usize::try_from(span.number.checked_sub(book.first)?).ok()?));
        entry.is_some_and(|entry| entry.outstanding > 0)
    }

    /// Whether nothing of the lane is open.
    pub fn is_settled(&self, lane: Lane) -> bool {
        self.lanes.get(lane.slot as usize).is_none_or(|book| book.epoch != lane.epoch || book.open.is_empty())
    }

    /// Whether nothing of any lane is open.
    pub fn is_all_settled(&self) -> bool {
        self.lanes.iter().all(|book| book.open.is_empty())
    }

    /// What all spans of all lanes still wait for.
    pub fn outstanding(&self) -> u64 {
        self.lanes.iter().flat_map(|book| &book.open).map(|entry| u64::from(entry.outstanding)).sum()
    }

    /// What all spans of a lane still wait for.
    pub fn outstanding_of(&self, lane: Lane) -> u64 {
        let book = self.lanes.get(lane.slot as usize).filter(|book| book.epoch == lane.epoch);
        book.into_iter().flat_map(|book| &book.open).map(|entry| u64::from(entry.outstanding)).sum()
    }

    /// Resume points that moved since they were last marked as committed.
    pub fn moved(&self) -> Vec<(Lane, Resume)> {
        let books = self.lanes.iter().enumerate().filter(|(_, book)| book.held && book.resume != book.committed);
        books.filter_map(|(slot, book)| Some((Lane { slot: slot as u32, epoch: book.epoch }, book.resume?))).collect()
    }

    /// Marks resume points as committed.
    pub fn mark(&mut self, points: &[(Lane, Resume)]) {
        for (lane, resume) in points {
            if let Some(book) = self.book(*lane) {
                book.committed = Some(*resume);
            }
        }
    }

    /// Hands a resume point out again by the next [`Ledger::moved`], after a commit that failed.
    pub fn uncommit(&mut self, lane: Lane) {
        if let Some(book) = self.book(lane) {
            book.committed = None;
        }
    }

    fn book(&mut self, lane: Lane) -> Option<&mut Book> {
        self.lanes.get_mut(lane.slot as usize).filter(|book| book.held && book.epoch == lane.epoch)
    }

    fn entry(&mut self, span: Span) -> Option<&mut Entry> {
        let book = self.book(span.lane)?;
        let index = span.number.checked_sub(book.first)?;
        book.open.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    mod random;

    #[test]
    fn a_late_settlement_of_a_lost_assignment_is_ignored() {
        let mut ledger = Ledger::default();
        let lost = ledger.assign();
        let span = ledger.open(lost, Offset(9)).expect("the lane is held");
        ledger.release(lost);
        let again = ledger.assign();
        assert_eq!(again.slot, lost.slot);
        ledger.open(again, Offset(4)).expect("the lane is held");
        ledger.settle(span, 1);
        assert_eq!(ledger.moved(), []);
        assert!(ledger.open(lost, Offset(10)).is_none());
    }

    #[test]
    fn a_rewound_lane_starts_at_its_resume_point_under_a_new_epoch() {
        let mut ledger = Ledger::default();
        let lane = ledger.assign();
        let first = ledger.open(lane, Offset(9)).expect("the lane is held");
        let second = ledger.open(lane, Offset(19)).expect("the lane is held");
        ledger.settle(first, 1);
        let (lane, resume) = ledger.rewind(lane).expect("the lane is held");
        assert_eq!(resume, Some(Resume(10)));
        ledger.settle(second, 1);
        assert_eq!(ledger.resume(lane), Some(Resume(10)));
        assert!(ledger.is_settled(lane));
    }

    #[test]
    fn a_voided_lane_starts_at_what_was_marked_and_not_at_what_was_settled() {
        let mut ledger = Ledger::default();
        let lane = ledger.assign();
        let settled = |ledger: &mut Ledger, lane, last| {
            let span = ledger.open(lane, Offset(last)).expect("the lane is held");
            ledger.settle(span, 1);
        };
        settled(&mut ledger, lane, 4);
        let (lane, resume) = ledger.void(lane).expect("the lane is held");
        assert_eq!(resume, None);
        settled(&mut ledger, lane, 4);
        ledger.mark(&ledger.moved());
        settled(&mut ledger, lane, 9);
        assert_eq!(ledger.moved(), [(lane, Resume(10))]);
        let (lane, resume) = ledger.void(lane).expect("the lane is held");
        assert_eq!((resume, ledger.resume(lane)), (Some(Resume(5)), Some(Resume(5))));
        assert_eq!(ledger.moved(), []);

        let late = ledger.open(lane, Offset(9)).expect("the lane is held");
        ledger.void_open(lane);
        let again = ledger.open(lane, Offset(9)).expect("the lane is held");
        ledger.settle(late, 1);
        assert_eq!((ledger.is_settled(lane), ledger.resume(lane)), (false, Some(Resume(5))));
        ledger.settle(again, 1);
        assert_eq!(ledger.resume(lane), Some(Resume(10)));
    }

    proptest! {
        #[test]
        fn no_resume_point_ever_passes_an_unsettled_span(
            sizes in proptest::collection::vec(1i64..50, 1..40),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut ledger = Ledger::default();
            let lane = ledger.assign();
            let mut end = -1;
            let spans: Vec<_> = sizes.iter().map(|size| {
                end += size;
                let span = ledger.open(lane, Offset(end)).expect("the lane is held");
                ledger.expect(span, 1);
                (span, end)
            }).collect();
            let mut waits = vec![2u32; spans.len()];
            for index in order {
                let index = index.index(spans.len());
                if waits[index] > 0 {
                    waits[index] -= 1;
                    ledger.settle(spans[index].0, 1);
                }
                let settled = waits.iter().take_while(|wait| **wait == 0).count();
                let expected = settled.checked_sub(1).map(|last| Offset(spans[last].1).resume());
                prop_assert_eq!(ledger.resume(lane), expected);
                prop_assert_eq!(ledger.is_settled(lane), settled == spans.len());
            }
        }
    }
}
