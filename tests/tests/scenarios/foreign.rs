//! Modules made for other systems, unmodified: SmartModules as Fluvio's SDK builds them, and programs that know of lines only.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Record, Swap, modules, program, scale, wait_for};

use super::pipeline::{Pipeline, status, stop};
use super::poison::added;

/// What Fluvio's tool builds for by default, what it built for before, and with an SDK of years ago.
const BUILDS: [&str; 3] = ["fluvio.wasm32-wasip1", "fluvio.wasm32-unknown-unknown", "fluvio-0.8.wasm32-wasip1"];

/// When the first record was made, in milliseconds.
pub(super) const SINCE: i64 = 1_700_000_000_000;

/// Record n of a partition: every third has a key, every other headers.
pub(super) fn record(n: usize, value: &str) -> Record {
    Record {
        partition: Some(0),
        key: n.is_multiple_of(3).then(|| format!("key {n}").into_bytes()),
        value: (value != "null").then(|| value.as_bytes().to_vec()),
        headers: match n % 2 {
            0 => Vec::new(),
            _ => vec![("n".to_owned(), Some(n.to_string().into_bytes())), ("null".to_owned(), None)],
        },
        timestamp: Some(SINCE + n as i64),
    }
}

/// The offset of each dead letter's record, with its class, code and message.
pub(super) fn letters(broker: &Broker, pipeline: &Pipeline) -> Result<BTreeMap<i64, (String, String, String)>> {
    let letters = broker.consume(&pipeline.dead)?;
    letters
        .iter()
        .map(|letter| {
            let mut added = added(letter);
            let mut take = |name: &str| added.remove(name).with_context(|| format!("no {name} in {letter:?}"));
            Ok((take("offset")?.parse()?, (take("class")?, take("code")?, take("message")?)))
        })
        .collect()
}

pub(super) fn texts(rows: &[Consumed]) -> Vec<String> {
    rows.iter().map(Consumed::text).collect()
}

#[test]
fn promise_one_holds_for_a_smart_module_that_panics_loops_exits_hogs_and_refuses() -> Result<()> {
    let broker = Broker::shared();
    let words = [
        "one", "null", "", "panic", "two", "refuse", "loop", "three", "exit", "hog", "four", "ümlaut", "stray",
        "flood", "input",
    ];
    for build in BUILDS {
        let pipeline = Pipeline::new("smart-map", 1)?;
        let map = modules::foreign(&format!("{build}/map"))?;
        let chain = "module = \"map.wasm\", type = \"fluvio\", limits = { time = \"100 ms\", memory = \"16 MiB\" }";
        let host = pipeline
            .host("workers = 1\nbatch = { records = 64, bytes = \"1 MiB\" }", &[chain])
            .module("map.wasm", &map)
            .start()?;
        let sent: Vec<Record> = words.iter().enumerate().map(|(n, word)| record(n, word)).collect();
        broker.produce(&pipeline.from, sent.clone())?;
        pipeline.wait_for_end(PATIENCE)?;
        stop(host)?;

        let failed = ["panic", "refuse", "loop", "exit", "hog", "stray", "flood"];
        let good = words.iter().enumerate().filter(|(_, word)| !failed.contains(word));
        let rows = broker.consume(&pipeline.to)?;
        let expected: Vec<_> = good
            .map(|(n, word)| {
                let sent = &sent[n];
                let key =
                    sent.key.as_ref().map(|key| format!("{}@{n}@{}", String::from_utf8_lossy(key), SINCE + n as i64));
                let value = (*word != "null").then(|| word.to_uppercase().into_bytes());
                // what has no value goes round the module, with the key that it had
                let key = if value.is_some() { key.map(String::into_bytes) } else { sent.key.clone() };
                (key, value, sent.headers.clone(), sent.timestamp)
            })
            .collect();
        let found: Vec<_> = rows.into_iter().map(|row| (row.key, row.value, row.headers, row.timestamp)).collect();
        assert_eq!(found, expected, "{build}");

        let letters = letters(broker, &pipeline)?;
        let classes: Vec<_> =
            letters.iter().map(|(at, (class, code, _))| (*at, class.as_str(), code.as_str())).collect();
        let expected = [
            (3, "trap", "trap"),
            (5, "reject", "user-error"),
            (6, "timeout", "timeout"),
            (8, "trap", "trap"),
            (9, "memory", "memory"),
            (12, "output", "output"),
            (13, "timeout", "timeout"),
        ];
        assert_eq!(classes, expected, "{build}");
        assert!(letters[&12].2.contains("end outside of the memory"), "{:?}", letters[&12]);
        assert!(letters[&5].2.starts_with("this one not"), "{:?}", letters[&5]);
        if build.ends_with("wasm32-wasip1") {
            assert!(letters[&3].2.contains("asked to"), "{:?}", letters[&3]);
            assert!(letters[&8].2.starts_with("the guest ended itself with exit code 3"), "{:?}", letters[&8]);
        }
    }
    Ok(())
}

