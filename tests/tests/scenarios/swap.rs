//! Swapping modules while records flow: every way of replacing, everything that may be wrong with a module, and a restart.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use edgemill::modules::hash;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, Swap, modules, scale, wait_for};
use serde_json::Value;

use super::pipeline::{Pipeline, said, status, stop};

const PARTITIONS: usize = 4;

/// A version of a guest that marks records with it: `stamp` in a header, `mark` in the key.
pub(super) fn version(guest: &str, number: usize) -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(guest).with_extension("wat");
    let text = fs::read_to_string(path)?;
    let marked = text.replace("\"0001\") ;; VERSION", &format!("\"{number:04}\") ;; VERSION"));
    ensure!(marked != text || number == 1, "{guest} has no version to replace");
    modules::wat(&marked)
}

/// Numbered records, round robin, some thousands a second, until the other end of the channel is dropped.
fn load(end: &Receiver<()>) -> impl Iterator<Item = Record> + '_ {
    (0..).map_while(|n: usize| {
        let ended =
            n.is_multiple_of(20) && end.recv_timeout(Duration::from_millis(2)) != Err(RecvTimeoutError::Timeout);
        let record = Record::of(n.to_string()).keyed(format!("key {n}")).to((n % PARTITIONS) as i32);
        (!ended).then_some(record)
    })
}

/// Does something while records flow into a topic, and returns when all of them are there.
fn under_load<T>(topic: &str, act: impl FnOnce() -> Result<T>) -> Result<T> {
    let (running, end) = sync_channel(0);
    thread::scope(|scope| {
        let producer = scope.spawn(move || Broker::shared().produce(topic, load(&end)));
        let done = act();
        drop(running);
        producer.join().expect("the producer does not panic")?;
        done
    })
}

/// The offset from which each partition is under a plan, as the log says; none where it does not say so of all of them.
fn takes_effect(host: &Host, plan: usize) -> Option<BTreeMap<String, i64>> {
    let lines = said(host, "plan takes effect").into_iter().filter(|line| line["plan"] == plan);
    let offsets: BTreeMap<_, _> =
        lines.filter_map(|line| Some((line["partition"].as_str()?.to_owned(), line["offset"].as_i64()?))).collect();
    (offsets.len() == PARTITIONS).then_some(offsets)
}

fn wait_for_plan(host: &Host, plan: usize) -> Result<BTreeMap<String, i64>> {
    wait_for(&format!("plan {plan} is in effect everywhere"), PATIENCE, || Ok(takes_effect(host, plan)))
}

/// Waits until a change was refused, and gives the status's words for it.
fn wait_for_refusal(host: &Host, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_for("the change is refused", PATIENCE, || {
        let refused = status(host)?["refused"].take();
        Ok((refused.is_object() && wanted(&refused)).then_some(refused))
    })
}

/// Waits until the refusal is taken back: that comes right after the plan.
fn wait_for_no_refusal(host: &Host) -> Result<()> {
    wait_for("nothing is refused", PATIENCE, || Ok(status(host)?["refused"].is_null().then_some(())))
}

/// Checks that a topic has each record of the load once, in order, and gives the rows by partition.
fn all_once(pipeline: &Pipeline) -> Result<Vec<Vec<Consumed>>> {
    let ends = Broker::shared().ends(&pipeline.from)?;
    let mut rows = vec![Vec::new(); PARTITIONS];
    for row in Broker::shared().consume(&pipeline.to)? {
        rows[row.partition as usize].push(row);
    }
    for (partition, rows) in rows.iter().enumerate() {
        for (k, row) in rows.iter().enumerate() {
            let n = partition + PARTITIONS * k;
            ensure!(row.text() == n.to_string(), "{} where record {n} of partition {partition} belongs", row.text());
        }
        ensure!(rows.len() as i64 == ends[partition], "{} rows of {} records", rows.len(), ends[partition]);
    }
    Ok(rows)
}

/// The version of each row, which is one, and never falls.
fn versions(rows: &[Consumed]) -> Result<Vec<usize>> {
    let mut versions = Vec::with_capacity(rows.len());
    for row in rows {
        ensure!(row.headers.len() == 1, "{} headers at offset {}", row.headers.len(), row.offset);
        let version: usize = row.header("version").context("a row without a version")?.parse()?;
        let before = versions.last().copied().unwrap_or(0);
        ensure!(before <= version, "version {version} after {before} at offset {}", row.offset);
        versions.push(version);
    }
    Ok(versions)
}

