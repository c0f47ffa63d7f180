//! Exactly once: rows, dead letters and offsets become visible together or never, whatever is killed in between.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, host, modules, scale, unique, wait_for};

use super::load::{Load, numbered, verdict};
use super::pipeline::{Pipeline, TOP, said, status, stop};

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

/// Checks that every record of the input is in the output once, in order, and that nothing is left to do.
fn exactly_once(line: &Pipeline, produced: &[i64]) -> Result<()> {
    wait_for("everything is committed", PATIENCE, || {
        Ok((Broker::shared().lag(&line.group, &line.from)? == 0).then_some(()))
    })?;
    ensure!(verdict(Broker::shared(), &line.to, produced)? == 0, "records came more than once");
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
    exactly_once(&line, &produced)?;
    for mut host in hosts {
        host.ready()?;
        stop(host)?;
    }
    println!("{kills} kills (seed {seed:#x}): {} records, each exactly once", produced.iter().sum::<i64>());
    Ok(())
}
