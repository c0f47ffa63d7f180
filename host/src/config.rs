//! The configuration once it has been checked: what the rest of the program reads. Knows no network.
//!
//! A file becomes a [`Config`] in one step, or a [`Report`] of everything that is wrong with it. Below: `file` reads the
//! top level, `pipeline` and `clients` their tables, `across` compares them; `reader` is what they read with.

use crate::breaker::Limit;
use crate::policy::Policy;
use crate::source::BatchLimit;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

mod across;
mod clients;
mod dotenv;
mod file;
mod http;
mod look_back;
mod machine;
mod names;
mod on;
mod options;
mod pipeline;
mod reader;
mod registry;
mod report;
mod secret;
mod security;
#[cfg(test)]
mod tests;
mod units;

pub use file::default_state;
pub use http::{
    Address, ColumnType, Featurebase, FeaturebaseCloud, HttpBatch, HttpClient, HttpFormat, HttpSink, Id, LateErrors,
    Part, RefusedRows, Secret, SqlColumn, Tombstones, Unit,
};
pub use machine::Machine;
pub use reader::similar;
pub use registry::SchemaRegistry;
pub use report::{Problem, Report, Severity};
pub use units::{duration as read_duration, duration_text, size as read_size, size_text};

/// What a configuration is checked against, besides itself.
pub trait Surroundings {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file that has a secret.
    ///
    /// # Errors
    /// It cannot be read.
    fn secret(&self, path: &Path) -> io::Result<String>;

    /// The names of the files in the modules folder.
    ///
    /// # Errors
    /// It cannot be read.
    fn modules(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// The processor's cores that may be used.
    fn cores(&self) -> usize;

    /// The host's name.
    fn host(&self) -> String;
}

/// Instances that may live at once: workers times parts times modules of all pipelines, and as many again while modules are swapped.
/// A module that looks back counts for [`LOOKING_BACK`] of them.
pub const INSTANCES: u32 = 4000;

/// A whole configuration file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file itself, as it was named.
    pub file: PathBuf,
    /// The folder of modules.
    pub modules: PathBuf,
    /// Where compiled modules and the last good plans are kept; made with mode 0700.
    pub state: PathBuf,
    /// This host's name in static memberships and transactional ids.
    pub host: String,
    /// Where metrics, health and status are served; `None`: nowhere.
    pub admin: Option<SocketAddr>,
    /// The schema registry that modules may ask; `None`: there is none.
    pub registry: Option<SchemaRegistry>,
    /// How long draining may take at the end.
    pub grace: Duration,
    /// How logs are written.
    pub log: LogFormat,
    /// At least one.
    pub pipelines: Vec<Pipeline>,
}

impl Config {
    /// Reads and checks a file on this machine, with the variables of `.env` beside it. The second report has warnings, and modules that are not there.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn load(path: &Path) -> Result<(Self, Report), Report> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let help = match error.kind() {
                io::ErrorKind::NotFound => "name the file with `-c FILE`; docs/configuration.md has examples",
                _ => "it must be a readable text file in UTF-8",
            };
            Report::of_file(&name, format!("cannot read {name}: {error}"), vec![help.to_owned()])
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        Self::parse(&name, &text, base, &Machine::with_dotenv(base)?)
    }

    /// Checks a file's text. `name` is for messages; paths in it are relative to `base`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(
        name: &str,
        text: &str,
        base: &Path,
        surroundings: &dyn Surroundings,
    ) -> Result<(Self, Report), Report> {
        file::parse(name, text, base, surroundings)
    }
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
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its name: ASCII letters, digits, `-`, `_`.
    pub name: String,
    /// What is promised about repeats.
    pub delivery: Delivery,
    /// Members of the group that this host starts.
    pub workers: usize,
    /// How many parts of a batch each of them passes at once.
    pub parallel: usize,
    /// How much a batch may hold.
    pub batch: BatchLimit,
    /// How often resume points are committed.
    pub commit_interval: Duration,
    /// Whether rows carry the modules that made them in a header.
    pub stamp: bool,
    /// What is done with records that fail at the sink, and in modules that say nothing else.
    pub policy: Policy,
    /// When so many fail that the pipeline waits; `None`: never.
    pub breaker: Option<Limit>,
    /// Where records come from.
    pub source: KafkaSource,
    /// The modules in order; may be empty.
    pub chain: Vec<Stage>,
    /// Where rows go.
    pub sink: Sink,
    /// Where failed records go; there is one where any policy says `dead-letter`.
    pub dead_letter: Option<DeadLetter>,
}

/// What is promised about repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// After a failure, what was not committed is delivered again.
    AtLeastOnce,
    /// Rows, dead letters and offsets become visible together, in transactions of the sink.
    ExactlyOnce,
}

impl Pipeline {
    /// The group that remembers how far dead letters were tried again.
    pub fn redrive_group(&self) -> String {
        format!("{}.redrive", self.source.group)
    }

