//! Topics that sides read, loaded once, and what must come out of them.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill::generate::{Flights, Generate, Lz4};
use edgemill_tests::Broker;
use rdkafka::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::digest::Digest;
use crate::lab::Lab;
use crate::measure::PATIENCE;
use crate::murmur2;
use crate::native::Job;

/// Whose flights are measured.
pub(crate) const SEED: u64 = 1;

/// Time of record 0; each is a millisecond after the one before it.
pub(crate) const START: i64 = 1_767_225_600_000;

/// Options of every topic: its records are older than a broker keeps them by default.
pub(crate) const TOPIC: [(&str, &str); 1] = [("retention.ms", "-1")];

/// What it takes to load a topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) name: &'a str,
    pub(crate) records: u64,
    pub(crate) partitions: i32,
    /// Whether the producer compresses its batches, with LZ4: a hundred million flights take 40 GB without.
    pub(crate) compressed: bool,
    /// Whether what comes out is compared, every byte of it, or only counted.
    pub(crate) compared: bool,
}

/// The loaded topics: one as flights are, and one where they are in LZ4 frames.
pub(crate) struct Input {
    name: String,
    /// How many records each has.
    pub(crate) records: u64,
    /// How many partitions each has.
    pub(crate) partitions: i32,
    compressed: bool,
    compared: bool,
    nested: Expected,
    flat: Expected,
}

/// What a job must give.
struct Expected {
    whole: Digest,
    without_timestamps: Digest,
}

impl Expected {
    fn new(partitions: i32) -> Self {
        Self { whole: Digest::new(partitions, true), without_timestamps: Digest::new(partitions, false) }
    }

    fn add(&mut self, partition: usize, key: &[u8], value: &[u8], timestamp: i64) {
        self.whole.add(partition, key, value, timestamp);
        self.without_timestamps.add(partition, key, value, timestamp);
    }
}

impl Input {
    /// Makes and loads the topics of these jobs.
    ///
    /// # Errors
    /// The broker refuses, or is down, or somebody interrupts it.
    pub(crate) fn load(lab: &Lab<'_>, name: &str, jobs: &[Job], records: u64, partitions: i32) -> Result<Self> {
        Self::load_as(lab, jobs, Load { name, records, partitions, compressed: false, compared: true })
    }

    /// The same in another way.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub(crate) fn load_as(lab: &Lab<'_>, jobs: &[Job], load: Load<'_>) -> Result<Self> {
        let Load { name, records, partitions, compressed, compared } = load;
        let (nested, flat) = (Expected::new(partitions), Expected::new(partitions));
        let mut input = Self { name: name.to_owned(), records, partitions, compressed, compared, nested, flat };
        let flights = Flights::new(SEED);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for i in 0..if compared { records } else { 0 } {
            flights.record(i, &mut key, &mut value);
            let (partition, timestamp) = (input.partition(&key), START + i as i64);
            input.nested.add(partition, &key, &value, timestamp);
            flights.flat(i, &mut value);
            input.flat.add(partition, &key, &value, timestamp);
        }
        for topic in input.topics(jobs) {
            lab.broker.create_topic(&topic, partitions, &TOPIC)?;
            input.produce(lab, &topic, &flights)?;
        }
        Ok(input)
    }

    /// Deletes the topics of these jobs.
    ///
    /// # Errors
    /// The broker is down.
    pub(crate) fn delete(&self, broker: &Broker, jobs: &[Job]) -> Result<()> {
        self.topics(jobs).iter().try_for_each(|topic| broker.delete_topic(topic))
    }

    fn topics(&self, jobs: &[Job]) -> Vec<String> {
        let mut topics: Vec<String> = jobs.iter().map(|job| self.topic(*job)).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    fn produce(&self, lab: &Lab<'_>, topic: &str, flights: &Flights) -> Result<()> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &lab.brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("message.timeout.ms", "0")
            .set("compression.type", if self.compressed { "lz4" } else { "none" })
            .create()?;
        let mut lz4 = (topic == self.topic(Job::Lz4Flatten)).then(Lz4::new);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for i in 0..self.records {
            flights.record(i, &mut key, &mut value);
            if let Some(lz4) = &mut lz4 {
                lz4.wrap(&mut value);
            }
            let mut record = BaseRecord::<[u8], [u8]>::to(topic)
                .partition(self.partition(&key) as i32)
                .timestamp(START + i as i64)
                .key(&key)
                .payload(&value);
            while let Err((error, again)) = producer.send(record) {
                ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), "loading {topic}: {error}");
                producer.poll(Duration::from_millis(5));
                lab.watch.interrupt.go_on()?;
                record = again;
            }
            if i % 1024 == 0 {
                producer.poll(Duration::ZERO);
                lab.watch.interrupt.go_on()?;
            }
        }
        let sent = Instant::now();
        while let Err(error) = producer.flush(Duration::from_secs(1)) {
            lab.watch.interrupt.go_on()?;
            ensure!(sent.elapsed() < PATIENCE, "loading {topic}: {error}");
        }
        let loaded: i64 = lab.broker.ends(topic)?.iter().sum();
        ensure!(loaded == self.records as i64, "{topic} has {loaded} records instead of {}", self.records);
        Ok(())
    }

    fn partition(&self, key: &[u8]) -> usize {
        murmur2::partition(key, self.partitions as u32) as usize
    }

    /// The topic that a job reads.
    pub(crate) fn topic(&self, job: Job) -> String {
        match job {
            Job::Identity | Job::Flatten => self.name.clone(),
            Job::Lz4Flatten => format!("{}-lz4", self.name),
        }
    }

    /// Checks what a job gave. Where they are `kept`, timestamps count too; `1.5` counts as `1.50` where prices may be short.
    ///
    /// # Errors
    /// It is not what it must be, or the broker is down.
    pub(crate) fn check(&self, broker: &Broker, job: Job, output: &str, kept: bool, short_prices: bool) -> Result<()> {
        if !self.compared {
            let written: i64 = broker.ends(output)?.iter().sum();
            ensure!(written == self.records as i64, "{output} got {written} records instead of {}", self.records);
            return Ok(());
        }
        let expected = match job {
            Job::Identity => &self.nested,
            Job::Flatten | Job::Lz4Flatten => &self.flat,
        };
        let digest = if kept { &expected.whole } else { &expected.without_timestamps };
        digest.check(broker, output, short_prices)
    }
}
