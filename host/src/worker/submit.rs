//! Hands what came of a batch to the sinks, and opens the batch's span in the ledger.

use super::dead_letter::{DeadLetters, Sender};
use super::failures::Failures;
use super::late::Late;
use super::pass_through::merge;
use super::stamp::Stamp;
use super::{Settings, WorkerError};
use crate::batch::Batch;
use crate::breaker::{Breaker, Count};
use crate::chain::Plan;
use crate::chain::apply::Applied;
use crate::harmless::one_line;
use crate::ledger::Ledger;
use crate::metrics::WorkerMetrics;
use crate::policy::{Action, Class, Failure, Next};
use crate::record::{Lane, Offset, Span};
use crate::route::Route;
use crate::sink::{Pace, Refusal, Settled, Sink, SinkError};
use crate::source::Messages;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// Records on their way, and what only the worker knows of them.
pub(super) struct Taken<'a> {
    /// What the chain sees.
    pub(super) batch: Batch<'a>,
    /// Their offsets in the lane, for the ledger.
    pub(super) offsets: Cow<'a, [i64]>,
    /// How often each was tried before; empty: never.
    pub(super) tried: Cow<'a, [u32]>,
    /// How often the only record was tried since it was read: 0 unless its lane was held for it.
    pub(super) again: u32,
}

impl<'a> Taken<'a> {
    pub(super) fn new(messages: &'a dyn Messages) -> Self {
        Self { batch: messages.batch(), offsets: messages.offsets(), tried: messages.tried(), again: 0 }
    }

    pub(super) fn slice(&self, range: Range<usize>) -> Taken<'_> {
        let tried = if self.tried.is_empty() { &[] } else { &self.tried[range.clone()] };
        Taken {
            batch: self.batch.slice(range.clone()),
            offsets: Cow::Borrowed(&self.offsets[range]),
            tried: Cow::Borrowed(tried),
            again: self.again,
        }
    }

    /// The same in `count` parts, as even as can be; fewer where there are fewer records.
    pub(super) fn parts(&self, count: usize) -> Vec<Taken<'_>> {
        let records = self.offsets.len();
        let starts = (0..count).map(|part| records * part / count..records * (part + 1) / count);
        starts.filter(|range| !range.is_empty()).map(|range| self.slice(range)).collect()
    }
}

/// What a worker counts itself.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) failed: u64,
    /// Rows and dead letters that are durable.
    pub(super) delivered: u64,
    /// Dead letters that were handed over.
    pub(super) letters: u64,
    /// Records that were dropped for their failure.
    pub(super) skipped: u64,
    pub(super) by_class: [u64; Class::ALL.len()],
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
    /// The span that is being handed over: where that ends in an error, it will never settle.
    pub(super) handing: Option<Span>,
    pub(super) breaker: Option<Breaker>,
    /// Why the breaker has just tripped, until the worker has seen it.
    pub(super) tripped: Option<Vec<Count>>,
    /// One of the failures that tripped it.
    pub(super) example: Option<String>,
    pub(super) failures: Failures,
    /// Records whose rows may still be refused one by one.
    pub(super) late: Late,
    stamp: Stamp,
}

/// How far a batch was handed over.
pub(super) enum Handed {
    /// To its end, or the lane is gone.
    All,
    /// Up to this record.
    UpTo(Bar),
    /// Not at all: too many failed, and the breaker has tripped.
    Tripped,
}

/// A record that bars those behind it.
pub(super) struct Bar {
    pub(super) failure: Failure,
    pub(super) next: Next,
    /// Whether rows behind it, or of itself, are on their way: the destination refused it after it was handed over.
    pub(super) overtaken: bool,
}

impl Hands {
    pub(super) fn new(
        sink: Box<dyn Sink>,
        dead_letters: Option<Box<dyn Sink>>,
        settings: Settings,
        metrics: WorkerMetrics,
    ) -> Self {
        let (ledger, counts, stamp) = (Ledger::default(), Counts::default(), Stamp::default());
        let breaker = settings.breaker.map(Breaker::new);
        let (spoiled, tripped, late) = (false, None, Late::default());
        Self {
            sink,
            dead_letters,
            ledger,
            settings,
            metrics,
            counts,
            spoiled,
            handing: None,
            breaker,
            tripped,
            example: None,
            failures: Failures::default(),
            late,
            stamp,
        }
    }

