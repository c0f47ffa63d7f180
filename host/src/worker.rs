//! A worker: one thread that owns one consumer, one chain and one sink, and everything a record meets on its way.
//!
//! Someone who knows [`Worker::run`] knows the program.

use crate::backoff::Backoff;
use crate::breaker::Limit;
use crate::chain::apply::Chain;
use crate::chain::team::Team;
use crate::metrics::WorkerMetrics;
use crate::record::{Lane, Partition};
use crate::sink::{Pace, Settled, Sink, SinkError};
use crate::source::{BatchLimit, Event, Messages, Source, SourceError};
use crate::wake::Wake;
use handover::Handover;
use lane::LaneBook;
use status::{State, StatusBoard};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use submit::{Counts, Hands};

mod breaker;
mod commit;
mod dead_letter;
mod end;
mod failures;
pub mod handover;
mod hold;
mod lane;
mod late;
mod pass;
mod pass_through;
mod publish;
mod redrive;
mod stall;
mod stamp;
pub mod status;
mod steps;
mod submit;
pub mod tap;

/// How long the worker sleeps at the most when nothing happens: due commits and the status wait no longer than this.
const NAP: Duration = Duration::from_millis(100);

/// With transactions, how many records go at once when a row of some thousand was refused.
const FIRST_STEP: usize = 256;

/// Why a worker ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A person is needed: the program ends.
    #[error("{0}")]
    End(String),
    /// The worker is made anew, after a while.
    #[error("{0}")]
    Anew(String),
    /// Another program works under the same id: as `Anew`, but not for ever.
    #[error("{0}")]
    Fenced(String),
}

impl From<SourceError> for WorkerError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::End(message) => WorkerError::End(message),
            SourceError::Anew(message) => WorkerError::Anew(message),
            SourceError::Fenced(message) => WorkerError::Fenced(message),
        }
    }
}

impl From<SinkError> for WorkerError {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::End(message) => WorkerError::End(message),
            SinkError::Anew(message) => WorkerError::Anew(message),
            SinkError::Fenced(message) => WorkerError::Fenced(message),
        }
    }
}

/// What a worker does not make itself.
pub struct Parts {
    /// The consumer.
    pub source: Box<dyn Source>,
    /// Where rows go.
    pub sink: Box<dyn Sink>,
    /// Where dead letters go, where that is not the sink.
    pub dead_letters: Option<Box<dyn Sink>>,
    /// Instances of the newest plan.
    pub chain: Chain,
    /// Who helps with a batch, where parts of it are passed at once.
    pub team: Option<Team>,
}

/// What a worker is told once.
#[derive(Clone)]
pub struct Settings {
    /// The pipeline's name.
    pub pipeline: String,
    /// The host's name, for dead letters.
    pub host: String,
    /// How much a batch may hold.
    pub batch: BatchLimit,
    /// Whether rows carry the modules that made them in a header.
    pub stamp: bool,
    /// Whether rows and resume points are committed together, in transactions of the sink.
    pub exactly_once: bool,
    /// How often resume points are committed.
    pub commit_interval: Duration,
    /// How long draining may take at the end, from when the worker is asked to end.
    pub grace: Duration,
    /// How long it may take when lanes are revoked: the group must not lose patience.
    pub revocation: Duration,
    /// When so many records fail that nothing more is read; `None`: never.
    pub breaker: Option<Limit>,
    /// After how long without a record a lane that is not at its end is stalled; `None`: never.
    pub stalled_after: Option<Duration>,
}

/// See the module.
pub struct Worker {
    source: Box<dyn Source>,
    chain: Chain,
    team: Option<Team>,
    hands: Hands,
    handover: Arc<Handover>,
    wake: Wake,
    board: StatusBoard,
    lanes: Vec<LaneBook>,
    /// A batch whose replay was abandoned for the group's protocol.
    postponed: Option<(Lane, Rc<dyn Messages>)>,
    settled: Vec<Settled>,
    /// After a delivery failed: no reading before this.
    quiet_until: Option<Instant>,
    delivery_backoff: Backoff,
    next_commit: Instant,
    /// Since when nothing is read until the transaction has ended.
    closing: Option<Instant>,
    next_status: Instant,
    /// What was published last.
    told: Counts,
    /// When the next hold may end; none where no lane waits for a time.
    next_try: Option<Instant>,
    /// When lanes that the breaker holds are tried; none where it holds none.
    next_probe: Option<Instant>,
    /// Why the breaker tripped last.
    reason: String,
    stalls: stall::Stalls,
}

