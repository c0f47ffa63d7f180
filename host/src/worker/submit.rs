//! Hands what came of a batch to the sinks, and opens the batch's span in the ledger.

use super::dead_letter::{DeadLetters, Sender};
use super::stamp::Stamp;
use super::{Settings, WorkerError};
use crate::batch::Batch;
use crate::chain::Plan;
use crate::chain::apply::Applied;
use crate::ledger::Ledger;
use crate::metrics::WorkerMetrics;
use crate::policy::{Action, Class, Failure};
use crate::record::{Lane, Offset, Span};
use crate::route::Route;
use crate::sink::Sink;
use crate::source::Messages;
use std::borrow::Cow;
use std::ops::Range;

/// Records on their way, and what only the worker knows of them.
pub(super) struct Taken<'a> {
    /// What the chain sees.
    pub(super) batch: Batch<'a>,
    /// Their offsets in the lane, for the ledger.
    pub(super) offsets: Cow<'a, [i64]>,
    /// How often each was tried before; empty: never.
    pub(super) tried: Cow<'a, [u32]>,
}

impl<'a> Taken<'a> {
    pub(super) fn new(messages: &'a dyn Messages) -> Self {
        Self { batch: messages.batch(), offsets: messages.offsets(), tried: messages.tried() }
    }

    pub(super) fn slice(&self, range: Range<usize>) -> Taken<'_> {
        let tried = if self.tried.is_empty() { &[] } else { &self.tried[range.clone()] };
        Taken {
            batch: self.batch.slice(range.clone()),
            offsets: Cow::Borrowed(&self.offsets[range]),
            tried: Cow::Borrowed(tried),
        }
    }
}

/// What a worker counts itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) failed: u64,
    pub(super) restarts: u64,
}

/// The part of a worker that a batch's results meet, apart from the chain that they borrow from.
pub(super) struct Hands {
    pub(super) sink: Box<dyn Sink>,
    pub(super) dead_letters: Option<Box<dyn Sink>>,
    pub(super) ledger: Ledger,
    pub(super) settings: Settings,
    pub(super) metrics: WorkerMetrics,
    pub(super) counts: Counts,
    /// Rows behind a record that is not passed are in the sink's transaction: it must not be committed.
    pub(super) spoiled: bool,
    stamp: Stamp,
}

/// How far a batch was handed over.
pub(super) enum Handed {
    /// To its end, or the lane is gone.
    All,
    /// Up to this record, in front of which the policy says to stop.
    UpTo(Failure),
}

impl Hands {
    pub(super) fn new(
        sink: Box<dyn Sink>,
        dead_letters: Option<Box<dyn Sink>>,
        settings: Settings,
        metrics: WorkerMetrics,
    ) -> Self {
        let (ledger, counts, stamp) = (Ledger::default(), Counts::default(), Stamp::default());
        Self { sink, dead_letters, ledger, settings, metrics, counts, spoiled: false, stamp }
    }

    /// Submits rows and dead letters. The span settles when all of them are durable.
    // Promise: commit
    pub(super) fn submit(
        &mut self,
        plan: &Plan,
        lane: Lane,
        taken: &Taken<'_>,
        applied: Applied<'_>,
    ) -> Result<Handed, WorkerError> {
        let Applied { rows, origins, routes, mut failures } = applied;
        let stop = failures.iter().position(|failure| plan.action(failure) == Action::Stop);
        let stop = stop.map(|at| failures.drain(at..).next().expect("the position is in range"));
        let end = stop.as_ref().map_or(taken.offsets.len(), |failure| failure.origin as usize);
        if let Some(last) = end.checked_sub(1) {
            let Some(span) = self.ledger.open(lane, Offset(taken.offsets[last])) else { return Ok(Handed::All) };
            let kept = origins.partition_point(|&origin| (origin as usize) < end);
            let refused = match kept < rows.len() {
                true => {
                    self.submit_rows(plan, span, &rows.slice(0..kept), routes.get(..kept).unwrap_or(&[]), &origins)?
                }
                false => self.submit_rows(plan, span, &rows, &routes, &origins)?,
            };
            if let Some(failure) = refused.iter().find(|failure| plan.action(failure) == Action::Stop) {
                // rows behind it are already on their way: give the lane's open work up, so that none of it is committed
                self.ledger.rewind(lane);
                self.spoiled = true;
                self.count(plan, failure, Action::Stop);
                return Ok(Handed::UpTo(failure.clone()));
            }
            failures.extend(refused);
            self.submit_failures(plan, span, taken, failures)?;
            self.ledger.settle(span, 1);
        }
        let Some(failure) = stop else { return Ok(Handed::All) };
        self.count(plan, &failure, Action::Stop);
        Ok(Handed::UpTo(failure))
    }

