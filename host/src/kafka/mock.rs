//! An embedded broker, for the demonstration and for tests, and a way to follow topics without a group.
//!
//! The broker is librdkafka's mock cluster: a partition keeps its last 5 MiB or 100,000 messages.

use super::options;
use super::raw::{Bell, Handle, Queue, Tap};
use super::start;
use crate::config::KafkaClient;
use crate::record::Partition;
use crate::source::{BatchLimit, Messages};
use crate::wake::Wake;
use rdkafka::Offset;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use std::sync::Arc;
use std::time::Duration;

/// A broker in this process, for as long as it lives.
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// Starts one that has these topics, each with so many partitions.
    ///
    /// # Errors
    /// What librdkafka says, for a person.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, String> {
        Self::start_some(1, topics)
    }

    /// Starts so many, as one cluster.
    pub(super) fn start_some(brokers: i32, topics: &[(&str, i32)]) -> Result<Self, String> {
        let cluster =
            MockCluster::new(brokers).map_err(|error| format!("cannot start the embedded broker: {error}"))?;
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(|error| format!("the embedded broker cannot make topic {topic:?}: {error}"))?;
        }
        Ok(Self { cluster })
    }

    /// Where it listens, for `brokers`.
    pub fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    /// The cluster, for tests that want it to fail.
    #[cfg(test)]
    pub(super) fn cluster(&self) -> &MockCluster<'static, DefaultProducerContext> {
        &self.cluster
    }
}

/// Follows all of some partitions, from their oldest record. It is no member of any group.
pub struct Tail {
    taps: Vec<Tap>,
    turn: usize,
    events: Queue,
    _handle: Arc<Handle>,
}

impl Tail {
    /// Starts to follow. `wake` is rung when there is something to read.
    ///
    /// # Errors
    /// What librdkafka says, for a person.
    pub fn new(client: &KafkaClient, partitions: &[Partition], wake: &Wake) -> Result<Self, String> {
        let defaults = [("fetch.queue.backoff.ms", "2".to_owned()), ("queued.max.messages.kbytes", "4096".to_owned())];
        // librdkafka assigns nothing without a group; this one is never joined
        let owned = [("group.id", "edgemill-tail".to_owned()), ("enable.auto.commit", "false".to_owned())];
        let handle = Handle::consumer(&options::client(client, &defaults, &owned)).map_err(options::refused)?;
        let open = |partition| Tap::open(&handle, partition, Bell::new(wake.clone()));
        let taps = partitions.iter().filter_map(open).collect();
        let list = start::list(partitions.iter().map(|partition| (partition, Offset::Beginning)));
        handle.assign(&list).map_err(|error| format!("cannot follow {partitions:?}: {error}"))?;
        Ok(Self { taps, turn: 0, events: handle.events(Bell::new(wake.clone())), _handle: handle })
    }

    /// The next messages of one partition, if there are any now.
    pub fn poll(&mut self, limit: BatchLimit) -> Option<Box<dyn Messages>> {
        // errors of the cluster are for those who work with it; a follower just sees nothing
        while self.events.poll(Duration::ZERO).is_some() {}
        for step in 0..self.taps.len() {
            let turn = (self.turn + step) % self.taps.len();
            if let Some(fetched) = self.taps[turn].next(limit, &mut Vec::new()) {
                self.turn = turn + 1;
                return Some(Box::new(fetched));
            }
        }
        None
    }
}
