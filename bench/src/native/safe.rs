//! The loop that one writes first: `rdkafka`'s own consumer and producer, a message at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::delivery::{Epochs, Outstanding};
use super::step::Step;
use super::{COMMIT_INTERVAL, Options};

/// The producer's callback.
struct Deliveries(Arc<Outstanding>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, epoch: usize) {
        if result.is_err() {
            self.0.failed();
        }
        self.0.delivered(epoch);
    }
}

pub(super) fn run(options: &Options, index: i32, mut step: Step, stop: &AtomicBool) -> Result<()> {
    let (consumer, lanes) = super::consumer(options, index)?;
    let outstanding = Arc::new(Outstanding::new());
    let producer: BaseProducer<Deliveries> = super::producer_config(options)
        .create_with_context(Deliveries(Arc::clone(&outstanding)))
        .context("making a producer")?;
    let mut epochs = Epochs::new();
    let mut positions = vec![-1; options.partitions as usize];
    let mut due = Instant::now() + COMMIT_INTERVAL;
    let mut since_poll = 0;
    while !stop.load(Ordering::Relaxed) {
        let message = consumer.poll(Duration::from_millis(5)).transpose().context("consuming")?;
        since_poll += 1;
        if let Some(message) = &message {
            let value = step.apply(message.payload().unwrap_or_default())?;
            send(&producer, &options.output, message, value, epochs.current())?;
            outstanding.sent(epochs.current(), 1);
            positions[message.partition() as usize] = message.offset() + 1;
        }
        if message.is_some() && since_poll < 256 {
            continue;
        }
        since_poll = 0;
        if message.is_none() {
            // as the other loop does; that not all is delivered in a millisecond is no failure
            let _ = producer.flush(Duration::from_millis(1));
        }
        serve(&producer);
        ensure!(outstanding.failures() == 0, "an output was not delivered");
        if Instant::now() >= due {
            due = Instant::now() + COMMIT_INTERVAL;
            epochs.close(&positions);
            commit(&consumer, options, &lanes, epochs.settled(&outstanding), CommitMode::Async)?;
        }
    }
    producer.flush(Duration::from_secs(30)).context("delivering the last outputs")?;
    epochs.close(&positions);
    commit(&consumer, options, &lanes, epochs.settled(&outstanding), CommitMode::Sync)
}

/// Commits positions that are settled, where there are any.
pub(super) fn commit(
    consumer: &BaseConsumer,
    options: &Options,
    lanes: &[i32],
    settled: Option<Vec<i64>>,
    mode: CommitMode,
) -> Result<()> {
    let Some(positions) = settled else { return Ok(()) };
    let mut list = TopicPartitionList::new();
    for &partition in lanes {
        let position = positions[partition as usize];
        if position >= 0 {
            list.add_partition_offset(&options.input, partition, Offset::Offset(position))?;
        }
    }
    if list.count() == 0 {
        return Ok(());
    }
    consumer.commit(&list, mode).context("committing")
}

/// Sends an output, waiting while the producer's queue is full.
fn send(
    producer: &BaseProducer<Deliveries>,
    topic: &str,
    message: &BorrowedMessage<'_>,
    value: &[u8],
    epoch: usize,
) -> Result<()> {
    let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, epoch).payload(value);
    record.key = message.key();
    record.timestamp = message.timestamp().to_millis();
    record.headers = message.headers().map(rdkafka::message::BorrowedHeaders::detach);
    while let Err((error, again)) = producer.send(record) {
        ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull), "producing: {error}");
        producer.poll(Duration::from_millis(1));
        record = again;
    }
    Ok(())
}

/// Serves delivery reports until there are none: `poll` serves one event a call.
fn serve(producer: &BaseProducer<Deliveries>) {
    let mut before = -1;
    loop {
        producer.poll(Duration::ZERO);
        let now = producer.in_flight_count();
        if now == before {
            return;
        }
        before = now;
    }
}
