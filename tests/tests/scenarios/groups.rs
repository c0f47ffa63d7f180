//! Groups that grow and shrink, and topics that do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, unique, wait_for};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use super::load::{Line, numbered, verdict};

/// New partitions and topics are noticed soon.
const CURIOUS: &str =
    r#""heartbeat.interval.ms" = 300, "topic.metadata.refresh.interval.ms" = 500, "metadata.max.age.ms" = 2000"#;

/// The partitions of a host's lanes.
fn lanes(host: &Host) -> Result<Vec<i64>> {
    let status = host.status()?;
    let workers = status["pipelines"][0]["workers"].as_array().cloned().unwrap_or_default();
    let lanes = workers.iter().flat_map(|worker| worker["lanes"].as_array().cloned().unwrap_or_default());
    let mut lanes: Vec<i64> = lanes.filter_map(|lane| lane["partition"].as_i64()).collect();
    lanes.sort_unstable();
    Ok(lanes)
}

/// Waits until hosts have so many lanes each, which are all of the topic's.
fn wait_for_lanes(hosts: &[&Host], each: usize) -> Result<()> {
    wait_for(&format!("{} hosts have {each} lanes each", hosts.len()), PATIENCE, || {
        let mut all = Vec::new();
        for host in hosts {
            let lanes = lanes(host)?;
            if lanes.len() != each {
                return Ok(None);
            }
            all.extend(lanes);
        }
        all.sort_unstable();
        all.dedup();
        Ok((all.len() == hosts.len() * each).then_some(()))
    })
}

/// One host, then three, then one, while records flow.
fn grow_and_shrink(options: &str) -> Result<()> {
    let line = Line::new(6)?;
    let load = line.load(6000)?;
    let start = || line.builder(&[("consumer", options)]).start();
    let mut first = start()?;
    line.wait_for_more(1000)?;
    let mut others = [start()?, start()?];
    wait_for_lanes(&[&first, &others[0], &others[1]], 2)?;
    line.wait_for_more(3000)?;
    for other in &mut others {
        assert_eq!(other.stop()?.code(), Some(0));
        line.wait_for_more(1000)?;
    }
    wait_for_lanes(&[&first], 6)?;
    let produced = load.stop()?;
    line.wait_for_commits()?;
    assert_eq!(first.stop()?.code(), Some(0));
    let repeats = line.verdict(&produced)?;
    assert_eq!(repeats, 0, "every host left in good order, and yet records were repeated");
    println!("1 -> 3 -> 1 hosts: {} records, none lost or repeated", produced.iter().sum::<i64>());
    Ok(())
}

