//! A partition whose leader says nothing any more, while the group is well: the consumer is a member, and gets nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Cluster, Host, Mode, unique, wait_for, wait_until};

use super::load::{Line, QUICK};

const AFTER: Duration = Duration::from_secs(3);

/// A group that another node than this one coordinates.
fn group_elsewhere(cluster: &Cluster, node: i32) -> Result<String> {
    loop {
        let group = unique("group");
        if cluster.coordinator(&group)? != node {
            return Ok(group);
        }
    }
}

/// Waits until `/readyz` names partition 0 as stalled, and looks at whatever else tells of it. Gives how long it took.
fn stalls(host: &Host, from: &str) -> Result<Duration> {
    let start = Instant::now();
    let body = wait_for("the host is not ready any more", PATIENCE, || {
        let answer = host.get("/readyz")?;
        Ok((answer.status == 503).then_some(answer.body))
    })?;
    ensure!(body.contains(&format!("{from}/0 is stalled: no record for")) && !body.contains("/1"), "{body}");
    wait_for("the metric says so", PATIENCE, || {
        Ok((host.metrics()?.sum("edgemill_lanes_stalled", &[]) == 1.0).then_some(()))
    })?;
    let lanes = host.status()?["pipelines"][0]["workers"][0]["lanes"].clone();
    for lane in lanes.as_array().into_iter().flatten() {
        let stalled = lane["stalled"].as_u64();
        ensure!(stalled.is_some() == (lane["partition"] == 0), "{lanes}");
        ensure!(stalled.is_none_or(|seconds| seconds >= AFTER.as_secs()), "{lanes}");
    }
    Ok(start.elapsed())
}

fn warnings(host: &Host) -> usize {
    host.log().lines().filter(|line| line.contains("WARN") && line.contains("the lane is stalled")).count()
}

#[test]
fn a_partition_whose_leader_is_silent_is_reported_while_the_others_go_on_and_until_it_speaks() -> Result<()> {
    let cluster = Cluster::borrow()?;
    let (silent, replicas): (i32, [&[i32]; 2]) = (1, [&[1, 2, 3], &[2, 3, 1]]);
    let line = Line {
        kafka: (*cluster).clone(),
        output: (*cluster).clone(),
        from: cluster.topic_on("from", &replicas)?,
        // what is written goes past the silent one
        to: cluster.topic_on("to", &[&[2, 3, 1], &[3, 2, 1]])?,
        group: group_elsewhere(&cluster, silent)?,
        partitions: 2,
        sick: None,
    };
    let more = format!("stalled_after = \"{} s\"", AFTER.as_secs());
    let set = [("brokers", cluster.proxied()), ("more", &more), ("consumer", QUICK)];
    let load = line.load(1000)?;
    let mut host = line.builder(&set).start()?;
    line.wait_for_more(2000)?;
    assert_eq!((host.metrics()?.sum("edgemill_lanes_stalled", &[]), warnings(&host)), (0.0, 0));

    cluster.proxy(silent).set(Mode::Hole);
    let under_load = stalls(&host, &line.from)?;
    line.wait_for_more(500)?;
    assert_eq!(warnings(&host), 1);
    cluster.proxies().for_each(|proxy| proxy.set(Mode::Open));
    host.ready()?;
    assert_eq!(host.metrics()?.sum("edgemill_lanes_stalled", &[]), 0.0);

    let produced = load.stop()?;
    line.wait_for_commits()?;
    // at its end nothing comes either, and that is well
    let idle = Instant::now();
    wait_until("three times as long has gone by", PATIENCE, || idle.elapsed() > 3 * AFTER)?;
    assert_eq!((host.get("/readyz")?.status, warnings(&host)), (200, 1));

    // nothing tells a silent leader from a topic without news, but asking it
    cluster.proxy(silent).set(Mode::Hole);
    let idle = stalls(&host, &line.from)?;
    ensure!(host.log().contains("the end of the partition cannot be asked for"), "the log does not say why");
    cluster.proxies().for_each(|proxy| proxy.set(Mode::Open));
    host.ready()?;

    ensure!(!host.log().contains("lane revoked"), "the group was touched");
    for (what, took) in [("under load", under_load), ("without news", idle)] {
        ensure!(took < 5 * AFTER, "it was reported {what} after {took:?}");
    }
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&produced)?, 0, "repeats");
    println!("a silent leader was reported after {under_load:?} under load and {idle:?} without news, of {AFTER:?}");
    Ok(())
}
