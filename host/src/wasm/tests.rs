//! Guests of `tests/guests` at the core door: each does one thing, and is met with one message.

use super::Engine;
use crate::batch::{Batch, Bytes, Column, Headers};
use crate::chain::{Fault, Transform};
use crate::config::Limits;
use crate::modules::LoadError;
use crate::outputs::Outputs;
use crate::policy::Class;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

mod behaved;
mod poison;

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(None).unwrap());

pub(super) const LIMITS: Limits = Limits {
    memory: 16 << 20,
    time: Some(Duration::from_millis(20)),
};

/// The source of a guest.
pub(super) fn source(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/guests")
        .join(name)
        .with_extension("wat");
    std::fs::read_to_string(path).unwrap()
}

/// A live instance of a guest.
pub(super) fn guest(name: &str) -> Box<dyn Transform> {
    load(name).unwrap()
}

/// A live instance of a guest, or why there is none.
pub(super) fn load(name: &str) -> Result<Box<dyn Transform>, LoadError> {
    let bytes = wat::parse_str(source(name)).unwrap();
    ENGINE.load(name, &bytes, &Value::Null, LIMITS)?.instantiate()
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
