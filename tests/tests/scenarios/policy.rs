//! What is done with records that fail: every action, and partitions that wait for a person.

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, Swap, modules, program, wait_for};

use super::pipeline::{Pipeline, said, stop};
use super::poison::added;

const POISON: &str = "module = \"poison.wasm\", limits = { time = \"50 ms\", memory = \"32 MiB\" }";

/// An action for each class, most of them after tries.
const ACTIONS: &str = "on = { reject = \"pass-through\", trap = \"skip\", \
                       timeout = { retry = 1, backoff = \"5 ms\", then = \"pass-through\" }, \
                       memory = { retry = 1, backoff = \"5 ms\", then = \"dead-letter\" }, \
                       output = { retry = 2, backoff = \"5 ms\", then = \"dead-letter\" }, \
                       refused = { retry = 2, backoff = \"20 ms\" } }";

/// What the brokers refuse is in record 757, where there is such a record at all.
fn value(n: usize, refused: bool) -> String {
    match n % 100 {
        7 => format!("R! {n}"),
        17 => format!("T! {n}"),
        27 if n == 527 => format!("L! {n}"),
        37 => format!("M! {n}"),
        47 => format!("G! {n}"),
        57 if n == 757 && refused => format!("{n} {}", "large".repeat(40_000)),
        _ => format!("record {n}"),
    }
}

fn key(row: &Consumed) -> String {
    row.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
}

fn every_action(delivery: &str, refused: bool) -> Result<()> {
    let broker = Broker::shared();
    let mut pipeline = Pipeline::new("actions", 1)?;
    pipeline.to = format!("{}-small", pipeline.to);
    broker.create_topic(&pipeline.to, 1, &[("max.message.bytes", "100000")])?;
    let keys = format!("workers = 1\nbatch = {{ records = 100 }}\nstamp = true\n{delivery}\n{ACTIONS}");
    let host = pipeline.host(&keys, &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let count = 1000;
    let value = |n: usize| value(n, refused);
    let record = |n: usize| {
        let headers =
            if n.is_multiple_of(2) { Vec::new() } else { vec![("n".to_owned(), Some(n.to_string().into_bytes()))] };
        Record { key: Some(format!("key {n}").into_bytes()), headers, ..Record::of(value(n)) }
    };
    broker.produce(&pipeline.from, (0..count).map(record))?;
    pipeline.wait_for_end(PATIENCE)?;
    let metrics = host.metrics()?;
    let failures = |class, action| metrics.sum("edgemill_failures_total", &[("class", class), ("action", action)]);
    let actions = [("reject", "pass-through"), ("trap", "skip"), ("memory", "dead-letter"), ("output", "dead-letter")];
    for (class, action) in actions {
        ensure!(failures(class, action) >= 10.0, "{class}: {action}");
    }
    // what an aborted transaction makes the host do again is counted again
    let counted = |count: f64, times: u8| match refused {
        true => count >= f64::from(times),
        false => count == f64::from(times),
    };
    ensure!(counted(failures("timeout", "pass-through"), 1), "the timeout");
    ensure!(counted(failures("refused", "dead-letter"), refused as u8), "the refused row");
    let retries = |class| metrics.sum("edgemill_retries_total", &[("class", class)]);
    ensure!(counted(retries("timeout"), 1), "tries of the timeout");
    ensure!(counted(retries("refused"), 2 * refused as u8), "tries of the refused row");
    ensure!(retries("memory") >= 10.0 && retries("output") >= 20.0, "tries");
    stop(host)?;

    let passes = |n: &usize| value(*n).starts_with(['R', 'L']);
    let expected: Vec<_> = (0..count).filter(|n| value(*n).starts_with("record") || passes(n)).collect();
    let rows = broker.consume(&pipeline.to)?;
    let keys = |ns: &[usize]| ns.iter().map(|n| format!("key {n}")).collect::<Vec<_>>();
    assert_eq!(rows.iter().map(key).collect::<Vec<_>>(), keys(&expected));
    for (row, n) in rows.iter().zip(&expected) {
        assert_eq!((row.text(), row.header("n").is_some()), (value(*n), n % 2 == 1));
        assert_eq!(row.header("edgemill.modules").is_some(), !passes(n), "no module made what passes through");
    }
    let tries = |n: usize| match &value(n)[..1] {
        "G" | "7" => Some("3"),
        "M" => Some("2"),
        _ => None,
    };
    let expected: Vec<_> = (0..count).filter_map(|n| Some((format!("key {n}"), tries(n)?.to_owned()))).collect();
    let letters = broker.consume(&pipeline.dead)?;
    let found: Vec<_> = letters.iter().map(|letter| (key(letter), added(letter)["tries"].clone())).collect();
    assert_eq!(found, expected);
    for letter in letters.iter().filter(|letter| letter.text().starts_with("M!")) {
        let backtrace = added(letter).remove("backtrace").context("the function has a name")?;
        ensure!(backtrace.starts_with("hog at 0x"), "{backtrace}");
    }
    Ok(())
}

#[test]
fn promise_order_every_action_is_taken_and_what_passes_through_stays_in_its_place() -> Result<()> {
    every_action("", false)
}

#[test]
fn promise_once_every_action_is_taken_in_transactions() -> Result<()> {
    every_action("delivery = \"exactly-once\"", true)
}

#[test]
fn promise_one_holds_for_siblings_whatever_is_done_with_the_one_that_fails() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("siblings", 1)?;
    let keys =
        "workers = 1\non = { reject = \"skip\", trap = \"pass-through\", timeout = { retry = 1, then = \"skip\" } }";
    let host = pipeline
        .host(keys, &["module = \"fan-out.wasm\"", POISON])
        .module("fan-out.wasm", modules::hostile("fan-out")?)
        .module("poison.wasm", modules::hostile("poison")?)
        .start()?;
    // the second of three siblings lacks the first letter
    let values = ["x 0", "xR! 1", "x 2", "xT! 3", "x 4", "xL! 5", "x 6", "xE! 7", "x 8"];
    broker.produce(&pipeline.from, values.map(Record::of))?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let expected = values.iter().flat_map(|value| match &value[..2] {
        "x " => vec![value.to_string(), value[1..].to_owned(), value.to_string()],
        "xT" | "xE" => vec![value.to_string()],
        _ => Vec::new(),
    });
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, expected.collect::<Vec<_>>());
    assert_eq!(broker.ends(&pipeline.dead)?, [0]);
    Ok(())
}

