//! `edgemill replay`: a range of a pipeline's input through its chain again.

use super::arguments::{ConfigFile, pipeline};
use super::places::{place, rate};
use super::{Done, Failure};
use crate::config::{Config, Delivery, Pipeline, Start};
use crate::kafka::offsets;
use crate::kafka::range::{Range, RangeSource, Ranges};
use crate::policy::Class;
use crate::service::once::{self, Output, Ran};
use crate::source::Source;
use crate::source::paced::Paced;
use anyhow::anyhow;
use std::fmt::Write as _;

/// Passes a range of a pipeline's input through its chain again, into its sink or to standard output
///
/// The pipeline may run meanwhile: its consumer group and the group's offsets are not touched. Records that fail go where
/// the pipeline sends them; with --stdout their reasons are lines on standard error. Examples:
///
///   edgemill replay -c edgemill.toml --from earliest --stdout
///   edgemill replay -c edgemill.toml flights --from 2024-05-01T00:00:00Z --to 2024-05-02T00:00:00Z --rate 1000/s
///   edgemill replay -c edgemill.toml flights --from 0=1200 1=900 --to 0=1300 1=1000
///
/// The exit code is 3 where records failed, and 1 where it was asked to end before the end; it then says how to go on.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Where to begin: earliest, a time as 2024-05-01T00:00:00Z, or PARTITION=OFFSET, as many as wanted. A partition that
    /// is not named is left out
    #[arg(long, value_name = "WHERE", required = true, num_args = 1..)]
    from: Vec<String>,

    /// Where to end, in front of the record there: latest, a time, or PARTITION=OFFSET. Latest is the end as it is now
    #[arg(long, value_name = "WHERE", num_args = 1.., default_value = "latest")]
    to: Vec<String>,

    /// Only this one of the pipeline's topics
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Writes what comes out to standard output, as JSON lines, instead of the sink
    #[arg(long)]
    stdout: bool,

    /// No more than so many records a second, as 100 or 100/s
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let (from, to) = (read(&config, &arguments.from)?, read(&config, &arguments.to)?);
    let pipeline = pipeline(&config, arguments.pipeline.as_deref(), "")?;
    let only = arguments.topic.as_deref();
    let ranges =
        offsets::ranges(&pipeline.source, only, &from, &to).map_err(|error| Failure::Failed(anyhow!(error)))?;
    if ranges.is_empty() {
        let which = only.map_or(String::new(), |topic| format!(" of topic {topic:?}"));
        return Err(Failure::usage(format!(
            "pipeline {} reads no partition{which} that both --from and --to name",
            pipeline.name
        )));
    }
    let ranges = Ranges::new(ranges);
    let output = if arguments.stdout { Output::Lines } else { Output::Sink };
    // there are no offsets for a transaction to hold
    let repeating = Pipeline { delivery: Delivery::AtLeastOnce, ..pipeline.clone() };
    let ran = once::run(&config, &repeating, output, &|identity, wake| {
        let source = Box::new(RangeSource::new(&pipeline.source, &ranges, identity, wake)?);
        Ok(match arguments.rate {
            Some(rate) => Box::new(Paced::new(source, rate)) as Box<dyn Source>,
            None => source,
        })
    });
    // standard output is for records
    eprint!("{}", told(ran.as_ref().ok(), &ranges.read()));
    done(&ran?)
}

/// What a run's end means to the shell.
pub(super) fn done(ran: &Ran) -> Result<Done, Failure> {
    match ran {
        Ran { unread: true, .. } => Err(Failure::Unread),
        Ran { complete: false, .. } => Err(Failure::Failed(anyhow!("asked to end before all was done"))),
        ran if ran.failures() > 0 => Ok(Done::WithRejects),
        _ => Ok(Done::Well),
    }
}

fn read(config: &Config, words: &[String]) -> Result<Start, Failure> {
    // places take as many words as there are
    if let Some(name) = words.iter().find(|word| config.pipelines.iter().any(|pipeline| pipeline.name == **word)) {
        return Err(Failure::usage(format!("write the pipeline first: `edgemill replay {name} --from …`")));
    }
    place(words).map_err(Failure::usage)
}

/// What was done, and how to go on where it was not all.
fn told(ran: Option<&Ran>, ranges: &[Range]) -> String {
    let mut text = ran.map_or(String::new(), counts);
    let complete = ran.is_some_and(|ran| ran.complete);
    // writing to a string cannot fail
    for Range { partition, from, to, reached } in ranges {
        let _ = match complete {
            true => writeln!(text, "  {partition}: {from} to {to}"),
            false => writeln!(text, "  {partition}: {from} to {reached} of {to}"),
        };
    }
    let open = || ranges.iter().filter(|range| range.reached < range.to);
    let mut topics: Vec<_> = open().map(|range| range.partition.topic.as_str()).collect();
    topics.dedup();
    for topic in topics.into_iter().filter(|_| !complete) {
        let of = || open().filter(|range| range.partition.topic == topic);
        let words = |word: &dyn Fn(&Range) -> i64| {
            of().map(|range| format!(" {}={}", range.partition.number, word(range))).collect::<String>()
        };
        let (from, to) = (words(&|range| range.reached), words(&|range| range.to));
        let _ = writeln!(text, "to go on: --topic {topic} --from{from} --to{to}");
    }
    text
}

/// How many records were read, came out and failed.
pub(super) fn counts(ran: &Ran) -> String {
    let classes = Class::ALL.iter().zip(ran.failed).filter(|(_, count)| *count > 0);
    let classes: Vec<_> = classes.map(|(class, count)| format!("{class} {count}")).collect();
    let classes = if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
    format!("{} records read, {} rows delivered, {} records failed{classes}\n", ran.records, ran.rows, ran.failures())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    #[test]
    fn the_end_says_what_was_done_and_an_early_end_how_to_go_on() {
        let range = |topic: &str, number, from, reached, to| Range {
            partition: Partition { topic: topic.to_owned(), number },
            from,
            to,
            reached,
        };
        let ranges = [range("a", 0, 5, 9, 9), range("a", 1, 0, 3, 7), range("b", 0, 1, 1, 2)];
        let failed = [2, 0, 1, 0, 0, 0, 0];
        let ran = Ran { records: 11, rows: 8, failed, complete: true, unread: false };
        assert_eq!(
            told(Some(&ran), &ranges),
            "11 records read, 8 rows delivered, 3 records failed (reject 2, timeout 1)\n  a/0: 5 to 9\n  a/1: 0 to 7\n  b/0: 1 to 2\n"
        );
        let early = told(Some(&Ran { complete: false, ..Ran::default() }), &ranges);
        assert_eq!(
            early,
            "0 records read, 0 rows delivered, 0 records failed\n  a/0: 5 to 9 of 9\n  a/1: 0 to 3 of 7\n  b/0: 1 to 1 of 2\n\
             to go on: --topic a --from 1=3 --to 1=7\nto go on: --topic b --from 0=1 --to 0=2\n"
        );
    }
}
