//! Tells whether a topic holds exactly the records that it should, in order, without keeping them.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::io::Write;

use anyhow::{Result, ensure};
use rdkafka::Message;

use edgemill_tests::Broker;

/// A hash over the records of a topic, by partition. Records keep their order within a partition, so it does too.
#[derive(Clone, Debug)]
pub(crate) struct Digest {
    partitions: Vec<Partition>,
    timestamps: bool,
}

#[derive(Clone, Debug, Default)]
struct Partition {
    count: u64,
    hasher: DefaultHasher,
}

impl Digest {
    /// Begins a digest, which looks at timestamps or does not.
    pub(crate) fn new(partitions: i32, timestamps: bool) -> Self {
        Self { partitions: vec![Partition::default(); partitions as usize], timestamps }
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, partition: usize, key: &[u8], value: &[u8], timestamp: i64) {
        let Partition { count, hasher } = &mut self.partitions[partition];
        *count += 1;
        if self.timestamps {
            hasher.write_i64(timestamp);
        }
        hasher.write_usize(key.len());
        hasher.write(key);
        hasher.write_usize(value.len());
        hasher.write(value);
    }

    /// Reads a topic and checks that it holds what this digest was made of, in committed transactions or in none. Where prices
    /// may be short, `1.5` counts as `1.50`.
    ///
    /// # Errors
    /// It does not, or the broker is down.
    pub(crate) fn check(&self, broker: &Broker, topic: &str, short_prices: bool) -> Result<()> {
        let mut found = Self::new(self.partitions.len() as i32, self.timestamps);
        let mut with_decimals = Vec::new();
        broker.consume_each(topic, |message| {
            let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            let timestamp = message.timestamp().to_millis().unwrap_or(-1);
            let value = if short_prices { lengthen_price(value, &mut with_decimals) } else { value };
            found.add(message.partition() as usize, key, value, timestamp);
        })?;
        found.compare(self, topic)
    }

    fn compare(&self, expected: &Self, topic: &str) -> Result<()> {
        for (index, (expected, found)) in expected.partitions.iter().zip(&self.partitions).enumerate() {
            let counts = (found.count, expected.count);
            ensure!(
                counts.0 == counts.1,
                "partition {index} of {topic} has {} records instead of {}",
                counts.0,
                counts.1
            );
            let same = expected.hasher.finish() == found.hasher.finish();
            ensure!(
                same,
                "partition {index} of {topic} has as many records as it should, but others or in another order"
            );
        }
        Ok(())
    }
}

/// Writes a flat flight's price with two decimals; gives everything else back as it is.
fn lengthen_price<'a>(value: &'a [u8], out: &'a mut Vec<u8>) -> &'a [u8] {
    const NAME: &[u8] = b",\"price\":";
    let Some(at) = value.windows(NAME.len()).position(|window| window == NAME) else { return value };
    let start = at + NAME.len();
    let len = value[start..].iter().position(|byte| matches!(byte, b',' | b'}')).unwrap_or(0);
    let number = std::str::from_utf8(&value[start..start + len]).ok().and_then(|text| text.parse::<f64>().ok());
    let Some(number) = number else { return value };
    out.clear();
    out.extend_from_slice(&value[..start]);
    write!(out, "{number:.2}").expect("writing to memory does not fail");
    out.extend_from_slice(&value[start + len..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(timestamps: bool, records: &[(usize, &str, i64)]) -> Digest {
        let mut digest = Digest::new(2, timestamps);
        for (partition, value, timestamp) in records {
            digest.add(*partition, b"key", value.as_bytes(), *timestamp);
        }
        digest
    }

    #[test]
    fn order_counts_within_a_partition_and_nowhere_else() {
        let one = digest(true, &[(0, "a", 1), (1, "b", 2), (0, "c", 3)]);
        digest(true, &[(1, "b", 2), (0, "a", 1), (0, "c", 3)]).compare(&one, "t").unwrap();
        digest(true, &[(0, "c", 3), (1, "b", 2), (0, "a", 1)]).compare(&one, "t").unwrap_err();
    }

    #[test]
    fn what_is_missing_twice_there_or_elsewhere_is_seen() {
        let one = digest(true, &[(0, "a", 1), (0, "b", 2)]);
        digest(true, &[(0, "a", 1)]).compare(&one, "t").unwrap_err();
        digest(true, &[(0, "a", 1), (0, "b", 2), (0, "b", 2)]).compare(&one, "t").unwrap_err();
        digest(true, &[(0, "a", 1), (1, "b", 2)]).compare(&one, "t").unwrap_err();
    }

    #[test]
    fn timestamps_count_where_they_are_kept() {
        let (here, there) = ([(0, "a", 1)], [(0, "a", 2)]);
        digest(true, &here).compare(&digest(true, &there), "t").unwrap_err();
        digest(false, &here).compare(&digest(false, &there), "t").unwrap();
    }

    #[test]
    fn only_the_decimals_of_a_price_are_made_alike() {
        let mut out = Vec::new();
        for (short, long) in [
            (r#"{"_id":"x","price":1.5,"a":"b"}"#, r#"{"_id":"x","price":1.50,"a":"b"}"#),
            (r#"{"_id":"x","price":12}"#, r#"{"_id":"x","price":12.00}"#),
            (r#"{"_id":"x","price":1234.56}"#, r#"{"_id":"x","price":1234.56}"#),
            (r#"{"_id":"x","price":null}"#, r#"{"_id":"x","price":null}"#),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(lengthen_price(short.as_bytes(), &mut out)), long);
        }
    }
}
