//! An idempotent producer: rows of any lane to the declared topics and the dead-letter topic.
//!
//! What is in flight is bounded by our own count of bytes; librdkafka's queue is made larger than that. Deliveries
//! never expire: a row is delivered, or refused for good, or its lane is read again.

use super::Identity;
use super::health::{Health, Verdict};
use super::options::{self, refused};
use super::raw::{Bell, Delivery, Error, Event, Handle, Queue, Row, Said, Topic};
use crate::batch::{Batch, Bytes};
use crate::config::{DeadLetter, KafkaSink as Config, Partitioning};
use crate::policy::Class;
use crate::record::Span;
use crate::route::{Route, Routes};
use crate::sink::{Pace, Refusal, Settled, Sink, SinkError, Transactions};
use crate::wake::Wake;
use flight::{Flight, ROW};
use hurry::Hurry;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::Arc;
use std::time::Duration;
use transaction::Transaction;

mod flight;
mod hurry;
mod transaction;

/// How often a full queue is waited for before the producer is given up.
const FULL: u32 = 100;
const FULL_WAIT: Duration = Duration::from_millis(50);
/// For the dead letters of a sink that is not Kafka's.
const DEAD_LETTERS_IN_FLIGHT: usize = 16 << 20;

/// Produces to Kafka. See [`Sink`].
pub struct KafkaSink {
    /// By route.
    topics: Vec<Output>,
    dead_letters: Option<Output>,
    partition: Partitioning,
    limit: usize,
    flight: Flight,
    /// Where rows are delivered in transactions.
    transaction: Option<Transaction>,
    /// What became known between two calls of `poll`.
    settled: Vec<Settled>,
    /// None where the user says how long rows wait.
    hurry: Option<Hurry>,
    health: Health,
    events: Queue,
    bell: Arc<Bell>,
    handle: Arc<Handle>,
}

struct Output {
    name: String,
    topic: Topic,
}

/// Delivery reports of one span in a row.
struct Run {
    index: usize,
    failed: Option<(Code, String)>,
    count: u32,
}

impl KafkaSink {
    /// Makes a producer for the topics that `routes` names, and for dead letters where `dead_letter` names a topic of the
    /// same cluster.
    ///
    /// # Errors
    /// librdkafka refuses an option: the program ends.
    pub fn new(
        config: &Config,
        routes: &Routes,
        dead_letter: Option<&str>,
        identity: &Identity,
        wake: Wake,
    ) -> Result<Self, SinkError> {
        let handle = Handle::producer(&options::producer(&config.client, None))
            .map_err(|error| SinkError::End(format!("kafka sink: {}", refused(error))))?;
        let health = Health::new(&config.client, identity, "sink");
        let hurry = Hurry::new(&config.client);
        Self::make(handle, health, hurry, None, routes.names(), dead_letter, config.partition, config.in_flight, wake)
    }

