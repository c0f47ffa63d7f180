//! A record as Redpanda's transforms read and write it: Kafka's own encoding, without length, attributes and deltas.
//!
//! Key, value, number of headers, and of each its name and value; lengths are zig-zag numbers, -1 is null.

use crate::batch::{Batch, Bytes};
use crate::outputs::Outputs;

/// Bytes of the longest number.
const LONGEST: usize = 10;

/// The records of a batch, each as a guest is given it.
#[derive(Default)]
pub(super) struct Records {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    offsets: Vec<i64>,
    timestamps: Vec<i64>,
    largest: usize,
}

/// A record on its way into a guest.
pub(super) struct Record<'a> {
    pub(super) payload: &'a [u8],
    pub(super) offset: i64,
    pub(super) timestamp: i64,
}

impl Records {
    /// Makes it hold those of a batch, which has some.
    pub(super) fn fill(&mut self, batch: &Batch<'_>) {
        self.bytes.clear();
        self.ends.clear();
        self.largest = 0;
        batch.offsets[..].clone_into(&mut self.offsets);
        batch.timestamps[..].clone_into(&mut self.timestamps);
        let mut names = batch.headers.names.iter();
        let mut header_values = batch.headers.values.iter();
        for (index, (key, value)) in batch.keys.iter().zip(batch.values.iter()).enumerate() {
            let start = self.bytes.len();
            put(&mut self.bytes, key);
            put(&mut self.bytes, value);
            let headers = if batch.headers.is_empty() { 0 } else { batch.headers.counts[index] };
            number(&mut self.bytes, i64::from(headers));
            for (name, value) in names.by_ref().zip(header_values.by_ref()).take(headers as usize) {
                put(&mut self.bytes, name);
                put(&mut self.bytes, value);
            }
            self.largest = self.largest.max(self.bytes.len() - start);
            self.ends.push(self.bytes.len());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of the largest.
    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// The latest of their times.
    pub(super) fn latest(&self) -> i64 {
        self.timestamps.iter().copied().max().unwrap_or(-1)
    }

    pub(super) fn get(&self, index: usize) -> Option<Record<'_>> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        let (offset, timestamp) = (self.offsets[index], self.timestamps[index]);
        Some(Record { payload: &self.bytes[start..end], offset, timestamp })
    }
}

pub(super) fn put(bytes: &mut Vec<u8>, field: Bytes<'_>) {
    match field {
        Some(field) => {
            number(bytes, field.len() as i64);
            bytes.extend_from_slice(field);
        }
        None => number(bytes, -1),
    }
}

pub(super) fn number(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// A guest's bytes are no record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is left of a guest's bytes.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> Result<i64, Malformed> {
        let mut number = 0u64;
        for (index, byte) in self.0.iter().take(LONGEST).enumerate() {
            let part = u64::from(byte & 0x7f);
            // the tenth byte has one bit left
            if index + 1 == LONGEST && part > 1 {
                return Err(Malformed);
            }
            number |= part << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err(Malformed)
    }

    pub(super) fn field(&mut self) -> Result<Bytes<'a>, Malformed> {
        let length = self.number()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (field, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(Some(field))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a record that a guest wrote; nothing of it where it is none.
pub(super) fn take(payload: &[u8], outputs: &mut Outputs) -> Result<(), Malformed> {
    let mut reader = Reader(payload);
    let (key, value) = (reader.field()?, reader.field()?);
    let count = u32::try_from(reader.number()?).map_err(|_| Malformed)?;
    let headers = reader.0;
    // looked through before anything is kept of it
    for _ in 0..count {
        reader.field()?;
        reader.field()?;
    }
    if !reader.is_empty() {
        return Err(Malformed);
    }
    outputs.keys.push(key);
    outputs.values.push(value);
    let kept = &mut outputs.headers;
    // counts begin with the first header: most records have none
    if count > 0 || !kept.counts.is_empty() {
        kept.counts.resize(outputs.keys.lengths.len() - 1, 0);
        kept.counts.push(count);
    }
    let mut reader = Reader(headers);
    for _ in 0..count {
        // a name without a value is Kafka's; a null name is not
        kept.names.push(Some(reader.field()?.unwrap_or_default()));
        kept.values.push(reader.field()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Column, Headers};

    fn records<'a>(keys: &'a [Bytes<'a>], values: &'a [Bytes<'a>], headers: Headers<'a>) -> Records {
        let count = keys.len() as i64;
        let batch = Batch {
            topic: "t",
            partition: 0,
            offsets: (0..count).collect(),
            timestamps: (0..count).collect(),
            keys: Column::Each(keys.into()),
            values: Column::Each(values.into()),
            headers,
            siblings_before: 0,
        };
        let mut records = Records::default();
        records.fill(&batch);
        records
    }

    #[test]
    fn a_number_is_written_as_kafka_writes_it() {
        let table: [(i64, &[u8]); 8] = [
            (0, b"\x00"),
            (-1, b"\x01"),
            (1, b"\x02"),
            (63, b"\x7e"),
            (-65, b"\x81\x01"),
            (64, b"\x80\x01"),
            (i64::MAX, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            (i64::MIN, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        ];
        for (value, written) in table {
            let mut bytes = Vec::new();
            number(&mut bytes, value);
            assert_eq!(bytes, written, "{value}");
            assert_eq!(Reader(written).number(), Ok(value));
        }
        for wrong in [&b""[..], b"\x80", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", &[0x80; 11]] {
            assert_eq!(Reader(wrong).number(), Err(Malformed), "{wrong:x?}");
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let keys = [None, Some(&b""[..]), Some(b"key")];
        let values = [Some(&b"value"[..]), None, Some(b"")];
        let names = [Some(&b"a"[..]), Some(b""), Some(b"a")];
        let header_values = [None, Some(&b""[..]), Some(b"1")];
        let headers = Headers {
            counts: vec![0, 2, 1].into(),
            names: Column::Each(names[..].into()),
            values: Column::Each(header_values[..].into()),
        };
        let records = records(&keys, &values, headers);
        assert_eq!((records.len(), records.largest()), (3, 10));
        assert_eq!(records.get(0).unwrap().payload, b"\x01\x0avalue\x00");
        assert_eq!(records.get(1).unwrap().payload, b"\x00\x01\x04\x02a\x01\x00\x00");
        let mut outputs = Outputs { origins: vec![0, 1, 2], timestamps: vec![0; 3], ..Outputs::default() };
        for index in 0..3 {
            take(records.get(index).unwrap().payload, &mut outputs).unwrap();
        }
        outputs.check(3).unwrap();
        assert_eq!(outputs.keys.column().iter().collect::<Vec<_>>(), keys);
        assert_eq!(outputs.values.column().iter().collect::<Vec<_>>(), values);
        assert_eq!(outputs.headers.counts, [0, 2, 1]);
        assert_eq!(outputs.headers.names.column().iter().collect::<Vec<_>>(), names);
        assert_eq!(outputs.headers.values.column().iter().collect::<Vec<_>>(), header_values);
    }

    #[test]
    fn what_is_no_record_leaves_nothing() {
        let table: [&[u8]; 9] = [
            b"",
            b"\x01",
            b"\x01\x01",
            b"\x03\x01\x00",
            b"\x01\x01\x01",
            b"\x01\x01\x02\x00",
            b"\x01\x04a\x00",
            b"\x01\x01\x00\x00",
            b"\x01\x01\x02\x02a",
        ];
        for payload in table {
            let mut outputs = Outputs::default();
            assert_eq!(take(payload, &mut outputs), Err(Malformed), "{payload:x?}");
            assert_eq!(outputs, Outputs::default());
        }
        let mut outputs = Outputs::default();
        assert_eq!(take(b"\x01\x01\x02\x01\x01", &mut outputs), Ok(()), "a null name is an empty one");
        assert_eq!(outputs.headers.names.lengths, [0]);
    }
}
