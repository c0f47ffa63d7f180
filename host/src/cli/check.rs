//! `edgemill check`: everything that can be known of a configuration without connecting, and what connections tell without data.

use super::arguments::ConfigFile;
use super::{Done, Failure, print_report};
use crate::breaker::Limit;
use crate::config::{Config, Delivery, Pipeline, Report, Sink, Start, Topics, duration_text, size_text};
use crate::harmless::one_line;
use crate::modules::check_parallel;
use crate::policy::{Class, Policy, Rule};
use crate::registry::{Registered, Registry, RegistryError, Schema};
use crate::service::{Requests, grant_registry};
use crate::wasm::Engine;
use anyhow::anyhow;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

mod connections;

/// Checks a configuration, and its modules where it has no error: all problems at once, with line and remedy; connects to nothing by itself
///
/// Every module is compiled, given its configuration and started, as `run` would do it. Prints what would run, or exits
/// with code 2. With --connect the connections are tried as well, without data: each line is good, or bad with the remedy, and
/// the exit code is 1 where one is bad.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// Tries every connection too: brokers, topics, groups' rights, logins, servers; nothing is read, written or joined
    #[arg(long)]
    connect: bool,

    /// How long each connection may take
    #[arg(long, value_name = "SECONDS", default_value_t = 10, requires = "connect",
          value_parser = clap::value_parser!(u64).range(1..=600))]
    within: u64,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, report) = arguments.config.load()?;
    let (report, chains) = load_modules(&config, report.absent_as_errors(), arguments.connect)?;
    if report.has_errors() {
        return Err(Failure::Configuration(report));
    }
    if !report.is_empty() {
        print_report(&report);
    }
    let mut text = String::new();
    describe(&config, &chains, &mut text);
    let connected = if arguments.connect { "" } else { "; nothing was connected to" };
    let _ = writeln!(text, "the configuration is good{connected}");
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    match arguments.connect {
        true => connections::run(&config, Duration::from_secs(arguments.within), &mut out),
        false => Ok(Done::Well),
    }
}

/// Loads every module, and gives a line of text for each, by pipeline.
fn load_modules(config: &Config, mut report: Report, ask: bool) -> Result<(Report, Vec<Vec<String>>), Failure> {
    // no folder of compiled modules: the one who checks may be another user than the one who runs
    let engine = Engine::new(None).map_err(|error| Failure::Failed(anyhow!(error)))?;
    let requests = Requests::default();
    match &config.registry {
        Some(_) if ask => grant_registry(&engine, config, &requests)?,
        Some(_) => engine.grant(Arc::new(NotAsked)),
        None => {}
    }
    let mut chains = Vec::new();
    for pipeline in &config.pipelines {
        let mut chain = Vec::new();
        for (position, stage) in pipeline.chain.iter().enumerate() {
            let path = config.modules.join(&stage.module);
            let key = format!("pipelines.{}.chain[{position}]", pipeline.name);
            let bytes = match crate::modules::read(&path) {
                Ok(bytes) => bytes,
                // that it is not there was told already
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    report.add(&format!("{key}.module"), format!("cannot read {}: {error}", path.display()));
                    continue;
                }
            };
            let loaded = engine.load_stage(stage, &bytes);
            match loaded.and_then(|module| check_parallel(&*module, pipeline.parallel).map(|()| module)) {
                Ok(module) => {
                    let hash = module.hash();
                    let time = stage.limits.time.map_or("no limit of time".to_owned(), |time| {
                        format!("{} a record at the most", duration_text(time))
                    });
                    let look_back = stage.look_back.map_or(String::new(), |look_back| {
                        let age = look_back.age.map(|age| format!(" of {}", duration_text(age))).unwrap_or_default();
                        format!(", looks back on {} records{age}", look_back.last)
                    });
                    chain.push(format!(
                        "{} ({}, {}, {time}{look_back})",
                        stage.module,
                        hash.get(..12).unwrap_or(hash),
                        size_text(stage.limits.memory)
                    ));
                }
                Err(error) => {
                    let place = match error.step {
                        "configure" => format!("{key}.config"),
                        "look-back" => format!("{key}.look_back"),
                        "parallel" => format!("pipelines.{}.parallel", pipeline.name),
                        _ => format!("{key}.module"),
                    };
                    report.add(&place, format!("the module {} does not load: {error}", stage.module));
                }
            }
        }
        chains.push(chain);
    }
    Ok((report, chains))
}

fn describe(config: &Config, chains: &[Vec<String>], out: &mut String) {
    for (pipeline, chain) in config.pipelines.iter().zip(chains) {
        describe_pipeline(pipeline, chain, out);
    }
    let admin = config.admin.map_or("off".to_owned(), |address| address.to_string());
    let _ = writeln!(out, "admin address    {admin}");
    if let Some(registry) = &config.registry {
        let who = registry.login.as_ref().map_or(String::new(), |(name, _)| format!(" as {name}"));
        let timeout = duration_text(registry.client.timeout);
        let text = format!("{}{who}, up to {timeout} for an answer", registry.url);
        let _ = writeln!(out, "schema registry  {}", one_line(&text));
    }
}

/// What a module hears that asks the schema registry while it starts, where nothing is to be connected to.
struct NotAsked;

impl NotAsked {
    fn answer<T>() -> Result<T, RegistryError> {
        Err(RegistryError("`check` asks it only with --connect".to_owned()))
    }
}

