//! Poison: records that a module cannot take, among many that it can.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use edgemill::modules::hash;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Consumed, Host, Record, Swap, modules, scale, wait_for};

use super::pipeline::{Pipeline, status, stop};

const PARTITIONS: usize = 4;

/// How often a record is poison.
const EVERY: usize = 1000;

/// What `poison.wat` does for each pair of letters: class, code, and how the message begins.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("T!", "trap", "trap", "trap: unreachable code was reached, as a panic or an abort does"),
    ("M!", "memory", "memory", "wanted "),
    ("G!", "output", "output", "values: "),
    ("R!", "reject", "poison", "the value says R!"),
    ("H!", "output", "output", "count: 2000000 outputs of one call"),
    ("S!", "trap", "trap", "trap: the stack overflowed, as endless recursion does; in recurse"),
    ("E!", "trap", "trap", "the guest gives up"),
    LOOP,
];

const LOOP: (&str, &str, &str, &str) = ("L!", "timeout", "timeout", "took longer than 100ms");

/// Tells whether record n is poison, and of which kind. Most are alone, at places that differ from thousand to thousand;
/// those of the tenth thousand lie side by side, one of each kind. One in thirty-two loops.
fn kind(n: usize) -> Option<(&'static str, &'static str, &'static str, &'static str)> {
    let (thousand, place) = (n / EVERY, n % EVERY);
    if thousand == 10 {
        return KINDS.get(place).copied();
    }
    let alone = place == thousand * 37 % EVERY;
    alone.then(|| if thousand % 32 == 7 { LOOP } else { KINDS[thousand % 7] })
}

fn record(n: usize, since: i64) -> Record {
    let value = match kind(n) {
        Some((letters, ..)) => format!("{letters} {n}"),
        None => format!("record {n}"),
    };
    Record {
        partition: Some((n % PARTITIONS) as i32),
        key: (!n.is_multiple_of(3)).then(|| format!("key {n}").into_bytes()),
        value: Some(value.into_bytes()),
        headers: match n % 2 {
            0 => Vec::new(),
            _ => vec![("n".to_owned(), Some(n.to_string().into_bytes())), ("n".to_owned(), None)],
        },
        timestamp: Some(since + n as i64),
    }
}

/// An hour ago, in milliseconds: so that a timestamp that was not kept shows.
fn an_hour_ago() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())? - 3_600_000)
}

/// Checks that what came out is what went in: key, value, timestamp, and the headers but those that `more` are.
fn same(found: &Consumed, sent: &Record, more: usize) -> Result<()> {
    let kept = found.headers.len() - more.min(found.headers.len());
    let found = (&found.key, &found.value, &found.headers[..kept], found.timestamp);
    let sent = (&sent.key, &sent.value, sent.headers.as_slice(), sent.timestamp);
    ensure!(found == sent, "{found:?} came of {sent:?}");
    Ok(())
}

/// The headers that the host adds to a dead letter.
pub(super) fn added(letter: &Consumed) -> BTreeMap<String, String> {
    let own = letter.headers.iter().filter_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_deref()?).into_owned();
        Some((name.strip_prefix("edgemill.")?.to_owned(), value))
    });
    own.collect()
}

/// The most memory that a process ever had, in MiB.
fn peak(host: &Host) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid().as_raw_nonzero()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
}

const POISON: &str = "module = \"poison.wasm\", limits = { time = \"100 ms\", memory = \"32 MiB\" }";

#[test]
fn promise_one_holds_for_a_poison_record_in_every_thousand() -> Result<()> {
    each_once("workers = 2", scale(200_000, 2_000_000))
}

