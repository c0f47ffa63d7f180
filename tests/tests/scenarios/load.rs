//! Numbered records on their way while a scenario does its worst, the pipeline that takes them, and what must have come of them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Kafka, modules, unique, wait_for};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// A pipeline that a scenario fills in; see [`Line::builder`].
const PIPELINE: &str = r#"
state = "@dir@/state"
host = "@host@"
grace = "@grace@"

[pipelines.line]
workers = @workers@
commit_interval = "@commit@"
on = { reject = "@on@", fault = "@on@" }
@pipeline@

[pipelines.line.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
@more@
librdkafka = { @consumer@ }

[[pipelines.line.chain]]
module = "module.wasm"

[pipelines.line.sink]
type = "kafka"
topic = "@to@"
partition = "same-as-input"
@sink@
librdkafka = { @producer@ }

[pipelines.line.dead-letter]
topic = "@dead@"
librdkafka = { @producer@ }
"#;

/// Members hear soon of a rebalance; librdkafka has 3 s. Their sessions are long: who does not leave is waited for.
pub(super) const QUICK: &str = r#""heartbeat.interval.ms" = 300"#;

/// Two topics of a cluster, and the group that carries records from one to the other.
pub(super) struct Line {
    pub(super) kafka: Kafka,
    /// Where the output is; usually the same.
    pub(super) output: Kafka,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) group: String,
    pub(super) partitions: i32,
    /// Records that fail, and where their dead letters go.
    pub(super) sick: Option<Sick>,
}

/// Every so many records one fails: now it is refused, now the module traps.
pub(super) struct Sick {
    pub(super) every: i64,
    pub(super) dead: String,
}

/// What was found twice in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Repeats {
    pub(super) records: i64,
    /// How often a partition's records began again further in front. A host that has lost a partition may still have rows
    /// under way, and they come between those of the next: both go on where they were, and count once.
    pub(super) runs: i64,
}

impl Line {
    /// Makes the topics, on the shared broker.
    pub(super) fn new(partitions: i32) -> Result<Self> {
        Self::on(Broker::shared(), partitions)
    }

    /// Makes the topics.
    pub(super) fn on(kafka: &Kafka, partitions: i32) -> Result<Self> {
        Self::between(kafka, kafka, partitions)
    }

    /// Makes the topics, each in its cluster. Hosts must be told of the second, as `sink`.
    pub(super) fn between(kafka: &Kafka, output: &Kafka, partitions: i32) -> Result<Self> {
        let (from, to) = (kafka.topic("from", partitions)?, output.topic("to", partitions)?);
        let (kafka, output) = (kafka.clone(), output.clone());
        Ok(Self { kafka, output, from, to, group: unique("group"), partitions, sick: None })
    }

    /// Has one record of so many fail.
    pub(super) fn sick(self, every: i64) -> Result<Self> {
        let dead = self.output.topic("dead", self.partitions)?;
        Ok(Self { sick: Some(Sick { every, dead }), ..self })
    }

