//! Asks a cluster about topics and groups, as a client that joins no group.

use super::health::{Health, Verdict};
use super::raw::{Bell, Error, Handle, Queue, Said};
use crate::config::Topics;
use crate::record::Partition;
use crate::wake::Wake;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One question; between two the client's events are served, so that a refused authentication ends the waiting.
const ASK: Duration = Duration::from_millis(250);

/// A client for questions.
pub(super) struct Session<'h> {
    pub(super) handle: Arc<Handle>,
    pub(super) health: &'h mut Health,
    events: Queue,
}

impl<'h> Session<'h> {
    pub(super) fn open(config: &ClientConfig, health: &'h mut Health) -> Result<Self, KafkaError> {
        Self::of(Handle::consumer(config)?, health)
    }

    /// Asks with a client that is there.
    pub(super) fn of(handle: Arc<Handle>, health: &'h mut Health) -> Result<Self, KafkaError> {
        // nobody waits for this one's bell
        let bell = Bell::new(Wake::new().map_err(|error| KafkaError::ClientCreation(error.to_string()))?);
        Ok(Self { events: handle.events(bell), handle, health })
    }

    /// Waits for what the client says.
    pub(super) fn serve(&mut self, wait: Duration) -> Result<(), Verdict> {
        let mut wait = wait;
        while let Some(event) = self.events.poll(std::mem::take(&mut wait)) {
            match event.read() {
                Said::Error { error, fatal } => self.health.note(&error, fatal, ""),
                Said::Log { level, facility, text } => self.health.log(level, &facility, &text),
                _ => {}
            }
        }
        self.health.check(&self.handle)
    }

    /// The partitions of topics that exist. `None`: the cluster does not answer.
    pub(super) fn partitions(&mut self, topics: &Topics, limit: Duration) -> Result<Option<Vec<Partition>>, Verdict> {
        let deadline = Instant::now() + limit;
        loop {
            let answer = match topics {
                Topics::List(names) => names.iter().try_fold(Vec::new(), |mut all, name| {
                    all.extend(found(&self.handle, Some(name), |_| true)?);
                    Ok(all)
                }),
                Topics::Pattern(pattern) => {
                    // librdkafka's own expressions are a little simpler, and match the same where both match
                    let pattern = regex::Regex::new(pattern).ok();
                    found(&self.handle, None, |name| pattern.as_ref().is_some_and(|pattern| pattern.is_match(name)))
                }
            };
            self.serve(Duration::ZERO)?;
            match answer {
                Ok(partitions) => {
                    self.health.up();
                    return Ok(Some(partitions));
                }
                Err(_) if Instant::now() < deadline => self.serve(ASK / 5)?,
                Err(_) => return Ok(None),
            }
        }
    }
}

fn found(handle: &Handle, topic: Option<&str>, wanted: impl Fn(&str) -> bool) -> Result<Vec<Partition>, Error> {
    let metadata = match handle.metadata(topic, ASK) {
        Err(error) if matches!(error.code, Code::UnknownTopic | Code::UnknownTopicOrPartition) => return Ok(Vec::new()),
        answer => answer?,
    };
    let topics = metadata.topics().iter().filter(|topic| wanted(topic.name()));
    let of = |topic: &rdkafka::metadata::MetadataTopic| {
        let named = |number| Partition { topic: topic.name().to_owned(), number };
        topic.partitions().iter().map(|partition| named(partition.id())).collect::<Vec<_>>()
    };
    Ok(topics.flat_map(of).collect())
}
