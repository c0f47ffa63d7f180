//! What a transform is given: a batch of columns, and the records borrowed from it.

use crate::Reject;
use serde::Deserialize;

/// Byte strings laid end to end; a length of -1 is null.
#[derive(Clone, Copy, Default)]
pub(crate) struct Column<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) lengths: &'a [i32],
}

impl<'a> Column<'a> {
    /// Item `index`, whose bytes begin at `at`.
    #[inline]
    pub(crate) fn item(&self, index: usize, at: usize) -> Option<&'a [u8]> {
        let length = self.lengths[index];
        if length < 0 { None } else { Some(&self.data[at..at + length as usize]) }
    }

    /// Number of bytes of item `index`.
    #[inline]
    pub(crate) fn size(&self, index: usize) -> usize {
        self.lengths[index].max(0) as usize
    }
}

/// The columns of one call: n records of one partition.
#[derive(Clone, Copy, Default)]
pub(crate) struct Batch<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offsets: &'a [i64],
    pub(crate) timestamps: &'a [i64],
    pub(crate) keys: Column<'a>,
    pub(crate) values: Column<'a>,
    /// Empty where no record has headers.
    pub(crate) header_counts: &'a [u32],
    pub(crate) header_names: Column<'a>,
    pub(crate) header_values: Column<'a>,
}

/// Where a record's items begin in the columns.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cursor {
    pub(crate) index: usize,
    key: usize,
    value: usize,
    header: usize,
    header_name: usize,
    header_value: usize,
}

impl Cursor {
    /// The record at the cursor.
    #[inline]
    pub(crate) fn record<'a>(&self, batch: &'a Batch<'a>) -> Record<'a> {
        Record {
            batch,
            cursor: *self,
            key: batch.keys.item(self.index, self.key),
            value: batch.values.item(self.index, self.value),
        }
    }

    /// Moves to the next record.
    #[inline]
    pub(crate) fn advance(&mut self, batch: &Batch<'_>) {
        self.key += batch.keys.size(self.index);
        self.value += batch.values.size(self.index);
        if !batch.header_counts.is_empty() {
            for _ in 0..batch.header_counts[self.index] {
                self.header_name += batch.header_names.size(self.header);
                self.header_value += batch.header_values.size(self.header);
                self.header += 1;
            }
        }
        self.index += 1;
    }
}

/// A record of the batch: everything is borrowed from the host's columns.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    batch: &'a Batch<'a>,
    pub(crate) cursor: Cursor,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// The key; `None` is null.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.key
    }

    /// The value; `None` is null, which Kafka calls a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.value
    }

    /// The value as text; `None` is null.
    ///
    /// # Errors
    ///
    /// A reject with the code `not-utf8`.
    pub fn text(&self) -> Result<Option<&'a str>, Reject> {
        let Some(value) = self.value else { return Ok(None) };
        match std::str::from_utf8(value) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(Reject::new("not-utf8", format!("the value is not utf-8: {error}"))),
        }
    }

    /// The value read as JSON into a type of the author's; `None` is null. Comfortable, and slower than
    /// [`json::Scanner`](crate::json::Scanner).
    ///
    /// # Errors
    ///
    /// A reject with the code `not-json` where the text is no JSON, `wrong-shape` where it is not what `T` wants.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<Option<T>, Reject> {
        let Some(value) = self.value else { return Ok(None) };
        match serde_json::from_slice(value) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(error) => {
                let code = if error.is_data() { "wrong-shape" } else { "not-json" };
                Err(Reject::new(code, error.to_string()))
            }
        }
    }

    /// Milliseconds since 1970-01-01 UTC, where the record has a timestamp.
    #[inline]
    pub fn timestamp(&self) -> Option<i64> {
        let timestamp = self.batch.timestamps[self.cursor.index];
        if timestamp == -1 { None } else { Some(timestamp) }
    }

    /// The record's offset in its partition.
    #[inline]
    pub fn offset(&self) -> i64 {
        self.batch.offsets[self.cursor.index]
    }

    /// The topic it came from.
    #[inline]
    pub fn topic(&self) -> &'a str {
        self.batch.topic
    }

    /// The partition it came from.
    #[inline]
    pub fn partition(&self) -> i32 {
        self.batch.partition
    }

    /// The headers, in order.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        let left = if self.batch.header_counts.is_empty() { 0 } else { self.batch.header_counts[self.cursor.index] };
        Headers { batch: self.batch, cursor: self.cursor, left }
    }

    /// The last header of this name, as Kafka's own `lastHeader`.
    pub fn header(&self, name: &str) -> Option<Header<'a>> {
        self.headers().filter(|header| header.name == name.as_bytes()).last()
    }
}

/// One header. Kafka does not promise that a name is UTF-8, so it is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, in order.
pub struct Headers<'a> {
    batch: &'a Batch<'a>,
    cursor: Cursor,
    left: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let (names, values, at) = (&self.batch.header_names, &self.batch.header_values, &mut self.cursor);
        let header = Header {
            name: names.item(at.header, at.header_name).unwrap_or_default(),
            value: values.item(at.header, at.header_value),
        };
        at.header_name += names.size(at.header);
        at.header_value += values.size(at.header);
        at.header += 1;
        Some(header)
    }
}