    /// Begins a host for it. `set` comes first where a scenario wants another value than the usual one.
    pub(super) fn builder(&self, set: &[(&str, &str)]) -> Builder {
        let usual = [
            ("brokers", self.kafka.address()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("group", self.group.clone()),
            ("host", unique("host")),
            ("grace", "20 s".to_owned()),
            ("workers", "1".to_owned()),
            ("commit", "50 ms".to_owned()),
            ("on", if self.sick.is_some() { "dead-letter" } else { "stop" }.to_owned()),
            ("dead", self.sick.as_ref().map_or("no-dead-letters", |sick| &sick.dead).to_owned()),
            ("pipeline", String::new()),
            ("more", String::new()),
            ("sink", String::new()),
            ("consumer", QUICK.to_owned()),
            ("producer", String::new()),
        ];
        let builder = set.iter().fold(Host::builder(PIPELINE), |builder, (name, value)| builder.set(name, value));
        let builder = usual.iter().fold(builder, |builder, (name, value)| builder.set(name, value));
        let module = if self.sick.is_some() { "poison" } else { "identity" };
        builder.module("module.wasm", modules::hostile(module).expect("it is a module"))
    }

    /// Starts to produce.
    pub(super) fn load(&self, per_second: i64) -> Result<Load> {
        Load::on(&self.kafka, &self.from, self.partitions, per_second, self.sick.as_ref().map(|sick| sick.every))
    }

    /// Counts what has arrived.
    pub(super) fn arrived(&self) -> Result<i64> {
        self.output.count(&self.to)
    }

    /// Waits until so many more have arrived than there are now.
    pub(super) fn wait_for_more(&self, more: i64) -> Result<()> {
        // a broker that dies just now answers later
        let before = wait_for("what has arrived can be counted", PATIENCE, || Ok(self.arrived().ok()))?;
        wait_for(&format!("{more} more records have arrived"), PATIENCE, || {
            Ok(self.arrived().ok().filter(|arrived| *arrived >= before + more).map(drop))
        })
    }

    /// Waits until the group has committed everything that was produced.
    pub(super) fn wait_for_commits(&self) -> Result<()> {
        wait_for("everything is committed", PATIENCE, || {
            Ok(self.kafka.lag(&self.group, &self.from).ok().filter(|lag| *lag == 0).map(drop))
        })
    }

    /// Checks that nothing is missing and that order is kept, apart from repeats. Counts the repeats.
    pub(super) fn verdict(&self, produced: &[i64]) -> Result<i64> {
        let all = self.repeats(produced)?;
        Ok(all.iter().map(|repeats| repeats.records).sum())
    }

    /// As [`Line::verdict`], for the output and for the dead letters where there are some.
    pub(super) fn repeats(&self, produced: &[i64]) -> Result<Vec<Repeats>> {
        let Some(Sick { every, dead }) = &self.sick else {
            return Ok(vec![repeats(&self.output, &self.to, produced, |_| true)?]);
        };
        let rows = repeats(&self.output, &self.to, produced, |number| !is_sick(number, *every))?;
        let letters = repeats(&self.output, dead, produced, |number| is_sick(number, *every))?;
        Ok(vec![rows, letters])
    }
}

/// A thread that produces `partition:number` to each partition, numbers from 0, until it is stopped.
pub(super) struct Load {
    stop: SyncSender<()>,
    thread: JoinHandle<Result<Vec<i64>>>,
}

impl Load {
    /// Starts on the shared broker. The rate is that of all partitions together.
    pub(super) fn start(topic: &str, partitions: i32, per_second: i64) -> Result<Self> {
        Self::on(Broker::shared(), topic, partitions, per_second, None)
    }

