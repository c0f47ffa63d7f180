//! Generated flights in memory, as a client's buffers hold them: each byte string somewhere, and columns that point to it.

use edgemill::batch::{Batch, Bytes, Column, Headers};
use edgemill::generate::{self, Generate};
use edgemill::source::Messages;
use std::borrow::Cow;
use std::ops::Range;

/// The topic that they come from.
pub const TOPIC: &str = "flights";

/// A time that a record may have, in milliseconds since 1970-01-01 UTC.
const TIME: i64 = 1_790_000_000_000;

/// Flights with keys, without headers; the offset of each is its number.
pub struct Flights {
    bytes: Vec<u8>,
    records: Vec<(Range<usize>, Range<usize>)>,
}

impl Flights {
    /// Makes the first `count` flights of a seed.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let (generator, mut bytes) = (generate::Flights::new(1), Vec::new());
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut put = |part: &[u8]| {
            bytes.extend_from_slice(part);
            bytes.len() - part.len()..bytes.len()
        };
        let records = (0..count as u64).map(|i| {
            generator.record(i, &mut key, &mut value);
            (put(&key), put(&value))
        });
        let records = records.collect();
        Self { bytes, records }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Gathers the columns of some of them, as the Kafka source does it with librdkafka's messages.
    #[inline(never)]
    #[must_use]
    pub fn gather(&self, range: Range<usize>) -> Gathered<'_> {
        let count = range.len();
        let mut gathered = Gathered {
            offsets: Vec::with_capacity(count),
            timestamps: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
        };
        for (offset, (key, value)) in range.clone().zip(&self.records[range]) {
            gathered.offsets.push(offset as i64);
            gathered.timestamps.push(TIME + offset as i64);
            gathered.keys.push(Some(&self.bytes[key.clone()]));
            gathered.values.push(Some(&self.bytes[value.clone()]));
        }
        gathered
    }
}

/// Some flights as columns.
pub struct Gathered<'a> {
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    keys: Vec<Bytes<'a>>,
    values: Vec<Bytes<'a>>,
}

impl Messages for Gathered<'_> {
    fn batch(&self) -> Batch<'_> {
        Batch {
            topic: TOPIC,
            partition: 0,
            offsets: Cow::Borrowed(&self.offsets),
            timestamps: Cow::Borrowed(&self.timestamps),
            keys: Column::Each(Cow::Borrowed(&self.keys)),
            values: Column::Each(Cow::Borrowed(&self.values)),
            headers: Headers::default(),
            siblings_before: 0,
        }
    }

    fn offsets(&self) -> Cow<'_, [i64]> {
        Cow::Borrowed(&self.offsets)
    }
}
