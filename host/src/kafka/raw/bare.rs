//! Whether a message surely has no headers, without asking librdkafka: it makes a buffer of more than a kilobyte to read that there are
//! none, for each message, which took a tenth of a worker's time.

use rdkafka::bindings as rd;
use std::sync::LazyLock;

/// The versions of librdkafka whose sources were read for what [`is_bare`] relies on: 2.12.1.
///
/// In them a message that was read from a batch of Kafka's format 2, and no other, has the batch's leader epoch
/// (`rdkafka_msgset_reader.c`: `msetr_leader_epoch` is set where the header of such a batch is read, and -1 before), and a
/// value that is neither null nor empty is a part of the fetched buffer (`rdkafka_buf.h`, `rd_kafka_buf_read_kbytes_varint`). Behind the
/// value that format has the number of headers, and always at least that (Kafka's documentation, "Record").
const READ: [i32; 1] = [0x020c_01ff];

static IS_READ: LazyLock<bool> = LazyLock::new(|| {
    // SAFETY: it takes nothing and cannot fail
    READ.contains(&unsafe { rd::rd_kafka_version() })
});

/// Whether a consumed message surely has no headers. False says nothing.
pub fn is_bare(message: &rd::rd_kafka_message_t) -> bool {
    if message.payload.is_null() || message.len == 0 || !*IS_READ {
        return false;
    }
    // SAFETY: the message is alive
    if unsafe { rd::rd_kafka_message_leader_epoch(message) } < 0 {
        return false;
    }
    // SAFETY: by what `READ` says the byte is of the same buffer, which the message keeps
    let count = unsafe { message.payload.cast::<u8>().add(message.len).read() };
    // a varint: 0 is none, and nothing else begins so
    count == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::mock::EmbeddedBroker;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::{Header, OwnedHeaders};
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};
    use std::time::Duration;

    #[test]
    fn a_message_with_headers_is_never_bare_and_one_without_is_where_it_has_a_value() {
        assert!(*IS_READ, "another librdkafka: read its sources for what `READ` says, and add its version");
        let broker = EmbeddedBroker::start(&[("none", 1), ("lz4", 1)]).unwrap();
        for compression in ["none", "lz4"] {
            let config = |key: &str, value: &str| {
                let mut config = ClientConfig::new();
                config.set("bootstrap.servers", broker.brokers()).set("compression.type", compression).set(key, value);
                config
            };
            let producer: BaseProducer = config("linger.ms", "100").create().unwrap();
            let header = || OwnedHeaders::new().insert(Header { key: "h", value: Some("") });
            let long = "v".repeat(5000);
            let cases = [(Some("v"), false), (Some("v"), true), (Some(""), true), (None, true), (None, false)];
            let cases = [&cases[..], &[(Some(""), false), (Some(&*long), true), (Some(&*long), false)]].concat();
            for (value, has_headers) in &cases {
                let mut record = BaseRecord::<[u8], [u8]>::to(compression).partition(0);
                record.payload = value.map(str::as_bytes);
                record.headers = has_headers.then(header);
                assert!(producer.send(record).is_ok());
            }
            producer.flush(Duration::from_secs(10)).unwrap();
            let consumer: BaseConsumer = config("group.id", compression).create().unwrap();
            let mut from = TopicPartitionList::new();
            from.add_partition_offset(compression, 0, Offset::Beginning).unwrap();
            consumer.assign(&from).unwrap();
            for (value, has_headers) in &cases {
                // what is no message wakes it too
                let mut polls = std::iter::repeat_with(|| consumer.poll(Duration::from_secs(5))).take(20);
                let message = polls.find_map(|polled| polled).unwrap().unwrap();
                // SAFETY: the message is alive
                let bare = is_bare(unsafe { &*message.ptr() });
                let says = value.is_some_and(|value| !value.is_empty()) && !has_headers;
                assert_eq!(bare, says, "{compression}: {} bytes, headers {has_headers}", value.map_or(0, str::len));
            }
        }
    }
}
