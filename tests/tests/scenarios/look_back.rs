//! SmartModules that look back: with the SDK's own `look_back`, on a real topic, whatever makes an instance anew.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, Swap, modules, wait_for};

use super::foreign::{letters, texts};
use super::pipeline::{Pipeline, said, status, stop};

/// Keeps what is larger than all that it has seen, and panics at the word "panic": in `look_back` too.
fn rise(build: &str) -> Result<Vec<u8>> {
    modules::foreign(&format!("fluvio.{build}/look_back"))
}

const BUILDS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

fn send(pipeline: &Pipeline, partition: i32, values: &[&str]) -> Result<()> {
    Broker::shared().produce(&pipeline.from, values.iter().map(|value| Record::of(*value).to(partition)))?;
    pipeline.wait_for_end(PATIENCE)
}

/// What came out of a partition.
fn out(pipeline: &Pipeline, partition: i32) -> Result<Vec<String>> {
    let mut rows = Broker::shared().consume(&pipeline.to)?;
    rows.retain(|row| row.partition == partition);
    Ok(texts(&rows))
}

/// What the host has read before offsets: with each, how many records.
fn looked_back(host: &Host) -> Vec<(i64, u64)> {
    let lines = said(host, "look_back: read what was before");
    let number =
        |line: &serde_json::Value, key: &str| line[key].as_i64().or(line["fields"][key].as_i64()).unwrap_or(-1);
    lines.iter().map(|line| (number(line, "offset"), number(line, "records") as u64)).collect()
}

