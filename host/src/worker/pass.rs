//! One batch on its way: through the chain, and into the hands of the sinks; one by one where the destination refused
//! a row after it was handed over.

use super::submit::{Handed, Hands, refused_by_sink};
use super::{Parts, Worker, WorkerError};
use crate::batch::Batch;
use crate::chain::apply::ApplyError;
use crate::policy::Failure;
use crate::record::{Lane, Offset, Span};
use crate::sink::Settled;
use crate::source::Messages;
use std::time::{Duration, Instant};

/// What became of a batch.
enum Passed {
    /// It is in the sinks' hands.
    Handed(Handed),
    /// The group's protocol comes first; nothing of it was handed over.
    Abandoned,
}

impl Worker {
    /// Passes a batch through the chain and hands everything that came of it over.
    pub(super) fn pass(&mut self, lane: Lane, messages: Box<dyn Messages>) -> Result<(), WorkerError> {
        let batch = messages.batch();
        let (Some(&first), Some(&last)) = (batch.offsets.first(), batch.offsets.last()) else { return Ok(()) };
        let Some(book) = self.lanes.iter_mut().find(|book| book.lane == lane) else { return Ok(()) };
        book.last = Some(Offset(last));
        if book.plan_since.is_none() {
            book.plan_since = Some(Offset(first));
            let plan = self.parts.chain.plan().number;
            tracing::info!(plan, partition = %book.partition, offset = first, "plan takes effect");
        }
        let careful = book.careful_to.is_some_and(|to| first <= to.0);
        if !careful {
            book.careful_to = None;
        }
        let passed = match careful {
            true => self.pass_one_by_one(lane, &batch)?,
            false => self.pass_whole(lane, &batch)?,
        };
        match passed {
            Passed::Handed(Handed::All) => {
                self.counts.records += batch.len() as u64;
                self.metrics.records.increment(batch.len() as u64);
                self.metrics.bytes.increment(batch.size() as u64);
                Ok(())
            }
            Passed::Handed(Handed::UpTo(failure)) => Err(self.stopped(&batch, &failure)),
            Passed::Abandoned => {
                drop(batch);
                self.postponed = Some((lane, messages));
                Ok(())
            }
        }
    }

    fn pass_whole(&mut self, lane: Lane, batch: &Batch<'_>) -> Result<Passed, WorkerError> {
        let started = Instant::now();
        let plan = self.parts.chain.plan().clone();
        let Parts { source, sink, dead_letters, chain } = &mut self.parts;
        let applied = match chain.apply(batch, &mut || !source.serve()) {
            Ok(applied) => applied,
            Err(ApplyError::Abandoned) => return Ok(Passed::Abandoned),
            Err(error @ ApplyError::Start(_)) => return Err(WorkerError::Anew(error.to_string())),
        };
        self.metrics.batch_seconds.record(started.elapsed());
        let mut hands = Hands {
            sink,
            dead_letters,
            ledger: &mut self.ledger,
            metrics: &self.metrics,
            settings: &self.settings,
            counts: &mut self.counts,
            plan: &plan,
            stamp: &mut self.stamp,
        };
        let handed = hands.submit(lane, batch, applied)?;
        let restarts = chain.restarts();
        self.metrics.restarts.increment(restarts - self.counts.restarts);
        self.counts.restarts = restarts;
        Ok(Passed::Handed(handed))
    }

    /// Passes records singly and waits for each to be durable, so that the one whose row is refused is known.
    // Promise: one
    fn pass_one_by_one(&mut self, lane: Lane, batch: &Batch<'_>) -> Result<Passed, WorkerError> {
        for index in 0..batch.len() {
            let one = batch.slice(index..index + 1);
            match self.pass_whole(lane, &one)? {
                Passed::Handed(Handed::All) => {}
                other => return Ok(other),
            }
            if let Some(failure) = self.await_one(lane, &one)? {
                return Ok(Passed::Handed(Handed::UpTo(Failure { origin: index as u32, ..failure })));
            }
            if !self.ledger.holds(lane) {
                break;
            }
        }
        Ok(Passed::Handed(Handed::All))
    }

    /// Waits until the one record in flight of a lane is durable or dead-lettered. Gives the lane up, to be read again,
    /// when the group's protocol or the end cannot wait. Some: the policy says to stop in front of it.
    fn await_one(&mut self, lane: Lane, one: &Batch<'_>) -> Result<Option<Failure>, WorkerError> {
        let mut lettered = false;
        loop {
            let mut settled = Vec::new();
            self.parts.sink.poll(&mut settled)?;
            if let Some(dead_letters) = &mut self.parts.dead_letters {
                dead_letters.poll(&mut settled)?;
            }
            for settled in settled {
                match settled {
                    Settled::Failed { span, refused: true, message } if span.lane == lane => {
                        let plan = self.parts.chain.plan().clone();
                        let failure = refused_by_sink(&plan, 0, message);
                        if plan.action(&failure) == crate::policy::Action::Stop {
                            self.ledger.rewind(lane);
                            return Ok(Some(failure));
                        }
                        if !std::mem::replace(&mut lettered, true) {
                            self.dead_letter(span, one, failure)?;
                        }
                        self.ledger.settle(span, 1);
                    }
                    Settled::Failed { span, refused, message } => self.reread(span.lane, refused, &message)?,
                    Settled::Delivered(span, rows) => self.ledger.settle(span, rows),
                }
            }
            if !self.ledger.holds(lane) || self.ledger.is_settled(lane) {
                return Ok(None);
            }
            if self.parts.source.serve() || self.handover.is_ending() {
                self.reread(lane, true, "the group's protocol, or the end, comes first")?;
                return Ok(None);
            }
            self.wake.wait(Duration::from_millis(10));
        }
    }

    fn dead_letter(&mut self, span: Span, one: &Batch<'_>, failure: Failure) -> Result<(), WorkerError> {
        let plan = self.parts.chain.plan().clone();
        let Parts { sink, dead_letters, .. } = &mut self.parts;
        let mut hands = Hands {
            sink,
            dead_letters,
            ledger: &mut self.ledger,
            metrics: &self.metrics,
            settings: &self.settings,
            counts: &mut self.counts,
            plan: &plan,
            stamp: &mut self.stamp,
        };
        hands.submit_failures(span, one, vec![failure])
    }

    fn stopped(&self, batch: &Batch<'_>, failure: &Failure) -> WorkerError {
        let stage = self.parts.chain.plan().stages.get(failure.stage);
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
