//! Redpanda's data transforms, unmodified, as its SDKs for Rust and Go build them: ABI 1 (`first`) and 2 (the others).

use anyhow::{Context, Result, ensure};
use edgemill_tests::featurebase::{Faults, Featurebase, PASSWORD, USERNAME};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, ByHttp, Consumed, Host, Record, Swap, host, modules, program, wait_for};

use super::foreign::{SINCE, letters, record, texts};
use super::pipeline::{Pipeline, TOP, status, stop};
use super::replay::command;
use super::shape::java_partition;

fn transform(name: &str) -> Result<Vec<u8>> {
    modules::foreign(&match name.split_once(' ') {
        Some((sdk @ ("go" | "go-1.0"), name)) => format!("redpanda.{sdk}/{name}"),
        Some(("1.0", name)) => format!("redpanda-1.0.wasm32-wasip1/{name}"),
        _ => format!("redpanda.wasm32-wasip1/{name}"),
    })
}

/// A host of a pipeline whose sink has another topic besides.
fn with_route(pipeline: &Pipeline, late: &str, keys: &str, chain: &str) -> host::Builder {
    let table = pipeline.table("p", keys, &[chain]);
    let routes = format!("type = \"kafka\"\nroutes = [\"{late}\"]\n");
    Host::builder(&format!("{TOP}{}", table.replace("type = \"kafka\"\n", &routes)))
}

type Row = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>, Option<i64>);

fn of_sent(sent: &Record) -> Row {
    (sent.key.clone(), sent.value.clone(), sent.headers.clone(), sent.timestamp)
}

fn of_rows(rows: Vec<Consumed>) -> Vec<Row> {
    rows.into_iter().map(|row| (row.key, row.value, row.headers, row.timestamp)).collect()
}

#[test]
fn a_transform_of_either_abi_copies_nulls_and_empties_byte_for_byte() -> Result<()> {
    let broker = Broker::shared();
    for name in ["first", "identity", "1.0 identity", "tee"] {
        let pipeline = Pipeline::new("redpanda-copy", 1)?;
        let chain = "module = \"copy.wasm\", type = \"redpanda\"";
        let host = pipeline.host("workers = 1", &[chain]).module("copy.wasm", transform(name)?).start()?;
        let headers = vec![
            ("null".to_owned(), None),
            (String::new(), Some(Vec::new())),
            ("null".to_owned(), Some(vec![0, 0xff, b'\n'])),
        ];
        let keys = [None, Some(&b""[..]), Some(b"\xff\0")];
        let values = [None, Some(&b""[..]), Some(b"value"), Some(&[7; 100_000])];
        let sent: Vec<Record> = keys
            .iter()
            .flat_map(|key| values.iter().map(move |value| (key, value)))
            .enumerate()
            .map(|(n, (key, value))| Record {
                partition: Some(0),
                key: key.map(<[u8]>::to_vec),
                value: value.map(<[u8]>::to_vec),
                headers: if n % 2 == 0 { headers.clone() } else { Vec::new() },
                timestamp: Some(SINCE + n as i64),
            })
            .collect();
        broker.produce(&pipeline.from, sent.clone())?;
        pipeline.wait_for_end(PATIENCE)?;
        stop(host)?;
        let rows = of_rows(broker.consume(&pipeline.to)?);
        assert_eq!(rows, sent.iter().map(of_sent).collect::<Vec<_>>(), "{name}");
    }
    Ok(())
}

#[test]
fn promise_one_holds_for_a_transform_of_the_first_abi_whose_rows_go_to_the_partitions_of_their_keys() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("redpanda-keyed", 4)?;
    let table = pipeline.table("p", "workers = 1", &["module = \"copy.wasm\", type = \"redpanda\""]);
    let host = Host::builder(&format!("{TOP}{}", table.replace("same-as-input", "key")));
    let host = host.module("copy.wasm", transform("first")?).start()?;
    let value = |n: usize| if n == 50 { "panic".to_owned() } else { n.to_string() };
    broker.produce(&pipeline.from, (0..100).map(|n| Record::of(value(n)).keyed(format!("key {n}")).to(3)))?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    ensure!(rows.len() == 99 && rows.iter().all(|row| row.text() != "panic"), "{rows:?}");
    for row in &rows {
        assert_eq!(row.partition, java_partition(row.key.as_deref().context("a key")?, 4), "{row:?}");
    }
    let letters = letters(broker, &pipeline)?;
    ensure!(letters.len() == 1 && letters[&50].0 == "trap" && letters[&50].2.contains("asked to"), "{letters:?}");
    Ok(())
}

#[test]
fn promise_one_holds_for_a_redpanda_transform_and_nothing_of_a_record_that_fails_is_released() -> Result<()> {
    misbehave("work")
}

