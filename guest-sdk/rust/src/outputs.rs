//! What an author writes outputs with.

use crate::buffer::Buffer;
use crate::columns::{Columns, part};
use crate::record::{Batch, Record};
use crate::reject::Reject;
use serde::Serialize;
use std::ops::{Deref, DerefMut};

/// Where a transform puts what becomes of a record. A record that leaves nothing here is dropped on purpose.
pub struct Outputs<'a> {
    columns: &'a mut Columns,
    batch: &'a Batch<'a>,
    // Not a copy: bytes that were just written in halves are slow to be read whole.
    origin: &'a Record<'a>,
}

impl<'a> Outputs<'a> {
    #[inline]
    pub(crate) fn new(columns: &'a mut Columns, batch: &'a Batch<'a>, origin: &'a Record<'a>) -> Outputs<'a> {
        Outputs { columns, batch, origin }
    }

    /// Lets the record pass as it is. A transform that does only this moves no bytes.
    #[inline]
    pub fn keep(&mut self) {
        self.emit();
    }

    /// Begins an output: the record with what is set on it. It counts when it goes out of scope.
    #[inline]
    pub fn emit(&mut self) -> Output<'_> {
        Output { columns: self.columns, batch: self.batch, origin: self.origin, set: 0, headers: 0, route: 0 }
    }

    /// Begins an output whose value is written piece by piece.
    #[inline]
    pub fn value(&mut self) -> ValueWriter<'_> {
        let mut output = self.emit();
        output.value_mut();
        ValueWriter { output }
    }
}

/// One output being made: what is not set stays as the input record has it.
pub struct Output<'o> {
    columns: &'o mut Columns,
    batch: &'o Batch<'o>,
    origin: &'o Record<'o>,
    set: u8,
    headers: u32,
    route: u16,
}

impl Output<'_> {
    #[inline]
    fn begin(&mut self, part: u8) {
        if self.columns.touched & part == 0 {
            self.columns.touch(part, self.batch);
        }
        self.set |= part;
    }

    /// Sets the key; `None` is null.
    pub fn key(&mut self, key: impl Field) -> &mut Self {
        self.begin(part::KEY);
        self.set &= !part::NULL_KEY;
        self.columns.keys.data.truncate(0);
        match key.bytes() {
            Some(bytes) => self.columns.keys.data.extend(bytes),
            None => self.set |= part::NULL_KEY,
        }
        self
    }

    /// Sets the value; `None` is null.
    #[inline]
    pub fn value(&mut self, value: impl Field) -> &mut Self {
        let null = match value.bytes() {
            Some(bytes) => {
                let buffer = self.value_mut();
                buffer.truncate(0);
                buffer.extend(bytes);
                0
            }
            None => {
                self.value_mut().truncate(0);
                part::NULL_VALUE
            }
        };
        self.set |= null;
        self
    }

    /// The value, to be written piece by piece: empty at first.
    #[inline]
    pub fn value_mut(&mut self) -> &mut Buffer {
        self.begin(part::VALUE);
        self.set &= !part::NULL_VALUE;
        &mut self.columns.values.data
    }

    /// Sets the value to the JSON of something of the author's.
    ///
    /// # Errors
    ///
    /// A reject with the code `not-json` where serde cannot write it as JSON, such as a map with keys that are no strings.
    pub fn json(&mut self, value: &impl Serialize) -> Result<&mut Self, Reject> {
        let buffer = self.value_mut();
        buffer.truncate(0);
        if let Err(error) = serde_json::to_writer(buffer, value) {
            return Err(Reject::new("not-json", format!("the output cannot be written as json: {error}")));
        }
        Ok(self)
    }

    /// Sets the timestamp, in milliseconds since 1970-01-01 UTC.
    pub fn timestamp(&mut self, milliseconds: i64) -> &mut Self {
        if self.set & part::TIMESTAMP != 0 {
            self.columns.timestamps.pop();
        }
        self.begin(part::TIMESTAMP);
        self.columns.timestamps.push(milliseconds);
        self
    }

    /// Adds a header behind those there are; a null value is `None`.
    pub fn header(&mut self, name: &str, value: impl Field) -> &mut Self {
        self.begin_headers();
        self.columns.header_names.push(Some(name.as_bytes()));
        self.columns.header_values.push(value.bytes());
        self.headers += 1;
        self
    }

    /// Removes all headers of this name.
    pub fn remove_header(&mut self, name: &str) -> &mut Self {
        self.begin_headers();
        let (names, values) = (self.columns.header_names.view(), self.columns.header_values.view());
        let first = names.lengths.len() - self.headers as usize;
        let mut name_at = names.data.len() - (first..names.lengths.len()).map(|i| names.size(i)).sum::<usize>();
        let mut value_at = values.data.len() - (first..names.lengths.len()).map(|i| values.size(i)).sum::<usize>();
        let mut kept = Vec::new();
        for index in first..names.lengths.len() {
            let header = names.item(index, name_at).unwrap_or_default();
            if header != name.as_bytes() {
                kept.push((header.to_vec(), values.item(index, value_at).map(<[u8]>::to_vec)));
            }
            name_at += names.size(index);
            value_at += values.size(index);
        }
        self.clear_headers();
        for (name, value) in &kept {
            self.columns.header_names.push(Some(name));
            self.columns.header_values.push(value.as_deref());
        }
        self.headers = kept.len() as u32;
        self
    }

    /// Removes all headers.
    pub fn clear_headers(&mut self) -> &mut Self {
        self.begin_headers();
        self.columns.drop_headers(self.headers);
        self.headers = 0;
        self
    }

    fn begin_headers(&mut self) {
        if self.set & part::HEADERS == 0 {
            self.begin(part::HEADERS);
            self.headers = self.columns.keep_headers(self.origin);
        }
    }

    /// Sends the output to one of the pipeline's declared destinations instead of where the record was going.
    pub fn route(&mut self, destination: &str) -> &mut Self {
        self.begin(part::ROUTE);
        self.route = self.columns.route(destination);
        self
    }
}