/// Checks that each plan's version begins exactly where the log says that the plan takes effect.
fn begin_where_logged(rows: &[Vec<Consumed>], plans: &[BTreeMap<String, i64>], topic: &str) -> Result<()> {
    for (partition, rows) in rows.iter().enumerate() {
        let versions = versions(rows)?;
        for (plan, offsets) in (1..).zip(plans) {
            let logged = offsets[&format!("{topic}/{partition}")];
            // rows and records have the same offsets, as none is dropped
            let begin = versions.partition_point(|version| *version < plan) as i64;
            ensure!(begin == logged, "plan {plan} begins at {begin} of partition {partition}, the log says {logged}");
        }
        ensure!(versions.last() <= Some(&plans.len()), "a version that was never published: {:?}", versions.last());
    }
    Ok(())
}

fn pauses(host: &Host) -> Result<()> {
    for worker in status(host)?["workers"].as_array().context("workers")? {
        let pause = worker["longest_swap_pause_ms"].as_f64().context("longest_swap_pause_ms")?;
        eprintln!("longest pause of a worker: {pause:.3} ms");
        ensure!(pause > 0.0 && pause < 10.0, "a worker paused for {pause} ms");
    }
    Ok(())
}

/// Swaps under load, one after the other, and checks every row.
pub(super) fn swaps(way: Swap, keys: &str) -> Result<()> {
    let count = scale(20, 200);
    let pipeline = Pipeline::new("swap", PARTITIONS as i32)?;
    let builder = pipeline.host(keys, &["module = \"stamp.wasm\""]);
    let host = builder.module("stamp.wasm", version("stamp", 1)?).start()?;
    let plans = under_load(&pipeline.from, || {
        let mut plans = vec![wait_for_plan(&host, 1)?];
        for number in 2..=count + 1 {
            way.put(&host.modules(), "stamp.wasm", &version("stamp", number)?)?;
            plans.push(wait_for_plan(&host, number)?);
        }
        Ok(plans)
    })?;
    pipeline.wait_for_end(PATIENCE)?;
    let status = status(&host)?;
    assert_eq!(status["plan"]["number"], count + 1, "no more plans than changes");
    assert_eq!(status["plan"]["modules"][0]["hash"], hash(&version("stamp", count + 1)?));
    assert_eq!((&status["refused"], &status["failed"]), (&Value::Null, &0.into()));
    pauses(&host)?;
    stop(host)?;
    begin_where_logged(&all_once(&pipeline)?, &plans, &pipeline.from)
}

#[test]
fn promise_whole_holds_when_a_module_is_renamed_into_place_twenty_times_under_load() -> Result<()> {
    swaps(Swap::Rename, "workers = 2")
}

#[test]
fn promise_whole_holds_when_a_module_is_slowly_written_in_place_twenty_times_under_load() -> Result<()> {
    swaps(Swap::InPlace, "workers = 2")
}

#[test]
fn promise_whole_holds_when_a_link_is_switched_twenty_times_under_load() -> Result<()> {
    swaps(Swap::Link, "workers = 2")
}

/// Switches `..data` to a folder with these modules, as one change.
fn switch(folder: &Path, name: &str, files: &[(&str, Vec<u8>)]) -> Result<()> {
    fs::create_dir(folder.join(name))?;
    for (file, bytes) in files {
        fs::write(folder.join(name).join(file), bytes)?;
    }
    symlink(name, folder.join("..data_tmp"))?;
    Ok(fs::rename(folder.join("..data_tmp"), folder.join("..data"))?)
}

