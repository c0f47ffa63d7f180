//! The core door: plain modules that exchange columns through their own memory, as `docs/guests/core-door.md` says.

use super::guest::{Breach, Guest, extension};
use super::journal::{Journal, Level};
use super::{CORE_EXPORT, LOG, Loading};
use crate::chain::Transform;
use crate::config::Limits;
use crate::modules::{LoadError, Module};
use instance::Instance;
use std::sync::Arc;
use wasmtime::{Caller, Engine, ExternType, InstancePre, Linker, Memory, Store, ValType};

mod instance;
mod lift;
mod lower;

/// The exports that a module must have, with their types in words.
const FUNCTIONS: [(&str, usize); 3] = [("edgemill_alloc", 1), ("edgemill_configure", 2), (CORE_EXPORT, 1)];

/// What a store of this door knows.
pub(super) struct State {
    guest: Guest,
    /// Looked up once: exports are found by name otherwise, at twice the cost of a call.
    memory: Option<Memory>,
}

/// What a plain module may import.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(LOG, "log", |mut caller: Caller<'_, State>, level: i32, at: u32, size: u32| {
        let known = caller.data().memory;
        // a start function may log before the memory was looked up
        let memory = known.or_else(|| caller.get_export("memory")?.into_memory());
        let Some(memory) = memory else {
            return Err(Breach("log: the module has no memory".to_owned()).into());
        };
        let (memory, state) = memory.data_and_store_mut(&mut caller);
        let message = (at as usize).checked_add(size as usize).and_then(|end| memory.get(at as usize..end));
        let Some(message) = message else {
            return Err(Breach(format!("log: {size} bytes at {at} end outside of the memory")).into());
        };
        state.guest.log(Level::from_number(level), message);
        Ok(())
    })?;
    Ok(linker)
}

/// A compiled module of this door.
pub(super) struct CoreModule {
    name: String,
    hash: String,
    config: String,
    limits: Limits,
    journal: Journal,
    ready: InstancePre<State>,
}

impl CoreModule {
    /// Links a compiled module, and makes an instance to see that it starts and takes its configuration.
    ///
    /// # Errors
    /// Which step failed, and why.
    pub(super) fn load(
        linker: &Linker<State>,
        module: &wasmtime::Module,
        what: Loading<'_>,
    ) -> Result<Arc<dyn Module>, LoadError> {
        check_exports(module)?;
        let ready = linker.instantiate_pre(module).map_err(|error| LoadError::new("link", format!("{error:#}")))?;
        let module = Self {
            name: what.name.to_owned(),
            hash: what.hash,
            config: what.config.to_string(),
            limits: what.limits,
            journal: Journal::new(what.name),
            ready,
        };
        module.instantiate()?;
        Ok(Arc::new(module))
    }
}

/// Checks that the exports have the types that the contract says.
fn check_exports(module: &wasmtime::Module) -> Result<(), LoadError> {
    let error = |message: String| Err(LoadError::new("version", message));
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        _ => return error("the export memory must be a memory with 32-bit addresses".to_owned()),
    }
    for (name, params) in FUNCTIONS {
        let fits = match module.get_export(name) {
            Some(ExternType::Func(ty)) => {
                let i32s = ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32));
                i32s && ty.params().len() == params && ty.results().len() == 1
            }
            _ => false,
        };
        if !fits {
            let params = ["i32"; 2][..params].join(", ");
            return error(format!("the export {name} must be a function ({params}) -> i32"));
        }
    }
    Ok(())
}

impl Module for CoreModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        let guest = Guest::new(&self.limits, self.journal.clone());
        let mut store = Store::new(self.ready.module().engine(), State { guest, memory: None });
        store.limiter(|state| &mut state.guest.limiter);
        store.epoch_deadline_callback(|store| Ok(extension(store.data().guest.more())));
        Ok(Box::new(Instance::start(store, &self.ready, &self.config)?))
    }
}
