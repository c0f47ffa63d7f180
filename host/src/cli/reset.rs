//! `edgemill reset`: moves a pipeline's consumer group, once.

use super::arguments::{ConfigFile, pipeline};
use super::places::place;
use super::{Done, Failure};
use crate::kafka::offsets;
use crate::record::Partition;
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::io::Write;

/// Moves a pipeline's consumer group to other offsets, once. The pipeline must not run, here or elsewhere
///
/// The configuration's `start` is for partitions that the group has no committed offset for; this is for those that have
/// one. Examples:
///
///   edgemill reset -c edgemill.toml --to earliest
///   edgemill reset -c edgemill.toml --pipeline flights --to 2024-05-01T00:00:00Z
///   edgemill reset -c edgemill.toml --to 0=1200 1=0
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Where to: earliest, latest, a time as 2024-05-01T00:00:00Z, or PARTITION=OFFSET, as many as wanted
    #[arg(long, value_name = "WHERE", required = true, num_args = 1..)]
    to: Vec<String>,

    /// Shows where the group is, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let to = place(&arguments.to).map_err(Failure::usage)?;
    let (config, _) = arguments.config.load()?;
    let source = &pipeline(&config, arguments.pipeline.as_deref(), "--pipeline with ")?.source;
    let failed = |error: String| Failure::Failed(anyhow!(error));
    let before = offsets::read(source).map_err(failed)?;
    let set: BTreeMap<Partition, i64> = match arguments.dry_run {
        true => BTreeMap::new(),
        false => offsets::reset(source, &to).map_err(failed)?.into_iter().collect(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "group {}", source.group)?;
    for one in before {
        let was = one.committed.map_or("nothing committed".to_owned(), |offset| offset.to_string());
        let now = set.get(&one.partition).map_or(String::new(), |offset| format!(" -> {offset}"));
        writeln!(out, "  {}: {was}{now}   (has {} to {})", one.partition, one.oldest, one.end)?;
    }
    if arguments.dry_run {
        writeln!(out, "nothing was changed")?;
    }
    Ok(Done::Well)
}