#[test]
fn promise_whole_holds_for_two_modules_that_change_together() -> Result<()> {
    let count = scale(10, 100);
    let pipeline = Pipeline::new("pair", PARTITIONS as i32)?;
    let builder = pipeline.host("workers = 2", &["module = \"mark.wasm\"", "module = \"stamp.wasm\""]);
    let pair = |n| Ok::<_, anyhow::Error>([("mark.wasm", version("mark", n)?), ("stamp.wasm", version("stamp", n)?)]);
    let [(mark, first), (stamp, second)] = pair(1)?;
    let host = builder.module(mark, first).module(stamp, second).start()?;
    switch(&host.modules(), "..1", &pair(1)?)?;
    for name in [mark, stamp] {
        symlink(Path::new("..data").join(name), host.modules().join("..link"))?;
        fs::rename(host.modules().join("..link"), host.modules().join(name))?;
    }
    let plans = under_load(&pipeline.from, || {
        let mut plans = vec![wait_for_plan(&host, 1)?];
        for number in 2..=count + 1 {
            switch(&host.modules(), &format!("..{number}"), &pair(number)?)?;
            plans.push(wait_for_plan(&host, number)?);
        }
        Ok(plans)
    })?;
    pipeline.wait_for_end(PATIENCE)?;
    assert_eq!(status(&host)?["plan"]["number"], count + 1, "one plan for each pair");
    stop(host)?;
    let rows = all_once(&pipeline)?;
    for row in rows.iter().flatten() {
        let key = row.key.as_deref().map(String::from_utf8_lossy);
        assert_eq!(key.as_deref(), row.header("version").as_deref(), "a row of two plans, at offset {}", row.offset);
    }
    begin_where_logged(&rows, &plans, &pipeline.from)
}

#[test]
fn promise_keep_holds_for_modules_that_are_no_good_and_a_good_one_is_taken_after_each() -> Result<()> {
    let good = version("stamp", 1)?;
    let mut damaged = good.clone();
    damaged[12] = 0xff;
    let bad = [
        ("compile", "the file is damaged or cut short", good[..good.len() / 2].to_vec()),
        ("compile", "", damaged),
        ("compile", "the file is empty", Vec::new()),
        ("version", "speaks contract 2.0.0; this host speaks 1.0.0", modules::hostile("wrong-version")?),
        ("instantiate", "trap: unreachable code was reached", modules::hostile("trap-on-start")?),
        ("configure", "unknown key colour; known are size, shape", modules::hostile("refuses-configuration")?),
    ];
    let pipeline = Pipeline::new("keep", PARTITIONS as i32)?;
    let builder = pipeline.host("workers = 2", &["module = \"stamp.wasm\""]);
    let host = builder.module("stamp.wasm", &good).start()?;
    let mut plans = Vec::new();
    under_load(&pipeline.from, || {
        plans.push(wait_for_plan(&host, 1)?);
        for (index, (step, words, bytes)) in bad.iter().enumerate() {
            let way = edgemill_tests::SWAPS[index % 3];
            way.put(&host.modules(), "stamp.wasm", bytes)?;
            let refused = wait_for_refusal(&host, |refused| refused["hash"] == hash(bytes))?;
            assert_eq!((&refused["step"], &refused["module"]), (&(*step).into(), &"stamp.wasm".into()), "{refused}");
            assert!(refused["error"].as_str().is_some_and(|error| error.contains(words)), "{refused}");
            assert_eq!(status(&host)?["plan"]["number"], plans.len(), "a refused module made a plan");
            let next = version("stamp", plans.len() + 1)?;
            way.put(&host.modules(), "stamp.wasm", &next)?;
            plans.push(wait_for_plan(&host, plans.len() + 1)?);
            wait_for_no_refusal(&host)?;
        }
        Ok(())
    })?;
    pipeline.wait_for_end(PATIENCE)?;
    // each is told once, however often the folder is looked at
    assert_eq!(said(&host, "module refused: the running plan stays").len(), bad.len());
    let refused = host.metrics()?.sum("edgemill_reloads_total", &[("result", "refused")]);
    assert_eq!(refused, bad.len() as f64);
    stop(host)?;
    begin_where_logged(&all_once(&pipeline)?, &plans, &pipeline.from)
}

