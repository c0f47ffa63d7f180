//! One batch on its way: through the chain, and into the hands of the sinks; one by one where the destination refused
//! a row after it was handed over, and alone where it is tried again.

use super::breaker::Probe;
use super::handover::Handover;
use super::lane::Part;
use super::submit::{Bar, Handed, Hands, Taken, not_lettered, refused_by_sink};
use super::{Worker, WorkerError};
use crate::chain::Plan;
use crate::chain::apply::{Applied, ApplyError};
use crate::policy::{Action, Class, Failure, Next};
use crate::record::{Lane, Offset};
use crate::sink::Settled;
use crate::source::{Messages, Source};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What became of a part of a batch.
pub(super) enum Passed {
    /// It is in the sinks' hands.
    Handed,
    /// It is, up to this record.
    UpTo(usize, Bar),
    /// It is, up to this record: the breaker has tripped.
    Tripped(usize),
    /// It is, up to this record: the group's protocol comes first.
    Abandoned(usize),
}

impl Passed {
    /// What the part that begins at `index` came to, as the whole's.
    pub(super) fn after(self, index: usize) -> Self {
        match self {
            Passed::Handed => Passed::Handed,
            Passed::UpTo(at, bar) => Passed::UpTo(index + at, bar),
            Passed::Tripped(at) => Passed::Tripped(index + at),
            Passed::Abandoned(at) => Passed::Abandoned(index + at),
        }
    }
}

impl From<Handed> for Passed {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::All => Passed::Handed,
            Handed::UpTo(bar) => Passed::UpTo(bar.failure.origin as usize, bar),
            Handed::Tripped => Passed::Tripped(0),
        }
    }
}

/// What is to be done with a batch that the chain was given.
#[derive(PartialEq, Eq)]
enum Rest {
    /// Nothing.
    Done,
    /// It is tried again once the group's protocol has been served.
    Postponed,
    /// From this record on it goes on later, when nothing holds the lane.
    Kept(usize),
}

/// Whether a replay may go on: the group's protocol and the end come first.
pub(super) fn goes_on(source: &mut dyn Source, handover: &Handover, grace: Duration) -> bool {
    // half of it is for what was handed over
    !source.serve() && !handover.is_overdue(grace / 2)
}

/// Hands over what came of records.
fn hand_over(
    hands: &mut Hands,
    handover: &Handover,
    plan: &Arc<Plan>,
    lane: Lane,
    taken: &Taken<'_>,
    applied: Result<Applied<'_>, ApplyError>,
) -> Result<Passed, WorkerError> {
    let applied = match applied {
        Ok(applied) => applied,
        Err(ApplyError::Abandoned) => return Ok(Passed::Abandoned(0)),
        Err(error @ ApplyError::Start(_)) => return Err(WorkerError::Anew(error.to_string())),
    };
    handover.taps.show(&taken.batch, &applied, plan);
    Ok(hands.submit(plan, lane, taken, applied)?.into())
}

impl Worker {
    /// Passes a batch through the chain and hands everything that came of it over.
    pub(super) fn pass(&mut self, lane: Lane, messages: Rc<dyn Messages>) -> Result<(), WorkerError> {
        self.pass_from(lane, messages, 0)
    }

    /// Passes the records of a batch from an index on.
    pub(super) fn pass_from(&mut self, lane: Lane, messages: Rc<dyn Messages>, from: usize) -> Result<(), WorkerError> {
        let taken = Taken::new(&*messages);
        let rest = self.pass_taken(lane, &taken.slice(from..taken.offsets.len()))?;
        drop(taken);
        self.hands.late.keep(&messages);
        match rest {
            Rest::Postponed if from == 0 => self.postponed = Some((lane, messages)),
            Rest::Postponed => self.keep(lane, messages, from),
            Rest::Kept(at) => self.keep(lane, messages, from + at),
            Rest::Done => {}
        }
        Ok(())
    }

    fn keep(&mut self, lane: Lane, messages: Rc<dyn Messages>, from: usize) {
        if let Some(book) = self.book(lane) {
            book.kept = Some((messages, from));
        }
        self.obey_holds();
    }

