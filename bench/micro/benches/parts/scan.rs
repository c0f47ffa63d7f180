//! The guest SDK's JSON, natively: finding paths in a flight, and walking through all of it.

use crate::FLIGHTS;
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use edgemill::batch::Bytes;
use edgemill::source::Messages;
use edgemill_guest::json::{Paths, Scanner};

const RECORDS: usize = 1024;

#[divan::bench]
fn paths(bencher: Bencher<'_, '_>) {
    let mut paths = Paths::ignoring_case();
    for path in [&["flight_id"][..], &["price"], &["origin", "iata"], &["origin", "location", "city"]] {
        paths.add(path).expect("the path is one");
    }
    scan(bencher, |flight| {
        black_box(paths.find(flight).expect("a flight is JSON"));
    });
}

#[divan::bench]
fn skip(bencher: Bencher<'_, '_>) {
    scan(bencher, |flight| {
        let mut scanner = Scanner::new(flight);
        scanner.skip().and_then(|_| scanner.end()).expect("a flight is JSON");
    });
}

fn scan(bencher: Bencher<'_, '_>, mut each: impl FnMut(&[u8])) {
    let gathered = FLIGHTS.gather(0..RECORDS);
    let batch = gathered.batch();
    let values: Vec<Bytes<'_>> = batch.values.iter().collect();
    bencher.counter(ItemsCount::new(RECORDS)).counter(BytesCount::new(batch.values.size())).bench_local(|| {
        values.iter().copied().flatten().for_each(&mut each);
    });
}
