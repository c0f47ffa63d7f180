//! Compares Edgemill with native loops that do the same, and with peers: one broker, the same input, in turn and interleaved,
//! each a process of its own whose output is checked before it counts. `make bench` runs it.

mod charts;
mod compare;
mod digest;
mod goals;
mod growth;
mod guest;
mod http;
mod input;
mod interrupt;
mod lab;
mod languages;
mod latency;
mod machine;
mod measure;
mod murmur2;
mod native;
mod options;
mod report;
mod results;
mod side;
mod start;
mod stats;

use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use edgemill_tests::Broker;
use serde_json::json;

use compare::Comparison;
use growth::Extent;
use input::Input;
use interrupt::Interrupt;
use lab::Lab;
use machine::Machine;
use native::Job;
use options::{Cli, Command, Options, Part};
use report::{Measurements, Report};
use side::{Family, Side};

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Native(options)) => native::run(options),
        Some(Command::Guest(options)) => guest::run(options),
        Some(Command::Languages(options)) => languages::run(options),
        None => bench(&cli.options),
    }
}

fn bench(options: &Options) -> Result<()> {
    let interrupt = Interrupt::listen()?;
    measure_all(options, &interrupt).map_err(|error| interrupt.reason(error))
}

fn measure_all(options: &Options, interrupt: &Interrupt) -> Result<()> {
    let load = machine::load();
    if load > 1.0 {
        eprintln!("the machine is busy (load {load}): expect a wide spread, and stop what else runs");
    }
    let sides = options.sides()?;
    side::set_up(&families(options, &sides))?;
    let folder = tempfile::Builder::new().prefix("edgemill-bench-").tempdir()?;
    side::prepare_modules(folder.path())?;
    let broker = start_broker()?;
    interrupt.go_on()?;
    let lab = Lab::new(&broker, interrupt.clone(), folder.path(), options.partitions)?;
    let mut measurements = Measurements::default();
    // What was measured before a failure is worth keeping.
    let outcome = measure(&lab, options, &sides, &mut measurements);
    let settings = json!({
        "records": options.records(),
        "records_of_python_and_bytewax": options.share(),
        "rounds": options.rounds(),
        "partitions": options.partitions,
        "load_before": load,
        "profile": if cfg!(debug_assertions) { "dev" } else { "bench" },
    });
    let report = Report::new(&measurements, Machine::look(), settings);
    let mut path = options.json.clone().map_or_else(default_path, Ok)?;
    if outcome.is_err() {
        // not in place of those of a run that went well
        path.set_extension("part.json");
    }
    report.save(&path)?;
    if let (Ok(()), Some(path)) = (&outcome, &options.results) {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
        results::write(&report, path, &now)?;
        eprintln!("results: {}, with charts beside it", path.display());
    }
    eprintln!("everything as JSON: {}", path.display());
    let mut text = report.text()?;
    if !report.lines.is_empty() {
        text.push_str(
            "ratios are to the native loop of as many threads that takes the least processor time; what the same process takes for a \
             single record is taken off (\"whole\": it is not); spread is from the lowest to the highest run\n",
        );
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        // who reads it has enough
        Err(error) if error.kind() == ErrorKind::BrokenPipe => outcome,
        written => outcome.and(written.context("writing the tables")),
    }
}

/// The peers that take part.
fn families(options: &Options, sides: &[&'static Side]) -> Vec<Family> {
    let mut families = Vec::new();
    if options.parts().contains(&Part::Compare) {
        for family in sides.iter().filter_map(|side| side.family()) {
            if !families.contains(&family) {
                families.push(family);
            }
        }
    }
    families
}

/// Starts a broker fit for measurements: with more memory and better machine code than the scenarios' one.
fn start_broker() -> Result<Broker> {
    // SAFETY: no other thread runs yet, so none reads the environment.
    unsafe {
        std::env::set_var("KAFKA_HEAP", "1g");
        std::env::set_var("KAFKA_JVM", "-XX:-UseSerialGC -XX:+UseG1GC -XX:TieredStopAtLevel=4");
    }
    eprintln!("starting a broker");
    // A group waits a little for its members: without, the first worker begins alone, and then shares.
    Broker::start_with(
        "log.segment.delete.delay.ms=1000\nlog.retention.check.interval.ms=2000\ngroup.initial.rebalance.delay.ms=500",
    )
}

fn measure(lab: &Lab<'_>, options: &Options, sides: &[&'static Side], measurements: &mut Measurements) -> Result<()> {
    let parts = options.parts();
    if parts.contains(&Part::Guest) {
        let rounds = if options.short { 20 } else { 60 };
        let interrupt = &lab.watch.interrupt;
        measurements.guest = guest::measure(&guest::Options::of(rounds), lab.folder, interrupt)?;
        measurements.languages = languages::measure(&languages::Options::of(rounds), interrupt)?;
    }
    if parts.contains(&Part::Compare) {
        let (records, partitions) = (options.records(), options.partitions);
        eprintln!("loading {records} flights into {partitions} partitions");
        let whole = Input::load(lab, "flights", &options.jobs, records, partitions)?;
        let share = Input::load(lab, "flights-share", &options.jobs, options.share(), partitions)?;
        let one = Input::load(lab, "flights-one", &options.jobs, 1, partitions)?;
        let (jobs, rounds, short) = (options.jobs.as_slice(), options.rounds(), options.short);
        let comparison = Comparison { jobs, sides, rounds, short, whole: &whole, share: &share, one: &one };
        comparison.run(lab, &mut measurements.samples)?;
        [whole, share, one].iter().try_for_each(|input| input.delete(lab.broker, jobs))?;
    }
    if parts.contains(&Part::Http) {
        measurements.http = http::measure(lab, options.records(), if options.short { 2 } else { 4 })?;
    }
    if parts.contains(&Part::Latency) {
        let (rounds, seconds) = if options.short { (3, 5) } else { (5, 10) };
        measurements.latency = latency::measure(lab, rounds, Duration::from_secs(seconds))?;
    }
    if parts.contains(&Part::Start) {
        let input = Input::load(lab, "start", &[Job::Flatten], 1000, options.partitions)?;
        measurements.start = Some(start::measure(lab, &input, if options.short { 3 } else { 5 })?);
    }
    if parts.contains(&Part::Growth) {
        let (records, runs) = if options.short { (200_000, 1) } else { (1_000_000, 3) };
        growth::measure(
            lab,
            Extent { most: options.growth_most(), records, chained: 1_000_000, runs },
            &mut measurements.growth,
        )?;
    }
    Ok(())
}

/// `target/bench/results.json`, with the target folder that this program was built in.
fn default_path() -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let target = executable.ancestors().nth(2).context("this program is in target/PROFILE")?;
    Ok(target.join("bench/results.json"))
}
