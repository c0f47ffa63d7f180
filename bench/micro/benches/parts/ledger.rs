//! Spans opened, expected and settled: in order, against it, and over many lanes.

use divan::Bencher;
use divan::counter::ItemsCount;
use edgemill::ledger::Ledger;
use edgemill::record::{Offset, Span};

const SPANS: usize = 1000;

/// Opens a span as a worker does: it waits for rows and for the worker itself.
fn open(ledger: &mut Ledger, lane: edgemill::record::Lane, last: i64) -> Span {
    let span = ledger.open(lane, Offset(last)).expect("the lane is held");
    ledger.expect(span, 1024);
    ledger.settle(span, 1);
    span
}

#[divan::bench]
fn in_order(bencher: Bencher<'_, '_>) {
    let mut ledger = Ledger::default();
    let lane = ledger.assign();
    let mut last = 0;
    bencher.counter(ItemsCount::new(SPANS)).bench_local(|| {
        for _ in 0..SPANS {
            last += 1024;
            let span = open(&mut ledger, lane, last);
            ledger.settle(span, 1024);
        }
    });
}

#[divan::bench]
fn last_first(bencher: Bencher<'_, '_>) {
    let mut ledger = Ledger::default();
    let lane = ledger.assign();
    let (mut last, mut spans) = (0, Vec::with_capacity(SPANS));
    bencher.counter(ItemsCount::new(SPANS)).bench_local(|| {
        for _ in 0..SPANS {
            last += 1024;
            spans.push(open(&mut ledger, lane, last));
        }
        while let Some(span) = spans.pop() {
            ledger.settle(span, 1024);
        }
    });
}

#[divan::bench(args = [1, 100, 10_000])]
fn many_lanes(bencher: Bencher<'_, '_>, lanes: usize) {
    let mut ledger = Ledger::default();
    let lanes: Vec<_> = (0..lanes).map(|_| ledger.assign()).collect();
    let (mut last, mut spans) = (0, Vec::with_capacity(SPANS));
    bencher.counter(ItemsCount::new(SPANS)).bench_local(|| {
        for &lane in lanes.iter().cycle().take(SPANS) {
            last += 1024;
            spans.push(open(&mut ledger, lane, last));
        }
        for span in spans.drain(..) {
            ledger.settle(span, 1024);
        }
    });
}