#[test]
fn records_that_are_further_apart_than_32_bits_keep_their_places_and_times() -> Result<()> {
    let (day, far) = (86_400_000i64, 9_000_000_000i64);
    let places = [(5, 1000), (5 + far, 1000 * day), (6 + far, 2)];
    let line = |(at, (offset, time)): (usize, &(i64, i64))| {
        format!("{{\"value\":\"{}\",\"offset\":{offset},\"timestamp\":{time}}}\n", at + 1)
    };
    let input: String = places.iter().enumerate().map(line).collect();
    for build in BUILDS {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("sum.wasm");
        std::fs::write(&path, modules::foreign(&format!("{build}/aggregate"))?)?;
        let ended = program::run(["apply", &path.to_string_lossy(), "--format", "records"], input.as_bytes())?;
        let rows: Vec<serde_json::Value> =
            String::from_utf8(ended.out)?.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
        let came: Vec<_> = rows.iter().map(|row| (row["value"].as_str(), row["timestamp"].as_i64())).collect();
        assert_eq!(came, [(Some("1"), Some(1000)), (Some("3"), Some(1000 * day)), (Some("6"), Some(2))], "{build}");
    }
    Ok(())
}

#[test]
fn an_aggregate_goes_on_from_where_its_partition_was_whatever_became_of_its_instance() -> Result<()> {
    let broker = Broker::shared();
    for build in BUILDS {
        let pipeline = Pipeline::new("smart-sum", 2)?;
        let sum = modules::foreign(&format!("{build}/aggregate"))?;
        let host = pipeline.host("workers = 1", &["module = \"sum.wasm\""]).module("sum.wasm", &sum).start()?;
        for round in 0..3 {
            let values = ["1", "2", "panic", "no number", "null", "3"];
            let of = |value: &&str| record(0, value);
            broker.produce(&pipeline.from, values.iter().map(of).chain([Record::of("100").to(1)]))?;
            pipeline.wait_for_end(PATIENCE).with_context(|| format!("round {round}"))?;
        }
        stop(host)?;
        let rows = broker.consume(&pipeline.to)?;
        let sums: Vec<_> = texts(&rows);
        assert_eq!(sums, ["1", "3", "", "6", "7", "9", "", "12", "13", "15", "", "18", "100", "200", "300"], "{build}");
        assert_eq!(letters(broker, &pipeline)?.len(), 6);
    }
    Ok(())
}