    /// Makes a producer whose rows and dead letters are delivered in transactions, together with the offsets of `group`.
    /// The transactional id is `<group>-<host>-<worker>`; waits until it has been taken over from whoever had it, and
    /// asks `go_on` meanwhile.
    ///
    /// # Errors
    /// librdkafka refuses an option, the cluster refuses the transactional id, or `go_on` said no.
    pub fn transactional(
        config: &Config,
        routes: &Routes,
        dead_letter: Option<&str>,
        identity: &Identity,
        group: &str,
        wake: Wake,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Self, SinkError> {
        let mut health = Health::new(&config.client, identity, "sink");
        let id = identity.transactional_id(group);
        let handle = transaction::producer(&options::producer(&config.client, Some(&id)), &mut health, go_on)?;
        let (hurry, transaction) = (Hurry::new(&config.client), Some(Transaction::new(&config.client)));
        let names = routes.names();
        Self::make(handle, health, hurry, transaction, names, dead_letter, config.partition, config.in_flight, wake)
    }

    /// Makes a producer that has only dead letters to deliver.
    ///
    /// # Errors
    /// librdkafka refuses an option: the program ends.
    pub fn for_dead_letters(config: &DeadLetter, identity: &Identity, wake: Wake) -> Result<Self, SinkError> {
        let handle = Handle::producer(&options::producer(&config.client, None))
            .map_err(|error| SinkError::End(format!("kafka sink: {}", refused(error))))?;
        let health = Health::new(&config.client, identity, "sink");
        let (topic, limit) = (Some(config.topic.as_str()), DEAD_LETTERS_IN_FLIGHT);
        let hurry = Hurry::new(&config.client);
        Self::make(handle, health, hurry, None, &[], topic, Partitioning::Key, limit, wake)
    }

    #[allow(clippy::too_many_arguments)]
    fn make(
        handle: Arc<Handle>,
        health: Health,
        hurry: Option<Hurry>,
        transaction: Option<Transaction>,
        names: &[String],
        dead_letter: Option<&str>,
        partition: Partitioning,
        limit: usize,
        wake: Wake,
    ) -> Result<Self, SinkError> {
        let output = |name: &str| match handle.topic(name) {
            Ok(topic) => Ok(Output { name: name.to_owned(), topic }),
            Err(error) => Err(SinkError::End(format!("kafka sink: {error}"))),
        };
        let bell = Bell::new(wake);
        Ok(Self {
            topics: names.iter().map(|name| output(name)).collect::<Result<_, _>>()?,
            dead_letters: dead_letter.map(output).transpose()?,
            partition,
            limit,
            flight: Flight::default(),
            transaction,
            settled: Vec::new(),
            hurry,
            health,
            events: handle.events(bell.clone()),
            bell,
            handle,
        })
    }

    /// Bytes handed over and not yet settled.
    pub fn in_flight(&self) -> usize {
        self.flight.bytes
    }

    /// Serves the client's queue until it is empty, after waiting for a first event.
    fn serve_events(&mut self, wait: Duration) {
        // asked before the queue is read: what comes later rings again
        self.bell.take();
        let mut wait = wait;
        while let Some(event) = self.events.poll(std::mem::take(&mut wait)) {
            match event.read() {
                Said::Delivered => self.take_deliveries(&event),
                said => Self::hear(said, &mut self.health),
            }
        }
    }

    fn hear(said: Said, health: &mut Health) {
        match said {
            Said::Log { level, facility, text } => health.log(level, &facility, &text),
            Said::Error { error, fatal } => health.note(&error, fatal, ""),
            _ => {}
        }
    }

    /// Serves the queue of a client that has nothing to deliver yet.
    fn listen(events: &Queue, health: &mut Health) {
        while let Some(event) = events.poll(Duration::ZERO) {
            Self::hear(event.read(), health);
        }
    }

    // Promise: commit
    fn take_deliveries(&mut self, event: &Event) {
        // rows come back in runs of one span
        let mut run: Option<Run> = None;
        for Delivery { opaque: index, size, failed } in event.deliveries() {
            self.flight.unload(index, size);
            match &mut run {
                Some(run) if run.index == index && run.failed == failed => run.count += 1,
                _ => {
                    let done = run.replace(Run { index, failed, count: 1 });
                    self.settle(done);
                }
            }
        }
        self.settle(run);
    }

    fn settle(&mut self, run: Option<Run>) {
        let Some(Run { index, failed, count }) = run else { return };
        let span = self.flight.land(index, count);
        // what waits behind them may go now
        self.hurry.iter_mut().for_each(|hurry| hurry.land(count));
        let Some((code, topic)) = failed else {
            self.health.up();
            return self.settled.push(Settled::Delivered(span, count));
        };
        let refused = is_refusal(code);
        // thrown away with their transaction: whatever failed it was told
        let purged = matches!(code, Code::PurgeQueue | Code::PurgeInflight);
        let about = format!("topic {topic:?}");
        if !refused && !purged {
            self.health.note(&Error { code, text: code.to_string() }, false, &about);
        }
        let message = format!("{about} did not take {count} rows: {code}");
        self.settled.push(Settled::Failed { span, refused, message });
    }

    /// Hands one row over, waiting for room in librdkafka's queue when, against all expectation, there is none.
    /// `at`: where in its span's slab the value is.
    fn produce(
        &mut self,
        route: Route,
        row: &Row<'_>,
        at: usize,
        headers: &[(Bytes<'_>, Bytes<'_>)],
    ) -> Result<(), ProduceError> {
        for _ in 0..FULL {
            let output = match route {
                Route::DEAD_LETTER => self.dead_letters.as_ref(),
                Route(index) => self.topics.get(index as usize),
            };
            let Some(output) = output else { return Err(ProduceError::Refused("it has no such route".to_owned())) };
            let slab = self.flight.slab(row.opaque).map(|slab| (slab, at));
            let Err(error) = output.topic.produce(row, slab, headers.iter().copied()) else { return Ok(()) };
            match error.code {
                Code::QueueFull => self.serve_events(FULL_WAIT),
                Code::UnknownPartition => {
                    let (topic, partition) = (&output.name, row.partition.unwrap_or_default());
                    return Err(ProduceError::Refused(format!(
                        "topic {topic:?} has no partition {partition}: `partition = \"same-as-input\"` wants as many as the input has"
                    )));
                }
                code if is_refusal(code) => {
                    return Err(ProduceError::Refused(format!("topic {:?}: {error}", output.name)));
                }
                Code::UnknownTopic | Code::UnknownTopicOrPartition => {
                    let text = format!("topic {:?} does not exist: create it, or correct its name", output.name);
                    return Err(ProduceError::Fatal(Error { text, ..error }));
                }
                _ => return Err(ProduceError::Fatal(error)),
            }
        }
        Err(ProduceError::Fatal(Error { code: Code::QueueFull, text: "librdkafka's queue stays full".to_owned() }))
    }
}

enum ProduceError {
    Refused(String),
    Fatal(Error),
}

impl Sink for KafkaSink {
    fn has_room(&self) -> bool {
        self.flight.bytes < self.limit
    }

