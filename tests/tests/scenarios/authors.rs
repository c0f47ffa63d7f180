//! What authors of transforms have: the conformance suite for all languages, and `edgemill test`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Record, modules, program, wait_for};

use super::pipeline::Pipeline;
use super::replay::command;

/// A module that keeps the records for whose `$index` in the batch, and number `$seen` of records before the batch, the condition
/// is true; `$count` is the batch's size.
fn keeping(condition: &str) -> Result<Vec<u8>> {
    modules::wat(&format!(
        r#"(module
          (memory (export "memory") 17)
          (global $before (mut i32) (i32.const 0))
          (func (export "edgemill_alloc") (param i32) (result i32) (i32.const 0x100000))
          (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
          (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
            (local $count i32) (local $index i32) (local $kept i32) (local $seen i32)
            (local.set $count (i32.load (local.get $batch)))
            (local.set $seen (global.get $before))
            (block $done (loop $next
              (br_if $done (i32.ge_u (local.get $index) (local.get $count)))
              (if {condition} (then
                (i32.store (i32.add (i32.const 0x10000) (i32.shl (local.get $kept) (i32.const 2))) (local.get $index))
                (local.set $kept (i32.add (local.get $kept) (i32.const 1)))))
              (local.set $index (i32.add (local.get $index) (i32.const 1)))
              (br $next)))
            (global.set $before (i32.add (local.get $seen) (local.get $count)))
            (i32.store (i32.const 1024) (local.get $kept))
            (i32.store (i32.const 1028) (i32.const 0x10000))
            (i32.const 1024)))"#
    ))
}

/// What `edgemill test` says of a module and two fixtures of three records.
fn tested(module: &[u8], more: &[&str]) -> Result<(Option<i32>, String)> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("m.wasm"), module)?;
    fs::create_dir(folder.path().join("fixtures"))?;
    let records = r#""in":[{"value":"0"},{"value":"1"},{"value":"2"}]"#;
    let kept = r#""out":[{"origin":0,"value":"0"},{"origin":1,"value":"1"}]"#;
    for name in ["a.json", "b.json"] {
        fs::write(folder.path().join("fixtures").join(name), format!("{{{records},{kept}}}"))?;
    }
    let folder = folder.path().to_str().context("a path")?;
    let ended = program::run(["test", folder, "--seed", "7"].iter().chain(more), b"")?;
    Ok((ended.code, String::from_utf8(ended.out)? + &ended.err))
}

#[test]
fn every_language_keeps_the_whole_contract() -> Result<()> {
    let folder = modules::folder().join("../conformance");
    let mut languages = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{}: run `make guests`", folder.display()))? {
        let path = entry?.path();
        let ended = program::run([Path::new("conformance"), &path, Path::new("--memory"), Path::new("256 MiB")], b"")?;
        ensure!(ended.code == Some(0), "{}\n{}{}", path.display(), String::from_utf8_lossy(&ended.out), ended.err);
        languages.push(path.file_stem().context("a name")?.to_string_lossy().into_owned());
    }
    for language in ["rust", "rust-component", "c", "zig", "assemblyscript", "cpp", "js", "python", "go"] {
        ensure!(languages.iter().any(|built| built == language), "{language} was not built: {languages:?}");
    }
    Ok(())
}

#[test]
fn the_suite_sees_a_module_that_does_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("identity.wasm");
    fs::write(&path, modules::hostile("identity")?)?;
    let ended = program::run([Path::new("conformance"), &path], b"")?;
    let out = String::from_utf8(ended.out)?;
    ensure!(ended.code == Some(1) && out.contains("FAILS drop, alone") && !out.contains("FAILS keep"), "{out}");
    Ok(())
}

