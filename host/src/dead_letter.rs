//! Dead letters as they are found: why a record failed, and which of its headers are its own. Pure.
//!
//! The host adds its headers behind the original's, `edgemill.class` first and only once: so they begin at the last
//! header of that name, also where the original was a dead letter itself.

use crate::batch::{Batch, Bytes, Headers};
use std::ops::Range;

pub mod filter;
#[cfg(test)]
mod tests;

/// What every header of the host begins with.
const PREFIX: &str = "edgemill.";

/// The first of the host's headers.
const FIRST: &[u8] = b"edgemill.class";

/// What the headers of a dead letter say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Why, as [`crate::policy::Class`] names it.
    pub class: &'a str,
    /// The guest's own short word, or the host's.
    pub code: &'a str,
    /// For a person.
    pub message: &'a str,
    /// The guest's call stack, where it is known.
    pub backtrace: Option<&'a str>,
    /// Which pipeline.
    pub pipeline: &'a str,
    /// The module's file; empty where the sink refused the row.
    pub module: &'a str,
    /// SHA-256 of it.
    pub module_hash: &'a str,
    /// Position in the chain, from 0.
    pub stage: &'a str,
    /// Number of the plan.
    pub plan: &'a str,
    /// The original's topic.
    pub topic: &'a str,
    /// The original's partition.
    pub partition: i32,
    /// The original's offset.
    pub offset: i64,
    /// The original's timestamp; -1 where it had none.
    pub timestamp: i64,
    /// Which host.
    pub host: &'a str,
    /// When it failed, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// How often it was tried; at least once.
    pub tries: u32,
    /// How many of the headers are the original's own: the first so many.
    pub own: usize,
}

impl<'a> Letter<'a> {
    /// Reads a record's headers. `None`: the host did not write them.
    pub fn read(headers: &[(Bytes<'a>, Bytes<'a>)]) -> Option<Self> {
        let own = headers.iter().rposition(|(name, _)| *name == Some(FIRST))?;
        let mut letter = Letter { own, timestamp: -1, time: -1, tries: 1, ..Letter::default() };
        let (mut partition, mut offset) = (None, None);
        for (name, value) in &headers[own..] {
            let name = std::str::from_utf8(name.unwrap_or_default()).ok()?.strip_prefix(PREFIX)?;
            let value = std::str::from_utf8(value.unwrap_or_default()).ok()?;
            match name {
                "class" => letter.class = value,
                "code" => letter.code = value,
                "message" => letter.message = value,
                "backtrace" => letter.backtrace = Some(value).filter(|trace| !trace.is_empty()),
                "pipeline" => letter.pipeline = value,
                "module" => letter.module = value,
                "module-hash" => letter.module_hash = value,
                "stage" => letter.stage = value,
                "plan" => letter.plan = value,
                "topic" => letter.topic = value,
                "partition" => partition = value.parse().ok(),
                "offset" => offset = value.parse().ok(),
                "timestamp" => letter.timestamp = value.parse().ok()?,
                "host" => letter.host = value,
                "time" => letter.time = value.parse().ok()?,
                "tries" => letter.tries = value.parse::<u32>().ok()?.max(1),
                // a later version may tell more
                _ => {}
            }
        }
        (letter.partition, letter.offset) = (partition?, offset?);
        let possible = letter.partition >= 0 && letter.offset >= 0;
        Some(letter).filter(|letter| possible && !letter.topic.is_empty() && !letter.class.is_empty())
    }
}

/// The headers of each record of a batch, by its index.
pub struct HeaderRows<'a> {
    names: Vec<Bytes<'a>>,
    values: Vec<Bytes<'a>>,
    starts: Vec<u32>,
}

impl<'a> HeaderRows<'a> {
    /// Of a batch's headers.
    pub fn new(headers: &Headers<'a>) -> Self {
        let (names, values) = (headers.names.iter().collect(), headers.values.iter().collect());
        Self { names, values, starts: headers.starts() }
    }

    /// Names and values of one record.
    pub fn row(&self, index: usize) -> Vec<(Bytes<'a>, Bytes<'a>)> {
        let Some((&start, &end)) = self.starts.get(index).zip(self.starts.get(index + 1)) else { return Vec::new() };
        let range: Range<usize> = start as usize..end as usize;
        self.names[range.clone()].iter().copied().zip(self.values[range].iter().copied()).collect()
    }
}

/// Calls `see` with each record of a batch of the dead-letter topic, what its headers say, and the headers.
pub fn each<'a>(batch: &Batch<'a>, mut see: impl FnMut(usize, Option<Letter<'a>>, &[(Bytes<'a>, Bytes<'a>)])) {
    let rows = HeaderRows::new(&batch.headers);
    for index in 0..batch.len() {
        let headers = rows.row(index);
        see(index, Letter::read(&headers), &headers);
    }
}
