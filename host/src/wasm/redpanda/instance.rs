//! A transform as a part of a chain: finds the guest of each batch's partition, and takes what it wrote.

use super::Redpanda;
use super::desk::Work;
use super::guest::Guest;
use super::payload::Records;
use super::shelf::Kept;
use crate::batch::Batch;
use crate::chain::{Fault, Transform};
use crate::modules::LoadError;
use crate::outputs::{Keep, Outputs};
use crate::policy::Class;
use crate::wasm::guest::breach;
use crate::wasm::lifted::{self, Budget};
use crate::wasm::limits::Call;
use crate::wasm::plain::Blueprint;
use std::mem;
use std::sync::Arc;
use std::time::Instant;

/// A transform in one worker's chain.
pub(super) struct Instance {
    blueprint: Arc<Blueprint>,
    redpanda: Arc<Redpanda>,
    /// A guest for the next partition that has none.
    spare: Option<Guest>,
    records: Records,
}

impl Instance {
    /// Starts a guest to see that it comes to its first batch.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn start(blueprint: &Arc<Blueprint>, redpanda: &Arc<Redpanda>) -> Result<Self, LoadError> {
        let spare = Guest::start(blueprint, redpanda, &redpanda.input);
        let spare = spare.map_err(|fault| LoadError::new("instantiate", fault.message))?;
        let (blueprint, redpanda) = (blueprint.clone(), redpanda.clone());
        Ok(Self { blueprint, redpanda, spare: Some(spare), records: Records::default() })
    }

    fn guest(&mut self, batch: &Batch<'_>) -> Result<Kept, Fault> {
        if let Some(kept) = self.redpanda.shelf.take(batch.topic, batch.partition, batch.place(0)) {
            return Ok(kept);
        }
        // a spare was told the topic that the pipeline names first
        let guest = match self.spare.take().filter(|_| self.redpanda.input == batch.topic) {
            Some(guest) => guest,
            None => Guest::start(&self.blueprint, &self.redpanda, batch.topic)?,
        };
        Ok(Kept::new(guest, batch.topic, batch.partition))
    }

    // Promise: one
    fn apply(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let mut kept = self.guest(batch)?;
        let limit = self.blueprint.limits.memory;
        let mut records = mem::take(&mut self.records);
        records.fill(batch);
        outputs.keep = Keep { timestamps: true, ..Keep::default() };
        let call = Call::Each(batch.len());
        let budget = Budget::new(limit, batch.len());
        let work = Work { call, records, given: 0, outputs: mem::take(outputs), budget };
        let began = Instant::now();
        // a guest that ended leaves nothing of what it wrote
        let work = kept.guest.transform(work);
        if work.as_ref().is_err_and(|fault| fault.class == Class::Timeout) {
            self.redpanda.pace.cut();
        }
        let work = work?;
        self.redpanda.pace.took(batch.len(), began.elapsed());
        (*outputs, self.records) = (work.outputs, work.records);
        lifted::check(outputs, batch, limit).map_err(breach)?;
        self.redpanda.shelf.put(kept, batch.place(batch.len() - 1));
        Ok(())
    }
}

impl Transform for Instance {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        let result = self.apply(batch, outputs);
        if result.is_err() {
            outputs.clear();
        }
        result
    }

    // Promise: bounds
    fn most(&self) -> usize {
        self.redpanda.pace.most()
    }

    fn memory(&self) -> usize {
        self.redpanda.shelf.memory() + self.spare.as_ref().map_or(0, Guest::memory)
    }
}
