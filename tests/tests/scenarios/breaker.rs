//! The breaker: a module that takes nothing any more does not cost a topic, and one bad partition does not hold the others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, Swap, modules, wait_for};

use super::pipeline::{Pipeline, said, status, stop};

const TRIPPED: &str = "too many records fail: nothing is read until a few of them pass; `edgemill explain` shows one's way; put a module \
                       that takes them into the folder, correct the configuration, or start again without the `breaker`";

const FAILED: &str = "a probe failed; the lane waits for the next";

fn open(host: &Host) -> Result<bool> {
    Ok(!status(host)?["workers"][0]["breaker"].is_null())
}

fn wait_for_breaker(host: &Host, wanted: bool) -> Result<()> {
    let what = format!("the breaker is {}", if wanted { "open" } else { "closed" });
    wait_for(&what, PATIENCE, || Ok((open(host)? == wanted).then_some(())))
}

/// Waits until so many more probes have failed.
fn wait_for_probes(host: &Host, more: usize) -> Result<()> {
    let before = said(host, FAILED).len();
    wait_for("more probes fail", PATIENCE, || Ok((said(host, FAILED).len() >= before + more).then_some(())))
}

fn texts(topic: &str) -> Result<Vec<String>> {
    Ok(Broker::shared().consume(topic)?.iter().map(Consumed::text).collect())
}

fn trips_holds_probes_and_recovers(delivery: &str) -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("breaker", 2)?;
    let breaker = "breaker = { of = 200, probe = \"300 ms\" }";
    let keys = format!("workers = 1\nbatch = {{ records = 30 }}\n{breaker}\n{delivery}");
    let builder = pipeline.host(&keys, &["module = \"poison.wasm\""]);
    let host = builder.module("poison.wasm", modules::hostile("identity")?).start()?;
    let record = |n: i32| Record::of(format!("T! {n}")).to(n % 2);
    broker.produce(&pipeline.from, (0..1000).map(record))?;
    pipeline.wait_for_end(PATIENCE)?;
    // a release that takes nothing of what comes
    Swap::Rename.put(&host.modules(), "poison.wasm", &modules::hostile("poison")?)?;
    host.logs("switched plans")?;
    broker.produce(&pipeline.from, (1000..5000).map(record))?;
    wait_for_breaker(&host, true)?;
    let told = said(&host, TRIPPED);
    assert_eq!((told.len(), &told[0]["level"], &told[0]["pipeline"]), (1, &"ERROR".into(), &"p".into()));
    ensure!(
        told[0]["failed"].as_str().is_some_and(
            |failed| failed.contains("trap in poison.wasm; the last: ") && failed.contains("trap (trap): ")
        ),
        "{}",
        told[0]
    );
    let ready = host.get("/readyz")?;
    ensure!(ready.status == 503 && ready.body.contains("the breaker is open"), "{ready:?}");
    assert_eq!(host.metrics()?.sum("edgemill_breaker_open", &[("pipeline", "p")]), 1.0);
    wait_for_probes(&host, 4)?;
    let letters = texts(&pipeline.dead)?;
    ensure!((1..200).contains(&letters.len()), "{} records went into the dead letters", letters.len());
    let committed = broker.committed(&pipeline.group, &pipeline.from)?;
    wait_for_probes(&host, 4)?;
    assert_eq!(texts(&pipeline.dead)?, letters, "a probe cost a record");
    assert_eq!(broker.committed(&pipeline.group, &pipeline.from)?, committed);

    Swap::Rename.put(&host.modules(), "poison.wasm", &modules::hostile("identity")?)?;
    pipeline.wait_for_end(PATIENCE)?;
    wait_for_breaker(&host, false)?;
    assert_eq!(host.get("/readyz")?.status, 200);
    assert_eq!(host.metrics()?.sum("edgemill_breaker_open", &[]), 0.0);
    stop(host)?;
    let mut all = texts(&pipeline.to)?;
    eprintln!("{} of 4000 records went into the dead letters before it tripped", letters.len());
    all.extend(letters);
    let number = |text: &String| text[3..].parse::<i32>();
    let mut numbers = all.iter().map(number).collect::<Result<Vec<_>, _>>().context("numbers")?;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..5000).collect::<Vec<_>>(), "each once");
    for partition in 0..2 {
        let rows = broker.consume(&pipeline.to)?;
        let rows: Vec<_> = rows.iter().filter(|row| row.partition == partition).map(Consumed::text).collect();
        let numbers = rows.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        ensure!(numbers.is_sorted(), "partition {partition} is out of order");
    }
    Ok(())
}

#[test]
fn promise_commit_the_breaker_trips_holds_probes_and_recovers_after_a_swap() -> Result<()> {
    trips_holds_probes_and_recovers("")
}

#[test]
fn promise_once_the_breaker_trips_holds_probes_and_recovers_in_transactions() -> Result<()> {
    trips_holds_probes_and_recovers("delivery = \"exactly-once\"")
}

#[test]
fn promise_order_a_partition_that_is_all_bad_waits_and_the_others_go_on() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("bad-lane", 3)?;
    let keys = "workers = 1\nbreaker = { of = 100, probe = \"300 ms\" }";
    let builder = pipeline.host(keys, &["module = \"poison.wasm\""]);
    let host = builder.module("poison.wasm", modules::hostile("poison")?).start()?;
    broker.produce(&pipeline.from, (0..3000).map(|n| Record::of(format!("T! {n}")).to(0)))?;
    wait_for_breaker(&host, true)?;
    // what comes in the other partitions is delivered although the first one stays bad
    let started = Instant::now();
    for n in 0..10 {
        let record = |p: i32| move |k: i32| Record::of(format!("{n} {k}")).to(p);
        broker.produce(&pipeline.from, (0..100).map(record(1)).chain((0..100).map(record(2))))?;
        wait_for("the good partitions are committed", Duration::from_secs(10), || {
            let committed = broker.committed(&pipeline.group, &pipeline.from)?;
            Ok((committed[1..] == [Some(100 * (n + 1)); 2]).then_some(()))
        })?;
    }
    wait_for_probes(&host, 4)?;
    eprintln!("{:?} for the good ones; {} trips", started.elapsed(), said(&host, TRIPPED).len());
    assert_eq!(said(&host, TRIPPED).len(), 1, "it flaps");
    let letters = texts(&pipeline.dead)?.len();
    ensure!(letters < 100, "{letters} records went into the dead letters");
    ensure!(open(&host)?, "the bad partition is read");
    let ready = host.get("/readyz")?.body;
    ensure!(ready.contains(&format!("{}/0 not read", pipeline.from)), "{ready}");

    Swap::Rename.put(&host.modules(), "poison.wasm", &modules::hostile("identity")?)?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    assert_eq!(texts(&pipeline.to)?.len() + letters, 3000 + 2000);
    Ok(())
}
