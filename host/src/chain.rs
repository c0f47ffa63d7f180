//! Port: a live instance that transforms batches, and the plan that says which instances make a chain.

use crate::batch::Batch;
use crate::modules::Module;
use crate::outputs::Outputs;
use crate::policy::{Class, Failure, Policy, Rule};
use crate::record::Partition;
use apply::ApplyError;
use std::sync::Arc;

pub mod apply;
mod stage;
pub mod team;

/// A call that went wrong. The instance is discarded, whatever it was, but where it [outlives](Transform::outlives_faults) that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub class: Class,
    /// For a person.
    pub message: String,
    /// Where in the guest, a line a frame, where its module has names.
    pub backtrace: Option<String>,
    /// Which record of the batch the guest had in hand, where it is given one at a time. Not to be relied on: a guest may keep
    /// records and work on them later.
    pub at: Option<usize>,
}

impl Fault {
    /// A fault that tells no place in the guest, and no record.
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), backtrace: None, at: None }
    }
}

/// A live instance of a module, owned by one worker.
pub trait Transform: Send {
    /// Makes ready for a batch that comes next: what looks back reads what it has not seen. `go_on` is asked now and then; false
    /// abandons it.
    ///
    /// # Errors
    /// See [`ApplyError`]. No record is at fault.
    fn prepare(&mut self, _batch: &Batch<'_>, _go_on: &mut dyn FnMut() -> bool) -> Result<(), ApplyError> {
        Ok(())
    }

    /// Transforms a batch into `outputs`, which are empty before. What comes back has passed [`Outputs::check`].
    ///
    /// A batch of one record may take the module's whole time limit; a larger one is cut after a shorter slice.
    ///
    /// # Errors
    /// A fault of the call, not of a record: the caller replays.
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault>;

    /// How many records of a larger batch it should be given next, and is given the rest after that: where a call that is cut costs
    /// more than one that is small.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// Whether it is of use after a fault: what was at fault in it is gone already.
    fn outlives_faults(&self) -> bool {
        false
    }

    /// A partition is a lane from now on, or again: what was known of an earlier one is outdated.
    fn begin(&mut self, _partition: &Partition) {}

    /// A partition is no lane any more.
    fn end(&mut self, _partition: &Partition) {}

    /// The memory it holds, in bytes.
    fn memory(&self) -> usize;

    /// Whether it was ever refused memory, as far as that is known.
    fn starved(&self) -> bool {
        false
    }
}

/// A numbered, immutable chain. A swap publishes the next one.
pub struct Plan {
    /// Counts the plans of a pipeline since the program started, from 1.
    pub number: u64,
    /// The modules in order.
    pub stages: Vec<PlanStage>,
    /// What is done with records that fail at the sink: no module is at fault then.
    pub sink: Policy,
}

/// A module's place in a plan.
#[derive(Clone)]
pub struct PlanStage {
    /// The module.
    pub module: Arc<dyn Module>,
    /// What is done with records that fail in it.
    pub policy: Policy,
}

impl Plan {
    /// What to do with a failure of this plan's.
    pub fn rule(&self, failure: &Failure) -> Rule {
        self.stages.get(failure.stage).map_or(&self.sink, |stage| &stage.policy).rule(failure.class)
    }

    /// The modules' names and the first 12 digits of their hashes, for logs.
    pub fn describe(&self) -> String {
        let named = self.stages.iter().map(|stage| {
            let hash = stage.module.hash();
            format!("{}@{}", stage.module.name(), hash.get(..12).unwrap_or(hash))
        });
        named.collect::<Vec<_>>().join(" -> ")
    }
}