#[test]
fn an_aggregate_behind_a_module_that_makes_many_of_one_counts_each_once_when_some_fail() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("smart-words-sum", 1)?;
    let foreign = |name: &str| modules::foreign(&format!("fluvio.wasm32-wasip1/{name}"));
    let host = pipeline.host("workers = 1", &["module = \"words.wasm\"", "module = \"sum.wasm\""]);
    let host = host.module("words.wasm", foreign("array_map")?).module("sum.wasm", foreign("aggregate")?).start()?;
    // replayed in halves, whose borders lie in the midst of what came of one record
    let values = ["1 2 3", "4 panic 5", "6", "7 8 no 9 10", "11 panic", "12"];
    broker.produce(&pipeline.from, values.map(|value| Record::of(value).to(0)))?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    // a record that fails gives no row, but what it gave before it failed was counted, and stays so
    assert_eq!(texts(&broker.consume(&pipeline.to)?), ["1", "3", "6", "21", "78"]);
    assert_eq!(letters(broker, &pipeline)?.keys().copied().collect::<Vec<_>>(), [1, 3, 4]);
    Ok(())
}

#[test]
fn what_a_smart_module_remembers_by_itself_is_gone_with_its_instance_where_nothing_says_that_it_looks_back()
-> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("smart-statics", 1)?;
    let module = modules::foreign("fluvio.wasm32-wasip1/look_back")?;
    let start = || pipeline.host("workers = 1", &["module = \"rise.wasm\""]).module("rise.wasm", &module).start();
    let host = start()?;
    let send = |values: &[&str]| -> Result<()> {
        broker.produce(&pipeline.from, values.iter().map(|value| Record::of(*value).to(0)))?;
        pipeline.wait_for_end(PATIENCE)
    };
    send(&["5", "3", "7"])?;
    ensure!(host.log().contains("look_back is not called"), "{}", host.log());
    send(&["6"])?;
    // the instance faults, and its successor knows nothing
    send(&["panic", "4"])?;
    stop(host)?;
    let host = start()?;
    send(&["2", "1"])?;
    stop(host)?;
    assert_eq!(texts(&broker.consume(&pipeline.to)?), ["5", "7", "4", "2"]);
    Ok(())
}

#[test]
fn smart_modules_make_a_chain_with_others_and_are_swapped_while_records_flow() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("smart-chain", 1)?;
    let foreign = |name: &str| modules::foreign(&format!("fluvio.wasm32-wasip1/{name}"));
    let chain =
        ["module = \"keep.wasm\", config = { word = \"even\" }", "module = \"words.wasm\"", "module = \"half.wasm\""];
    let host = pipeline.host("workers = 1", &chain);
    let host = host.module("keep.wasm", foreign("filter")?).module("words.wasm", foreign("array_map")?);
    let host = host.module("half.wasm", modules::hostile("identity")?).start()?;
    broker.produce(&pipeline.from, [record(1, "even 2 3"), record(2, "odd 5"), record(3, "even 4")])?;
    pipeline.wait_for_end(PATIENCE)?;
    Swap::Rename.put(&host.modules(), "half.wasm", &foreign("filter_map")?)?;
    wait_for("the swap", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
    broker.produce(&pipeline.from, [record(5, "even 6 7 8")])?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;

    let rows = broker.consume(&pipeline.to)?;
    assert_eq!(texts(&rows), ["even", "2", "3", "even", "4"]);
    let first = &rows[1];
    assert_eq!((first.key.as_deref(), first.headers.len(), first.timestamp), (Some(&b"1"[..]), 2, Some(SINCE + 1)));
    // the word "even" is no number any more: the record is refused, and none of its rows is delivered
    let letters = letters(broker, &pipeline)?;
    assert_eq!(letters.keys().copied().collect::<Vec<_>>(), [3]);
    assert!(letters[&3].2.contains("invalid digit found in string"), "{letters:?}");
    Ok(())
}

