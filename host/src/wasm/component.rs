//! The component door: modules made from `guest-sdk/wit`, with WASI 0.2 as far as languages' runtimes need it.

use super::guest::{Guest, extension};
use super::inspect::TRANSFORMER;
use super::journal::Journal;
use super::stdio::Output;
use super::{CONTRACT, Loading};
use crate::chain::Transform;
use crate::config::Limits;
use crate::modules::{LoadError, Module};
use instance::Instance;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod columns;
mod imports;
mod instance;
mod lift;

pub(super) use imports::linker;

/// Resources of WASI that a guest may hold at once: streams and waits.
const RESOURCES: usize = 1000;

/// Bytes of random that a guest may ask for at once.
const RANDOM: u64 = 1 << 20;

/// What a store of this door knows.
pub(super) struct State {
    guest: Guest,
    wasi: WasiCtx,
    table: ResourceTable,
    errors: Output,
    /// When the call in progress ends: waiting in the host is not seen by the engine's clock.
    until: Option<Instant>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The functions of the interface that the contract names, looked up once.
struct Exports {
    configure: ComponentExportIndex,
    transform: ComponentExportIndex,
}

/// A compiled component of this door.
pub(super) struct ComponentModule {
    name: String,
    hash: String,
    config: String,
    limits: Limits,
    journal: Journal,
    ready: InstancePre<State>,
    exports: Exports,
}

impl ComponentModule {
    /// Links a compiled component.
    ///
    /// # Errors
    /// Its exports are none of this door's, or it imports what is not there.
    fn link(linker: &Linker<State>, component: &Component, what: &Loading<'_>) -> Result<Self, LoadError> {
        let exports = exports(component).map_err(|message| LoadError::new("version", message))?;
        let link = |error: wasmtime::Error| LoadError::new("link", format!("{error:#}"));
        let ready = linker.instantiate_pre(component).map_err(link)?;
        Ok(Self {
            name: what.name.to_owned(),
            hash: what.hash.clone(),
            config: what.config.to_string(),
            limits: what.limits,
            journal: Journal::new(what.name),
            ready,
            exports,
        })
    }

    /// Links what is left of a component without its code, and sees whether its functions take and give what they should.
    ///
    /// # Errors
    /// Which step failed, and why.
    pub(super) fn try_link(linker: &Linker<State>, component: &Component, what: &Loading<'_>) -> Result<(), LoadError> {
        let module = Self::link(linker, component, what)?;
        // its start functions are gone too, so that nothing runs
        Instance::find(&mut module.store(), &module.ready, &module.exports).map(|_| ())
    }

    /// Links a compiled component, and makes an instance to see that it starts and takes its configuration.
    ///
    /// # Errors
    /// Which step failed, and why.
    pub(super) fn load(
        linker: &Linker<State>,
        component: &Component,
        what: &Loading<'_>,
    ) -> Result<Arc<dyn Module>, LoadError> {
        let module = Self::link(linker, component, what)?;
        module.instantiate()?;
        Ok(Arc::new(module))
    }
}

fn exports(component: &Component) -> Result<Exports, String> {
    let interface = format!("{TRANSFORMER}{CONTRACT}");
    let index = component.get_export_index(None, &*interface);
    let index = index.ok_or_else(|| format!("the export {interface} is no interface"))?;
    let function = |name: &str| {
        let function = component.get_export_index(Some(&index), name);
        function.ok_or_else(|| format!("the interface {interface} has no function {name}"))
    };
    Ok(Exports { configure: function("configure")?, transform: function("transform")? })
}

impl Module for ComponentModule {
    fn name(&self) -> &str {
        &self.name
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Instance::start(self.store(), &self.ready, &self.exports, &self.config)?))
    }
}

impl ComponentModule {
    fn store(&self) -> Store<State> {
        let mut store = Store::new(self.ready.engine(), self.state());
        store.limiter(|state| &mut state.guest.limiter);
        store.epoch_deadline_callback(|store| Ok(extension(store.data().guest.more())));
        store.set_hostcall_fuel(self.limits.memory);
        store
    }

    // Promise: closed
    fn state(&self) -> State {
        let output = Output::new(self.journal.clone(), super::journal::Level::Info);
        let errors = Output::new(self.journal.clone(), super::journal::Level::Warn);
        let mut wasi = WasiCtx::builder();
        wasi.stdout(output).stderr(errors.clone()).max_random_size(RANDOM);
        wasi.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let guest = Guest::new(&self.limits, self.journal.clone());
        State { guest, wasi: wasi.build(), table, errors, until: None }
    }
}
