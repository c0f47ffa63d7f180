//! WebAssembly: compiles modules and makes live guests of them: at two doors (`core`, `component`) with one meaning, and
//! of what was made for other systems (`fluvio`, `lines`, `redpanda`).
//!
//! The only place that knows wasmtime. `unsafe` is in `compile`, where compiled modules are taken from the cache, and in
//! `component`, where columns are lowered and lifted without a copy between.

use crate::config::{Ends, Limits, LookBack, ModuleType, Stage};
use crate::modules::{LoadError, Module};
use crate::registry::Registry;
use crate::source::past::Past;
use cache::Cache;
use component::ComponentModule;
use inspect::{outline, validate};
use serde_json::Value;
use settings::Checks;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ticker::Ticker;

mod backtrace;
mod cache;
mod compile;
mod component;
mod core;
mod fluvio;
mod guest;
mod inspect;
mod journal;
mod lifted;
mod limits;
mod lines;
mod plain;
mod redpanda;
mod settings;
mod stdio;
mod ticker;

#[cfg(test)]
mod tests;

pub use inspect::{Door, Import, Inspection, MemorySize, inspect};

/// The version of the contract that this host speaks.
pub const CONTRACT: &str = "1.0.0";

/// The function that a plain module transforms with.
const CORE_EXPORT: &str = "edgemill_transform_1_0_0";

/// The interface through which guests log.
const LOG: &str = "edgemill:transform/log@1.0.0";

/// Compiles modules. Cheap to clone; the last clone ends the clock's thread.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    timed: Runtime,
    /// For modules without a limit of time: made when the first such module comes.
    untimed: OnceLock<Runtime>,
    cache: Option<Cache>,
    /// What modules may ask for schemas.
    registry: OnceLock<Arc<dyn Registry>>,
    _ticker: Ticker,
}

/// An engine and what its guests may import.
struct Runtime {
    engine: wasmtime::Engine,
    plain: wasmtime::Linker<plain::State>,
    component: wasmtime::component::Linker<component::State>,
}

impl Runtime {
    fn new(checks: Checks) -> wasmtime::Result<Self> {
        let engine = settings::engine(checks)?;
        let plain = plain::linker(&engine)?;
        let component = component::linker(&engine)?;
        Ok(Self { engine, plain, component })
    }
}

/// A module that is being loaded.
struct Loading<'a> {
    name: &'a str,
    hash: String,
    config: &'a Value,
    limits: Limits,
    ends: &'a Ends,
    registry: Option<Arc<dyn Registry>>,
    look_back: Option<LookBack>,
    past: Option<Arc<dyn Past>>,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot run WebAssembly here: {0}")]
pub struct EngineError(String);

impl Engine {
    /// Makes an engine that keeps compiled modules in `compiled`, a folder in the folder `state`, where there is one.
    ///
    /// # Errors
    /// The machine cannot run WebAssembly, or others may write to the folder.
    pub fn new(state: Option<&Path>) -> Result<Self, EngineError> {
        let cache = state.map(|state| Cache::open(state.join("compiled"))).transpose().map_err(EngineError)?;
        let timed = Runtime::new(Checks::Time).map_err(|error| EngineError(format!("{error:#}")))?;
        let ticker = Ticker::start(timed.engine.weak()).map_err(|error| EngineError(error.to_string()))?;
        Ok(Self {
            shared: Arc::new(Shared {
                timed,
                untimed: OnceLock::new(),
                cache,
                registry: OnceLock::new(),
                _ticker: ticker,
            }),
        })
    }

    /// Lets the modules of pipelines ask a schema registry. Only the first that is given counts.
    // Promise: closed
    pub fn grant(&self, registry: Arc<dyn Registry>) {
        // a second one would be a mistake of the caller's, which changes nothing
        let _ = self.shared.registry.set(registry);
    }

    /// Makes a module of a file's bytes: compiles it, and makes an instance to see that it works.
    ///
    /// # Errors
    /// Which step failed, and why. The module is not usable.
    // Promise: keep
    pub fn load(&self, name: &str, bytes: &[u8], config: &Value, limits: Limits) -> Result<Arc<dyn Module>, LoadError> {
        let ends = &Ends::default();
        let hash = String::new();
        let what = Loading { name, hash, config, limits, ends, registry: None, look_back: None, past: None };
        self.make(bytes, None, what)
    }