#[test]
fn promise_one_holds_for_a_redpanda_transform_of_an_older_sdk() -> Result<()> {
    misbehave("1.0 work")
}

#[test]
fn promise_one_holds_for_a_redpanda_transform_in_go() -> Result<()> {
    misbehave("go work")
}

#[test]
fn promise_one_holds_for_a_redpanda_transform_in_go_of_an_older_sdk() -> Result<()> {
    misbehave("go-1.0 work")
}

fn misbehave(name: &str) -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("redpanda", 1)?;
    let late = broker.topic("redpanda-late", 1)?;
    let words =
        ["one", "null", "", "panic", "late", "refuse", "loop", "both", "exit", "hog", "stray", "drop", "ümlaut"];
    let chain = "module = \"work.wasm\", config = { environment = { MARK = \"! \" } }, \
                 limits = { time = \"200 ms\", memory = \"16 MiB\" }";
    let host = with_route(&pipeline, &late, "workers = 1\nbatch = { records = 64, bytes = \"1 MiB\" }", chain)
        .module("work.wasm", transform(name)?)
        .start()?;
    let sent: Vec<Record> = words.iter().enumerate().map(|(n, word)| record(n, word)).collect();
    broker.produce(&pipeline.from, sent.clone())?;
    pipeline.wait_for_end(PATIENCE)?;
    ensure!(host.log().contains(&format!("transforms {}", pipeline.from)), "{}", host.log());
    // `explain` gives it the same topics as `run`
    for (offset, code, part) in [
        (7, 0, "work.wasm: 2 outputs".to_owned()),
        (7, 0, format!("  to        {late}")),
        (3, 3, format!("meets `dead-letter`: it goes to {}", pipeline.dead)),
        (3, 3, "sink: nothing of what modules made of it".to_owned()),
    ] {
        let explained = command(&host, &["explain"], &[&format!("{}/0/{offset}", pipeline.from)])?;
        let text = String::from_utf8_lossy(&explained.out).into_owned();
        ensure!(explained.code == Some(code) && text.contains(&part), "no {part:?} in {text}{}", explained.err);
    }
    stop(host)?;

    let made = |word: &&str| {
        let sent = &sent[words.iter().position(|other| other == word).expect("it is among them")];
        let (key, value, mut headers, timestamp) = of_sent(sent);
        let value = value.map(|_| format!("! {}", word.to_uppercase()).into_bytes());
        // the clock that it sees is the record's
        let now = sent.timestamp.expect("each has one").to_string().into_bytes();
        headers.extend(value.is_some().then(|| ("now".to_owned(), Some(now))));
        (key, value, headers, timestamp)
    };
    let rows = of_rows(broker.consume(&pipeline.to)?);
    assert_eq!(rows, ["one", "null", "", "both", "ümlaut"].iter().map(made).collect::<Vec<_>>());
    assert_eq!(of_rows(broker.consume(&late)?), ["late", "both"].iter().map(made).collect::<Vec<_>>());

    let letters = letters(broker, &pipeline)?;
    let classes: Vec<_> = letters.iter().map(|(at, (class, ..))| (*at, class.as_str())).collect();
    let expected = [(3, "trap"), (5, "trap"), (6, "timeout"), (8, "trap"), (9, "memory"), (10, "trap")];
    assert_eq!(classes, expected);
    let says = [(3, "asked to"), (5, "this one not"), (8, "the guest ended itself with exit code 0"), (10, "-3")];
    for (at, text) in says {
        ensure!(letters[&at].2.contains(text), "{:?}", letters[&at]);
    }
    Ok(())
}

#[test]
fn what_a_transform_keeps_is_its_partitions_and_ends_with_a_fault_there_only() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("redpanda-once", 2)?;
    let chain = ["module = \"once.wasm\"", "module = \"half.wasm\""];
    let host = pipeline.host("workers = 1\nbatch = { records = 1, bytes = \"1 MiB\" }", &chain);
    let host =
        host.module("once.wasm", transform("once")?).module("half.wasm", modules::hostile("identity")?).start()?;
    let send = |partition: i32, words: &[&str]| -> Result<()> {
        broker.produce(&pipeline.from, words.iter().map(|word| Record::of(*word).to(partition)))?;
        pipeline.wait_for_end(PATIENCE)
    };
    send(0, &["a", "b", "a"])?;
    send(1, &["a", "x", "a"])?;
    send(0, &["panic", "a", "c"])?;
    send(1, &["a", "y"])?;
    // a swap of the other module changes nothing of what this one keeps
    Swap::Rename.put(&host.modules(), "half.wasm", &transform("identity")?)?;
    wait_for("the swap", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 2).then_some(())))?;
    send(1, &["a", "z"])?;
    send(0, &["a", "d"])?;
    // its own does
    Swap::Rename.put(&host.modules(), "once.wasm", &transform("first")?)?;
    wait_for("the swap", PATIENCE, || Ok((status(&host)?["plan"]["number"] == 3).then_some(())))?;
    send(1, &["z"])?;
    stop(host)?;
    let rows = broker.consume(&pipeline.to)?;
    let of = |partition: i32| {
        let rows: Vec<Consumed> = rows.iter().filter(|row| row.partition == partition).cloned().collect();
        texts(&rows)
    };
    assert_eq!(of(0), ["a", "b", "a", "c", "d"]);
    assert_eq!(of(1), ["a", "x", "y", "z", "z"]);
    assert_eq!(letters(broker, &pipeline)?.into_keys().collect::<Vec<_>>(), [3]);
    Ok(())
}

