//! `edgemill reset`: moves a pipeline's consumer group, once.

use super::arguments::ConfigFile;
use super::{Done, Failure};

/// Moves a pipeline's consumer group to other offsets, once. The pipeline must not run, here or elsewhere.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,
}

/// Runs it.
pub(super) fn run(_arguments: &Arguments) -> Result<Done, Failure> {
    Err(Failure::usage("reset is not here yet"))
}
