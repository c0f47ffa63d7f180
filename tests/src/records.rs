//! Records in and out of a broker: topics, producing, consuming to the end, and what a group has committed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{FromClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::wait::{PATIENCE, wait_for};
pub use record::{Consumed, Record};

mod record;

/// Gives a name that no other scenario or run uses, for topics and groups.
#[must_use]
pub fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{:04x}", NEXT.fetch_add(1, Ordering::Relaxed), fastrand::u16(..))
}

/// Counts deliveries that failed: a scenario cannot go on without its input.
#[derive(Default)]
struct Deliveries {
    failed: AtomicU32,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            eprintln!("a record of the scenario's input was not delivered: {error}");
        }
    }
}

/// How long one question to a cluster may take. Brokers that come back leave some without an answer.
const QUESTION: Duration = Duration::from_secs(5);

/// Asks again while a cluster does not answer.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let start = Instant::now();
    loop {
        let silent = |error: &KafkaError| {
            let code = error.rdkafka_error_code();
            code.is_some_and(|code| {
                matches!(code, RDKafkaErrorCode::OperationTimedOut | RDKafkaErrorCode::RequestTimedOut)
            })
        };
        match ask() {
            Err(error) if silent(&error) && start.elapsed() < PATIENCE => {}
            answer => return answer,
        }
    }
}

/// A cluster as the scenarios' own clients see it: topics, records and offsets. A [`crate::Broker`] and a
/// [`crate::Cluster`] are one each.
#[derive(Clone)]
pub struct Kafka {
    address: String,
    /// How many brokers have each partition.
    replicas: i32,
    /// Asks for ends again and again.
    watcher: Arc<OnceLock<BaseConsumer>>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kafka at {}", self.address)
    }
}

impl Kafka {
    pub(crate) fn new(address: String, replicas: i32) -> Self {
        Self { address, replicas, watcher: Arc::default() }
    }

    /// Its brokers' plaintext addresses, for `brokers = "…"`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.clone()
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    /// Makes a topic of a unique name that begins with the one given.
    ///
    /// # Errors
    /// The broker refuses, or is down.
    pub fn topic(&self, name: &str, partitions: i32) -> Result<String> {
        let name = unique(name);
        self.create_topic(&name, partitions, &[])?;
        Ok(name)
    }

