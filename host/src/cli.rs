//! The command line: what may be written, and what a command's end means to the shell. The commands are below.

use crate::config::{LogFormat, Report};
use crate::harmless::one_line;
use crate::service::RunError;
use anyhow::anyhow;
use clap::{Parser, Subcommand, ValueEnum};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

mod admin;
mod apply;
mod arguments;
mod bench_module;
mod check;
mod conformance;
mod dead_letters;
pub mod demo;
mod explain;
mod fixtures;
mod generate;
mod inspect;
mod new;
mod places;
mod pretty;
mod record;
mod replay;
mod reset;
mod resume;
mod rows;
mod run;
mod tap;
mod test;

const AFTER: &str = "\
Exit codes: 0 done, 1 failed at run time, 2 bad usage or configuration, 3 records failed (apply, replay,
dead-letters redrive).

Logs go to standard error. EDGEMILL_LOG chooses them: `debug`, or `info,edgemill::kafka=debug`.

A first look, after `make modules`:       edgemill demo
A transform to begin with:                edgemill new shout --lang rust
A module tried on one record:             echo '{\"a\":1}' | edgemill apply module.wasm
A configuration, before it runs:          edgemill check -c edgemill.toml";

/// Consumes Kafka messages, passes each through WebAssembly transform modules, and delivers the results.
#[derive(Parser)]
#[command(name = "edgemill", version, after_help = AFTER, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Writes logs as text or as JSON lines; without it, as the configuration says
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<LogFormatArgument>,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    New(new::Arguments),
    Apply(apply::Arguments),
    Test(test::Arguments),
    Record(record::Arguments),
    BenchModule(bench_module::Arguments),
    Conformance(conformance::Arguments),
    Explain(explain::Arguments),
    Tap(tap::Arguments),
    Inspect(inspect::Arguments),
    Generate(generate::Arguments),
    Reset(reset::Arguments),
    Resume(resume::Arguments),
    Replay(replay::Arguments),
    DeadLetters(dead_letters::Arguments),
    Demo(DemoArguments),
}

/// Shows everything on an embedded broker: two pipelines, a module swapped while records flow, and a count of them
///
/// Needs no Kafka and no configuration: generated flights and page views go through the modules that ship. The verdict
/// counts what came out: delivered, lost, duplicated.
#[derive(clap::Args)]
struct DemoArguments {
    /// The folder of the modules that ship, as `make modules` builds them
    #[arg(long, value_name = "FOLDER", default_value = "target/modules")]
    modules: PathBuf,

    /// How long records flow
    #[arg(long, value_name = "SECONDS", default_value_t = 12)]
    seconds: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormatArgument {
    /// Lines for people
    Text,
    /// A JSON object a line
    Json,
}

impl From<LogFormatArgument> for LogFormat {
    fn from(format: LogFormatArgument) -> Self {
        match format {
            LogFormatArgument::Text => LogFormat::Text,
            LogFormatArgument::Json => LogFormat::Json,
        }
    }
}

/// Why a command did not do what was asked.
enum Failure {
    /// It was asked wrongly, or the configuration or a module is of no use: exit code 2.
    Usage(anyhow::Error),
    /// The same, with places in the configuration.
    Configuration(Report),
    /// Something failed on the way: exit code 1.
    Failed(anyhow::Error),
    /// Whoever read standard output wants no more.
    Unread,
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let pipe = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
        match error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(pipe) {
            true => Failure::Unread,
            false => Failure::Failed(error),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl Failure {
    /// A wrong usage, in words.
    fn usage(message: impl Into<String>) -> Self {
        Failure::Usage(anyhow!(message.into()))
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Configuration(message) => Failure::Usage(anyhow!(message)),
            RunError::Failed(message) => Failure::Failed(anyhow!(message)),
        }
    }
}

/// How a command ended that did what was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Well,
    /// Records were rejected, or failed: exit code 3.
    WithRejects,
}

/// Reads the command line, and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // help and versions come this way too, and go to standard output with code 0
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let format = cli.log_format.map(LogFormat::from);
    if !matches!(cli.command, Command::Run(_)) {
        start_logs(format.unwrap_or(LogFormat::Text), "warn");
    }
    let ended = match cli.command {
        Command::Run(arguments) => run::run(&arguments, format),
        Command::Check(arguments) => check::run(&arguments),
        Command::New(arguments) => new::run(&arguments),
        Command::Apply(arguments) => apply::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Record(arguments) => record::run(&arguments),
        Command::BenchModule(arguments) => bench_module::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Tap(arguments) => tap::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Reset(arguments) => reset::run(&arguments),
        Command::Resume(arguments) => resume::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::DeadLetters(arguments) => dead_letters::run(&arguments),
        Command::Demo(DemoArguments { modules, seconds }) => {
            demo::run(&demo::Options { modules, seconds }).map(|()| Done::Well).map_err(Failure::from)
        }
    };
    match ended {
        Ok(Done::Well) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Ok(Done::WithRejects) => ExitCode::from(3),
        Err(Failure::Failed(error)) => {
            eprintln!("{}", last_line(&error));
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            eprintln!("{}", last_line(&error));
            ExitCode::from(2)
        }
        Err(Failure::Configuration(report)) => {
            print_report(&report);
            ExitCode::from(2)
        }
    }
}

/// What a command that failed says last. Errors have words of servers, brokers and modules in them.
fn last_line(error: &anyhow::Error) -> String {
    format!("error: {}", one_line(&format!("{error:#}")))
}

/// Writes a report to standard error, in colours where a person reads it.
fn print_report(report: &Report) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    eprint!("{}", report.render(colours));
}

/// Starts the logs: to standard error, as `EDGEMILL_LOG` says, else `level` and more.
fn start_logs(format: LogFormat, level: &str) {
    let (filter, wrong) = match std::env::var("EDGEMILL_LOG") {
        Ok(directives) => match EnvFilter::try_new(&directives) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(level), Some(error)),
        },
        Err(_) => (EnvFilter::new(level), None),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // a second start in one process, as in tests, keeps the first
    let _ = match format {
        LogFormat::Text => logs.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    if let Some(error) = wrong {
        tracing::warn!(%error, "EDGEMILL_LOG is not understood: write for example `info,edgemill::kafka=debug`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_last_line_is_one_whatever_a_server_said() {
        let error = anyhow!("u: \u{1b}[31mno\nerror: yes").context("the sink");
        assert_eq!(last_line(&error), "error: the sink: u: \u{fffd}[31mno error: yes");
    }

    #[test]
    fn every_command_and_argument_says_what_it_is_for() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }
}