impl Drop for Output<'_> {
    #[inline]
    fn drop(&mut self) {
        let set = self.set;
        if set & part::VALUE != 0 {
            self.columns.values.finish(set & part::NULL_VALUE != 0);
        }
        if set & part::KEY != 0 {
            self.columns.keys.finish(set & part::NULL_KEY != 0);
        }
        if set & part::HEADERS != 0 {
            self.columns.header_counts.push(self.headers);
        }
        if set & part::ROUTE != 0 {
            self.columns.routes.push(self.route);
        }
        let kept = self.columns.touched & !set;
        if kept != 0 {
            self.columns.keep(kept, self.origin);
        }
        self.columns.origins.push(self.origin.cursor.index as u32);
    }
}

/// An output's value, being written. The output counts when this goes out of scope, and is taken back where the
/// transform then rejects the record.
pub struct ValueWriter<'o> {
    output: Output<'o>,
}

impl<'o> ValueWriter<'o> {
    /// The output whose value this is, to set its key, headers, timestamp or route.
    pub fn output(&mut self) -> &mut Output<'o> {
        &mut self.output
    }
}

impl Deref for ValueWriter<'_> {
    type Target = Buffer;

    #[inline]
    fn deref(&self) -> &Buffer {
        &self.output.columns.values.data
    }
}

impl DerefMut for ValueWriter<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Buffer {
        &mut self.output.columns.values.data
    }
}

/// What a key, a value or a header's value can be set to: bytes, text, or `None` for null.
pub trait Field {
    /// The bytes; `None` is null.
    fn bytes(&self) -> Option<&[u8]>;
}

impl Field for Option<&[u8]> {
    #[inline]
    fn bytes(&self) -> Option<&[u8]> {
        *self
    }
}

impl<const N: usize> Field for &[u8; N] {
    #[inline]
    fn bytes(&self) -> Option<&[u8]> {
        Some(self.as_slice())
    }
}

macro_rules! field {
    ($($type:ty)*) => {$(
        impl Field for $type {
            #[inline]
            fn bytes(&self) -> Option<&[u8]> {
                Some(self.as_ref())
            }
        }
    )*};
}

field!(&[u8] &str String &String Vec<u8> &Vec<u8>);
