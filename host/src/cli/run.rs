//! `edgemill run`: runs a configuration until it is asked to end.

use super::arguments::ConfigFile;
use super::{Done, Failure, print_report, start_logs};
use crate::config::{LogFormat, Report};
use crate::service;

/// Runs the pipelines of a configuration until SIGTERM or SIGINT
///
/// A signal drains: nothing more is read, what was read is delivered, offsets are committed, the groups are left; a second
/// signal ends at once. Modules that change in their folder are taken over between two batches, without a pause.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments, format: Option<LogFormat>) -> Result<Done, Failure> {
    let (config, warnings) = arguments.config.load()?;
    let format = format.unwrap_or(config.log);
    start_logs(format, "info");
    warn(&warnings, format);
    service::run(config)?;
    Ok(Done::Well)
}

fn warn(warnings: &Report, format: LogFormat) {
    match format {
        LogFormat::Text if warnings.is_empty() => {}
        LogFormat::Text => print_report(warnings),
        LogFormat::Json => {
            for problem in warnings.problems() {
                let line = warnings.place(problem).map(|(line, _)| line);
                tracing::warn!(key = problem.path, line, help = problem.help.join("; "), "{}", problem.message);
            }
        }
    }
}
