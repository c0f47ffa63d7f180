//! The throughput part: sides in turn, interleaved, each run's content checked before it counts.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::input::{self, Input};
use crate::lab::Lab;
use crate::measure::{Measured, Measurement, Progress};
use crate::native::Job;
use crate::report;
use crate::side::{BAR, Run, Side, name};

/// Peers take long and differ by far more than their spread, so they sit out later rounds, and in the short form all jobs but one.
const PEER_ROUNDS: u32 = 2;
const PEER_ROUNDS_IN_SHORT: u32 = 1;
const PEER_JOB_IN_SHORT: Job = Job::Flatten;

/// The broker's machine code is made while it works, and until then it takes up to three times its processor time. It is warm
/// when so many runs in succession cost it hardly less than the cheapest before, or after so many runs in all.
const HARDLY: f64 = 0.95;
const WARM_AFTER: u32 = 3;
const WARMING_RUNS: u32 = 16;

/// In how many rounds at most, that one included which does not count, each side also runs on a single record.
const EMPTY_ROUNDS: u32 = 2;

/// One run. With a single record it shows what starting and ending take, which is the same for a billion of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    pub(crate) job: Job,
    pub(crate) side: &'static Side,
    /// How many records it had.
    pub(crate) records: u64,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// What is compared.
pub(crate) struct Comparison<'a> {
    pub(crate) jobs: &'a [Job],
    pub(crate) sides: &'a [&'static Side],
    pub(crate) rounds: u32,
    /// Whether there is little time.
    pub(crate) short: bool,
    /// The input.
    pub(crate) whole: &'a Input,
    /// A share of it.
    pub(crate) share: &'a Input,
    /// A single record.
    pub(crate) one: &'a Input,
}

impl Comparison<'_> {
    /// Runs all, and keeps what was measured before a failure: it is worth it.
    ///
    /// # Errors
    /// A side failed, or gave something else than it should.
    pub(crate) fn run(&self, lab: &Lab<'_>, samples: &mut Vec<Sample>) -> Result<()> {
        self.warm(lab)?;
        eprintln!(
            "a line for each run: its records a second and processor time, the broker's meanwhile, its records and peak memory. \
             Round 0 is on a single record and does not count"
        );
        // Round 0 warms the page cache and the cache of compiled modules, with a single record.
        let empty_rounds = EMPTY_ROUNDS.min(self.rounds.div_ceil(2));
        for round in 0..=self.rounds {
            for &job in self.jobs {
                for side in self.turn(job, round) {
                    let full = if side.takes_share() { self.share } else { self.whole };
                    let input = if round == 0 { self.one } else { full };
                    let output = format!("{}-{}-{round}", name(job), side.name);
                    let measured = run(lab, side, job, input, &output)?;
                    eprintln!(
                        "round {round} {output:<38} {:>9} records/s {:>6.2} CPU-s (broker {:.2}) for {} {:>5.0} MiB",
                        report::rate(measured.records_per_second),
                        measured.cpu_seconds,
                        measured.broker_cpu_seconds,
                        input.records,
                        measured.peak_mib
                    );
                    if round > 0 {
                        samples.push(Sample { round, job, side, records: input.records, measured });
                    }
                    if round < empty_rounds {
                        let measured = run(lab, side, job, self.one, &format!("{output}-one"))?;
                        samples.push(Sample { round, job, side, records: 1, measured });
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs the native loop until the broker is warm.
    fn warm(&self, lab: &Lab<'_>) -> Result<()> {
        let (Some(&job), side) = (self.jobs.first(), Side::named(BAR)?) else { return Ok(()) };
        let (mut cheapest, mut since) = (f64::INFINITY, 0);
        for run_number in 1..=WARMING_RUNS {
            let cost = run(lab, side, job, self.whole, &format!("warming-{run_number}"))?.broker_cpu_seconds;
            let per_million = cost * 1e6 / self.whole.records as f64;
            eprintln!("warming the broker, run {run_number}: it takes {per_million:.2} CPU-s per million records");
            since = if cost < cheapest * HARDLY { 0 } else { since + 1 };
            if since == WARM_AFTER {
                break;
            }
            cheapest = cheapest.min(cost);
        }
        Ok(())
    }

    /// The sides of a job in the order of a round: each round begins with another one.
    fn turn(&self, job: Job, round: u32) -> Vec<&'static Side> {
        let peers_take_part = match self.short {
            true => {
                round <= PEER_ROUNDS_IN_SHORT && (job == PEER_JOB_IN_SHORT || !self.jobs.contains(&PEER_JOB_IN_SHORT))
            }
            false => round <= PEER_ROUNDS,
        };
        let takes_part = |side: &&Side| side.does(job) && (side.family().is_none() || peers_take_part);
        let mut sides: Vec<&'static Side> = self.sides.iter().copied().filter(takes_part).collect();
        let first = round as usize % sides.len().max(1);
        sides.rotate_left(first);
        sides
    }
}

/// Runs a side once and checks what it gave.
fn run(lab: &Lab<'_>, side: &'static Side, job: Job, input: &Input, output: &str) -> Result<Measured> {
    let Input { partitions, records, .. } = *input;
    lab.broker.create_topic(output, partitions, &input::TOPIC)?;
    let topic = input.topic(job);
    let run = Run { brokers: &lab.brokers, job, input: &topic, output, partitions, folder: lab.folder };
    let progress = if side.is_transactional() {
        Progress::Committed { group: output, input: &topic }
    } else {
        Progress::Ends(output)
    };
    let log = lab.folder.join("log");
    let measurement = Measurement { progress, partitions, records, ends_by_signal: side.ends_by_signal(), log: &log };
    let measured = lab.watch.run(&mut side.command(&run)?, &measurement)?;
    let checked = input.check(lab.broker, job, output, side.keeps_timestamps(), side.writes_short_prices(job));
    checked.with_context(|| format!("checking what {} made", side.name))?;
    lab.broker.delete_topic(output)?;
    Ok(measured)
}
