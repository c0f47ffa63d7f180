//! `edgemill tap`: records on their way through a running pipeline, before and after each module.

use super::arguments::{ConfigFile, pipeline};
use super::rows::{describe, outcome};
use super::{Done, Failure, admin};
use crate::config::Topics;
use crate::harmless::one_line;
use crate::records::{Gathered, Line};
use crate::worker::tap::Wish;
use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;
use std::io::{BufRead, ErrorKind, Write as _};
use std::time::Duration;

/// How long nothing comes before it is said so.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows records on their way through a running pipeline, live: before and after each module
///
/// The running program copies some records, at most --per-second, without waiting for this command; the pipeline's order, speed and
/// output stay as they are. It goes through the admin port, which shows records to its own machine only. Ends with ctrl-c, or with code 1
/// when the program ends. A pipeline whose breaker is open, or whose partitions are paused, shows nothing: see `/readyz`. Examples:
///
///   edgemill tap -c edgemill.toml
///   edgemill tap -c edgemill.toml --pipeline flights --contains '"LH' --count 3
///   edgemill tap -c edgemill.toml --failed --json
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Only records of this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,

    /// Only records of this partition
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,

    /// Only records with this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Only records with this text in their value
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,

    /// Only records that fail
    #[arg(long)]
    failed: bool,

    /// Only what comes of this module; without it, all
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,

    /// Records to show a second at the most, spread over those that come
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_second: u32,

    /// Ends after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// A JSON object a record, as the program says it
    #[arg(long)]
    json: bool,
}

/// What the program says of a record.
#[derive(Deserialize)]
struct Shown<'a> {
    from: Place,
    #[serde(borrow)]
    record: &'a RawValue,
    modules: Vec<Step<'a>>,
    failed: Option<Fail>,
    missed: Option<u64>,
}

#[derive(Deserialize)]
struct Place {
    topic: String,
    partition: i32,
    offset: i64,
}

#[derive(Deserialize)]
struct Step<'a> {
    module: String,
    #[serde(borrow)]
    outputs: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Fail {
    module: Option<String>,
    /// The module's place in the chain.
    stage: usize,
    class: String,
    code: String,
    message: String,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let pipeline = pipeline(&config, arguments.pipeline.as_deref(), "--pipeline ")?;
    let known = || pipeline.chain.iter().map(|stage| stage.module.as_str());
    if let Some(module) = arguments.module.as_deref().filter(|module| known().all(|known| known != *module)) {
        let known = known().collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("no module {module:?} in the pipeline's chain; it has {known}")));
    }
    if let (Some(topic), Topics::List(read)) = (&arguments.topic, &pipeline.source.topics)
        && !read.contains(topic)
    {
        return Err(Failure::usage(format!("the pipeline does not read {topic:?}, but {}", read.join(", "))));
    }
    let Arguments { topic, partition, key, contains, failed, per_second, .. } = arguments;
    let wish = Wish {
        topic: topic.clone(),
        partition: *partition,
        key: key.clone(),
        contains: contains.clone(),
        failed: *failed,
        per_second: *per_second,
    };
    let path = format!("/pipelines/{}/tap", pipeline.name);
    let wish = serde_json::to_string(&wish).map_err(|error| Failure::Failed(anyhow!(error)))?;
    let mut answer = admin::post(admin::port(&config)?, &path, &wish)?;
    wait_for_the_first(&mut answer, &pipeline.name)?;
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let (mut out, mut line) = (std::io::stdout().lock(), String::new());
    while left > 0 {
        line.clear();
        match answer.read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => break,
            Err(error) => return Err(error.into()),
        }
        match arguments.json {
            true => out.write_all(line.as_bytes())?,
            false => out.write_all(text(&line, arguments.module.as_deref())?.as_bytes())?,
        }
        out.flush()?;
        left -= 1;
    }
    match (left, arguments.count) {
        (0, _) => Ok(Done::Well),
        (_, None) => Err(Failure::Failed(anyhow!("the program ended"))),
        (left, Some(_)) => Err(Failure::Failed(anyhow!("the program ended; {left} records were still to come"))),
    }
}

