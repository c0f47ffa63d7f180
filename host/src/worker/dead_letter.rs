//! Dead letters: the original record, untouched, and the reason in headers.

use super::submit::Taken;
use crate::batch::{Batch, Headers};
use crate::chain::Plan;
use crate::outputs::OwnedColumn;
use crate::policy::Failure;
use std::time::{SystemTime, UNIX_EPOCH};

/// A message longer than this is cut: brokers bound a record's size.
const LONGEST_MESSAGE: usize = 4096;

/// Who sends a dead letter.
pub(super) struct Sender<'a> {
    pub(super) pipeline: &'a str,
    pub(super) host: &'a str,
    pub(super) plan: &'a Plan,
}

/// The columns that dead letters add to the originals' own.
#[derive(Default)]
pub(super) struct DeadLetters {
    origins: Vec<u32>,
    counts: Vec<u32>,
    names: OwnedColumn,
    values: OwnedColumn,
}

impl DeadLetters {
    pub(super) fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Adds the dead letter of one failed record. `class` must stay the first header, by which a reader finds the host's.
    pub(super) fn add(&mut self, sender: &Sender<'_>, taken: &Taken<'_>, failure: &Failure) {
        let (batch, index) = (&taken.batch, failure.origin as usize);
        let tries = taken.tried.get(index).unwrap_or(&0).saturating_add(taken.again + 1);
        let original = batch.headers.pick(&[failure.origin]);
        self.names.extend(&original.names);
        self.values.extend(&original.values);
        let before = self.names.lengths.len() as u32 - original.names.len() as u32;

        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let stage = sender.plan.stages.get(failure.stage).map(|stage| &stage.module);
        self.header("class", failure.class.as_str());
        self.header("code", &failure.code);
        self.header("message", cut(&failure.message));
        if let Some(backtrace) = &failure.backtrace {
            self.header("backtrace", backtrace);
        }
        self.header("pipeline", sender.pipeline);
        self.header("module", stage.map_or("", |module| module.name()));
        self.header("module-hash", stage.map_or("", |module| module.hash()));
        self.header("stage", &failure.stage.to_string());
        self.header("plan", &sender.plan.number.to_string());
        self.header("topic", batch.topic);
        self.header("partition", &batch.partition.to_string());
        self.header("offset", &batch.offsets[index].to_string());
        self.header("timestamp", &batch.timestamps[index].to_string());
        self.header("host", sender.host);
        self.header("time", &now.to_string());
        self.header("tries", &tries.to_string());

        self.counts.push(self.names.lengths.len() as u32 - before);
        self.origins.push(failure.origin);
    }

    fn header(&mut self, name: &str, value: &str) {
        self.names.push(Some(format!("edgemill.{name}").as_bytes()));
        self.values.push(Some(value.as_bytes()));
    }

    /// The dead letters as rows: keys, values and timestamps are the originals'.
    pub(super) fn rows<'a>(&'a self, batch: &'a Batch<'_>) -> Batch<'a> {
        let headers =
            Headers { counts: self.counts.as_slice().into(), names: self.names.column(), values: self.values.column() };
        Batch { headers, ..batch.slice(0..batch.len()).pick(&self.origins) }
    }
}

/// Cuts a message at a character's boundary.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(LONGEST_MESSAGE)]
}