    // Promise: order
    fn submit(
        &mut self,
        span: Span,
        rows: &Batch<'_>,
        routes: &[Route],
        refused: &mut Vec<Refusal>,
    ) -> Result<(), SinkError> {
        if rows.is_empty() {
            return Ok(());
        }
        if !self.begin()? {
            self.settled.push(given_up(span));
            return Ok(());
        }
        let before = self.flight.bytes;
        let index = self.flight.take_off(span, &rows.values, &self.handle);
        let mut at = 0;
        let same = (self.partition == Partitioning::SameAsInput).then_some(rows.partition);
        let mut header_rows = rows.headers.names.iter().zip(rows.headers.values.iter());
        let mut headers = Vec::new();
        let mut outcome = Ok(());
        for (row, (key, value)) in rows.keys.iter().zip(rows.values.iter()).enumerate() {
            let route = routes.get(row).copied().unwrap_or(Route::DEFAULT);
            headers.clear();
            headers.extend(header_rows.by_ref().take(rows.headers.counts.get(row).map_or(0, |count| *count as usize)));
            let partition = if route == Route::DEAD_LETTER { None } else { same };
            let timestamp = rows.timestamps.get(row).copied().unwrap_or(-1);
            let produced = Row { partition, key, value, timestamp, opaque: index };
            let place = at;
            at += size(&value);
            match self.produce(route, &produced, place, &headers) {
                Ok(()) => {
                    let header = |(name, value): &(Bytes<'_>, Bytes<'_>)| size(name) + size(value);
                    let bytes = ROW + size(&key) + size(&value) + headers.iter().map(header).sum::<usize>();
                    self.flight.fly(index, bytes);
                }
                Err(ProduceError::Refused(message)) => {
                    refused.push(Refusal { row: row as u32, class: Class::Refused, message });
                }
                // librdkafka takes nothing any more for a transaction in which a delivery has failed
                Err(ProduceError::Fatal(error)) if self.transaction.is_some() && error.code == Code::State => {
                    self.settled.push(given_up(span));
                    break;
                }
                Err(ProduceError::Fatal(error)) => {
                    outcome = Err(self.fatal(error));
                    break;
                }
            }
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.add(self.flight.bytes.saturating_sub(before));
        }
        self.flight.close(index);
        self.hurry.iter_mut().for_each(Hurry::wake);
        outcome
    }

    fn poll(&mut self, settled: &mut Vec<Settled>) -> Result<(), SinkError> {
        self.serve_events(Duration::ZERO);
        settled.append(&mut self.settled);
        Ok(self.health.check(&self.handle)?)
    }

    fn send(&mut self, pace: Pace) -> Option<Duration> {
        let hurry = self.hurry.as_mut().filter(|_| self.flight.bytes > 0)?;
        hurry.send(pace, self.flight.rows, &self.handle)
    }

    fn transactions(&mut self) -> Option<&mut dyn Transactions> {
        match self.transaction {
            Some(_) => Some(self),
            None => None,
        }
    }
}

impl From<Verdict> for SinkError {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::End(reason) => SinkError::End(reason),
            Verdict::Anew(reason) => SinkError::Anew(reason),
            Verdict::Fenced(reason) => SinkError::Fenced(reason),
        }
    }
}

/// Tells that a span is not delivered because its transaction cannot be committed.
fn given_up(span: Span) -> Settled {
    Settled::Failed { span, refused: false, message: "a delivery of the transaction has failed".to_owned() }
}

fn size(bytes: &Bytes<'_>) -> usize {
    bytes.map_or(0, <[u8]>::len)
}

/// Whether the row itself is the reason, so that another try would fail as well.
fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::MessageBatchTooLarge
            | Code::UnknownPartition
    )
}
