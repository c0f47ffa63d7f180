//! Exactly once: rows, dead letters and offsets become visible together or never, whatever is killed in between.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, host, modules, scale, unique, wait_for};

use super::load::{Load, verdict};
use super::pipeline::{Pipeline, TOP, stop};

/// A dead member is noticed after 1.5 s.
const MORTAL: &str = r#"librdkafka = { "session.timeout.ms" = 1500, "heartbeat.interval.ms" = 300 }"#;

fn host(line: &Pipeline, keys: &str, top: &str) -> host::Builder {
    let table = line.table("p", &format!("delivery = \"exactly-once\"\n{keys}"), &["module = \"poison.wasm\""]);
    let table = table.replace("[pipelines.p.source]\n", &format!("[pipelines.p.source]\n{MORTAL}\n"));
    Host::builder(&format!("{top}{TOP}{table}")).module("poison.wasm", modules::hostile("poison").expect("a module"))
}

fn name(host: &str) -> String {
    format!("host = \"{host}\"\n")
}

/// Waits until the group has read everything.
fn all_committed(line: &Pipeline) -> Result<()> {
    wait_for("everything is committed", PATIENCE, || {
        Ok((Broker::shared().lag(&line.group, &line.from)? == 0).then_some(()))
    })
}

/// Waits until everything can be read that was committed, and checks that every record is there once, and in order.
/// A transaction that a killed host has left open holds readers back until it times out.
fn exactly_once(to: &str, produced: &[i64]) -> Result<()> {
    let all: i64 = produced.iter().sum();
    wait_for(&format!("{all} rows can be read"), PATIENCE, || {
        let mut count = 0;
        Broker::shared().consume_each(to, |_| count += 1)?;
        Ok((count >= all).then_some(()))
    })?;
    ensure!(verdict(Broker::shared(), to, produced)? == 0, "records came more than once");
    Ok(())
}

#[test]
fn promise_once_hosts_that_are_killed_at_random_moments_repeat_nothing() -> Result<()> {
    let seed = 0x0ce;
    let mut random = fastrand::Rng::with_seed(seed);
    let line = Pipeline::new("once", 4)?;
    let load = Load::start(&line.from, 4, 4000)?;
    let names = [unique("host"), unique("host")];
    let start = |which: usize| host(&line, "workers = 2", &name(&names[which])).spawn();
    let mut hosts = [start(0)?, start(1)?];
    let kills = scale(12, 60);
    for _ in 0..kills {
        let before: i64 = Broker::shared().ends(&line.to)?.iter().sum();
        let more = random.i64(1..4000);
        wait_for("more has arrived", PATIENCE, || {
            Ok((Broker::shared().ends(&line.to)?.iter().sum::<i64>() >= before + more).then_some(()))
        })?;
        let victim = random.usize(..2);
        hosts[victim].kill();
        hosts[victim] = start(victim)?;
    }
    let produced = load.stop()?;
    all_committed(&line)?;
    exactly_once(&line.to, &produced)?;
    for mut host in hosts {
        host.ready()?;
        stop(host)?;
    }
    println!("{kills} kills (seed {seed:#x}): {} records, each exactly once", produced.iter().sum::<i64>());
    Ok(())
}

#[test]
fn promise_once_every_bad_record_gives_one_dead_letter_and_every_other_one_row() -> Result<()> {
    let mut line = Pipeline::new("once-bad", 2)?;
    let (broker, limit) = (Broker::shared(), [("max.message.bytes", "100000")]);
    // a topic that takes no large rows: who hands one over learns of it when the transaction is under way
    line.to = format!("{}-small", line.to);
    broker.create_topic(&line.to, 2, &limit)?;
    let large = "x".repeat(150_000);
    let value = |n: usize| match n % 400 {
        7 => format!("T! {n}"),
        100 => format!("R! {n}"),
        101 => format!("{n} {large}"),
        _ => format!("good {n}"),
    };
    let count = 4000;
    let records = (0..count).map(|n| Record::of(value(n)).to((n % 2) as i32));
    broker.produce(&line.from, records)?;
    let mut host = host(&line, "workers = 1\nbatch = { records = 200 }", "").start()?;
    all_committed(&line)?;
    let number = |record: &edgemill_tests::Consumed| {
        let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        text.split(' ').find_map(|word| word.parse::<usize>().ok())
    };
    let rows: Vec<_> = broker.consume(&line.to)?.iter().filter_map(number).collect();
    let mut letters: Vec<_> = broker.consume(&line.dead)?.iter().filter_map(number).collect();
    letters.sort_unstable();
    let bad = |n: &usize| [7, 100, 101].contains(&(n % 400));
    assert_eq!(letters, (0..count).filter(bad).collect::<Vec<_>>());
    for partition in 0..2 {
        let of = |n: &usize| n % 2 == partition;
        let found: Vec<_> = rows.iter().copied().filter(of).collect();
        assert_eq!(found, (0..count).filter(of).filter(|n| !bad(n)).collect::<Vec<_>>(), "partition {partition}");
    }
    ensure!(host.metrics()?.sum("edgemill_commits_total", &[("result", "failed")]) >= 1.0, "no row was refused");
    assert_eq!(host.stop()?.code(), Some(0));
    Ok(())
}

