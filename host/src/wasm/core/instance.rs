//! A live instance at the core door: writes a batch into the guest, calls it, and reads what it gave back.

use super::lift::{self, Lifted};
use super::lower;
use crate::batch::Batch;
use crate::chain::{Fault, Transform};
use crate::modules::LoadError;
use crate::outputs::Outputs;
use crate::policy::Class;
use crate::wasm::CORE_EXPORT;
use crate::wasm::guest::breach;
use crate::wasm::lifted::{self, Budget, text};
use crate::wasm::limits::Call;
use crate::wasm::plain::{Blueprint, Live, State, begin, fault};
use wasmtime::{Memory, Store, TypedFunc};

/// The largest input, in bytes: lengths are signed 32-bit numbers.
const MAX_INPUT: u64 = i32::MAX as u64;

/// A live instance.
pub(super) struct Instance {
    store: Store<State>,
    memory: Memory,
    alloc: TypedFunc<u32, u32>,
    transform: TypedFunc<u32, u32>,
    input: Input,
    /// A call went wrong: the guest's state is undefined since.
    spent: bool,
}

/// The guest's input buffer, as far as the host knows it.
#[derive(Clone, Copy)]
struct Input {
    at: u32,
    size: u64,
}

impl Instance {
    /// Makes an instance, and configures it.
    ///
    /// # Errors
    /// It does not start, or refuses its configuration.
    pub(super) fn start(blueprint: &Blueprint, config: &str) -> Result<Self, LoadError> {
        let started = |fault: Fault| LoadError::new("instantiate", fault.message);
        let mut live = Live::new(blueprint, Call::Start).map_err(started)?;
        let (alloc, transform, configure) = match exports(&mut live) {
            Ok(exports) => exports,
            Err(error) => return Err(started(fault(&mut live.store, &error, Call::Start))),
        };
        let Live { store, memory, .. } = live;
        let mut instance = Self { store, memory, alloc, transform, input: Input { at: 0, size: 0 }, spent: false };
        match instance.configure(&configure, config) {
            Ok(None) => Ok(instance),
            Ok(Some(refusal)) => Err(LoadError::new("configure", refusal)),
            Err(fault) => Err(LoadError::new("configure", fault.message)),
        }
    }

    /// Hands over the configuration. Returns the guest's words where it refuses it.
    fn configure(&mut self, configure: &TypedFunc<(u32, u32), u32>, config: &str) -> Result<Option<String>, Fault> {
        let (at, buffer) = self.buffer(config.len() as u64, Call::Start)?;
        buffer[..config.len()].copy_from_slice(config.as_bytes());
        let refusal = match configure.call(&mut self.store, (at, config.len() as u32)) {
            Ok(0) => return Ok(None),
            Ok(at) => at,
            Err(error) => return Err(fault(&mut self.store, &error, Call::Start)),
        };
        let memory = self.memory.data(&self.store);
        lift::read_text(memory, refusal).map(|refusal| Some(text(refusal).into_owned())).map_err(breach)
    }

    /// The guest's input buffer and its address, with at least `size` bytes. Asks for a larger one where it must.
    fn buffer(&mut self, size: u64, call: Call) -> Result<(u32, &mut [u8]), Fault> {
        if size > self.input.size {
            if size > MAX_INPUT || size > self.store.data().guest.limiter.limit() as u64 {
                return Err(self.store.data().guest.too_large(size));
            }
            // twice as much as before, so that a slowly growing batch does not ask each time; just enough where that fails
            let doubled = size.max(self.input.size * 2).min(MAX_INPUT);
            self.input.size = 0;
            self.input = match self.allocate(doubled, call)? {
                Some(input) => input,
                None => self.allocate(size, call)?.ok_or_else(|| self.store.data().guest.too_large(size))?,
            };
        }
        let at = self.input.at;
        // linear memory never shrinks: what was inside of it once stays inside
        Ok((at, &mut self.memory.data_mut(&mut self.store)[at as usize..]))
    }

    /// Asks the guest for an input buffer. `None`: it has no memory.
    // Promise: bounds
    fn allocate(&mut self, size: u64, call: Call) -> Result<Option<Input>, Fault> {
        let at = match self.alloc.call(&mut self.store, size as u32) {
            Ok(0) => return Ok(None),
            Ok(at) => at,
            Err(error) => return Err(fault(&mut self.store, &error, call)),
        };
        let memory = self.memory.data_size(&self.store);
        if u64::from(at) + size > memory as u64 {
            let message = format!("edgemill_alloc: {size} bytes at {at} end outside of the memory, which has {memory}");
            return Err(breach(message));
        }
        if !at.is_multiple_of(8) {
            return Err(breach(format!("edgemill_alloc: the address {at} is no multiple of 8")));
        }
        Ok(Some(Input { at, size }))
    }

    fn call(&mut self, batch: &Batch<'_>, outputs: &mut Outputs) -> Result<(), Fault> {
        let call = Call::Batch(batch.len());
        begin(&mut self.store, call);
        let (base, buffer) = self.buffer(lower::size(batch), call)?;
        lower::write(batch, base, buffer);
        let at = match self.transform.call(&mut self.store, base) {
            Ok(at) => at,
            Err(error) => return Err(fault(&mut self.store, &error, call)),
        };
        let limit = self.store.data().guest.limiter.limit();
        let memory = self.memory.data(&self.store);
        match lift::read(memory, at, outputs, Budget::new(limit, batch.len())).map_err(breach)? {
            Lifted::Outputs => lifted::check(outputs, batch, limit).map_err(breach),
            Lifted::Failed(message) => Err(Fault::new(Class::Trap, message)),
        }
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

type Exports = (TypedFunc<u32, u32>, TypedFunc<u32, u32>, TypedFunc<(u32, u32), u32>);

/// Finds an instance's exports once.
fn exports(live: &mut Live) -> wasmtime::Result<Exports> {
    let Live { store, instance, .. } = live;
    let alloc = instance.get_typed_func(&mut *store, "edgemill_alloc")?;
    let transform = instance.get_typed_func(&mut *store, CORE_EXPORT)?;
    let configure = instance.get_typed_func(&mut *store, "edgemill_configure")?;
    Ok((alloc, transform, configure))
}