#[test]
fn promise_bounds_holds_for_smart_modules_which_leak_what_they_give() -> Result<()> {
    let broker = Broker::shared();
    let count: usize = scale(100_000, 10_000_000);
    let pipeline = Pipeline::new("smart-leak", 1)?;
    let map = modules::foreign("fluvio.wasm32-wasip1/map")?;
    let chain = "module = \"map.wasm\", limits = { memory = \"16 MiB\" }";
    let host = pipeline.host("workers = 1", &[chain]).module("map.wasm", &map).start()?;
    let text = "x".repeat(400);
    broker.produce(&pipeline.from, (0..count).map(|_| Record::of(text.as_str()).to(0)))?;
    pipeline.wait_for_end(scale(PATIENCE, 60 * PATIENCE))?;
    let metrics = host.metrics()?;
    assert_eq!(metrics.sum("edgemill_failures_total", &[]), 0.0);
    // one that met its limit would be replaced too, and its batch done again: no record would fail
    assert_eq!(metrics.sum("edgemill_instance_restarts_total", &[]), 0.0);
    stop(host)?;
    let shouted = text.to_uppercase().into_bytes();
    let rows = broker.consume(&pipeline.to)?;
    ensure!(rows.len() == count, "{} rows", rows.len());
    assert!(rows.iter().all(|row| row.value.as_deref() == Some(&shouted)));
    Ok(())
}

#[test]
fn promise_one_holds_for_a_program_that_reads_and_writes_lines() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("lines", 1)?;
    let words = [
        "one", "null", "", "panic", "\\two", "refuse", "loop", "drop", "exit", "a\nb", "four", "hog", "flood",
        "murmur", "twice", "wrong", "bytes", "five",
    ];
    let chain = "module = \"shout.wasm\", type = \"lines\", limits = { time = \"200 ms\", memory = \"16 MiB\" }, \
                 config = { arguments = [\"> \"], environment = { MARK = \"! \" } }";
    let shout = modules::foreign("lines.wasm32-wasip1/shout")?;
    let host = pipeline.host("workers = 1", &[chain]).module("shout.wasm", &shout).start()?;
    broker.produce(&pipeline.from, words.iter().enumerate().map(|(n, word)| record(n, word)))?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    // a value that begins with a backslash reaches the program with two of them: here, they are no longer in front
    let values: Vec<_> = rows.iter().map(|row| row.value.as_deref()).collect();
    let expected: [Option<&[u8]>; 7] = [
        Some(b"> ! ONE"),
        None,
        Some(b"> ! "),
        Some(b"> ! \\\\TWO"),
        Some(b"> ! FOUR"),
        Some(b"\xff\0\xfe"),
        Some(b"> ! FIVE"),
    ];
    assert_eq!(values, expected);
    let kept: Vec<_> = rows.iter().map(|row| (row.key.clone(), row.headers.clone(), row.timestamp)).collect();
    let sent = [0, 1, 2, 4, 10, 16, 17].map(|n| record(n, "")).map(|sent| (sent.key, sent.headers, sent.timestamp));
    assert_eq!(kept, sent);
    let letters = letters(broker, &pipeline)?;
    let classes: Vec<_> = letters.iter().map(|(at, (class, code, _))| (*at, class.as_str(), code.as_str())).collect();
    let expected = [
        (3, "trap", "trap"),
        (5, "reject", "refused"),
        (6, "timeout", "timeout"),
        (8, "trap", "trap"),
        (9, "reject", "newline"),
        (11, "memory", "memory"),
        (12, "output", "output"),
        (13, "timeout", "timeout"),
        (14, "output", "output"),
        (15, "output", "output"),
    ];
    assert_eq!(classes, expected);
    assert!(letters[&3].2.contains("asked to"), "{:?}", letters[&3]);
    assert_eq!(letters[&5].2, "this one not");
    assert!(letters[&12].2.contains("standard output: more than limits.memory"), "{:?}", letters[&12]);
    assert!(letters[&14].2.starts_with("2 lines for 1 records: a line for each is asked for"), "{:?}", letters[&14]);
    assert!(letters[&15].2.starts_with("the line \"\\\\nonsense\" begins with a backslash"), "{:?}", letters[&15]);
    assert!(letters[&8].2.starts_with("the guest ended itself with exit code 3"), "{:?}", letters[&8]);
    Ok(())
}