#[test]
fn promise_order_is_kept_and_nothing_lost_or_repeated_from_one_host_to_three_and_back() -> Result<()> {
    grow_and_shrink(r#""heartbeat.interval.ms" = 300, "partition.assignment.strategy" = "cooperative-sticky""#)
}

#[test]
fn promise_order_is_kept_and_nothing_lost_or_repeated_with_an_eager_assignor() -> Result<()> {
    grow_and_shrink(r#""heartbeat.interval.ms" = 300, "partition.assignment.strategy" = "range""#)
}

#[test]
fn a_static_member_comes_back_to_its_lanes_and_disturbs_nobody() -> Result<()> {
    let line = Line::new(4)?;
    let load = line.load(4000)?;
    let option = ("consumer", r#""session.timeout.ms" = 30000, "heartbeat.interval.ms" = 300"#);
    let start = || line.builder(&[("more", "static_membership = true"), option]).start();
    let (mut one, mut other) = (start()?, start()?);
    wait_for_lanes(&[&one, &other], 2)?;
    let (before, mine) = (other.log(), lanes(&one)?);
    for _ in 0..3 {
        line.wait_for_more(1000)?;
        assert_eq!(one.stop()?.code(), Some(0));
        one.restart()?;
        wait_for_lanes(&[&one, &other], 2)?;
        assert_eq!(lanes(&one)?, mine);
    }
    let after = other.log();
    let news = after.strip_prefix(&before).unwrap_or(&after);
    ensure!(!news.contains("lane "), "the other host was disturbed:\n{news}");
    let produced = load.stop()?;
    line.wait_for_commits()?;
    assert_eq!((one.stop()?.code(), other.stop()?.code()), (Some(0), Some(0)));
    assert_eq!(line.verdict(&produced)?, 0, "repeats");
    Ok(())
}

#[test]
fn partitions_that_are_added_while_a_host_runs_are_read_from_their_first_record() -> Result<()> {
    let broker = Broker::shared();
    let line = Line::new(1)?;
    add_partitions(&line.to, 3)?;
    let start = ("more", "start = \"earliest\"");
    let mut host = line.builder(&[("consumer", CURIOUS), start, ("workers", "2")]).spawn()?;
    broker.produce(&line.from, (0..500).map(|number| Record::of(numbered(0, number)).to(0)))?;
    line.wait_for_commits()?;
    add_partitions(&line.from, 3)?;
    // before the host can know of them
    let added = |partition| (0..500).map(move |number| Record::of(numbered(partition, number)).to(partition));
    broker.produce(&line.from, added(1).chain(added(2)))?;
    line.wait_for_commits()?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&[500, 500, 500])?, 0, "repeats");
    Ok(())
}

fn add_partitions(topic: &str, count: usize) -> Result<()> {
    let mut config = ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        config.set("bootstrap.servers", Broker::shared().address()).create()?;
    let wanted = NewPartitions::new(topic, count);
    let added = admin.create_partitions([&wanted], &AdminOptions::new());
    for result in tokio::runtime::Builder::new_current_thread().build()?.block_on(added)? {
        result.map_err(|(topic, code)| anyhow::anyhow!("adding partitions to {topic}: {code}"))?;
    }
    Ok(())
}

#[test]
fn topics_that_match_a_pattern_are_read_also_those_that_are_made_later() -> Result<()> {
    let broker = Broker::shared();
    let (name, group, to) = (unique("pattern"), unique("group"), broker.topic("to", 1)?);
    let topic = |number: i32| format!("{name}.{number}");
    broker.create_topic(&topic(0), 1, &[])?;
    broker.create_topic(&format!("not-{name}"), 1, &[])?;
    broker.produce(&format!("not-{name}"), [Record::of("9:0")])?;
    broker.produce(&topic(0), (0..100).map(|number| Record::of(numbered(0, number)).keyed("0")))?;
    let config = r#"
        state = "@dir@/state"
        [pipelines.pattern]
        workers = 2
        commit_interval = "50 ms"
        [pipelines.pattern.source]
        brokers = "@brokers@"
        topics = "^@name@[.]."
        group = "@group@"
        librdkafka = { @curious@ }
        [pipelines.pattern.sink]
        type = "kafka"
        topic = "@to@"
        "#;
    let mut host = Host::builder(config)
        .set("brokers", broker.address())
        .set("name", &name)
        .set("group", &group)
        .set("curious", CURIOUS)
        .set("to", &to)
        .spawn()?;
    let arrived =
        |topic: &str| wait_for("a topic is read", PATIENCE, || Ok((broker.lag(&group, topic)? == 0).then_some(())));
    arrived(&topic(0))?;
    for number in 1..3 {
        broker.create_topic(&topic(number), 1, &[])?;
        let records = (0..100).map(|n| Record::of(numbered(number, n)).keyed(number.to_string()));
        broker.produce(&topic(number), records)?;
        arrived(&topic(number))?;
    }
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(verdict(broker, &to, &[100, 100, 100])?, 0, "repeats");
    assert_eq!(broker.consume(&to)?.len(), 300, "the topic that does not match was read too");
    Ok(())
}

#[test]
fn workers_that_have_no_partition_are_ready_and_leave_as_others_do() -> Result<()> {
    let line = Line::new(2)?;
    let load = line.load(2000)?;
    let mut host = line.builder(&[("workers", "4")]).start()?;
    line.wait_for_more(1000)?;
    let workers = host.status()?["pipelines"][0]["workers"].clone();
    let states: Vec<_> = workers.as_array().into_iter().flatten().map(|worker| worker["state"].clone()).collect();
    assert_eq!(states, ["running"; 4]);
    wait_for_lanes(&[&host], 2)?;
    // they have left in good order too: nobody waits for them until their session times out
    assert_eq!(host.stop()?.code(), Some(0));
    let asked = Instant::now();
    host.restart()?;
    line.wait_for_more(1000)?;
    ensure!(asked.elapsed() < Duration::from_secs(20), "back after {:?}", asked.elapsed());
    let produced = load.stop()?;
    line.wait_for_commits()?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(line.verdict(&produced)?, 0, "repeats");
    Ok(())
}
