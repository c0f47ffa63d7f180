//! From messages to columns: those of librdkafka, which an embedded broker has given it, and flights in memory.

use crate::FLIGHTS;
use crate::kafka::{Broker, RECORDS};
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use edgemill::source::BatchLimit;

const BATCHES: [usize; 3] = [16, 256, 1024];

/// Everything was fetched before, so that no time is spent in waiting; librdkafka's own work of handing messages out, and of
/// destroying them, is part of it.
#[divan::bench(args = BATCHES, sample_count = 10, sample_size = 1)]
fn from_librdkafka(bencher: Bencher<'_, '_>, batch: usize) {
    let broker = Broker::start().expect("the embedded broker starts");
    broker.fill().expect("the embedded broker takes flights");
    let limit = BatchLimit { records: batch, bytes: 1 << 20 };
    let fetched = || broker.fetched().expect("the embedded broker hands flights out");
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(fetched).bench_local_values(|mut tail| {
        let mut gathered = 0;
        while gathered < RECORDS {
            gathered += tail.poll(limit).map_or(0, |messages| black_box(messages.batch().len()));
        }
        tail
    });
}

#[divan::bench(args = BATCHES)]
fn from_memory(bencher: Bencher<'_, '_>, batch: usize) {
    bencher.counter(ItemsCount::new(batch)).bench_local(|| FLIGHTS.gather(0..batch));
}
