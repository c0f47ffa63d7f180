//! Writes `RESULTS.md`: what was measured, on what, with its charts.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::charts;
use crate::growth::{COPYING, KEEPING, Point};
use crate::guest::{self, Cost};
use crate::http;
use crate::languages;
use crate::native::Job;
use crate::report::{Noise, Report, percent, rate, ratio};
use crate::side::{BAR, name};

/// Writes the file, and its charts into a folder `charts` beside it.
///
/// # Errors
/// They cannot be written.
pub(crate) fn write(report: &Report<'_>, path: &Path, date: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let charts = folder.join("charts");
    fs::create_dir_all(&charts).with_context(|| format!("making {}", charts.display()))?;
    let drawn = charts::draw(report, &charts)?;
    let text = page(report, &drawn, date)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

fn page(report: &Report<'_>, charts: &[charts::Chart], date: &str) -> Result<String> {
    let mut page = String::new();
    writeln!(
        page,
        "# Results\n\nWritten by `make bench ARGS=\"--results …\"` on {date}; [how to read it](README.md).\n"
    )?;
    machine(&mut page, report)?;
    comparison(&mut page, report)?;
    images(&mut page, charts, "throughput")?;
    other(&mut page, report)?;
    images(&mut page, charts, "latency")?;
    growth(&mut page, report)?;
    images(&mut page, charts, "growth")?;
    goals(&mut page, report)?;
    Ok(page)
}

fn machine(page: &mut String, report: &Report<'_>) -> Result<()> {
    let machine = &report.machine;
    writeln!(page, "| machine | |\n| --- | --- |")?;
    writeln!(page, "| processor | {}, {} cores |", machine.processor, machine.cores)?;
    writeln!(page, "| memory, kernel | {}, Linux {} |", machine.memory, machine.kernel)?;
    for (what, version) in machine.versions.iter().filter(|(_, version)| !version.is_empty()) {
        writeln!(page, "| {what} | {version} |")?;
    }
    if let Some(settings) = report.settings.as_object() {
        for (what, value) in settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(page, "| {} | {value} |", what.replace('_', " "))?;
        }
    }
    Ok(writeln!(page)?)
}

fn comparison(page: &mut String, report: &Report<'_>) -> Result<()> {
    for job in [Job::Identity, Job::Flatten, Job::Lz4Flatten] {
        let mut lines = report.lines.iter().filter(|line| line.job == job).peekable();
        if lines.peek().is_none() {
            continue;
        }
        writeln!(page, "## {}\n", name(job))?;
        writeln!(
            page,
            "| side | | records | runs | CPU-s per million | spread | ratio | whole process | broker | records/s | spread | ratio | peak MiB |\n\
             | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |"
        )?;
        for line in lines {
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {:.2} | {} | {} | {:.2} | {:.2} | {} | {} | {} | {:.0} |",
                line.side.name,
                line.side.about,
                line.records,
                line.runs,
                line.cpu_seconds_per_million,
                percent(line.cpu_spread),
                ratio(line.cpu_ratio),
                line.whole_cpu_seconds_per_million,
                line.broker_cpu_seconds_per_million,
                rate(line.records_per_second),
                percent(line.rate_spread),
                ratio(line.rate_ratio),
                line.peak_mib,
            )?;
        }
        for Noise { cpu_ratio, rate_ratio, .. } in report.noise.iter().filter(|noise| noise.job == job) {
            writeln!(
                page,
                "\nNoise floor: `{BAR}` to itself takes {cpu_ratio:.2} of the processor time and has {} of the rate.",
                ratio(*rate_ratio)
            )?;
        }
        writeln!(page)?;
    }
    Ok(())
}

fn other(page: &mut String, report: &Report<'_>) -> Result<()> {
    if !report.guest.is_empty() {
        writeln!(
            page,
            "## Guests beside native code\n\nBatches of 1,024 flights in one process, without a broker; the shortest of many tries. A guest's time is that of the whole \
             call: lowering, its code, lifting.\n\n| work | way | ns a record | to native | to native serde_json |\n| --- | --- | --: | --: | --: |"
        )?;
        for Cost { work, way, nanoseconds } in report.guest {
            let to = |of: &str| ratio(guest::find(report.guest, work, of).map(|native| nanoseconds / native));
            writeln!(page, "| {work} | {way} | {nanoseconds:.0} | {} | {} |", to("native"), to("native serde"))?;
        }
        writeln!(page)?;
    }
    page.push_str(&languages::page(report.languages)?);
    if !report.http.is_empty() {
        writeln!(
            page,
            "## Sinks by HTTP\n\nFlatten, to a service on the same machine: 500 rows a request, four requests at a time for each worker. Beside it a native loop with \
             reqwest that sends the same batches.\n\n| sink | side | threads | CPU-s per million | spread | ratio | records/s | peak MiB |\n\
             | --- | --- | --: | --: | --: | --: | --: | --: |"
        )?;
        for line in report.http {
            let native = http::beside(report.http, line).map(|native| native.cpu_seconds_per_million);
            writeln!(
                page,
                "| `{}` | {} | {} | {:.2} | {} | {} | {} | {:.0} |",
                line.sink,
                line.side(),
                line.threads,
                line.cpu_seconds_per_million,
                percent(line.cpu_spread),
                ratio(native.map(|native| line.cpu_seconds_per_million / native)),
                rate(line.records_per_second),
                line.peak_mib
            )?;
        }
        writeln!(page)?;
    }
    if !report.latency.is_empty() {
        let rate = crate::latency::RATE;
        writeln!(
            page,
            "## Latency when idle\n\n{rate} records a second, default settings, from produce to a consumer of the output.\n"
        )?;
        writeln!(
            page,
            "| job | side | records | p50 ms | p99 ms | p99 of each round | max ms |\n| --- | --- | --: | --: | --: | --: | --: |"
        )?;
        for line in report.latency {
            let (job, (least, most)) = (name(line.job), line.p99_spread);
            writeln!(
                page,
                "| {job} | {} | {} | {:.2} | {:.2} | {least:.2} to {most:.2} | {:.1} |",
                line.side, line.records, line.p50, line.p99, line.max
            )?;
        }
        writeln!(page)?;
    }
    if let Some(start) = report.start {
        writeln!(
            page,
            "## Start\n\nWith compiled modules in the cache, medians of {} starts: {:.0} ms to the first plan, {:.0} ms to the first lane \
             (connecting and joining the group), {:.0} ms more to the first output; {:.0} ms without joining. The native loop, which joins \
             no group, has its first output after {:.0} ms.\n",
            start.runs, start.to_plan, start.joining, start.to_output, start.without_joining, start.native
        )?;
    }
    Ok(())
}

