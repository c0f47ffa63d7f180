//! Records in and out of a broker: topics, producing, consuming to the end, and what a group has committed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::wait::PATIENCE;

/// A record to produce; what is not set is null, empty, or the broker's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Where it goes; by key where not set.
    pub partition: Option<i32>,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value, or null.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970; now where not set.
    pub timestamp: Option<i64>,
}

impl Record {
    /// Makes a record of a value alone.
    #[must_use]
    pub fn of(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// Sets the partition.
    #[must_use]
    pub fn to(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn keyed(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }
}

/// A record as it was found in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumed {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The key, or null.
    pub key: Option<Vec<u8>>,
    /// The value, or null.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since 1970.
    pub timestamp: Option<i64>,
}

impl Consumed {
    /// Copies a message.
    #[must_use]
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        Self {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect(),
            timestamp: message.timestamp().to_millis(),
        }
    }

    /// Gives the value as text, lossily; empty where it is null.
    #[must_use]
    pub fn text(&self) -> String {
        self.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
    }

    /// Gives the first header of a name as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

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
pub(crate) const QUESTION: Duration = Duration::from_secs(5);

/// Asks again while a cluster does not answer.
fn patiently<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let start = Instant::now();
    loop {
        let silent = |error: &KafkaError| {
            let code = error.rdkafka_error_code();
            code.is_some_and(|code| {
                use RDKafkaErrorCode as Code;
                matches!(
                    code,
                    Code::OperationTimedOut
                        | Code::RequestTimedOut
                        | Code::NotLeaderForPartition
                        | Code::LeaderNotAvailable
                        | Code::NotCoordinator
                        | Code::CoordinatorNotAvailable
                        | Code::CoordinatorLoadInProgress
                )
            })
        };
        match ask() {
            Err(error) if silent(&error) && start.elapsed() < PATIENCE => {
                std::thread::park_timeout(Duration::from_millis(100));
            }
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
    pub(crate) replicas: i32,
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

    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
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

    /// Counts the offsets at a topic's end that open transactions hold back from who reads committed records only.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn held_back(&self, topic: &str) -> Result<i64> {
        let ends = |isolation| {
            let consumer: BaseConsumer = self.client().set("isolation.level", isolation).create()?;
            let ends = partitions(&consumer, topic)?.into_iter();
            let ends = ends.map(|partition| Ok(patiently(|| consumer.fetch_watermarks(topic, partition, QUESTION))?.1));
            ends.sum::<Result<i64>>()
        };
        let committed = ends("read_committed")?;
        Ok(ends("read_uncommitted")? - committed)
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
        patiently(|| consumer.committed_offsets(asked.clone(), QUESTION))?;
        Ok(())
    }

    /// Gives the ids of a group's members, in order.
    ///
    /// # Errors
    /// The cluster is down.
    pub fn members(&self, group: &str) -> Result<Vec<String>> {
        let consumer: BaseConsumer = self.client().create()?;
        let list = patiently(|| consumer.fetch_group_list(Some(group), PATIENCE))?;
        let members = list.groups().iter().flat_map(|group| group.members());
        let mut ids: Vec<String> = members.map(|member| member.id().to_owned()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Whether anybody was ever in a group.
    ///
    /// # Errors
    /// The cluster is down.
    pub fn has_group(&self, group: &str) -> Result<bool> {
        let consumer: BaseConsumer = self.client().create()?;
        let list = patiently(|| consumer.fetch_group_list(Some(group), PATIENCE))?;
        // of a group that it does not know the broker says that it is dead
        Ok(list.groups().iter().any(|group| group.state() != "Dead"))
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