    /// Submits rows and dead letters. The span settles when all of them are durable.
    // Promise: commit
    pub(super) fn submit(
        &mut self,
        plan: &Arc<Plan>,
        lane: Lane,
        taken: &Taken<'_>,
        applied: Applied<'_>,
    ) -> Result<Handed, WorkerError> {
        let Applied { rows, origins, routes, mut failures, .. } = applied;
        // before anything is done with them: a batch that trips the breaker costs nothing
        if taken.again == 0 && self.note(taken.offsets.len(), &failures) {
            self.example = failures.last().map(|failure| example(&taken.batch, failure));
            return Ok(Handed::Tripped);
        }
        let next = |failure: &Failure| plan.rule(failure).next(taken.again + 1);
        let bar = failures.iter().position(|failure| next(failure).bars());
        let bar = bar.map(|at| failures.drain(at..).next().expect("the position is in range"));
        let end = bar.as_ref().map_or(taken.offsets.len(), |failure| failure.origin as usize);
        if let Some(last) = end.checked_sub(1) {
            let Some(span) = self.ledger.open(lane, Offset(taken.offsets[last])) else { return Ok(Handed::All) };
            self.handing = Some(span);
            let passes = |failure: &&Failure| next(failure) == Next::Act(Action::PassThrough);
            let passing: Vec<u32> = failures.iter().filter(passes).map(|failure| failure.origin).collect();
            let kept = origins.partition_point(|&origin| (origin as usize) < end);
            let refused = match kept < rows.len() {
                true => {
                    let (rows, routes) = (rows.slice(0..kept), routes.get(..kept).unwrap_or(&[]));
                    self.submit_rows(plan, span, &rows, routes, &origins, taken, &passing)?
                }
                false => self.submit_rows(plan, span, &rows, &routes, &origins, taken, &passing)?,
            };
            if taken.again == 0 {
                self.blame(&refused);
            }
            if let Some(failure) = refused.iter().find(|failure| next(failure).bars()) {
                self.handing = None;
                return Ok(Handed::UpTo(Bar { failure: failure.clone(), next: next(failure), overtaken: true }));
            }
            failures.extend(refused);
            self.submit_failures(plan, span, taken, failures)?;
            self.handing = None;
            self.ledger.settle(span, 1);
        }
        let Some(failure) = bar else { return Ok(Handed::All) };
        Ok(Handed::UpTo(Bar { next: next(&failure), failure, overtaken: false }))
    }

    /// Hands rows to the sink, and among them the records of `taken` that pass through; what it refuses at once comes
    /// back as failures of their records.
    #[expect(clippy::too_many_arguments, reason = "rows, and what goes among them")]
    fn submit_rows(
        &mut self,
        plan: &Arc<Plan>,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        origins: &[u32],
        taken: &Taken<'_>,
        passing: &[u32],
    ) -> Result<Vec<Failure>, WorkerError> {
        if rows.is_empty() && passing.is_empty() {
            return Ok(Vec::new());
        }
        let mut refused = Vec::new();
        let merged;
        let origins = match (passing.is_empty(), self.settings.stamp) {
            (true, true) => {
                self.sink.submit(span, &self.stamp.rows(rows, plan), routes, &mut refused)?;
                origins
            }
            (true, false) => {
                self.sink.submit(span, rows, routes, &mut refused)?;
                origins
            }
            (false, stamp) => {
                // what passes through has no stamp: no module made it
                let rows = if stamp { self.stamp.rows(rows, plan) } else { rows.slice(0..rows.len()) };
                merged = merge(&rows, origins, routes, &taken.batch, passing);
                self.sink.submit(span, &merged.rows, &merged.routes, &mut refused)?;
                &merged.origins
            }
        };
        let submitted = rows.len() + passing.len();
        self.ledger.expect(span, (submitted - refused.len()) as u32);
        if self.sink.refuses_late() {
            self.late.note(span, plan, taken.offsets[0], origins);
        }
        self.counts.rows += submitted as u64;
        self.metrics.rows.increment(submitted as u64);
        let failure =
            |refusal: Refusal| refused_by_sink(plan, origins[refusal.row as usize], refusal.class, refusal.message);
        let mut failures: Vec<_> = refused.into_iter().map(failure).collect();
        failures.dedup_by_key(|failure| failure.origin);
        Ok(failures)
    }

    /// Shows the breaker records and which of them failed. True: it has tripped.
    fn note(&mut self, records: usize, failures: &[Failure]) -> bool {
        let Some(breaker) = &mut self.breaker else { return false };
        let tripped = breaker.note(records, failures.iter().map(|failure| (failure.stage, failure.class)));
        let trips = tripped.is_some();
        self.tripped = tripped;
        trips
    }