#[test]
fn what_works_by_luck_only_is_told_with_the_way_in_which_it_fails() -> Result<()> {
    // alone in one batch all three give the same
    let third = "(i32.ne (local.get $index) (i32.const 2))";
    let (code, text) = tested(&keeping(third)?, &[])?;
    ensure!(code == Some(1) && text.contains("FAILS a.json, one by one"), "depends on the batch: {text}");
    let ever = "(i32.ne (i32.add (local.get $seen) (local.get $index)) (i32.const 2))";
    let (code, text) = tested(&keeping(ever)?, &[])?;
    ensure!(code == Some(1) && text.contains("FAILS b.json, in one batch with all others"), "hidden state: {text}");
    let each = "(i32.ne (i32.rem_u (i32.add (local.get $seen) (local.get $index)) (i32.const 3)) (i32.const 2))";
    let (code, text) = tested(&keeping(each)?, &[])?;
    ensure!(code == Some(1) && text.contains("in random order") && text.contains("(--seed 7)"), "order: {text}");
    let (code, text) = tested(&keeping(each)?, &["--orders", "0"])?;
    ensure!(code == Some(0) && text.contains("2 of 2 cases pass"), "{text}");
    Ok(())
}

#[test]
fn what_a_module_needs_is_told_and_whether_a_tenth_of_the_limits_would_do() -> Result<()> {
    // it begins with 17 pages of 64 KiB
    let each = "(i32.ne (i32.rem_u (i32.add (local.get $seen) (local.get $index)) (i32.const 3)) (i32.const 2))";
    for (memory, tenth) in [
        ("64 MiB", "a tenth of the limits would do\n"),
        ("8 MiB", "a tenth of the limits would not do: a.json: it does not start: "),
    ] {
        let (code, text) = tested(&keeping(each)?, &["--orders", "0", "--memory", memory])?;
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        ensure!(code == Some(0) && text.contains(tenth), "{memory}: {text}");
        let report = last.last().copied().unwrap_or_default();
        let memory_and_time =
            report.contains("; the longest batch took 0.") && report.ends_with("the module 1.1 MiB of memory");
        ensure!(memory_and_time, "{text}");
    }
    Ok(())
}

#[test]
fn what_differs_from_run_to_run_is_told_as_such_and_no_fixture_is_blamed() -> Result<()> {
    // keeps the first record or not, as chance has it
    let random = r#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (memory (export "memory") 17)
        (func (export "edgemill_alloc") (param i32) (result i32) (i32.const 0x100000))
        (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
        (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
            (drop (call $random (i32.const 2048) (i32.const 16)))
            (i32.store (i32.const 1024) (i32.const 1))
            (i32.store (i32.const 1028) (i32.const 1536))
            ;; a value of 16 bytes, each a letter
            (i64.store (i32.const 2048) (i64.or (i64.const 0x4040404040404040) (i64.and (i64.const 0x0f0f0f0f0f0f0f0f) (i64.load (i32.const 2048)))))
            (i64.store (i32.const 2056) (i64.const 0x4141414141414141))
            (i32.store (i32.const 1600) (i32.const 16))
            (i32.store (i32.const 1048) (i32.const 1600)) (i32.store (i32.const 1052) (i32.const 2048)) (i32.store (i32.const 1056) (i32.const 16))
            (i32.const 1024)))"#;
    let module = modules::wat(random)?;
    let (code, text) = tested(&module, &[])?;
    ensure!(
        code == Some(1) && text.contains("FAILS a.json, a second time: the same records give something else"),
        "{text}"
    );
    let (code, text) = tested(&module, &["--update"])?;
    let warning = "warning: a.json: the same records give something else a second time; what came first is written";
    ensure!(code == Some(0) && text.contains(warning), "{text}");
    Ok(())
}