impl Worker {
    /// Makes a worker. It begins with [`Worker::run`].
    pub fn new(
        settings: Settings,
        parts: Parts,
        handover: Arc<Handover>,
        wake: Wake,
        board: StatusBoard,
        metrics: WorkerMetrics,
    ) -> Self {
        let now = Instant::now();
        let number = parts.chain.plan().number;
        board.update(|status| (status.state, status.plan) = (State::Joining, number));
        let Parts { source, sink, dead_letters, chain, team } = parts;
        let next_commit = now + settings.commit_interval;
        Self {
            source,
            chain,
            team,
            hands: Hands::new(sink, dead_letters, settings, metrics),
            handover,
            wake,
            board,
            lanes: Vec::new(),
            postponed: None,
            settled: Vec::new(),
            quiet_until: None,
            delivery_backoff: Backoff::new(
                Duration::from_millis(200),
                Duration::from_secs(30),
                now.elapsed().as_nanos() as u64,
            ),
            next_commit,
            closing: None,
            next_status: now + publish::INTERVAL,
            told: Counts::default(),
            next_try: None,
            next_probe: None,
            reason: String::new(),
            stalls: stall::Stalls::default(),
        }
    }

    /// Runs until asked to end, and then drains, commits and leaves the group.
    ///
    /// # Errors
    /// See [`WorkerError`]. Nothing is lost: what was not committed is read again.
    pub fn run(mut self) -> Result<(), WorkerError> {
        let result = self.work();
        if let (Err(WorkerError::End(_)), Some(span)) = (&result, self.hands.handing.take()) {
            // nothing waits for what can never be delivered
            self.hands.ledger.take_back(span);
            self.hands.spoiled = true;
        }
        match result {
            Ok(()) | Err(WorkerError::End(_)) => self.end(),
            // what was settled need not be done again; a transaction is over with its producer
            Err(WorkerError::Anew(_) | WorkerError::Fenced(_)) if self.hands.settings.exactly_once => {}
            Err(WorkerError::Anew(_) | WorkerError::Fenced(_)) => {
                let lanes = self.held();
                let _ = self.commit_and_wait(&lanes);
            }
        }
        self.publish(publish::INTERVAL);
        result
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        while !self.handover.is_ending() {
            self.switch_plan();
            self.look_at_holds();
            self.pass_kept()?;
            let read = self.may_read();
            self.stalls.note(read.is_some());
            let event = self.source.poll(read)?;
            let idle = matches!(event, Event::Idle | Event::End);
            self.meet(event)?;
            self.settle()?;
            let pace = match (self.closing.is_some(), idle && read.is_some()) {
                (true, _) => Pace::Waiting,
                (false, true) => Pace::Idle,
                (false, false) => Pace::Busy,
            };
            let send = self.hands.send(pace);
            if idle && !self.resume_postponed()? {
                self.wake.wait(send.unwrap_or(NAP).min(self.nap()));
            }
            self.commit_when_due()?;
            self.publish_when_due();
        }
        Ok(())
    }

    fn meet(&mut self, event: Event) -> Result<(), WorkerError> {
        match event {
            Event::Idle => Ok(()),
            Event::Batch(lane, messages) => self.pass(lane, messages.into()),
            Event::Assigned(partitions) => self.assign(partitions),
            Event::Revoked { lanes, lost } => self.revoke(&lanes, lost),
            Event::PutBack(lane, messages) => self.put_back(lane, &*messages),
            Event::End => self.end_when_settled(),
        }
    }

    /// Switches to the newest plan, if there is one: only ever called between batches.
    // Promise: whole
    fn switch_plan(&mut self) {
        let started = Instant::now();
        let Some(chain) = self.handover.take() else { return };
        let before = std::mem::replace(&mut self.chain, chain);
        self.lanes.iter().for_each(|book| self.chain.begin(&book.partition));
        let number = self.chain.plan().number;
        self.hands.counts.restarts = 0;
        self.lanes.iter_mut().for_each(|book| book.plan_since = None);
        self.probe_at_once();
        drop(before);
        let pause = started.elapsed();
        self.hands.metrics.swap_seconds.record(pause);
        self.board.update(|status| {
            status.plan = number;
            status.longest_swap_pause = status.longest_swap_pause.max(pause.as_secs_f64() * 1e3);
        });
        let chain = self.chain.plan().describe();
        tracing::info!(plan = number, chain, pause_us = pause.as_micros() as u64, "switched plans");
    }

    /// Nothing is read while the sink is full, a batch waits, or a failed delivery asks for patience.
    fn may_read(&mut self) -> Option<BatchLimit> {
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        self.quiet_until = None;
        let dead_letters_have_room = self.hands.dead_letters.as_ref().is_none_or(|sink| sink.has_room());
        let reads =
            self.closing.is_none() && self.postponed.is_none() && self.hands.sink.has_room() && dead_letters_have_room;
        reads.then_some(self.hands.settings.batch)
    }

