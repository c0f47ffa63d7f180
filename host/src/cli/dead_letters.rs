//! `edgemill dead-letters`: looks at a pipeline's dead letters, tries them again, and gives up those that nothing can be made of.

use super::arguments::pipeline;
use super::places::time;
use super::{Done, Failure};
use crate::config::{Config, KafkaSource, Pipeline};
use crate::dead_letter::filter::Filter;
use crate::kafka::offsets::{self, Progress};
use crate::kafka::range::Range;
use crate::policy::Class;
use anyhow::anyhow;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use std::ops::RangeInclusive;

mod drop;
mod list;
mod redrive;
mod show;

/// Looks at a pipeline's dead letters, tries them again, or gives them up
///
/// Those that have not been tried again since they failed are waiting: the consumer group `GROUP.redrive`, where GROUP is
/// the pipeline's, remembers how far that is. The usual way:
///
///   edgemill dead-letters list -c edgemill.toml                       what fails, where and why
///   edgemill dead-letters show -c edgemill.toml                       one of them, readable
///   (mend the module, and put it into its folder)
///   edgemill dead-letters redrive -c edgemill.toml --dry-run          what would come out
///   edgemill dead-letters redrive -c edgemill.toml                    into the pipeline's sink
///   edgemill dead-letters drop -c edgemill.toml --code not-json       those that nothing can be made of
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Redrive(redrive::Arguments),
    Drop(drop::Arguments),
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Redrive(arguments) => redrive::run(arguments),
        Command::Drop(arguments) => drop::run(arguments),
    }
}

/// Which dead letters are meant.
#[derive(clap::Args)]
#[command(next_help_heading = "Which dead letters; all, where nothing is said")]
struct Filters {
    /// Of this class; repeat it for more
    #[arg(long, value_name = "CLASS", value_parser = classes())]
    class: Vec<String>,

    /// That failed in this module; repeat it for more
    #[arg(long, value_name = "MODULE")]
    module: Vec<String>,

    /// With this code; repeat it for more
    #[arg(long, value_name = "CODE")]
    code: Vec<String>,

    /// That failed at this time or later, as 2024-05-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<i64>,

    /// That failed before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<i64>,

    /// Whose original came from this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Whose original came from this partition
    #[arg(long, value_name = "PARTITION")]
    partition: Option<i32>,

    /// Whose original had this offset, or one of a run of them as 100..200, both included
    #[arg(long, value_name = "OFFSET", value_parser = offsets_of)]
    offset: Option<RangeInclusive<i64>>,
}

impl Filters {
    /// Whether nothing is said.
    fn is_empty(&self) -> bool {
        let Self { class, module, code, from, to, topic, partition, offset } = self;
        let lists = [class, module, code].iter().all(|list| list.is_empty());
        lists && from.is_none() && to.is_none() && topic.is_none() && partition.is_none() && offset.is_none()
    }

    fn filter(&self) -> Filter {
        Filter {
            classes: self.class.clone(),
            modules: self.module.clone(),
            codes: self.code.clone(),
            from: self.from,
            to: self.to,
            topic: self.topic.clone(),
            partition: self.partition,
            offsets: self.offset.clone(),
        }
    }
}

fn classes() -> PossibleValuesParser {
    PossibleValuesParser::new(Class::ALL.map(Class::as_str))
}

fn offsets_of(text: &str) -> Result<RangeInclusive<i64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (first.parse::<i64>(), last.trim_start_matches('=').parse::<i64>()) {
        (Ok(first), Ok(last)) if first <= last && first >= 0 => Ok(first..=last),
        _ => Err(format!("{text:?} is no offset: write one as 100, or a run of them as 100..200")),
    }
}

/// A pipeline's dead-letter topic.
struct Letters<'c> {
    pipeline: &'c Pipeline,
    topic: String,
    source: KafkaSource,
    progress: Vec<Progress>,
}

impl<'c> Letters<'c> {
    /// Looks where the topic begins and ends, and what has been tried again.
    fn open(config: &'c Config, name: Option<&str>) -> Result<Self, Failure> {
        let pipeline = pipeline(config, name, "")?;
        let source = pipeline.dead_letters();
        let Some((source, letter)) = source.zip(pipeline.dead_letter.as_ref()) else {
            let name = &pipeline.name;
            return Err(Failure::usage(format!(
                "the pipeline {name} has no dead-letter topic: `[pipelines.{name}.dead-letter]` names one"
            )));
        };
        let progress = offsets::read(&source).map_err(failed)?;
        Ok(Self { pipeline, topic: letter.topic.clone(), source, progress })
    }

    /// All that the topic has.
    fn all(&self) -> Vec<Range> {
        let whole = |one: &Progress| Range::new(one.partition.clone(), one.oldest, one.end);
        self.progress.iter().map(whole).collect()
    }

    /// What has not been tried again.
    fn waiting(&self) -> Vec<Range> {
        let rest = |one: &Progress| Range::new(one.partition.clone(), self.waits_from(one), one.end);
        self.progress.iter().map(rest).collect()
    }

    fn waits_from(&self, one: &Progress) -> i64 {
        // what was committed may be gone by retention
        one.committed.unwrap_or(one.oldest).max(one.oldest)
    }

    /// Whether an offset of the topic has not been tried again.
    fn waits(&self, partition: i32, offset: i64) -> bool {
        let one = self.progress.iter().find(|one| one.partition.number == partition);
        one.is_some_and(|one| offset >= self.waits_from(one))
    }
}

fn failed(error: String) -> Failure {
    Failure::Failed(anyhow!(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_one_or_a_run() {
        assert_eq!(offsets_of("7"), Ok(7..=7));
        assert_eq!(offsets_of("7..9"), Ok(7..=9));
        for wrong in ["", "x", "9..7", "-1", "1..", "..2"] {
            assert!(offsets_of(wrong).is_err(), "{wrong}");
        }
    }
}
