//! Port: a live instance that transforms batches, and the chain that is made of them.

use crate::batch::Batch;
use crate::outputs::Outputs;
use crate::policy::Class;

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
