//! Makes of what was measured what people and programs read: lines with ratios, the noise floor, the goals; a table and a
//! file of JSON.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::compare::Sample;
use crate::goals::{self, Goal};
use crate::growth::Growth;
use crate::guest::{self, Cost};
use crate::http;
use crate::languages::{self, Price};
use crate::latency::Latency;
use crate::machine::Machine;
use crate::measure::Measured;
use crate::native::Job;
use crate::side::{AGAIN, BAR, SIDES, Side, name};
use crate::start::Start;
use crate::stats::{any_median, median, quantile, spread};

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Measurements {
    pub(crate) guest: Vec<Cost>,
    pub(crate) languages: Vec<Price>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) http: Vec<http::Line>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) start: Option<Start>,
    pub(crate) growth: Growth,
}

/// What there is to say.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) machine: Machine,
    pub(crate) settings: Value,
    pub(crate) lines: Vec<Line>,
    pub(crate) noise: Vec<Noise>,
    pub(crate) goals: Vec<Goal>,
    pub(crate) guest: &'a [Cost],
    pub(crate) languages: &'a [Price],
    pub(crate) http: &'a [http::Line],
    pub(crate) latency: &'a [Latency],
    pub(crate) start: Option<Start>,
    pub(crate) growth: &'a Growth,
    samples: &'a [Sample],
}

/// The runs of a side at a job, in one line.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) job: Job,
    pub(crate) side: &'static Side,
    pub(crate) runs: usize,
    /// How many records each had.
    pub(crate) records: u64,
    /// Medians, and the worst for memory.
    pub(crate) records_per_second: Option<f64>,
    /// Processor time for each million records, without what the same process takes for a single record.
    pub(crate) cpu_seconds_per_million: f64,
    /// The same with it.
    pub(crate) whole_cpu_seconds_per_million: f64,
    /// The broker's processor time for each million records.
    pub(crate) broker_cpu_seconds_per_million: f64,
    pub(crate) peak_mib: f64,
    /// From the lowest to the highest, as a share of the median; none of a single run.
    pub(crate) cpu_spread: Option<f64>,
    pub(crate) rate_spread: Option<f64>,
    /// To the native loop of as many threads that takes the least processor time; none where there is no such loop.
    pub(crate) cpu_ratio: Option<f64>,
    pub(crate) rate_ratio: Option<f64>,
}

/// A side against itself, by another name.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Noise {
    pub(crate) job: Job,
    pub(crate) cpu_ratio: f64,
    pub(crate) rate_ratio: Option<f64>,
}

impl<'a> Report<'a> {
    /// Reckons everything.
    pub(crate) fn new(measurements: &'a Measurements, machine: Machine, settings: Value) -> Self {
        let lines = lines(&measurements.samples);
        let Measurements { guest, languages, samples, http, latency, start, growth } = measurements;
        let goals = goals::reckon(measurements, &lines);
        Self {
            machine,
            settings,
            noise: noise(&lines),
            goals,
            guest,
            languages,
            lines,
            http,
            latency,
            start: *start,
            growth,
            samples,
        }
    }

