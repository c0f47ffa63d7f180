//! librdkafka's options: our defaults, the user's over them, and over both what the host owns.

use super::Identity;
use crate::config::{KafkaClient, KafkaSource, Start};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// librdkafka's own default for one fetch of a partition; more would not make it faster.
const FETCH: usize = 1024 * 1024;

/// What a message is taken to weigh when its number is limited: librdkafka counts the bytes of values alone, and a message is 336 more.
const MESSAGE: usize = 256;

/// A member of a group.
///
/// Half of a lane's share of the budget is for what lies in its queue, half for the response on top of which librdkafka
/// still takes. A share may be as small as 16 KiB: with that many lanes a batch comes from many of them.
pub(super) fn consumer(config: &KafkaSource, identity: &Identity, lanes: usize) -> ClientConfig {
    let share = (config.fetch_ahead / 2 / lanes.max(1)).max(16 * 1024);
    let defaults = [
        ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
        // members learn of a rebalance by a heartbeat, and partitions that move rest until all have: librdkafka takes 3 s
        ("heartbeat.interval.ms", "1000".to_owned()),
        // a full queue is looked at again after so many milliseconds; librdkafka waits a second
        ("fetch.queue.backoff.ms", "2".to_owned()),
        // one fetch at a time goes to each broker; one that was sent while a partition's queue was full is for the others alone,
        // and waits for so long where they have nothing: librdkafka takes 500 ms
        ("fetch.wait.max.ms", "50".to_owned()),
        ("queued.max.messages.kbytes", (share / 1024).to_string()),
        // librdkafka's name is strange: from so many on it fetches no more
        ("queued.min.messages", (share / MESSAGE).to_string()),
        ("fetch.message.max.bytes", share.min(FETCH).to_string()),
    ];
    // a committed offset that does not exist any more: what is left is read, and librdkafka warns of it
    let reset = if config.start == Start::Stored { "error" } else { "earliest" };
    let mut owned = vec![
        ("group.id", config.group.clone()),
        ("enable.auto.commit", "false".to_owned()),
        ("enable.auto.offset.store", "false".to_owned()),
        ("enable.partition.eof", "false".to_owned()),
        ("auto.offset.reset", reset.to_owned()),
    ];
    if config.static_membership {
        let Identity { host, worker, .. } = identity;
        owned.push(("group.instance.id", format!("{}-{host}-{worker}", config.group)));
    }
    client(&config.client, &defaults, &owned)
}

/// An idempotent producer; with a transactional id one that delivers in transactions.
pub(super) fn producer(client: &KafkaClient, transactional_id: Option<&str>) -> ClientConfig {
    let timeout = client.transaction_timeout().as_millis().to_string();
    let defaults = [
        ("partitioner", "murmur2_random".to_owned()),
        // rows that wait are sent by the sink's own pace: see `sink/hurry.rs`
        ("linger.ms", "1000".to_owned()),
        // our own count of bytes is what bounds it
        ("queue.buffering.max.messages", "0".to_owned()),
        ("queue.buffering.max.kbytes", i32::MAX.to_string()),
    ];
    let mut owned = vec![
        ("enable.idempotence", "true".to_owned()),
        // no delivery expires: what fails is read again in order
        ("message.timeout.ms", "0".to_owned()),
    ];
    if let Some(id) = transactional_id {
        owned.extend([("transactional.id", id.to_owned()), ("transaction.timeout.ms", timeout)]);
    }
    self::client(client, &defaults, &owned)
}

/// Whether the user says how long rows wait for others.
pub(super) fn has_linger(client: &KafkaClient) -> bool {
    ["linger.ms", "queue.buffering.max.ms"].iter().any(|name| client.options.contains_key(*name))
}

/// Any client.
pub(super) fn client(client: &KafkaClient, defaults: &[(&str, String)], owned: &[(&str, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("client.id", "edgemill").set("socket.keepalive.enable", "true");
    // partitions and topics that are added are found by this; librdkafka waits five minutes
    config.set("topic.metadata.refresh.interval.ms", "10000");
    for (name, value) in defaults {
        config.set(*name, value);
    }
    for (name, value) in &client.options {
        config.set(name, value);
    }
    for (name, value) in owned {
        config.set(*name, value);
    }
    config.set("bootstrap.servers", &client.brokers);
    let debug = client.options.contains_key("debug");
    config.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
    config
}

/// Why a client could not be made. Never tells what may be a secret.
pub(super) fn refused(error: KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, name, _) => {
            format!("librdkafka knows no option `{name}`; see its CONFIGURATION.md for those it knows")
        }
        KafkaError::ClientConfig(_, _, name, _) if is_secret(&name) => {
            format!("librdkafka does not take the value of its option `{name}`")
        }
        KafkaError::ClientConfig(_, reason, name, _) => {
            format!("librdkafka does not take the value of its option `{name}`: {reason}")
        }
        KafkaError::ClientCreation(reason) if reason.contains("key values mismatch") => {
            format!("the client's certificate and its key do not belong together: {reason}; name a pair")
        }
        KafkaError::ClientCreation(reason) => format!("librdkafka refuses its options: {reason}"),
        other => format!("librdkafka refuses its options: {other}"),
    }
}

fn is_secret(option: &str) -> bool {
    ["password", "secret", "token", "key", "pem", "oauthbearer"].iter().any(|word| option.contains(word))
}
