//! Draws the charts of `RESULTS.md`, as SVG.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::growth::{KEEPING, Point};
use crate::native::Job;
use crate::report::{Line, Report};
use crate::side::{HOST, Kind, name};

/// A chart that was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) file: String,
    pub(crate) title: String,
    /// What part of the page it belongs to.
    pub(crate) about: &'static str,
}

/// A bar: what it is called, how long it is, its colour.
type Bar = (String, f64, RGBColor);

const NATIVE: RGBColor = RGBColor(0x8a, 0x8f, 0x98);
const EDGEMILL: RGBColor = RGBColor(0xd9, 0x5f, 0x02);
const PEER: RGBColor = RGBColor(0x4c, 0x78, 0xa8);
const FONT: &str = "sans-serif";
const WIDTH: u32 = 860;

/// Draws all that there is something to draw of.
///
/// # Errors
/// A file cannot be written.
pub(crate) fn draw(report: &Report<'_>, folder: &Path) -> Result<Vec<Chart>> {
    let mut charts = Vec::new();
    let mut add = |file: String, title: String, about, drawn: Result<()>| {
        charts.push(Chart { file, title, about });
        drawn
    };
    for job in [Job::Identity, Job::Flatten, Job::Lz4Flatten] {
        let (job_name, of_job) = (name(job), |line: &&Line| line.job == job);
        let lines: Vec<&Line> = report.lines.iter().filter(of_job).collect();
        let own: Vec<Bar> = lines.iter().filter(|line| line.side.family().is_none()).map(|line| bar(line)).collect();
        if !own.is_empty() {
            let (file, title) = (format!("{job_name}.svg"), format!("{job_name}: CPU-seconds per million records"));
            let drawn = bars(&folder.join(&file), &title, &own);
            add(file, title, "throughput", drawn)?;
        }
        if lines.iter().any(|line| line.side.family().is_some()) {
            let shown = |line: &&&Line| line.side.family().is_some() || line.side.is_bar() || line.side.name == HOST;
            let all: Vec<Bar> = lines.iter().filter(shown).map(|line| bar(line)).collect();
            let (file, title) =
                (format!("{job_name}-peers.svg"), format!("{job_name} with peers: CPU-seconds per million records"));
            let drawn = bars(&folder.join(&file), &title, &all);
            add(file, title, "throughput", drawn)?;
        }
    }
    if !report.latency.is_empty() {
        let bar = |line: &crate::latency::Latency| {
            let colour = if line.side == "edgemill" { EDGEMILL } else { NATIVE };
            (format!("{}, {}", line.side, name(line.job)), line.p99, colour)
        };
        let all: Vec<Bar> = report.latency.iter().map(bar).collect();
        let (file, title) = ("latency.svg".to_owned(), "latency when idle: p99 in milliseconds".to_owned());
        let drawn = bars(&folder.join(&file), &title, &all);
        add(file, title, "latency", drawn)?;
    }
    for (what, points) in report.growth.series().into_iter().filter(|(_, points)| !points.is_empty()) {
        let (file, title) = (format!("growth-{what}.svg"), format!("nanoseconds a record over {what}"));
        let drawn = lines(&folder.join(&file), &title, what, points);
        add(file, title, "growth", drawn)?;
    }
    Ok(charts)
}

fn bar(line: &Line) -> Bar {
    let colour = match line.side.kind {
        Kind::Native { .. } => NATIVE,
        Kind::Edgemill(_) => EDGEMILL,
        Kind::Peer(_) => PEER,
    };
    (line.side.name.to_owned(), line.cpu_seconds_per_million, colour)
}

/// Bars from left to right, the first on top, each with its figure.
fn bars(path: &Path, title: &str, bars: &[Bar]) -> Result<()> {
    let count = bars.len();
    let longest = bars.iter().map(|(_, value, _)| *value).fold(0.0, f64::max);
    let area = SVGBackend::new(path, (WIDTH, 70 + 26 * count as u32)).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(190)
        .build_cartesian_2d(0.0..longest.max(1e-9) * 1.12, (0..count).into_segmented())
        .map_err(failed)?;
    let called = |segment: &SegmentValue<usize>| match segment {
        SegmentValue::CenterOf(row) if *row < count => bars[count - 1 - row].0.clone(),
        _ => String::new(),
    };
    let mesh = chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(TRANSPARENT)
        .y_labels(count)
        .y_label_formatter(&called)
        .draw();
    mesh.map_err(failed)?;
    let draw = bars.iter().rev().enumerate().map(|(row, (_, value, colour))| {
        let (bottom, top) = (SegmentValue::Exact(row), SegmentValue::Exact(row + 1));
        let mut bar = Rectangle::new([(0.0, bottom), (*value, top)], colour.filled());
        bar.set_margin(4, 4, 0, 0);
        bar
    });
    chart.draw_series(draw).map_err(failed)?;
    let figures = bars.iter().rev().enumerate().map(|(row, (_, value, _))| {
        let digits = if *value < 10.0 { 2 } else { 1 };
        let at = (*value, SegmentValue::CenterOf(row));
        EmptyElement::at(at) + Text::new(format!("{value:.digits$}"), (5, -6), (FONT, 13))
    });
    chart.draw_series(figures).map_err(failed)?;
    area.present().map_err(failed)
}

/// A line for each side, over a logarithmic axis.
fn lines(path: &Path, title: &str, what: &str, points: &[Point]) -> Result<()> {
    let highest = points.iter().map(|point| point.nanoseconds).fold(0.0, f64::max);
    let (least, most) = points.iter().fold((u64::MAX, 0), |(a, b), point| (a.min(point.count), b.max(point.count)));
    let mut counts: Vec<f64> = points.iter().map(|point| point.count as f64).collect();
    counts.dedup();
    let area = SVGBackend::new(path, (WIDTH, 320)).into_drawing_area();
    area.fill(&WHITE).map_err(failed)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            (least as f64..most.max(least + 1) as f64).log_scale().with_key_points(counts),
            // room above the lines for what they are called
            0.0..highest.max(1.0) * 1.4,
        )
        .map_err(failed)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(what)
        .y_desc("ns")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()
        .map_err(failed)?;
    let mut sides: Vec<&str> = points.iter().map(|point| point.side).collect();
    sides.sort_unstable();
    sides.dedup();
    for side in sides {
        let colour = if side == HOST || side == KEEPING { EDGEMILL } else { NATIVE };
        let of_side = points.iter().filter(|point| point.side == side);
        let line: Vec<(f64, f64)> = of_side.map(|point| (point.count as f64, point.nanoseconds)).collect();
        let circles = line.iter().map(|at| Circle::new(*at, 3, colour.filled()));
        chart.draw_series(circles).map_err(failed)?;
        let series = LineSeries::new(line.iter().copied(), colour.stroke_width(2));
        let drawn = chart.draw_series(series).map_err(failed)?;
        drawn.label(side).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    let labels = chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(NATIVE).draw();
    labels.map_err(failed)?;
    area.present().map_err(failed)
}

/// The library's errors borrow what they are about.
fn failed<E: std::fmt::Display>(error: E) -> anyhow::Error {
    anyhow!("drawing a chart: {error}")
}
