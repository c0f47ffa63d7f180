//! Compares guests with native code in one process: no broker, only batches of 1,024 flights and what is done to them.
//!
//! Every way gets the same batches in turn, again and again; of each batch the shortest time counts, because everything that
//! disturbs a measurement makes it longer. A guest's time is that of the whole call: lowering, the guest's code, and lifting.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs;
use std::hint::black_box;
use std::mem;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use edgemill::batch::{Batch, Column, Headers};
use edgemill::chain::Transform;
use edgemill::config::Limits;
use edgemill::generate::{Flights, Generate, Lz4};
use edgemill::outputs::Outputs;
use edgemill::wasm::Engine;
use serde::Serialize;
use serde_json::{Value, json};

use crate::interrupt::Interrupt;
use crate::native::{Code, Job, Step, lz4};
use crate::report;
use crate::side;

/// Records of a batch.
const RECORDS: usize = 1024;

/// Options of the comparison.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each way gets every batch
    #[arg(long, default_value_t = 60)]
    rounds: u32,
    /// Different batches: more than the processor's branch predictor can learn by heart
    #[arg(long, default_value_t = 8)]
    batches: usize,
    /// Only the lines that begin so, such as "flatten" or "flatten core"; spaces between work and way count as one
    #[arg(long, default_value = "")]
    only: String,
    /// Folder for the modules' machine code, for whoever wants to look at it
    #[arg(long)]
    state: Option<PathBuf>,
}

impl Options {
    /// Everything, in so many rounds.
    pub(crate) fn of(rounds: u32) -> Self {
        Self { rounds, batches: 8, only: String::new(), state: None }
    }
}

/// The records of one batch, and what comes of them.
struct Data {
    keys: Vec<Vec<u8>>,
    plain: Vec<Vec<u8>>,
    framed: Vec<Vec<u8>>,
    flat: Vec<Vec<u8>>,
}

impl Data {
    fn new(flights: &Flights, lz4: &mut Lz4, first: u64) -> Self {
        let mut data = Self { keys: Vec::new(), plain: Vec::new(), framed: Vec::new(), flat: Vec::new() };
        let (mut key, mut value, mut flat) = (Vec::new(), Vec::new(), Vec::new());
        for i in (first..).take(RECORDS) {
            flights.record(i, &mut key, &mut value);
            flights.flat(i, &mut flat);
            data.keys.push(key.clone());
            data.plain.push(value.clone());
            data.flat.push(flat.clone());
            lz4.wrap(&mut value);
            data.framed.push(value.clone());
        }
        data
    }

    fn batch<'a>(&'a self, values: &'a [Vec<u8>]) -> Batch<'a> {
        let column = |items: &'a [Vec<u8>]| Column::Each(items.iter().map(|item| Some(item.as_slice())).collect());
        Batch {
            topic: "flights",
            partition: 0,
            offsets: (0..values.len() as i64).collect(),
            timestamps: Cow::Owned(vec![1_700_000_000_000; values.len()]),
            keys: column(&self.keys),
            values: column(values),
            headers: Headers::default(),
            siblings_before: 0,
        }
    }
}

/// What is done to the records.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    Keep,
    Copy,
    Decompress,
    Flatten,
    DecompressFlatten,
}

const WORKS: [Work; 5] = [Work::Keep, Work::Copy, Work::Decompress, Work::Flatten, Work::DecompressFlatten];

impl Work {
    fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Copy => "copy",
            Self::Decompress => "lz4",
            Self::Flatten => "flatten",
            Self::DecompressFlatten => "lz4-flatten",
        }
    }

    /// The modules of the chain, and the configuration of the first.
    fn chain(self) -> (&'static [&'static str], Value) {
        match self {
            Self::Keep => (&["identity"], json!({ "keep": true })),
            Self::Copy => (&["identity"], Value::Null),
            Self::Decompress => (&["lz4-decompress"], Value::Null),
            Self::Flatten => (&["flatten-flights"], Value::Null),
            Self::DecompressFlatten => (&["lz4-decompress", "flatten-flights"], Value::Null),
        }
    }

    fn native(self) -> Vec<(&'static str, Way)> {
        let step = |job, code| Way::Step(Box::new(Step::new(job, code)));
        match self {
            Self::Keep | Self::Copy => Vec::new(),
            Self::Decompress => vec![("native", Way::Lz4(Vec::new()))],
            Self::Flatten => {
                vec![("native", step(Job::Flatten, Code::Scanner)), ("native serde", step(Job::Flatten, Code::Serde))]
            }
            Self::DecompressFlatten => {
                vec![
                    ("native", step(Job::Lz4Flatten, Code::Scanner)),
                    ("native serde", step(Job::Lz4Flatten, Code::Serde)),
                ]
            }
        }
    }

    fn input(self, data: &Data) -> &[Vec<u8>] {
        if matches!(self, Self::Decompress | Self::DecompressFlatten) { &data.framed } else { &data.plain }
    }

    fn expected(self, data: &Data) -> &[Vec<u8>] {
        if matches!(self, Self::Flatten | Self::DecompressFlatten) { &data.flat } else { &data.plain }
    }
}

