//! Hosts that are killed, and hosts that are asked to stop, while records flow.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::broker::free_port;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Host, Record, Signal, scale, wait_for, wait_until};

use super::load::Line;

/// A dead member is noticed after 1.5 s.
const MORTAL: &str = r#""session.timeout.ms" = 1500, "heartbeat.interval.ms" = 300"#;

#[test]
fn promise_commit_nothing_is_lost_when_hosts_are_killed_at_random_moments() -> Result<()> {
    let seed = 0xed9e;
    let mut random = fastrand::Rng::with_seed(seed);
    let line = Line::new(4)?;
    let load = line.load(8000)?;
    // rows are under way for longer than a commit is: a host that commits too early loses some with every death
    let set = [("consumer", MORTAL), ("workers", "2"), ("commit", "20 ms"), ("producer", r#""linger.ms" = 100"#)];
    let start = || line.builder(&set).spawn();
    let mut hosts = [start()?, start()?];
    line.wait_for_more(1)?;
    let kills = scale(20, 100);
    for _ in 0..kills {
        // moments are counted in records: at first none, then up to half a second of them
        line.wait_for_more(random.i64(1..4000))?;
        let victim = random.usize(..2);
        hosts[victim].kill();
        hosts[victim] = start()?;
    }
    let produced = load.stop()?;
    line.wait_for_commits()?;
    for host in &mut hosts {
        host.ready()?;
        assert_eq!(host.stop()?.code(), Some(0));
    }
    let repeats = line.verdict(&produced)?;
    let all: i64 = produced.iter().sum();
    println!("{kills} kills (seed {seed:#x}): {all} records, none lost, {repeats} of them more than once");
    Ok(())
}

#[test]
fn promise_ending_nothing_is_lost_or_repeated_when_a_host_is_asked_to_stop_under_load() -> Result<()> {
    let line = Line::new(4)?;
    let load = line.load(8000)?;
    let mut host = line.builder(&[("workers", "2"), ("commit", "10 s")]).start()?;
    let mut longest = Duration::ZERO;
    let stops = scale(6, 30);
    for number in 0..stops {
        line.wait_for_more(1000)?;
        // the next is asked while it is in the middle of something else: a second's worth of records is waiting for it
        let asked = Instant::now();
        host.signal(if number % 2 == 0 { Signal::TERM } else { Signal::INT })?;
        assert_eq!(host.wait(PATIENCE)?.code(), Some(0));
        longest = longest.max(asked.elapsed());
        host.restart()?;
    }
    ensure!(longest < Duration::from_secs(10), "asked to stop, a host took {longest:?}");
    let produced = load.stop()?;
    let all: i64 = produced.iter().sum();
    wait_for("all has arrived", PATIENCE, || Ok((line.arrived()? >= all).then_some(())))?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&produced)?, 0, "repeats");
    // the commit interval is long: what is committed was committed at the end
    line.wait_for_commits()?;
    println!("{stops} stops: {all} records, none lost or repeated, the longest stop {longest:?}");
    Ok(())
}

#[test]
fn promise_ending_hosts_that_are_stopped_in_the_middle_of_a_rebalance_end_as_soon() -> Result<()> {
    let line = Line::new(4)?;
    let load = line.load(4000)?;
    let set = [("commit", "10 s")];
    let mut longest = Duration::ZERO;
    for _ in 0..scale(5, 50) {
        let mut first = line.builder(&set).start()?;
        let mut second = line.builder(&set).spawn()?;
        // the first has just given half of its lanes up, and the second has not got them yet
        first.logs("lane revoked")?;
        let asked = Instant::now();
        for host in [&first, &second] {
            host.signal(Signal::TERM)?;
        }
        assert_eq!((first.wait(PATIENCE)?.code(), second.wait(PATIENCE)?.code()), (Some(0), Some(0)));
        longest = longest.max(asked.elapsed());
        println!("stopped after {:?}", asked.elapsed());
    }
    ensure!(longest < Duration::from_secs(10), "asked to stop, a host took {longest:?}");
    let produced = load.stop()?;
    let mut last = line.builder(&[]).start()?;
    line.wait_for_commits()?;
    assert_eq!(last.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&produced)?, 0, "repeats");
    Ok(())
}

/// A host whose output goes nowhere: what it has read can never be delivered.
fn stuck(line: &Line, grace: &str) -> Result<Host> {
    let broker = edgemill_tests::Broker::shared();
    broker.produce(&line.from, (0..1000).map(|number| Record::of(super::load::numbered(0, number)).to(0)))?;
    let config = format!(
        r#"
        state = "@dir@/state"
        grace = "{grace}"
        unreachable_after = "never"
        [pipelines.stuck]
        workers = 1
        [pipelines.stuck.source]
        brokers = "{}"
        topics = ["{}"]
        group = "{}"
        [pipelines.stuck.sink]
        type = "kafka"
        brokers = "127.0.0.1:{}"
        topic = "nowhere"
        "#,
        broker.address(),
        line.from,
        line.group,
        free_port()
    );
    let host = Host::builder(&config).start()?;
    wait_for("the records have been read", PATIENCE, || {
        Ok((host.metrics()?.sum("edgemill_records_total", &[]) == 1000.0).then_some(()))
    })?;
    Ok(host)
}

#[test]
fn promise_ending_a_drain_that_cannot_succeed_ends_after_the_grace_and_commits_nothing() -> Result<()> {
    let line = Line::new(1)?;
    let mut host = stuck(&line, "2 s")?;
    let asked = Instant::now();
    let code = host.stop()?.code();
    let took = asked.elapsed();
    ensure!(took > Duration::from_secs(1) && took < Duration::from_secs(12), "the grace of 2 s took {took:?}");
    assert_eq!(code, Some(0));
    assert_eq!(edgemill_tests::Broker::shared().committed(&line.group, &line.from)?, [None]);
    Ok(())
}

#[test]
fn promise_ending_a_second_signal_ends_at_once_and_not_with_0() -> Result<()> {
    for signal in [Signal::TERM, Signal::INT] {
        let line = Line::new(1)?;
        let mut host = stuck(&line, "50 s")?;
        // `timeout`, and who passes Ctrl-C on, send it once more at once
        host.signal(signal)?;
        host.signal(signal)?;
        host.logs("draining")?;
        let echoed = Instant::now();
        wait_until("what comes at once is over", PATIENCE, || echoed.elapsed() > Duration::from_millis(500))?;
        ensure!(host.try_wait()?.is_none(), "the first signal drains");
        let asked = Instant::now();
        host.signal(signal)?;
        let status = host.wait(PATIENCE)?;
        ensure!(!status.success() && status.code().is_some(), "{signal:?} twice: {status}");
        ensure!(asked.elapsed() < Duration::from_secs(5), "at once took {:?}", asked.elapsed());
        assert_eq!(edgemill_tests::Broker::shared().committed(&line.group, &line.from)?, [None]);
    }
    Ok(())
}
