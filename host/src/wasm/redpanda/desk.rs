//! What passes between the host and a guest that never returns: a batch goes in, its outputs come out, and the guest waits.

use super::payload::Records;
use super::registry::Asked;
use crate::outputs::Outputs;
use crate::registry::Registry;
use crate::wasm::lifted::Budget;
use crate::wasm::limits::Call;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A batch that a guest works on.
pub(super) struct Work {
    pub(super) call: Call,
    pub(super) records: Records,
    /// How many of the records the guest has been given.
    pub(super) given: usize,
    pub(super) outputs: Outputs,
    pub(super) budget: Budget,
}

/// Where both sides lay things down for each other: once for a batch, and never at the same time.
#[derive(Clone, Default)]
pub(super) struct Counter(Arc<Mutex<Top>>);

#[derive(Default)]
struct Top {
    ordered: Option<Work>,
    done: Option<Work>,
    /// What the guest held of memory when it began to wait.
    memory: usize,
    waits: bool,
}

impl Counter {
    fn top(&self) -> MutexGuard<'_, Top> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host orders something.
    pub(super) fn order(&self, work: Work) {
        let mut top = self.top();
        (top.ordered, top.done, top.waits) = (Some(work), None, false);
    }

    /// The host takes what was done, and whether the guest waits for more.
    pub(super) fn collect(&self) -> (Option<Work>, bool) {
        let mut top = self.top();
        (top.done.take(), top.waits)
    }

    /// What the guest held of memory when it began to wait.
    pub(super) fn memory(&self) -> usize {
        self.top().memory
    }
}

/// A guest's own side.
pub(in crate::wasm) struct Desk {
    counter: Counter,
    /// What is in work; between batches there is nothing.
    pub(super) work: Option<Work>,
    /// What the call in progress may take, for the case that it ends badly.
    pub(super) call: Call,
    pub(super) topics: Arc<super::Declared>,
    pub(super) registry: Asked,
}

impl Desk {
    pub(super) fn new(counter: Counter, topics: Arc<super::Declared>, registry: Option<Arc<dyn Registry>>) -> Self {
        Self { counter, work: None, call: Call::Start, topics, registry: Asked::new(registry) }
    }

    /// Hands over what is in work, where there is something, and waits from now on.
    pub(super) fn finish(&mut self, memory: usize) {
        let mut top = self.counter.top();
        top.done = mem::take(&mut self.work);
        (top.memory, top.waits) = (memory, true);
    }

    /// Takes what was ordered, where there is something. Returns what may be taken for it.
    pub(super) fn take(&mut self) -> Option<Call> {
        self.work = self.counter.top().ordered.take();
        self.call = self.work.as_ref()?.call;
        self.registry.begin();
        Some(self.call)
    }
}
