//! What a module gives back, lifted into the host: columns, checked before anyone reads them.

use crate::batch::{Batch, Bytes, Column, Headers, size_of_lengths};
use std::borrow::Cow;

/// Byte strings laid end to end, owned. Cleared and filled again from batch to batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedColumn {
    /// The bytes.
    pub data: Vec<u8>,
    /// One length for each byte string; -1 is null.
    pub lengths: Vec<i32>,
}

impl OwnedColumn {
    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.lengths.clear();
    }

    /// Appends a byte string.
    pub fn push(&mut self, bytes: Bytes<'_>) {
        match bytes {
            Some(bytes) => {
                self.data.extend_from_slice(bytes);
                self.lengths.push(i32::try_from(bytes.len()).expect("a record's byte string is below 2 GiB"));
            }
            None => self.lengths.push(-1),
        }
    }

    /// Appends all byte strings of a column.
    pub fn extend(&mut self, column: &Column<'_>) {
        match column {
            Column::Each(each) => each.iter().for_each(|bytes| self.push(*bytes)),
            Column::Dense { data, lengths } => {
                self.data.extend_from_slice(data);
                self.lengths.extend_from_slice(lengths);
            }
        }
    }

    /// Borrows it.
    pub fn column(&self) -> Column<'_> {
        Column::Dense { data: &self.data, lengths: &self.lengths }
    }

    fn check(&self, what: &str, expected: usize) -> Result<(), String> {
        if self.lengths.len() != expected {
            return Err(format!("{what}: {} lengths for {expected} items", self.lengths.len()));
        }
        // no early end, as below: the compiler looks at many at once
        if self.lengths.iter().fold(false, |wrong, length| wrong | (*length < -1))
            && let Some(length) = self.lengths.iter().find(|length| **length < -1)
        {
            return Err(format!("{what}: a length of {length}"));
        }
        let total = size_of_lengths(&self.lengths);
        if total != self.data.len() {
            return Err(format!("{what}: lengths add up to {total} bytes, the data has {}", self.data.len()));
        }
        Ok(())
    }
}

/// The headers of n records, owned; all empty where no record has any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedHeaders {
    /// How many of the names and values belong to each record.
    pub counts: Vec<u32>,
    /// Names.
    pub names: OwnedColumn,
    /// Values.
    pub values: OwnedColumn,
}

impl OwnedHeaders {
    fn clear(&mut self) {
        self.counts.clear();
        self.names.clear();
        self.values.clear();
    }

    /// Borrows them.
    pub fn headers(&self) -> Headers<'_> {
        if self.names.lengths.is_empty() {
            return Headers::default();
        }
        Headers { counts: Cow::Borrowed(&self.counts), names: self.names.column(), values: self.values.column() }
    }

    /// Appends the headers of `records` records.
    fn extend(&mut self, headers: &Headers<'_>, records: usize) {
        match headers.is_empty() {
            true => self.counts.resize(self.counts.len() + records, 0),
            false => self.counts.extend_from_slice(&headers.counts),
        }
        self.names.extend(&headers.names);
        self.values.extend(&headers.values);
    }
}

/// Which columns the outputs do not carry, because every output has what its origin had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Timestamps.
    pub timestamps: bool,
    /// Keys.
    pub keys: bool,
    /// Values.
    pub values: bool,
    /// Headers.
    pub headers: bool,
}

/// A record that the guest refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Index of the input record.
    pub origin: u32,
    /// The guest's short word.
    pub code: String,
    /// For a person.
    pub message: String,
}

/// m records, each naming the input record it came from, and the input records that were refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Index of the input record of each output, ascending.
    pub origins: Vec<u32>,
    /// What the outputs keep; those columns below are empty.
    pub keep: Keep,
    /// Milliseconds since 1970-01-01 UTC; -1 where there is none.
    pub timestamps: Vec<i64>,
    /// Keys.
    pub keys: OwnedColumn,
    /// Values.
    pub values: OwnedColumn,
    /// Headers.
    pub headers: OwnedHeaders,
    /// For each output 0 for where its origin was going, else k for `route_names[k - 1]`; empty: 0 for all.
    pub routes: Vec<u16>,
    /// The destinations that the guest named.
    pub route_names: Vec<String>,
    /// Strictly ascending by origin.
    pub rejects: Vec<Reject>,
}

