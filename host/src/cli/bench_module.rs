//! `edgemill bench-module`: what a module costs by itself, through the same chain as in a worker.

use super::apply::FormatArgument;
use super::arguments::{LimitArguments, engine, load, module_configs, plan_of};
use super::{Done, Failure};
use crate::batch::Batch;
use crate::chain::Plan;
use crate::chain::apply::Chain;
use crate::config::{Limits, size_text};
use crate::policy::{Action, Policy};
use crate::records::{Format, Gathered, Line};
use crate::route::Routes;
use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches that are tried: one record, and as many as a worker gives by default.
const BATCHES: [usize; 2] = [1, 1024];

/// Bytes of a batch, as a worker's default.
const BYTES: usize = 1 << 20;

/// The most records that are taken of the input.
const MOST: usize = 100_000;

/// Measures a module: records a second, nanoseconds and bytes a record, growth of its memory, and the cost of the limits
///
/// The records of the file go through it again and again, on one thread, without Kafka. Each figure is of the fastest of
/// five slices of the time, as noise only adds; "without limits" is with `limits = { time = "none" }`. Exits with code 3 where
/// records fail, which costs much more than passing them.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The module
    #[arg(value_name = "MODULE")]
    module: PathBuf,

    /// The records; of more than 100,000 the first
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,

    /// How records stand in the file
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    format: FormatArgument,

    /// The module's configuration as JSON or @FILE
    #[arg(long, value_name = "JSON")]
    config: Vec<String>,

    /// How long each of the four measurements takes
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    seconds: u64,

    /// Writes one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    limits: LimitArguments,
}

/// What was measured.
struct Figures {
    nanoseconds: f64,
    records: u64,
    failed: u64,
    rows: u64,
    memory: (usize, usize),
    /// Whether the module met a limit although no record failed: then its memory could not grow, or began anew.
    met: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let name = arguments.module.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let config = module_configs(&arguments.config, std::slice::from_ref(&name))?.remove(0);
    let records = read(arguments)?;
    let count: usize = records.iter().map(Gathered::len).sum();
    let bytes: usize = records.iter().map(Gathered::size).sum();
    let ones = ones(&records);
    let engine = engine()?;
    let limits = arguments.limits.limits();
    let mut lines = Vec::new();
    let mut failed = 0;
    let mut starts = Duration::MAX;
    // a large module takes seconds to compile
    let plan = |limits: Limits| -> Result<_, Failure> {
        let module = load(&engine, &arguments.module, &name, &config, limits)?;
        Ok((limits, plan_of(module, Policy::all(Action::Skip))))
    };
    let plans = [plan(limits)?, plan(Limits { time: None, ..limits })?];
    for batch in BATCHES {
        let parts = if batch == 1 { &ones } else { &records };
        for (limits, plan) in &plans {
            let (mut chain, took) = start(arguments, plan)?;
            starts = starts.min(took);
            let mut figures = measure(&mut chain, parts, Duration::from_secs(arguments.seconds.max(1)))?;
            figures.met = chain.starved() || chain.restarts() > 0 && figures.failed == 0;
            failed += figures.failed;
            lines.push((batch, limits.time.is_some(), figures));
        }
    }
    let size = bytes as f64 / count as f64;
    tell(arguments, size, starts, &lines)?;
    Ok(if failed > 0 { Done::WithRejects } else { Done::Well })
}

/// The records in batches as a worker's.
fn read(arguments: &Arguments) -> Result<Vec<Gathered>, Failure> {
    let path = arguments.input.display();
    let file = std::fs::File::open(&arguments.input)
        .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
    let (mut batches, mut count) = (vec![Gathered::new("input", 0)], 0);
    for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("cannot read {path}"))?;
        let mut batch = batches.pop().unwrap_or_default();
        match Format::from(arguments.format) {
            Format::Lines => batch.push(count, -1, None, Some(&line)),
            Format::Records if line.trim_ascii().is_empty() => {}
            Format::Records => Line::parse(&line)
                .map_err(|error| Failure::usage(format!("{path}: line {}, {error}", number + 1)))?
                .push_to(&mut batch, count),
        }
        count += 1;
        let full = batch.len() >= BATCHES[1] || batch.size() >= BYTES;
        batches.push(batch);
        if full {
            batches.push(Gathered::new("input", 0));
        }
        if count as usize >= MOST {
            break;
        }
    }
    batches.retain(|batch| !batch.is_empty());
    if batches.is_empty() {
        return Err(Failure::usage(format!("{path} has no records")));
    }
    Ok(batches)
}

/// The same records in batches of one; of many the first thousand, which say as much.
fn ones(records: &[Gathered]) -> Vec<Gathered> {
    let mut ones = Vec::new();
    for gathered in records {
        let batch = gathered.batch();
        let (keys, values) = (batch.keys.each(), batch.values.each());
        let mut header = 0;
        for index in 0..batch.len() {
            if ones.len() == 1000 {
                return ones;
            }
            let mut one = Gathered::new(&gathered.topic, gathered.partition);
            one.push(batch.offsets[index], batch.timestamps[index], keys[index], values[index]);
            let headers = if batch.headers.is_empty() { 0 } else { batch.headers.counts[index] as usize };
            let (names, header_values) = (batch.headers.names.each(), batch.headers.values.each());
            for at in header..header + headers {
                one.push_header(names[at].unwrap_or_default(), header_values[at]);
            }
            header += headers;
            ones.push(one);
        }
    }
    ones
}

