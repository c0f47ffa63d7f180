//! All languages in one chain, for long: nothing leaks.

use std::fs;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, modules, scale};

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
    let chain: Vec<String> =
        languages.iter().map(|(name, _)| format!("module = \"{name}\", limits = {{ memory = \"128 MiB\" }}")).collect();
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
