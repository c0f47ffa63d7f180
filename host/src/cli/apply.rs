//! `edgemill apply`: a chain of modules over records of a file, through the same code as a worker.

use super::arguments::{module_configs, pair};
use super::{Done, Failure};
use crate::batch::Bytes;
use crate::chain::apply::{Applied, Chain};
use crate::chain::{Plan, PlanStage};
use crate::config::{Limits, Machine, default_state};
use crate::policy::{Action, Policy};
use crate::records::{Format, Gathered, Line, Row, write_reject, write_row};
use crate::route::{Route, Routes};
use crate::wasm::Engine;
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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

    /// A variable for the modules' environment. Modules of this version have none: taken, and not used
    #[arg(long, value_name = "K=V", value_parser = pair)]
    env: Vec<(String, String)>,

    /// The topic that records seem to come from, where they do not say it
    #[arg(long, value_name = "TOPIC", default_value = "input")]
    topic: String,

    /// A topic that modules may name as destination; repeat it for more
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

/// What a batch may hold: as a worker's.
const RECORDS: usize = 1024;
const BYTES: usize = 1 << 20;

/// The defaults of the configuration.
const LIMITS: Limits = Limits { memory: 64 << 20, time: Some(Duration::from_secs(1)) };

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    if !arguments.env.is_empty() {
        eprintln!("warning: --env is not used: modules of this version have no environment; give them --config");
    }
    let names: Vec<String> = arguments.modules.iter().map(|path| file_name(path)).collect();
    let plan = load(arguments, &names)?;
    let routes = Arc::new(Routes::new("", &arguments.output_topic));
    let chain = Chain::start(plan, routes.clone())
        .map_err(|error| Failure::usage(format!("a module does not start: {error}")))?;
    let input: Box<dyn BufRead> = match &arguments.input {
        Some(path) => Box::new(BufReader::with_capacity(1 << 16, open(path)?)),
        None => Box::new(BufReader::with_capacity(1 << 16, io::stdin())),
    };
    let rejects: Box<dyn Write> = match &arguments.rejects {
        Some(path) => Box::new(create(path)?),
        None => Box::new(io::stderr()),
    };
    let output: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(create(path)?),
        None => Box::new(BufWriter::new(io::stdout())),
    };
    let mut session = Session {
        chain,
        routes,
        names,
        format: arguments.format.into(),
        input: arguments.input.as_ref().map_or("standard input".to_owned(), |path| path.display().to_string()),
        topic: arguments.topic.clone(),
        output,
        rejects,
        text: Vec::new(),
        seen: 0,
        failed: 0,
    };
    let ended = session.pass(input);
    // what came before a bad line stays written
    session.output.flush()?;
    session.rejects.flush()?;
    ended?;
    Ok(if session.failed > 0 { Done::WithRejects } else { Done::Well })
}

