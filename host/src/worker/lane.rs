//! What a worker keeps of a lane besides its ledger, and why it holds the lane.

use crate::backoff::Backoff;
use crate::policy::Failure;
use crate::record::{Lane, Offset, Partition};
use crate::source::Messages;
use std::rc::Rc;
use std::time::Instant;

/// A lane, as its worker knows it.
pub(super) struct LaneBook {
    pub(super) lane: Lane,
    pub(super) partition: Partition,
    /// The first offset that the current plan was given.
    pub(super) plan_since: Option<Offset>,
    /// Up to this offset a row was refused after it was handed over: records go one by one until then.
    pub(super) careful_to: Option<Offset>,
    /// With transactions: how many go at once until then; fewer with every refusal, until the refused row stands alone.
    pub(super) careful_step: usize,
    /// In a transaction that was aborted for it, the row of this record was refused, and why.
    pub(super) refused: Option<(Offset, String)>,
    /// The first and the last offset handed to the chain.
    pub(super) first: Option<Offset>,
    pub(super) last: Option<Offset>,
    /// Rows and dead letters that were given up, to be made again when the lane is read again; 0 from then on.
    pub(super) undone: u64,
    /// The record that bars those behind it, where one does.
    pub(super) hold: Option<Hold>,
    /// Records at hand that go on once nothing holds the lane, from this index: reading them again would take as long as
    /// a fetch does.
    pub(super) kept: Option<(Rc<dyn Messages>, usize)>,
    /// What the breaker thinks of the lane, since it tripped.
    pub(super) suspect: Option<Suspect>,
    /// Whether the source has been told to hand out nothing of it.
    pub(super) held: bool,
}

/// A record that failed and is to be tried again: nothing behind it is handed over before.
pub(super) struct Hold {
    /// Its offset in the lane.
    pub(super) offset: Offset,
    /// How it failed last.
    pub(super) failure: Failure,
    /// How often it was tried, of which all failed.
    pub(super) tries: u32,
    pub(super) until: Until,
    /// Whether the lane is read again from before the record: up to it, it goes on.
    pub(super) catching_up: bool,
    pub(super) backoff: Option<Backoff>,
}

/// When a held record is tried again.
pub(super) enum Until {
    /// At a time.
    At(Instant),
    /// When somebody says so.
    Resumed,
    /// As soon as it is read.
    Now,
}

/// A lane of a worker whose breaker has tripped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspect {
    /// Nothing of it is read.
    Waiting,
    /// Its next batch is tried, and nothing handed over before that has passed.
    Probing,
}

/// What the records at the beginning of a run of a lane are.
pub(super) enum Part {
    /// So many as any other.
    Plain(usize),
    /// The one that the lane was held for, tried so often before: it goes alone.
    Again(u32),
    /// The one that the lane is held for.
    Wait,
}

impl LaneBook {
    pub(super) fn new(lane: Lane, partition: Partition, suspect: Option<Suspect>) -> Self {
        Self {
            lane,
            partition,
            plan_since: None,
            careful_to: None,
            careful_step: 0,
            refused: None,
            first: None,
            last: None,
            undone: 0,
            hold: None,
            kept: None,
            suspect,
            held: false,
        }
    }

    /// Whether nothing of it may be read.
    pub(super) fn waits(&self) -> bool {
        let held = |hold: &Hold| !hold.catching_up && !matches!(hold.until, Until::Now);
        self.suspect == Some(Suspect::Waiting) || self.hold.as_ref().is_some_and(held)
    }

    /// The hold that only a person ends, where there is one.
    pub(super) fn paused(&self) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| matches!(hold.until, Until::Resumed))
    }

    /// The lane will be read again from its resume point: what is before a held record comes once more.
    pub(super) fn catch_up(&mut self) {
        self.kept = None;
        if let Some(hold) = &mut self.hold {
            hold.catching_up = true;
        }
    }

    /// The lane has been read again up to the record that it is held for.
    pub(super) fn catch_up_ended(&mut self) {
        if let Some(hold) = &mut self.hold {
            hold.catching_up = false;
        }
    }

    /// Lets the record that it is held for be tried again.
    pub(super) fn try_again(&mut self) {
        if let Some(hold) = &mut self.hold {
            (hold.until, hold.catching_up) = (Until::Now, false);
            // the destination is asked anew
            self.refused = None;
        }
    }

    /// The first part of a run of its records, by their offsets, of which there is one at least.
    pub(super) fn part(&mut self, offsets: &[i64]) -> Part {
        let Some(hold) = &self.hold else { return Part::Plain(offsets.len()) };
        match offsets.partition_point(|offset| *offset < hold.offset.0) {
            0 if offsets[0] != hold.offset.0 => {
                // compaction or retention took the record
                self.hold = None;
                Part::Plain(offsets.len())
            }
            0 => match hold.until {
                Until::Now => Part::Again(hold.tries),
                _ => Part::Wait,
            },
            before => Part::Plain(before),
        }
    }
}
