//! The latency part: one record a millisecond, and how long each takes from produce to a consumer of the output.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill::generate::{Flights, Generate};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::Serialize;

use crate::input::{SEED, START, TOPIC};
use crate::lab::Lab;
use crate::measure::{PATIENCE, Running, pause, tail};
use crate::native::Job;
use crate::side::{Edgemill, Run, Side, chain, name};
use crate::stats::{median, quantile};

/// Records a second.
pub(crate) const RATE: u64 = 1000;

/// How long a run goes on before it counts, from the first output on.
const WARM_UP: Duration = Duration::from_secs(3);

/// What stands between the producer and the consumer.
#[derive(Clone, Copy, Debug)]
enum Between {
    /// Nothing: the consumer reads the input.
    Nothing,
    /// One of the sides.
    Side(&'static Side),
    /// The host with nothing set that need not be.
    Host,
}

/// What was measured of one of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) side: String,
    pub(crate) job: Job,
    /// Records that count, of all rounds.
    pub(crate) records: usize,
    /// Milliseconds: medians over the rounds, and the worst of all.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// The lowest and the highest p99 of a round.
    pub(crate) p99_spread: (f64, f64),
}

/// Measures all, in rounds of so long.
///
/// # Errors
/// A side failed.
pub(crate) fn measure(lab: &Lab<'_>, rounds: u32, time: Duration) -> Result<Vec<Latency>> {
    let between = [
        ("no loop between", Job::Identity, Between::Nothing),
        ("native-batch", Job::Identity, Between::Side(Side::named("native-batch")?)),
        ("native-safe", Job::Identity, Between::Side(Side::named("native-safe")?)),
        ("edgemill", Job::Identity, Between::Host),
        ("native-batch", Job::Flatten, Between::Side(Side::named("native-batch")?)),
        ("native-safe", Job::Flatten, Between::Side(Side::named("native-safe")?)),
        ("edgemill", Job::Flatten, Between::Host),
    ];
    let mut runs = vec![Vec::new(); between.len()];
    for round in 1..=rounds {
        for ((side, job, between), runs) in between.iter().zip(&mut runs) {
            let topic = format!("latency-{}-{}-{round}", side.replace(' ', "-"), name(*job));
            let mut times = run(lab, &topic, *job, *between, time)?;
            times.sort_by(f64::total_cmp);
            eprintln!(
                "round {round} {topic:<38} p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms",
                quantile(&times, 0.5),
                quantile(&times, 0.99),
                quantile(&times, 1.0)
            );
            runs.push(times);
        }
    }
    let summary = |((side, job, _), runs): (&(&str, Job, Between), &Vec<Vec<f64>>)| summary(side, *job, runs);
    Ok(between.iter().zip(&runs).map(summary).collect())
}

