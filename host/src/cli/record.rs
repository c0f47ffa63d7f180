//! `edgemill record`: a fixture made of records that a pipeline really gets.

use super::arguments::{ConfigFile, pipeline};
use super::fixtures::case::{self, Case, plain};
use super::{Done, Failure};
use crate::batch::{Batch, Bytes};
use crate::config::{Pipeline, Start};
use crate::kafka::offsets;
use crate::kafka::range::{self, Range};
use crate::records::Row;
use anyhow::{Context, anyhow};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes a fixture for `edgemill test` of the newest records that a pipeline's topics have
///
/// Nothing is committed, and a running pipeline does not notice. The fixture has the configuration of the pipeline's first
/// module, and no outputs: `edgemill test --update` writes what the module makes of the records. Example:
///
///   edgemill record -c edgemill.toml --count 20 --redact email --out fixtures/live.json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// How many records, of all partitions together
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    count: u16,

    /// A field of JSON values, at any depth, whose content must not be written: text becomes `redacted`, numbers 0; repeat it for more.
    /// Where it is given, keys, headers and values that are no JSON are redacted as a whole
    #[arg(long, value_name = "FIELD")]
    redact: Vec<String>,

    /// Where it is written, as .json; without it, to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What stands where something was.
const REDACTED: &str = "redacted";

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let pipeline = pipeline(&config, arguments.pipeline.as_deref(), "--pipeline ")?;
    if let Some(path) = arguments.out.as_ref().filter(|path| path.exists()) {
        return Err(Failure::usage(format!("{} is there already: write to another file", path.display())));
    }
    let input = newest(pipeline, usize::from(arguments.count), &arguments.redact)?;
    if input.is_empty() {
        return Err(Failure::Failed(anyhow!("the topics of pipeline {} have no records", pipeline.name)));
    }
    let count = input.len();
    let config = pipeline.chain.first().map_or(Value::Null, |stage| stage.config.clone());
    let fixture = case::write(&Case { config, input, ..Case::default() }, Path::new("fixture.json"))?;
    match &arguments.out {
        None => std::io::stdout().lock().write_all(fixture.as_bytes())?,
        Some(path) => {
            std::fs::write(path, fixture).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {count} records to {}: `edgemill test --update` writes what comes of them", path.display());
        }
    }
    Ok(Done::Well)
}

/// The newest records, by time, as lines of JSON.
fn newest(pipeline: &Pipeline, count: usize, redact: &[String]) -> Result<Vec<Value>, Failure> {
    let failed = |error: String| Failure::Failed(anyhow!(error));
    let whole = offsets::ranges(&pipeline.source, None, &Start::Earliest, &Start::Latest).map_err(failed)?;
    let last = |range: Range| Range::new(range.partition, range.from.max(range.to - count as i64), range.to);
    let ranges: Vec<Range> = whole.into_iter().map(last).filter(|range| !range.is_empty()).collect();
    let mut records: Vec<(i64, Value)> = Vec::new();
    if !ranges.is_empty() {
        range::read(&pipeline.source, ranges, |batch| take(batch, redact, &mut records)).map_err(failed)?;
    }
    records.sort_by_key(|(time, _)| *time);
    Ok(records.split_off(records.len().saturating_sub(count)).into_iter().map(|(_, record)| record).collect())
}

fn take(batch: &Batch<'_>, redact: &[String], records: &mut Vec<(i64, Value)>) {
    let (keys, values) = (batch.keys.each(), batch.values.each());
    let (names, header_values) = (batch.headers.names.each(), batch.headers.values.each());
    let mut header = 0;
    for index in 0..batch.len() {
        let count = if batch.headers.is_empty() { 0 } else { batch.headers.counts[index] as usize };
        let headers: Vec<(Bytes<'_>, Bytes<'_>)> = (header..header + count)
            .map(|at| (names[at], if redact.is_empty() { header_values[at] } else { Some(REDACTED.as_bytes()) }))
            .collect();
        header += count;
        let value = values[index].map(|value| redacted(value, redact));
        let key = keys[index].map(|key| if redact.is_empty() { key } else { REDACTED.as_bytes() });
        let timestamp = batch.timestamps[index];
        let row =
            Row { key, value: value.as_deref(), headers: &headers, timestamp, origin: None, from: None, topic: None };
        let mut record = plain(serde_json::to_value(&row).expect("text and numbers are JSON"));
        record["topic"] = batch.topic.into();
        record["partition"] = batch.partition.into();
        record["offset"] = batch.offsets[index].into();
        records.push((timestamp, record));
    }
}

/// A value without what must not be written.
fn redacted(value: &[u8], fields: &[String]) -> Vec<u8> {
    if fields.is_empty() {
        return value.to_vec();
    }
    match serde_json::from_slice::<Value>(value) {
        Ok(mut json @ (Value::Object(_) | Value::Array(_))) => {
            hide(&mut json, fields, false);
            json.to_string().into_bytes()
        }
        _ => REDACTED.as_bytes().to_vec(),
    }
}

fn hide(json: &mut Value, fields: &[String], hidden: bool) {
    match json {
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, value)| hide(value, fields, hidden || fields.contains(name)));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, fields, hidden)),
        Value::String(text) if hidden => REDACTED.clone_into(text),
        Value::Number(_) if hidden => *json = 0.into(),
        Value::Bool(_) if hidden => *json = false.into(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn what_must_not_be_written_is_not() {
        let fields = ["mail".to_owned(), "who".to_owned()];
        let text = |value: &str| String::from_utf8(redacted(value.as_bytes(), &fields)).unwrap();
        assert_eq!(text(r#"{"a":1,"mail":"x@y"}"#), r#"{"a":1,"mail":"redacted"}"#);
        assert_eq!(
            text(r#"[{"who":{"name":"Ann","age":7,"ok":true,"no":null}}]"#),
            r#"[{"who":{"age":0,"name":"redacted","no":null,"ok":false}}]"#
        );
        assert_eq!((text("x@y"), text("\"x@y\"")), ("redacted".to_owned(), "redacted".to_owned()));
        assert_eq!(redacted(b"x@y", &[]), b"x@y");
    }
}
