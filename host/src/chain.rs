//! Port: a live instance that transforms batches, and the plan that says which instances make a chain.

use crate::batch::Batch;
use crate::modules::Module;
use crate::outputs::Outputs;
use crate::policy::{Action, Class, Failure, Policy};
use std::sync::Arc;

pub mod apply;
mod stage;

/// A call that went wrong. The instance is discarded, whatever it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub class: Class,
    /// For a person; a guest's backtrace where there is one.
    pub message: String,
}

/// A live instance of a module, owned by one worker.
pub trait Transform: Send {
    /// Transforms a batch into `outputs`, which are empty before. What comes back has passed [`Outputs::check`].
    ///
    /// A batch of one record may take the module's whole time limit; a larger one is cut after a shorter slice.
    ///
    /// # Errors
    /// A fault of the call, not of a record: the caller replays.
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault>;

    /// The memory it holds, in bytes.
    fn memory(&self) -> usize;
}

/// A numbered, immutable chain. A swap publishes the next one.
pub struct Plan {
    /// Counts the plans of a pipeline since the program started, from 1.
    pub number: u64,
    /// The modules in order.
    pub stages: Vec<PlanStage>,
    /// What is done with records whose rows the sink refuses: no module is at fault then.
    pub refused: Action,
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
    pub fn action(&self, failure: &Failure) -> Action {
        self.stages.get(failure.stage).map_or(self.refused, |stage| stage.policy.action(failure.class))
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
