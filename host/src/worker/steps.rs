//! Looks for a refused row among records that share a transaction: smaller and smaller transactions, until it stands alone.

use super::commit::TOO_OLD;
use super::pass::Passed;
use super::submit::{Handed, Taken, refused_by_sink};
use super::{LaneBook, Worker, WorkerError};
use crate::chain::apply::Applied;
use crate::policy::Failure;
use crate::record::{Lane, Offset};
use crate::sink::Settled;
use std::time::Duration;

impl Worker {
    /// Passes a batch in steps, each in a transaction of its own. A refusal costs its step: the lane is read again, with
    /// smaller steps. When a step is one record, the record's failure is known, and it is not handed over again.
    // Promise: one
    pub(super) fn pass_in_steps(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        let (mut index, count) = (0, taken.offsets.len());
        while index < count {
            let (step, passed) = match self.known_refusal(lane, taken.offsets[index]) {
                Some(failure) => {
                    let one = taken.slice(index..index + 1);
                    let rows = one.batch.slice(0..0);
                    let applied = Applied { rows, origins: Vec::new(), routes: Vec::new(), failures: vec![failure] };
                    let plan = self.chain.plan().clone();
                    let handed = self.hands.submit(&plan, lane, &one, applied)?;
                    (taken.slice(index..index + 1), Passed::Handed(handed))
                }
                None => {
                    let size = self.book(lane).map_or(1, |book| book.careful_step.max(1));
                    let step = taken.slice(index..count.min(index + size));
                    let passed = self.pass_whole(lane, &step)?;
                    (step, passed)
                }
            };
            match passed {
                Passed::Handed(Handed::All) => {}
                other => return self.part_way(lane, index, other),
            }
            if !self.commit_step(lane, &step.offsets)? {
                break;
            }
            index += step.offsets.len();
        }
        Ok(Passed::Handed(Handed::All))
    }

    /// A row of this record was refused in a transaction that was aborted for it.
    fn known_refusal(&mut self, lane: Lane, offset: i64) -> Option<Failure> {
        let (refused, message) = self.book(lane)?.refused.clone()?;
        let plan = self.chain.plan();
        (refused.0 == offset).then(|| refused_by_sink(plan, 0, message))
    }

    /// Commits the transaction of one step. False: it was aborted, and the lane is read again.
    fn commit_step(&mut self, lane: Lane, offsets: &[i64]) -> Result<bool, WorkerError> {
        loop {
            let mut settled = Vec::new();
            self.hands.sink.poll(&mut settled)?;
            let mut failed = None;
            for settled in settled {
                match settled {
                    Settled::Delivered(span, rows) => self.hands.ledger.settle(span, rows),
                    Settled::Failed { span, refused, message } if self.hands.ledger.holds(span.lane) => {
                        if refused && span.lane == lane {
                            self.narrow(lane, offsets, &message);
                        }
                        failed = Some(message);
                    }
                    Settled::Failed { .. } => {}
                }
            }
            if failed.is_none() && self.hands.ledger.is_all_settled() {
                self.end_transaction()?;
                if let Some(book) = self.book(lane) {
                    book.careful_step = book.careful_step.saturating_mul(2);
                }
                return Ok(self.hands.ledger.holds(lane));
            }
            if failed.is_none() && self.hands.sink.transactions().is_some_and(|transaction| transaction.is_old()) {
                failed = Some(TOO_OLD.to_owned());
            }
            if failed.is_none() && (self.source.serve() || self.handover.is_ending()) {
                failed = Some("the group's protocol, or the end, comes first".to_owned());
            }
            if let Some(message) = failed {
                self.abort_transaction(&message)?;
                return Ok(false);
            }
            self.wake.wait(Duration::from_millis(10));
        }
    }

    /// A row of this step was refused: the next is half as long, or the record is known.
    fn narrow(&mut self, lane: Lane, offsets: &[i64], message: &str) {
        let Some(book) = self.book(lane) else { return };
        match offsets {
            [offset] => book.refused = Some((Offset(*offset), message.to_owned())),
            _ => book.careful_step = offsets.len() / 2,
        }
    }

    fn book(&mut self, lane: Lane) -> Option<&mut LaneBook> {
        self.lanes.iter_mut().find(|book| book.lane == lane)
    }
}