    fn assign(&mut self, partitions: Vec<Partition>) -> Result<(), WorkerError> {
        let lanes: Vec<_> = partitions.into_iter().map(|partition| (self.hands.ledger.assign(), partition)).collect();
        if !lanes.is_empty() {
            self.source.assign(&lanes)?;
        }
        for (lane, partition) in lanes {
            tracing::info!(%partition, "lane assigned");
            self.chain.begin(&partition);
            let suspect = self.suspicion();
            self.lanes.push(LaneBook::new(lane, partition, suspect));
        }
        self.obey_holds();
        self.board.update(|status| status.state = State::Running);
        self.next_status = Instant::now();
        Ok(())
    }

    /// First drains, then commits, then lets go.
    // Promise: commit
    fn revoke(&mut self, lanes: &[Lane], lost: bool) -> Result<(), WorkerError> {
        let exactly_once = self.hands.settings.exactly_once;
        if !lost {
            // lanes share their transaction
            let drained = if exactly_once { self.held() } else { lanes.to_vec() };
            self.drain(&drained, Instant::now() + self.hands.settings.revocation)?;
            self.commit_and_wait(lanes)?;
        } else if exactly_once {
            self.abort_transaction("lanes were lost")?;
        }
        // a delivery that failed in the meantime has given them new epochs
        let slots: Vec<_> = lanes.iter().map(|lane| lane.slot).collect();
        let lanes: Vec<_> = self.held().into_iter().filter(|lane| slots.contains(&lane.slot)).collect();
        for &lane in &lanes {
            self.hands.ledger.release(lane);
        }
        self.hands.sink.release(&lanes);
        self.source.release(&lanes)?;
        let (gone, kept) = std::mem::take(&mut self.lanes).into_iter().partition(|book| lanes.contains(&book.lane));
        self.lanes = kept;
        for LaneBook { partition, .. } in gone as Vec<LaneBook> {
            tracing::info!(%partition, lost, "lane revoked");
            self.chain.end(&partition);
        }
        self.obey_holds();
        self.next_status = Instant::now();
        Ok(())
    }

    fn held(&self) -> Vec<Lane> {
        self.lanes.iter().map(|book| book.lane).collect()
    }

    /// Takes the sinks' word for what is durable.
    fn settle(&mut self) -> Result<(), WorkerError> {
        let mut settled = std::mem::take(&mut self.settled);
        self.hands.poll(&mut settled)?;
        if self.hands.settings.exactly_once {
            // the first failure aborts the transaction: let it be the one that says which lane must be careful
            settled.sort_by_key(|settled| !matches!(settled, Settled::Failed { refused: true, .. }));
        }
        for settled in settled.drain(..) {
            match settled {
                Settled::Delivered(span, rows) => {
                    self.delivery_backoff.reset();
                    self.hands.deliver(span, rows);
                }
                Settled::Failed { span, refused, message } => self.reread(span.lane, refused, &message)?,
                Settled::Refused { span, row, message } => self.refuse_late(span, row, message)?,
            }
        }
        let Hands { late, ledger, .. } = &mut self.hands;
        late.forget(ledger);
        self.settled = settled;
        Ok(())
    }

    /// A delivery failed: the lane is read again from its resume point, so that nothing is produced out of turn.
    // Promise: order
    fn reread(&mut self, lane: Lane, refused: bool, message: &str) -> Result<(), WorkerError> {
        if self.hands.settings.exactly_once {
            if !self.hands.ledger.holds(lane) {
                return Ok(());
            }
            if let Some(book) = self.lanes.iter_mut().find(|book| refused && book.lane == lane) {
                (book.careful_to, book.careful_step) = (book.careful_to.max(book.last), FIRST_STEP);
            }
            return self.abort_transaction(message);
        }
        let outstanding = self.hands.ledger.outstanding_of(lane);
        // the first failure of a lane rewinds it; the others of that time belong to an older epoch
        let Some((again, resume)) = self.hands.ledger.rewind(lane) else { return Ok(()) };
        self.hands.sink.release(&[lane]);
        self.hands.metrics.rewinds.increment(1);
        let Some(book) = self.lanes.iter_mut().find(|book| book.lane == lane) else { return Ok(()) };
        book.lane = again;
        book.undone += outstanding;
        book.catch_up();
        if refused {
            book.careful_to = book.careful_to.max(book.last);
        } else {
            let wait = self.delivery_backoff.next_wait();
            self.quiet_until = Some(Instant::now() + wait);
        }
        tracing::warn!(partition = %book.partition, error = message, "delivery failed; the lane is read again");
        if self.postponed.as_ref().is_some_and(|(postponed, _)| *postponed == lane) {
            self.postponed = None;
        }
        self.source.rewind(again, resume)?;
        self.obey_holds();
        Ok(())
    }

    /// Goes on with a batch that was put aside, once the group's protocol has been served. False: there was none.
    fn resume_postponed(&mut self) -> Result<bool, WorkerError> {
        match self.postponed.take() {
            Some((lane, messages)) if self.hands.ledger.holds(lane) => self.pass(lane, messages).map(|()| true),
            Some(_) => Ok(true),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
