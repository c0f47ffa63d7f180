//! A producer's rows in transactions, with a group's offsets.

use super::super::health::Health;
use super::super::options::refused;
use super::super::raw::{Error, Failed, Handle, Sending};
use super::super::start;
use super::KafkaSink;
use crate::config::KafkaClient;
use crate::record::{Partition, Resume};
use crate::sink::{Ended, SinkError, Transactions};
use rdkafka::Offset;
use rdkafka::config::ClientConfig;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One call; between two the client's events are served.
const CALL: Duration = Duration::from_millis(500);
/// One call to abort: it wants the client's events to be served soon.
const ABORT_CALL: Duration = Duration::from_millis(50);

/// The transaction that rows go to.
pub(super) struct Transaction {
    begun: Option<Instant>,
    offsets: Offsets,
    bytes: usize,
    /// When the cluster ends a transaction by itself.
    timeout: Duration,
}

/// Where the group's offsets are on their way into the transaction.
enum Offsets {
    Outside,
    Sending(Sending),
    Inside,
}

impl Transaction {
    pub(super) fn new(client: &KafkaClient) -> Self {
        let timeout = client.transaction_timeout();
        Self { begun: None, offsets: Offsets::Outside, bytes: 0, timeout }
    }

    /// Counts what is handed over.
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    fn end(&mut self) {
        (self.begun, self.offsets, self.bytes) = (None, Offsets::Outside, 0);
    }
}

/// A producer that has taken the transactional id over from whoever had it before. Asks `go_on` between tries.
///
/// # Errors
/// librdkafka refuses an option, the cluster refuses, or `go_on` said no.
pub(super) fn producer(
    config: &ClientConfig,
    health: &mut Health,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Arc<Handle>, SinkError> {
    let handle = Handle::producer(config).map_err(|error| SinkError::End(format!("kafka sink: {}", refused(error))))?;
    // nobody waits for its bell yet
    let events = handle.events_unheard();
    loop {
        match handle.init_transactions(CALL) {
            Ok(()) => return Ok(handle),
            Err(Failed::Again(error)) => tracing::debug!(%error, "the transactional id is not ours yet"),
            Err(Failed::Fenced(error)) => return Err(health.fenced(&error).into()),
            Err(Failed::Abort(error) | Failed::Fatal(error)) => health.note(&error, true, "transactions"),
        }
        KafkaSink::listen(&events, health);
        health.check(&handle)?;
        if !go_on() {
            return Err(SinkError::Anew("asked to end before the transactional id was ours".to_owned()));
        }
    }
}

impl KafkaSink {
    /// Begins a transaction, unless one is open. False: there is one that must be aborted.
    pub(super) fn begin(&mut self) -> Result<bool, SinkError> {
        let Some(transaction) = self.transaction.as_mut().filter(|transaction| transaction.begun.is_none()) else {
            return Ok(true);
        };
        match self.handle.begin_transaction() {
            Ok(()) => {
                transaction.begun = Some(Instant::now());
                Ok(true)
            }
            Err(failed) => match self.judge(failed)? {
                Ended::Abort(_) | Ended::NotYet => Ok(false),
                Ended::Yes => Ok(true),
            },
        }
    }

    /// Adds the group's offsets to the transaction, once. None: it is not known yet whether they are in it.
    fn send_offsets(&mut self, points: &[(Partition, Resume)], member: &[u8]) -> Option<Result<(), Failed>> {
        let Some(transaction) = &mut self.transaction else { return Some(Ok(())) };
        if let Offsets::Outside = transaction.offsets {
            let list = start::list(points.iter().map(|(partition, resume)| (partition, Offset::Offset(resume.0))));
            match self.handle.send_offsets(list, member.to_vec(), CALL) {
                Ok(sending) => transaction.offsets = Offsets::Sending(sending),
                Err(failed) => return Some(Err(failed)),
            }
        }
        let outcome = match &transaction.offsets {
            Offsets::Sending(sending) => sending.wait(CALL)?,
            _ => return Some(Ok(())),
        };
        transaction.offsets = if outcome.is_ok() { Offsets::Inside } else { Offsets::Outside };
        Some(outcome)
    }

    fn judge(&mut self, failed: Failed) -> Result<Ended, SinkError> {
        let old = self
            .transaction
            .as_ref()
            .is_some_and(|transaction| transaction.begun.is_some_and(|begun| begun.elapsed() >= transaction.timeout));
        match failed {
            Failed::Again(error) => {
                tracing::debug!(%error, "the transaction has not ended yet");
                Ok(Ended::NotYet)
            }
            Failed::Abort(error) => Ok(Ended::Abort(error.text)),
            // who is too late looks the same to the cluster as who was replaced
            Failed::Fenced(error) if old => Err(SinkError::Anew(format!(
                "kafka sink: the transaction took longer than `transaction.timeout.ms`, and was ended by the cluster: {error}"
            ))),
            Failed::Fenced(error) => Err(self.health.fenced(&error).into()),
            Failed::Fatal(error) => Err(self.fatal(error)),
        }
    }

    /// The first fatal error says more than what followed from it.
    pub(super) fn fatal(&self, error: Error) -> SinkError {
        let error = self.handle.fatal().unwrap_or(error);
        match error.is_fenced() {
            true => self.health.fenced(&error).into(),
            false => SinkError::Anew(format!("kafka sink: {error}")),
        }
    }
}

impl Transactions for KafkaSink {
    fn is_open(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| transaction.begun.is_some())
    }

    fn is_large(&self) -> bool {
        // fewer would end it before its first rows are delivered, and every end waits for the last
        self.transaction.as_ref().is_some_and(|transaction| transaction.bytes >= self.limit.saturating_mul(8))
    }

    fn longest(&self) -> Duration {
        self.transaction.as_ref().map_or(Duration::ZERO, |transaction| transaction.timeout / 4)
    }

    fn is_old(&self) -> bool {
        let age = |transaction: &Transaction| Some(transaction.begun?.elapsed() >= transaction.timeout.mul_f64(0.8));
        self.transaction.as_ref().and_then(age).unwrap_or(false)
    }

    // Promise: once
    fn commit(&mut self, points: &[(Partition, Resume)], member: &[u8]) -> Result<Ended, SinkError> {
        if !self.begin()? {
            return Ok(Ended::Abort("it could not be begun".to_owned()));
        }
        match self.send_offsets(points, member) {
            Some(Ok(())) => {}
            Some(Err(failed)) => return self.judge(failed),
            None => return Ok(Ended::NotYet),
        }
        if let Err(failed) = self.handle.commit_transaction(CALL) {
            return self.judge(failed);
        }
        self.transaction.iter_mut().for_each(Transaction::end);
        self.health.up();
        Ok(Ended::Yes)
    }

    fn abort(&mut self) -> Result<Ended, SinkError> {
        if !self.is_open() {
            return Ok(Ended::Yes);
        }
        match self.handle.abort_transaction(ABORT_CALL) {
            Ok(()) => {
                self.transaction.iter_mut().for_each(Transaction::end);
                Ok(Ended::Yes)
            }
            Err(Failed::Abort(_)) => Ok(Ended::NotYet),
            Err(failed) => self.judge(failed),
        }
    }
}
