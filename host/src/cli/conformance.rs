//! `edgemill conformance`: whether an SDK, and through it a language, keeps the whole contract.

use super::arguments::{LimitArguments, engine};
use super::fixtures::case::{self, Case};
use super::fixtures::{Effort, examine};
use super::test::tell;
use super::{Done, Failure};
use crate::modules;
use anyhow::anyhow;
use std::path::PathBuf;

/// One case a line; `guest-sdk/conformance/README.md` says what the transform does.
const VECTORS: &str = include_str!("../../../guest-sdk/conformance/vectors.jsonl");

/// Runs the conformance suite against a module: the transform of guest-sdk/conformance in any language
///
/// Every vector is run as `edgemill test` runs cases. Exits with code 1 where one fails. For whoever writes an SDK:
/// guest-sdk/conformance/README.md says what the transform must do.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The module
    #[arg(value_name = "MODULE", required_unless_present = "vectors")]
    module: Option<PathBuf>,

    /// Writes the vectors, a JSON object a line, and runs nothing
    #[arg(long)]
    vectors: bool,

    /// Runs only vectors whose name has this part
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,

    #[command(flatten)]
    limits: LimitArguments,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let Some(path) = arguments.module.as_ref().filter(|_| !arguments.vectors) else {
        print!("{VECTORS}");
        return Ok(Done::Well);
    };
    let bytes =
        modules::read(path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let mut cases = case::lines(VECTORS, "vectors.jsonl")?;
    cases.retain(|case: &Case| case.name.contains(&arguments.only));
    if cases.is_empty() {
        return Err(Failure::usage(format!("no vector's name has {:?}", arguments.only)));
    }
    let effort = Effort { limits: arguments.limits.limits(), orders: 5, seed: 1, writes: false };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let verdicts = examine(&engine()?, &name, &bytes, &cases, effort)?;
    match tell(&cases, &verdicts, path)? {
        0 => Ok(Done::Well),
        failed => Err(Failure::Failed(anyhow!("{failed} of {} vectors fail", cases.len()))),
    }
}
