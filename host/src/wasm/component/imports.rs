//! What components may import: the log, and of WASI what `inspect::grants` says.

use super::State;
use crate::wasm::LOG;
use crate::wasm::journal::Level;
use std::time::{Duration, Instant};
use wasmtime::component::{ComponentType, HasData, Lift, Linker, Resource, ResourceTable};
use wasmtime::{Engine, StoreContextMut, Trap};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::{io, sync};
use wasmtime_wasi::runtime::in_tokio;

/// `edgemill:transform/log.level`.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "the derived code makes them of their numbers")]
enum LogLevel {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Trace => Level::Trace,
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        }
    }
}

/// What a component may import.
///
/// # Errors
/// The engine's own.
// Promise: closed
pub(in crate::wasm) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    let log = |mut store: StoreContextMut<'_, State>, (level, message): (LogLevel, String)| {
        store.data_mut().guest.log(level.into(), message.as_bytes());
        Ok(())
    };
    l.instance(LOG)?.func_wrap("log", log)?;

    wasmtime_wasi::p2::add_to_linker_sync(l)?;
    // waiting is the one thing that must be done otherwise
    l.allow_shadowing(true);
    sync::io::poll::add_to_linker::<State, Wait<'static>>(l, |state| Wait {
        table: &mut state.table,
        until: state.until,
    })?;
    l.allow_shadowing(false);
    Ok(linker)
}

/// Waiting: for a clock, which is all there is to wait for. It ends with the time of the call, as everything does.
struct Wait<'a> {
    table: &'a mut ResourceTable,
    until: Option<Instant>,
}

impl HasData for Wait<'static> {
    type Data<'a> = Wait<'a>;
}

impl Wait<'_> {
    // Promise: bounds
    fn wait<T>(&mut self, ready: impl AsyncFnOnce(&mut ResourceTable) -> wasmtime::Result<T>) -> wasmtime::Result<T> {
        let left = self.until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        let waited = in_tokio(async { tokio::time::timeout(left, ready(self.table)).await });
        waited.unwrap_or_else(|_| Err(Trap::Interrupt.into()))
    }
}

impl sync::io::poll::Host for Wait<'_> {
    fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        self.wait(async |table| io::poll::Host::poll(table, pollables).await)
    }
}

impl sync::io::poll::HostPollable for Wait<'_> {
    fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        self.wait(async |table| io::poll::HostPollable::ready(table, pollable).await)
    }

    fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        self.wait(async |table| io::poll::HostPollable::block(table, pollable).await)
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        io::poll::HostPollable::drop(self.table, pollable)
    }
}
