//! Replays: a range of the input through the chain again, while nobody's offsets move.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, Signal, modules, program, wait_for};
use serde_json::Value;

use super::pipeline::{Pipeline, stop};

pub(super) const POISON: &str = "module = \"poison.wasm\", limits = { time = \"100 ms\", memory = \"32 MiB\" }";

/// Runs a command with a host's configuration.
pub(super) fn command(host: &Host, command: &[&str], more: &[&str]) -> Result<program::Ended> {
    begin(host, command, more)?.wait()
}

/// Starts a command with a host's configuration.
pub(super) fn begin(host: &Host, command: &[&str], more: &[&str]) -> Result<program::Running> {
    let config = host.folder().join("edgemill.toml");
    let config = config.to_str().context("a path of text")?;
    program::start(command.iter().chain(&["-c", config]).chain(more), b"")
}

fn now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

/// A pipeline that has worked off 200 records of two partitions, a second apart, the first an hour ago; every tenth is
/// refused.
fn worked_off() -> Result<(Pipeline, Host, i64)> {
    let broker = Broker::shared();
    let pipeline = Pipeline::new("replay", 2)?;
    let mut host =
        pipeline.host("workers = 1", &[POISON]).module("poison.wasm", modules::hostile("poison")?).start()?;
    let since = (now()? / 1000 - 3600) * 1000;
    let record = |n: i64| {
        let letters = if n % 10 == 3 { "R!" } else { "r" };
        let (partition, timestamp) = ((n % 2) as i32, Some(since + n / 2 * 1000));
        Record { timestamp, ..Record::of(format!("{letters} {n}")).keyed(format!("k{n}")).to(partition) }
    };
    broker.produce(&pipeline.from, (0..200).map(record))?;
    pipeline.wait_for_end(PATIENCE)?;
    ensure!(host.stop()?.success());
    Ok((pipeline, host, since))
}

fn lines(text: &[u8]) -> Result<Vec<Value>> {
    String::from_utf8_lossy(text).lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[test]
fn a_replay_to_standard_output_has_rows_and_rejects_with_their_places_and_changes_nothing() -> Result<()> {
    let broker = Broker::shared();
    let (pipeline, host, since) = worked_off()?;
    let before = (broker.ends(&pipeline.to)?, broker.ends(&pipeline.dead)?);
    let committed = broker.committed(&pipeline.group, &pipeline.from)?;

    let ended = command(&host, &["replay"], &["--from", "0=10", "1=0", "--to", "0=60", "1=20", "--stdout"])?;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    let rows = lines(&ended.out)?;
    let place = |row: &Value| (row["from"]["partition"].as_i64(), row["from"]["offset"].as_i64());
    let mut places: Vec<_> = rows.iter().map(place).collect();
    places.sort_unstable();
    // the refused ones are odd, so in partition 1: 3, 13, 23, 33 at the offsets 1, 6, 11, 16
    let one = (0..20).filter(|offset| offset % 5 != 1).map(|offset| (Some(1), Some(offset)));
    assert_eq!(places, (10..60).map(|offset| (Some(0), Some(offset))).chain(one).collect::<Vec<_>>());
    let row = rows.iter().find(|row| place(row) == (Some(0), Some(10))).context("the first record")?;
    assert_eq!(
        (&row["key"], &row["value"], &row["timestamp"]),
        (&"k20".into(), &"r 20".into(), &(since + 10_000).into())
    );

    let rejects: Vec<Value> = ended.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let expected = [1, 6, 11, 16].map(|offset| (Some(1), Some(offset)));
    assert_eq!(rejects.iter().map(place).collect::<Vec<_>>(), expected);
    assert_eq!((&rejects[0]["class"], &rejects[0]["module"]), (&"reject".into(), &"poison.wasm".into()));
    ensure!(ended.err.contains("70 records read, 66 rows delivered, 4 records failed (reject 4)"), "{}", ended.err);

    assert_eq!((broker.ends(&pipeline.to)?, broker.ends(&pipeline.dead)?), before);
    assert_eq!(broker.committed(&pipeline.group, &pipeline.from)?, committed);
    Ok(())
}

#[test]
fn promise_order_a_replay_by_time_goes_to_the_sink_in_order_while_the_pipeline_runs() -> Result<()> {
    let broker = Broker::shared();
    let (pipeline, mut host, since) = worked_off()?;
    host.restart()?;
    let (rows, letters) = (broker.ends(&pipeline.to)?, broker.ends(&pipeline.dead)?);
    let committed = broker.committed(&pipeline.group, &pipeline.from)?;
    let time = |second: i64| anyhow::Ok(jiff::Timestamp::from_millisecond(since + second * 1000)?.to_string());
    let ended = command(&host, &["replay"], &["p", "--from", &time(20)?, "--to", &time(70)?])?;
    assert_eq!((ended.code, ended.out.len()), (Some(3), 0), "{}", ended.err);
    ensure!(ended.err.contains("100 records read, 90 rows delivered, 10 records failed"), "{}", ended.err);
    ensure!(ended.err.contains(&format!("{}/0: 20 to 70", pipeline.from)), "{}", ended.err);

    let all = broker.consume(&pipeline.to)?;
    for partition in 0..2 {
        let again = all.iter().filter(|row| row.partition == partition && row.offset >= rows[partition as usize]);
        let wanted = (20..70).map(|second| second * 2 + i64::from(partition)).filter(|n| n % 10 != 3);
        assert_eq!(
            again.map(|row| row.text()).collect::<Vec<_>>(),
            wanted.map(|n| format!("r {n}")).collect::<Vec<_>>()
        );
    }
    assert_eq!(broker.ends(&pipeline.dead)?, [letters[0] + 10]);
    assert_eq!(broker.committed(&pipeline.group, &pipeline.from)?, committed);
    // the host is still the group's only member, and works on
    broker.produce(&pipeline.from, [Record::of("r after").to(0)])?;
    pipeline.wait_for_end(PATIENCE)?;
    stop(host)
}

#[test]
fn promise_ending_a_replay_that_is_asked_to_end_says_how_far_it_came_and_goes_on_there() -> Result<()> {
    let broker = Broker::shared();
    let (pipeline, host, _) = worked_off()?;
    let before = broker.ends(&pipeline.to)?;
    let slow = begin(&host, &["replay"], &["--from", "earliest", "--rate", "50/s"])?;
    wait_for("some rows", PATIENCE, || Ok((broker.ends(&pipeline.to)? > before).then_some(())))?;
    slow.signal(Signal::INT)?;
    let ended = slow.wait()?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let go_on = ended.err.lines().find_map(|line| line.strip_prefix("to go on: ")).context("how to go on")?.to_owned();
    let halfway = broker.ends(&pipeline.to)?;
    ensure!(halfway.iter().sum::<i64>() < before.iter().sum::<i64>() * 2, "it was not interrupted");
    let words: Vec<&str> = go_on.split_whitespace().collect();
    let ended = command(&host, &["replay"], &words)?;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    let after = broker.ends(&pipeline.to)?;
    assert_eq!(after, before.iter().map(|end| end * 2).collect::<Vec<_>>(), "all once more, none twice");
    Ok(())
}

#[test]
fn what_cannot_be_replayed_is_told_with_the_remedy() -> Result<()> {
    let (pipeline, host, _) = worked_off()?;
    let from = &pipeline.from;
    let cases: [(&[&str], i32, String); 6] = [
        (&["--from", "0=500"], 1, format!("{from}/0 has no offset 500: it begins at 0 and ends at 100")),
        (&["--from", "0=50", "--to", "0=20"], 1, format!("{from}/0: what begins at 50 cannot end at 20")),
        (&["--from", "0=50", "--to", "1=60"], 2, "no partition that both --from and --to name".to_owned()),
        (&["--from", "earliest", "--topic", "other"], 2, "no partition of topic \"other\"".to_owned()),
        (&["--from", "then"], 2, "write earliest, latest".to_owned()),
        (&["nobody", "--from", "earliest"], 2, "no pipeline \"nobody\"; the configuration has p".to_owned()),
    ];
    for (words, code, message) in cases {
        let ended = command(&host, &["replay"], words)?;
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.err);
        ensure!(ended.err.contains(&message), "{words:?}: {}", ended.err);
    }
    std::fs::write(host.modules().join("poison.wasm"), b"no module")?;
    let ended = command(&host, &["replay"], &["--from", "earliest"])?;
    assert_eq!(ended.code, Some(2), "{}", ended.err);
    ensure!(ended.err.contains("module poison.wasm: "), "{}", ended.err);
    Ok(())
}

