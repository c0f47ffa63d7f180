//! `edgemill resume`: asks the running program, at its admin port, to try again what partitions wait for.

use super::arguments::{ConfigFile, pipeline};
use super::{Done, Failure, admin};
use anyhow::Context;
use serde_json::Value;
use std::io::Write;

/// Lets partitions go on that wait in front of a record that failed, as `on = { … = "pause" }` says
///
/// The record is tried again: with another module, or because what was missing is there now. Where it fails again its
/// partition waits again. Without --partition all that this host holds goes on, and an open breaker tries a few records at
/// once. Every host of a group is asked by itself: the configuration's `[admin] listen` says where. Examples:
///
///   edgemill resume -c edgemill.toml
///   edgemill resume -c edgemill.toml flights --partition flights/3
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Only this partition
    #[arg(long, value_name = "TOPIC/N", value_parser = partition)]
    partition: Option<(String, i32)>,
}

fn partition(text: &str) -> Result<(String, i32), String> {
    let parts = text.rsplit_once('/').and_then(|(topic, number)| Some((topic, number.parse().ok()?)));
    match parts {
        Some((topic, number)) if !topic.is_empty() && number >= 0 => Ok((topic.to_owned(), number)),
        _ => Err("write TOPIC/N, as flights/3".to_owned()),
    }
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let pipeline = &pipeline(&config, arguments.pipeline.as_deref(), "")?.name;
    // topics have letters, digits, dots, dashes and underscores only: nothing to escape
    let query = arguments.partition.as_ref().map(|(topic, number)| format!("?topic={topic}&partition={number}"));
    let path = format!("/pipelines/{pipeline}/resume{}", query.unwrap_or_default());
    let answer = admin::post(admin::port(&config)?, &path, "")?;
    let answer: Value = serde_json::from_reader(answer).context("the program's answer")?;
    let mut out = std::io::stdout().lock();
    for one in answer["resumed"].as_array().into_iter().flatten() {
        match (one["topic"].as_str(), one["breaker"].as_str()) {
            (Some(topic), _) => {
                writeln!(out, "{topic}/{} is tried again from offset {}", one["partition"], one["offset"])?;
            }
            (None, Some(failed)) => writeln!(out, "the breaker tries a few records again; it had tripped on {failed}")?,
            (None, None) => {}
        }
    }
    Ok(Done::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_a_topic_and_a_number() {
        assert_eq!(partition("flights/3"), Ok(("flights".to_owned(), 3)));
        for wrong in ["flights", "flights/", "/3", "flights/-1", "flights/x"] {
            assert!(partition(wrong).unwrap_err().contains("TOPIC/N"), "{wrong}");
        }
    }
}
