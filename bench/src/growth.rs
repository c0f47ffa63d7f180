//! The growth part: what a record costs over the number of records, of partitions and of modules. Figures, not assertions.
//!
//! A point is what a run takes beyond the same run with a single record, for each record: starting is not part of it, which
//! would be all that one sees of a thousand records. It is the least of several runs, as noise only adds.

use std::fs;

use anyhow::Result;
use serde::Serialize;

use crate::input::{Input, Load, TOPIC};
use crate::lab::Lab;
use crate::measure::{Measurement, Progress};
use crate::native::Job;
use crate::side::{BAR, Edgemill, HOST, Run, Side};
use crate::stats::slope;

/// The numbers of partitions and of modules that are tried.
const PARTITIONS: [i32; 4] = [1, 10, 100, 1000];
const MODULES: [usize; 5] = [1, 2, 4, 8, 16];

/// What identities do with values, for the report.
pub(crate) const KEEPING: &str = "edgemill2, values kept";
pub(crate) const COPYING: &str = "edgemill2, values copied";

/// From so many records on starting, which varies, is little of what they take.
pub(crate) const SETTLED: u64 = 100_000;

/// More records than this are tried once only, and no more than that much oftener: what starting takes varies by as much as
/// they take altogether.
const ONCE_BEYOND: u64 = 1_000_000;
const OFTENER_TO: u64 = 10_000;
const OFTENER: u32 = 3;

/// More records than this are only counted when they have come out, and the output keeps the last of them: there is not the disk
/// for all of them on most machines.
const COMPARED_TO: u64 = 10_000_000;
const KEEPS_LITTLE: [(&str, &str); 4] = [
    ("retention.ms", "-1"),
    ("retention.bytes", "268435456"),
    ("segment.bytes", "134217728"),
    ("file.delete.delay.ms", "1000"),
];

/// What a record costs at one point.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Point {
    /// How many records, partitions or modules.
    pub(crate) count: u64,
    pub(crate) side: &'static str,
    /// Processor time for each record.
    pub(crate) nanoseconds: f64,
}

/// All points.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Growth {
    /// Flatten, over the number of records.
    pub(crate) records: Vec<Point>,
    /// Flatten, over the number of partitions.
    pub(crate) partitions: Vec<Point>,
    /// A chain of identities, over its length: of those that keep values, and of those that copy them.
    pub(crate) modules: Vec<Point>,
}

impl Growth {
    /// The points by what grows.
    pub(crate) fn series(&self) -> [(&'static str, &[Point]); 3] {
        [("records", &self.records), ("partitions", &self.partitions), ("modules", &self.modules)]
    }

    /// What one identity more costs a record, by the straight line through the points of those that keep values, or of those that
    /// copy them; none where they were not measured.
    pub(crate) fn nanoseconds_a_module(&self, identities: &str) -> Option<f64> {
        let points = self.modules.iter().filter(|point| point.side == identities);
        let line: Vec<(f64, f64)> = points.map(|point| (point.count as f64, point.nanoseconds)).collect();
        (line.len() > 1).then(|| slope(&line))
    }
}

/// How many times as much a record costs the host at the last point as where there are `from`; none where these are the same, or were
/// not measured.
pub(crate) fn rise(points: &[Point], from: u64) -> Option<(u64, f64)> {
    let mut host = points.iter().filter(|point| point.side == HOST && point.count >= from);
    let first = host.next().filter(|point| point.count == from)?;
    // what has no other point does not grow
    host.next_back().map(|last| (last.count, last.nanoseconds / first.nanoseconds))
}

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Up to so many records, beginning with a thousand.
    pub(crate) most: u64,
    /// Records where partitions grow.
    pub(crate) records: u64,
    /// Records where modules grow: more, as the second worker's start is not seen in a run with a single record.
    pub(crate) chained: u64,
    /// How often each run is made.
    pub(crate) runs: u32,
}

/// Measures all points.
///
/// # Errors
/// A side failed.
pub(crate) fn measure(lab: &Lab<'_>, extent: Extent, growth: &mut Growth) -> Result<()> {
    let both = [Side::named(BAR)?, Side::named(HOST)?];
    let counts = std::iter::successors(Some(1000), |count| Some(count * 10)).take_while(|count| *count <= extent.most);
    for count in counts {
        let runs = match count {
            small if small <= OFTENER_TO => OFTENER * extent.runs,
            large if large > ONCE_BEYOND => 1,
            _ => extent.runs,
        };
        let pair = Pair::load(lab, count, lab.partitions, true)?;
        for side in both {
            growth.records.push(point(lab, &pair, count, runs, What::Side(side))?);
        }
        pair.delete(lab)?;
    }
    for partitions in PARTITIONS {
        let pair = Pair::load(lab, extent.records, partitions, false)?;
        for side in both {
            growth.partitions.push(point(lab, &pair, partitions as u64, extent.runs, What::Side(side))?);
        }
        pair.delete(lab)?;
    }
    let pair = Pair::load(lab, extent.chained, lab.partitions, false)?;
    let chains = prepare_chain(lab)?;
    for modules in MODULES {
        for keeps in [true, false] {
            let what = What::Chain { modules: &chains[..modules], keeps };
            growth.modules.push(point(lab, &pair, modules as u64, extent.runs.max(2), what)?);
        }
    }
    pair.delete(lab)
}