    /// Makes a topic, with options of the broker's for it.
    ///
    /// # Errors
    /// The broker refuses, or is down.
    pub fn create_topic(&self, name: &str, partitions: i32, options: &[(&str, &str)]) -> Result<()> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.replicas));
        topic.config = options.to_vec();
        self.create(&topic)
    }

    /// Makes a topic of a unique name, with the nodes that have each partition; the first of them leads it. Nodes count from 1.
    ///
    /// # Errors
    /// As [`Kafka::create_topic`].
    pub fn topic_on(&self, name: &str, nodes: &[&[i32]]) -> Result<String> {
        let name = unique(name);
        let count = i32::try_from(nodes.len())?;
        self.create(&NewTopic::new(&name, count, TopicReplication::Variable(nodes)))?;
        Ok(name)
    }

    fn create(&self, topic: &NewTopic<'_>) -> Result<()> {
        let admin = AdminClient::<DefaultClientContext>::from_config(&self.client())?;
        let mut asked_before = false;
        // a broker that has just started may not answer in time, and do it all the same
        wait_for(&format!("topic {} is made", topic.name), PATIENCE, || {
            let answer = block_on(admin.create_topics([topic], &AdminOptions::new()));
            let code = match answer {
                Ok(results) => match results.into_iter().next() {
                    Some(Err((_, code))) => code,
                    _ => return Ok(Some(())),
                },
                Err(error) => error.rdkafka_error_code().with_context(|| format!("{error}"))?,
            };
            let again = matches!(
                code,
                RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::NotController
                    | RDKafkaErrorCode::InvalidReplicationFactor
            );
            match code {
                RDKafkaErrorCode::TopicAlreadyExists if asked_before => Ok(Some(())),
                _ if again => {
                    asked_before = true;
                    Ok(None)
                }
                _ => bail!("topic {}: {code}", topic.name),
            }
        })?;
        // brokers learn of it one after the other
        let consumer: BaseConsumer = self.client().create()?;
        wait_for(&format!("topic {} has leaders", topic.name), PATIENCE, || {
            let metadata = consumer.fetch_metadata(Some(topic.name), QUESTION).ok();
            let led = metadata.is_some_and(|metadata| {
                let found = metadata.topics().first().map(|found| found.partitions()).unwrap_or_default();
                found.len() == topic.num_partitions as usize && found.iter().all(|partition| partition.leader() >= 0)
            });
            Ok(led.then_some(()))
        })
    }

    /// Gives the node that leads a partition; nodes count from 1.
    ///
    /// # Errors
    /// There is no such partition, nobody leads it, or the cluster is down.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let consumer: BaseConsumer = self.client().create()?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata.topics().first().map(|found| found.partitions()).unwrap_or_default();
        let found = partitions.iter().find(|found| found.id() == partition);
        let leader = found.with_context(|| format!("no partition {partition} of {topic}"))?.leader();
        ensure!(leader >= 0, "nobody leads partition {partition} of {topic}");
        Ok(leader)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let admin = AdminClient::<DefaultClientContext>::from_config(&self.client())?;
        one(block_on(admin.delete_topics(&[name], &AdminOptions::new()))?)
    }

    /// Produces all records, in order, and returns when the broker has them.
    ///
    /// # Errors
    /// A record was refused or not delivered.
    pub fn produce(&self, topic: &str, records: impl IntoIterator<Item = Record>) -> Result<()> {
        let producer: ThreadedProducer<Deliveries> = ThreadedProducer::from_config_and_context(
            self.client()
                .set("enable.idempotence", "true")
                .set("linger.ms", "5")
                .set("batch.size", "1000000")
                .set("queue.buffering.max.kbytes", "65536"),
            Deliveries::default(),
        )?;
        for record in records {
            let mut next = BaseRecord::<[u8], [u8]>::to(topic);
            next.partition = record.partition;
            next.key = record.key.as_deref();
            next.payload = record.value.as_deref();
            next.timestamp = record.timestamp;
            if !record.headers.is_empty() {
                let headers = OwnedHeaders::new_with_capacity(record.headers.len());
                next.headers =
                    Some(record.headers.iter().fold(headers, |headers, (key, value)| {
                        headers.insert(Header { key, value: value.as_deref() })
                    }));
            }
            while let Err((error, again)) = producer.send(next) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error).with_context(|| format!("producing to {topic}"));
                }
                producer.poll(Duration::from_millis(10));
                next = again;
            }
        }
        producer.flush(PATIENCE).with_context(|| format!("producing to {topic}"))?;
        match producer.client().context().failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => bail!("{failed} records were not delivered to {topic}"),
        }
    }

    /// Reads a topic from its beginning to the end that it has now, by partition and offset. Aborted transactions are not seen.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn consume(&self, topic: &str) -> Result<Vec<Consumed>> {
        let mut all = Vec::new();
        self.consume_each(topic, |message| all.push(Consumed::of(message)))?;
        all.sort_by_key(|record| (record.partition, record.offset));
        Ok(all)
    }

    /// Reads a topic as [`Kafka::consume`] does, without keeping it. Each partition's messages come in order.
    ///
    /// # Errors
    /// As [`Kafka::consume`].
    pub fn consume_each(&self, topic: &str, mut see: impl FnMut(&BorrowedMessage<'_>)) -> Result<()> {
        let consumer: BaseConsumer = self
            .client()
            .set("group.id", "edgemill-tests")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.queue.backoff.ms", "2")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        let mut open = partitions(&consumer, topic)?;
        for partition in &open {
            assignment.add_partition_offset(topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        // An end of partition comes after the last record that was there, control records of transactions included.
        while !open.is_empty() {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => see(&message),
                Some(Err(KafkaError::PartitionEOF(partition))) => open.retain(|p| *p != partition),
                Some(Err(error)) => return Err(error).with_context(|| format!("consuming {topic}")),
                None => bail!("waited {PATIENCE:?} in vain for the end of {topic}"),
            }
        }
        Ok(())
    }

    /// Gives the end offset of each partition.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn ends(&self, topic: &str) -> Result<Vec<i64>> {
        let consumer: BaseConsumer = self.client().create()?;
        let ends = partitions(&consumer, topic)?.into_iter().map(|partition| {
            let (_, end) = patiently(|| consumer.fetch_watermarks(topic, partition, QUESTION))?;
            Ok(end)
        });
        ends.collect()
    }

    /// Adds the end offsets of a topic's partitions up. It asks by a client that is kept, and so is for asking often.
    ///
    /// # Errors
    /// There is no such topic, or a broker does not answer now.
    pub fn count(&self, topic: &str) -> Result<i64> {
        let watcher = match self.watcher.get() {
            Some(watcher) => watcher,
            None => {
                let watcher = self.client().set("reconnect.backoff.max.ms", "500").create()?;
                self.watcher.get_or_init(|| watcher)
            }
        };
        let ends = partitions(watcher, topic)?.into_iter();
        ends.map(|partition| Ok(watcher.fetch_watermarks(topic, partition, QUESTION)?.1)).sum()
    }

    /// Gives the offset that a group has committed for each partition, where it has.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create()?;
        let mut asked = TopicPartitionList::new();
        for partition in partitions(&consumer, topic)? {
            asked.add_partition(topic, partition);
        }
        let committed = patiently(|| consumer.committed_offsets(asked.clone(), QUESTION))?;
        Ok(committed.elements().iter().map(|element| element.offset().to_raw().filter(|offset| *offset >= 0)).collect())
    }

    /// Asks for a group's offsets, whatever they are: the first question makes Kafka make their topic.
    pub(crate) fn touch(&self, group: &str) -> Result<()> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition("no-topic", 0);
        consumer.committed_offsets(asked, QUESTION)?;
        Ok(())
    }

    /// Gives the ids of a group's members, in order.
    ///
    /// # Errors
    /// The cluster is down.
    pub fn members(&self, group: &str) -> Result<Vec<String>> {
        let consumer: BaseConsumer = self.client().create()?;
        let list = consumer.fetch_group_list(Some(group), PATIENCE)?;
        let members = list.groups().iter().flat_map(|group| group.members());
        let mut ids: Vec<String> = members.map(|member| member.id().to_owned()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Counts the records of a topic that a group has not committed.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn lag(&self, group: &str, topic: &str) -> Result<i64> {
        let ends = self.ends(topic)?;
        let committed = self.committed(group, topic)?;
        Ok(ends.iter().zip(committed).map(|(end, committed)| end - committed.unwrap_or(0)).sum())
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = patiently(|| consumer.fetch_metadata(Some(topic), QUESTION))?;
    let found = metadata.topics().first().filter(|found| !found.partitions().is_empty());
    let mut partitions: Vec<i32> =
        found.with_context(|| format!("no topic {topic}"))?.partitions().iter().map(|p| p.id()).collect();
    partitions.sort_unstable();
    Ok(partitions)
}

fn one(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Result<()> {
    for result in results {
        result.map_err(|(topic, code)| anyhow!("topic {topic}: {code}"))?;
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing").block_on(future)
}
