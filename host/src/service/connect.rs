//! Tries the connections of a configuration, all at once: what each part of each pipeline needs, without data.

use super::http::{self, Http, Requests, within};
use crate::config::{Config, Delivery, Partitioning, Pipeline, SchemaRegistry, Sink};
use crate::finding::Finding;
use crate::kafka::Identity;
use crate::kafka::probe::{self, Probed, Written};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::time::Duration;

/// What was found of one pipeline.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Its name.
    pub pipeline: String,
    /// Line by line.
    pub findings: Vec<Finding>,
}

/// What was found of all.
#[derive(Clone, Debug)]
pub struct All {
    /// Of the schema registry, where one is configured.
    pub registry: Vec<Finding>,
    /// Of each pipeline.
    pub pipelines: Vec<Tried>,
}

/// Tries all connections of all pipelines, and the schema registry. `limit`: how long each may take.
pub fn connect(config: &Config, limit: Duration) -> All {
    let requests = Requests::default();
    scope(|scope| {
        // all are begun before any is waited for
        let registry = config.registry.as_ref().map(|config| begin_registry(scope, config, &requests, limit));
        let parts: Vec<_> =
            config.pipelines.iter().map(|pipeline| begin(scope, &config.host, pipeline, &requests, limit)).collect();
        let pipelines = config.pipelines.iter().zip(parts).map(|(pipeline, parts)| end(pipeline, parts)).collect();
        All { registry: registry.map_or_else(Vec::new, |part| wait(part, "registry", "server").findings), pipelines }
    })
}

fn begin_registry<'s>(
    scope: &'s Scope<'s, '_>,
    config: &SchemaRegistry,
    requests: &Requests,
    limit: Duration,
) -> Part<'s> {
    let mut config = config.clone();
    config.client.timeout = config.client.timeout.min(limit);
    let registry = http::registry(&config, requests);
    let registry = registry.map_err(|error| Finding::bad("registry", "server", error.to_string()))?;
    spawn(scope, "registry", move || Probed { findings: registry.probe(), partitions: Vec::new() })
}

type Part<'s> = Result<ScopedJoinHandle<'s, Probed>, Finding>;

/// A pipeline's parts on their way.
struct Parts<'s> {
    source: Part<'s>,
    sink: Option<Part<'s>>,
    dead_letters: Option<Part<'s>>,
}

fn begin<'s, 'c: 's>(
    scope: &'s Scope<'s, 'c>,
    host: &str,
    pipeline: &'c Pipeline,
    requests: &Requests,
    limit: Duration,
) -> Parts<'s> {
    let identity = Identity { pipeline: pipeline.name.clone(), host: host.to_owned(), worker: 0 };
    let id = (pipeline.delivery == Delivery::ExactlyOnce).then(|| identity.transactional_id(&pipeline.source.group));
    let source = spawn(scope, "source", move || probe::source(&pipeline.source, &identity, limit));
    let letter = pipeline.dead_letter.as_ref();
    let mut same = false;
    let sink = match &pipeline.sink {
        Sink::Stdout => None,
        Sink::Kafka(sink) => {
            let routes = sink.routes.iter().filter(|route| **route != sink.topic);
            let mut topics: Vec<_> =
                [&sink.topic].into_iter().chain(routes).map(|topic| ("sink", topic.as_str())).collect();
            if let Some(letter) = letter.filter(|letter| letter.client == sink.client) {
                topics.push(("dead letters", &letter.topic));
                same = true;
            }
            Some(spawn(scope, "sink", move || {
                let transactional_id = id.as_deref();
                probe::written(Written { client: &sink.client, topics: &topics, transactional_id }, limit)
            }))
        }
        sink => Some(match Http::new(&within(sink, limit), requests) {
            Ok(Some(http)) => spawn(scope, "sink", move || Probed { findings: http.probe(), partitions: Vec::new() }),
            Ok(None) => Err(Finding::untried("sink", "destination", "it needs no connection")),
            Err(error) => Err(Finding::bad("sink", "destination", error.to_string())),
        }),
    };
    let dead_letters = letter.filter(|_| !same).map(|letter| {
        spawn(scope, "dead letters", move || {
            let topics = [("dead letters", letter.topic.as_str())];
            probe::written(Written { client: &letter.client, topics: &topics, transactional_id: None }, limit)
        })
    });
    Parts { source, sink, dead_letters }
}

fn spawn<'s>(scope: &'s Scope<'s, '_>, part: &'static str, run: impl FnOnce() -> Probed + Send + 's) -> Part<'s> {
    let thread = Builder::new().name(format!("try {part}")).spawn_scoped(scope, run);
    thread.map_err(|error| Finding::bad(part, "thread", format!("cannot be started: {error}")))
}

/// Waits for a part of what is called `name`.
fn wait(part: Part<'_>, what: &'static str, name: &str) -> Probed {
    match part {
        Ok(thread) => thread.join().unwrap_or_else(|_| {
            let bug = Finding::bad(what, name, "a try of it panicked; this is a bug of edgemill's");
            Probed { findings: vec![bug], partitions: Vec::new() }
        }),
        Err(finding) => Probed { findings: vec![finding], partitions: Vec::new() },
    }
}

fn end(pipeline: &Pipeline, parts: Parts<'_>) -> Tried {
    let wait = |part: Part<'_>| wait(part, "pipeline", &pipeline.name);
    let source = wait(parts.source);
    let sink = parts.sink.map(wait).unwrap_or_default();
    let too_few = too_few(pipeline, &source, &sink);
    let dead_letters = parts.dead_letters.map(wait).unwrap_or_default();
    let findings = [source.findings, sink.findings, too_few, dead_letters.findings].concat();
    Tried { pipeline: pipeline.name.clone(), findings }
}

/// The topics that have fewer partitions than the rows want that keep their input's.
fn too_few(pipeline: &Pipeline, source: &Probed, sink: &Probed) -> Vec<Finding> {
    let Sink::Kafka(config) = &pipeline.sink else { return Vec::new() };
    if config.partition != Partitioning::SameAsInput {
        return Vec::new();
    }
    let wanted = source.partitions.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let is_ours = |topic: &String| *topic == config.topic || config.routes.contains(topic);
    let short = sink.partitions.iter().filter(|(topic, count)| *count < wanted && is_ours(topic));
    let finding = |(topic, count): &(String, usize)| {
        let why = format!(
            "it has {count} partitions and the input {wanted}, and `partition = \"same-as-input\"` wants as many: add some"
        );
        Finding::bad("sink", format!("topic {topic}"), why)
    };
    short.map(finding).collect()
}
