//! Everything at once, while records flow: hosts are killed, a broker of three dies and comes back, and connections are cut,
//! slowed down and swallowed. What must hold depends on `delivery`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edgemill_tests::cluster::{Borrowed, NODES};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Cluster, Host, Mode, scale, wait_for, wait_until};

use super::load::{Line, Load};

/// A dead member is noticed after 1.5 s.
const MORTAL: &str = r#""session.timeout.ms" = 1500, "heartbeat.interval.ms" = 300, "reconnect.backoff.max.ms" = 1000"#;
const HOLE: Duration = Duration::from_secs(2);
const PARTITIONS: i32 = 6;

/// What was done to the hosts and their cluster.
#[derive(Debug, Default)]
struct Toll {
    kills: i64,
    brokers: u32,
    cuts: u32,
    slowed: u32,
    swallowed: u32,
    /// How long open transactions kept readers waiting when all was over.
    held_back: Duration,
}

struct Fire {
    cluster: Borrowed,
    line: Line,
    hosts: Vec<Host>,
    load: Option<Load>,
    random: fastrand::Rng,
    toll: Toll,
    dead: Option<i32>,
}

impl Fire {
    fn light(delivery: &str, seed: u64) -> Result<Self> {
        let cluster = Cluster::borrow()?;
        let line = Line::on(&cluster, PARTITIONS)?.sick(200)?;
        let pipeline = format!("delivery = \"{delivery}\"");
        let set = [
            ("brokers", cluster.proxied()),
            ("consumer", MORTAL),
            ("pipeline", &pipeline),
            ("workers", "2"),
            // rows are under way for longer than a commit is: a host that commits too early loses some with every death
            ("commit", "20 ms"),
            ("producer", r#""linger.ms" = 100, "reconnect.backoff.max.ms" = 1000"#),
        ];
        let hosts = (0..3).map(|_| line.builder(&set).spawn()).collect::<Result<Vec<_>>>()?;
        let load = Some(line.load(scale(4000, 8000))?);
        let random = fastrand::Rng::with_seed(seed);
        Ok(Self { cluster, line, hosts, load, random, toll: Toll::default(), dead: None })
    }

    /// One round: some records, and then something happens to each part of it.
    fn round(&mut self, number: u32) -> Result<()> {
        self.line.wait_for_more(self.random.i64(1..scale(8000, 40_000)))?;
        let victim = self.random.usize(..self.hosts.len());
        self.hosts[victim].kill();
        self.hosts[victim].spawn_again()?;
        self.toll.kills += 1;
        let proxy = self.random.i32(1..=NODES);
        self.cluster.proxies().for_each(|proxy| proxy.set(Mode::Open));
        match number % 4 {
            0 => {
                self.cluster.proxy(proxy).cut();
                self.toll.cuts += 1;
            }
            1 => {
                self.cluster.proxy(proxy).set(Mode::Slow { bytes: 8 * 1024, wait: Duration::from_millis(10) });
                self.toll.slowed += 1;
            }
            2 => {
                self.cluster.proxies().for_each(|proxy| proxy.cut());
                self.toll.cuts += 1;
            }
            _ => {
                // a coordinator that never answers is waited for by all: it must end by itself
                self.cluster.proxy(proxy).set(Mode::Hole);
                let start = Instant::now();
                wait_until("members were silent for longer than a session", PATIENCE, || start.elapsed() > HOLE)?;
                self.cluster.proxy(proxy).set(Mode::Open);
                self.toll.swallowed += 1;
            }
        }
        // a broker is dead for two rounds of eight
        match (number % 8, self.dead) {
            (2, None) => {
                let node = self.random.i32(1..=NODES);
                self.cluster.kill(node);
                self.dead = Some(node);
                self.toll.brokers += 1;
            }
            (4, Some(node)) => {
                self.cluster.restart(node)?;
                self.dead = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// Heals everything, and waits until all that was produced is committed. Gives what each partition was given.
    fn quench(&mut self) -> Result<Vec<i64>> {
        self.cluster.proxies().for_each(|proxy| proxy.set(Mode::Open));
        if let Some(node) = self.dead.take() {
            self.cluster.restart(node)?;
        }
        let produced = self.load.take().context("the load runs")?.stop()?;
        wait_for("everything is committed", 2 * PATIENCE, || {
            Ok(self.line.kafka.lag(&self.line.group, &self.line.from).ok().filter(|lag| *lag == 0).map(drop))
        })?;
        for host in &mut self.hosts {
            host.ready()?;
            assert_eq!(host.stop()?.code(), Some(0));
        }
        // a host whose client was given up leaves its transaction to the cluster
        let start = Instant::now();
        for topic in [Some(&self.line.to), self.line.sick.as_ref().map(|sick| &sick.dead)].into_iter().flatten() {
            wait_for("no transaction is open", PATIENCE, || {
                Ok(self.line.kafka.held_back(topic).ok().filter(|held| *held == 0).map(drop))
            })?;
        }
        self.toll.held_back = start.elapsed();
        Ok(produced)
    }

    /// How often hosts said that work was to be done again, apart from those that were killed.
    fn said(&self) -> i64 {
        let reasons = [
            "lost=true",
            "delivery failed; the lane is read again",
            "not committed; what was",
            "in time; it will be done again",
        ];
        let logs = self.hosts.iter().map(Host::log);
        logs.map(|log| reasons.iter().map(|reason| log.matches(reason).count() as i64).sum::<i64>()).sum()
    }
}

/// Burns until so many hosts were killed and so many records were produced.
fn burn(delivery: &str, seed: u64) -> Result<(Fire, Vec<i64>, Instant)> {
    let mut fire = Fire::light(delivery, seed)?;
    let start = Instant::now();
    let (kills, records) = scale((8, 0), (48, 2_000_000));
    let mut number = 0;
    while fire.toll.kills < kills || fire.line.kafka.count(&fire.line.from).unwrap_or(0) < records {
        fire.round(number)?;
        number += 1;
    }
    let produced = fire.quench()?;
    Ok((fire, produced, start))
}

#[test]
fn promise_commit_nothing_is_lost_under_fire() -> Result<()> {
    let seed = 0xf14e;
    let (fire, produced, start) = burn("at-least-once", seed)?;
    let found = fire.line.repeats(&produced)?;
    let (all, runs) = (produced.iter().sum::<i64>(), found.iter().map(|repeats| repeats.runs).sum::<i64>());
    let (said, toll) = (fire.said(), &fire.toll);
    println!(
        "{toll:?} (seed {seed:#x}, {:?}): {all} records, none lost; {found:?}; logged reasons: {said}",
        start.elapsed()
    );
    // a host that dies, or says why, repeats a part of each of its lanes once; the dead letters' topic is one more
    let explained = 2 * (toll.kills * i64::from(PARTITIONS) + said);
    ensure!(runs <= explained, "{runs} repeats, and {explained} are explained");
    Ok(())
}

#[test]
fn promise_once_every_record_and_every_dead_letter_is_there_exactly_once_under_fire() -> Result<()> {
    let seed = 0x0ce;
    let (fire, produced, start) = burn("exactly-once", seed)?;
    let found = fire.line.repeats(&produced)?;
    let (all, toll) = (produced.iter().sum::<i64>(), &fire.toll);
    println!("{toll:?} (seed {seed:#x}, {:?}): {all} records; {found:?}", start.elapsed());
    ensure!(found.iter().all(|repeats| repeats.records == 0), "records were repeated: {found:?}");
    Ok(())
}