    fn make(&self, bytes: &[u8], wanted: Option<ModuleType>, what: Loading<'_>) -> Result<Arc<dyn Module>, LoadError> {
        let inspection = inspect(bytes)?;
        if let Some(wanted) = wanted {
            inspection.check_type(wanted)?;
        }
        inspection.check()?;
        if what.look_back.is_some() && inspection.made_for != Some(ModuleType::Fluvio) {
            let message = "only a Fluvio SmartModule looks back, which this is not: leave `look_back` out";
            return Err(LoadError::new("look-back", message));
        }
        let runtime = self.runtime(what.limits)?;
        let what = Loading { hash: inspection.sha256, ..what };
        let (engine, cache) = (&runtime.engine, self.shared.cache.as_ref());
        match inspection.door {
            Door::Core => {
                let module = compile::compile(engine, cache, &what.hash, bytes)?;
                let load = match inspection.made_for {
                    Some(ModuleType::Fluvio) => fluvio::load,
                    Some(ModuleType::Lines) => lines::load,
                    Some(ModuleType::Redpanda) => redpanda::load,
                    _ => core::load,
                };
                load(&runtime.plain, &module, &what)
            }
            Door::Component => {
                let component = compile::compile(engine, cache, &what.hash, bytes)?;
                ComponentModule::load(&runtime.component, &component, &what)
            }
        }
    }

    /// Sees whether a module would be linked: whether its exports and imports are of the types that they should be. Nothing of its
    /// code is compiled, and none of it runs; of a component an instance is made, with limits, since functions' types are those of one.
    ///
    /// # Errors
    /// Which step would fail, and why.
    pub fn try_link(&self, bytes: &[u8]) -> Result<(), LoadError> {
        let inspection = inspect(bytes)?;
        inspection.check()?;
        let outline = outline(bytes)?;
        let (ends, limits, hash) =
            (&Ends::default(), Limits { memory: 4 << 30, time: Some(Duration::from_secs(1)) }, String::new());
        let (name, config) = ("", &Value::Null);
        let what = Loading { name, hash, config, limits, ends, registry: None, look_back: None, past: None };
        let Runtime { engine, plain, component } = &self.shared.timed;
        match inspection.door {
            Door::Core => {
                let module = compile::compile(engine, None, "", &outline)?;
                let link = match inspection.made_for {
                    Some(ModuleType::Fluvio) => fluvio::link,
                    Some(ModuleType::Lines) => lines::link,
                    Some(ModuleType::Redpanda) => redpanda::link,
                    _ => core::link,
                };
                link(plain, &module, &what).map(|_| ())
            }
            Door::Component => {
                ComponentModule::try_link(component, &compile::compile(engine, None, "", &outline)?, &what)
            }
        }
    }

    /// Makes a module as a chain's table wants it. Where it looks back, every partition is as if nothing had been before.
    ///
    /// # Errors
    /// As [`Engine::load`]; or it is made for something else than the table says.
    pub fn load_stage(&self, stage: &Stage, bytes: &[u8]) -> Result<Arc<dyn Module>, LoadError> {
        self.stage(stage, bytes, None)
    }

    /// As [`Engine::load_stage`]. Where it looks back, it is shown `past`.
    ///
    /// # Errors
    /// As [`Engine::load_stage`].
    pub fn load_with_past(
        &self,
        stage: &Stage,
        bytes: &[u8],
        past: Arc<dyn Past>,
    ) -> Result<Arc<dyn Module>, LoadError> {
        self.stage(stage, bytes, Some(past))
    }

    fn stage(&self, stage: &Stage, bytes: &[u8], past: Option<Arc<dyn Past>>) -> Result<Arc<dyn Module>, LoadError> {
        let Stage { module: name, config, limits, ends, module_type, look_back, .. } = stage;
        let (registry, limits, look_back) = (self.shared.registry.get().cloned(), *limits, *look_back);
        let what = Loading { name, hash: String::new(), config, limits, ends, registry, look_back, past };
        self.make(bytes, *module_type, what)
    }

    fn runtime(&self, limits: Limits) -> Result<&Runtime, LoadError> {
        if limits.time.is_some() {
            return Ok(&self.shared.timed);
        }
        if let Some(runtime) = self.shared.untimed.get() {
            return Ok(runtime);
        }
        let runtime = Runtime::new(Checks::None).map_err(|error| LoadError::new("compile", format!("{error:#}")))?;
        Ok(self.shared.untimed.get_or_init(|| runtime))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
