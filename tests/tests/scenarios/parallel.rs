//! `parallel = n`: parts of a batch on several threads, and nothing else that anybody could tell.

use std::fs;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, Swap, modules, scale};

use super::pipeline::{Pipeline, stop};
use super::poison::each_once;
use super::swap::{swaps, version};

#[test]
fn promise_one_holds_where_parts_of_a_batch_are_passed_at_once() -> Result<()> {
    for delivery in ["at-least-once", "exactly-once"] {
        each_once(&format!("workers = 1\nparallel = 3\ndelivery = \"{delivery}\""), scale(20_000, 200_000))?;
    }
    Ok(())
}

#[test]
fn promise_whole_holds_where_parts_of_a_batch_are_passed_at_once() -> Result<()> {
    swaps(Swap::Rename, "workers = 2\nparallel = 2")
}

/// Processor time that the threads of a host had, by name, in ticks.
fn ticks(host: &Host, thread: &str) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{}/task", host.pid().as_raw_nonzero()))? {
        let stat = fs::read_to_string(task?.path().join("stat"))?;
        let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).context("a name")?;
        if name == thread {
            let figures: Vec<&str> = rest.split_whitespace().collect();
            sum += figures[11].parse::<u64>()? + figures[12].parse::<u64>()?;
        }
    }
    Ok(sum)
}

#[test]
fn a_partition_of_a_slow_module_keeps_several_threads_busy_and_its_rows_in_order() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("parallel", 1)?;
    // 50 us a record
    let host = pipeline
        .host("workers = 1\nparallel = 3", &["module = \"mark.wasm\""])
        .module("mark.wasm", version("mark", 1)?)
        .start()?;
    let count = 40_000;
    broker.produce(&pipeline.from, (0..count).map(|n| Record::of(n.to_string())))?;
    pipeline.wait_for_end(PATIENCE)?;
    let times = ["p-0", "p-0+1", "p-0+2"].map(|thread| ticks(&host, thread));
    let [own, first, second] = times.map(|ticks| ticks.unwrap_or(0));
    ensure!(own > 10 && first > own / 2 && second > own / 2, "ticks of the threads: {own}, {first}, {second}");
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    assert_eq!(rows.len(), count);
    for (n, row) in rows.iter().enumerate() {
        ensure!(row.text() == n.to_string(), "{} where record {n} belongs", row.text());
    }
    Ok(())
}

#[test]
fn what_keeps_something_for_each_partition_is_refused_where_parts_are_passed_at_once() -> Result<()> {
    let pipeline = Pipeline::new("parallel-kept", 1)?;
    let chain = ["module = \"copy.wasm\""];
    let copy = modules::foreign("redpanda.wasm32-wasip1/identity")?;
    let mut host = pipeline.host("workers = 1\nparallel = 2", &chain).module("copy.wasm", &copy).spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    let log = host.log();
    for part in ["pipeline p", "module copy.wasm", "keeps something for each partition", "write `parallel = 1`"] {
        ensure!(log.contains(part), "no {part:?} in {log}");
    }
    Ok(())
}
