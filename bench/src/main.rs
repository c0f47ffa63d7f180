//! Compares Edgemill with native loops that do the same: one broker, the same input, in turn and interleaved, each a process
//! of its own whose output is checked before it counts. `make bench` runs it.

mod digest;
mod guest;
mod input;
mod measure;
mod murmur2;
mod native;
mod report;
mod side;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use edgemill_tests::Broker;
use serde_json::json;

use input::Input;
use measure::Watch;
use native::Job;
use report::{Report, Sample};
use side::{Run, Side};

/// Compares Edgemill with native loops that do the same.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    compare: Compare,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one native loop until it is asked to stop
    Native(native::Options),
    /// Compare guests with native code in this process, without a broker
    Guest(guest::Options),
}

#[derive(Debug, Args)]
struct Compare {
    /// Take a few minutes only: 500,000 records, two rounds
    #[arg(long)]
    short: bool,
    /// Records of the input; 2,000,000 where not given
    #[arg(long)]
    records: Option<u64>,
    /// Rounds that count, after one that does not; five where not given
    #[arg(long)]
    rounds: Option<u32>,
    /// Partitions of every topic
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// What is done to each record
    #[arg(long, value_delimiter = ',', default_values = ["identity", "flatten", "lz4-flatten"])]
    jobs: Vec<Job>,
    /// What is compared
    #[arg(
        long,
        value_delimiter = ',',
        default_values = [
            "native-safe",
            "native-batch",
            "native-batch1",
            "native-produce-batch",
            "native-serde",
            "edgemill1",
            "edgemill2",
        ]
    )]
    sides: Vec<Side>,
    /// File for the result as JSON; target/bench/results.json where not given
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.command {
        Some(Command::Native(options)) => native::run(options),
        Some(Command::Guest(options)) => guest::run(options),
        None => compare(&cli.compare),
    }
}

fn compare(options: &Compare) -> Result<()> {
    let records = options.records.unwrap_or(if options.short { 500_000 } else { 2_000_000 });
    let rounds = options.rounds.unwrap_or(if options.short { 2 } else { 5 });
    let load = report::load();
    if load > 1.0 {
        eprintln!("the machine is busy (load {load}): expect a wide spread, and stop what else runs");
    }
    let folder = tempfile::Builder::new().prefix("edgemill-bench-").tempdir()?;
    if options.sides.iter().any(|side| side.is_edgemill()) {
        side::prepare_modules(folder.path())?;
    }
    let broker = start_broker()?;
    eprintln!("loading {records} flights into {} partitions", options.partitions);
    let input = Input::load(&broker, &options.jobs, records, options.partitions)?;
    let mut report = Report::default();
    // What was measured before a failure is worth keeping.
    let outcome = measure_all(options, rounds, &broker, &input, folder.path(), &mut report);
    let settings =
        json!({ "records": records, "rounds": rounds, "partitions": options.partitions, "load_before": load });
    let path = options.json.clone().map_or_else(default_path, Ok)?;
    report.save(&path, &settings)?;
    println!("{}", report.table()?);
    println!(
        "ratios are to the native loop of as many threads that takes the least processor time; spread is from the lowest to the highest"
    );
    println!("everything as JSON: {}", path.display());
    outcome
}

/// Starts a broker fit for measurements: with more memory and better machine code than the scenarios' one.
fn start_broker() -> Result<Broker> {
    // SAFETY: no other thread runs yet, so none reads the environment.
    unsafe {
        std::env::set_var("KAFKA_HEAP", "1g");
        std::env::set_var("KAFKA_JVM", "-XX:-UseSerialGC -XX:+UseG1GC -XX:TieredStopAtLevel=4");
    }
    eprintln!("starting a broker");
    Broker::start_with("log.segment.delete.delay.ms=1000")
}

fn measure_all(
    options: &Compare,
    rounds: u32,
    broker: &Broker,
    input: &Input,
    folder: &Path,
    report: &mut Report,
) -> Result<()> {
    let watch = Watch::new(broker, options.partitions)?;
    let address = broker.address();
    // Round 0 warms the broker, the page cache and the cache of compiled modules.
    for round in 0..=rounds {
        for &job in &options.jobs {
            let mut sides: Vec<Side> = options.sides.iter().copied().filter(|side| side.does(job)).collect();
            let first = round as usize % sides.len().max(1);
            sides.rotate_left(first);
            for side in sides {
                let output = broker_topic(broker, side, job, round, options.partitions)?;
                let (brokers, input_topic) = (address.as_str(), Input::topic(job));
                let run =
                    Run { brokers, job, input: input_topic, output: &output, partitions: options.partitions, folder };
                let measured = watch.run(&mut side.command(&run)?, &output, input.records, &folder.join("log"))?;
                let checked = input.expected(job, side.keeps_timestamps()).check(broker, &output);
                checked.with_context(|| format!("checking what {} made", side.name()))?;
                broker.delete_topic(&output)?;
                eprintln!(
                    "round {round} {:<34} {:>9.0} records/s {:>6.2} CPU-s/mill. {:>5.0} MiB",
                    output, measured.records_per_second, measured.cpu_seconds_per_million, measured.peak_mib
                );
                if round > 0 {
                    report.samples.push(Sample { round, job, side, measured });
                }
            }
        }
    }
    Ok(())
}

/// Makes the topic that a run writes, and gives its name.
fn broker_topic(broker: &Broker, side: Side, job: Job, round: u32, partitions: i32) -> Result<String> {
    let job = job.to_possible_value().context("every job has a name")?;
    let name = format!("{}-{}-{round}", job.get_name(), side.name());
    broker.create_topic(&name, partitions, &input::TOPIC)?;
    Ok(name)
}

/// `target/bench/results.json`, with the target folder that this program was built in.
fn default_path() -> Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let target = executable.ancestors().nth(2).context("this program is in target/PROFILE")?;
    Ok(target.join("bench/results.json"))
}
