//! Makes a table for people and a file for programs of what was measured.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::json;

use crate::measure::Measured;
use crate::native::Job;
use crate::side::Side;

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    pub(crate) round: u32,
    pub(crate) job: Job,
    pub(crate) side: Side,
    #[serde(flatten)]
    pub(crate) measured: Measured,
}

/// All runs that count.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) samples: Vec<Sample>,
}

/// The runs of a side at a job, in one line.
#[derive(Clone, Copy, Debug, Serialize)]
struct Line {
    job: Job,
    side: Side,
    runs: usize,
    /// Medians, and the worst for memory.
    records_per_second: f64,
    cpu_seconds_per_million: f64,
    peak_mib: f64,
    /// From the lowest to the highest processor time, as a share of the median.
    spread: f64,
    /// To the native loop of as many threads that takes the least processor time; none where there is no such loop.
    cpu_ratio: Option<f64>,
    rate_ratio: Option<f64>,
}

impl Report {
    /// The table.
    pub(crate) fn table(&self) -> Result<String> {
        let mut table = String::new();
        writeln!(
            table,
            "{:<13}{:<23}{:>6}{:>12}{:>13}{:>9}{:>10}{:>11}{:>12}",
            "job", "side", "runs", "records/s", "CPU-s/mill.", "spread", "peak MiB", "CPU ratio", "rate ratio"
        )?;
        for line in self.lines() {
            let ratio = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            let job = line.job.to_possible_value();
            writeln!(
                table,
                "{:<13}{:<23}{:>6}{:>12.0}{:>13.2}{:>8.1}%{:>10.0}{:>11}{:>12}",
                job.as_ref().map_or("", |job| job.get_name()),
                line.side.name(),
                line.runs,
                line.records_per_second,
                line.cpu_seconds_per_million,
                line.spread * 100.0,
                line.peak_mib,
                ratio(line.cpu_ratio),
                ratio(line.rate_ratio),
            )?;
        }
        Ok(table)
    }

    /// Writes everything as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn save(&self, path: &Path, settings: &serde_json::Value) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let all = json!({ "machine": machine(), "settings": settings, "lines": self.lines(), "samples": self.samples });
        Ok(fs::write(path, serde_json::to_string_pretty(&all)?)?)
    }

    fn lines(&self) -> Vec<Line> {
        let mut groups = BTreeMap::<(Job, Side), Vec<Measured>>::new();
        for sample in &self.samples {
            groups.entry((sample.job, sample.side)).or_default().push(sample.measured);
        }
        let mut lines: Vec<Line> = groups.into_iter().map(|((job, side), runs)| Line::new(job, side, &runs)).collect();
        let bars = lines.clone();
        for line in &mut lines {
            let fits =
                |bar: &&Line| bar.side.is_bar() && bar.job == line.job && bar.side.threads() == line.side.threads();
            let natives = bars.iter().filter(fits);
            let best = natives.min_by(|a, b| a.cpu_seconds_per_million.total_cmp(&b.cpu_seconds_per_million));
            line.cpu_ratio = best.map(|best| line.cpu_seconds_per_million / best.cpu_seconds_per_million);
            line.rate_ratio = best.map(|best| line.records_per_second / best.records_per_second);
        }
        lines
    }
}

impl Line {
    fn new(job: Job, side: Side, runs: &[Measured]) -> Self {
        let sorted = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let cpu = sorted(|run| run.cpu_seconds_per_million);
        let (least, most) = (cpu.first().copied().unwrap_or(0.0), cpu.last().copied().unwrap_or(0.0));
        Self {
            job,
            side,
            runs: runs.len(),
            records_per_second: median(&sorted(|run| run.records_per_second)),
            cpu_seconds_per_million: median(&cpu),
            peak_mib: sorted(|run| run.peak_mib).last().copied().unwrap_or(0.0),
            spread: (most - least) / median(&cpu),
            cpu_ratio: None,
            rate_ratio: None,
        }
    }
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// How many threads wanted to run in the last minute, on average: what is measured beside others is not worth much.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn machine() -> serde_json::Value {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    json!({
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory": field("/proc/meminfo", "MemTotal"),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "librdkafka": rdkafka::util::get_rdkafka_version().1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(side: Side, cpu: f64) -> Sample {
        let measured = Measured {
            records_per_second: 1e6 / cpu,
            cpu_seconds_per_million: cpu,
            cpu_seconds_to_first: 0.0,
            seconds_to_first: 0.0,
            peak_mib: 100.0,
        };
        Sample { round: 1, job: Job::Flatten, side, measured }
    }

    #[test]
    fn ratios_are_to_the_better_native_loop() {
        let samples = vec![
            sample(Side::NativeSafe, 2.0),
            sample(Side::NativeBatch, 0.9),
            sample(Side::NativeBatch, 1.0),
            sample(Side::NativeBatch, 1.2),
            sample(Side::NativeProduceBatch, 0.5),
            sample(Side::Edgemill2, 1.5),
            sample(Side::Edgemill1, 1.2),
        ];
        let lines = Report { samples }.lines();
        let of = |side| lines.iter().find(|line| line.side == side).unwrap();
        assert_eq!(of(Side::Edgemill2).cpu_ratio, Some(1.5));
        assert_eq!(of(Side::NativeSafe).cpu_ratio, Some(2.0));
        assert_eq!(of(Side::Edgemill1).cpu_ratio, None, "no native loop of one thread was measured");
        assert!((of(Side::NativeBatch).spread - 0.3).abs() < 1e-9);
    }
}