/// A quiet topic is no failure, but after a while somebody may wonder.
fn wait_for_the_first(answer: &mut admin::Answer, pipeline: &str) -> Result<(), Failure> {
    answer.get_ref().set_read_timeout(Some(PATIENCE))?;
    let waited = answer.fill_buf().map(|_| ());
    if waited.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
        eprintln!(
            "no such record has passed {pipeline} for {PATIENCE:?}; /readyz says whether it is held up; waiting on"
        );
    }
    Ok(answer.get_ref().set_read_timeout(None)?)
}

/// A record's way, for people.
fn text(line: &str, only: Option<&str>) -> Result<String, Failure> {
    let shown: Shown<'_> = serde_json::from_str(line)
        .with_context(|| "the program's answer is not what this version of edgemill expects")
        .map_err(Failure::Failed)?;
    let Place { topic, partition, offset } = &shown.from;
    let mut text = String::new();
    // writing to a string cannot fail
    if let Some(missed) = shown.missed {
        let _ = writeln!(text, "({missed} more came faster than they could be shown)\n");
    }
    let _ = writeln!(text, "record {}/{partition}/{offset}", one_line(topic));
    if only.is_none() {
        describe_json(shown.record, &mut text)?;
    }
    let is_shown = |module: &str| only.is_none_or(|only| only == module);
    for (stage, step) in shown.modules.iter().enumerate().filter(|(_, step)| is_shown(&step.module)) {
        let fails = shown.failed.iter().filter(|fail| fail.stage == stage).count();
        let outcome = outcome(step.outputs.len(), fails);
        let _ = writeln!(text, "\nmodule {}: {outcome}", one_line(&step.module));
        for output in &step.outputs {
            describe_json(output, &mut text)?;
        }
    }
    if let Some(Fail { module, class, code, message, .. }) = &shown.failed {
        let place =
            module.as_deref().filter(|module| !is_shown(module)).map(|module| format!(" in {}", one_line(module)));
        let (place, code) = (place.unwrap_or_default(), one_line(code));
        let _ = writeln!(text, "  fails    {place} {class} ({code}): {}", one_line(message));
    }
    text.push('\n');
    Ok(text)
}

fn describe_json(record: &RawValue, text: &mut String) -> Result<(), Failure> {
    let line = Line::parse(record.get().as_bytes()).map_err(|error| Failure::Failed(anyhow!("{error}")))?;
    let mut gathered = Gathered::new("", 0);
    line.push_to(&mut gathered, 0);
    describe(&gathered.batch(), line.topic.as_deref(), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_fails_is_shown_up_to_the_module_in_which_it_does() {
        let line = r#"{"from":{"topic":"t","partition":1,"offset":7},"record":{"key":null,"value":"a\u001b","headers":[["h","1"]],
            "timestamp":0},"modules":[{"module":"a.wasm","outputs":[{"key":"k","value":"b","headers":[],"timestamp":null,"topic":"r"}]},
            {"module":"b.wasm","outputs":[]}],"failed":{"module":"b.wasm","stage":1,"class":"trap","code":"trap","message":"no"},"missed":2}"#;
        let Ok(all) = text(line, None) else { panic!("it is what the program says") };
        insta::assert_snapshot!(all, @r"
        (2 more came faster than they could be shown)

        record t/1/7
          key       null
          time      1970-01-01T00:00:00.000Z
          header    h: 1
          value     a\u001b

        module a.wasm: 1 output
          key       k
          time      no time
          route     r
          value     b

        module b.wasm: the record fails
          fails     trap (trap): no
        ");
        let Ok(one) = text(line, Some("b.wasm")) else { panic!("it is what the program says") };
        assert!(one.contains("module b.wasm: the record fails") && !one.contains("a.wasm"), "{one}");
        // a chain may have a module twice
        let Ok(twice) = text(&line.replace("a.wasm", "b.wasm"), None) else { panic!("it is what the program says") };
        assert!(twice.contains("module b.wasm: 1 output\n") && twice.contains("b.wasm: the record fails"), "{twice}");
    }
}
