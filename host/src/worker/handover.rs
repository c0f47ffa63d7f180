//! Hands a worker its next chain, ready to run, and asks it to resume or to end.

use super::tap::{Tap, Taps};
use crate::chain::apply::Chain;
use crate::record::Partition;
use crate::wake::Wake;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// What others tell a worker. The worker looks between batches.
pub struct Handover {
    next: Mutex<Option<Chain>>,
    waiting: AtomicBool,
    /// Since when the worker is asked to end.
    ending: OnceLock<Instant>,
    /// Partitions to resume; `None` for all. Each stands there once.
    resumed: Mutex<Vec<Option<Partition>>>,
    resuming: AtomicBool,
    pub(super) taps: Taps,
    wake: Wake,
}

impl Handover {
    /// For the worker that waits on `wake`.
    pub fn new(wake: Wake) -> Self {
        Self {
            next: Mutex::new(None),
            waiting: AtomicBool::new(false),
            ending: OnceLock::new(),
            resumed: Mutex::new(Vec::new()),
            resuming: AtomicBool::new(false),
            taps: Taps::default(),
            wake,
        }
    }

    /// Gives the worker a chain of the newest plan; one that it has not taken yet is replaced.
    pub fn give(&self, chain: Chain) {
        let before = self.slot().replace(chain);
        self.waiting.store(true, Ordering::Release);
        self.wake.wake();
        drop(before);
    }

    /// The chain to switch to, if there is one.
    pub fn take(&self) -> Option<Chain> {
        if !self.waiting.swap(false, Ordering::Acquire) {
            return None;
        }
        self.slot().take()
    }

    /// Asks the worker to try again what a partition is held for; `None`: what any is held for.
    pub fn resume(&self, partition: Option<Partition>) {
        let mut resumed = self.resumed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !resumed.contains(&partition) {
            resumed.push(partition);
        }
        drop(resumed);
        self.resuming.store(true, Ordering::Release);
        self.wake.wake();
    }

    /// What to resume, if anybody has asked.
    pub(super) fn take_resumed(&self) -> Option<Vec<Option<Partition>>> {
        if !self.resuming.load(Ordering::Relaxed) || !self.resuming.swap(false, Ordering::Acquire) {
            return None;
        }
        Some(std::mem::take(&mut *self.resumed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)))
    }

    /// Asks the worker to show records; false: it shows them to too many already.
    pub fn tap(&self, tap: Arc<Tap>) -> bool {
        self.taps.add(tap)
    }

    /// Asks the worker to drain and end.
    pub fn end(&self) {
        self.ending.get_or_init(Instant::now);
        self.wake.wake();
    }

    /// Whether it was asked to end.
    pub fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    /// When it was asked to end first.
    pub(super) fn ending_since(&self) -> Option<Instant> {
        self.ending.get().copied()
    }

    /// Whether it was asked to end longer ago than that.
    pub(super) fn is_overdue(&self, time: Duration) -> bool {
        self.ending.get().is_some_and(|since| since.elapsed() > time)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<Chain>> {
        self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