#[test]
fn a_program_that_is_started_for_each_record_may_write_any_number_of_lines() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("words.wasm");
    std::fs::write(&path, modules::foreign("lines.wasm32-wasip1/words")?)?;
    let path = path.to_string_lossy();
    let ended = program::run(["apply", &path, "--config", r#"{"each":"record"}"#], b"a b\n\nc\n")?;
    assert_eq!((String::from_utf8(ended.out)?, ended.code), ("a\nb\nc\n".to_owned(), Some(0)), "{}", ended.err);
    Ok(())
}

#[test]
fn inspect_says_what_a_module_is_made_for_and_the_host_refuses_another_type() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let table = [
        (
            "fluvio.wasm32-wasip1/look_back",
            "a Fluvio SmartModule: filter, with look_back, which is called where the chain's table has `look_back`",
            "fluvio",
        ),
        ("fluvio.wasm32-unknown-unknown/filter", "a Fluvio SmartModule: filter, with init", "fluvio"),
        ("lines.wasm32-wasip1/shout", "a program (a WASI command), which is given records as lines", "lines"),
    ];
    for (name, words, made_for) in table {
        let path = folder.path().join("it.wasm");
        std::fs::write(&path, modules::foreign(name)?)?;
        let path = path.to_string_lossy();
        let shown = String::from_utf8(program::run(["inspect", &path], b"")?.out)?;
        ensure!(shown.contains(&format!("made for   {words}\n")), "{shown}");
        ensure!(
            shown.contains("granted    log, clock and random; no file, no network")
                && shown.contains("this host takes it"),
            "{shown}"
        );
        let json: serde_json::Value = serde_json::from_slice(&program::run(["inspect", "--json", &path], b"")?.out)?;
        assert_eq!((json["made_for"].as_str(), json["refused"].as_str()), (Some(made_for), None));
    }
    // modules of the contract too, at either door, and what this host's engine cannot run
    let rust = |name: &str| Ok(std::fs::read(modules::folder().join("../conformance").join(name))?);
    let with = |more: &str| {
        let exports = "(func (export \"edgemill_alloc\") (param i32) (result i32) (i32.const 8))
            (func (export \"edgemill_configure\") (param i32 i32) (result i32) (i32.const 0))
            (func (export \"edgemill_transform_1_0_0\") (param i32) (result i32) (i32.const 0))";
        modules::wat(&format!("(module (memory (export \"memory\") 1) {exports} {more})"))
    };
    let table: [(Result<Vec<u8>>, &str, &str); 5] = [
        (rust("rust.wasm"), "core", "this host takes it"),
        (rust("rust-component.wasm"), "component", "this host takes it"),
        (with(""), "core", "this host takes it"),
        (with("(type (struct (field i32)))"), "core", "this host refuses it: compile: it uses what"),
        (
            with("(tag (param i32))"),
            "core",
            "this host refuses it: compile: it uses what the engine does not have (exceptions proposal",
        ),
    ];
    for (module, door, verdict) in table {
        let path = folder.path().join("it.wasm");
        std::fs::write(&path, module?)?;
        let shown = String::from_utf8(program::run(["inspect", &path.to_string_lossy()], b"")?.out)?;
        for part in [format!("door       {door}\n"), "contract   1.0.0\n".to_owned(), format!("verdict    {verdict}")] {
            ensure!(shown.contains(&part), "no {part:?} in {shown}");
        }
    }
    let pipeline = Pipeline::new("wrong-type", 1)?;
    let module = modules::foreign("fluvio.wasm32-wasip1/filter")?;
    let refused = |keys: &str| -> Result<String> {
        let mut host = pipeline.host("workers = 1", &[keys]).module("it.wasm", &module).spawn()?;
        assert_eq!(host.wait(PATIENCE)?.code(), Some(2));
        Ok(host.log())
    };
    let log = refused("module = \"it.wasm\", type = \"lines\"")?;
    ensure!(log.contains("but it is a Fluvio SmartModule: filter, with init: write `type = "), "{log}");
    let log = refused("module = \"it.wasm\"")?;
    ensure!(log.contains("configure: ") && log.contains("word"), "{log}");
    Ok(())
}