    fn pass_taken(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Rest, WorkerError> {
        let (Some(&first), Some(&last)) = (taken.offsets.first(), taken.offsets.last()) else { return Ok(Rest::Done) };
        let plan = self.chain.plan().number;
        let Some(book) = self.book(lane) else { return Ok(Rest::Done) };
        book.first.get_or_insert(Offset(first));
        (book.last, book.undone) = (Some(Offset(last)), 0);
        if book.plan_since.is_none() {
            book.plan_since = Some(Offset(first));
            tracing::info!(plan, partition = %book.partition, offset = first, "plan takes effect");
        }
        let careful = book.careful_to.is_some_and(|to| first <= to.0);
        if !careful {
            (book.careful_to, book.refused) = (None, None);
        }
        if book.suspect.is_some() {
            match self.probe(lane, taken)? {
                Probe::Passed => {}
                Probe::Failed => return Ok(Rest::Done),
                Probe::Abandoned => return Ok(Rest::Postponed),
            }
        }
        let mut at = 0;
        while at < taken.offsets.len() {
            let patience = self.hands.patience();
            // none: a delivery failed, and the lane is read again
            let Some(book) = self.book(lane) else { break };
            let (count, again) = match book.part(&taken.offsets[at..]) {
                Part::Plain(count) => (count.min(patience), 0),
                Part::Again(tries) => (1, tries),
                Part::Wait => {
                    book.catch_up_ended();
                    return Ok(Rest::Kept(at));
                }
            };
            let part = Taken { again, ..taken.slice(at..at + count) };
            let passed = match (careful, self.hands.settings.exactly_once) {
                (false, _) => self.pass_whole(lane, &part)?,
                (true, false) => self.pass_one_by_one(lane, &part)?,
                (true, true) => self.pass_in_steps(lane, &part)?,
            };
            let done = match &passed {
                Passed::Handed => count,
                Passed::UpTo(index, _) | Passed::Tripped(index) | Passed::Abandoned(index) => *index,
            };
            self.hands.count_taken(&part.batch.slice(0..done));
            at += done;
            match passed {
                Passed::Handed => {
                    if let Some(book) = self.book(lane).filter(|_| again > 0) {
                        book.hold = None;
                    }
                }
                Passed::UpTo(_, bar) if bar.overtaken && !careful && bar.next == Next::Act(Action::Stop) => {
                    // everything before it is to be delivered first: only one by one is it known when that is so
                    self.reread(lane, true, &bar.failure.message)?;
                    break;
                }
                Passed::UpTo(index, bar) => {
                    let overtaken = bar.overtaken;
                    self.bar(lane, &part.slice(index..index + 1), bar)?;
                    // what was overtaken is read again
                    return Ok(if overtaken { Rest::Done } else { Rest::Kept(at) });
                }
                Passed::Abandoned(_) if at == 0 => return Ok(Rest::Postponed),
                Passed::Abandoned(_) => return Ok(Rest::Kept(at)),
                Passed::Tripped(_) => {}
            }
            if let Some(counts) = self.hands.tripped.take() {
                let rest = taken.offsets.get(at).filter(|_| self.hands.ledger.holds(lane));
                self.open_breaker(&counts, rest.map(|offset| (lane, Offset(*offset))))?;
                break;
            }
        }
        Ok(Rest::Done)
    }

    pub(super) fn pass_whole(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        let started = Instant::now();
        let plan = self.chain.plan().clone();
        let (source, handover, grace) = (&mut self.source, &self.handover, self.hands.settings.grace);
        let go_on = &mut || goes_on(&mut **source, handover, grace);
        let passed = match &self.team {
            Some(team) if taken.offsets.len() > 1 => {
                let parts = taken.parts(team.size());
                let batches: Vec<_> = parts.iter().map(|part| &part.batch).collect();
                let applied = self.chain.apply_parts(team, &batches, go_on);
                self.hands.metrics.batch_seconds.record(started.elapsed());
                let (mut passed, mut index) = (Passed::Handed, 0);
                for (part, applied) in parts.iter().zip(applied) {
                    passed = hand_over(&mut self.hands, &self.handover, &plan, lane, part, applied)?.after(index);
                    // what came of those behind it is made again when it is their turn
                    if !matches!(passed, Passed::Handed) {
                        break;
                    }
                    index += part.offsets.len();
                }
                passed
            }
            _ => {
                let applied = self.chain.apply(&taken.batch, go_on);
                self.hands.metrics.batch_seconds.record(started.elapsed());
                hand_over(&mut self.hands, &self.handover, &plan, lane, taken, applied)?
            }
        };
        let restarts = self.chain.restarts();
        self.hands.metrics.restarts.increment(restarts - self.hands.counts.restarts);
        self.hands.counts.restarts = restarts;
        Ok(passed)
    }

    /// Passes records singly and waits for each to be durable, so that the one whose row is refused is known.
    // Promise: one
    fn pass_one_by_one(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Passed, WorkerError> {
        for index in 0..taken.offsets.len() {
            let one = taken.slice(index..index + 1);
            match self.pass_whole(lane, &one)? {
                Passed::Handed => {}
                other => return Ok(other.after(index)),
            }
            if let Some(bar) = self.await_one(lane, &one)? {
                return Ok(Passed::UpTo(index, bar));
            }
            if self.hands.tripped.is_some() {
                return Ok(Passed::Tripped(index + 1));
            }
            if !self.hands.ledger.holds(lane) {
                break;
            }
        }
        Ok(Passed::Handed)
    }

    /// Waits until the one record in flight of a lane is durable or dead-lettered. Gives the lane up, to be read again,
    /// when the group's protocol or the end cannot wait. Some: the destination refused it, and it bars those behind it.
    fn await_one(&mut self, lane: Lane, one: &Taken<'_>) -> Result<Option<Bar>, WorkerError> {
        let (mut told, mut letter, mut rows_span, mut barred) = (false, None, None, None);
        loop {
            let mut settled = Vec::new();
            self.hands.poll(&mut settled)?;
            for settled in settled {
                match settled {
                    Settled::Failed { span, refused: true, message } if letter == Some(span) => {
                        self.hands.handing = rows_span;
                        return Err(not_lettered(&one.batch, 0, &message));
                    }
                    Settled::Failed { span, refused: true, message } | Settled::Refused { span, message, .. }
                        if span.lane == lane =>
                    {
                        if !std::mem::replace(&mut told, true) {
                            let plan = self.chain.plan().clone();
                            let failure = refused_by_sink(&plan, 0, Class::Refused, message);
                            if one.again == 0 {
                                self.hands.blame(std::slice::from_ref(&failure));
                            }
                            let next = plan.rule(&failure).next(one.again + 1);
                            if next.bars() {
                                barred = Some(Bar { failure, next, overtaken: true });
                                continue;
                            }
                            // a span of its own tells the letter from rows; theirs waits for it
                            let own = self.hands.ledger.open(lane, Offset(one.offsets[0]));
                            letter = own.filter(|_| plan.rule(&failure).then == Action::DeadLetter);
                            self.hands.ledger.expect(span, u32::from(letter.is_some()));
                            rows_span = Some(span);
                            if let Some(own) = own {
                                self.hands.submit_failures(&plan, own, one, vec![failure])?;
                                self.hands.ledger.settle(own, 1);
                            }
                        }
                        self.hands.ledger.settle(span, 1);
                    }
                    Settled::Failed { span, refused, message } => self.reread(span.lane, refused, &message)?,
                    Settled::Refused { span, row, message } => self.refuse_late(span, row, message)?,
                    Settled::Delivered(span, rows) => {
                        self.hands.deliver(span, rows);
                        if let Some(rows_span) = rows_span.filter(|_| letter == Some(span)) {
                            self.hands.ledger.settle(rows_span, 1);
                        }
                    }
                }
            }
            if barred.is_some() || !self.hands.ledger.holds(lane) || self.hands.ledger.is_settled(lane) {
                return Ok(barred);
            }
            if self.source.serve() || self.handover.is_ending() {
                self.reread(lane, true, "the group's protocol, or the end, comes first")?;
                return Ok(None);
            }
            self.wait_for_rows();
        }
    }

    pub(super) fn stopped(&self, one: &Taken<'_>, failure: &Failure) -> WorkerError {
        let batch = &one.batch;
        let stage = self.chain.plan().stages.get(failure.stage);
        WorkerError::End(format!(
            "stopped in front of {}/{} offset {}, as the policy `on` says: {} ({}) {}: {}",
            batch.topic,
            batch.partition,
            batch.offsets[0],
            failure.class,
            failure.code,
            stage.map_or("at the sink".to_owned(), |stage| format!("in {}", stage.module.name())),
            failure.message
        ))
    }
}
