//! `edgemill explain`: one record's way through a pipeline, step by step.

use super::arguments::{ConfigFile, engine, pipeline, plan_of};
use super::fixtures::logs;
use super::rows::{describe, describe_row, each_row, outcome};
use super::{Done, Failure};
use crate::batch::Batch;
use crate::chain::apply::Chain;
use crate::config::{Config, KafkaSource, Pipeline, Stage, Start, Topics};
use crate::harmless::one_line;
use crate::kafka::offsets;
use crate::kafka::range::{self, Range};
use crate::modules;
use crate::policy::Action;
use crate::record::Partition;
use crate::records::{Gathered, Row};
use crate::route::Routes;
use crate::service::{Requests, grant_registry, routes};
use crate::wasm::Engine;
use anyhow::anyhow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

/// Shows what a pipeline makes of one record: what each module gets, gives, logs and refuses, and where it ends
///
/// The record is read from Kafka, and nothing is written or committed, so a running pipeline does not notice. Each module runs in a
/// fresh instance with the pipeline's configuration and limits: what a module remembers of earlier records is not there.
/// Example:
///
///   edgemill explain -c edgemill.toml flights/0/1234
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The record, as TOPIC/PARTITION/OFFSET
    #[arg(value_name = "TOPIC/PARTITION/OFFSET", value_parser = place)]
    place: Place,

    /// The pipeline; may be left out where the configuration has one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    partition: Partition,
    offset: i64,
}

fn place(text: &str) -> Result<Place, String> {
    let help = || format!("{text:?} is no place of a record: write TOPIC/PARTITION/OFFSET, such as flights/0/1234");
    let mut parts = text.rsplitn(3, '/');
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<i64>().ok()).filter(|number| *number >= 0);
    let (offset, partition, topic) = (number(parts.next()), number(parts.next()), parts.next());
    match (topic, partition.and_then(|partition| i32::try_from(partition).ok()), offset) {
        (Some(topic), Some(number), Some(offset)) if !topic.is_empty() => {
            Ok(Place { partition: Partition { topic: topic.to_owned(), number }, offset })
        }
        _ => Err(help()),
    }
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let pipeline = pipeline(&config, arguments.pipeline.as_deref(), "--pipeline ")?;
    let record = fetch(&pipeline.source, &arguments.place)?;
    let mut text = String::new();
    // writing to a string cannot fail
    let Place { partition, offset } = &arguments.place;
    let _ = writeln!(text, "record {}/{}/{offset}", one_line(&partition.topic), partition.number);
    describe(&record.batch(), None, &mut text);
    let failed = follow(&config, pipeline, record, &mut text)?;
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if failed { Done::WithRejects } else { Done::Well })
}

/// Reads the record.
fn fetch(source: &KafkaSource, place: &Place) -> Result<Gathered, Failure> {
    let Place { partition, offset } = place;
    // nothing else of the pipeline's topics is of interest
    let source = KafkaSource { topics: Topics::List(vec![partition.topic.clone()]), ..source.clone() };
    let failed = |error| Failure::Failed(anyhow!("{error}"));
    let whole = offsets::ranges(&source, None, &Start::Earliest, &Start::Latest).map_err(failed)?;
    let (topic, number) = (one_line(&partition.topic), partition.number);
    let Some(range) = whole.iter().find(|range| range.partition == *partition) else {
        return Err(Failure::Failed(anyhow!("topic {topic} has no partition {number}")));
    };
    if !(range.from..range.to).contains(offset) {
        let (from, to) = (range.from, range.to);
        return Err(Failure::Failed(anyhow!(
            "{topic}/{number} has no record at offset {offset}: it has those from {from} to below {to}"
        )));
    }
    let mut found = None;
    range::read(&source, vec![Range::new(partition.clone(), *offset, offset + 1)], |batch| {
        if found.is_none() && batch.offsets.first() == Some(offset) {
            found = Some(copy(batch, 0));
        }
    })
    .map_err(failed)?;
    let none = "the record was compacted away, or is one that Kafka keeps to itself";
    found.ok_or_else(|| Failure::Failed(anyhow!("{topic}/{number} has no record at offset {offset}: {none}")))
}

