//! Runs a freshly loaded module on its self-test records: `flatten-flights.selftest.jsonl` beside `flatten-flights.wasm`,
//! a record a line in the `records` format. All of them must pass.

use super::{LoadError, Module};
use crate::chain::apply::Chain;
use crate::chain::{Plan, PlanStage};
use crate::policy::{Action, Policy};
use crate::records::{Gathered, Line};
use crate::route::Routes;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The records' file beside a module.
fn file(module: &str) -> String {
    format!("{}.selftest.jsonl", module.trim_end_matches(".wasm"))
}

/// SHA-256 of a module's records, where the folder has some.
pub fn hash(folder: &Path, module: &str) -> Option<String> {
    super::read(&folder.join(file(module))).ok().map(|text| super::hash(&text))
}

/// Runs them, where the folder has some.
///
/// # Errors
/// The file is no good, or a record of it is rejected or faults.
// Promise: keep
pub fn run(folder: &Path, module: &Arc<dyn Module>) -> Result<(), LoadError> {
    let file = file(module.name());
    let text = match super::read(&folder.join(&file)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LoadError::new("self-test", format!("{file}: {error}"))),
    };
    let mut records = Gathered::new("self-test", 0);
    let mut lines = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::parse(line)
            .map_err(|error| LoadError::new("self-test", format!("{file}, line {}: {error}", number + 1)))?;
        line.push_to(&mut records, number as i64);
        lines.push(number + 1);
    }
    let policy = Policy::all(Action::Stop);
    let plan = Plan { number: 0, stages: vec![PlanStage { module: module.clone(), policy }], sink: policy };
    let mut chain = Chain::start(Arc::new(plan), Arc::new(Routes::default()))?;
    let batch = records.batch();
    let applied = chain.apply(&batch, &mut || true);
    let applied = applied.map_err(|error| LoadError::new("self-test", error.to_string()))?;
    // where a module sends its rows is the pipeline's business: only whether it can make them is tried here
    let failure = applied.failures.iter().find(|failure| failure.code != "unknown-route");
    failure.map_or(Ok(()), |failure| {
        let line = lines[failure.origin as usize];
        let reason = format!("{} ({}): {}", failure.class, failure.code, failure.message);
        Err(LoadError::new("self-test", format!("{file}, line {line}: {reason}")))
    })
}
