//! The trait that authors implement, and the loop that runs it over a batch.

use crate::columns::Columns;
use crate::outputs::Outputs;
use crate::record::{Batch, Cursor, Record};
use crate::reject::Reject;
use serde::de::DeserializeOwned;

/// What a transform returns for a record.
pub type Result<T = (), E = Reject> = std::result::Result<T, E>;

/// A transform with a configuration, or with something to remember.
///
/// It must be replayable: after a fault the host gives the same records to a fresh instance again.
pub trait Transform: Sized {
    /// The module's configuration. Where the pipeline has none (`null`), it is read from `null`, else from `{}`: `()`
    /// takes none, and a struct whose fields all have a serde default needs none.
    type Config: DeserializeOwned;

    /// Makes the transform, once, before any record.
    ///
    /// # Errors
    ///
    /// The message refuses the module; it is shown to whoever deploys it.
    fn configure(config: Self::Config) -> Result<Self, String>;

    /// Turns one record into any number of outputs.
    ///
    /// # Errors
    ///
    /// A reject withholds what the record gave so far.
    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result;
}

/// Reads the configuration and makes the transform.
pub(crate) fn configure<T: Transform>(config: &str) -> Result<T, String> {
    let parsed = match serde_json::from_str(config) {
        Err(_) if config.trim() == "null" => serde_json::from_str("{}"),
        parsed => parsed,
    };
    match parsed {
        Ok(config) => T::configure(config),
        Err(error) => Err(format!("the configuration does not fit: {error}")),
    }
}

/// Passes every record of the batch to `apply`.
#[inline]
pub(crate) fn run(
    mut apply: impl FnMut(&Record<'_>, &mut Outputs<'_>) -> Result,
    batch: &Batch<'_>,
    columns: &mut Columns,
) {
    columns.clear();
    let mut cursor = Cursor::default();
    while cursor.index < batch.offsets.len() {
        let record = cursor.record(batch);
        let outputs = columns.origins.len();
        if let Err(reject) = apply(&record, &mut Outputs::new(columns, batch, &record)) {
            columns.reject(cursor.index as u32, outputs, &reject);
        }
        cursor.advance(batch);
    }
}
