//! A whole worker, from a source to a sink that cost next to nothing.

use crate::FLIGHTS;
use crate::boundary::ENGINE;
use divan::Bencher;
use divan::counter::ItemsCount;
use edgemill_micro::guests::{Guest, plan};
use edgemill_micro::pass::Pass;

const BATCHES: [usize; 3] = [16, 256, 1024];

#[divan::bench(args = BATCHES, sample_count = 20, sample_size = 1)]
fn keep(bencher: Bencher<'_, '_>, batch: usize) {
    run(bencher, Guest::Keep, batch);
}

#[divan::bench(args = BATCHES, sample_count = 20, sample_size = 1)]
fn copy(bencher: Bencher<'_, '_>, batch: usize) {
    run(bencher, Guest::Copy, batch);
}

#[divan::bench(args = BATCHES, sample_count = 20, sample_size = 1)]
fn flatten(bencher: Bencher<'_, '_>, batch: usize) {
    run(bencher, Guest::Flatten, batch);
}

fn run(bencher: Bencher<'_, '_>, guest: Guest, batch: usize) {
    let module = guest.load(&ENGINE).expect("`make bench-micro` builds what is measured");
    let pass = || Pass::new(&FLIGHTS, plan([module.clone()]), batch).expect("it did when it was loaded");
    let run = |pass: Pass| pass.run().expect("no flight fails");
    bencher.counter(ItemsCount::new(FLIGHTS.len())).with_inputs(pass).bench_local_values(run);
}