/// A way to do the work.
enum Way {
    Step(Box<Step>),
    Lz4(Vec<u8>),
    Chain(Vec<(Box<dyn Transform>, Outputs)>),
}

impl Way {
    /// Does the work once; `each` sees every value that native code made.
    #[inline]
    fn run(&mut self, batch: &Batch<'_>, mut each: impl FnMut(&[u8])) -> Result<()> {
        match self {
            Self::Step(step) => {
                for value in batch.values.iter().flatten() {
                    each(step.apply(value)?);
                }
            }
            Self::Lz4(space) => {
                for value in batch.values.iter().flatten() {
                    each(lz4::decompress(value, space)?);
                }
            }
            Self::Chain(chain) => call(chain, batch)?,
        }
        Ok(())
    }

    /// Does the work once and checks what comes of it, which also lets guests learn and buffers grow.
    fn check(&mut self, batch: &Batch<'_>, expected: &[Vec<u8>]) -> Result<()> {
        let mut made = Vec::new();
        self.run(batch, |value| made.push(value.to_vec()))?;
        if let Self::Chain(chain) = self {
            let (last, before) = chain.split_last().context("a chain has a module")?;
            let mut input = batch.slice(0..batch.len());
            for (_, outputs) in before {
                input = outputs.view(input);
            }
            made = last.1.view(input).values.iter().map(|value| value.unwrap_or_default().to_vec()).collect();
        }
        ensure!(made == expected, "the values are not the expected ones");
        Ok(())
    }
}

/// Passes a batch through a chain of guests, as a worker does.
fn call(chain: &mut [(Box<dyn Transform>, Outputs)], batch: &Batch<'_>) -> Result<()> {
    let Some(((guest, outputs), rest)) = chain.split_first_mut() else { return Ok(()) };
    outputs.clear();
    guest.transform(batch, outputs).map_err(|fault| anyhow!("{:?}: {}", fault.class, fault.message))?;
    // a slice of all of it, because a view lives no longer than the outputs
    if rest.is_empty() { Ok(()) } else { call(rest, &outputs.view(batch.slice(0..batch.len()))) }
}

/// A way, and its shortest time for each batch.
struct Runner {
    work: Work,
    name: String,
    way: Way,
    shortest: Vec<Duration>,
}

impl Runner {
    /// Nanoseconds a record.
    fn cost(&self) -> f64 {
        let total: Duration = self.shortest.iter().sum();
        total.as_secs_f64() * 1e9 / (self.shortest.len() * RECORDS) as f64
    }
}

/// What a way costs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// What is done.
    pub(crate) work: &'static str,
    /// By whom.
    pub(crate) way: String,
    /// For a record: of a guest that of the whole call.
    pub(crate) nanoseconds: f64,
}

/// Finds a way's nanoseconds a record.
pub(crate) fn find(costs: &[Cost], work: &str, way: &str) -> Option<f64> {
    costs.iter().find(|cost| cost.work == work && cost.way == way).map(|cost| cost.nanoseconds)
}

/// Measures everything and prints a table.
///
/// # Errors
/// See [`measure`].
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("edgemill-guest-").tempdir()?;
    side::prepare_modules(folder.path())?;
    let costs = measure(options, folder.path(), &Interrupt::listen()?)?;
    ensure!(!costs.is_empty(), "nothing begins with {:?}: without --only all lines are shown", options.only);
    print!("{}", table(&costs)?);
    Ok(())
}

