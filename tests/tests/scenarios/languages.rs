//! All languages in one chain, for long, and each by itself with all that a record may have: nothing leaks.

use std::fs;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, modules, program, scale};
use serde_json::{Value, json};

use super::pipeline::{Pipeline, stop};

/// The modules of the conformance suite, by their files' names.
fn languages() -> Result<Vec<(String, Vec<u8>)>> {
    let folder = modules::folder().join("../conformance");
    let mut languages = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{}: run `make guests`", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?.to_string_lossy().into_owned();
        // the same as rust.wasm, with lines of the source
        if name == "rust-lines.wasm" {
            continue;
        }
        languages.push((name, fs::read(&path)?));
    }
    languages.sort();
    Ok(languages)
}

/// Record n, whose command reaches each module in turn, and what comes of it; none: a dead letter.
fn record(n: usize, modules: usize) -> (Record, Option<String>) {
    let (command, row) = match n % 5 {
        0 => (format!("!value text {n}"), Some(format!("text {n}"))),
        1 => ("!long 300".to_owned(), Some("x".repeat(300))),
        2 => (format!("!reject bad record {n}"), None),
        3 => (format!("kept {n}"), Some(format!("kept {n}"))),
        _ => ("!unknown".to_owned(), None),
    };
    (Record::of(format!("{}{command}", "!value ".repeat(n / 5 % modules))).keyed("k").to(0), row)
}

fn memory(host: &Host) -> Result<f64> {
    Ok(host.metrics()?.sum("edgemill_guest_memory_bytes", &[]))
}

#[test]
fn promise_bounds_holds_for_all_languages_in_one_chain_for_long() -> Result<()> {
    let (broker, languages) = (Broker::shared(), languages()?);
    let count: usize = scale(100_000, 10_000_000);
    let pipeline = Pipeline::new("languages", 1)?;
    let stage = |(name, _): &(String, _)| {
        // its engine collects late
        let memory = if name == "js.wasm" { "192 MiB" } else { "128 MiB" };
        format!("module = \"{name}\", limits = {{ memory = \"{memory}\" }}")
    };
    let chain: Vec<String> = languages.iter().map(stage).collect();
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    let host = pipeline.host("workers = 1\nbreaker = \"off\"", &chain);
    let host = languages.iter().fold(host, |host, (name, bytes)| host.module(name, bytes)).start()?;
    let records = |range: std::ops::Range<usize>| range.map(|n| record(n, languages.len()).0);
    // engines that collect settle first
    let settled = count / 4;
    broker.produce(&pipeline.from, records(0..settled))?;
    pipeline.wait_for_end(scale(PATIENCE, 60 * PATIENCE))?;
    let before = memory(&host)?;
    broker.produce(&pipeline.from, records(settled..count))?;
    pipeline.wait_for_end(scale(2 * PATIENCE, 120 * PATIENCE))?;
    let after = memory(&host)?;
    eprintln!("{} languages, {count} records: {before} bytes of guest memory, then {after}", languages.len());
    ensure!(after - before < f64::from(24 << 20), "{before} bytes of guest memory have become {after}");
    // one that met its limit would be replaced, and its batch done again: no record would fail
    assert_eq!(host.metrics()?.sum("edgemill_instance_restarts_total", &[]), 0.0);
    stop(host)?;
    let mut expected = (0..count).filter_map(|n| record(n, languages.len()).1);
    let mut same = true;
    broker.consume_each(&pipeline.to, |row| {
        let value = rdkafka::Message::payload(row).map(String::from_utf8_lossy);
        same &= value.as_deref() == expected.next().as_deref();
    })?;
    ensure!(same && expected.next().is_none(), "rows differ from what was asked for");
    assert_eq!(broker.count(&pipeline.dead)?, (count / 5 * 2) as i64);
    Ok(())
}

/// Commands that touch all that records have, and give none, one or several; none of them fails.
const COMMANDS: [&str; 17] = [
    "a plain value",
    "!value hello",
    "!key new",
    "!nokey",
    "!time 5",
    "!header a b",
    "!nullheader n",
    "!unheader h",
    "!twice",
    "!many 3",
    "!long 300",
    "!tell",
    "!headers",
    "!last h",
    "!mark",
    "!null",
    "!drop",
];

/// How much a language's memory may still grow after the first pass: collectors let it, until they settle.
fn growth(language: &str) -> f64 {
    const MIB: f64 = 1048576.0;
    match language.split('.').next() {
        Some("js") => 64.0 * MIB,
        Some("python") => MIB / 2.0,
        Some("go") => 6.0 * MIB,
        _ => MIB / 8.0,
    }
}

#[test]
fn the_memory_of_each_language_by_itself_stays_what_it_is() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("in.jsonl");
    let record = |n: usize| {
        let headers = json!([["h", "v"], ["g", null], ["h", format!("x{n}")]]);
        let key = (!n.is_multiple_of(3)).then(|| format!("k{n}"));
        json!({ "key": key, "value": COMMANDS[n % COMMANDS.len()], "headers": headers, "timestamp": n })
    };
    fs::write(&input, (0..1020).map(|n| format!("{}\n", record(n))).collect::<String>())?;
    let seconds = scale("1", "60");
    for (name, _) in languages()? {
        let module = modules::folder().join("../conformance").join(&name);
        let (module, input) = (module.to_string_lossy(), input.to_string_lossy());
        let options = ["--format", "records", "--memory", "256 MiB", "--seconds", seconds, "--json"];
        let arguments = ["bench-module", &*module, "--in", &*input].into_iter().chain(options);
        let ended = program::run(arguments, b"")?;
        ensure!(ended.code == Some(0), "{name}: {}", ended.err);
        let figures: Value = serde_json::from_slice(&ended.out)?;
        for line in figures["measured"].as_array().context("lines")? {
            let number = |field: &str| line[field].as_f64().context("a number");
            let grown = number("memory_growth_bytes_a_million")? * number("records")? / 1e6;
            ensure!(grown <= growth(&name) && line["met_limits"] == false, "{name}: {grown} bytes more: {line}");
        }
    }
    Ok(())
}