    /// Hands rows to the sink; what it refuses at once comes back as failures of their records.
    fn submit_rows(
        &mut self,
        plan: &Plan,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        origins: &[u32],
    ) -> Result<Vec<Failure>, WorkerError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut refused = Vec::new();
        match self.settings.stamp {
            true => self.sink.submit(span, &self.stamp.rows(rows, plan), routes, &mut refused)?,
            false => self.sink.submit(span, rows, routes, &mut refused)?,
        }
        self.ledger.expect(span, (rows.len() - refused.len()) as u32);
        self.counts.rows += rows.len() as u64;
        self.metrics.rows.increment(rows.len() as u64);
        let failure =
            |refusal: crate::sink::Refusal| refused_by_sink(plan, origins[refusal.row as usize], refusal.message);
        let mut failures: Vec<_> = refused.into_iter().map(failure).collect();
        failures.dedup_by_key(|failure| failure.origin);
        Ok(failures)
    }

    /// Counts failures and sends the dead letters among them.
    pub(super) fn submit_failures(
        &mut self,
        plan: &Plan,
        span: Span,
        taken: &Taken<'_>,
        failures: Vec<Failure>,
    ) -> Result<(), WorkerError> {
        let batch = &taken.batch;
        failures.iter().for_each(|failure| self.count(plan, failure, plan.action(failure)));
        let (pipeline, host) = (self.settings.pipeline.as_str(), self.settings.host.as_str());
        let sender = Sender { pipeline, host, plan };
        let mut letters = DeadLetters::default();
        for failure in &failures {
            let action = plan.action(failure);
            if action == Action::DeadLetter {
                letters.add(&sender, batch, failure);
            }
        }
        if letters.is_empty() {
            return Ok(());
        }
        let rows = letters.rows(batch);
        let routes = vec![Route::DEAD_LETTER; rows.len()];
        let mut refused = Vec::new();
        match &mut self.dead_letters {
            Some(sink) => sink.submit(span, &rows, &routes, &mut refused)?,
            None => self.sink.submit(span, &rows, &routes, &mut refused)?,
        }
        self.ledger.expect(span, (rows.len() - refused.len()) as u32);
        match refused.first() {
            None => Ok(()),
            Some(refusal) => Err(WorkerError::End(format!(
                "the dead letter of {}/{} offset {} cannot be delivered, and dropping it would lose the record: {}",
                batch.topic, batch.partition, rows.offsets[refusal.row as usize], refusal.message
            ))),
        }
    }

    /// Counts a batch that was handed over.
    pub(super) fn count_taken(&mut self, batch: &Batch<'_>) {
        self.counts.records += batch.len() as u64;
        self.metrics.records.increment(batch.len() as u64);
        self.metrics.bytes.increment(batch.size() as u64);
    }

    fn count(&mut self, plan: &Plan, failure: &Failure, action: Action) {
        self.counts.failed += 1;
        let module = plan.stages.get(failure.stage).map_or("", |stage| stage.module.name());
        self.metrics.failure(module, failure.class, action);
    }
}

/// The failure of a record whose row the sink refuses.
pub(super) fn refused_by_sink(plan: &Plan, origin: u32, message: String) -> Failure {
    Failure { origin, stage: plan.stages.len(), class: Class::Refused, code: "refused".to_owned(), message }
}
