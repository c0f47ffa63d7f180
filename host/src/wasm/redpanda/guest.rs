//! A live transform: a program that never returns, stopped where it asks for the next batch.
//!
//! It runs on a stack of its own (a fiber of the engine's) on whatever thread calls it, and is a future that the caller
//! polls: no runtime, no thread and no lock is held for it while it waits.

use super::Redpanda;
use super::desk::{Counter, Desk, Work};
use super::settings::Clock;
use crate::chain::Fault;
use crate::policy::Class;
use crate::wasm::guest::{Breach, extension};
use crate::wasm::limits::Call;
use crate::wasm::lines::START;
use crate::wasm::plain::wasi::{self, terminated};
use crate::wasm::plain::{Blueprint, State, begin, fault};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wasmtime::Store;

/// After so many ticks the end of a call is looked at again: it moves while the guest's stack stands, so the engine cannot
/// be told it once for all.
const LOOK: u64 = 2;

/// A live transform.
pub(super) struct Guest {
    /// Ends only when the guest does.
    life: Pin<Box<dyn Future<Output = Fault> + Send>>,
    counter: Counter,
}

impl Guest {
    /// Starts one for the partitions of a topic, and lets it run until it asks for its first batch.
    ///
    /// # Errors
    /// It ended before.
    pub(super) fn start(blueprint: &Arc<Blueprint>, redpanda: &Redpanda, topic: &str) -> Result<Self, Fault> {
        let counter = Counter::default();
        let mut store = blueprint.store();
        store.epoch_deadline_callback(|mut store| {
            let state = store.data_mut();
            let given = state.desk.as_ref().and_then(|desk| desk.work.as_ref()).map_or(0, |work| work.given);
            Ok(extension(state.guest.more_for_each(given).map(|ticks| ticks.min(LOOK))))
        });
        let state = store.data_mut();
        state.desk = Some(Box::new(Desk::new(counter.clone(), redpanda.declared.clone(), redpanda.registry.clone())));
        state.wasi.environment.push(terminated(&format!("REDPANDA_INPUT_TOPIC={topic}")));
        if redpanda.clock == Clock::Record {
            state.wasi.clock = wasi::Clock::OF_RECORDS;
        }
        let mut guest = Self { life: Box::pin(live(store, blueprint.clone())), counter };
        guest.go_on()?;
        Ok(guest)
    }

    /// Gives it a batch, and lets it run until it asks for the next.
    ///
    /// # Errors
    /// What ended it. Nothing that it wrote of the batch is left then.
    pub(super) fn transform(&mut self, work: Work) -> Result<Work, Fault> {
        self.counter.order(work);
        let done = self.go_on()?;
        done.ok_or_else(|| Fault::new(Class::Output, "no batch came back"))
    }

    fn go_on(&mut self) -> Result<Option<Work>, Fault> {
        // nothing ever wakes it: it goes on when there is a batch, which is put there before
        let mut context = Context::from_waker(Waker::noop());
        match self.life.as_mut().poll(&mut context) {
            Poll::Ready(fault) => Err(fault),
            Poll::Pending => match self.counter.collect() {
                (done, true) => Ok(done),
                (_, false) => Err(Fault::new(Class::Output, "it waits for something else than a batch")),
            },
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.counter.memory()
    }
}

/// The whole life of a guest, and what ended it. The store is its own: nobody else sees it.
async fn live(mut store: Store<State>, blueprint: Arc<Blueprint>) -> Fault {
    begin(&mut store, Call::Start);
    store.set_epoch_deadline(LOOK);
    let ended = run(&mut store, &blueprint).await;
    let (call, at, trouble) = match store.data_mut().desk.as_mut() {
        Some(desk) => {
            let at = desk.work.as_ref().and_then(|work| work.given.checked_sub(1));
            (desk.call, at, desk.registry.trouble.take())
        }
        None => (Call::Start, None, None),
    };
    match ended {
        Err(error) => {
            let mut fault = Fault { at, ..fault(&mut store, &error, call) };
            // the SDKs say only that it came to nothing
            if let Some(trouble) = trouble.filter(|_| fault.class == Class::Trap) {
                fault.message = format!("{}; before that the schema registry did not help: {trouble}", fault.message);
            }
            fault
        }
        Ok(()) => {
            let message = "its main function came to an end, where a transform asks for records for ever";
            Fault { at, ..Fault::new(Class::Trap, message) }
        }
    }
}

async fn run(store: &mut Store<State>, blueprint: &Blueprint) -> wasmtime::Result<()> {
    let instance = blueprint.ready.instantiate_async(&mut *store).await?;
    let memory = instance.get_memory(&mut *store, "memory");
    store.data_mut().memory = Some(memory.ok_or_else(|| Breach("the export memory is missing".to_owned()))?);
    instance.get_typed_func::<(), ()>(&mut *store, START)?.call_async(store, ()).await
}
