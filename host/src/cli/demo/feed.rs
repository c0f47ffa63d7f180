//! Generates the demo's records into the embedded broker, evenly over its time. Each carries its number in a header.

use super::{FLIGHTS, PAGE_VIEWS};
use crate::batch::{Batch, Column, Headers};
use crate::config::{KafkaClient, KafkaSink as SinkConfig, Partitioning};
use crate::generate::{Flights, Generate, Lz4, PageViews};
use crate::kafka::{Identity, KafkaSink};
use crate::outputs::OwnedColumn;
use crate::record::{Lane, Span};
use crate::route::Routes;
use crate::sink::Sink;
use crate::wake::Wake;
use anyhow::{Result, anyhow, bail};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Records a second of each kind. The embedded broker keeps 5 MiB a partition: the demo stays far below.
const FLIGHTS_PER_SECOND: u64 = 3000;
const PAGE_VIEWS_PER_SECOND: u64 = 1500;

/// Every so many flights one arrives damaged.
pub(super) const DAMAGED_EVERY: u64 = 5000;

/// The header that carries a record's number.
pub(super) const NUMBER: &str = "number";

/// How many records of each kind there will be.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) flights: u64,
    pub(super) page_views: u64,
}

pub(super) struct Feed {
    expected: Expected,
    flights: Stream,
    page_views: Stream,
}

/// One kind of records on its way to its topic.
struct Stream {
    generator: Box<dyn Generate>,
    lz4: Option<Lz4>,
    damaged_every: u64,
    sink: KafkaSink,
    made: u64,
    durable: u64,
}

/// A client of the embedded broker.
pub(super) fn client(brokers: &str) -> KafkaClient {
    KafkaClient { brokers: brokers.to_owned(), options: BTreeMap::new(), unreachable_after: None }
}

impl Feed {
    pub(super) fn start(brokers: &str, seconds: u64) -> Result<Self> {
        let expected = Expected { flights: FLIGHTS_PER_SECOND * seconds, page_views: PAGE_VIEWS_PER_SECOND * seconds };
        let flights = Stream::new(brokers, FLIGHTS, Box::new(Flights::new(1)), Some(Lz4::new()), DAMAGED_EVERY)?;
        let page_views = Stream::new(brokers, PAGE_VIEWS, Box::new(PageViews::new(1)), None, u64::MAX)?;
        Ok(Self { expected, flights, page_views })
    }

    pub(super) fn expected(&self) -> Expected {
        self.expected
    }

    /// Produces what is due after this time.
    pub(super) fn feed(&mut self, elapsed: Duration) -> Result<()> {
        let due = |rate: u64, end: u64| ((elapsed.as_secs_f64() * rate as f64) as u64).min(end);
        self.flights.produce_to(due(FLIGHTS_PER_SECOND, self.expected.flights))?;
        self.page_views.produce_to(due(PAGE_VIEWS_PER_SECOND, self.expected.page_views))
    }

    pub(super) fn is_done(&self) -> bool {
        self.flights.durable == self.expected.flights && self.page_views.durable == self.expected.page_views
    }

    pub(super) fn produced(&self) -> u64 {
        self.flights.durable + self.page_views.durable
    }
}

impl Stream {
    fn new(
        brokers: &str,
        topic: &str,
        generator: Box<dyn Generate>,
        lz4: Option<Lz4>,
        damaged_every: u64,
    ) -> Result<Self> {
        let config = SinkConfig {
            client: client(brokers),
            topic: topic.to_owned(),
            routes: Vec::new(),
            partition: Partitioning::Key,
            in_flight: 16 << 20,
        };
        let identity = Identity { pipeline: "demo".to_owned(), host: "demo".to_owned(), worker: 0 };
        let sink = KafkaSink::new(&config, &Routes::new(topic, &[]), None, &identity, Wake::new()?)?;
        Ok(Self { generator, lz4, damaged_every, sink, made: 0, durable: 0 })
    }

    fn produce_to(&mut self, end: u64) -> Result<()> {
        let (mut keys, mut values, mut numbers) = <(OwnedColumn, OwnedColumn, OwnedColumn)>::default();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let count = end.saturating_sub(self.made) as usize;
        for i in self.made..end {
            self.generator.record(i, &mut key, &mut value);
            if let Some(lz4) = &mut self.lz4 {
                lz4.wrap(&mut value);
            }
            if i % self.damaged_every == self.damaged_every - 1 {
                // behind the frame's header, so that it is a frame still, and a broken one
                value.truncate(value.len() / 2);
            }
            keys.push(Some(&key));
            values.push(Some(&value));
            numbers.push(Some(i.to_string().as_bytes()));
        }
        self.made = self.made.max(end);
        if count > 0 {
            let names = Column::Each(vec![Some(NUMBER.as_bytes()); count].into());
            let headers = Headers { counts: Cow::Owned(vec![1; count]), names, values: numbers.column() };
            let batch = Batch {
                topic: "",
                partition: 0,
                offsets: vec![0; count].into(),
                timestamps: vec![-1; count].into(),
                keys: keys.column(),
                values: values.column(),
                headers,
                siblings_before: 0,
            };
            let mut refused = Vec::new();
            self.sink.submit(Span { lane: Lane { slot: 0, epoch: 0 }, number: 0 }, &batch, &[], &mut refused)?;
            if let Some(refusal) = refused.first() {
                bail!("the embedded broker refuses a record: {}", refusal.message);
            }
        }
        let mut settled = Vec::new();
        self.sink.poll(&mut settled)?;
        for settled in settled {
            match settled {
                crate::sink::Settled::Delivered(_, rows) => self.durable += u64::from(rows),
                crate::sink::Settled::Failed { message, .. } | crate::sink::Settled::Refused { message, .. } => {
                    return Err(anyhow!("a record was not produced: {message}"));
                }
            }
        }
        Ok(())
    }
}
