//! Looks for a refused row among records that share a transaction: smaller and smaller transactions, until it stands alone.

use super::commit::TOO_OLD;
use super::pass::Passed;
use super::submit::{Taken, not_lettered, refused_by_sink};
use super::{Worker, WorkerError};
use crate::chain::apply::Applied;
use crate::policy::{Class, Failure};
use crate::record::{Lane, Offset};
use crate::sink::Settled;

/// How often a step is tried again in a row for reasons that are not its rows.
const TRIES: u32 = 3;

/// What became of a step.
enum Step {
    Committed,
    /// Nothing of it is there; the records are still at hand. What was refused, if anything was.
    Again(Option<String>),
    /// The lane is read again, or is gone.
    Over,
}

impl Worker {
    /// Passes a batch in steps, each in a transaction of its own. A step with a refused row is tried again in halves;
    /// once it is one record, the record's failure is known, and the row is not handed over again.
    // Promise: one
    pub(super) fn pass_in_steps(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        // what other lanes have in the transaction is not to be given up for this one
        if !matches!(self.commit_step(lane, &[])?, Step::Committed) {
            return Ok(Passed::Handed);
        }
        let (mut index, mut tries, count) = (0, 0, taken.offsets.len());
        while index < count {
            let refusal = self.known_refusal(lane, taken.offsets[index]);
            let known = refusal.is_some();
            let size = match (&refusal, self.book(lane)) {
                (None, Some(book)) => book.careful_step.max(1),
                _ => 1,
            };
            let step = taken.slice(index..count.min(index + size));
            let passed = match refusal {
                Some(failure) => self.pass_refused(lane, &step, failure)?,
                None => self.pass_whole(lane, &step)?,
            };
            match passed {
                Passed::Handed => {}
                other => return Ok(other.after(index)),
            }
            match self.commit_step(lane, &step.offsets)? {
                Step::Committed => (index, tries) = (index + step.offsets.len(), 0),
                // there are no rows of a record whose failure is known
                Step::Again(Some(message)) if known => return Err(not_lettered(&step.batch, 0, &message)),
                Step::Again(_) if tries < TRIES * step.offsets.len() as u32 => tries += 1,
                Step::Again(_) => {
                    self.abort_transaction("its rows are not delivered")?;
                    break;
                }
                Step::Over => break,
            }
            if self.hands.tripped.is_some() {
                return Ok(Passed::Tripped(index));
            }
        }
        Ok(Passed::Handed)
    }

    /// A row of this record was refused in a transaction that was aborted for it.
    fn known_refusal(&mut self, lane: Lane, offset: i64) -> Option<Failure> {
        let (refused, message) = self.book(lane)?.refused.clone()?;
        let plan = self.chain.plan();
        (refused.0 == offset).then(|| refused_by_sink(plan, 0, Class::Refused, message))
    }

    fn pass_refused(&mut self, lane: Lane, one: &Taken<'_>, failure: Failure) -> Result<Passed, WorkerError> {
        let plan = self.chain.plan().clone();
        let rows = one.batch.slice(0..0);
        let applied =
            Applied { rows, origins: Vec::new(), routes: Vec::new(), failures: vec![failure], steps: Vec::new() };
        Ok(self.hands.submit(&plan, lane, one, applied)?.into())
    }

    /// Commits the transaction of one step.
    fn commit_step(&mut self, lane: Lane, offsets: &[i64]) -> Result<Step, WorkerError> {
        loop {
            let mut settled = Vec::new();
            self.hands.sink.poll(&mut settled)?;
            let (mut failed, mut told) = (false, None);
            for settled in settled {
                match settled {
                    Settled::Delivered(span, rows) => self.hands.ledger.settle(span, rows),
                    Settled::Failed { span, refused, message } if self.hands.ledger.holds(span.lane) => {
                        if refused && span.lane == lane {
                            self.narrow(lane, offsets, &message);
                            told = Some(message);
                        }
                        failed = true;
                    }
                    Settled::Failed { .. } | Settled::Refused { .. } => {}
                }
            }
            match () {
                () if failed && offsets.is_empty() => {
                    self.abort_transaction("a delivery failed")?;
                    return Ok(Step::Over);
                }
                () if failed => {
                    self.hands.ledger.void_open(lane);
                    self.throw_away()?;
                    return Ok(Step::Again(told));
                }
                () if self.hands.ledger.is_all_settled() => {
                    self.end_transaction()?;
                    if let Some(book) = self.book(lane) {
                        book.careful_step = book.careful_step.saturating_mul(2);
                    }
                    return Ok(if self.hands.ledger.holds(lane) { Step::Committed } else { Step::Over });
                }
                () if self.hands.sink.transactions().is_some_and(|transaction| transaction.is_old()) => {
                    self.abort_transaction(TOO_OLD)?;
                    return Ok(Step::Over);
                }
                () if self.source.serve() || self.handover.is_ending() => {
                    self.abort_transaction("the group's protocol, or the end, comes first")?;
                    return Ok(Step::Over);
                }
                () => self.wait_for_rows(),
            }
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
}
