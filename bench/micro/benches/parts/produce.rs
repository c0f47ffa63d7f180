//! From rows to librdkafka's queue: what `submit` takes. Its own threads work meanwhile, and are not counted.

use crate::FLIGHTS;
use crate::kafka::{Broker, SPAN, settle};
use divan::Bencher;
use divan::counter::ItemsCount;
use edgemill::sink::Sink;
use edgemill::source::Messages;
use std::cell::RefCell;

#[divan::bench(args = [16, 256, 1024], sample_count = 50, sample_size = 1)]
fn to_librdkafka(bencher: Bencher<'_, '_>, batch: usize) {
    let broker = Broker::start().expect("the embedded broker starts");
    let (sink, wake) = broker.sink().expect("a producer of the embedded broker starts");
    let sink = RefCell::new(sink);
    let gathered = FLIGHTS.gather(0..batch);
    let rows = gathered.batch();
    let empty = || settle(&mut sink.borrow_mut(), &wake).expect("the embedded broker takes flights");
    bencher.counter(ItemsCount::new(batch)).with_inputs(empty).bench_local_values(|()| {
        let mut refused = Vec::new();
        sink.borrow_mut().submit(SPAN, &rows, &[], &mut refused).expect("the producer lives");
        assert!(refused.is_empty(), "{refused:?}");
    });
}
