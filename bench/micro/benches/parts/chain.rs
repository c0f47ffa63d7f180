//! Identities in a row: what each module more costs, when it keeps what came and when it gives all of it back.

use crate::FLIGHTS;
use crate::boundary::ENGINE;
use divan::Bencher;
use divan::counter::ItemsCount;
use edgemill::chain::apply::Chain;
use edgemill::route::Routes;
use edgemill::source::Messages;
use edgemill_micro::guests::{Guest, plan};
use std::sync::Arc;

const MODULES: [usize; 5] = [1, 2, 4, 8, 16];

/// Records of a batch.
const BATCH: usize = 1024;

#[divan::bench(args = MODULES)]
fn keep(bencher: Bencher<'_, '_>, modules: usize) {
    apply(bencher, Guest::Keep, modules);
}

#[divan::bench(args = MODULES)]
fn copy(bencher: Bencher<'_, '_>, modules: usize) {
    apply(bencher, Guest::Copy, modules);
}

#[divan::bench(args = MODULES)]
fn component_keep(bencher: Bencher<'_, '_>, modules: usize) {
    apply(bencher, Guest::ComponentKeep, modules);
}

#[divan::bench(args = MODULES)]
fn component_copy(bencher: Bencher<'_, '_>, modules: usize) {
    apply(bencher, Guest::ComponentCopy, modules);
}

fn apply(bencher: Bencher<'_, '_>, guest: Guest, modules: usize) {
    let module = guest.load(&ENGINE).expect("`make bench-micro` builds what is measured");
    let plan = plan(std::iter::repeat_n(module, modules));
    let mut chain = Chain::start(plan, Arc::new(Routes::new("out", &[]))).expect("it did when it was loaded");
    let gathered = FLIGHTS.gather(0..BATCH);
    let records = gathered.batch();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let applied = chain.apply(&records, &mut || true).expect("nothing faults");
        applied.rows.len()
    });
}