/// What a point is of.
#[derive(Clone, Copy)]
enum What<'a> {
    /// A side, flattening.
    Side(&'static Side),
    /// The host with a chain of identities.
    Chain { modules: &'a [String], keeps: bool },
}

/// Lays as many identities out as the longest chain has: one file for each place, so that none is shared.
fn prepare_chain(lab: &Lab<'_>) -> Result<Vec<String>> {
    let folder = lab.folder.join("modules");
    let most = MODULES.iter().max().copied().unwrap_or(0);
    let names: Vec<String> = (1..=most).map(|place| format!("identity-{place}.wasm")).collect();
    for name in &names {
        fs::copy(folder.join("identity.wasm"), folder.join(name))?;
    }
    Ok(names)
}

/// An input, and one with a single record, which shows what starting takes.
struct Pair {
    one: Input,
    many: Input,
}

impl Pair {
    fn load(lab: &Lab<'_>, records: u64, partitions: i32, compressed: bool) -> Result<Self> {
        let load = |records| {
            // A topic's name is not used again: deleting it takes a while.
            let (name, compared) = (&lab.unused("growth-in"), records <= COMPARED_TO);
            Input::load_as(lab, &[Job::Flatten], Load { name, records, partitions, compressed, compared })
        };
        Ok(Self { one: load(1)?, many: load(records)? })
    }

    fn delete(&self, lab: &Lab<'_>) -> Result<()> {
        [&self.one, &self.many].iter().try_for_each(|input| input.delete(lab.broker, &[Job::Flatten]))
    }
}

fn point(lab: &Lab<'_>, pair: &Pair, count: u64, runs: u32, what: What<'_>) -> Result<Point> {
    let (mut one, mut many) = (f64::INFINITY, f64::INFINITY);
    // The first run warms, at the least cost.
    run(lab, &pair.one, what)?;
    for _ in 0..runs {
        one = one.min(run(lab, &pair.one, what)?);
        many = many.min(run(lab, &pair.many, what)?);
    }
    let nanoseconds = (many - one) * 1e9 / pair.many.records as f64;
    let (side, modules) = match what {
        What::Side(side) => (side.name, 1),
        What::Chain { modules, keeps } => (if keeps { KEEPING } else { COPYING }, modules.len()),
    };
    let (records, partitions) = (pair.many.records, pair.many.partitions);
    eprintln!(
        "{side:<24} {records:>9} records, {partitions:>4} partitions, {modules:>2} modules: {nanoseconds:.0} ns a record"
    );
    Ok(Point { count, side, nanoseconds })
}

/// Runs once, checks what it gave, and gives the processor time until the last output.
fn run(lab: &Lab<'_>, input: &Input, what: What<'_>) -> Result<f64> {
    let job = if matches!(what, What::Side(_)) { Job::Flatten } else { Job::Identity };
    let Input { partitions, records, .. } = *input;
    let (topic, log) = (input.topic(job), lab.folder.join("log"));
    let output = lab.unused("growth-out");
    let options: &[_] = if records > COMPARED_TO { &KEEPS_LITTLE } else { &TOPIC };
    lab.broker.create_topic(&output, partitions, options)?;
    let run = Run { brokers: &lab.brokers, job, input: &topic, output: &output, partitions, folder: lab.folder };
    let mut command = match what {
        What::Side(side) => side.command(&run)?,
        What::Chain { modules, keeps } => {
            let chain: Vec<&str> = modules.iter().map(String::as_str).collect();
            Edgemill { keeps, ..Edgemill::USUAL }.command(&run, &chain, Some(2))?
        }
    };
    let progress = Progress::Ends(&output);
    let measurement = Measurement { progress, partitions, records, ends_by_signal: false, log: &log };
    let measured = lab.watch.run(&mut command, &measurement)?;
    input.check(lab.broker, job, &output, true, false)?;
    lab.broker.delete_topic(&output)?;
    Ok(measured.cpu_seconds_to_last)
}
