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

    /// Opens the span of a batch that ends with `last`, waiting for one settlement: the caller's own, see [`Ledger::expect`].
    pub fn open(&mut self, lane: Lane, last: Offset) -> Option<Span> {
        let book = self.book(lane)?;
        book.open.push_back(Entry { resume: last.resume(), outstanding: 1 });
        Some(Span { lane, number: book.first + book.open.len() as u64 - 1 })
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

    /// Whether nothing of the lane is open.
    pub fn is_settled(&self, lane: Lane) -> bool {
        self.lanes.get(lane.slot as usize).is_none_or(|book| book.epoch != lane.epoch || book.open.is_empty())
    }

    /// Resume points that moved since they were last handed out here, for committing.
    pub fn take_moved(&mut self) -> Vec<(Lane, Resume)> {
        let books = self.lanes.iter_mut().enumerate().filter(|(_, book)| book.held && book.resume != book.committed);
        books
            .filter_map(|(slot, book)| {
                book.committed = book.resume;
                Some((Lane { slot: slot as u32, epoch: book.epoch }, book.resume?))
            })
            .collect()
    }

    /// Hands a resume point out again at the next [`Ledger::take_moved`], after a commit that failed.
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
