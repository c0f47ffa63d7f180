//! A call: lowering a batch, the guest's function, lifting and checking what comes back.

use crate::FLIGHTS;
use divan::Bencher;
use divan::counter::ItemsCount;
use edgemill::outputs::Outputs;
use edgemill::source::Messages;
use edgemill::wasm::Engine;
use edgemill_micro::guests::Guest;
use std::sync::LazyLock;

/// Records of a batch.
const BATCHES: [usize; 5] = [1, 16, 256, 1024, 4096];

pub(crate) static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(None).expect("this machine runs WebAssembly"));

#[divan::bench(args = BATCHES)]
fn core_keep(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::Keep, batch);
}

#[divan::bench(args = BATCHES)]
fn core_copy(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::Copy, batch);
}

#[divan::bench(args = BATCHES)]
fn core_flatten(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::Flatten, batch);
}

#[divan::bench(args = BATCHES)]
fn component_keep(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::ComponentKeep, batch);
}

#[divan::bench(args = BATCHES)]
fn component_copy(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::ComponentCopy, batch);
}

#[divan::bench(args = BATCHES)]
fn component_flatten(bencher: Bencher<'_, '_>, batch: usize) {
    call(bencher, Guest::ComponentFlatten, batch);
}

fn call(bencher: Bencher<'_, '_>, guest: Guest, batch: usize) {
    let module = guest.load(&ENGINE).expect("`make bench-micro` builds what is measured");
    let mut instance = module.instantiate().expect("it did when it was loaded");
    let gathered = FLIGHTS.gather(0..batch);
    let (records, mut outputs) = (gathered.batch(), Outputs::default());
    bencher.counter(ItemsCount::new(batch)).bench_local(|| {
        outputs.clear();
        instance.transform(&records, &mut outputs).expect("flights are what it is for");
        outputs.origins.len()
    });
}