    /// The tables for a terminal.
    ///
    /// # Errors
    /// None: writing to memory does not fail.
    pub(crate) fn text(&self) -> Result<String> {
        let mut text = String::new();
        if !self.lines.is_empty() {
            writeln!(
                text,
                "{:<12}{:<23}{:>5}{:>11}{:>8}{:>13}{:>8}{:>8}{:>8}{:>9}{:>10}{:>11}",
                "job",
                "side",
                "runs",
                "records/s",
                "spread",
                "CPU-s/mill.",
                "spread",
                "whole",
                "broker",
                "peak MiB",
                "CPU ratio",
                "rate ratio"
            )?;
        }
        for line in &self.lines {
            writeln!(
                text,
                "{:<12}{:<23}{:>5}{:>11}{:>8}{:>13.2}{:>8}{:>8.2}{:>8.2}{:>9.0}{:>10}{:>11}",
                name(line.job),
                line.side.name,
                line.runs,
                rate(line.records_per_second),
                percent(line.rate_spread),
                line.cpu_seconds_per_million,
                percent(line.cpu_spread),
                line.whole_cpu_seconds_per_million,
                line.broker_cpu_seconds_per_million,
                line.peak_mib,
                ratio(line.cpu_ratio),
                ratio(line.rate_ratio),
            )?;
        }
        for Noise { job, cpu_ratio, rate_ratio } in &self.noise {
            let (job, rate) = (name(*job), ratio(*rate_ratio));
            writeln!(
                text,
                "noise floor, {job}: {BAR} to itself takes {cpu_ratio:.2} of the CPU and has {rate} of the rate"
            )?;
        }
        if !self.guest.is_empty() {
            text.push_str(&guest::table(self.guest)?);
        }
        text.push_str(&languages::table(self.languages)?);
        text.push_str(&http::table(self.http)?);
        for line in self.latency {
            let (p50, p99, max) = (line.p50, line.p99, line.max);
            let job = name(line.job);
            writeln!(
                text,
                "latency, {job:<9} {:<16} p50 {p50:>6.2} ms   p99 {p99:>6.2} ms   max {max:>7.1} ms",
                line.side
            )?;
        }
        if let Some(start) = self.start {
            writeln!(
                text,
                "start to first output: {:.0} ms without joining the group, {:.0} ms joining; native loop {:.0} ms",
                start.without_joining, start.joining, start.native
            )?;
        }
        for (what, points) in self.growth.series() {
            for point in points {
                writeln!(
                    text,
                    "growth, {what:<10} {:>9} {:<24} {:>6.0} ns a record",
                    point.count, point.side, point.nanoseconds
                )?;
            }
        }
        for Goal { what, bound, measured, met } in &self.goals {
            writeln!(text, "goal {}: {what}: {measured} (bound: {bound})", if *met { "met    " } else { "not met" })?;
        }
        Ok(text)
    }

    /// Writes everything as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, serde_json::to_string_pretty(self)?)?)
    }
}

/// A ratio, or a dash.
pub(crate) fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// Records a second, or a dash.
pub(crate) fn rate(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"))
}

/// A share in hundredths, or a dash.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// One to the other, where there are both.
fn quotient(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one? / other?)
}

fn lines(samples: &[Sample]) -> Vec<Line> {
    let mut jobs: Vec<Job> = samples.iter().map(|sample| sample.job).collect();
    jobs.sort_unstable();
    jobs.dedup();
    let mut lines = Vec::new();
    for job in jobs {
        for side in SIDES {
            let of = |sample: &&Sample| sample.job == job && sample.side.name == side.name;
            let (many, one): (Vec<&Sample>, Vec<&Sample>) =
                samples.iter().filter(of).partition(|sample| sample.records > 1);
            if let [first, ..] = many[..] {
                let measured = |samples: &[&Sample]| samples.iter().map(|sample| sample.measured).collect::<Vec<_>>();
                lines.push(Line::new(job, side, first.records, &measured(&many), &measured(&one)));
            }
        }
    }
    let bars = lines.clone();
    for line in &mut lines {
        let fits = |bar: &&Line| bar.side.is_bar() && bar.job == line.job && bar.side.threads == line.side.threads;
        let natives = bars.iter().filter(fits);
        let best = natives.min_by(|a, b| a.cpu_seconds_per_million.total_cmp(&b.cpu_seconds_per_million));
        line.cpu_ratio = best.map(|best| line.cpu_seconds_per_million / best.cpu_seconds_per_million);
        line.rate_ratio = best.and_then(|best| quotient(line.records_per_second, best.records_per_second));
    }
    lines
}

fn noise(lines: &[Line]) -> Vec<Noise> {
    let again = lines.iter().filter(|line| line.side.name == AGAIN);
    let noise = again.filter_map(|again| {
        let first = find(lines, again.job, BAR)?;
        Some(Noise {
            job: again.job,
            cpu_ratio: again.cpu_seconds_per_million / first.cpu_seconds_per_million,
            rate_ratio: quotient(again.records_per_second, first.records_per_second),
        })
    });
    noise.collect()
}

/// Finds a side's line.
pub(crate) fn find<'a>(lines: &'a [Line], job: Job, side: &str) -> Option<&'a Line> {
    lines.iter().find(|line| line.job == job && line.side.name == side)
}