#[test]
fn a_changed_module_and_a_changed_fixture_are_tested_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (module, fixture) = (folder.path().join("m.wasm"), folder.path().join("fixtures/a.json"));
    fs::create_dir(folder.path().join("fixtures"))?;
    fs::write(&module, keeping("(i32.const 1)")?)?;
    fs::write(&fixture, r#"{"in":[{"value":"a"}],"out":[{"origin":0,"value":"a"}]}"#)?;
    let watching = program::start(["test", "--watch", folder.path().to_str().context("a path")?], b"")?;
    let says = |turn: usize, words: &str| {
        wait_for("it has run again", PATIENCE, || {
            let out = watching.out()?;
            let last = out.split("--- changed\n").nth(turn).unwrap_or_default();
            Ok((last.contains(words) && last.contains("a tenth of the limits")).then_some(()))
        })
    };
    says(0, "1 of 1 cases pass")?;
    fs::write(&fixture, r#"{"in":[{"value":"a"}],"out":[]}"#)?;
    says(1, "0 of 1 cases pass")?;
    fs::write(&module, keeping("(i32.const 0)")?)?;
    says(2, "1 of 1 cases pass")?;
    // what builds and shells write beside them is none of both
    fs::write(folder.path().join("test.out"), watching.out()?)?;
    let until = Instant::now() + Duration::from_millis(700);
    wait_for("some time has passed", PATIENCE, || Ok((Instant::now() > until).then_some(())))?;
    assert_eq!(watching.out()?.matches("--- changed").count(), 2);
    Ok(())
}

#[test]
fn what_a_module_keeps_for_a_partition_is_of_one_fixture_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("fixtures"))?;
    fs::write(folder.path().join("m.wasm"), modules::foreign("fluvio.wasm32-wasip1/aggregate")?)?;
    for (name, third) in [("a.json", "3"), ("b.json", "4")] {
        let records = format!(r#"{{"in":[{{"value":"1"}},{{"value":"2"}},{{"value":"{third}"}}]}}"#);
        fs::write(folder.path().join("fixtures").join(name), records)?;
    }
    let test =
        |more: &[&str]| program::run(["test", folder.path().to_str().unwrap_or_default()].iter().chain(more), b"");
    let ended = test(&["--update"])?;
    ensure!(ended.code == Some(0) && !ended.err.contains("warning"), "{}", ended.err);
    let sums = fs::read_to_string(folder.path().join("fixtures/b.json"))?;
    ensure!(["1", "3", "7"].iter().all(|sum| sums.contains(&format!("\"value\":\"{sum}\"}}"))), "{sums}");
    let ended = test(&[])?;
    let text = String::from_utf8(ended.out)?;
    ensure!(ended.code == Some(0) && text.contains("2 of 2 cases pass"), "{text}{}", ended.err);
    Ok(())
}

