//! A sink that takes nothing for longer than a group waits for a member that does not poll.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Cluster, Mode, Record, scale, wait_for, wait_until};

use super::load::{Line, numbered};

/// A member that does not poll for 4 s is put out of its group.
const IMPATIENT: &str = r#""max.poll.interval.ms" = 4000, "session.timeout.ms" = 3000, "heartbeat.interval.ms" = 300"#;

#[test]
fn promise_bounds_a_sink_that_is_corked_for_long_costs_neither_membership_nor_memory_nor_records() -> Result<()> {
    let (broker, cluster) = (Broker::shared(), Cluster::borrow()?);
    let line = Line::between(broker, &cluster, 2)?;
    // 60 MB wait, of which 4 MiB may be fetched ahead and 4 MiB be on their way
    let (count, rest) = (30_000, "x".repeat(1000));
    let records = |numbers: std::ops::Range<i64>| {
        let both = numbers.flat_map(|number| (0..2).map(move |partition| (number, partition)));
        both.map(|(number, partition)| Record::of(format!("{}:{rest}", numbered(partition, number))).to(partition))
    };
    broker.produce(&line.from, records(0..500))?;
    // requests that were swallowed are sent again, and arrive twice once the hole is over
    let set = [
        ("sink", &*format!("in_flight = \"4 MiB\"\nbrokers = \"{}\"", cluster.proxied())),
        ("more", "fetch_ahead = \"4 MiB\""),
        ("consumer", IMPATIENT),
        ("producer", r#""socket.timeout.ms" = 3000, "reconnect.backoff.max.ms" = 1000"#),
    ];
    let mut host = line.builder(&set).start()?;
    line.wait_for_commits()?;
    let (log, members, before) = (host.log(), broker.members(&line.group)?, host.most_memory()?);

    cluster.proxies().for_each(|proxy| proxy.set(Mode::Hole));
    broker.produce(&line.from, records(500..count))?;
    let taken = || -> Result<f64> { Ok(host.metrics()?.sum("edgemill_records_total", &[])) };
    wait_for("the host takes what may be in flight", PATIENCE, || Ok((taken()? > 2000.0).then_some(())))?;
    let start = Instant::now();
    let corked = Duration::from_secs(scale(10, 60));
    wait_until("the sink was corked for long enough", 2 * corked, || start.elapsed() > corked)?;
    let (taken, answer) = (taken()?, host.get("/readyz")?);
    assert_eq!(answer.status, 200, "{}", answer.body);
    ensure!(taken < 10_000.0, "{taken} records were taken, though nothing was delivered");
    assert_eq!(line.arrived()?, 1000);
    assert_eq!(broker.members(&line.group)?, members, "the group has other members");

    cluster.proxies().for_each(|proxy| proxy.set(Mode::Open));
    line.wait_for_commits()?;
    assert_eq!(broker.members(&line.group)?, members, "the group has other members");
    let grown = (host.most_memory()? - before) >> 20;
    let log = host.log().split_off(log.len());
    ensure!(!log.contains("lane "), "lanes were taken or given:\n{log}");
    ensure!(grown < 48, "{grown} MiB more than before the cork");
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&[count; 2])?, 0, "repeats");
    println!("corked for {corked:?} with {taken} records taken: {grown} MiB more memory, nothing lost or repeated");
    Ok(())
}