/// Measures everything with the modules in this folder.
///
/// # Errors
/// Modules are missing, something gives other values than the reference, or somebody interrupts it.
pub(crate) fn measure(options: &Options, folder: &Path, interrupt: &Interrupt) -> Result<Vec<Cost>> {
    let (flights, mut lz4) = (Flights::new(1), Lz4::new());
    let data: Vec<Data> =
        (0..options.batches.max(1)).map(|i| Data::new(&flights, &mut lz4, (i * RECORDS) as u64)).collect();
    let mut runners = runners(options, &Engine::new(options.state.as_deref())?, folder)?;
    for runner in &mut runners {
        for data in &data {
            let batch = data.batch(runner.work.input(data));
            let checked = runner.way.check(&batch, runner.work.expected(data));
            checked.with_context(|| format!("{} {}", runner.work.name(), runner.name))?;
        }
        runner.shortest = vec![Duration::MAX; data.len()];
    }
    let batches: Vec<_> = data.iter().map(|data| [data.batch(&data.plain), data.batch(&data.framed)]).collect();
    for _ in 0..options.rounds {
        for runner in &mut runners {
            interrupt.go_on()?;
            let framed = matches!(runner.work, Work::Decompress | Work::DecompressFlatten);
            // The first time is not taken: it pays for what the way before left in the caches.
            for timed in [false, true] {
                for (batch, shortest) in batches.iter().zip(&mut runner.shortest) {
                    let batch = &batch[usize::from(framed)];
                    let start = Instant::now();
                    runner.way.run(batch, |value| {
                        black_box(value);
                    })?;
                    if timed {
                        *shortest = start.elapsed().min(*shortest);
                    }
                }
            }
        }
    }
    let cost = |runner: Runner| Cost { work: runner.work.name(), nanoseconds: runner.cost(), way: runner.name };
    Ok(runners.into_iter().map(cost).collect())
}

fn runners(options: &Options, engine: &Engine, folder: &Path) -> Result<Vec<Runner>> {
    let mut runners = Vec::new();
    let mut add = |work, name: String, way| runners.push(Runner { work, name, way, shortest: Vec::new() });
    let wanted = |work: Work, name: &str| format!("{} {name}", work.name()).starts_with(&options.only);
    for work in WORKS {
        for (name, way) in work.native() {
            if wanted(work, name) {
                add(work, name.to_owned(), way);
            }
        }
        for door in ["core", "component"] {
            for (limits, time) in [("", Some(Duration::from_secs(1))), (" without a limit of time", None)] {
                let (name, limits) = (format!("{door}{limits}"), Limits { memory: 64 << 20, time });
                if wanted(work, &name) {
                    add(work, name, chain(engine, folder, work, door, limits)?);
                }
            }
        }
    }
    Ok(runners)
}

fn chain(engine: &Engine, folder: &Path, work: Work, door: &str, limits: Limits) -> Result<Way> {
    let (modules, mut config) = work.chain();
    let mut chain = Vec::new();
    for name in modules {
        let place = if door == "core" { folder.join("modules") } else { folder.join("modules").join(door) };
        let bytes = fs::read(place.join(name).with_extension("wasm"))?;
        let module = engine.load(name, &bytes, &mem::take(&mut config), limits).map_err(|error| anyhow!("{error}"))?;
        let guest = module.instantiate().map_err(|error| anyhow!("{error}"))?;
        chain.push((guest, Outputs::default()));
    }
    Ok(Way::Chain(chain))
}

/// Nanoseconds a record, and ratios to native code of the same work.
///
/// # Errors
/// None: writing to memory does not fail.
pub(crate) fn table(costs: &[Cost]) -> Result<String> {
    let mut table = String::new();
    writeln!(table, "{:<13}{:<38}{:>10}{:>10}{:>10}", "work", "way", "ns/record", "to native", "to serde")?;
    for Cost { work, way, nanoseconds } in costs {
        let ratio = |of: &str| report::ratio(find(costs, work, of).map(|native| nanoseconds / native));
        let (native, serde) = (ratio("native"), ratio("native serde"));
        writeln!(table, "{work:<13}{way:<38}{nanoseconds:>10.0}{native:>10}{serde:>10}")?;
    }
    writeln!(
        table,
        "a guest's time is that of the whole call: what `copy` costs is lowering, the call, a copy, and lifting"
    )?;
    Ok(table)
}
