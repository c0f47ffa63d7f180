//! Plain modules of every kind: what their stores know, what they may import, and how instances of them are made.

use super::guest::{Breach, Guest, extension};
use super::journal::{Journal, Level};
use super::limits::{Call, Time};
use super::redpanda::Desk;
use super::{LOG, Loading};
use crate::chain::{Fault, Transform};
use crate::config::Limits;
use crate::modules::{LoadError, Module};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasi::Wasi;
use wasmtime::{Caller, Engine, ExternType, Instance, InstancePre, Linker, Memory, Store, ValType};

pub(super) mod wasi;

/// What a store of a plain module knows.
pub(super) struct State {
    pub(super) guest: Guest,
    /// Looked up once: exports are found by name otherwise, at twice the cost of a call.
    pub(super) memory: Option<Memory>,
    pub(super) wasi: Wasi,
    /// When the call in progress ends: waiting in the host is not seen by the engine's clock.
    until: Option<Instant>,
    /// What a SmartModule gave in the call in progress.
    pub(super) given: Vec<u8>,
    /// Where a Redpanda transform finds its batches.
    pub(super) desk: Option<Box<Desk>>,
}

impl State {
    /// The guest had to wait so long for something that is not of its making: it is not charged for that.
    pub(super) fn waited(&mut self, time: Duration) {
        self.until = self.until.map(|until| until + time);
    }
}

/// What plain modules may import.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(LOG, "log", |mut caller: Caller<'_, State>, level: i32, at: u32, size: u32| {
        let (memory, state) = memory(&mut caller)?;
        let message = piece(memory, at, size).ok_or_else(|| outside("log", at, size))?;
        state.guest.log(Level::from_number(level), message);
        Ok(())
    })?;
    wasi::link(&mut linker)?;
    Ok(linker)
}

/// The memory of the guest that calls, and what its store knows.
pub(super) fn memory<'a>(caller: &'a mut Caller<'_, State>) -> wasmtime::Result<(&'a mut [u8], &'a mut State)> {
    let memory = match caller.data().memory {
        Some(memory) => memory,
        // a start function may call before the memory was looked up
        None => caller
            .get_export("memory")
            .and_then(|export| export.into_memory())
            .ok_or_else(|| Breach("the module exports no memory".to_owned()))?,
    };
    Ok(memory.data_and_store_mut(caller))
}

/// `size` bytes at `at` of a guest's memory; `None` where they end outside of it.
pub(super) fn piece(memory: &[u8], at: u32, size: u32) -> Option<&[u8]> {
    memory.get(at as usize..(at as usize).checked_add(size as usize)?)
}

/// An import was given what lies outside of the memory.
pub(super) fn outside(import: &str, at: u32, size: u32) -> Breach {
    Breach(format!("{import}: {size} bytes at {at} end outside of the memory"))
}

/// What instances of a module are made of.
pub(super) struct Blueprint {
    name: String,
    hash: String,
    pub(super) limits: Limits,
    journal: Journal,
    pub(super) ready: InstancePre<State>,
    /// The program's arguments and environment, each ended by a zero byte.
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) environment: Vec<Vec<u8>>,
}

impl Blueprint {
    /// Links a compiled module.
    ///
    /// # Errors
    /// It imports what is not there.
    pub(super) fn new(
        linker: &Linker<State>,
        module: &wasmtime::Module,
        what: &Loading<'_>,
    ) -> Result<Self, LoadError> {
        let ready = linker.instantiate_pre(module).map_err(|error| LoadError::new("link", mismatch(&error)))?;
        Ok(Self {
            name: what.name.to_owned(),
            hash: what.hash.clone(),
            limits: what.limits,
            journal: Journal::new(what.name),
            ready,
            arguments: vec![wasi::terminated(what.name)],
            environment: Vec::new(),
        })
    }

    /// The time for a call, where there is a limit.
    pub(super) fn allowed(&self, call: Call) -> Option<Duration> {
        Time::new(&self.limits).map(|time| time.allowed(call))
    }

    /// A store for an instance.
    pub(super) fn store(&self) -> Store<State> {
        let guest = Guest::new(&self.limits, self.journal.clone());
        let mut wasi = Wasi::new(&self.journal);
        wasi.arguments.clone_from(&self.arguments);
        wasi.environment.clone_from(&self.environment);
        let state = State { guest, memory: None, wasi, until: None, given: Vec::new(), desk: None };
        let mut store = Store::new(self.ready.module().engine(), state);
        store.limiter(|state| &mut state.guest.limiter);
        store.epoch_deadline_callback(|store| Ok(extension(store.data().guest.more())));
        store
    }
}

/// Why a module cannot be linked, in words that say who wants what: the engine's are "expected" and "found".
fn mismatch(error: &wasmtime::Error) -> String {
    let told = format!("{error:#}");
    match told.split_once("types incompatible: expected type ") {
        Some((import, types)) => {
            let types = types.replace(", found type ", ", and this host has ");
            format!("{import}the module wants {types}; build it with the SDK for what it is made for")
        }
        None => told,
    }
}