impl Line {
    fn new(job: Job, side: &'static Side, records: u64, runs: &[Measured], empty: &[Measured]) -> Self {
        let millions = records as f64 / 1e6;
        let start = if empty.is_empty() { 0.0 } else { median(&sorted(empty, |run| run.cpu_seconds)) };
        let cpu = sorted(runs, |run| (run.cpu_seconds - start) / millions);
        let rates = rates(runs);
        Self {
            job,
            side,
            runs: runs.len(),
            records,
            records_per_second: any_median(&rates),
            cpu_seconds_per_million: median(&cpu),
            whole_cpu_seconds_per_million: median(&sorted(runs, |run| run.cpu_seconds / millions)),
            broker_cpu_seconds_per_million: median(&sorted(runs, |run| run.broker_cpu_seconds / millions)),
            peak_mib: quantile(&sorted(runs, |run| run.peak_mib), 1.0),
            cpu_spread: spread(&cpu),
            rate_spread: spread(&rates),
            cpu_ratio: None,
            rate_ratio: None,
        }
    }
}

/// A figure of all runs, the lowest first.
pub(crate) fn sorted(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> Vec<f64> {
    let mut values: Vec<f64> = runs.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The rates of those runs that have one, the lowest first.
pub(crate) fn rates(runs: &[Measured]) -> Vec<f64> {
    let mut rates: Vec<f64> = runs.iter().filter_map(|run| run.records_per_second).collect();
    rates.sort_by(f64::total_cmp);
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(side: &str, cpu: f64) -> Sample {
        let measured = Measured {
            records_per_second: Some(1e6 / cpu),
            cpu_seconds: cpu,
            cpu_seconds_to_last: cpu,
            broker_cpu_seconds: 0.0,
            seconds_to_first: 0.0,
            peak_mib: 100.0,
        };
        Sample { round: 1, job: Job::Flatten, side: Side::named(side).unwrap(), records: 1_000_000, measured }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample("native-safe", 2.0),
            sample("native-batch", 0.9),
            sample("native-batch", 1.0),
            sample("native-batch", 1.2),
            sample("native-batch-again", 1.1),
            sample("native-produce-batch", 0.5),
            sample("edgemill2", 1.5),
            sample("edgemill1", 1.2),
        ]
    }

    #[test]
    fn ratios_are_to_the_better_native_loop() {
        let lines = lines(&samples());
        let of = |side| find(&lines, Job::Flatten, side).unwrap();
        assert_eq!(of("edgemill2").cpu_ratio, Some(1.5));
        assert_eq!(of("native-safe").cpu_ratio, Some(2.0));
        assert_eq!(of("edgemill1").cpu_ratio, None, "no native loop of one thread was measured");
        assert!((of("native-batch").cpu_spread.unwrap() - 0.3).abs() < 1e-9);
    }

    #[test]
    fn what_a_single_record_takes_is_taken_off() {
        let mut samples = vec![sample("edgemill2", 1.5), sample("edgemill2", 1.7)];
        samples.extend([0.2, 0.3, 0.9].map(|cpu| Sample { records: 1, ..sample("edgemill2", cpu) }));
        let lines = lines(&samples);
        assert!((lines[0].cpu_seconds_per_million - 1.3).abs() < 1e-9);
        assert!((lines[0].whole_cpu_seconds_per_million - 1.6).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_rate_or_spread_shows_a_dash() {
        let mut one = sample("edgemill2-once", 1.5);
        one.measured.records_per_second = None;
        let measurements = Measurements { samples: vec![sample("native-batch", 1.0), one], ..Measurements::default() };
        let text = Report::new(&measurements, Machine::look(), Value::Null).text().unwrap();
        let line = text.lines().find(|line| line.contains("edgemill2-once")).unwrap();
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[2..7], ["1", "-", "-", "1.50", "-"], "{text}");
        assert_eq!(cells[10..], ["1.50", "-"], "{text}");
    }

    #[test]
    fn the_noise_floor_is_the_same_side_by_two_names() {
        let noise = noise(&lines(&samples()));
        assert_eq!(noise.len(), 1);
        assert!((noise[0].cpu_ratio - 1.1).abs() < 1e-9);
    }

    #[test]
    fn the_table_has_a_line_for_each_side() {
        let measurements = Measurements { samples: samples(), ..Measurements::default() };
        let report = Report::new(&measurements, Machine::look(), Value::Null);
        let text = report.text().unwrap();
        for part in ["native-safe", "edgemill2", "1.50", "noise floor, flatten: native-batch to itself takes 1.10"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
