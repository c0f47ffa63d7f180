//! The part about sinks by HTTP: flights flattened and sent to a service, beside a native loop with `reqwest` that sends the
//! same batches.

mod service;

use std::fmt::Write;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::input::Input;
use crate::lab::Lab;
use crate::measure::{Measured, Measurement, Progress};
use crate::native::{Calls, Code, Job, sql};
use crate::report::{self, percent, rate, rates, sorted};
use crate::side::{Edgemill, Run, chain, native_command};
use crate::stats::{any_median, median, spread};
use service::Service;

/// What the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Any that takes a row a line: the sink `http`.
    Lines,
    /// FeatureBase Cloud's streaming endpoint: the sink `featurebase-cloud`.
    Cloud,
    /// A FeatureBase server's table: the sink `featurebase`.
    Sql,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Lines => "http",
            Self::Cloud => "featurebase-cloud",
            Self::Sql => "featurebase",
        }
    }

    fn sink(self, service: &Service) -> String {
        match self {
            Self::Lines => format!("type = \"http\"\nurl = \"{}\"\nformat = \"ndjson\"", service.url()),
            Self::Cloud => format!(
                "type = \"featurebase-cloud\"\nendpoint = \"{0}\"\nlogin_url = \"{0}/login\"\nusername = \"a\"\npassword = \"b\"",
                service.url()
            ),
            // as many rows a request as the others: the server itself would be sent more
            Self::Sql => {
                let columns: Vec<String> =
                    sql::COLUMNS.iter().map(|(name, kind)| format!("{name} = \"{kind}\"")).collect();
                format!(
                    "type = \"featurebase\"\nurl = \"{}\"\ntable = \"flights\"\nid = \"{{_id}}\"\nbatch = {{ records = 500 }}\ncolumns = {{ {} }}",
                    service.url(),
                    columns.join(", ")
                )
            }
        }
    }

    fn calls(self) -> Calls {
        match self {
            Self::Lines => Calls::Lines,
            Self::Cloud => Calls::Cloud,
            Self::Sql => Calls::Sql,
        }
    }
}

/// What one side takes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// The sink's type.
    pub(crate) sink: &'static str,
    /// Whether it is the host.
    pub(crate) host: bool,
    /// Threads that read.
    pub(crate) threads: u32,
    /// Processor time for each million records, without what the same process takes for a single record; the median.
    pub(crate) cpu_seconds_per_million: f64,
    pub(crate) cpu_spread: Option<f64>,
    pub(crate) records_per_second: Option<f64>,
    pub(crate) peak_mib: f64,
}

impl Line {
    pub(crate) fn side(&self) -> &'static str {
        if self.host { "Edgemill" } else { "native loop" }
    }
}

/// Measures all, in turn and interleaved.
///
/// # Errors
/// A side failed, or sent something else than it should.
pub(crate) fn measure(lab: &Lab<'_>, records: u64, rounds: u32) -> Result<Vec<Line>> {
    let load = |name: &str, records| Input::load(lab, name, &[Job::Flatten], records, lab.partitions);
    let (whole, one) = (load("http", records)?, load("http-one", 1)?);
    let mut lines = Vec::new();
    for kind in [Kind::Lines, Kind::Cloud, Kind::Sql] {
        for threads in [1, 2] {
            let mut samples = [Vec::new(), Vec::new()];
            let mut empty = [Vec::new(), Vec::new()];
            // The first round warms.
            for round in 0..=rounds {
                for host in [round % 2 == 0, round % 2 != 0] {
                    let single = run(lab, kind, host, threads, &one)?;
                    let measured = run(lab, kind, host, threads, &whole)?;
                    if round > 0 {
                        empty[usize::from(host)].push(single);
                        samples[usize::from(host)].push(measured);
                    }
                }
            }
            for host in [false, true] {
                let (many, one) = (&samples[usize::from(host)], &empty[usize::from(host)]);
                lines.push(line(kind, host, threads, records, many, one));
            }
        }
    }
    [whole, one].iter().try_for_each(|input| input.delete(lab.broker, &[Job::Flatten]))?;
    Ok(lines)
}

fn line(kind: Kind, host: bool, threads: u32, records: u64, many: &[Measured], one: &[Measured]) -> Line {
    let start = median(&sorted(one, |run| run.cpu_seconds));
    let cpu = sorted(many, |run| (run.cpu_seconds - start) * 1e6 / records as f64);
    let rates = rates(many);
    let line = Line {
        sink: kind.name(),
        host,
        threads,
        cpu_seconds_per_million: median(&cpu),
        cpu_spread: spread(&cpu),
        records_per_second: any_median(&rates),
        peak_mib: many.iter().map(|run| run.peak_mib).fold(0.0, f64::max),
    };
    eprintln!(
        "{:<18}{:<12}{threads} threads {:>8} records/s {:>6.2} CPU-s per million",
        line.sink,
        line.side(),
        rate(line.records_per_second),
        line.cpu_seconds_per_million
    );
    line
}

/// Runs a side once and checks that the service has every row.
fn run(lab: &Lab<'_>, kind: Kind, host: bool, threads: u32, input: &Input) -> Result<Measured> {
    let service = Service::start(kind)?;
    let (topic, group) = (input.topic(Job::Flatten), lab.unused("http-group"));
    let Input { partitions, records, .. } = *input;
    let run =
        Run { brokers: &lab.brokers, job: Job::Flatten, input: &topic, output: &group, partitions, folder: lab.folder };
    let mut command: Command = if host {
        Edgemill::USUAL.command_into(&run, chain(run.job), Some(threads), &kind.sink(&service))?
    } else {
        native_command(&Run { output: &service.url(), ..run }, threads, kind.calls(), Code::Scanner, &group)?
    };
    let log = lab.folder.join("log");
    let progress = Progress::Taken(service.taken());
    let measurement = Measurement { progress, partitions, records, ends_by_signal: false, log: &log };
    let measured = lab.watch.run(&mut command, &measurement)?;
    service.check(input).with_context(|| format!("checking what {} sent", if host { "the host" } else { "native" }))?;
    Ok(measured)
}

/// The line of the native loop that does the same as the host's.
pub(crate) fn beside<'a>(lines: &'a [Line], host: &Line) -> Option<&'a Line> {
    lines.iter().find(|line| !line.host && line.sink == host.sink && line.threads == host.threads)
}

/// A table for a terminal.
///
/// # Errors
/// None: writing to memory does not fail.
pub(crate) fn table(lines: &[Line]) -> Result<String> {
    let mut table = String::new();
    for line in lines {
        let to = report::ratio(
            beside(lines, line).map(|native| line.cpu_seconds_per_million / native.cpu_seconds_per_million),
        );
        writeln!(
            table,
            "sink {:<18} {:<12} {} threads {:>9} records/s {:>7.2} CPU-s/mill. {:>8} {:>5.0} MiB {to:>6}",
            line.sink,
            line.side(),
            line.threads,
            rate(line.records_per_second),
            line.cpu_seconds_per_million,
            percent(line.cpu_spread),
            line.peak_mib
        )?;
    }
    Ok(table)
}
