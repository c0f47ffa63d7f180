//! Tells whether a topic holds exactly the records that it should, in order, without keeping them.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

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

    /// Reads a topic and checks that it holds what this digest was made of.
    ///
    /// # Errors
    /// It does not, or the broker is down.
    pub(crate) fn check(&self, broker: &Broker, topic: &str) -> Result<()> {
        let mut found = Self::new(self.partitions.len() as i32, self.timestamps);
        broker.consume_each(topic, |message| {
            let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            let timestamp = message.timestamp().to_millis().unwrap_or(-1);
            found.add(message.partition() as usize, key, value, timestamp);
        })?;
        for (index, (expected, found)) in self.partitions.iter().zip(&found.partitions).enumerate() {
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