    /// The dead-letter topic as a source of that group, where there is one. Its options are a producer's: a consumer
    /// takes those that say how to connect.
    pub fn dead_letters(&self) -> Option<KafkaSource> {
        let DeadLetter { client, topic } = self.dead_letter.as_ref()?;
        let kept = |name: &str| security::is_connection(name) || matches!(name, "client.id" | "debug");
        let options = client.options.iter().filter(|(name, _)| kept(name));
        let mut options: BTreeMap<_, _> = options.map(|(name, value)| (name.clone(), value.clone())).collect();
        // one that was killed holds the next one up for so long
        options.insert("session.timeout.ms".to_owned(), REDRIVE_SESSION.as_millis().to_string());
        Some(KafkaSource {
            client: KafkaClient { options, ..client.clone() },
            topics: Topics::List(vec![topic.clone()]),
            group: self.redrive_group(),
            start: Start::Earliest,
            static_membership: false,
            fetch_ahead: self.source.fetch_ahead,
            stalled_after: None,
        })
    }
}

/// How long a redrive that says nothing keeps the dead letters for itself: the least that brokers allow by default.
pub const REDRIVE_SESSION: Duration = Duration::from_secs(6);

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

/// When the cluster ends a transaction by itself: a host that was killed holds readers back for so long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

impl KafkaClient {
    /// When the cluster ends a transaction of this client by itself.
    pub fn transaction_timeout(&self) -> Duration {
        let given = self.options.get("transaction.timeout.ms").and_then(|value| value.parse().ok());
        given.map_or(TRANSACTION_TIMEOUT, Duration::from_millis)
    }
}

impl fmt::Debug for KafkaClient {
    /// Names the options and shows none of their values: some are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: Vec<_> = self.options.keys().collect();
        let Self { brokers, unreachable_after, .. } = self;
        f.debug_struct("KafkaClient")
            .field("brokers", brokers)
            .field("options", &options)
            .field("unreachable_after", unreachable_after)
            .finish()
    }
}

/// A consumer group's view of some topics.
#[derive(Clone, Debug)]
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
    /// After how long without a record a partition that is not at its end is stalled; `None`: never.
    pub stalled_after: Option<Duration>,
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
    /// What it must be made for; `None`: whatever it is.
    pub module_type: Option<ModuleType>,
    /// The module's own configuration; null where there is none.
    pub config: Value,
    /// What an instance may use.
    pub limits: Limits,
    /// What is done with records that fail in it.
    pub policy: Policy,
    /// How far it looks back before the first record of a partition; `None`: it does not.
    pub look_back: Option<LookBack>,
    /// What the pipeline reads and writes.
    pub ends: Ends,
}

/// How many of the records in front of the first one a module is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookBack {
    /// So many, at the most.
    pub last: usize,
    /// None that is older than this.
    pub age: Option<Duration>,
}

/// The instances of a module that looks back, which has one for each partition, that a worker keeps alive at once.
pub const LOOKING_BACK: usize = 64;

/// What a pipeline reads and writes, by name: modules made for other systems want to know. Empty without a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The first topic that it reads; empty where a pattern says which.
    pub input: String,
    /// Its default destination, and the others that modules may name.
    pub outputs: Vec<String>,
    /// Whether the sink is one place that has no topics: whatever a module declares as its output topics are that place then.
    pub one_place: bool,
}

impl Ends {
    /// Whether there is a pipeline.
    pub fn in_pipeline(&self) -> bool {
        !self.outputs.is_empty()
    }
}

/// What a module is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModuleType {
    /// This host: it speaks the contract, at either door.
    Transform,
    /// Fluvio: a SmartModule.
    Fluvio,
    /// Any system: a program that reads and writes lines.
    Lines,
    /// Redpanda: a data transform.
    Redpanda,
}

impl ModuleType {
    /// All of them.
    pub const ALL: [ModuleType; 4] =
        [ModuleType::Transform, ModuleType::Fluvio, ModuleType::Lines, ModuleType::Redpanda];

    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleType::Transform => "transform",
            ModuleType::Fluvio => "fluvio",
            ModuleType::Lines => "lines",
            ModuleType::Redpanda => "redpanda",
        }
    }
}

/// What an instance may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: usize,
    /// Time for one record alone; `None`: no limit, and no cost of checking it.
    pub time: Option<Duration>,
}

/// Where rows go.
#[derive(Clone, Debug)]
pub enum Sink {
    /// A Kafka topic.
    Kafka(KafkaSink),
    /// Standard output, as JSON lines.
    Stdout,
    /// Any service that takes JSON.
    Http(HttpSink),
    /// FeatureBase Cloud's streaming ingest endpoint.
    FeaturebaseCloud(FeaturebaseCloud),
    /// A FeatureBase server's table.
    Featurebase(Featurebase),
}

/// A producer's view of some topics.
#[derive(Clone, Debug)]
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
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The cluster.
    pub client: KafkaClient,
    /// The topic.
    pub topic: String,
}
