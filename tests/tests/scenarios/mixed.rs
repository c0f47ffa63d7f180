//! Modules made for other systems and in several languages in one chain: each keeps what it promises beside the others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, Swap, modules, wait_for};

use super::foreign::{SINCE, letters};
use super::pipeline::{Pipeline, TOP, status, stop};

/// Fluvio's in Rust, Redpanda's in Rust, a program, Redpanda's in Go, and one of the contract in Zig, which does what a value says.
const CHAIN: [&str; 5] = [
    "module = \"filter.wasm\", type = \"fluvio\", config = { word = \"a\" }",
    "module = \"once.wasm\", type = \"redpanda\"",
    "module = \"lines.wasm\", type = \"lines\", config = { each = \"record\", arguments = [\"> \"] }",
    "module = \"work.wasm\", type = \"redpanda\", config = { environment = { MARK = \"!value \" } }",
    "module = \"zig.wasm\", type = \"transform\"",
];

#[test]
fn a_chain_of_all_kinds_of_modules_is_partitioned_by_key_and_swaps_its_program() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("mixed", 4)?;
    let table = pipeline.table("p", "workers = 1", &CHAIN).replace("\"same-as-input\"", "\"key\"");
    let zig = modules::folder().join("../conformance/zig.wasm");
    let host = Host::builder(&format!("{TOP}{table}"))
        .module("filter.wasm", modules::foreign("fluvio.wasm32-wasip1/filter")?)
        .module("once.wasm", modules::foreign("redpanda.wasm32-wasip1/once")?)
        .module("lines.wasm", modules::foreign("lines.wasm32-wasip1/words")?)
        .module("work.wasm", modules::foreign("redpanda.go/work")?)
        .module("zig.wasm", fs::read(&zig).with_context(|| format!("{}: run `make guests`", zig.display()))?)
        .start()?;
    let mut sent = 0;
    let mut send = |key: &str, value: &str| -> Result<()> {
        sent += 1;
        let headers = vec![("n".to_owned(), None)];
        let record = Record { headers, timestamp: Some(SINCE + sent), ..Record::of(value).keyed(key).to(0) };
        broker.produce(&pipeline.from, [record])
    };
    // dropped by the first; a panic of the second module, which forgets; two words, which are two rows; seen before
    for (key, value) in [("k1", "odd"), ("k3", "panic"), ("k1", "a1 b"), ("k2", "a1 b"), ("k2", "later a2")] {
        send(key, value)?;
    }
    for n in 0..16 {
        send(&format!("key {n}"), &format!("a{n}{n}"))?;
    }
    pipeline.wait_for_end(PATIENCE)?;
    Swap::Rename.put(&host.modules(), "lines.wasm", &modules::foreign("lines.wasm32-wasip1/shout")?)?;
    wait_for("the swap", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
    // what the transform before it has seen is still known
    for (key, value) in [("k1", "a11"), ("k1", "a3 c"), ("k2", "a4")] {
        send(key, value)?;
    }
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;

    let rows = broker.consume(&pipeline.to)?;
    let of = |key: &str| -> Vec<String> {
        rows.iter().filter(|row| row.key.as_deref() == Some(key.as_bytes())).map(|row| row.text()).collect()
    };
    assert_eq!(of("k1"), ["A1", "B", "> A3 C"]);
    assert_eq!(of("k2"), ["LATER", "A2", "> A4"]);
    assert_eq!(of("key 7"), ["A77"]);
    assert_eq!(rows.len(), 6 + 16);
    // all came from partition 0: where a row is says its key alone
    let mut partitions: BTreeMap<&[u8], Vec<i32>> = BTreeMap::new();
    for row in &rows {
        partitions.entry(row.key.as_deref().unwrap_or_default()).or_default().push(row.partition);
        let now = row.timestamp.context("a timestamp")?.to_string().into_bytes();
        let expected = [("n".to_owned(), None), ("now".to_owned(), Some(now))];
        assert_eq!(row.headers, expected, "the record's own, and the clock that the transform in Go saw");
    }
    ensure!(partitions.values().all(|of_key| of_key.iter().all(|one| *one == of_key[0])), "{partitions:?}");
    ensure!(partitions.values().map(|of_key| of_key[0]).collect::<BTreeSet<_>>().len() > 1);
    let letters = letters(broker, &pipeline)?;
    let failed: Vec<_> = letters.iter().map(|(at, (class, ..))| (*at, class.as_str())).collect();
    assert_eq!(failed, [(1, "trap")]);
    Ok(())
}
