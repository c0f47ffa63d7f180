//! The embedded broker, and clients of it.

use crate::FLIGHTS;
use anyhow::{Result, anyhow, ensure};
use edgemill::config::{KafkaClient, KafkaSink as Config, Partitioning};
use edgemill::kafka::mock::{EmbeddedBroker, Tail};
use edgemill::kafka::{Identity, KafkaSink};
use edgemill::record::{Lane, Partition, Span};
use edgemill::route::Routes;
use edgemill::sink::{Settled, Sink};
use edgemill::source::Messages;
use edgemill::wake::Wake;
use edgemill_micro::flights::TOPIC;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Flights in the broker: it keeps 5 MiB.
pub(crate) const RECORDS: usize = 8192;

/// A span of nobody's.
pub(crate) const SPAN: Span = Span { lane: Lane { slot: 0, epoch: 1 }, number: 0 };

const PATIENCE: Duration = Duration::from_secs(20);

/// A broker with one topic of one partition.
pub(crate) struct Broker(EmbeddedBroker);

impl Broker {
    pub(crate) fn start() -> Result<Self> {
        EmbeddedBroker::start(&[(TOPIC, 1)]).map(Self).map_err(|error| anyhow!(error))
    }

    fn client(&self) -> KafkaClient {
        KafkaClient { brokers: self.0.brokers(), options: BTreeMap::new(), unreachable_after: None }
    }

    /// A sink, and what it rings when there is something to settle.
    pub(crate) fn sink(&self) -> Result<(KafkaSink, Wake)> {
        let wake = Wake::new()?;
        let config = Config {
            client: self.client(),
            topic: TOPIC.to_owned(),
            routes: Vec::new(),
            partition: Partitioning::Key,
            in_flight: 64 << 20,
        };
        let identity = Identity { pipeline: "micro".to_owned(), host: "micro".to_owned(), worker: 0 };
        let sink = KafkaSink::new(&config, &Routes::new(TOPIC, &[]), None, &identity, wake.clone())?;
        Ok((sink, wake))
    }

    /// Produces flights.
    pub(crate) fn fill(&self) -> Result<()> {
        let (mut sink, wake) = self.sink()?;
        let (gathered, mut refused) = (FLIGHTS.gather(0..RECORDS), Vec::new());
        sink.submit(SPAN, &gathered.batch(), &[], &mut refused)?;
        ensure!(refused.is_empty(), "{refused:?}");
        settle(&mut sink, &wake)
    }

    /// A follower that has fetched everything, and handed out nothing.
    pub(crate) fn fetched(&self) -> Result<Tail> {
        let wake = Wake::new()?;
        let partition = Partition { topic: TOPIC.to_owned(), number: 0 };
        let tail = Tail::new(&self.client(), &[partition], &wake).map_err(|error| anyhow!(error))?;
        // the first fetch goes out after half a second, and nobody tells when the last flight is there
        Wake::new()?.wait(Duration::from_millis(900));
        Ok(tail)
    }
}

/// Waits until all that was submitted is delivered.
pub(crate) fn settle(sink: &mut KafkaSink, wake: &Wake) -> Result<()> {
    let (deadline, mut settled) = (Instant::now() + PATIENCE, Vec::new());
    while sink.in_flight() > 0 {
        ensure!(Instant::now() < deadline, "the embedded broker does not take flights");
        wake.wait(Duration::from_millis(10));
        sink.poll(&mut settled)?;
        let failed = settled.drain(..).find(|settled| matches!(settled, Settled::Failed { .. }));
        ensure!(failed.is_none(), "{failed:?}");
    }
    Ok(())
}