/// A record of a batch by itself.
fn copy(batch: &Batch<'_>, index: usize) -> Gathered {
    let mut one = Gathered::new(batch.topic, batch.partition);
    let (keys, values) = (batch.keys.each(), batch.values.each());
    one.push(batch.offsets[index], batch.timestamps[index], keys[index], values[index]);
    if !batch.headers.is_empty() {
        let before: u32 = batch.headers.counts[..index].iter().sum();
        let (names, values) = (batch.headers.names.each(), batch.headers.values.each());
        for at in before as usize..(before + batch.headers.counts[index]) as usize {
            one.push_header(names[at].unwrap_or_default(), values[at]);
        }
    }
    one
}

/// Passes the record through the chain, a module at a time; whether it failed.
fn follow(config: &Config, pipeline: &Pipeline, record: Gathered, text: &mut String) -> Result<bool, Failure> {
    let engine = engine()?;
    let requests = Requests::default();
    grant_registry(&engine, config, &requests)?;
    let routes = Arc::new(routes(pipeline));
    let mut rows = vec![(record, None::<String>)];
    let mut failed = false;
    for stage in &pipeline.chain {
        let mut chain = start(config, &engine, stage, &routes)?;
        let mut next = Vec::new();
        for (row, topic) in rows {
            let batch = row.batch();
            let (applied, log) = logs::listen(|| chain.apply(&batch, &mut || true));
            let applied = applied.map_err(|error| Failure::Failed(anyhow!(error)))?;
            let _ =
                writeln!(text, "\nmodule {}: {}", stage.module, outcome(applied.rows.len(), applied.failures.len()));
            for line in &log {
                let _ = writeln!(text, "  logs      {}", one_line(line));
            }
            for failure in &applied.failures {
                failed = true;
                let _ = writeln!(
                    text,
                    "  fails     {} ({}): {}",
                    failure.class,
                    one_line(&failure.code),
                    one_line(&failure.message)
                );
                for line in failure.backtrace.iter().flat_map(|backtrace| backtrace.lines()) {
                    let _ = writeln!(text, "            {}", one_line(line));
                }
                let rule = stage.policy.rule(failure.class);
                let retried = if rule.retry.is_some() { "is tried again, and then " } else { "" };
                let letters = pipeline.dead_letter.as_ref().map(|letters| letters.topic.as_str());
                let end = match (rule.then, letters) {
                    (Action::DeadLetter, Some(topic)) => format!(": it goes to {}", one_line(topic)),
                    (Action::PassThrough, _) => ": it goes to the sink as it was read".to_owned(),
                    _ => String::new(),
                };
                let _ = writeln!(text, "  then      it {retried}meets `{}`{end}", rule.then.as_str());
            }
            each_row(&applied, &routes, |_, row| {
                describe_row(row, text);
                let to = row.topic.map(str::to_owned).or_else(|| topic.clone());
                next.push((gathered(&batch, row), to));
            });
        }
        rows = next;
    }
    if failed {
        let _ = writeln!(text, "\nsink: nothing of what modules made of it, since it failed");
        return Ok(failed);
    }
    let _ = writeln!(text, "\nsink: {}", outcome(rows.len(), 0));
    for (_, topic) in &rows {
        let default = routes.names().first().map_or("", String::as_str);
        let _ = writeln!(text, "  to        {}", one_line(topic.as_deref().unwrap_or(default)));
    }
    Ok(failed)
}

/// An output as the next module's input.
fn gathered(batch: &Batch<'_>, row: &Row<'_>) -> Gathered {
    let mut one = Gathered::new(batch.topic, batch.partition);
    one.push(batch.offsets[0], row.timestamp, row.key, row.value);
    row.headers.iter().for_each(|(name, value)| one.push_header(name.unwrap_or_default(), *value));
    one
}

fn start(config: &Config, engine: &Engine, stage: &Stage, routes: &Arc<Routes>) -> Result<Chain, Failure> {
    let path = config.modules.join(&stage.module);
    let refused = |error| Failure::usage(format!("the module {} does not load: {error}", path.display()));
    let bytes =
        modules::read(&path).map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let module = engine.load_stage(stage, &bytes).map_err(refused)?;
    Chain::start(plan_of(module, stage.policy), routes.clone()).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_topic_a_partition_and_an_offset() {
        let partition = Partition { topic: "a/b".to_owned(), number: 3 };
        assert_eq!(place("a/b/3/7"), Ok(Place { partition, offset: 7 }));
        for wrong in ["a/3", "a/x/1", "a/1/-1", "/1/2", "", "a/4294967296/1"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }
}