fn summary(side: &str, job: Job, runs: &[Vec<f64>]) -> Latency {
    let of = |share: f64| {
        let mut values: Vec<f64> = runs.iter().map(|times| quantile(times, share)).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let p99 = of(0.99);
    Latency {
        side: side.to_owned(),
        job,
        records: runs.iter().map(Vec::len).sum(),
        p50: median(&of(0.5)),
        p99: median(&p99),
        max: quantile(&of(1.0), 1.0),
        p99_spread: (quantile(&p99, 0.0), quantile(&p99, 1.0)),
    }
}

fn run(lab: &Lab<'_>, topic: &str, job: Job, between: Between, time: Duration) -> Result<Vec<f64>> {
    let (input, output) = (format!("{topic}-in"), format!("{topic}-out"));
    let partitions = lab.partitions;
    let visible = if matches!(between, Between::Nothing) { &input } else { &output };
    for topic in [&input, &output] {
        lab.broker.create_topic(topic, partitions, &TOPIC)?;
    }
    let run = Run { brokers: &lab.brokers, job, input: &input, output: &output, partitions, folder: lab.folder };
    let command = match between {
        Between::Nothing => None,
        Between::Side(side) => {
            // a fixed wait: what is right at full load would be a second here
            let mut command = side.command(&run)?;
            command.args(["--linger", "5"]);
            Some(command)
        }
        Between::Host => Some(Edgemill::USUAL.command(&run, chain(job), None)?),
    };
    let times = follow(lab, command, &input, visible, time)?;
    for topic in [&input, &output] {
        lab.broker.delete_topic(topic)?;
    }
    Ok(times)
}

/// Produces to the input, with a child between where there is one, and gives the milliseconds until records were visible.
fn follow(lab: &Lab<'_>, command: Option<Command>, input: &str, visible: &str, time: Duration) -> Result<Vec<f64>> {
    let log = lab.folder.join("log");
    let mut child = command.map(|mut command| Running::start(&mut command, &log)).transpose()?;
    let (started, stop) = (Instant::now(), AtomicBool::new(false));
    // When each record was produced, in nanoseconds since the start.
    let most = (PATIENCE + WARM_UP + time).as_secs() * RATE;
    let sent: Vec<AtomicU64> = (0..most).map(|_| AtomicU64::new(0)).collect();
    let times = std::thread::scope(|scope| {
        let (brokers, sent_at, stopped) = (lab.brokers.as_str(), sent.as_slice(), &stop);
        let producing = scope.spawn(move || produce(brokers, input, started, sent_at, stopped));
        let times = consume(lab, visible, started, &sent, time, child.as_mut());
        stop.store(true, Ordering::Relaxed);
        let produced = producing.join().expect("the producing thread does not panic");
        produced.and(times)
    });
    let times = times.with_context(|| tail(&log))?;
    if let Some(mut child) = child {
        child.stop(false)?;
    }
    Ok(times)
}

/// Produces a record a millisecond until it is asked to stop. Each carries its number as its timestamp.
fn produce(brokers: &str, topic: &str, started: Instant, sent: &[AtomicU64], stop: &AtomicBool) -> Result<()> {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "0").create()?;
    let flights = Flights::new(SEED);
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for (i, sent) in sent.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        flights.record(i as u64, &mut key, &mut value);
        let due = started + Duration::from_nanos(i as u64 * 1_000_000_000 / RATE);
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            pause(early);
        }
        sent.store(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let record = BaseRecord::<[u8], [u8]>::to(topic).key(&key).payload(&value).timestamp(START + i as i64);
        producer.send(record).map_err(|(error, _)| error).with_context(|| format!("producing to {topic}"))?;
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_secs(30)).with_context(|| format!("producing to {topic}"))
}

/// Consumes until enough records have come, and gives how many milliseconds each took that counts.
fn consume(
    lab: &Lab<'_>,
    topic: &str,
    started: Instant,
    sent: &[AtomicU64],
    time: Duration,
    mut child: Option<&mut Running>,
) -> Result<Vec<f64>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &lab.brokers)
        .set("group.id", "latency")
        .set("enable.auto.commit", "false")
        .create()?;
    let mut lanes = TopicPartitionList::new();
    for partition in 0..lab.partitions {
        lanes.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&lanes)?;
    let (mut counts_from, mut times) = (None, Vec::new());
    loop {
        lab.watch.interrupt.go_on()?;
        let message = consumer.poll(Duration::from_millis(200)).transpose().context("consuming")?;
        let now = started.elapsed();
        let Some(message) = message else {
            child.as_mut().map_or(Ok(()), |child| child.runs())?;
            ensure!(now < PATIENCE, "in {PATIENCE:?} not enough records came");
            continue;
        };
        let from = *counts_from.get_or_insert(now + WARM_UP);
        if now >= from + time {
            return Ok(times);
        }
        if now >= from {
            let index = usize::try_from(message.timestamp().to_millis().unwrap_or(-1) - START)?;
            let sent = Duration::from_nanos(sent.get(index).context("an unknown record")?.load(Ordering::Relaxed));
            times.push(now.saturating_sub(sent).as_secs_f64() * 1e3);
        }
    }
}