/// What `/status` says of the record that a partition is held for.
fn held(host: &Host, partition: i64) -> Result<Option<serde_json::Value>> {
    let status = host.status()?;
    let workers = status["pipelines"][0]["workers"].as_array().context("workers")?;
    let mut lanes = workers.iter().flat_map(|worker| worker["lanes"].as_array().into_iter().flatten());
    let lane = lanes.find(|lane| lane["partition"] == partition).map(|lane| lane["held"].clone());
    Ok(lane.filter(|held| !held.is_null()))
}

fn wait_for_hold(host: &Host, offset: i64, tries: i64) -> Result<serde_json::Value> {
    wait_for(&format!("it is held at {offset} after {tries} tries"), PATIENCE, || {
        Ok(held(host, 0)?.filter(|held| held["offset"] == offset && held["tries"] == tries))
    })
}

#[test]
fn promise_order_holds_for_a_partition_that_is_paused_and_resumed_by_command_and_over_http() -> Result<()> {
    let broker = Broker::shared();
    let mut pipeline = Pipeline::new("paused", 2)?;
    pipeline.dead.clear();
    let keys = "workers = 1\non = { reject = \"stop\", fault = \"pause\" }";
    let mut host = pipeline.host(keys, &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let value = |n: usize| if n == 321 { "T!".to_owned() } else { format!("record {n}") };
    let both = |n: usize| [Record::of(value(n)).to(0), Record::of(format!("other {n}")).to(1)];
    broker.produce(&pipeline.from, (0..1000).flat_map(both))?;
    let told = wait_for_hold(&host, 321, 1)?;
    assert_eq!((&told["class"], &told["code"], &told["until"]), (&"trap".into(), &"trap".into(), &"resumed".into()));
    wait_for("the other partition goes on", PATIENCE, || {
        Ok((broker.committed(&pipeline.group, &pipeline.from)? == [Some(321), Some(1000)]).then_some(()))
    })?;
    let place = format!("{}/0", pipeline.from);
    let ready = host.get("/readyz")?;
    assert_eq!(ready.status, 503);
    ensure!(ready.body.contains(&format!("{place} is paused in front of offset 321: trap")), "{}", ready.body);
    assert_eq!(host.metrics()?.sum("edgemill_lanes_paused", &[("pipeline", "p")]), 1.0);
    let log = said(
        &host,
        "paused in front of a record, as the policy `on` says: its partition is not read until somebody resumes it",
    );
    assert_eq!((log.len(), &log[0]["level"]), (1, &"ERROR".into()));
    assert_eq!(log[0]["resume"], format!("edgemill resume p --partition {place}"));

    // whoever may not, or asks for what is not there, changes nothing
    let path = "/pipelines/p/resume";
    assert_eq!(host.get(path)?.status, 405);
    assert_eq!(host.post(path, "Origin: http://evil.example\r\n")?.status, 403);
    assert_eq!(host.post("/pipelines/q/resume", "")?.status, 404);
    assert_eq!(host.post(&format!("{path}?topic={}&partition=1", pipeline.from), "")?.status, 409);
    assert_eq!(host.post(&format!("{path}?partition=0"), "")?.status, 400);
    let file = host.folder().join("edgemill.toml");
    let resume = |more: &[&str]| {
        let mut args = vec!["resume", "-c", file.to_str().expect("a temporary folder's name is text")];
        args.extend(more);
        program::run(args, b"")
    };
    let other = resume(&["--partition", &format!("{}/1", pipeline.from)])?;
    ensure!(other.code == Some(1) && other.err.contains("is not held by this host"), "{other:?}");
    assert_eq!(resume(&["q"])?.code, Some(2));
    wait_for_hold(&host, 321, 1)?;

    // resumed by command while it still fails; then the host is gone and another meets it again
    let ended = resume(&["p", "--partition", &place])?;
    let out = String::from_utf8_lossy(&ended.out).into_owned();
    assert_eq!((ended.code, out), (Some(0), format!("{place} is tried again from offset 321\n")), "{}", ended.err);
    wait_for_hold(&host, 321, 2)?;
    host.kill();
    host.spawn_again()?;
    wait_for("the host answers", PATIENCE, || Ok(host.get("/healthz").ok()))?;
    wait_for_hold(&host, 321, 1)?;
    assert_eq!(broker.ends(&pipeline.to)?, [321, 1000]);

    // a module that takes it, and a request that says so
    Swap::Rename.put(&host.modules(), "poison.wasm", &modules::hostile("identity")?)?;
    host.logs("switched plans")?;
    wait_for_hold(&host, 321, 1)?;
    let answer = host.post(path, "")?;
    let resumed: serde_json::Value = serde_json::from_str(&answer.body)?;
    assert_eq!((answer.status, &resumed["resumed"][0]["offset"]), (200, &321.into()), "{}", answer.body);
    pipeline.wait_for_end(PATIENCE)?;
    wait_for("the host is ready", PATIENCE, || Ok((host.get("/readyz")?.status == 200).then_some(())))?;
    assert_eq!(host.metrics()?.sum("edgemill_lanes_paused", &[]), 0.0);
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    let of = |partition| rows.iter().filter(move |row| row.partition == partition).map(Consumed::text);
    assert_eq!(of(0).collect::<Vec<_>>(), (0..1000).map(value).collect::<Vec<_>>());
    assert_eq!(of(1).collect::<Vec<_>>(), (0..1000).map(|n| format!("other {n}")).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn promise_order_holds_for_a_record_that_is_taken_after_some_tries() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("tries", 1)?;
    let keys = "workers = 1\non = { reject = { retry = 5, backoff = \"300 ms\", then = \"stop\" } }";
    let host = pipeline.host(keys, &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let value = |n: usize| if n == 500 { "K!".to_owned() } else { format!("record {n}") };
    broker.produce(&pipeline.from, (0..1000).map(|n| Record::of(value(n))))?;
    let held = wait_for("it waits for its next try", PATIENCE, || held(&host, 0))?;
    ensure!(held["offset"] == 500 && held["until"].as_i64().is_some_and(|wait| wait <= 1200), "{held}");
    // a try is no reason to call a person
    assert_eq!(host.get("/readyz")?.status, 200);
    pipeline.wait_for_end(PATIENCE)?;
    assert_eq!(host.metrics()?.sum("edgemill_retries_total", &[("module", "poison.wasm"), ("class", "reject")]), 3.0);
    stop(host)?;
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, (0..1000).map(value).collect::<Vec<_>>());
    assert_eq!(broker.ends(&pipeline.dead)?, [0]);
    Ok(())
}