/// A chain of the module alone, and what an instance of it takes to start once the module is compiled.
fn start(arguments: &Arguments, plan: &Arc<Plan>) -> Result<(Chain, Duration), Failure> {
    let path = arguments.module.display();
    let began = Instant::now();
    let chain = Chain::start(plan.clone(), Arc::new(Routes::default()))
        .map_err(|error| Failure::usage(format!("the module {path} does not start: {error}")))?;
    Ok((chain, began.elapsed()))
}

/// Offsets that go on from pass to pass, as in a topic: what a module keeps for a partition ends when it is read again.
#[derive(Default)]
struct Offsets {
    passed: i64,
    of_batch: Vec<i64>,
}

/// Passes the records again and again; the first time is not measured.
fn measure(chain: &mut Chain, batches: &[Gathered], time: Duration) -> Result<Figures, Failure> {
    let mut figures =
        Figures { nanoseconds: f64::INFINITY, records: 0, failed: 0, rows: 0, memory: (0, 0), met: false };
    let mut offsets = Offsets::default();
    pass(chain, batches, &mut offsets, &mut figures)?;
    figures = Figures { nanoseconds: f64::INFINITY, records: 0, rows: 0, memory: (chain.memory(), 0), ..figures };
    for _ in 0..5 {
        let (started, before) = (Instant::now(), figures.records);
        while started.elapsed() < time / 5 {
            pass(chain, batches, &mut offsets, &mut figures)?;
        }
        let each = started.elapsed().as_nanos() as f64 / (figures.records - before) as f64;
        figures.nanoseconds = figures.nanoseconds.min(each);
    }
    figures.memory.1 = chain.memory();
    Ok(figures)
}

fn pass(chain: &mut Chain, batches: &[Gathered], offsets: &mut Offsets, figures: &mut Figures) -> Result<(), Failure> {
    let Offsets { passed, of_batch } = offsets;
    let before = *passed;
    for gathered in batches {
        let batch = gathered.batch();
        of_batch.clear();
        of_batch.extend(batch.offsets.iter().map(|offset| before + offset));
        *passed = of_batch.last().map_or(before, |last| last + 1);
        let batch = Batch { offsets: Cow::Borrowed(of_batch), ..batch };
        let applied = chain.apply(&batch, &mut || true).map_err(|error| Failure::Failed(anyhow!(error)))?;
        figures.records += batch.len() as u64;
        figures.rows += applied.rows.len() as u64;
        figures.failed += applied.failures.len() as u64;
    }
    Ok(())
}

fn tell(arguments: &Arguments, size: f64, starts: Duration, lines: &[(usize, bool, Figures)]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let growth =
        |figures: &Figures| figures.memory.1.saturating_sub(figures.memory.0) as f64 * 1e6 / figures.records as f64;
    if arguments.json {
        let lines: Vec<Value> = lines
            .iter()
            .map(|(batch, limited, figures)| {
                json!({
                    "batch": batch,
                    "time_limit": limited,
                    "records": figures.records,
                    "nanoseconds_a_record": figures.nanoseconds,
                    "records_a_second": 1e9 / figures.nanoseconds,
                    "outputs_a_record": figures.rows as f64 / figures.records as f64,
                    "failed": figures.failed,
                    "memory_bytes": figures.memory.1,
                    "memory_growth_bytes_a_million": growth(figures),
                    "met_limits": figures.met,
                })
            })
            .collect();
        writeln!(
            out,
            "{:#}",
            json!({ "bytes_a_record": size, "start_microseconds": starts.as_micros() as u64, "measured": lines })
        )?;
        return Ok(());
    }
    let starts = starts.as_secs_f64() * 1e3;
    writeln!(out, "{}, records of {size:.0} bytes; an instance starts in {starts:.2} ms", arguments.module.display())?;
    writeln!(out, "batch  limits     records/s  ns a record  outputs a record  memory  growth by a million")?;
    for (batch, limited, figures) in lines {
        let limits = if *limited { "on" } else { "off" };
        writeln!(
            out,
            "{batch:>5}  {limits:<6}  {:>12.0}  {:>11.0}  {:>16.2}  {:>5.1}M  {:>18.1}M{}",
            1e9 / figures.nanoseconds,
            figures.nanoseconds,
            figures.rows as f64 / figures.records as f64,
            figures.memory.1 as f64 / 1048576.0,
            growth(figures) / 1048576.0,
            if figures.met { " *" } else { "" },
        )?;
    }
    if lines.iter().any(|(.., figures)| figures.met) {
        let limit = size_text(arguments.limits.limits().memory);
        writeln!(out, "* it met its limits: {limit} of memory, or the time; its memory grows by more than this says")?;
    }
    let failed: u64 = lines.iter().map(|(.., figures)| figures.failed).sum();
    if failed > 0 {
        writeln!(out, "records failed, {failed} times: try them with `edgemill apply`, which says why")?;
    }
    Ok(())
}