impl Outputs {
    /// The destinations that outputs were given, one for each of those outputs.
    pub fn named_routes(&self) -> impl Iterator<Item = &String> {
        self.routes.iter().filter_map(|route| self.route_names.get((*route as usize).checked_sub(1)?))
    }

    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        self.origins.clear();
        self.keep = Keep::default();
        self.timestamps.clear();
        self.keys.clear();
        self.values.clear();
        self.headers.clear();
        self.routes.clear();
        self.route_names.clear();
        self.rejects.clear();
    }

    /// Checks the guest's word against the contract, for a batch of `inputs` records.
    ///
    /// # Errors
    /// The first breach, in words. Nothing may read the columns then.
    // Promise: bounds
    pub fn check(&self, inputs: usize) -> Result<(), String> {
        let outputs = self.origins.len();
        if !self.is_one_to_one(inputs) {
            self.check_origins(inputs)?;
        }
        if !self.keep.timestamps && self.timestamps.len() != outputs {
            return Err(format!("timestamps: {} for {outputs} outputs", self.timestamps.len()));
        }
        if !self.keep.keys {
            self.keys.check("keys", outputs)?;
        }
        if !self.keep.values {
            self.values.check("values", outputs)?;
        }
        if !self.keep.headers {
            self.check_headers(outputs)?;
        }
        if !self.routes.is_empty() && self.routes.len() != outputs {
            return Err(format!("routes: {} for {outputs} outputs", self.routes.len()));
        }
        if let Some(route) = self.routes.iter().find(|route| **route as usize > self.route_names.len()) {
            return Err(format!("routes: {route} of {} route names", self.route_names.len()));
        }
        let mut next = 0;
        for reject in &self.rejects {
            if reject.origin < next || reject.origin as usize >= inputs {
                return Err(format!(
                    "rejects: origin {} in a batch of {inputs} records, after {next} were passed",
                    reject.origin
                ));
            }
            next = reject.origin + 1;
        }
        Ok(())
    }

    fn check_origins(&self, inputs: usize) -> Result<(), String> {
        let mut last = 0;
        for &origin in &self.origins {
            if origin < last {
                return Err(format!("origins: {origin} follows {last}; they must ascend"));
            }
            last = origin;
        }
        if !self.origins.is_empty() && last as usize >= inputs {
            return Err(format!("origins: {last} in a batch of {inputs} records"));
        }
        Ok(())
    }

    fn check_headers(&self, outputs: usize) -> Result<(), String> {
        let total = self.headers.names.lengths.len();
        if total == 0 && self.headers.counts.is_empty() {
            return self.headers.values.check("header values", 0);
        }
        if self.headers.counts.len() != outputs {
            return Err(format!("header counts: {} for {outputs} outputs", self.headers.counts.len()));
        }
        let counted: u64 = self.headers.counts.iter().map(|&count| u64::from(count)).sum();
        if counted != total as u64 {
            return Err(format!("header counts add up to {counted}, there are {total} names"));
        }
        self.headers.names.check("header names", total)?;
        self.headers.values.check("header values", total)?;
        if self.headers.names.lengths.contains(&-1) {
            return Err("header names: a null name".to_owned());
        }
        Ok(())
    }

    /// The outputs as the next module's, or the sink's, batch. `input` is what the guest was given.
    pub fn view<'a>(&'a self, input: Batch<'a>) -> Batch<'a> {
        let straight = self.is_one_to_one(input.len());
        let kept = |column: Column<'a>| if straight { column } else { column.pick(&self.origins) };
        let pick = |numbers: Cow<'a, [i64]>| match straight {
            true => numbers,
            false => self.origins.iter().map(|&origin| numbers[origin as usize]).collect(),
        };
        Batch {
            topic: input.topic,
            partition: input.partition,
            offsets: pick(input.offsets),
            timestamps: match self.keep.timestamps {
                true => pick(input.timestamps),
                false => Cow::Borrowed(&self.timestamps),
            },
            keys: if self.keep.keys { kept(input.keys) } else { self.keys.column() },
            values: if self.keep.values { kept(input.values) } else { self.values.column() },
            headers: match (self.keep.headers, straight) {
                (false, _) => self.headers.headers(),
                (true, true) => input.headers,
                (true, false) => input.headers.pick(&self.origins),
            },
            siblings_before: 0,
        }
    }

    /// Whether output i came from input i, for all of `inputs` records.
    pub fn is_one_to_one(&self, inputs: usize) -> bool {
        // without an early end the compiler compares many at once: nearly always all of them are
        self.origins.len() == inputs
            && self.origins.iter().zip(0u32..).fold(true, |all, (&origin, index)| all & (origin == index))
    }

    /// Appends what a part of a batch gave: `part` is that part, and starts at `start` in the batch.
    /// Writes every column out, so that parts which keep different columns fit together.
    pub fn append<'a>(&mut self, given: &'a Outputs, part: &Batch<'a>, start: u32) {
        let view = given.view(part.clone());
        self.origins.extend(given.origins.iter().map(|origin| origin + start));
        self.timestamps.extend_from_slice(&view.timestamps);
        self.keys.extend(&view.keys);
        self.values.extend(&view.values);
        self.headers.extend(&view.headers, view.len());
        let names_before = self.route_names.len() as u16;
        match given.routes.is_empty() {
            true => self.routes.resize(self.origins.len(), 0),
            false => self.routes.extend(given.routes.iter().map(|&k| if k == 0 { 0 } else { k + names_before })),
        }
        // a route's name is kept once for each part at the most: bisection makes few parts
        self.route_names.extend(given.route_names.iter().cloned());
        self.rejects
            .extend(given.rejects.iter().map(|reject| Reject { origin: reject.origin + start, ..reject.clone() }));
    }
}
