//! `edgemill tap`: records are watched on their way through a running pipeline, which does not notice.

use std::fs;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::{PATIENCE, wait_for};
use edgemill_tests::{Broker, Host, Record, Signal, modules};

use super::pipeline::Pipeline;
use super::replay::{begin, command};

/// A host whose chain is the conformance transform twice.
fn host(pipeline: &Pipeline) -> Result<Host> {
    let conformance = fs::read(modules::folder().join("../conformance/rust.wasm")).context("run `make guests`")?;
    let chain = ["module = \"first.wasm\"", "module = \"second.wasm\""];
    let host = pipeline.host("workers = 2", &chain).module("first.wasm", &conformance);
    host.module("second.wasm", &conformance).start()
}

#[test]
fn records_are_shown_on_their_way_and_the_pipeline_goes_on() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("tap", 2)?;
    let host = host(&pipeline)?;
    let all = begin(&host, &["tap"], &["--count", "4", "--per-second", "1000"])?;
    let failed = begin(&host, &["tap"], &["--failed", "--json", "--count", "1"])?;
    let mut quiet = begin(&host, &["tap"], &["--contains", "never there"])?;
    // until it is seen, a tap may not be open yet
    let mut produced = 0;
    let mut watching = [all, failed];
    wait_for("both have seen what they wished for", PATIENCE, || {
        let values = ["!value \u{1b}[31mhello", "!many 2", "!drop", "!reject too-old from 1999"];
        broker.produce(&pipeline.from, values.map(|value| Record::of(value).keyed("k").to(produced % 2)))?;
        produced += 1;
        let mut ended = true;
        for one in &mut watching {
            ended &= one.has_ended()?;
        }
        Ok(ended.then_some(()))
    })?;
    let [all, failed] = watching;
    let all = all.wait()?;
    let text = String::from_utf8(all.out)?;
    ensure!(all.code == Some(0) && !text.contains('\u{1b}'), "{text}{}", all.err);
    for part in [
        "module first.wasm: 1 output",
        "first.wasm: 2 outputs",
        "it is dropped",
        "fails     reject (too-old): from 1999",
    ] {
        ensure!(text.contains(part), "no {part:?} in\n{text}");
    }
    let failed = failed.wait()?;
    let line: serde_json::Value = serde_json::from_slice(&failed.out)?;
    ensure!(line["failed"]["code"] == "too-old" && line["modules"][0]["module"] == "first.wasm", "{line}");
    // a signal ends one that sees nothing (not ctrl-c's, which a shell lets programs in the background ignore)
    ensure!(!quiet.has_ended()?);
    quiet.signal(Signal::TERM)?;
    ensure!(quiet.wait()?.out.is_empty());
    pipeline.wait_for_end(PATIENCE)?;
    let dead = broker.ends(&pipeline.dead)?.iter().sum::<i64>();
    let rows = broker.ends(&pipeline.to)?.iter().sum::<i64>();
    ensure!(
        (rows, dead) == (i64::from(produced) * 3, i64::from(produced)),
        "{rows} rows, {dead} letters, {produced} times"
    );
    ensure!(host.log().lines().all(|line| !line.contains("\"ERROR\"")), "{}", host.log());
    Ok(())
}

#[test]
fn promise_closed_records_are_not_shown_to_web_pages_and_wrong_wishes_are_told() -> Result<()> {
    let pipeline = Pipeline::new("tap-refused", 1)?;
    let host = host(&pipeline)?;
    let json = "Content-Type: application/json\r\n";
    for (path, headers, wish, status, words) in [
        (
            "/pipelines/p/tap",
            &*format!("{json}Origin: http://evil.example\r\n"),
            r#"{"per_second":1}"#,
            403,
            "web pages are refused",
        ),
        ("/pipelines/p/tap", "", r#"{"per_second":1}"#, 400, "application/json"),
        ("/pipelines/p/tap", json, r#"{"per_second":1,"colour":"red"}"#, 400, "colour"),
        ("/pipelines/p/tap", json, r#"{"per_second":0}"#, 400, "must be 1 or more"),
        ("/pipelines/q/tap", json, r#"{"per_second":1}"#, 404, "no pipeline"),
    ] {
        let answer = host.send(path, headers, wish)?;
        ensure!(answer.status == status && answer.body.contains(words), "{path} {wish}: {answer:?}");
    }
    for (more, code, words) in [
        (
            &["--module", "third.wasm"][..],
            2,
            "no module \"third.wasm\" in the pipeline's chain; it has first.wasm, second.wasm",
        ),
        (&["--topic", "other"], 2, "the pipeline does not read \"other\""),
        (&["--pipeline", "q"], 2, "no pipeline \"q\""),
        (&["--per-second", "0"], 2, "0 is not in 1..=1000"),
    ] {
        let ended = command(&host, &["tap"], more)?;
        ensure!(ended.code == Some(code) && ended.err.contains(words), "{more:?}: {}", ended.err);
    }
    let mut host = host;
    host.stop()?;
    let ended = command(&host, &["tap"], &["--count", "1"])?;
    ensure!(ended.code == Some(1) && ended.err.contains("does it run with this configuration"), "{}", ended.err);
    Ok(())
}