fn growth(page: &mut String, report: &Report<'_>) -> Result<()> {
    for (what, points) in report.growth.series() {
        if points.is_empty() {
            continue;
        }
        let mut sides: Vec<&str> = points.iter().map(|point| point.side).collect();
        sides.sort_unstable();
        sides.dedup();
        let of = |side: &str, count: u64| points.iter().find(|point| point.side == side && point.count == count);
        writeln!(page, "## Growth: {what}\n\nNanoseconds of processor time a record, without what starting takes.\n")?;
        writeln!(page, "| {what} | `{}` |\n| --: |{}", sides.join("` | `"), " --: |".repeat(sides.len()))?;
        let mut counts: Vec<u64> = points.iter().map(|point| point.count).collect();
        counts.dedup();
        for count in counts {
            let cell =
                |point: Option<&Point>| point.map_or("-".to_owned(), |point| format!("{:.0}", point.nanoseconds));
            let cells: Vec<String> = sides.iter().map(|side| cell(of(side, count))).collect();
            writeln!(page, "| {count} | {} |", cells.join(" | "))?;
        }
        writeln!(page)?;
    }
    for (what, identities) in [("keeps", KEEPING), ("copies", COPYING)] {
        if let Some(slope) = report.growth.nanoseconds_a_module(identities) {
            writeln!(page, "One identity more that {what} values costs {slope:.0} ns a record.\n")?;
        }
    }
    Ok(())
}

fn goals(page: &mut String, report: &Report<'_>) -> Result<()> {
    if report.goals.is_empty() {
        return Ok(());
    }
    writeln!(page, "## Goals\n\n| goal | bound | measured | |\n| --- | --- | --: | --- |")?;
    for goal in &report.goals {
        let met = if goal.met { "met" } else { "**not met**" };
        writeln!(page, "| {} | {} | {} | {met} |", goal.what, goal.bound, goal.measured)?;
    }
    Ok(())
}

fn images(page: &mut String, charts: &[charts::Chart], about: &str) -> Result<()> {
    for chart in charts.iter().filter(|chart| chart.about == about) {
        writeln!(page, "![{}](charts/{})\n", chart.title, chart.file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare::Sample;
    use crate::growth::Growth;
    use crate::latency::Latency;
    use crate::machine::Machine;
    use crate::measure::Measured;
    use crate::report::Measurements;
    use crate::side::{HOST, SIDES};

    #[test]
    fn every_chart_of_the_page_is_beside_it() {
        let measured = |cpu: f64| Measured {
            records_per_second: Some(1e6 / cpu),
            cpu_seconds: cpu,
            cpu_seconds_to_last: cpu,
            broker_cpu_seconds: 0.0,
            seconds_to_first: 0.5,
            peak_mib: 100.0,
        };
        let sample = |(index, side)| {
            let measured = measured(1.0 + f64::from(index));
            Sample { round: 1, job: Job::Flatten, side, records: 1_000_000, measured }
        };
        let point = |count| Point { count, side: HOST, nanoseconds: 1500.0 };
        let latency = Latency {
            side: "edgemill".to_owned(),
            job: Job::Flatten,
            records: 1,
            p50: 1.0,
            p99: 2.0,
            max: 3.0,
            p99_spread: (1.0, 3.0),
        };
        let measurements = Measurements {
            guest: vec![Cost { work: "flatten", way: "core".to_owned(), nanoseconds: 400.0 }],
            languages: Vec::new(),
            samples: (0..).zip(SIDES).map(sample).collect(),
            http: Vec::new(),
            latency: vec![latency],
            start: None,
            growth: Growth { records: [1000, 10_000].map(point).to_vec(), ..Growth::default() },
        };
        let report = Report::new(&measurements, Machine::look(), json!({ "records": 1_000_000 }));
        let folder = tempfile::tempdir().unwrap();
        write(&report, &folder.path().join("RESULTS.md"), "2026-01-01").unwrap();
        let page = fs::read_to_string(folder.path().join("RESULTS.md")).unwrap();
        let charts: Vec<&str> = page.split("](charts/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert_eq!(charts, ["flatten.svg", "flatten-peers.svg", "latency.svg", "growth-records.svg"]);
        for chart in charts {
            let drawn = fs::read_to_string(folder.path().join("charts").join(chart)).unwrap();
            assert!(drawn.starts_with("<svg") && drawn.contains("edgemill"), "{chart}");
        }
        assert!(page.contains("| `bytewax` |") && page.contains("| records | 1000000 |"), "{page}");
    }
}