    /// Shows the breaker what the sink refused of records that it was shown before. Where that trips it, these failures
    /// meet their actions nevertheless: their rows' siblings are on their way.
    pub(super) fn blame(&mut self, failures: &[Failure]) {
        if let Some(breaker) = &mut self.breaker
            && let Some(counts) = breaker.blame(failures.iter().map(|failure| (failure.stage, failure.class)))
        {
            self.tripped = Some(counts);
        }
    }

    /// How many records may be handed over before it must be known what became of them: few while the breaker has just
    /// closed, because a probe does not reach the sink.
    pub(super) fn patience(&self) -> usize {
        self.breaker.as_ref().map_or(usize::MAX, Breaker::patience)
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
        let action = |failure: &Failure| plan.rule(failure).then;
        failures.iter().for_each(|failure| self.count(plan, failure, action(failure)));
        self.failures.note(batch, &failures);
        let (pipeline, host) = (self.settings.pipeline.as_str(), self.settings.host.as_str());
        let sender = Sender { pipeline, host, plan };
        let mut letters = DeadLetters::default();
        for failure in &failures {
            if action(failure) == Action::DeadLetter {
                letters.add(&sender, taken, failure);
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
        self.counts.letters += (rows.len() - refused.len()) as u64;
        match refused.first() {
            None => Ok(()),
            Some(refusal) => Err(not_lettered(&rows, refusal.row as usize, &refusal.message)),
        }
    }

    /// Sends rows that wait for others to go with. Gives when to call again at the latest.
    pub(super) fn send(&mut self, pace: Pace) -> Option<Duration> {
        let rows = self.sink.send(pace);
        let letters = self.dead_letters.as_mut().and_then(|dead_letters| dead_letters.send(pace));
        rows.into_iter().chain(letters).min()
    }

    /// Asks the sinks what became of rows and dead letters.
    pub(super) fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        self.sink.poll(settled)?;
        match &mut self.dead_letters {
            Some(dead_letters) => dead_letters.poll(settled),
            None => Ok(()),
        }
    }

    /// Rows and dead letters of a span are durable.
    pub(super) fn deliver(&mut self, span: Span, rows: u32) {
        self.counts.delivered += u64::from(rows);
        self.metrics.delivered.increment(u64::from(rows));
        self.ledger.settle(span, rows);
    }

    /// Counts a batch that was handed over.
    pub(super) fn count_taken(&mut self, batch: &Batch<'_>) {
        self.counts.records += batch.len() as u64;
        self.metrics.records.increment(batch.len() as u64);
        self.metrics.bytes.increment(batch.size() as u64);
    }

    /// Counts a failure that something is done with.
    pub(super) fn count(&mut self, plan: &Plan, failure: &Failure, action: Action) {
        self.counts.failed += 1;
        self.counts.skipped += u64::from(action == Action::Skip);
        self.counts.by_class[failure.class as usize] += 1;
        let module = plan.stages.get(failure.stage).map_or("", |stage| stage.module.name());
        self.metrics.failure(module, failure.class, action);
    }
}

/// A failure, for a person.
pub(super) fn example(batch: &Batch<'_>, failure: &Failure) -> String {
    let Failure { class, code, message, .. } = failure;
    let (start, more) = match message.char_indices().nth(300) {
        Some((end, _)) => (&message[..end], "…"),
        None => (message.as_str(), ""),
    };
    let offset = batch.offsets[failure.origin as usize];
    let text = format!("{}/{}/{offset}, {class} ({code}): {start}{more}", batch.topic, batch.partition);
    one_line(&text).into_owned()
}

/// A dead letter that is refused: nothing is left to do with its record.
pub(super) fn not_lettered(batch: &Batch<'_>, index: usize, message: &str) -> WorkerError {
    WorkerError::End(format!(
        "the dead letter of {}/{} offset {} cannot be delivered, and dropping it would lose the record: {message}; let the \
         dead-letter topic take larger records, or write another action in `on`",
        batch.topic, batch.partition, batch.offsets[index]
    ))
}

/// The failure of a record whose row the sink refuses.
pub(super) fn refused_by_sink(plan: &Plan, origin: u32, class: Class, message: String) -> Failure {
    let code = class.as_str().to_owned();
    Failure { origin, stage: plan.stages.len(), class, code, message, backtrace: None }
}
