//! Tells which offsets may be committed: those of records whose outputs, and all before them, were delivered.
//!
//! Time is cut into epochs. Each output carries the number of its epoch through the producer and back; an epoch whose
//! outputs are all delivered, and all epochs before it too, has its positions committed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Epochs that can be open at once.
const RING: usize = 64;

/// Outputs that are not delivered, by epoch. Shared with the producer's callback.
#[derive(Debug)]
pub(super) struct Outstanding {
    counts: [AtomicI64; RING],
    failed: AtomicU64,
}

impl Outstanding {
    pub(super) fn new() -> Self {
        Self { counts: [const { AtomicI64::new(0) }; RING], failed: AtomicU64::new(0) }
    }

    /// Takes note of `count` outputs on their way.
    #[inline]
    pub(super) fn sent(&self, epoch: usize, count: i64) {
        self.counts[epoch % RING].fetch_add(count, Ordering::Relaxed);
    }

    /// Takes note of an output's arrival.
    #[inline]
    pub(super) fn delivered(&self, epoch: usize) {
        self.counts[epoch % RING].fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes note of an output that will never arrive.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How many outputs will never arrive.
    pub(super) fn failures(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// The epochs of one thread, and the positions at their ends.
#[derive(Debug)]
pub(super) struct Epochs {
    current: usize,
    closed: VecDeque<(usize, Vec<i64>)>,
}

impl Epochs {
    pub(super) fn new() -> Self {
        Self { current: 0, closed: VecDeque::new() }
    }

    /// The epoch that outputs belong to now.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// Ends the epoch at these positions and begins the next, unless too many are waiting for deliveries.
    pub(super) fn close(&mut self, positions: &[i64]) {
        if self.closed.len() + 1 < RING {
            self.closed.push_back((self.current, positions.to_vec()));
            self.current += 1;
        }
    }

    /// The newest positions that may be committed, if there are new ones.
    pub(super) fn settled(&mut self, outstanding: &Outstanding) -> Option<Vec<i64>> {
        let mut settled = None;
        while let Some((epoch, positions)) = self.closed.pop_front() {
            if outstanding.counts[epoch % RING].load(Ordering::Relaxed) != 0 {
                self.closed.push_front((epoch, positions));
                break;
            }
            settled = Some(positions);
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_settled_only_after_everything_before_them() {
        let outstanding = Outstanding::new();
        let mut epochs = Epochs::new();
        outstanding.sent(epochs.current(), 2);
        epochs.close(&[10]);
        outstanding.sent(epochs.current(), 1);
        epochs.close(&[20]);
        assert_eq!(epochs.settled(&outstanding), None);
        outstanding.delivered(1);
        outstanding.delivered(0);
        assert_eq!(epochs.settled(&outstanding), None);
        outstanding.delivered(0);
        assert_eq!(epochs.settled(&outstanding), Some(vec![20]));
        assert_eq!(epochs.settled(&outstanding), None);
    }
}