#[test]
fn promise_one_holds_for_a_smart_module_that_looks_back_which_goes_on_as_if_it_had_never_been_away() -> Result<()> {
    for (build, other) in BUILDS.into_iter().zip(BUILDS.into_iter().rev()) {
        let pipeline = Pipeline::new("look-back", 1)?;
        let chain = "module = \"rise.wasm\", look_back = { last = 3 }";
        let start = || pipeline.host("workers = 1", &[chain]).module("rise.wasm", rise(build)?).start();
        let host = start()?;
        send(&pipeline, 0, &["5", "3", "7"])?;
        assert_eq!(out(&pipeline, 0)?, ["5", "7"], "{build}");
        // the instance faults, and its successor knows what was before
        send(&pipeline, 0, &["panic", "4", "6"])?;
        assert_eq!(out(&pipeline, 0)?, ["5", "7"], "{build}");
        assert_eq!(looked_back(&host), [(0, 0)], "what went through is still at hand");
        // so does another module in its place
        Swap::Rename.put(&host.modules(), "rise.wasm", &rise(other)?)?;
        wait_for("the swap", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
        send(&pipeline, 0, &["5", "8", "7"])?;
        assert_eq!(out(&pipeline, 0)?, ["5", "7", "8"], "{build}");
        assert_eq!(looked_back(&host), [(0, 0), (6, 3)]);
        ensure!(host.log().contains("look_back does not take records"), "of panic, 4, 6 one panics: {}", host.log());
        stop(host)?;
        // and the next process; of more than the last three nothing is known
        let host = start()?;
        send(&pipeline, 0, &["8", "1", "1", "1"])?;
        assert_eq!(out(&pipeline, 0)?, ["5", "7", "8"], "{build}");
        assert_eq!(looked_back(&host), [(9, 3)]);
        stop(host)?;
        let host = start()?;
        send(&pipeline, 0, &["1", "2"])?;
        stop(host)?;
        assert_eq!(out(&pipeline, 0)?, ["5", "7", "8", "2"], "{build}");
        assert_eq!(letters(Broker::shared(), &pipeline)?.keys().copied().collect::<Vec<_>>(), [3]);
    }
    Ok(())
}

#[test]
fn partitions_that_move_between_hosts_take_their_last_records_with_them_and_nobody_elses() -> Result<()> {
    let pipeline = Pipeline::new("look-back-moves", 2)?;
    let chain = "module = \"rise.wasm\", look_back = { last = 5, age = \"1 h\" }";
    let start = || pipeline.host("workers = 1", &[chain]).module("rise.wasm", rise(BUILDS[0])?).start();
    let first = start()?;
    send(&pipeline, 0, &["10"])?;
    send(&pipeline, 1, &["100"])?;
    send(&pipeline, 0, &["9", "20"])?;
    let lanes = |host: &Host| -> Result<usize> {
        let status = status(host)?;
        Ok(status["workers"][0]["lanes"].as_array().map_or(0, Vec::len))
    };
    let second = start()?;
    wait_for("a lane for each", PATIENCE, || Ok((lanes(&first)? == 1 && lanes(&second)? == 1).then_some(())))?;
    for partition in 0..2 {
        send(&pipeline, partition, &["15", "99"])?;
    }
    stop(first)?;
    wait_for("both lanes", PATIENCE, || Ok((lanes(&second)? == 2).then_some(())))?;
    for partition in 0..2 {
        send(&pipeline, partition, &["50", "98", "101"])?;
    }
    stop(second)?;
    assert_eq!(out(&pipeline, 0)?, ["10", "20", "99", "101"]);
    assert_eq!(out(&pipeline, 1)?, ["100", "101"]);
    Ok(())
}

#[test]
fn what_is_older_than_the_age_is_not_looked_back_on() -> Result<()> {
    let pipeline = Pipeline::new("look-back-age", 1)?;
    let chain = "module = \"rise.wasm\", look_back = { last = 5, age = \"1 h\" }";
    let start = || pipeline.host("workers = 1", &[chain]).module("rise.wasm", rise(BUILDS[0])?).start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let host = start()?;
    let values = [("100", now - 7_200_000), ("10", now - 60_000)];
    let records = values.map(|(value, time)| Record { timestamp: Some(time), ..Record::of(value).to(0) });
    Broker::shared().produce(&pipeline.from, records)?;
    send(&pipeline, 0, &[])?;
    stop(host)?;
    let host = start()?;
    send(&pipeline, 0, &["9", "50"])?;
    stop(host)?;
    assert_eq!(out(&pipeline, 0)?, ["100", "50"]);
    Ok(())
}

#[test]
fn promise_keep_holds_for_a_module_whose_look_back_takes_none_of_the_last_records() -> Result<()> {
    let pipeline = Pipeline::new("look-back-keep", 1)?;
    let chain = "module = \"rise.wasm\", look_back = { last = 3 }";
    let start = || pipeline.host("workers = 1", &[chain]).module("rise.wasm", rise(BUILDS[0])?).start();
    let host = start()?;
    send(&pipeline, 0, &["5", "one", "two", "three"])?;
    Swap::Rename.put(&host.modules(), "rise.wasm", &rise(BUILDS[1])?)?;
    let why = "look_back takes none of the last 3 records";
    wait_for("the refusal", PATIENCE, || Ok(host.log().contains(why).then_some(())))?;
    let refused = status(&host)?["refused"].to_string();
    ensure!(refused.contains(why) && refused.contains("offset 1: invalid digit found in string"), "{refused}");
    assert_eq!(status(&host)?["plan"]["number"], 1);
    send(&pipeline, 0, &["4", "6"])?;
    stop(host)?;
    // records keep no host from starting, and are no dead letters once more
    Broker::shared().produce(&pipeline.from, ["a", "b", "c"].map(|value| Record::of(value).to(0)))?;
    let host = start()?;
    send(&pipeline, 0, &[])?;
    stop(host)?;
    let host = start()?;
    send(&pipeline, 0, &["7"])?;
    ensure!(host.log().contains("look_back does not take records"), "{}", host.log());
    stop(host)?;
    assert_eq!(out(&pipeline, 0)?, ["5", "6", "7"]);
    assert_eq!(letters(Broker::shared(), &pipeline)?.keys().copied().collect::<Vec<_>>(), [1, 2, 3, 6, 7, 8]);
    Ok(())
}

#[test]
fn promise_once_holds_for_a_module_that_looks_back_in_a_topic_with_holes() -> Result<()> {
    // the rows of one pipeline are what the next one reads: each of its transactions ends with a record that nobody sees
    let first = Pipeline::new("look-back-holes", 1)?;
    let keys = "workers = 1\ndelivery = \"exactly-once\"";
    let pass = first.host(keys, &[]).start()?;
    let mut second = Pipeline::new("look-back-once", 1)?;
    second.from.clone_from(&first.to);
    let chain = "module = \"rise.wasm\", look_back = { last = 4 }";
    let start = || second.host(keys, &[chain]).module("rise.wasm", rise(BUILDS[0])?).start();
    let host = start()?;
    let (broker, from) = (Broker::shared(), &second.from);
    let last = || -> Result<i64> { Ok(broker.ends(from)?[0] - 1) };
    let through = || {
        let last = last()?;
        wait_for("all that is no end of a transaction is committed", PATIENCE, || {
            Ok(broker.committed(&second.group, &second.from)?[0].is_some_and(|at| at >= last).then_some(()))
        })
    };
    for value in ["9", "1", "2", "3"] {
        send(&first, 0, &[value])?;
    }
    through()?;
    ensure!(last()? >= 7, "there are no holes");
    stop(host)?;
    let host = start()?;
    send(&first, 0, &["8", "10"])?;
    through()?;
    assert_eq!(looked_back(&host).iter().map(|(_, records)| *records).collect::<Vec<_>>(), [4], "{}", host.log());
    stop(host)?;
    stop(pass)?;
    assert_eq!(out(&second, 0)?, ["9", "10"]);
    Ok(())
}

#[test]
fn a_module_that_cannot_look_back_is_refused_where_it_is_to() -> Result<()> {
    let pipeline = Pipeline::new("look-back-not", 1)?;
    let filter = modules::foreign("fluvio.wasm32-wasip1/filter")?;
    let keys = "module = \"it.wasm\", config = { word = \"a\" }, look_back = { last = 3 }";
    let mut host = pipeline.host("workers = 1", &[keys]).module("it.wasm", &filter).spawn()?;
    assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
    let why = "look-back: the SmartModule does not export look_back, so it cannot look back: leave `look_back` out";
    ensure!(host.log().contains(why), "{}", host.log());
    Ok(())
}
