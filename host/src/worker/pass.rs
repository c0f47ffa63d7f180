//! One batch on its way: through the chain, and into the hands of the sinks; one by one where the destination refused
//! a row after it was handed over.

use super::submit::{Handed, Taken, refused_by_sink};
use super::{Worker, WorkerError};
use crate::chain::apply::ApplyError;
use crate::policy::Failure;
use crate::record::{Lane, Offset};
use crate::sink::Settled;
use crate::source::Messages;
use std::time::{Duration, Instant};

/// What became of a batch.
pub(super) enum Passed {
    /// It is in the sinks' hands.
    Handed(Handed),
    /// The group's protocol comes first; nothing of it was handed over.
    Abandoned,
}

impl Worker {
    /// Passes a batch through the chain and hands everything that came of it over.
    pub(super) fn pass(&mut self, lane: Lane, messages: Box<dyn Messages>) -> Result<(), WorkerError> {
        let taken = Taken::new(&*messages);
        let (Some(&first), Some(&last)) = (taken.offsets.first(), taken.offsets.last()) else { return Ok(()) };
        let Some(book) = self.lanes.iter_mut().find(|book| book.lane == lane) else { return Ok(()) };
        book.last = Some(Offset(last));
        if book.plan_since.is_none() {
            book.plan_since = Some(Offset(first));
            let plan = self.chain.plan().number;
            tracing::info!(plan, partition = %book.partition, offset = first, "plan takes effect");
        }
        let careful = book.careful_to.is_some_and(|to| first <= to.0);
        if !careful {
            (book.careful_to, book.refused) = (None, None);
        }
        let passed = match (careful, self.hands.settings.exactly_once) {
            (false, _) => self.pass_whole(lane, &taken)?,
            (true, false) => self.pass_one_by_one(lane, &taken)?,
            (true, true) => self.pass_in_steps(lane, &taken)?,
        };
        match passed {
            Passed::Handed(Handed::All) => {
                self.hands.count_taken(&taken.batch);
                Ok(())
            }
            Passed::Handed(Handed::UpTo(failure)) => Err(self.stopped(&taken, &failure)),
            Passed::Abandoned => {
                drop(taken);
                self.postponed = Some((lane, messages));
                Ok(())
            }
        }
    }

    pub(super) fn pass_whole(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        let started = Instant::now();
        let plan = self.chain.plan().clone();
        let source = &mut self.source;
        let applied = match self.chain.apply(&taken.batch, &mut || !source.serve()) {
            Ok(applied) => applied,
            Err(ApplyError::Abandoned) => return Ok(Passed::Abandoned),
            Err(error @ ApplyError::Start(_)) => return Err(WorkerError::Anew(error.to_string())),
        };
        self.hands.metrics.batch_seconds.record(started.elapsed());
        let handed = self.hands.submit(&plan, lane, taken, applied)?;
        let restarts = self.chain.restarts();
        self.hands.metrics.restarts.increment(restarts - self.hands.counts.restarts);
        self.hands.counts.restarts = restarts;
        Ok(Passed::Handed(handed))
    }

    /// Passes records singly and waits for each to be durable, so that the one whose row is refused is known.
    // Promise: one
    fn pass_one_by_one(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        for index in 0..taken.offsets.len() {
            let one = taken.slice(index..index + 1);
            match self.pass_whole(lane, &one)? {
                Passed::Handed(Handed::All) => {}
                other => return self.part_way(lane, index, other),
            }
            if let Some(failure) = self.await_one(lane, &one)? {
                return Ok(Passed::Handed(Handed::UpTo(Failure { origin: index as u32, ..failure })));
            }
            if !self.hands.ledger.holds(lane) {
                break;
            }
        }
        Ok(Passed::Handed(Handed::All))
    }

    /// What the part of a batch that begins at `index` came to, as the whole batch's.
    pub(super) fn part_way(&mut self, lane: Lane, index: usize, part: Passed) -> Result<Passed, WorkerError> {
        match part {
            Passed::Handed(Handed::UpTo(failure)) => {
                let origin = failure.origin + index as u32;
                Ok(Passed::Handed(Handed::UpTo(Failure { origin, ..failure })))
            }
            // what went before is handed over, so that the batch cannot be put aside whole
            Passed::Abandoned if index > 0 => {
                self.reread(lane, true, "the group's protocol comes first")?;
                Ok(Passed::Handed(Handed::All))
            }
            other => Ok(other),
        }
    }

    /// Waits until the one record in flight of a lane is durable or dead-lettered. Gives the lane up, to be read again,
    /// when the group's protocol or the end cannot wait. Some: the policy says to stop in front of it.
    fn await_one(&mut self, lane: Lane, one: &Taken<'_>) -> Result<Option<Failure>, WorkerError> {
        let mut lettered = false;
        loop {
            let mut settled = Vec::new();
            self.hands.sink.poll(&mut settled)?;
            if let Some(dead_letters) = &mut self.hands.dead_letters {
                dead_letters.poll(&mut settled)?;
            }
            for settled in settled {
                match settled {
                    Settled::Failed { span, refused: true, message } if span.lane == lane => {
                        let plan = self.chain.plan().clone();
                        let failure = refused_by_sink(&plan, 0, message);
                        if plan.action(&failure) == crate::policy::Action::Stop {
                            self.hands.ledger.rewind(lane);
                            return Ok(Some(failure));
                        }
                        if !std::mem::replace(&mut lettered, true) {
                            self.hands.submit_failures(&plan, span, one, vec![failure])?;
                        }
                        self.hands.ledger.settle(span, 1);
                    }
                    Settled::Failed { span, refused, message } => self.reread(span.lane, refused, &message)?,
                    Settled::Delivered(span, rows) => self.hands.ledger.settle(span, rows),
                }
            }
            if !self.hands.ledger.holds(lane) || self.hands.ledger.is_settled(lane) {
                return Ok(None);
            }
            if self.source.serve() || self.handover.is_ending() {
                self.reread(lane, true, "the group's protocol, or the end, comes first")?;
                return Ok(None);
            }
            self.wake.wait(Duration::from_millis(10));
        }
    }

    fn stopped(&self, taken: &Taken<'_>, failure: &Failure) -> WorkerError {
        let batch = &taken.batch;
        let stage = self.chain.plan().stages.get(failure.stage);
        WorkerError::End(format!(
            "stopped in front of {}/{} offset {}, as the policy `on` says: {} ({}) {}: {}",
            batch.topic,
            batch.partition,
            batch.offsets[failure.origin as usize],
            failure.class,
            failure.code,
            stage.map_or("at the sink".to_owned(), |stage| format!("in {}", stage.module.name())),
            failure.message
        ))
    }
}