impl Registry for NotAsked {
    fn timeout(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn schema(&self, _: i32) -> Result<Arc<Schema>, RegistryError> {
        Self::answer()
    }

    fn version(&self, _: &str, _: Option<i32>) -> Result<Arc<Registered>, RegistryError> {
        Self::answer()
    }

    fn register(&self, _: &str, _: &Schema) -> Result<i32, RegistryError> {
        Self::answer()
    }
}

/// A line of a pipeline. Names and addresses may hold anything.
fn line(out: &mut String, label: &str, text: impl AsRef<str>) {
    // writing to a string cannot fail
    let _ = writeln!(out, "  {label:<14} {}", one_line(text.as_ref()));
}

fn describe_pipeline(pipeline: &Pipeline, chain: &[String], out: &mut String) {
    let plural = if pipeline.workers == 1 { "" } else { "s" };
    let _ = writeln!(out, "pipeline         {}, {} worker{plural}", pipeline.name, pipeline.workers);
    let source = &pipeline.source;
    let topics = match &source.topics {
        Topics::List(topics) => topics.join(", "),
        Topics::Pattern(pattern) => format!("all that match {pattern}"),
    };
    let start = match &source.start {
        Start::Earliest => "the oldest record".to_owned(),
        Start::Latest => "the end".to_owned(),
        Start::Stored => "nowhere: it must have committed offsets".to_owned(),
        Start::Timestamp(ms) => jiff::Timestamp::from_millisecond(*ms).map_or(ms.to_string(), |time| time.to_string()),
        Start::Offsets(offsets) => format!("the given offsets of {} partitions", offsets.len()),
    };
    line(out, "source", format!("{topics} at {}", source.client.brokers));
    line(out, "", format!("group {}; a new group begins at {start}", source.group));
    for (index, text) in chain.iter().enumerate() {
        line(out, if index == 0 { "chain" } else { "" }, text);
    }
    if chain.is_empty() {
        line(out, "chain", "none: records pass as they came");
    }
    match &pipeline.sink {
        Sink::Kafka(sink) => {
            line(out, "sink", format!("{} at {}", sink.topic, sink.client.brokers));
            if !sink.routes.is_empty() {
                line(out, "", format!("modules may choose {}", sink.routes.join(", ")));
            }
        }
        Sink::Stdout => line(out, "sink", "standard output"),
        Sink::Http(sink) => line(out, "sink", sink.url.to_string()),
        Sink::Featurebase(sink) => {
            line(out, "sink", format!("table {} at {}", sink.table, sink.url));
            let columns: Vec<_> =
                sink.columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
            line(out, "", columns.join(", "));
        }
        Sink::FeaturebaseCloud(sink) => {
            line(out, "sink", sink.endpoint.to_string());
            line(out, "", format!("as {}, logging in at {}", sink.username, sink.login_url));
        }
    }
    match &pipeline.dead_letter {
        Some(letter) => line(out, "dead letters", format!("{} at {}", letter.topic, letter.client.brokers)),
        None => line(out, "dead letters", "none"),
    }
    let how = match pipeline.delivery {
        Delivery::AtLeastOnce => "at least once, offsets committed",
        Delivery::ExactlyOnce => "exactly once, a transaction",
    };
    line(out, "delivery", format!("{how} every {}", duration_text(pipeline.commit_interval)));
    for (index, stage) in pipeline.chain.iter().enumerate() {
        let rules = rules(&stage.policy, &Class::ALL[..Class::ALL.len() - Class::SINK.len()]);
        line(out, if index == 0 { "when one fails" } else { "" }, format!("{}: {rules}", stage.module));
    }
    line(out, "at the sink", rules(&pipeline.policy, &Class::SINK));
    match pipeline.breaker {
        Some(Limit { failed, of, probe }) => {
            let every = duration_text(probe);
            line(out, "breaker", format!("more than {failed} of {of}; a probe every {every}"));
        }
        None => line(out, "breaker", "off"),
    }
    line(out, "stalled after", source.stalled_after.map_or("never".to_owned(), duration_text));
    out.push('\n');
}

/// Which classes meet which action.
fn rules(policy: &Policy, classes: &[Class]) -> String {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for class in classes {
        let Rule { retry, then } = policy.rule(*class);
        let tries = retry.map_or(String::new(), |retry| format!("{} more tries, then ", retry.times));
        let what = format!("{tries}{}", then.as_str());
        match groups.iter_mut().find(|(known, _)| *known == what) {
            Some((_, classes)) => classes.push(class.as_str()),
            None => groups.push((what, vec![class.as_str()])),
        }
    }
    let groups: Vec<_> = groups.iter().map(|(what, classes)| format!("{what} ({})", classes.join(", "))).collect();
    groups.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Retry};
    use std::time::Duration;

    #[test]
    fn a_value_makes_no_line_of_its_own_and_speaks_to_no_terminal() {
        let mut out = String::new();
        line(&mut out, "source", "a\u{1b}[2J\nadmin address    off");
        assert_eq!(out, "  source         a\u{fffd}[2J admin address    off\n");
    }

    #[test]
    fn classes_that_meet_the_same_action_stand_together() {
        let retry = Some(Retry { times: 3, backoff: Duration::from_millis(100) });
        let policy = Policy::all(Action::DeadLetter)
            .with(&[Class::Trap], Rule { retry, then: Action::Pause })
            .with(&[Class::Output], Action::Skip);
        assert_eq!(
            rules(&policy, &Class::ALL[..5]),
            "dead-letter (reject, timeout, memory); 3 more tries, then pause (trap); skip (output)"
        );
    }
}
