//! Guests of `tests/guests` at the core door: each does one thing, and is met with one message.

use super::{Door, Engine, inspect};
use crate::batch::{Batch, Bytes, Column, Headers};
use crate::chain::{Fault, Transform};
use crate::config::Limits;
use crate::modules::{LoadError, Module};
use crate::outputs::Outputs;
use crate::policy::Class;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

mod behaved;
mod bisection;
mod cache;
mod component;
mod echo;
mod fluvio;
mod hostile;
mod lines;
mod links;
mod look_back;
mod poison;
mod redpanda;
mod registry;
mod wasi;

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(None).unwrap());

pub(super) const LIMITS: Limits = Limits { memory: 16 << 20, time: Some(Duration::from_millis(100)) };

/// The source of a guest.
pub(super) fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(name).with_extension("wat");
    std::fs::read_to_string(path).unwrap()
}

/// A live instance of a guest. Each guest is compiled once.
pub(super) fn guest(name: &str) -> Box<dyn Transform> {
    static MODULES: Mutex<BTreeMap<String, Arc<dyn Module>>> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    let load = || ENGINE.load(name, &wat::parse_str(source(name)).unwrap(), &Value::Null, LIMITS).unwrap();
    modules.entry(name.to_owned()).or_insert_with(load).instantiate().unwrap()
}

/// A batch of values without keys or headers.
pub(super) fn values<'a>(values: &'a [Bytes<'a>]) -> Batch<'a> {
    let count = values.len();
    Batch {
        topic: "flights",
        partition: 3,
        offsets: (0..count as i64).collect(),
        timestamps: (0..count as i64).map(|i| 1000 + i).collect(),
        keys: Column::Each(vec![None; count].into()),
        values: Column::Each(Cow::Borrowed(values)),
        headers: Headers::default(),
        siblings_before: 0,
    }
}

/// What a guest makes of a batch.
pub(super) fn apply(guest: &mut dyn Transform, batch: &Batch<'_>) -> Result<Outputs, Fault> {
    let mut outputs = Outputs::default();
    guest.transform(batch, &mut outputs).map(|()| outputs)
}

/// The fault that a guest makes of a batch.
pub(super) fn fault(guest: &mut dyn Transform, batch: &Batch<'_>) -> (Class, String) {
    let fault = apply(guest, batch).unwrap_err();
    (fault.class, fault.message)
}
