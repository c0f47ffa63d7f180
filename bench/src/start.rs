//! The start part: how long the host takes from its start to the first record, and how much of that is joining a group. The
//! native loop, which joins none, stands beside it.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::input::{Input, TOPIC};
use crate::lab::Lab;
use crate::measure::{Measurement, Progress};
use crate::native::Job;
use crate::side::{BAR, Edgemill, Run, Side, chain};
use crate::stats::median;

/// Medians of several starts, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) runs: u32,
    /// From the start of the process to the host's line that the first plan is there: configuration, modules from the cache.
    pub(crate) to_plan: f64,
    /// From there to its line that the first lane was assigned: connecting, joining, sharing out.
    pub(crate) joining: f64,
    /// From there to the first output that a broker has.
    pub(crate) to_output: f64,
    /// All but joining.
    pub(crate) without_joining: f64,
    /// From the start of the native loop's process to its first output.
    pub(crate) native: f64,
}

/// One start.
#[derive(Clone, Copy, Debug)]
struct Parts {
    to_plan: f64,
    joining: f64,
    to_output: f64,
}

/// Starts the host, with nothing set that need not be, on a topic that has records.
///
/// # Errors
/// It failed.
pub(crate) fn measure(lab: &Lab<'_>, input: &Input, runs: u32) -> Result<Start> {
    let (mut all, mut native) = (Vec::new(), Vec::new());
    // The first one compiles the modules.
    for run in 0..=runs {
        let parts = once(lab, input, run)?;
        if run > 0 {
            all.push(parts);
            native.push(native_once(lab, input, run)?);
        }
    }
    let middle = |of: fn(&Parts) -> f64| {
        let mut values: Vec<f64> = all.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        median(&values)
    };
    native.sort_by(f64::total_cmp);
    let start = Start {
        runs,
        native: median(&native),
        to_plan: middle(|parts| parts.to_plan),
        joining: middle(|parts| parts.joining),
        to_output: middle(|parts| parts.to_output),
        without_joining: middle(|parts| parts.to_plan + parts.to_output),
    };
    eprintln!(
        "start to first record: {:.0} ms to the first plan, {:.0} ms joining, {:.0} ms to the first output; native loop {:.0} ms",
        start.to_plan, start.joining, start.to_output, start.native
    );
    Ok(start)
}

fn once(lab: &Lab<'_>, input: &Input, run: u32) -> Result<Parts> {
    let output = format!("start-{run}");
    lab.broker.create_topic(&output, input.partitions, &TOPIC)?;
    let started = milliseconds(SystemTime::now())?;
    let usual = |at: &Run<'_>| Edgemill::USUAL.command(at, chain(at.job), None);
    let first = started + to_first(lab, input, &output, usual)?;
    let text = fs::read_to_string(lab.folder.join("log"))?;
    let (plan, lane) = (time_of(&text, "first plan")?, time_of(&text, "lane assigned")?);
    Ok(Parts { to_plan: plan - started, joining: lane - plan, to_output: first - lane })
}

fn native_once(lab: &Lab<'_>, input: &Input, run: u32) -> Result<f64> {
    let (native, output) = (Side::named(BAR)?, format!("start-native-{run}"));
    lab.broker.create_topic(&output, input.partitions, &TOPIC)?;
    to_first(lab, input, &output, |at| native.command(at))
}

/// Runs once and gives the milliseconds from the start of the process to the first output seen.
fn to_first(lab: &Lab<'_>, input: &Input, output: &str, command: impl Fn(&Run<'_>) -> Result<Command>) -> Result<f64> {
    let (topic, partitions) = (input.topic(Job::Flatten), input.partitions);
    let log = lab.folder.join("log");
    let at = Run { brokers: &lab.brokers, job: Job::Flatten, input: &topic, output, partitions, folder: lab.folder };
    let progress = Progress::Ends(output);
    let measurement = Measurement { progress, partitions, records: input.records, ends_by_signal: false, log: &log };
    let measured = lab.watch.run(&mut command(&at)?, &measurement)?;
    lab.broker.delete_topic(output)?;
    Ok(measured.seconds_to_first * 1e3)
}

fn milliseconds(time: SystemTime) -> Result<f64> {
    Ok(time.duration_since(SystemTime::UNIX_EPOCH)?.as_secs_f64() * 1e3)
}

/// Finds the first line of a log, an object a line, that says this, and gives its time.
fn time_of(log: &str, message: &str) -> Result<f64> {
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let says = |line: &Value| line["fields"]["message"] == message || line["message"] == message;
    let line = lines.find(says).with_context(|| format!("the log does not say \"{message}\":\n{log}"))?;
    let time = line["timestamp"].as_str().context("a line of the log has no timestamp")?;
    let time: jiff::Timestamp = time.parse().with_context(|| format!("the timestamp {time}"))?;
    Ok(time.as_nanosecond() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_says_it_counts() {
        let log = "no object\n\
            {\"timestamp\":\"1970-01-01T00:00:01.500000Z\",\"fields\":{\"message\":\"first plan\"}}\n\
            {\"timestamp\":\"1970-01-01T00:00:02Z\",\"fields\":{\"message\":\"lane assigned\"}}\n\
            {\"timestamp\":\"1970-01-01T00:00:03Z\",\"fields\":{\"message\":\"lane assigned\"}}\n";
        assert!((time_of(log, "first plan").unwrap() - 1500.0).abs() < 1e-6);
        assert!((time_of(log, "lane assigned").unwrap() - 2000.0).abs() < 1e-6);
        assert!(time_of(log, "second plan").is_err());
    }
}