/// Passes records of which one in a thousand is poison, and checks that each gave its row, or its dead letter, in order.
pub(super) fn each_once(keys: &str, count: usize) -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("poison", PARTITIONS as i32)?;
    let module = modules::hostile("poison")?;
    let host = pipeline.host(keys, &[POISON]).module("poison.wasm", &module).start()?;
    let since = an_hour_ago()?;
    broker.produce(&pipeline.from, (0..count).map(|n| record(n, since)))?;
    let started = Instant::now();
    pipeline.wait_for_end(Duration::from_secs(scale(120, 1200)))?;
    let loops = (0..count).filter(|n| kind(*n) == Some(LOOP)).count();
    eprintln!("{:?} for the rest, with {loops} endless loops", started.elapsed());
    let peak = peak(&host)?;
    eprintln!("peak memory: {peak} MiB");
    assert!(peak < 400, "{peak} MiB");
    let poison: Vec<usize> = (0..count).filter(|n| kind(*n).is_some()).collect();
    let failures =
        host.metrics()?.sum("edgemill_failures_total", &[("module", "poison.wasm"), ("action", "dead-letter")]);
    assert_eq!(failures, poison.len() as f64);
    stop(host)?;

    let rows = broker.consume(&pipeline.to)?;
    for partition in 0..PARTITIONS {
        let good = (partition..count).step_by(PARTITIONS).filter(|n| kind(*n).is_none());
        let mut rows = rows.iter().filter(|row| row.partition == partition as i32);
        for n in good {
            let row = rows.next().with_context(|| format!("record {n} is missing"))?;
            same(row, &record(n, since), 0).with_context(|| format!("where record {n} belongs"))?;
        }
        assert_eq!(rows.next(), None, "a row too many");
    }
    let mut letters = broker.consume(&pipeline.dead)?;
    letters.sort_by_key(|letter| letter.timestamp);
    assert_eq!(letters.len(), poison.len());
    for (letter, n) in letters.iter().zip(poison) {
        let (_, class, code, message) = kind(n).context("poison")?;
        let mut added = added(letter);
        same(letter, &record(n, since), added.len()).with_context(|| format!("the dead letter of record {n}"))?;
        let backtrace = added.remove("backtrace").unwrap_or_default();
        let function = match class {
            "trap" if message.contains("recurse") => "recurse",
            "memory" => "hog at 0x",
            _ => "",
        };
        ensure!(backtrace.starts_with(function), "{backtrace:?} for record {n}, where {function:?} was expected");
        let said = added.remove("message").context("a message")?;
        ensure!(said.starts_with(message), "{said:?} for record {n}, where {message:?} was expected");
        let time: i64 = added.remove("time").context("a time")?.parse()?;
        assert!((since..since + 7_200_000).contains(&time), "{time}");
        assert!(added.remove("host").is_some_and(|host| !host.is_empty()));
        let (partition, offset) = ((n % PARTITIONS).to_string(), (n / PARTITIONS).to_string());
        let timestamp = (since + n as i64).to_string();
        let expected = [
            ("class", class),
            ("code", code),
            ("pipeline", "p"),
            ("module", "poison.wasm"),
            ("module-hash", &hash(&module)),
            ("stage", "0"),
            ("plan", "1"),
            ("topic", &pipeline.from),
            ("partition", &partition),
            ("offset", &offset),
            ("tries", "1"),
            ("timestamp", &timestamp),
        ];
        assert_eq!(added, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
    Ok(())
}

#[test]
fn promise_bounds_holds_for_a_topic_of_endless_loops() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("loops", 1)?;
    let chain = "module = \"poison.wasm\", limits = { time = \"20 ms\" }";
    let host = pipeline.host("workers = 1", &[chain]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let count = scale(50, 500);
    let started = Instant::now();
    broker.produce(&pipeline.from, (0..count).map(|n| Record::of(format!("L! {n}"))))?;
    pipeline.wait_for_end(Duration::from_secs(scale(60, 600)))?;
    let each = started.elapsed() / count;
    eprintln!("{each:?} for each of {count} endless loops side by side");
    assert!(each >= Duration::from_millis(20), "they were cut before their time: {each:?}");
    stop(host)?;
    let letters = broker.consume(&pipeline.dead)?;
    let values: Vec<_> = letters.iter().map(Consumed::text).collect();
    assert_eq!(values, (0..count).map(|n| format!("L! {n}")).collect::<Vec<_>>());
    for letter in letters {
        let added = added(&letter);
        assert_eq!((&*added["class"], &*added["message"]), ("timeout", "took longer than 20ms"));
    }
    assert_eq!(broker.ends(&pipeline.to)?, [0]);
    Ok(())
}

#[test]
fn skipped_records_are_dropped_and_counted() -> Result<()> {
    let broker = Broker::shared();
    let mut pipeline = Pipeline::new("skip", 1)?;
    let dead = std::mem::take(&mut pipeline.dead);
    let builder = pipeline.host("workers = 2\non = { reject = \"skip\", fault = \"skip\" }", &[POISON]);
    let host = builder.module("poison.wasm", modules::hostile("poison")?).start()?;
    let value = |n: usize| match n % 100 {
        17 => format!("T! {n}"),
        18 => format!("R! {n}"),
        _ => format!("record {n}"),
    };
    broker.produce(&pipeline.from, (0..2000).map(|n| Record::of(value(n))))?;
    pipeline.wait_for_end(PATIENCE)?;
    let metrics = host.metrics()?;
    for class in ["trap", "reject"] {
        let skipped = metrics.sum("edgemill_failures_total", &[("class", class), ("action", "skip")]);
        assert_eq!(skipped, 20.0, "{class}");
    }
    // one line for them, with an example, and not one for each
    host.logs("records failed, and met the policy")?;
    let log = host.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("records failed")).collect();
    let example = format!("{}/0/17, trap (trap)", pipeline.from);
    ensure!(told.len() < 4 && told.iter().any(|line| line.contains(&example)), "{told:?}");
    stop(host)?;
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    let good = (0..2000).map(value).filter(|value| value.starts_with("record"));
    assert_eq!(rows, good.collect::<Vec<_>>());
    assert_eq!(broker.ends(&dead)?, [0]);
    Ok(())
}

