//! A live instance at the component door.

use super::columns::{BatchArgument, Lengths};
use super::lift::{self, LiftedColumn, LiftedOutputs};
use super::{Exports, State};
use crate::batch::Batch;
use crate::chain::{Fault, Transform};
use crate::modules::LoadError;
use crate::outputs::{Outputs, OwnedColumn, OwnedHeaders, Reject};
use crate::policy::Class;
use crate::wasm::CONTRACT;
use crate::wasm::guest::breach;
use crate::wasm::lifted::{self, text};
use crate::wasm::limits::Call;
use std::mem;
use std::time::Instant;
use wasmtime::Store;
use wasmtime::component::{InstancePre, TypedFunc};

type TransformFunction = TypedFunc<(BatchArgument<'static>,), (Result<LiftedOutputs, String>,)>;
type ConfigureFunction = TypedFunc<(&'static str,), (Result<(), String>,)>;

/// A live instance.
pub(super) struct Instance {
    store: Store<State>,
    transform: TransformFunction,
    lengths: Lengths,
    /// A call went wrong: the engine refuses to enter the guest since.
    spent: bool,
}

impl Instance {
    /// Makes an instance, and configures it.
    ///
    /// # Errors
    /// It does not start, or refuses its configuration.
    pub(super) fn start(
        mut store: Store<State>,
        ready: &InstancePre<State>,
        exports: &Exports,
        config: &str,
    ) -> Result<Self, LoadError> {
        let (configure, transform) = Self::find(&mut store, ready, exports)?;
        match configure.call(&mut store, (config,)) {
            Ok((Ok(()),)) => Ok(Self { store, transform, lengths: Lengths::default(), spent: false }),
            Ok((Err(refusal),)) => Err(LoadError::new("configure", text(refusal.as_bytes()))),
            Err(error) => Err(LoadError::new("configure", fault(&mut store, &error, Call::Start).message)),
        }
    }

    /// Makes an instance, and finds its functions.
    ///
    /// # Errors
    /// It does not start, or its functions take or give something else.
    pub(super) fn find(
        store: &mut Store<State>,
        ready: &InstancePre<State>,
        exports: &Exports,
    ) -> Result<(ConfigureFunction, TransformFunction), LoadError> {
        begin(store, Call::Start);
        let instance = match ready.instantiate(&mut *store) {
            Ok(instance) => instance,
            Err(error) => return Err(LoadError::new("instantiate", fault(store, &error, Call::Start).message)),
        };
        let mistyped = |name: &str| {
            let message = format!(
                "the function {name} takes or gives something else than the contract's {CONTRACT}: build it with guest-sdk/wit as it is"
            );
            move |error: wasmtime::Error| LoadError::new("version", format!("{message} ({error:#})"))
        };
        let configure = instance.get_typed_func(&mut *store, exports.configure).map_err(mistyped("configure"))?;
        let transform = instance.get_typed_func(&mut *store, exports.transform).map_err(mistyped("transform"))?;
        Ok((configure, transform))
    }

    fn call(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let call = Call::Batch(batch.len());
        let limit = self.store.data().guest.limiter.limit();
        let size = batch.size() as u64;
        if size > limit as u64 {
            return Err(self.store.data().guest.too_large(size));
        }
        begin(&mut self.store, call);
        let Outputs { keys, values, headers, .. } = outputs;
        lift::give([keys, values, &mut headers.names, &mut headers.values].map(|column| mem::take(&mut column.data)));
        let argument = self.lengths.argument(batch);
        // a function of arguments that live for ever takes those that live shorter, too
        let transform: TypedFunc<(BatchArgument<'_>,), _> = self.transform;
        match transform.call(&mut self.store, (argument,)) {
            Ok((Ok(lifted),)) => fill(lifted, outputs),
            Ok((Err(message),)) => {
                return Err(Fault::new(Class::Trap, text(message.as_bytes())));
            }
            Err(error) => return Err(fault(&mut self.store, &error, call)),
        }
        lifted::check(outputs, batch, limit).map_err(breach)
    }
}

impl Transform for Instance {
    fn transform(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.spent {
            return Err(Fault::new(Class::Trap, "the instance has failed before"));
        }
        let result = self.call(batch, outputs);
        if result.is_err() {
            self.spent = true;
            outputs.clear();
        }
        result
    }

    fn memory(&self) -> usize {
        self.store.data().guest.limiter.used()
    }

    fn starved(&self) -> bool {
        self.store.data().guest.limiter.starved()
    }
}

/// Begins a call: from here on its time runs.
fn begin(store: &mut Store<State>, call: Call) {
    let state = store.data_mut();
    state.errors.begin();
    state.until = state.guest.allowed(call).map(|allowed| Instant::now() + allowed);
    if let Some(ticks) = state.guest.begin(call) {
        store.set_epoch_deadline(ticks);
    }
}

/// What went wrong. Where the guest has logged no error, what it printed explains it: that is where panics go.
fn fault(store: &mut Store<State>, error: &wasmtime::Error, call: Call) -> Fault {
    let state = store.data_mut();
    let printed = state.errors.since_begin();
    state.guest.explain(printed);
    state.guest.fault(error, call)
}

/// Takes over what was lifted.
fn fill(lifted: LiftedOutputs, outputs: &mut Outputs) {
    outputs.origins = lifted.origins;
    outputs.keep.timestamps = lifted.timestamps.is_none();
    outputs.timestamps = lifted.timestamps.unwrap_or_default();
    outputs.keep.keys = lifted.keys.is_none();
    outputs.keys = lifted.keys.map(column).unwrap_or_default();
    outputs.keep.values = lifted.values.is_none();
    outputs.values = lifted.values.map(column).unwrap_or_default();
    outputs.keep.headers = lifted.headers.is_none();
    outputs.headers = lifted.headers.map_or_else(OwnedHeaders::default, |headers| OwnedHeaders {
        counts: headers.counts,
        names: column(headers.names),
        values: column(headers.values),
    });
    outputs.routes = lifted.routes;
    outputs.route_names = lifted.route_names;
    outputs.rejects.extend(lifted.rejects.into_iter().map(|reject| Reject {
        origin: reject.origin,
        code: text(reject.code.as_bytes()).into_owned(),
        message: text(reject.message.as_bytes()).into_owned(),
    }));
}

fn column(lifted: LiftedColumn) -> OwnedColumn {
    OwnedColumn { data: lifted.data.0, lengths: lifted.lengths }
}
