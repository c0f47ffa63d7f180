//! `edgemill dead-letters drop`: gives waiting dead letters up.

use super::super::arguments::ConfigFile;
use super::super::replay::done;
use super::super::{Done, Failure};
use super::redrive::{PUT_BACK, Way, rest, work};
use super::{Filters, failed};
use crate::redrive::Counts;

/// Gives waiting dead letters up: they are not tried again
///
/// They stay in the topic for as long as that keeps them, and `dead-letters list --all` counts them. Those that are not chosen are put
/// back to the end of the topic, and wait on. The pipeline may run meanwhile. `dead-letters list` with the same filters says
/// beforehand how many there are.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// All that wait, instead of those that the filters choose
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    filters: Filters,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let Arguments { config, pipeline, all, filters } = arguments;
    if *all != filters.is_empty() {
        return Err(Failure::usage("say which: filters such as `--code not-json`, or `--all` and no filter"));
    }
    let (config, _) = config.load()?;
    let Some((ran, counts)) = work(&config, pipeline.as_deref(), filters, None, Way::GiveUp)? else {
        return Ok(Done::Well);
    };
    if ran.complete && counts == Counts::default() {
        return Err(failed(
            "another redrive has worked on them meanwhile: look at `dead-letters list`, and start it again".to_owned(),
        ));
    }
    print!("{} dead letters given up\n{}", counts.chosen, rest(counts, PUT_BACK));
    done(&ran)
}
