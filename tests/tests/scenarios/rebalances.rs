//! Members that join and leave every few seconds, while records flow: no partition stands still for long, nothing is lost, and
//! nothing is repeated, since all of them leave in good order.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Host, Signal, scale, wait_for};

use super::load::{Line, QUICK};

const PARTITIONS: i32 = 6;

/// Hosts that come and go.
struct Storm<'s> {
    line: Line,
    set: Vec<(&'s str, &'s str)>,
    hosts: Vec<Host>,
    /// How long a partition may stand still after a change.
    bound: Duration,
    longest: Duration,
}

impl Storm<'_> {
    /// Has so many hosts from now on, and waits until every partition has gone on.
    fn becomes(&mut self, count: usize) -> Result<()> {
        let before = self.hosts.len();
        let mut leaving = self.hosts.split_off(count.min(before));
        for host in &leaving {
            host.signal(Signal::TERM)?;
        }
        for _ in before..count {
            self.hosts.push(self.line.builder(&self.set).spawn()?);
        }
        for host in &mut leaving {
            assert_eq!(host.wait(PATIENCE)?.code(), Some(0));
        }
        for host in &mut self.hosts {
            host.ready()?;
        }
        self.progresses().with_context(|| format!("after {before} -> {count} hosts"))
    }

    fn progresses(&mut self) -> Result<()> {
        let start = Instant::now();
        let before = self.line.kafka.ends(&self.line.to)?;
        wait_for("every partition goes on", self.bound, || {
            let ends = self.line.kafka.ends(&self.line.to)?;
            // more than what was in the sinks' hands while lanes moved
            Ok(ends.iter().zip(&before).all(|(end, before)| *end > before + 200).then_some(()))
        })?;
        self.longest = self.longest.max(start.elapsed());
        Ok(())
    }
}

/// One host, four, two, three, and then as chance has it.
fn storm(what: &str, consumer: &str, more: &str, bound: Duration) -> Result<()> {
    let seed = 0x5701;
    let mut random = fastrand::Rng::with_seed(seed);
    let line = Line::new(PARTITIONS)?;
    let load = line.load(6000)?;
    let set = vec![("consumer", consumer), ("more", more)];
    let mut storm = Storm { line, set, hosts: Vec::new(), bound, longest: Duration::ZERO };
    let mut changes = 0;
    let chance = (0..scale(6, 240)).map(|_| random.usize(1..=4));
    for count in [1, 4, 2, 3].into_iter().chain(chance) {
        storm.becomes(count)?;
        changes += 1;
    }
    let produced = load.stop()?;
    storm.line.wait_for_commits()?;
    for host in &mut storm.hosts {
        assert_eq!(host.stop()?.code(), Some(0));
    }
    let (all, longest) = (produced.iter().sum::<i64>(), storm.longest);
    assert_eq!(storm.line.verdict(&produced)?, 0, "every host left in good order, and yet records were repeated");
    println!(
        "{what}: {changes} changes (seed {seed:#x}), {all} records, none lost or repeated, the longest stop {longest:?}"
    );
    Ok(())
}

#[test]
fn promise_order_no_partition_stands_still_in_a_storm_of_cooperative_rebalances() -> Result<()> {
    let consumer = format!(r#"{QUICK}, "partition.assignment.strategy" = "cooperative-sticky""#);
    storm("cooperative", &consumer, "", Duration::from_secs(10))
}

#[test]
fn promise_order_no_partition_stands_still_in_a_storm_of_eager_rebalances() -> Result<()> {
    let consumer = format!(r#"{QUICK}, "partition.assignment.strategy" = "range""#);
    storm("eager", &consumer, "", Duration::from_secs(10))
}

#[test]
fn promise_order_no_partition_stands_still_in_a_storm_of_static_members() -> Result<()> {
    // a static member's lanes wait for it until its session is over
    let consumer = r#""session.timeout.ms" = 3000, "heartbeat.interval.ms" = 300"#;
    storm("static", consumer, "static_membership = true", Duration::from_secs(15))
}
