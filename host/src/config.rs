//! The configuration once it has been checked: what the rest of the program reads. Knows no file and no network.

use crate::policy::Policy;
use crate::source::BatchLimit;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration file.
#[derive(Clone)]
pub struct Config {
    /// The folder of modules.
    pub modules: PathBuf,
    /// Where compiled modules and the last good plans are kept; made with mode 0700.
    pub state: PathBuf,
    /// This host's name in static memberships and transactional ids.
    pub host: String,
    /// Where metrics, health and status are served; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// How long draining may take at the end.
    pub grace: Duration,
    /// How logs are written.
    pub log: LogFormat,
    /// At least one.
    pub pipelines: Vec<Pipeline>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// One pipeline.
#[derive(Clone)]
pub struct Pipeline {
    /// Its name: ASCII letters, digits, `-`, `_`.
    pub name: String,
    /// Members of the group that this host starts.
    pub workers: usize,
    /// How much a batch may hold.
    pub batch: BatchLimit,
    /// How often resume points are committed.
    pub commit_interval: Duration,
    /// Where records come from.
    pub source: KafkaSource,
    /// The modules in order; may be empty.
    pub chain: Vec<Stage>,
    /// Where rows go.
    pub sink: Sink,
    /// Where failed records go; there is one where any policy says `dead-letter`.
    pub dead_letter: Option<DeadLetter>,
}

/// How to reach a Kafka cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaClient {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// librdkafka's own options, checked not to be among those the host owns. Values may be secrets: never logged.
    pub options: BTreeMap<String, String>,
    /// How long all brokers may be down before the program ends; `None`: for ever.
    pub unreachable_after: Option<Duration>,
}

/// A consumer group's view of some topics.
#[derive(Clone)]
pub struct KafkaSource {
    /// The cluster.
    pub client: KafkaClient,
    /// What to read.
    pub topics: Topics,
    /// The consumer group.
    pub group: String,
    /// Where to begin a partition that the group has no committed offset for.
    pub start: Start,
    /// Whether workers are static members (`group.instance.id` is `<group>-<host>-<worker>`).
    pub static_membership: bool,
    /// Bytes that may be fetched ahead, all lanes of a worker together.
    pub fetch_ahead: usize,
}

/// What to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topics {
    /// These.
    List(Vec<String>),
    /// All whose name matches; begins with `^`, as librdkafka wants it.
    Pattern(String),
}

/// Where to begin a partition that the group has no committed offset for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At its oldest record.
    Earliest,
    /// At its end.
    Latest,
    /// Nowhere: that is an error.
    Stored,
    /// At the first record of this time or later, in milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// At these offsets by partition, of every topic; partitions not named begin at their oldest record.
    Offsets(BTreeMap<i32, i64>),
}

/// One module of a chain.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The file's name in the modules folder.
    pub module: String,
    /// The module's own configuration; null where there is none.
    pub config: Value,
    /// What an instance may use.
    pub limits: Limits,
    /// What is done with records that fail in it.
    pub policy: Policy,
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: usize,
    /// Time for one record alone; `None`: no limit, and no cost of checking it.
    pub time: Option<Duration>,
}

/// Where rows go.
#[derive(Clone)]
pub enum Sink {
    /// A Kafka topic.
    Kafka(KafkaSink),
    /// Standard output, as JSON lines.
    Stdout,
}

/// A producer's view of some topics.
#[derive(Clone)]
pub struct KafkaSink {
    /// The cluster.
    pub client: KafkaClient,
    /// The default destination.
    pub topic: String,
    /// Topics that modules may name.
    pub routes: Vec<String>,
    /// How a row's partition is chosen.
    pub partition: Partitioning,
    /// Bytes that may be in flight, for each worker.
    pub in_flight: usize,
}

/// How a row's partition is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// By murmur2 over the key, as Java clients do; rows without a key anywhere.
    Key,
    /// The input's partition number.
    SameAsInput,
}

/// Where failed records go.
#[derive(Clone)]
pub struct DeadLetter {
    /// The cluster.
    pub client: KafkaClient,
    /// The topic.
    pub topic: String,
}