#[test]
fn promise_commit_holds_when_a_pipeline_stops_in_front_of_a_record_again_and_again() -> Result<()> {
    let broker = Broker::shared();
    let mut pipeline = Pipeline::new("stop", 1)?;
    pipeline.dead.clear();
    let keys = "workers = 1\non = { reject = \"stop\", fault = \"stop\" }";
    let value = |n: usize| if n == 3210 { "T!".to_owned() } else { format!("record {n}") };
    broker.produce(&pipeline.from, (0..5000).map(|n| Record::of(value(n))))?;
    let mut host = pipeline.host(keys, &[POISON]).module("poison.wasm", modules::hostile("poison")?).spawn()?;
    let words = format!("stopped in front of {}/0 offset 3210", pipeline.from);
    for life in 1..=3 {
        assert_eq!(host.wait(PATIENCE)?.code(), Some(1), "in life {life}");
        assert!(host.log().matches(&words).count() >= life, "{}", host.log());
        assert_eq!(broker.committed(&pipeline.group, &pipeline.from)?, [Some(3210)], "in life {life}");
        let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
        assert_eq!(rows, (0..3210).map(value).collect::<Vec<_>>(), "in life {life}");
        // it ends before it is ready, or soon after
        let _ = host.restart();
    }
    // another module is the way out
    host.wait(PATIENCE)?;
    Swap::Rename.put(&host.modules(), "poison.wasm", &modules::hostile("identity")?)?;
    host.restart()?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, (0..5000).map(value).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn promise_one_holds_for_siblings_of_which_one_fails_all_rows_or_one_dead_letter() -> Result<()> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("siblings", 1)?;
    let host = pipeline
        .host("workers = 1", &["module = \"fan-out.wasm\"", POISON])
        .module("fan-out.wasm", modules::hostile("fan-out")?)
        .module("poison.wasm", modules::hostile("poison")?)
        .start()?;
    // the second of three siblings lacks the first letter
    let value = |n: usize| match n % 50 {
        7 => format!("xT! {n}"),
        20 => format!("xR! {n}"),
        33 => format!("T! {n}"),
        _ => format!("x {n}"),
    };
    broker.produce(&pipeline.from, (0..3000).map(|n| Record::of(value(n))))?;
    pipeline.wait_for_end(PATIENCE)?;
    assert_eq!(status(&host)?["workers"][0]["state"], "running");
    stop(host)?;
    let good = (0..3000).map(value).filter(|value| value.starts_with("x "));
    let expected: Vec<_> = good.flat_map(|value| [value.clone(), value[1..].to_owned(), value]).collect();
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, expected);
    let letters = broker.consume(&pipeline.dead)?;
    let failed: Vec<_> = (0..3000).filter(|n| !value(*n).starts_with("x ")).collect();
    assert_eq!(
        letters.iter().map(Consumed::text).collect::<Vec<_>>(),
        failed.iter().map(|n| value(*n)).collect::<Vec<_>>()
    );
    for (letter, n) in letters.iter().zip(failed) {
        let added = added(letter);
        assert_eq!((&*added["stage"], &*added["module"]), ("1", "poison.wasm"));
        assert_eq!(added["offset"], n.to_string());
        assert_eq!(added["class"], if n % 50 == 20 { "reject" } else { "trap" });
    }
    Ok(())
}

#[test]
fn promise_commit_holds_when_dead_letters_go_to_another_cluster_that_is_away_for_a_while() -> Result<()> {
    let broker = Broker::shared();
    let mut other = Broker::start()?;
    let pipeline = Pipeline::new("elsewhere", 1)?;
    other.create_topic(&pipeline.dead, 1, &[])?;
    let text = pipeline.table("p", "workers = 1", &[POISON]) + &format!("brokers = \"{}\"\n", other.address());
    let host = Host::builder(&format!("{}{text}", super::pipeline::TOP))
        .module("poison.wasm", modules::hostile("poison")?)
        .start()?;
    let value = |n: usize| if n % 100 == 50 { format!("R! {n}") } else { format!("record {n}") };
    broker.produce(&pipeline.from, (0..1000).map(|n| Record::of(value(n))))?;
    pipeline.wait_for_end(PATIENCE)?;

    other.stop()?;
    broker.produce(&pipeline.from, (1000..2000).map(|n| Record::of(value(n))))?;
    wait_for("the rows before the first dead letter and behind it are there", PATIENCE, || {
        Ok((broker.ends(&pipeline.to)? == [1980]).then_some(()))
    })?;
    // nothing from its batch on is committed while the dead letter is not durable
    let committed = broker.committed(&pipeline.group, &pipeline.from)?[0];
    assert!(committed.is_some_and(|committed| (1000..=1050).contains(&committed)), "{committed:?}");
    other.restart()?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)?;
    let rows: Vec<_> = broker.consume(&pipeline.to)?.iter().map(Consumed::text).collect();
    assert_eq!(rows, (0..2000).map(value).filter(|value| value.starts_with("record")).collect::<Vec<_>>());
    let letters: Vec<_> = other.consume(&pipeline.dead)?.iter().map(Consumed::text).collect();
    assert_eq!(letters, (0..2000).map(value).filter(|value| value.starts_with("R!")).collect::<Vec<_>>());
    assert_eq!(broker.ends(&pipeline.dead)?, [0], "none on the source's cluster");
    Ok(())
}