/// What sets one kind of plain module apart from the others.
pub(super) trait Start: Send + Sync + 'static {
    /// Makes a configured instance.
    ///
    /// # Errors
    /// It does not start, or refuses its configuration.
    fn start(&self, blueprint: &Arc<Blueprint>) -> Result<Box<dyn Transform>, LoadError>;

    /// See [`Module::try_out`].
    ///
    /// # Errors
    /// Why it would not do.
    fn try_out(&self, _blueprint: &Arc<Blueprint>) -> Result<(), LoadError> {
        Ok(())
    }

    /// See [`Module::is_by_partition`].
    fn is_by_partition(&self) -> bool {
        false
    }

    /// See [`Module::declares`].
    fn declares(&self) -> &[String] {
        &[]
    }
}

/// A compiled plain module.
pub(super) struct PlainModule<K> {
    blueprint: Arc<Blueprint>,
    kind: K,
}

impl<K: Start> PlainModule<K> {
    /// Makes an instance to see that it starts and takes its configuration.
    ///
    /// # Errors
    /// Which step failed, and why.
    pub(super) fn load(blueprint: Blueprint, kind: K) -> Result<Arc<dyn Module>, LoadError> {
        Self::share(Arc::new(blueprint), kind)
    }

    /// As [`PlainModule::load`], of what is used already.
    ///
    /// # Errors
    /// Which step failed, and why.
    pub(super) fn share(blueprint: Arc<Blueprint>, kind: K) -> Result<Arc<dyn Module>, LoadError> {
        let module = Self { blueprint, kind };
        module.instantiate()?;
        Ok(Arc::new(module))
    }
}

impl<K: Start> Module for PlainModule<K> {
    fn name(&self) -> &str {
        &self.blueprint.name
    }

    fn hash(&self) -> &str {
        &self.blueprint.hash
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        self.kind.start(&self.blueprint)
    }

    fn try_out(&self) -> Result<(), LoadError> {
        self.kind.try_out(&self.blueprint)
    }

    fn is_by_partition(&self) -> bool {
        self.kind.is_by_partition()
    }

    fn declares(&self) -> &[String] {
        self.kind.declares()
    }
}

/// A live instance in its store.
pub(super) struct Live {
    pub(super) store: Store<State>,
    pub(super) memory: Memory,
    pub(super) instance: Instance,
}

impl Live {
    /// Makes an instance within the time for starting, which runs on for what is done with it first.
    pub(super) fn new(blueprint: &Blueprint, call: Call) -> Result<Self, Fault> {
        let mut store = blueprint.store();
        begin(&mut store, call);
        let made = blueprint.ready.instantiate(&mut store).and_then(|instance| {
            let memory = instance.get_memory(&mut store, "memory");
            Ok((memory.ok_or_else(|| Breach("the export memory is missing".to_owned()))?, instance))
        });
        let (memory, instance) = made.map_err(|error| fault(&mut store, &error, call))?;
        store.data_mut().memory = Some(memory);
        let mut live = Self { store, memory, instance };
        if live.instance.get_func(&mut live.store, "_initialize").is_some() {
            let initialize = live.instance.get_typed_func::<(), ()>(&mut live.store, "_initialize");
            let initialized = initialize.and_then(|initialize| initialize.call(&mut live.store, ()));
            initialized.map_err(|error| fault(&mut live.store, &error, call))?;
        }
        Ok(live)
    }
}

/// Begins a call: from here on its time runs.
pub(super) fn begin(store: &mut Store<State>, call: Call) {
    if let Some(ticks) = resume(store.data_mut(), call) {
        store.set_epoch_deadline(ticks);
    }
}

/// As [`begin`], for a guest that stands in an import. Returns the call's deadline in ticks, where there is one.
pub(super) fn resume(state: &mut State, call: Call) -> Option<u64> {
    state.wasi.begin();
    state.until = state.guest.allowed(call).map(|allowed| Instant::now() + allowed);
    state.guest.begin(call)
}

/// What went wrong. Where the guest has logged no error, what it printed explains it: that is where panics go.
pub(super) fn fault(store: &mut Store<State>, error: &wasmtime::Error, call: Call) -> Fault {
    let state = store.data_mut();
    let printed = state.wasi.printed();
    state.guest.explain(printed);
    state.guest.fault(error, call)
}

/// Checks that a module has a memory that the host can use.
pub(super) fn check_memory(module: &wasmtime::Module) -> Result<(), LoadError> {
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => Ok(()),
        Some(_) => Err(LoadError::new("version", "the export memory must be a memory with 32-bit addresses")),
        None => Err(LoadError::new("version", "the export memory is missing: the linker is to export it")),
    }
}

/// Checks that a module exports a function of so many `i32` and as many results, 0 or 1.
pub(super) fn check_function(
    module: &wasmtime::Module,
    name: &str,
    params: usize,
    results: usize,
) -> Result<(), LoadError> {
    let fits = match module.get_export(name) {
        Some(ExternType::Func(ty)) => {
            let i32s = ty.params().chain(ty.results()).all(|ty| matches!(ty, ValType::I32));
            i32s && ty.params().len() == params && ty.results().len() == results
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let (params, result) = (vec!["i32"; params].join(", "), ["()", "i32"][results.min(1)]);
    let is = if module.get_export(name).is_some() { "must be" } else { "is missing, and must be" };
    let remedy = "build it with the SDK for what it is made for";
    Err(LoadError::new("version", format!("the export {name} {is} a function ({params}) -> {result}: {remedy}")))
}