#[test]
fn what_came_is_written_into_fixtures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fixture = folder.path().join("fixtures/a.json");
    fs::create_dir(folder.path().join("fixtures"))?;
    fs::write(&fixture, r#"{"in":[{"key":"k","value":"a"},{}]}"#)?;
    let module = folder.path().join("keep.wasm");
    fs::write(&module, modules::hostile("identity")?)?;
    let test = |more: &[&str]| {
        let (folder, module) = (folder.path().to_str().unwrap_or_default(), module.to_str().unwrap_or_default());
        program::run(["test", folder, "--module", module].iter().chain(more), b"")
    };
    ensure!(test(&[])?.code == Some(1), "two outputs are missing");
    ensure!(test(&["--update"])?.code == Some(0));
    let written = fs::read_to_string(&fixture)?;
    ensure!(written.contains(r#"{"key":"k","origin":0,"value":"a"}"#), "{written}");
    ensure!(test(&[])?.code == Some(0), "what was written is what comes");
    // a destination that comes is a right one, unless the fixture says that it is none
    let rust = modules::folder().join("../conformance/rust.wasm");
    fs::copy(rust, &module).context("run `make guests`")?;
    fs::write(&fixture, r#"{"in":[{"value":"!route audit"}]}"#)?;
    ensure!(test(&["--update"])?.code == Some(0));
    let written = fs::read_to_string(&fixture)?;
    ensure!(written.contains(r#""topic":"audit""#) && !written.contains("unknown-route"), "{written}");
    ensure!(test(&[])?.code == Some(0), "what was written is what comes");
    let unknown = r#"{"in":[{"value":"!route audit"}],"rejects":[{"origin":0,"code":"unknown-route"}]}"#;
    fs::write(&fixture, unknown)?;
    ensure!(test(&["--update"])?.code == Some(0));
    ensure!(fs::read_to_string(&fixture)?.contains("unknown-route") && test(&[])?.code == Some(0));
    fs::write(&module, modules::hostile("identity")?)?;
    fs::write(&fixture, r#"{"in":[{"valve":"a"}]}"#)?;
    let ended = test(&[])?;
    ensure!(ended.code == Some(2) && ended.err.contains("a.json: record 0"), "{}", ended.err);
    Ok(())
}

#[test]
fn what_a_module_costs_is_measured() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (module, input) = (folder.path().join("m.wasm"), folder.path().join("in"));
    fs::write(&module, keeping("(i32.ne (local.get $index) (i32.const 0))")?)?;
    fs::write(&input, "0123456789\n".repeat(10))?;
    let measure = |input: &Path| {
        let (module, input) = (module.to_str().unwrap_or_default(), input.to_str().unwrap_or_default());
        program::run(["bench-module", module, "--in", input, "--seconds", "1", "--json"], b"")
    };
    let ended = measure(&input)?;
    ensure!(ended.code == Some(0), "{}", ended.err);
    let figures: serde_json::Value = serde_json::from_slice(&ended.out)?;
    ensure!(figures["bytes_a_record"] == 10.0 && figures["start_microseconds"].is_u64(), "{figures}");
    let lines = figures["measured"].as_array().context("lines")?;
    // of each batch the first is dropped: all of those of one record
    let outputs: Vec<f64> = lines.iter().filter_map(|line| line["outputs_a_record"].as_f64()).collect();
    ensure!(outputs == [0.0, 0.0, 0.9, 0.9], "{figures}");
    ensure!(lines.iter().all(|line| line["records_a_second"].as_f64() > Some(1000.0)), "{figures}");
    fs::write(&input, "")?;
    ensure!(measure(&input)?.err.contains("has no records"));
    Ok(())
}

/// A module that keeps every record, and grows by a page with every so many.
fn growing(records: usize) -> Result<Vec<u8>> {
    let pages = |seen: &str| format!("(i32.div_u {seen} (i32.const {records}))");
    let (before, after) = (pages("(local.get $seen)"), pages("(i32.add (local.get $seen) (local.get $count))"));
    let grow = format!("(drop (memory.grow (i32.sub {after} {before})))");
    keeping(&format!("(block (result i32) (if (i32.eqz (local.get $index)) (then {grow})) (i32.const 1))"))
}

#[test]
fn memory_that_grows_is_measured_and_its_limit_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (module, input) = (folder.path().join("m.wasm"), folder.path().join("in"));
    fs::write(&input, "0123456789\n".repeat(2048))?;
    let measure = |records: usize, memory: &str| -> Result<serde_json::Value> {
        fs::write(&module, growing(records)?)?;
        let (module, input) = (module.to_str().unwrap_or_default(), input.to_str().unwrap_or_default());
        let ended =
            program::run(["bench-module", module, "--in", input, "--seconds", "1", "--json", "--memory", memory], b"")?;
        ensure!(ended.code == Some(0), "{}", ended.err);
        Ok(serde_json::from_slice(&ended.out)?)
    };
    let figures = measure(20_000, "2 GiB")?;
    for line in figures["measured"].as_array().context("lines")? {
        let (records, growth) = (line["records"].as_f64(), line["memory_growth_bytes_a_million"].as_f64());
        // a page each 20,000 records, give or take one
        let (least, most) = (records.map(|records| 65536.0 * (50.0 - 1e6 / records)), 65536.0 * (50.0 + 5.0));
        ensure!(growth >= least && growth <= Some(most) && line["met_limits"] == false, "{figures}");
    }
    let figures = measure(100, "2 MiB")?;
    let lines = figures["measured"].as_array().context("lines")?;
    ensure!(lines.iter().all(|line| line["met_limits"] == true), "{figures}");
    Ok(())
}

#[test]
fn a_module_is_tried_within_the_limits_that_are_asked_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("m.wasm");
    // begins with 17 pages of 64 KiB
    fs::write(&module, keeping("(i32.const 1)")?)?;
    let module = module.to_str().context("a path")?;
    let small = program::run(["apply", module, "--memory", "1 MiB"], b"a\n")?;
    ensure!(small.code == Some(2) && small.err.contains("limits.memory is 1.0 MiB"), "{:?} {}", small.code, small.err);
    let enough = program::run(["apply", module, "--memory", "2 MiB"], b"a\n")?;
    ensure!(enough.code == Some(0) && enough.out == b"a\n", "{:?} {}", enough.code, enough.err);
    Ok(())
}

#[test]
fn a_records_way_is_shown_module_by_module() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("explain", 2)?;
    let conformance = fs::read(modules::folder().join("../conformance/rust.wasm")).context("run `make guests`")?;
    let chain = ["module = \"first.wasm\"", "module = \"second.wasm\""];
    let host = pipeline
        .host("workers = 1", &chain)
        .module("first.wasm", &conformance)
        .module("second.wasm", &conformance)
        .start()?;
    let values = ["!value !log info \u{1b}[31mhello", "!value !reject too-old from 1999", "!drop", "!trap", "!many 2"];
    broker.produce(&pipeline.from, values.map(|value| Record::of(value).keyed("k").to(1)))?;
    pipeline.wait_for_end(PATIENCE)?;
    let before = (broker.ends(&pipeline.to)?, broker.ends(&pipeline.dead)?);
    let explain = |offset: &str| command(&host, &["explain"], &[&format!("{}/1/{offset}", pipeline.from)]);
    for (offset, code, parts) in [
        (
            "0",
            0,
            vec!["key       k", "module first.wasm: 1 output", "logs      info: \u{fffd}[31mhello", "sink: 1 output"],
        ),
        ("1", 3, vec!["module second.wasm: the record fails", "reject (too-old): from 1999", "meets `dead-letter`"]),
        ("2", 0, vec!["module first.wasm: nothing: it is dropped", "sink: nothing"]),
        ("3", 3, vec!["trap", "as it was told", "conformance"]),
        ("4", 0, vec!["module first.wasm: 2 outputs", "module second.wasm: 1 output", "sink: 2 outputs"]),
    ] {
        let ended = explain(offset)?;
        let text = String::from_utf8(ended.out)?;
        ensure!(ended.code == Some(code), "{offset}: {text}{}", ended.err);
        for part in parts {
            ensure!(text.contains(part), "{offset}: no {part:?} in\n{text}");
        }
        ensure!(!text.contains('\u{1b}'), "what a record holds spoke to the terminal: {text}");
    }
    let gone = explain("99")?;
    ensure!(gone.code == Some(1) && gone.err.contains("no record at offset 99"), "{}", gone.err);
    ensure!(explain("x")?.code == Some(2));
    // the same records as a fixture, which the module then passes
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("fixtures"))?;
    let fixture = folder.path().join("fixtures/live.json");
    let out = fixture.to_str().context("a path")?;
    let recorded = command(&host, &["record"], &["--count", "4", "--out", out])?;
    ensure!(recorded.code == Some(0), "{}", recorded.err);
    fs::write(folder.path().join("m.wasm"), &conformance)?;
    for more in ["--update", "--orders=3"] {
        let tested = program::run(["test", folder.path().to_str().context("a path")?, more], b"")?;
        ensure!(tested.code == Some(0), "{}{}", String::from_utf8_lossy(&tested.out), tested.err);
    }
    let written = fs::read_to_string(&fixture)?;
    ensure!(!written.contains("hello") && written.contains("\"offset\":4"), "the newest four: {written}");
    ensure!(written.contains("\"code\":\"trap\""), "{written}");
    let redacted = String::from_utf8(command(&host, &["record"], &["--redact", "x"])?.out)?;
    ensure!(!redacted.contains("reject too-old") && !redacted.contains("\"k\""), "{redacted}");
    ensure!((broker.ends(&pipeline.to)?, broker.ends(&pipeline.dead)?) == before, "something was written");
    Ok(())
}
