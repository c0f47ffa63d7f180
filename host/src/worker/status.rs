//! What a worker says of itself, for `/status` and `/readyz`: published about once a second, never per record.

use crate::policy::Class;
use crate::record::{Offset, Partition};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A worker's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not yet a member of its group.
    #[default]
    Joining,
    /// A member, with or without lanes.
    Running,
    /// Failed, and waiting to be made anew.
    Waiting,
    /// Asked to end: draining.
    Draining,
    /// Gone.
    Ended,
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Joining => "joining",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Draining => "draining",
            State::Ended => "ended",
        }
    }
}

/// One lane, as last seen.
#[derive(Clone, Debug)]
pub struct LaneStatus {
    /// Which partition it is.
    pub partition: Partition,
    /// The next offset to read, where known.
    pub next: Option<i64>,
    /// The end of the partition, where known.
    pub end: Option<i64>,
    /// Records between what is done with and the end of the partition, where both are known.
    pub lag: Option<i64>,
    /// What is committed, or will be next, where anything was settled.
    pub resume: Option<i64>,
    /// The first offset that the current plan was given, where it was given any.
    pub plan_since: Option<Offset>,
    /// The record that it is held for, where it is.
    pub held: Option<Held>,
    /// How long it has handed nothing out, where it should have.
    pub stalled: Option<Duration>,
}

/// A record that bars those behind it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Why it failed.
    pub class: Class,
    /// The guest's own short word, or the host's.
    pub code: String,
    /// For a person.
    pub message: String,
    /// Which record it is.
    pub offset: Offset,
    /// How often it was tried.
    pub tries: u32,
    /// How long it was to the next try; none: until somebody resumes the lane.
    pub again_in: Option<Duration>,
}

/// A breaker that keeps lanes from being read.
#[derive(Clone, Debug)]
pub struct BreakerStatus {
    /// What failed: how many records, of which class, where.
    pub failed: String,
    /// The partitions that wait for a probe to pass.
    pub waiting: Vec<Partition>,
}

/// How a worker's end went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything that was handed over is durable and committed.
    Drained,
    /// Something is not: it will be done again.
    GaveUp {
        /// Rows and dead letters that were on their way.
        undelivered: u64,
    },
}

/// What a worker did in all its lives. What was done again is counted again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Records consumed.
    pub records: u64,
    /// Rows and dead letters that are durable.
    pub delivered: u64,
    /// Dead letters among them, and those on their way.
    pub letters: u64,
    /// Records that were dropped for their failure.
    pub skipped: u64,
}

/// One worker, as last seen.
#[derive(Clone, Debug, Default)]
pub struct WorkerStatus {
    /// Its life.
    pub state: State,
    /// Number of the plan it runs.
    pub plan: u64,
    /// Its lanes.
    pub lanes: Vec<LaneStatus>,
    /// Records consumed since it was made.
    pub records: u64,
    /// Rows submitted since it was made.
    pub rows: u64,
    /// Records that failed since it was made.
    pub failed: u64,
    /// The same by class, in the order of [`Class::ALL`].
    pub by_class: [u64; Class::ALL.len()],
    /// The like of all its lives.
    pub sums: Sums,
    /// How its end went, once it has ended.
    pub ending: Option<Ending>,
    /// Whether its source came to its end, and all of it is settled.
    pub complete: bool,
    /// Records a second, over the last second or so.
    pub records_per_second: f64,
    /// Rows a second, likewise.
    pub rows_per_second: f64,
    /// The longest it ever stood still to switch plans, in milliseconds.
    pub longest_swap_pause: f64,
    /// Since when rows have waited for their delivery, in all its lives, and none was delivered.
    pub no_delivery_since: Option<Instant>,
    /// What its breaker holds, where it has tripped.
    pub breaker: Option<BreakerStatus>,
    /// Its last failure, where it had one.
    pub failure: Option<String>,
    /// When it last told of itself, where it has.
    pub told: Option<Instant>,
}

/// After so long without a word from a running worker something is wrong.
const SILENT: Duration = Duration::from_secs(30);

/// After so long without a delivery, while rows wait for theirs, something is wrong with the destination.
const UNDELIVERED: Duration = if cfg!(test) { Duration::from_millis(500) } else { Duration::from_secs(45) };

impl WorkerStatus {
    /// How long it has told nothing of itself, where that is too long: one batch, or one call, has it.
    pub fn silent(&self) -> Option<Duration> {
        let silent = self.told.filter(|_| self.state == State::Running)?.elapsed();
        (silent > SILENT).then_some(silent)
    }

    /// How long nothing has been delivered although rows wait, where that is too long.
    pub fn undelivered(&self) -> Option<Duration> {
        let waited = self.no_delivery_since.filter(|_| !self.lanes.is_empty())?.elapsed();
        (waited > UNDELIVERED).then_some(waited)
    }
}

/// Where a worker publishes, and others read.
#[derive(Clone, Default)]
pub struct StatusBoard(Arc<Mutex<WorkerStatus>>);

impl StatusBoard {
    /// The latest.
    pub fn read(&self) -> WorkerStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it in place.
    pub fn update(&self, change: impl FnOnce(&mut WorkerStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_worker_that_tells_nothing_is_silent_after_a_while() {
        let told = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let status = |state, seconds| WorkerStatus { state, told: told(seconds), ..WorkerStatus::default() };
        assert!(status(State::Running, 31).silent().is_some());
        assert_eq!(status(State::Running, 5).silent(), None);
        // who joins, waits or drains says so by its state
        assert_eq!(status(State::Waiting, 31).silent(), None);
        assert_eq!(WorkerStatus { state: State::Running, ..WorkerStatus::default() }.silent(), None);
    }
}