#[test]
fn promise_keep_holds_for_a_module_that_stays_half_written_and_for_one_that_is_gone() -> Result<()> {
    let pipeline = Pipeline::new("half", PARTITIONS as i32)?;
    let host = pipeline
        .host("workers = 2", &["module = \"stamp.wasm\""])
        .module("stamp.wasm", version("stamp", 1)?)
        .start()?;
    let path = host.modules().join("stamp.wasm");
    let next = version("stamp", 2)?;
    let plans = under_load(&pipeline.from, || {
        let first = wait_for_plan(&host, 1)?;
        let (begin, rest) = next.split_at(next.len() / 2);
        fs::write(&path, begin)?;
        wait_for_refusal(&host, |refused| refused["hash"] == hash(begin))?;
        let mut file = fs::OpenOptions::new().append(true).open(&path)?;
        std::io::Write::write_all(&mut file, rest)?;
        let second = wait_for_plan(&host, 2)?;
        fs::remove_file(&path)?;
        let refused = wait_for_refusal(&host, |refused| refused["step"] == "read")?;
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("stamp.wasm")), "{refused}");
        // back as it was: nothing to complain of, and no new plan
        fs::write(&path, &next)?;
        wait_for_no_refusal(&host)?;
        fs::write(&path, version("stamp", 3)?)?;
        Ok(vec![first, second, wait_for_plan(&host, 3)?])
    })?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    begin_where_logged(&all_once(&pipeline)?, &plans, &pipeline.from)
}

#[test]
fn a_module_that_is_written_again_as_it_was_makes_no_plan() -> Result<()> {
    let pipelines = [Pipeline::new("same", 1)?, Pipeline::new("other", 1)?];
    let tables = [
        pipelines[0].table("a", "workers = 1", &["module = \"same.wasm\""]),
        pipelines[1].table("b", "workers = 1", &["module = \"other.wasm\""]),
    ];
    let host = Host::builder(&format!("{}{}", super::pipeline::TOP, tables.concat()))
        .module("same.wasm", version("stamp", 1)?)
        .module("other.wasm", version("stamp", 1)?)
        .start()?;
    for (plan, way) in (2..).zip(edgemill_tests::SWAPS) {
        way.put(&host.modules(), "same.wasm", &version("stamp", 1)?)?;
        // pipelines are looked at in one go: once the second has changed, the first was looked at too
        Swap::Rename.put(&host.modules(), "other.wasm", &version("stamp", plan)?)?;
        wait_for("the other pipeline has its plan", PATIENCE, || {
            Ok((host.status()?["pipelines"][1]["plan"]["number"] == plan).then_some(()))
        })?;
        let status = host.status()?["pipelines"][0].take();
        assert_eq!((&status["plan"]["number"], &status["refused"]), (&1.into(), &Value::Null), "after {way:?}");
    }
    stop(host)
}

#[test]
fn promise_keep_holds_at_a_restart_with_a_broken_file_loudly() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("restart", 1)?;
    let builder = pipeline.host("workers = 1", &["module = \"stamp.wasm\""]);
    let mut host = builder.module("stamp.wasm", version("stamp", 1)?).start()?;
    broker.produce(&pipeline.from, [Record::of("1")])?;
    pipeline.wait_for_end(PATIENCE)?;
    Swap::Rename.put(&host.modules(), "stamp.wasm", &version("stamp", 2)?)?;
    wait_for("plan 2", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
    Swap::Rename.put(&host.modules(), "stamp.wasm", &modules::hostile("trap-on-start")?)?;
    host.logs("module refused")?;

    for life in 0..2 {
        assert_eq!(host.stop()?.code(), Some(0));
        host.restart()?;
        let status = status(&host)?;
        assert_eq!(status["plan"]["modules"][0]["hash"], hash(&version("stamp", 2)?), "the last good one");
        assert_eq!(status["refused"]["step"], "instantiate", "{status}");
        let told = said(&host, "broken module in the folder: running the last good plan");
        assert_eq!((told.len(), &told[life]["level"]), (life + 1, &"ERROR".into()));
        broker.produce(&pipeline.from, [Record::of((2 + life).to_string())])?;
        pipeline.wait_for_end(PATIENCE)?;
    }
    Swap::Rename.put(&host.modules(), "stamp.wasm", &version("stamp", 3)?)?;
    wait_for("plan 2 of this life", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
    wait_for_no_refusal(&host)?;
    wait_for("the worker has switched", PATIENCE, || Ok((status(&host)?["workers"][0]["plan"] == 2).then_some(())))?;
    broker.produce(&pipeline.from, [Record::of("4")])?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    let rows: Vec<_> = rows.iter().map(|row| (row.text(), row.header("version").unwrap_or_default())).collect();
    let expected = [("1", "0001"), ("2", "0002"), ("3", "0002"), ("4", "0003")];
    assert_eq!(rows, expected.map(|(value, version)| (value.to_owned(), version.to_owned())));
    Ok(())
}
