//! The workloads of the instruction check: each passes flights through one chain in a real worker, on this thread.
//! `tests/instructions.rs` runs it under callgrind, which counts only what happens inside of `measured`.
//!
//! The engine is the product's, pools included: valgrind has address space enough for them.

use anyhow::{Context, Result, ensure};
use edgemill::modules::Module;
use edgemill::wasm::Engine;
use edgemill_micro::flights::Flights;
use edgemill_micro::guests::{Guest, plan};
use edgemill_micro::pass::{Counted, Pass};
use std::path::Path;
use std::sync::Arc;

/// Records of a batch. Few enough that a call has its time even on a processor that is imitated a hundred times slower.
const BATCH: usize = 256;

/// Names of workloads, and the modules of their chains.
const WORKLOADS: [(&str, &[Guest]); 6] = [
    ("keep", &[Guest::Keep]),
    ("copy", &[Guest::Copy]),
    ("four-copies", &[Guest::Copy; 4]),
    ("flatten", &[Guest::Flatten]),
    ("component-keep", &[Guest::ComponentKeep]),
    ("component-copy", &[Guest::ComponentCopy]),
];

/// `edgemill-micro STATE RECORDS [WORKLOAD]...`: `STATE` is a folder for compiled modules. Without names all are run.
/// Prints the name of each after it was run.
fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let state = arguments.next().context("the first argument is a folder for compiled modules")?;
    let records = arguments.next().context("the second argument is a number of records")?;
    let records = records.parse().with_context(|| format!("{records:?} is no number of records"))?;
    let chosen: Vec<String> = arguments.collect();
    let engine = Engine::new(Some(Path::new(&state)))?;
    // it is read until the program ends
    let flights: &'static Flights = Box::leak(Box::new(Flights::new(records)));
    for (name, guests) in WORKLOADS {
        if !chosen.is_empty() && !chosen.iter().any(|chosen| chosen == name) {
            continue;
        }
        let modules: Vec<_> =
            guests.iter().map(|guest| Ok(Counted::new(guest.load(&engine)?))).collect::<Result<_>>()?;
        let chain = plan(modules.iter().map(|module| module.clone() as Arc<dyn Module>));
        let rows = measured(Pass::new(flights, chain, BATCH)?)?;
        ensure!(rows == records as u64, "{name}: {rows} rows of {records} records");
        let cut = modules.iter().any(|module| module.instances() != 1);
        ensure!(!cut, "{name}: a call took longer than its time and was cut, so that the count would be of no use");
        println!("{name}");
    }
    Ok(())
}

/// What is counted: `tests/instructions.rs` tells callgrind its name, so it must stay a function.
#[inline(never)]
fn measured(pass: Pass) -> Result<u64> {
    std::hint::black_box(pass.run())
}
