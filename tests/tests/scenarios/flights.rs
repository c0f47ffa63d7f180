//! Flights: the main job, compared record by record with an independent reference.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use edgemill::generate::{Flights, Generate, Lz4};
use edgemill_tests::{Broker, Record, modules, scale};
use rdkafka::message::{Headers, Message};

use super::pipeline::{Pipeline, stop};

const PARTITIONS: u64 = 4;

/// Flights whose values are LZ4 frames, some of them with checksums, and some not compressed at all. Flight i is the
/// (i / 4)th of partition i % 4; one in ten has a header.
struct Input {
    flights: Flights,
    since: i64,
}

impl Input {
    fn new(seed: u64) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        // a millisecond a record, none of them in the future: brokers refuse that
        Ok(Self { flights: Flights::new(seed), since: i64::try_from(now)? - 3 * 3_600_000 })
    }

    fn records(&self, count: u64) -> impl Iterator<Item = Record> + '_ {
        let mut frames = [Lz4::new(), Lz4::with_checksums()];
        (0..count).map(move |i| {
            let (mut key, mut value) = (Vec::new(), Vec::new());
            self.flights.record(i, &mut key, &mut value);
            if !i.is_multiple_of(50) {
                frames[usize::from(i.is_multiple_of(3))].wrap(&mut value);
            }
            let headers = self.header(i).map(|value| ("n".to_owned(), Some(value.into_bytes())));
            Record {
                partition: Some((i % PARTITIONS) as i32),
                key: Some(key),
                value: Some(value),
                headers: headers.into_iter().collect(),
                timestamp: Some(self.since + i as i64),
            }
        })
    }

    fn header(&self, i: u64) -> Option<String> {
        i.is_multiple_of(10).then(|| format!("flight {i}"))
    }

    /// Checks that a row is flight i, flattened, with all else as it was.
    fn check(&self, i: u64, row: &impl Message) -> Result<()> {
        let (mut key, mut value, mut flat) = (Vec::new(), Vec::new(), Vec::new());
        self.flights.record(i, &mut key, &mut value);
        self.flights.flat(i, &mut flat);
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        ensure!(row.key() == Some(&key), "key {:?} for {:?}", text(row.key()), text(Some(&key)));
        ensure!(row.payload() == Some(&flat), "value {:?}\n for {:?}", text(row.payload()), text(Some(&flat)));
        let timestamp = row.timestamp().to_millis();
        ensure!(timestamp == Some(self.since + i as i64), "timestamp {timestamp:?}");
        let headers = row.headers().into_iter().flat_map(Headers::iter).map(|h| (h.key.to_owned(), text(h.value)));
        let expected: Vec<_> = self.header(i).map(|value| ("n".to_owned(), Some(value))).into_iter().collect();
        let headers: Vec<_> = headers.collect();
        ensure!(headers == expected, "headers {headers:?} for {expected:?}");
        Ok(())
    }
}

/// Keeps the first error: a closure that consumes cannot return it.
fn keep(first: &mut Result<()>, next: impl FnOnce() -> Result<()>) {
    if first.is_ok() {
        *first = next();
    }
}

const CHAIN: [&str; 2] = ["module = \"lz4-decompress.wasm\"", "module = \"flatten-flights.wasm\""];

#[test]
fn promise_order_holds_for_a_million_flights_each_delivered_once_and_byte_for_byte() -> Result<()> {
    let broker = Broker::shared();
    let count: u64 = scale(1_000_000, 10_000_000);
    let pipeline = Pipeline::new("flights", PARTITIONS as i32)?;
    let input = Input::new(1)?;
    let builder = pipeline.host("workers = 2", &CHAIN);
    let host = builder
        .module("lz4-decompress.wasm", modules::shipped("lz4-decompress.wasm")?)
        .module("flatten-flights.wasm", modules::shipped("flatten-flights.wasm")?)
        .start()?;
    broker.produce(&pipeline.from, input.records(count))?;
    pipeline.wait_for_end(Duration::from_secs(scale(180, 1800)))?;
    stop(host)?;

    // With partitions as in the input, row k of partition p is flight p + 4k, and its offset is k.
    let mut next = [0; PARTITIONS as usize];
    let mut first = Ok(());
    broker.consume_each(&pipeline.to, |row| {
        let partition = row.partition() as u64;
        let k = &mut next[partition as usize];
        keep(&mut first, || {
            ensure!(row.offset() == *k, "the row after {} has offset {}", *k - 1, row.offset());
            let i = partition + PARTITIONS * *k as u64;
            input.check(i, row).with_context(|| format!("flight {i}, row {k} of partition {partition}"))
        });
        *k += 1;
    })?;
    first?;
    assert_eq!(next, [(count / PARTITIONS) as i64; PARTITIONS as usize]);
    assert_eq!(broker.ends(&pipeline.dead)?, [0]);
    Ok(())
}

#[test]
fn flights_by_key_pass_through_components_each_once_and_in_the_order_of_their_partitions() -> Result<()> {
    let broker = Broker::shared();
    let count: u64 = scale(60_000, 1_000_000);
    let pipeline = Pipeline::new("flights-component", PARTITIONS as i32)?;
    let input = Input::new(2)?;
    let config = pipeline.table("p", "workers = 2", &CHAIN).replace("same-as-input", "key");
    let host = edgemill_tests::Host::builder(&format!("{}{config}", super::pipeline::TOP))
        .module("lz4-decompress.wasm", modules::shipped("component/lz4-decompress.wasm")?)
        .module("flatten-flights.wasm", modules::shipped("component/flatten-flights.wasm")?)
        .start()?;
    broker.produce(&pipeline.from, input.records(count))?;
    pipeline.wait_for_end(Duration::from_secs(scale(120, 600)))?;
    stop(host)?;

    let numbers: HashMap<Vec<u8>, u64> = input.records(count).zip(0..).map(|(r, i)| (r.key.unwrap(), i)).collect();
    // By the row's partition and the flight's: the last flight seen.
    let mut last = [[None; PARTITIONS as usize]; PARTITIONS as usize];
    let mut rows = [0; PARTITIONS as usize];
    let mut first = Ok(());
    broker.consume_each(&pipeline.to, |row| {
        rows[row.partition() as usize] += 1;
        keep(&mut first, || {
            let Some(&i) = row.key().and_then(|key| numbers.get(key)) else { bail!("a row of no flight") };
            input.check(i, row).with_context(|| format!("flight {i}"))?;
            // ascending without equals: none came twice, since a key has one partition
            let before = last[row.partition() as usize][(i % PARTITIONS) as usize].replace(i);
            ensure!(before < Some(i), "flight {i} came after {before:?} of its partition");
            Ok(())
        });
    })?;
    first?;
    assert_eq!(rows.iter().sum::<u64>(), count);
    assert!(rows.iter().all(|rows| *rows > count / 5), "keys spread evenly: {rows:?}");
    Ok(())
}