#[test]
fn promise_once_a_killed_host_does_not_hold_readers_back_for_long() -> Result<()> {
    let line = Pipeline::new("once-open", 1)?;
    let load = Load::start(&line.from, 1, 2000)?;
    // a transaction that is open when its host dies, and a host under another name that goes on
    let mut first = host(&line, "workers = 1", &name(&unique("host"))).start()?;
    wait_for("rows are under way", PATIENCE, || {
        Ok((first.metrics()?.sum("edgemill_rows_delivered_total", &[]) > 1000.0).then_some(()))
    })?;
    first.kill();
    let killed = Instant::now();
    let second = host(&line, "workers = 1", &name(&unique("host"))).start()?;
    let produced = load.stop()?;
    all_committed(&line)?;
    exactly_once(&line.to, &produced)?;
    let held = killed.elapsed();
    ensure!(held < Duration::from_secs(30), "readers were held back for {held:?}");
    println!("readers were held back for {held:?}");
    stop(second)
}

#[test]
fn promise_once_two_hosts_of_one_name_end_and_name_the_duplicate() -> Result<()> {
    let line = Pipeline::new("once-twins", 2)?;
    let load = Load::start(&line.from, 2, 500)?;
    let same = name(&unique("twin"));
    let mut twins = [host(&line, "workers = 1", &same).spawn()?, host(&line, "workers = 1", &same).spawn()?];
    let ended = wait_for("one of them ends", Duration::from_secs(90), || {
        for (index, twin) in twins.iter_mut().enumerate() {
            if let Some(status) = twin.try_wait()? {
                return Ok(Some((index, status.code())));
            }
        }
        Ok(None)
    });
    let (index, code) = ended?;
    assert_eq!(code, Some(1));
    let log = twins[index].log();
    ensure!(
        log.contains("another host has the same name") && log.contains("give every host a name of its own"),
        "{log}"
    );
    // the other one goes on alone
    let produced = load.stop()?;
    if twins[1 - index].try_wait()?.is_some() {
        twins[1 - index].restart()?;
    }
    all_committed(&line)?;
    exactly_once(&line.to, &produced)
}

#[test]
fn promise_once_hosts_that_come_and_go_and_an_input_of_transactions_repeat_nothing() -> Result<()> {
    // the output of one pipeline is the input of the next
    let line = Pipeline::new("once-chained", 4)?;
    let mut next = Pipeline::new("once-next", 1)?;
    (next.from, next.to) = (line.to.clone(), format!("{}-2", line.to));
    Broker::shared().create_topic(&next.to, 4, &[])?;
    let load = Load::start(&line.from, 4, 4000)?;
    let mut first = vec![host(&line, "workers = 1", &name(&unique("host"))).start()?];
    let second = host(&next, "workers = 2", &name(&unique("host"))).start()?;
    for _ in 0..scale(3, 20) {
        first.push(host(&line, "workers = 1", &name(&unique("host"))).start()?);
        stop(first.remove(0))?;
    }
    let produced = load.stop()?;
    all_committed(&line)?;
    exactly_once(&line.to, &produced)?;
    // the group of the next cannot commit behind a transaction's own record, which is the last of every partition
    exactly_once(&next.to, &produced)?;
    stop(second)?;
    first.drain(..).try_for_each(stop)
}
