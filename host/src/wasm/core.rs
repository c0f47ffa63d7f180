//! The core door: plain modules that exchange columns through their own memory, as `docs/guests/core-door.md` says.

use super::plain::{Blueprint, PlainModule, Start, State, check_function, check_memory};
use super::{CORE_EXPORT, Loading};
use crate::chain::Transform;
use crate::modules::{LoadError, Module};
use instance::Instance;
use std::sync::Arc;
use wasmtime::Linker;

mod instance;
mod lift;
mod lower;

/// The functions that a module must export, and how many numbers each takes.
const FUNCTIONS: [(&str, usize); 3] = [("edgemill_alloc", 1), ("edgemill_configure", 2), (CORE_EXPORT, 1)];

/// What an instance of this door is configured with, as JSON.
struct Core {
    config: String,
}

/// Links a compiled module.
///
/// # Errors
/// Its exports are none of this door's, or it imports what is not there.
pub(super) fn link(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Blueprint, LoadError> {
    check_memory(module)?;
    for (name, params) in FUNCTIONS {
        check_function(module, name, params, 1)?;
    }
    Blueprint::new(linker, module, what)
}

/// Links a compiled module, and makes an instance to see that it starts and takes its configuration.
///
/// # Errors
/// Which step failed, and why.
pub(super) fn load(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Arc<dyn Module>, LoadError> {
    PlainModule::load(link(linker, module, what)?, Core { config: what.config.to_string() })
}

impl Start for Core {
    fn start(&self, blueprint: &Arc<Blueprint>) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Instance::start(blueprint, &self.config)?))
    }
}