#[test]
fn inspect_says_which_abi_a_transform_speaks_and_a_topic_that_is_no_route_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("it.wasm");
    let inspect = |module: Vec<u8>| -> Result<String> {
        std::fs::write(&path, module)?;
        Ok(String::from_utf8(program::run(["inspect", &path.to_string_lossy()], b"")?.out)?)
    };
    let table = [
        ("first", "a Redpanda data transform: ABI 1"),
        ("work", "a Redpanda data transform: ABI 2"),
        ("go work", "a Redpanda data transform: ABI 2"),
        ("registry", "a Redpanda data transform: ABI 2, with the schema registry"),
    ];
    for (name, words) in table {
        let shown = inspect(transform(name)?)?;
        ensure!(shown.contains(&format!("made for   {words}\n")), "{shown}");
        ensure!(shown.contains("the records' clock") && shown.contains("this host takes it"), "{shown}");
    }
    let third = "(module (import \"redpanda_transform\" \"check_abi_version_3\" (func)) (memory (export \"memory\") 1)
        (func (export \"_start\")))";
    let shown = inspect(modules::wat(third)?)?;
    ensure!(shown.contains("this host refuses it: ") && shown.contains("version 3 of Redpanda's ABI"), "{shown}");

    // at a file's records the topics that `outputs` declares are known
    std::fs::write(&path, transform("work")?)?;
    let (path, config) = (path.to_string_lossy(), "{\"outputs\":[\"out\",\"aside\"]}");
    let ended = program::run(["apply", &path, "--config", config, "--format", "records"], b"{\"value\":\"late\"}\n")?;
    let row: serde_json::Value = serde_json::from_slice(&ended.out).with_context(|| ended.err.clone())?;
    assert_eq!((row["topic"].as_str(), row["value"].as_str(), ended.code), (Some("aside"), Some("LATE"), Some(0)));

    let pipeline = Pipeline::new("redpanda-stray", 1)?;
    let chain = "module = \"it.wasm\", config = { outputs = [\"here\", \"there\"] }";
    let mut host = pipeline.host("workers = 1", &[chain]).module("it.wasm", transform("work")?).spawn()?;
    assert_eq!(host.wait(PATIENCE).context("it does not end")?.code(), Some(2));
    let log = host.log();
    ensure!(log.contains("configure: outputs: there is none of the sink's `routes`"), "{log}");
    Ok(())
}

#[test]
fn rows_of_a_redpanda_transform_go_to_featurebase_whatever_topics_it_names() -> Result<()> {
    // each record is written to both of its topics, and a row twice is that row
    let module = "tee.wasm\"\nconfig = { outputs = [\"rows\", \"late\"] }\ntype = \"redpanda";
    let cloud = Featurebase::start(Faults::default())?;
    let pipeline = ByHttp::new("redpanda-cloud", 1)?;
    let sink = "type = \"featurebase-cloud\"\nendpoint = \"@endpoint@\"\nlogin_url = \"@login@\"\n\
                username = \"${FB_USER}\"\npassword = \"${FB_PASSWORD}\"\nbatch = { age = \"100 ms\" }";
    let mut host = pipeline
        .host(1, &[module], sink)
        .set("endpoint", cloud.endpoint())
        .set("login", cloud.login_url())
        .env("FB_USER", USERNAME)
        .env("FB_PASSWORD", PASSWORD)
        .module("tee.wasm", transform("tee")?)
        .start()?;
    let row = |n: usize| serde_json::json!({ "id": n.to_string(), "n": n });
    let values = (0..1000).map(|n| if n == 500 { "no row".to_owned() } else { row(n).to_string() });
    Broker::shared().produce(&pipeline.from, values.map(Record::of))?;
    pipeline.wait_for_end()?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(cloud.len(), 999);
    let kept = cloud.row("7").context("row 7")?;
    assert_eq!(kept.row, row(7));
    let letters = pipeline.dead_letters()?;
    ensure!(letters.len() == 1 && letters[0].text() == "no row", "{letters:?}");
    Ok(())
}
