//! Fluvio SmartModules, unmodified: what `docs/guests/fluvio.md` says runs, and what differs.
//!
//! The protocol is Fluvio's (`fluvio-smartmodule` and `fluvio-protocol`, Apache-2.0), version 22 of its records.

use super::Loading;
use super::inspect::FLUVIO;
use super::plain::{Blueprint, PlainModule, Start, State, check_function, check_memory, memory, outside, piece};
use crate::chain::Transform;
use crate::config::LookBack;
use crate::modules::{LoadError, Module};
use crate::source::past::Past;
use instance::Instance;
use lanes::Lanes;
use look_back::ByLane;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::{Caller, ExternType, Linker};

mod instance;
mod lanes;
mod look_back;
mod tail;
mod wire;

/// The version of Fluvio's records that is spoken, as the functions are told it.
const VERSION: u32 = 22;

/// The import by which a SmartModule gives its outputs: known by its name alone, as Fluvio does.
pub(super) const COPY_RECORDS: &str = "copy_records";

/// What a SmartModule does with records: the name of the function that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Filter,
    Map,
    FilterMap,
    ArrayMap,
    Aggregate,
}

impl Work {
    /// The work of an exported function.
    fn of(export: &str) -> Option<Self> {
        Some(match export {
            "filter" => Work::Filter,
            "map" => Work::Map,
            "filter_map" => Work::FilterMap,
            "array_map" => Work::ArrayMap,
            "aggregate" => Work::Aggregate,
            _ => return None,
        })
    }
}

/// What all instances of a SmartModule have in common.
pub(super) struct SmartModule {
    /// The file's.
    name: String,
    work: Work,
    /// The function's name.
    function: &'static str,
    /// What `init` is told, where there is one.
    params: Option<Vec<u8>>,
    /// How far it looks back, where it does, and on what.
    look_back: Option<LookBack>,
    past: Option<Arc<dyn Past>>,
    /// Where `aggregate` has got to. It outlives instances: they are replaced after a fault, or when they have leaked.
    lanes: Lanes,
}

/// Links a compiled SmartModule.
///
/// # Errors
/// Its exports are none of a SmartModule's, or it imports what is not there.
pub(super) fn link(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Blueprint, LoadError> {
    check_memory(module)?;
    check_function(module, "alloc", 1, 1)?;
    let (_, function) = work(module)?;
    check_function(module, function, 3, 1)?;
    for name in ["init", "look_back"].into_iter().filter(|name| module.get_export(name).is_some()) {
        check_function(module, name, 3, 1)?;
    }
    let mut linker = linker.clone();
    for import in module.imports().filter(|import| import.name() == COPY_RECORDS) {
        if let ExternType::Func(_) = import.ty() {
            let link = |error: wasmtime::Error| LoadError::new("link", format!("{error:#}"));
            linker.func_wrap(import.module(), COPY_RECORDS, copy_records).map_err(link)?;
        }
    }
    Blueprint::new(&linker, module, what)
}

/// What a SmartModule does, and the function's name: the first that Fluvio would find.
fn work(module: &wasmtime::Module) -> Result<(Work, &'static str), LoadError> {
    let function = FLUVIO.into_iter().find(|name| module.get_export(name).is_some());
    let work = function.and_then(|function| Some((Work::of(function)?, function)));
    work.ok_or_else(|| LoadError::new("version", "no function of a SmartModule's"))
}

/// Links a compiled SmartModule, and makes an instance to see that it starts and takes its parameters.
///
/// # Errors
/// Which step failed, and why.
pub(super) fn load(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Arc<dyn Module>, LoadError> {
    let blueprint = Arc::new(link(linker, module, what)?);
    let (work, function) = work(module)?;
    let has_init = module.get_export("init").is_some();
    let params = params(what.config)?;
    if !has_init && !params.is_empty() {
        return Err(LoadError::new("configure", "the SmartModule has no init, so it takes no `config`"));
    }
    let look_back = look_back(module, what)?;
    let params = has_init.then(|| wire::init(&params));
    let (name, past) = (what.name.to_owned(), what.past.clone());
    let smart = Arc::new(SmartModule { name, work, function, params, look_back, past, lanes: Lanes::default() });
    // one that looks back makes no instance before it has a lane
    Instance::start(&blueprint, &smart)?;
    PlainModule::share(blueprint, smart)
}

/// How far it looks back. Where nothing says so it does not, as in Fluvio.
fn look_back(module: &wasmtime::Module, what: &Loading<'_>) -> Result<Option<LookBack>, LoadError> {
    match (module.get_export("look_back").is_some(), what.look_back) {
        (true, None) => {
            let remedy = "write `look_back = { last = N }` in its table of the chain";
            tracing::warn!(module = what.name, remedy, "look_back is not called: it begins without the last records");
        }
        (true, Some(_)) | (false, None) => {}
        (false, Some(_)) => {
            let message = "the SmartModule does not export look_back, so it cannot look back: leave `look_back` out";
            return Err(LoadError::new("look-back", message));
        }
    }
    Ok(what.look_back)
}

/// The guest gives what came of its call. What it gave before in the same call counts no more.
fn copy_records(mut caller: Caller<'_, State>, at: u32, size: u32) -> wasmtime::Result<()> {
    let (memory, state) = memory(&mut caller)?;
    let given = piece(memory, at, size).ok_or_else(|| outside(COPY_RECORDS, at, size))?;
    state.given.clear();
    state.given.extend_from_slice(given);
    Ok(())
}

/// A module's configuration as Fluvio has it: names and texts. What is no text becomes JSON.
fn params(config: &Value) -> Result<BTreeMap<&str, String>, LoadError> {
    let wrong = |message: String| LoadError::new("configure", message);
    let table = match config {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(table) => table,
        _ => {
            return Err(wrong(
                "the parameters of a SmartModule are a table: write `config = { name = \"text\" }`".into(),
            ));
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let params: BTreeMap<_, _> = table.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let long = params.iter().find(|(name, text)| name.len().max(text.len()) > usize::from(u16::MAX));
    match long {
        Some((name, _)) => {
            Err(wrong(format!("the parameter {name} is longer than 65,535 bytes, which is Fluvio's limit")))
        }
        None => Ok(params),
    }
}

impl Start for Arc<SmartModule> {
    fn start(&self, blueprint: &Arc<Blueprint>) -> Result<Box<dyn Transform>, LoadError> {
        match self.look_back {
            Some(look_back) => Ok(Box::new(ByLane::new(blueprint, self, look_back))),
            None => Ok(Box::new(Instance::start(blueprint, self)?)),
        }
    }

    fn try_out(&self, blueprint: &Arc<Blueprint>) -> Result<(), LoadError> {
        match (self.look_back, &self.past) {
            (Some(look_back), Some(past)) => ByLane::new(blueprint, self, look_back).try_out(&**past),
            _ => Ok(()),
        }
    }

    fn is_by_partition(&self) -> bool {
        self.work == Work::Aggregate || self.look_back.is_some()
    }
}