    /// Starts; one record of so many is sick.
    fn on(kafka: &Kafka, topic: &str, partitions: i32, per_second: i64, sick: Option<i64>) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.address()).set("enable.idempotence", "true");
        let producer: BaseProducer = config.set("linger.ms", "2").create()?;
        let (stop, stopped) = sync_channel(1);
        let (kafka, topic) = (kafka.clone(), topic.to_owned());
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn(move || {
            let start = Instant::now();
            let mut next = 0;
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                // waits for deliveries, and so at most as long
                producer.poll(Duration::from_millis(2));
                let due = start.elapsed().as_millis() as i64 * per_second / 1000 / i64::from(partitions);
                for number in next..due {
                    for partition in 0..partitions {
                        send(&producer, &topic, partition, &value(partition, number, sick))?;
                    }
                }
                next = next.max(due);
            }
            producer.flush(PATIENCE).context("flushing the load")?;
            let ends = kafka.ends(&topic)?;
            ensure!(ends.iter().all(|end| *end == next), "the load has not arrived: {next} a partition, ends {ends:?}");
            Ok(ends)
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops, and gives how many records each partition has.
    pub(super) fn stop(self) -> Result<Vec<i64>> {
        // where the thread has ended, its result says why
        let _ = self.stop.send(());
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, value: &str) -> Result<()> {
    let key = partition.to_string();
    let mut record = BaseRecord::to(topic).partition(partition).key(&key).payload(value);
    while let Err((error, again)) = producer.send(record) {
        let KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) = error else { bail!("producing: {error}") };
        producer.poll(Duration::from_millis(10));
        record = again;
    }
    Ok(())
}

/// The value of a numbered record.
pub(super) fn numbered(partition: i32, number: i64) -> String {
    format!("{partition}:{number}")
}

fn is_sick(number: i64, every: i64) -> bool {
    number % every == every / 2
}

/// The value of a numbered record, sick ones with the order to `poison.wat` in front.
fn value(partition: i32, number: i64, sick: Option<i64>) -> String {
    let order = match sick {
        Some(every) if is_sick(number, every) => {
            if number / every % 2 == 0 {
                "R!"
            } else {
                "T!"
            }
        }
        _ => "",
    };
    format!("{order}{}", numbered(partition, number))
}

/// How far a topic's reader is with the records of one input partition.
struct Reading {
    home: i32,
    /// The first number that has not come yet.
    expected: i64,
    /// What each that writes, or wrote, would write next.
    heads: Vec<i64>,
}

/// Checks a topic of numbered records: nothing is missing, and each input partition's records came in order, apart from
/// repeats, to one and the same partition. Counts the repeats.
pub(super) fn verdict(kafka: &Kafka, topic: &str, produced: &[i64]) -> Result<i64> {
    Ok(repeats(kafka, topic, produced, |_| true)?.records)
}

/// As [`verdict`], for a topic that must have the numbers that are wanted and no other.
fn repeats(kafka: &Kafka, topic: &str, produced: &[i64], wanted: impl Fn(i64) -> bool) -> Result<Repeats> {
    let after = |number: i64| (number..).find(|number| wanted(*number)).expect("some are wanted");
    let mut all: BTreeMap<i32, Reading> = BTreeMap::new();
    let (mut repeats, mut wrong) = (Repeats { records: 0, runs: 0 }, Vec::new());
    kafka.consume_each(topic, |message| {
        let text = message.payload().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        // an order to the module may stand in front, and anything behind
        let mut parts = text.trim_start_matches(['R', 'T', '!']).split(':');
        let parsed = parts.next().zip(parts.next());
        let parsed = parsed.and_then(|(p, n)| Some((p.parse::<i32>().ok()?, n.parse::<i64>().ok()?)));
        let Some((source, number)) = parsed else { return wrong.push(format!("a value {text:?}")) };
        let home = message.partition();
        let reading = all.entry(source).or_insert_with(|| Reading { home, expected: after(0), heads: vec![after(0)] });
        if reading.home != home {
            wrong.push(format!("{text} is in partition {home}, others of its partition in {}", reading.home));
        }
        if !wanted(number) {
            return wrong.push(format!("{text} does not belong into this topic"));
        }
        let head = reading.heads.iter().position(|head| *head == number);
        match number.cmp(&reading.expected) {
            Ordering::Less => {
                repeats.records += 1;
                repeats.runs += i64::from(head.is_none());
            }
            Ordering::Equal => reading.expected = after(number + 1),
            Ordering::Greater => {
                wrong.push(format!("{text} came, and {source}:{} did not yet", reading.expected));
                reading.expected = after(number + 1);
            }
        }
        match head {
            Some(head) => reading.heads[head] = after(number + 1),
            None => reading.heads.push(after(number + 1)),
        }
    })?;
    for (partition, count) in (0..).zip(produced) {
        let found = all.get(&partition).map_or(after(0), |reading| reading.expected);
        if found != after(*count) {
            wrong.push(format!("partition {partition} goes on with number {found}, and {count} were produced"));
        }
    }
    let count = wrong.len();
    wrong.truncate(10);
    ensure!(wrong.is_empty(), "{count} breaks of order or lost records, the first of them: {wrong:#?}");
    Ok(repeats)
}
