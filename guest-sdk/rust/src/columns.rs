//! The columns a call gives back. They are kept between calls and only grow.

use crate::buffer::Buffer;
use crate::record::{Batch, Column, Record};
use crate::reject::Reject;

/// Parts of an output, as bits.
pub(crate) mod part {
    pub(crate) const KEY: u8 = 1;
    pub(crate) const VALUE: u8 = 2;
    pub(crate) const TIMESTAMP: u8 = 4;
    pub(crate) const HEADERS: u8 = 8;
    pub(crate) const ROUTE: u8 = 16;
    pub(crate) const NULL_KEY: u8 = 32;
    pub(crate) const NULL_VALUE: u8 = 64;
}

/// Byte strings laid end to end, growing.
#[derive(Default)]
pub(crate) struct Growing {
    pub(crate) data: Buffer,
    pub(crate) lengths: Vec<i32>,
}

impl Growing {
    const fn new() -> Growing {
        Growing { data: Buffer::new(), lengths: Vec::new() }
    }

    /// Appends a whole item.
    #[inline]
    pub(crate) fn push(&mut self, item: Option<&[u8]>) {
        if let Some(bytes) = item {
            self.data.extend(bytes);
        }
        self.finish(item.is_none());
    }

    /// Ends the item that was written into `data`.
    #[inline]
    pub(crate) fn finish(&mut self, null: bool) {
        let len = self.data.finish();
        self.lengths.push(if null { -1 } else { len as i32 });
    }

    fn truncate(&mut self, items: usize) {
        let mut end = self.data.all().len();
        for length in self.lengths.drain(items..) {
            end -= length.max(0) as usize;
        }
        self.data.rewind(end);
    }

    fn clear(&mut self) {
        self.lengths.clear();
        self.data.rewind(0);
    }

    pub(crate) fn view(&self) -> Column<'_> {
        Column { data: self.data.all(), lengths: &self.lengths }
    }
}

/// Everything a call gives back.
#[derive(Default)]
pub(crate) struct Columns {
    /// The parts that some output has set; the others keep what the origins had.
    pub(crate) touched: u8,
    pub(crate) origins: Vec<u32>,
    pub(crate) timestamps: Vec<i64>,
    pub(crate) keys: Growing,
    pub(crate) values: Growing,
    pub(crate) header_counts: Vec<u32>,
    pub(crate) header_names: Growing,
    pub(crate) header_values: Growing,
    pub(crate) routes: Vec<u16>,
    pub(crate) route_names: Growing,
    pub(crate) reject_origins: Vec<u32>,
    pub(crate) reject_codes: Growing,
    pub(crate) reject_messages: Growing,
}

impl Columns {
    /// Columns without memory.
    pub(crate) const fn new() -> Columns {
        Columns {
            touched: 0,
            origins: Vec::new(),
            timestamps: Vec::new(),
            keys: Growing::new(),
            values: Growing::new(),
            header_counts: Vec::new(),
            header_names: Growing::new(),
            header_values: Growing::new(),
            routes: Vec::new(),
            route_names: Growing::new(),
            reject_origins: Vec::new(),
            reject_codes: Growing::new(),
            reject_messages: Growing::new(),
        }
    }

    /// Empties everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.touched = 0;
        self.origins.clear();
        self.timestamps.clear();
        self.header_counts.clear();
        self.routes.clear();
        self.reject_origins.clear();
        for column in [
            &mut self.keys,
            &mut self.values,
            &mut self.header_names,
            &mut self.header_values,
            &mut self.route_names,
            &mut self.reject_codes,
            &mut self.reject_messages,
        ] {
            column.clear();
        }
    }

    /// Gives the outputs before this one, which kept the part, what their origins had.
    #[cold]
    #[inline(never)]
    pub(crate) fn touch(&mut self, part: u8, batch: &Batch<'_>) {
        self.touched |= part;
        let mut cursor = crate::record::Cursor::default();
        for at in 0..self.origins.len() {
            while cursor.index < self.origins[at] as usize {
                cursor.advance(batch);
            }
            self.keep(part, &cursor.record(batch));
        }
    }

    /// Appends the parts of an origin to the columns.
    pub(crate) fn keep(&mut self, parts: u8, origin: &Record<'_>) {
        if parts & part::KEY != 0 {
            self.keys.push(origin.key());
        }
        if parts & part::VALUE != 0 {
            self.values.push(origin.value());
        }
        if parts & part::TIMESTAMP != 0 {
            self.timestamps.push(origin.timestamp().unwrap_or(-1));
        }
        if parts & part::HEADERS != 0 {
            let count = self.keep_headers(origin);
            self.header_counts.push(count);
        }
        if parts & part::ROUTE != 0 {
            self.routes.push(0);
        }
    }

    /// Appends the headers of an origin; returns their number.
    pub(crate) fn keep_headers(&mut self, origin: &Record<'_>) -> u32 {
        let mut count = 0;
        for header in origin.headers() {
            self.header_names.push(Some(header.name));
            self.header_values.push(header.value);
            count += 1;
        }
        count
    }

    /// Forgets the last `count` headers.
    pub(crate) fn drop_headers(&mut self, count: u32) {
        let left = self.header_names.lengths.len() - count as usize;
        self.header_names.truncate(left);
        self.header_values.truncate(left);
    }

    /// Forgets all outputs but the first `outputs`.
    pub(crate) fn truncate(&mut self, outputs: usize) {
        self.origins.truncate(outputs);
        if self.touched & part::KEY != 0 {
            self.keys.truncate(outputs);
        }
        if self.touched & part::VALUE != 0 {
            self.values.truncate(outputs);
        }
        if self.touched & part::TIMESTAMP != 0 {
            self.timestamps.truncate(outputs);
        }
        if self.touched & part::HEADERS != 0 {
            let dropped = self.header_counts.drain(outputs..).sum();
            self.drop_headers(dropped);
        }
        if self.touched & part::ROUTE != 0 {
            self.routes.truncate(outputs);
        }
    }

    /// The number that stands for a route's name: 1 for the first.
    pub(crate) fn route(&mut self, name: &str) -> u16 {
        let names = self.route_names.view();
        let mut at = 0;
        for index in 0..names.lengths.len() {
            if names.item(index, at) == Some(name.as_bytes()) {
                return index as u16 + 1;
            }
            at += names.size(index);
        }
        let count = self.route_names.lengths.len();
        assert!(count < u16::MAX as usize, "more than 65535 route names in one batch");
        self.route_names.push(Some(name.as_bytes()));
        count as u16 + 1
    }

    /// Withholds what the record gave so far and notes why.
    #[cold]
    pub(crate) fn reject(&mut self, origin: u32, outputs: usize, reject: &Reject) {
        self.truncate(outputs);
        self.reject_origins.push(origin);
        self.reject_codes.push(Some(reject.code().as_bytes()));
        self.reject_messages.push(Some(reject.message().as_bytes()));
    }
}
