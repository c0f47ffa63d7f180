//! `edgemill apply`: a chain of modules over records of a file, through the same code as a worker.

use super::arguments::{LimitArguments, engine, load as load_module, module_configs, pair};
use super::{Done, Failure};
use crate::chain::apply::Chain;
use crate::chain::{Plan, PlanStage};
use crate::policy::{Action, Policy};
use crate::records::Format;
use crate::route::Routes;
use crate::wasm::Engine;
use clap::ValueEnum;
use session::{Session, Shape};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod session;

/// Passes records of a file, or of standard input, through a chain of modules
///
/// `--format lines` reads and writes a value a line; `--format records` a JSON object a line:
///
///   {"key":"k","value":"v","headers":[["name","value"]],"timestamp":0,"topic":"t","partition":0,"offset":0}
///
/// Every field may be left out. A byte string that is not UTF-8 is {"base64":"…"}; null stays null.
/// Outputs also carry "origin", the index of the input record, and "topic" where the module named one.
///
/// Records that are rejected, or that a module fails on, are told on standard error or in --rejects, as
/// {"origin","class","module","message"}; the exit code is 3 then, and all other records pass.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The modules' files, in the chain's order
    #[arg(value_name = "MODULE", required = true)]
    modules: Vec<PathBuf>,

    /// A module's configuration as JSON or @FILE: one for each module, in order, or NAME=JSON for the module of that name
    #[arg(long, value_name = "JSON")]
    config: Vec<String>,

    /// A variable for the modules' environment: taken, and not used, since programs and Redpanda's transforms have theirs in --config
    #[arg(long, value_name = "K=V", value_parser = pair)]
    env: Vec<(String, String)>,

    /// The topic that records seem to come from, where they do not say it
    #[arg(long, value_name = "TOPIC", default_value = "input")]
    topic: String,

    /// A topic that modules may name as destination; repeat it for more. What a Redpanda transform's --config `outputs` says is one too
    #[arg(long, value_name = "TOPIC")]
    output_topic: Vec<String>,

    /// Where records are read from; without it, from standard input
    #[arg(long = "in", value_name = "FILE")]
    input: Option<PathBuf>,

    /// Where outputs are written; without it, to standard output
    #[arg(long = "out", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Where rejects are written; without it, to standard error
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,

    /// How records stand in the input and the output
    #[arg(long, value_name = "FORMAT", default_value = "lines")]
    format: FormatArgument,

    #[command(flatten)]
    limits: LimitArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatArgument {
    /// A value a line
    Lines,
    /// A JSON object a line
    Records,
}

impl From<FormatArgument> for Format {
    fn from(format: FormatArgument) -> Self {
        match format {
            FormatArgument::Lines => Format::Lines,
            FormatArgument::Records => Format::Records,
        }
    }
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    if !arguments.env.is_empty() {
        eprintln!("warning: --env is not used: programs and Redpanda's transforms have their environment in --config");
    }
    let names: Vec<String> = arguments.modules.iter().map(|path| file_name(path)).collect();
    // the engine's clock is what cuts a guest that loops: it must run until the last record
    let (_engine, plan) = load(arguments, &names)?;
    let declared = plan.stages.iter().flat_map(|stage| stage.module.declares());
    let topics: Vec<String> = arguments.output_topic.iter().chain(declared).cloned().collect();
    let routes = Arc::new(Routes::new("", &topics));
    let chain = Chain::start(plan, routes.clone())
        .map_err(|error| Failure::usage(format!("a module does not start: {error}")))?;
    for written in [&arguments.output, &arguments.rejects].into_iter().flatten() {
        refuse_to_overwrite(arguments.input.as_deref(), written)?;
    }
    let input: Box<dyn BufRead> = match &arguments.input {
        Some(path) => Box::new(BufReader::with_capacity(1 << 16, open(path)?)),
        None => Box::new(BufReader::with_capacity(1 << 16, io::stdin())),
    };
    let mut rejects: Box<dyn Write> = match &arguments.rejects {
        Some(path) => Box::new(create(path)?),
        None => Box::new(io::stderr()),
    };
    let mut output: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let shape = Shape {
        format: arguments.format.into(),
        input: arguments.input.as_ref().map_or("standard input".to_owned(), |path| path.display().to_string()),
        topic: arguments.topic.clone(),
        names,
    };
    let mut session = Session::new(chain, routes, shape, &mut output, &mut rejects);
    let ended = session.pass(input);
    let failed = session.failed();
    // what came before a bad line stays written
    output.flush()?;
    rejects.flush()?;
    ended?;
    Ok(if failed > 0 { Done::WithRejects } else { Done::Well })
}

fn load(arguments: &Arguments, names: &[String]) -> Result<(Engine, Arc<Plan>), Failure> {
    let configs = module_configs(&arguments.config, names)?;
    let engine = engine()?;
    let policy = Policy::all(Action::Skip);
    let mut stages = Vec::new();
    for ((path, name), config) in arguments.modules.iter().zip(names).zip(&configs) {
        let module = load_module(&engine, path, name, config, arguments.limits.limits())?;
        stages.push(PlanStage { module, policy });
    }
    Ok((engine, Arc::new(Plan { number: 1, stages, sink: policy })))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Creating the output would empty the input before it is read.
fn refuse_to_overwrite(input: Option<&Path>, written: &Path) -> Result<(), Failure> {
    let place = |path: &Path| std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    match input.and_then(place) {
        Some(read) if place(written) == Some(read) => {
            Err(Failure::usage(format!("{} is the input: write to another file", written.display())))
        }
        _ => Ok(()),
    }
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file =
        File::create(path).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
}
