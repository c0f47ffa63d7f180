//! The native loop that Edgemill is compared with: the same job, settings and promises, without a sandbox. It runs as a child
//! process until it is asked to stop, so that it is measured as the host is.
//!
//! As the host it keeps keys, timestamps and headers, chooses partitions by key, and commits a record's offset only after its
//! output was delivered. Partitions are assigned, not shared out by a group: joining is not part of what is compared.

mod batch;
mod delivery;
mod flatten;
mod http;
pub(crate) mod lz4;
mod safe;
pub(crate) mod sql;
mod step;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;

pub(crate) use step::Step;

/// How often offsets are committed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// What is done to each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    /// Nothing.
    Identity,
    /// A nested flight becomes a flat one.
    Flatten,
    /// The flight is in an LZ4 frame before.
    Lz4Flatten,
}

/// Which calls of librdkafka the loop makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Calls {
    /// Those of the crate `rdkafka`, a message at a time.
    Safe,
    /// `rd_kafka_consume_batch_queue` and `rd_kafka_produceva`.
    Batch,
    /// `rd_kafka_consume_batch_queue` and `rd_kafka_produce_batch`, which drops timestamps and headers: for reference.
    ProduceBatch,
    /// `rd_kafka_consume_batch_queue`, and POST by `reqwest`, a row a line; the output is an address.
    Lines,
    /// The same with the bodies of FeatureBase Cloud's streaming endpoint.
    Cloud,
    /// The same with the statements of a FeatureBase server.
    Sql,
}

/// Which code flattens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// A scanner over the bytes.
    #[default]
    Scanner,
    /// serde_json into structs and out of them.
    Serde,
}

/// Options of one native loop.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Address of the broker
    #[arg(long)]
    pub(crate) brokers: String,
    /// Topic to read
    #[arg(long)]
    pub(crate) input: String,
    /// Topic to write
    #[arg(long)]
    pub(crate) output: String,
    /// Group to commit for
    #[arg(long)]
    pub(crate) group: String,
    /// Partitions of the topic to read
    #[arg(long, default_value_t = 4)]
    pub(crate) partitions: i32,
    /// Threads, each with a consumer and a producer of its own
    #[arg(long, default_value_t = 2)]
    pub(crate) threads: i32,
    /// What is done to each record
    #[arg(long)]
    pub(crate) job: Job,
    /// Which calls of librdkafka are made
    #[arg(long)]
    pub(crate) calls: Calls,
    /// Milliseconds that rows wait for others: `linger.ms`. As the host's at full load, since with less librdkafka's thread
    /// looks in vain again and again while a request of the partition is on its way
    #[arg(long, default_value_t = 1000)]
    pub(crate) linger: u32,
    /// Which code flattens
    #[arg(long, default_value = "scanner")]
    pub(crate) code: Code,
}

/// Runs until SIGTERM or SIGINT; then delivers what was read, commits, and returns.
pub(crate) fn run(options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("registering for signals")?;
    }
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for index in 0..options.threads {
            let stop = &*stop;
            let run = move || {
                let result = worker(options, index, stop);
                // One thread that failed ends them all.
                stop.store(true, Ordering::Relaxed);
                result
            };
            let name = format!("native-{index}");
            threads.push(std::thread::Builder::new().name(name).spawn_scoped(scope, run)?);
        }
        let mut result = Ok(());
        for thread in threads {
            result = result.and(thread.join().map_err(|_| anyhow!("a native loop panicked"))?);
        }
        result
    })
}

fn worker(options: &Options, index: i32, stop: &AtomicBool) -> Result<()> {
    let step = Step::new(options.job, options.code);
    match options.calls {
        Calls::Safe => safe::run(options, index, step, stop),
        Calls::Batch => batch::run(options, index, step, stop, batch::Produce::Va),
        Calls::ProduceBatch => batch::run(options, index, step, stop, batch::Produce::Batch),
        Calls::Lines => http::run(options, index, step, stop, http::Format::Lines),
        Calls::Cloud => http::run(options, index, step, stop, http::Format::Cloud),
        Calls::Sql => http::run(options, index, step, stop, http::Format::Sql),
    }
}

/// Makes the consumer of a thread, which has every `threads`-th partition from its beginning.
fn consumer(options: &Options, index: i32) -> Result<(BaseConsumer, Vec<i32>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &options.brokers)
        .set("group.id", &options.group)
        .set("enable.auto.commit", "false")
        .set("fetch.queue.backoff.ms", "2")
        // as the host's: with librdkafka's 500 ms the end of a topic may wait that long
        .set("fetch.wait.max.ms", "50")
        .set("queued.max.messages.kbytes", "16384")
        .create()
        .context("making a consumer")?;
    let lanes: Vec<i32> = (index..options.partitions).step_by(options.threads.max(1) as usize).collect();
    let mut assignment = TopicPartitionList::new();
    for &partition in &lanes {
        assignment.add_partition_offset(&options.input, partition, Offset::Beginning)?;
    }
    consumer.assign(&assignment).context("assigning partitions")?;
    Ok((consumer, lanes))
}

/// The settings of every producer.
fn producer_config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", options.linger.to_string())
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random");
    config
}
