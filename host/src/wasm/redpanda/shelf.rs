//! Guests by partition: Redpanda runs a transform for each, and what one keeps in its memory is of that partition.

use super::guest::Guest;
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

/// Guests that are kept between batches; then the one is ended that has waited longest.
const MOST: usize = 128;

/// The guests of a module that have nothing to do. They outlive instances of the chain, which end with every fault.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Guests>);

#[derive(Default)]
struct Guests {
    kept: Vec<Kept>,
    /// Counts what was put here.
    puts: u64,
}

/// A guest and how far it has come.
pub(super) struct Kept {
    pub(super) guest: Guest,
    topic: String,
    partition: i32,
    /// The place of the last record that it was given.
    last: (i64, u32),
    /// The worker that used it, for the account of memory.
    owner: ThreadId,
    put: u64,
}

impl Kept {
    /// For a partition, of which it has seen nothing.
    pub(super) fn new(guest: Guest, topic: &str, partition: i32) -> Self {
        let owner = std::thread::current().id();
        Self { guest, topic: topic.to_owned(), partition, last: (i64::MIN, 0), owner, put: 0 }
    }
}

impl Shelf {
    /// Takes the guest of a partition that is to have the record at `place` next. Where it has had that one already, the
    /// partition is read again, after a delivery that failed: what it kept of those records must not count twice, so it ends.
    // Promise: commit
    pub(super) fn take(&self, topic: &str, partition: i32, place: (i64, u32)) -> Option<Kept> {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |kept: &Kept| kept.partition == partition && kept.topic == topic;
        let found = guests.kept.iter().position(is_it)?;
        let kept = guests.kept.swap_remove(found);
        drop(guests);
        (kept.last < place).then_some(kept)
    }

    /// Puts a guest back that has come to `last`.
    // Promise: bounds
    pub(super) fn put(&self, mut kept: Kept, last: (i64, u32)) {
        let mut guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guests.puts += 1;
        (kept.last, kept.put, kept.owner) = (last, guests.puts, std::thread::current().id());
        guests.kept.push(kept);
        let oldest = (0..guests.kept.len()).min_by_key(|&index| guests.kept[index].put);
        let ended = oldest.filter(|_| guests.kept.len() > MOST).map(|oldest| guests.kept.swap_remove(oldest));
        drop(guests);
        // ended after the lock is let go of: it takes its stack down
        drop(ended);
    }

    /// The memory of the guests that this thread has used last, in bytes.
    pub(super) fn memory(&self) -> usize {
        let guests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = std::thread::current().id();
        guests.kept.iter().filter(|kept| kept.owner == owner).map(|kept| kept.guest.memory()).sum()
    }
}