fn load(arguments: &Arguments, names: &[String]) -> Result<Arc<Plan>, Failure> {
    let configs = module_configs(&arguments.config, names)?;
    // compiled modules are kept where the service of the same user keeps them
    let engine = Engine::new(default_state(&Machine).as_deref())
        .or_else(|_| Engine::new(None))
        .map_err(|error| Failure::Failed(anyhow!(error)))?;
    let policy = Policy { reject: Action::Skip, fault: Action::Skip };
    let mut stages = Vec::new();
    for ((path, name), config) in arguments.modules.iter().zip(names).zip(&configs) {
        let bytes =
            std::fs::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        let module = engine
            .load(name, &bytes, config, LIMITS)
            .map_err(|error| Failure::usage(format!("the module {} does not load: {error}", path.display())))?;
        stages.push(PlanStage { module, policy });
    }
    Ok(Arc::new(Plan { number: 1, stages }))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn open(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let file =
        File::create(path).map_err(|error| Failure::usage(format!("cannot write {}: {error}", path.display())))?;
    Ok(BufWriter::new(file))
}

/// One run over an input.
struct Session {
    chain: Chain,
    routes: Arc<Routes>,
    /// The modules' names, by their place in the chain.
    names: Vec<String>,
    format: Format,
    /// What the input is called in messages.
    input: String,
    topic: String,
    output: Box<dyn Write>,
    rejects: Box<dyn Write>,
    /// Lines that wait to be written; its memory is kept.
    text: Vec<u8>,
    /// Records that have passed.
    seen: u64,
    failed: u64,
}

impl Session {
    fn pass(&mut self, mut input: impl BufRead) -> Result<(), Failure> {
        let mut gathered = Gathered::new(&self.topic, 0);
        let mut line = Vec::new();
        let mut number = 0u64;
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line).with_context(|| format!("cannot read {}", self.input))? == 0 {
                return self.finish(&mut gathered);
            }
            number += 1;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let offset = (self.seen + gathered.len() as u64) as i64;
            match self.format {
                Format::Lines => gathered.push(offset, -1, None, Some(text)),
                Format::Records if text.trim_ascii().is_empty() => continue,
                Format::Records => {
                    let record = match Line::parse(text) {
                        Ok(record) => record,
                        Err(error) => {
                            self.finish(&mut gathered)?;
                            return Err(Failure::usage(format!("{}: line {number}, {error}", self.input)));
                        }
                    };
                    // a batch has one topic and partition, as a worker's
                    let topic = record.topic.as_deref().unwrap_or(&self.topic);
                    let partition = record.partition.unwrap_or(0);
                    if topic != gathered.topic || partition != gathered.partition {
                        let next = Gathered::new(topic, partition);
                        self.finish(&mut gathered)?;
                        gathered = next;
                    }
                    record.push_to(&mut gathered, offset);
                }
            }
            if gathered.len() >= RECORDS || gathered.size() >= BYTES {
                self.finish(&mut gathered)?;
            }
        }
    }

    /// Passes what was gathered, and writes what comes of it.
    fn finish(&mut self, gathered: &mut Gathered) -> Result<(), Failure> {
        if gathered.is_empty() {
            return Ok(());
        }
        let batch = gathered.batch();
        let applied = self.chain.apply(&batch, &mut || true).map_err(|error| Failure::Failed(anyhow!(error)))?;
        self.text.clear();
        write_rows(&mut self.text, self.format, &applied, &self.routes, self.seen);
        self.output.write_all(&self.text).context("cannot write the output")?;
        self.text.clear();
        for failure in &applied.failures {
            write_reject(&mut self.text, failure, self.seen + u64::from(failure.origin), &self.names[failure.stage]);
        }
        self.failed += applied.failures.len() as u64;
        self.rejects.write_all(&self.text).context("cannot write the rejects")?;
        self.seen += gathered.len() as u64;
        *gathered = Gathered::new(&gathered.topic, gathered.partition);
        Ok(())
    }
}

fn write_rows(out: &mut Vec<u8>, format: Format, applied: &Applied<'_>, routes: &Routes, seen: u64) {
    let rows = &applied.rows;
    let (keys, values) = (rows.keys.each(), rows.values.each());
    let names = rows.headers.names.each();
    let header_values = rows.headers.values.each();
    let headers: Vec<(Bytes<'_>, Bytes<'_>)> = names.iter().copied().zip(header_values.iter().copied()).collect();
    let mut header = 0;
    for row in 0..rows.len() {
        let count = if headers.is_empty() { 0 } else { rows.headers.counts[row] as usize };
        let route = applied.routes.get(row).copied().unwrap_or_default();
        let topic = (route != Route::DEFAULT).then(|| routes.names()[usize::from(route.0)].as_str());
        let row = Row {
            key: keys[row],
            value: values[row],
            headers: &headers[header..header + count],
            timestamp: rows.timestamps[row],
            origin: Some(seen + u64::from(applied.origins[row])),
            topic,
        };
        header += count;
        write_row(out, format, &row);
    }
}