/// A pipeline that has done nothing, with twelve records of which the eighth and the last two are refused.
fn idle(keys: &str) -> Result<(Pipeline, Host)> {
    let pipeline = Pipeline::new("idle", 1)?;
    let builder = pipeline.host(&format!("workers = 1\n{keys}"), &[POISON]);
    let mut host = builder.module("poison.wasm", modules::hostile("poison")?).start()?;
    ensure!(host.stop()?.success());
    let value = |n: i32| if n == 7 || n >= 10 { format!("R! {n}") } else { format!("r {n}") };
    Broker::shared().produce(&pipeline.from, (0..12).map(|n| Record::of(value(n))))?;
    Ok((pipeline, host))
}

#[test]
fn a_replay_waits_for_nobody_where_the_pipeline_would_pause_it_stops() -> Result<()> {
    let (pipeline, host) = idle("on = { reject = { retry = 2, backoff = \"10 ms\", then = \"pause\" } }")?;
    let ended = command(&host, &["replay"], &["--from", "earliest"])?;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    ensure!(ended.err.contains(&format!("stopped in front of {}/0 offset 7", pipeline.from)), "{}", ended.err);
    ensure!(ended.err.contains("to go on: --topic ") && ended.err.contains("--from 0=7 --to 0=12"), "{}", ended.err);
    assert_eq!(Broker::shared().ends(&pipeline.to)?, [7]);
    let ended = command(&host, &["replay"], &["--from", "0=8", "--to", "0=10"])?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(Broker::shared().ends(&pipeline.to)?, [9]);
    Ok(())
}

#[test]
fn a_replay_waits_for_nobody_where_the_breaker_would_trip_it_goes_on() -> Result<()> {
    let (pipeline, host) = idle("breaker = { failed = 0.01, of = 10, probe = \"1 h\" }")?;
    let ended = command(&host, &["replay"], &["--from", "earliest"])?;
    assert_eq!(ended.code, Some(3), "{}", ended.err);
    assert_eq!((Broker::shared().ends(&pipeline.to)?, Broker::shared().ends(&pipeline.dead)?), (vec![9], vec![3]));
    Ok(())
}
