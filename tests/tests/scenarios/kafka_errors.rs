//! What Kafka refuses, and Kafka that is not there: which of it ends the program, and which is waited for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::broker::free_port;
use edgemill_tests::host::Builder;
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, unique, wait_for};

use super::load::{QUICK, numbered, verdict};

/// A pipeline between two clusters.
const PIPELINE: &str = r#"
state = "@dir@/state"
unreachable_after = "@unreachable@"
[pipelines.errors]
workers = 1
commit_interval = "50 ms"
[pipelines.errors.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
librdkafka = { @consumer@ }
[pipelines.errors.sink]
type = "kafka"
topic = "@to@"
@sink@
[pipelines.errors.dead-letter]
topic = "@dead@"
@letters@
"#;

/// Begins a host with the values given, and usual ones for the others.
fn host(set: &[(&str, &str)]) -> Builder {
    let usual = [
        ("unreachable", "never"),
        ("group", &unique("group")),
        ("dead", "no-dead-letters"),
        ("consumer", QUICK),
        ("sink", ""),
        ("letters", ""),
    ];
    set.iter().chain(&usual).fold(Host::builder(PIPELINE), |builder, (name, value)| builder.set(name, value))
}

/// Waits until everything is committed. A broker that has just come back may not answer every question yet.
fn done(broker: &Broker, group: &str, from: &str) -> Result<()> {
    wait_for("everything is committed", PATIENCE, || Ok(broker.lag(group, from).ok().filter(|lag| *lag == 0).map(drop)))
}

/// The host ends with 1, soon, and says all of this; and never that.
pub(super) fn ends(mut host: Host, soon: Duration, says: &[&str], never: &str) -> Result<()> {
    let start = Instant::now();
    let code = host.wait(soon)?.code();
    println!("ended after {:?}", start.elapsed());
    let log = host.log();
    ensure!(code == Some(1), "exit code {code:?}:\n{log}");
    for part in says {
        ensure!(log.contains(part), "no {part:?} in the log:\n{log}");
    }
    ensure!(!log.contains(never), "the log has {never:?}");
    Ok(())
}

fn sasl(mechanism: &str, name: &str) -> String {
    let common = r#""security.protocol" = "SASL_PLAINTEXT", "sasl.password" = "${PASSWORD}""#;
    format!(r#"{common}, "sasl.mechanism" = "{mechanism}", "sasl.username" = "{name}", {QUICK}"#)
}

#[test]
fn a_wrong_password_ends_the_program_and_is_never_shown() -> Result<()> {
    let broker = Broker::shared();
    for (mechanism, name) in [("SCRAM-SHA-512", "alice"), ("SCRAM-SHA-256", "alice"), ("PLAIN", "bob")] {
        let secret = format!("not-{}", unique(name));
        let sasl = sasl(mechanism, name);
        let set = [("brokers", &*broker.sasl_address()), ("from", "flights"), ("to", "flat"), ("consumer", &sasl)];
        let host = host(&set).env("PASSWORD", &secret).spawn()?;
        ends(host, Duration::from_secs(20), &[&broker.sasl_address(), mechanism, name, "authentication"], &secret)?;
    }
    Ok(())
}

#[test]
fn the_right_password_serves_source_sink_and_dead_letters() -> Result<()> {
    let broker = Broker::shared();
    for (mechanism, name) in [("SCRAM-SHA-512", "alice"), ("PLAIN", "bob")] {
        let (from, to, group) = (broker.topic("from", 1)?, broker.topic("to", 1)?, unique("group"));
        broker.produce(&from, (0..100).map(|n| Record::of(numbered(0, n)).to(0)))?;
        let sasl = sasl(mechanism, name);
        let set = [
            ("brokers", &*broker.sasl_address()),
            ("from", &from),
            ("to", &to),
            ("consumer", &sasl),
            ("group", &group),
        ];
        let secret = format!("{name}-secret");
        let mut host = host(&set).env("PASSWORD", &secret).spawn()?;
        done(broker, &group, &from)?;
        assert_eq!(host.stop()?.code(), Some(0));
        assert_eq!(verdict(broker, &to, &[100])?, 0);
        ensure!(!host.log().contains(&secret), "the log has the password");
    }
    Ok(())
}

#[test]
fn a_mechanism_that_the_broker_does_not_have_ends_the_program() -> Result<()> {
    let broker = Broker::start_with("sasl.enabled.mechanisms=PLAIN")?;
    let sasl = sasl("SCRAM-SHA-512", "alice");
    let set = [("brokers", &*broker.sasl_address()), ("from", "flights"), ("to", "flat"), ("consumer", &sasl)];
    let host = host(&set).env("PASSWORD", "alice-secret").spawn()?;
    ends(host, Duration::from_secs(20), &[&broker.sasl_address(), "SCRAM-SHA-512"], "alice-secret")
}

#[test]
fn brokers_that_cannot_be_reached_end_the_program_after_the_time_given() -> Result<()> {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let broker = Broker::shared();
    let (from, live) = (broker.topic("from", 1)?, broker.address());
    broker.produce(&from, [Record::of("x")])?;
    for (time, least, most) in [("0s", 0, 15), ("3 s", 3, 20)] {
        let elsewhere = format!("brokers = \"{nowhere}\"");
        let source = [("brokers", &*nowhere), ("from", "flights"), ("to", "flat"), ("unreachable", time)];
        let sink = [("brokers", &*live), ("from", &from), ("to", "flat"), ("unreachable", time), ("sink", &elsewhere)];
        for (set, side) in [(&source[..], "source"), (&sink[..], "sink")] {
            let start = Instant::now();
            ends(host(set).spawn()?, Duration::from_secs(most), &[&nowhere, "unreachable_after", side], "panicked")?;
            ensure!(start.elapsed() >= Duration::from_secs(least), "{side}, {time}: after {:?}", start.elapsed());
        }
    }
    Ok(())
}

#[test]
fn promise_commit_nothing_is_lost_when_the_broker_is_away_dies_and_comes_back() -> Result<()> {
    // a broker that was killed waits for its own session to end before it comes back: 9 s, usually
    let mut broker = Broker::start_with("broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500")?;
    let (address, group, count) = (broker.address(), unique("group"), 200_000);
    for topic in ["from", "to", "no-dead-letters"] {
        broker.create_topic(topic, 2, &[])?;
    }
    let records = (0..count).flat_map(|n| (0..2).map(move |p| Record::of(numbered(p, n)).to(p)));
    broker.produce("from", records)?;
    broker.stop()?;

    let sink = "partition = \"same-as-input\"";
    let set = [("brokers", &*address), ("from", "from"), ("to", "to"), ("group", &group), ("sink", sink)];
    let mut host = host(&set).spawn()?;
    wait_for("the host notices", PATIENCE, || Ok(host.log().contains("WARN").then_some(())))?;
    ensure!(host.try_wait()?.is_none(), "unreachable_after = \"never\", and it ended");
    broker.restart()?;
    for wanted in [10_000, 60_000] {
        wait_for("some have arrived", PATIENCE, || {
            Ok(broker.ends("to").ok().filter(|ends| ends.iter().sum::<i64>() > wanted).map(drop))
        })?;
        broker.kill();
        broker.restart()?;
    }
    done(&broker, &group, "from").with_context(|| {
        let status = host.get("/status").map(|answer| answer.body);
        format!(
            "the output ends at {:?}, committed {:?}, {status:?}",
            broker.ends("to"),
            broker.committed(&group, "from")
        )
    })?;
    let metrics = host.metrics()?;
    for side in ["source", "sink"] {
        let errors = metrics.sum("edgemill_kafka_errors_total", &[("side", side), ("pipeline", "errors")]);
        ensure!(errors > 0.0, "the {side} had errors, and its metric has none");
    }
    assert_eq!(host.stop()?.code(), Some(0));
    let repeats = verdict(&broker, "to", &[count, count])?;
    println!("the broker was killed twice: {repeats} of {} records were repeated", 2 * count);
    Ok(())
}

#[test]
fn topics_that_do_not_exist_yet_are_waited_for_with_a_warning() -> Result<()> {
    let broker = Broker::shared();
    let (from, to, group) = (unique("later"), unique("later-out"), unique("group"));
    let soon = format!(r#"{QUICK}, "topic.metadata.refresh.interval.ms" = 500"#);
    let sink =
        r#"librdkafka = { "topic.metadata.refresh.interval.ms" = 500, "topic.metadata.propagation.max.ms" = 2000 }"#;
    let set = [("brokers", &*broker.address()), ("from", &from), ("to", &to), ("group", &group)];
    let mut host = host(&[&set[..], &[("consumer", &*soon), ("sink", sink)]].concat()).spawn()?;
    host.logs(&from)?;
    broker.create_topic(&from, 1, &[])?;
    broker.produce(&from, (0..1000).map(|n| Record::of(numbered(0, n)).keyed("k")))?;
    wait_for("the host misses the sink's topic", PATIENCE, || {
        let log = host.log();
        Ok(log.lines().any(|line| line.contains("WARN") && line.contains(&to)).then_some(()))
    })?;
    broker.create_topic(&to, 1, &[])?;
    done(broker, &group, &from)?;
    ensure!(host.try_wait()?.is_none(), "it ended");
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(verdict(broker, &to, &[1000])?, 0);
    Ok(())
}

/// Small records of 500 bytes, every hundredth one of 20,000.
fn sizes(count: i64) -> impl Iterator<Item = Record> {
    (0..count).map(|n| {
        let size = if n % 100 == 7 { 20_000 } else { 500 };
        Record::of(format!("{n}:{}", "x".repeat(size))).keyed("k").to(0)
    })
}

/// The numbers of a topic of [`sizes`], in order of offset.
fn numbers(broker: &Broker, topic: &str) -> Result<Vec<i64>> {
    let number = |text: String| Ok(text.split(':').next().unwrap_or_default().parse()?);
    broker.consume(topic)?.iter().map(|record| number(record.text())).collect()
}

/// Repeats are allowed, gaps and disorder are not.
fn check_sizes(broker: &Broker, to: &str, dead: &str, count: i64) -> Result<usize> {
    let large = |n: &i64| n % 100 == 7;
    let mut delivered = numbers(broker, to)?;
    let all = delivered.len();
    let mut next = 0;
    for number in &delivered {
        let small = (next..count).find(|n| !large(n)).unwrap_or(count);
        ensure!(*number <= small, "{number} stands where {small} belongs");
        next = next.max(number + 1);
    }
    delivered.sort_unstable();
    delivered.dedup();
    assert_eq!(delivered, (0..count).filter(|n| !large(n)).collect::<Vec<_>>());
    let mut letters = numbers(broker, dead)?;
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters, (0..count).filter(large).collect::<Vec<_>>());
    for letter in broker.consume(dead)? {
        assert_eq!(letter.header("edgemill.code").as_deref(), Some("refused"));
        ensure!(letter.text().len() > 20_000, "a dead letter is not the original");
    }
    Ok(all - delivered.len())
}

#[test]
fn promise_one_a_row_that_the_broker_finds_too_large_is_a_dead_letter_and_no_other_is() -> Result<()> {
    let broker = Broker::shared();
    let (from, to, dead, group) = (broker.topic("from", 1)?, unique("to"), broker.topic("dead", 1)?, unique("group"));
    broker.create_topic(&to, 1, &[("max.message.bytes", "10000")])?;
    broker.produce(&from, sizes(1000))?;
    let set = [("brokers", &*broker.address()), ("from", &from), ("to", &to), ("group", &group), ("dead", &dead)];
    let mut host = host(&set).spawn()?;
    done(broker, &group, &from)?;
    assert_eq!(host.stop()?.code(), Some(0));
    let repeats = check_sizes(broker, &to, &dead, 1000)?;
    println!("rows refused by the broker: 10 of 1000, {repeats} repeated");
    Ok(())
}

#[test]
fn promise_one_a_row_that_librdkafka_finds_too_large_is_a_dead_letter_and_no_other_is() -> Result<()> {
    let broker = Broker::shared();
    let (from, to, dead) = (broker.topic("from", 1)?, broker.topic("to", 1)?, broker.topic("dead", 1)?);
    let group = unique("group");
    broker.produce(&from, sizes(1000))?;
    let set = [("brokers", &*broker.address()), ("from", &from), ("to", &to), ("group", &group), ("dead", &dead)];
    let sink = r#"librdkafka = { "message.max.bytes" = 10000 }"#;
    let letters = r#"librdkafka = { "message.max.bytes" = 1000000 }"#;
    let mut host = host(&[&set[..], &[("sink", sink), ("letters", letters)]].concat()).spawn()?;
    done(broker, &group, &from)?;
    assert_eq!(host.stop()?.code(), Some(0));
    assert_eq!(check_sizes(broker, &to, &dead, 1000)?, 0, "repeats");
    Ok(())
}
