//! HTTP sinks: what the workers of a pipeline share of one, and the threads that their requests run on; the schema registry's too.

use super::{Life, RunError};
use crate::config::{Config as Configuration, HttpBatch, SchemaRegistry as RegistryConfig, Sink as Config};
use crate::finding::Finding;
use crate::http::{Answer, Cloud, Endpoint, HttpSink, Plain, SchemaRegistry, Sql, follow_late_errors};
use crate::metrics::HttpMetrics;
use crate::sink::late::LateErrors;
use crate::sink::{Sink, SinkError};
use crate::wake::Wake;
use crate::wasm::Engine;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

/// How long destinations that do not answer may hold a start up, all together.
const LOOK: Duration = Duration::from_secs(5);

/// Threads for all requests of the program: what they do is encryption, compression, and waiting.
const THREADS: usize = 2;

/// The threads, once there is a use for them.
#[derive(Default)]
pub struct Requests(OnceCell<Runtime>);

impl Requests {
    fn handle(&self) -> Result<Handle, RunError> {
        if let Some(runtime) = self.0.get() {
            return Ok(runtime.handle().clone());
        }
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("http").enable_all().build();
        let runtime =
            runtime.map_err(|error| RunError::Failed(format!("cannot start the threads of HTTP sinks: {error}")))?;
        Ok(self.0.get_or_init(|| runtime).handle().clone())
    }
}

impl Drop for Requests {
    /// Ends them, without waiting for what they do: a host's name may be looked up for longer than anybody waits for it.
    // Promise: ending
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lets modules ask the schema registry, where one is configured, for as long as there are threads for requests.
///
/// # Errors
/// What is configured cannot be used.
// Promise: closed
pub fn grant_registry(engine: &Engine, config: &Configuration, requests: &Requests) -> Result<(), RunError> {
    if let Some(registry) = &config.registry {
        engine.grant(Arc::new(self::registry(registry, requests)?));
    }
    Ok(())
}

/// A client of the schema registry.
///
/// # Errors
/// What is configured cannot be used.
pub(super) fn registry(config: &RegistryConfig, requests: &Requests) -> Result<SchemaRegistry, RunError> {
    let registry = SchemaRegistry::new(config, requests.handle()?);
    registry.map_err(|error| RunError::Configuration(format!("the schema registry: {error}")))
}

/// The same sink, whose requests take no longer than `limit`.
pub(super) fn within(sink: &Config, limit: Duration) -> Config {
    let mut sink = sink.clone();
    match &mut sink {
        Config::Http(config) => config.client.timeout = config.client.timeout.min(limit),
        Config::FeaturebaseCloud(config) => config.client.timeout = config.client.timeout.min(limit),
        Config::Featurebase(config) => config.client.timeout = config.client.timeout.min(limit),
        Config::Kafka(_) | Config::Stdout => {}
    }
    sink
}

/// A pipeline's destination.
#[derive(Clone)]
pub(super) struct Http {
    runtime: Handle,
    endpoint: Shared,
    batch: HttpBatch,
}

#[derive(Clone)]
enum Shared {
    Plain(Arc<Plain>),
    Cloud(Arc<Cloud>),
    Sql(Arc<Sql>),
}

impl Http {
    /// None where the sink is of another kind.
    ///
    /// # Errors
    /// What is configured cannot be used.
    pub(super) fn new(sink: &Config, requests: &Requests) -> Result<Option<Self>, RunError> {
        let wrong = |error| RunError::Configuration(format!("the sink: {error}"));
        let (endpoint, batch) = match sink {
            Config::Http(config) => (Shared::Plain(Arc::new(Plain::new(config).map_err(wrong)?)), config.batch),
            Config::FeaturebaseCloud(config) => {
                (Shared::Cloud(Arc::new(Cloud::new(config).map_err(wrong)?)), config.batch)
            }
            Config::Featurebase(config) => {
                let sql = Sql::new(config).map_err(wrong)?;
                (Shared::Sql(Arc::new(sql)), config.batch)
            }
            Config::Kafka(_) | Config::Stdout => return Ok(None),
        };
        Ok(Some(Self { runtime: requests.handle()?, endpoint, batch }))
    }

    /// Begins to ask for errors that come later, where that is configured, and gives where they are told. It ends with the
    /// runtime.
    pub(super) fn follow_late_errors(&self, pipeline: &str, sink: &Config) -> Option<LateErrors> {
        let (Shared::Cloud(cloud), Config::FeaturebaseCloud(config)) = (&self.endpoint, sink) else { return None };
        let (board, every) = (LateErrors::default(), config.late_errors.as_ref()?.every);
        self.runtime.spawn(follow_late_errors(cloud.clone(), pipeline.to_owned(), every, board.clone()));
        Some(board)
    }

    /// Tries it without rows. Blocks.
    pub(super) fn probe(&self) -> Vec<Finding> {
        match &self.endpoint {
            Shared::Plain(endpoint) => self.runtime.block_on(endpoint.probe()),
            Shared::Cloud(endpoint) => self.runtime.block_on(endpoint.probe()),
            Shared::Sql(endpoint) => self.runtime.block_on(endpoint.probe()),
        }
    }
}

/// Tries the destinations of pipelines, a login or a table, before the first record is read, where that tells something: all at once, so that servers that
/// hang take no longer than one. One that is not there now is looked at with the first rows.
///
/// # Errors
/// A person must correct something.
pub(super) fn connect<'p>(pipelines: impl IntoIterator<Item = (&'p str, Option<&'p Http>)>) -> Result<(), RunError> {
    let mut looks = Vec::new();
    for (pipeline, http) in pipelines {
        let Some(Http { runtime, endpoint, .. }) = http else { continue };
        let look = match endpoint.clone() {
            Shared::Sql(sql) => runtime.spawn(async move { sql.connect().await }),
            Shared::Cloud(cloud) => runtime.spawn(async move { cloud.connect().await }),
            Shared::Plain(_) => continue,
        };
        looks.push((pipeline, runtime, look));
    }
    let (mut wrong, until) = (Vec::new(), Instant::now() + LOOK);
    for (pipeline, runtime, look) in looks {
        // who waits no more lets it go on: what it finds is of use with the first rows
        let answered = runtime.block_on(async { tokio::time::timeout_at(until, look).await });
        let answered = answered.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", LOOK.as_secs());
            Ok(Err(Answer::Again { message, after: None, slower: false }))
        });
        match answered {
            Ok(Ok(()) | Err(Answer::Taken | Answer::Refused(_) | Answer::Guilty(_))) => {}
            Ok(Err(Answer::Again { message: error, .. })) => tracing::warn!(
                pipeline,
                error,
                "the destination cannot be tried now; it will be, before the first rows are sent"
            ),
            Ok(Err(Answer::Fatal(message) | Answer::RefusedWhole(message))) => {
                wrong.push(format!("pipeline {pipeline}: {message}"));
            }
            Err(_) => {
                wrong.push(format!("pipeline {pipeline}: trying its destination panicked; this is a bug of edgemill's"))
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(RunError::Failed(wrong.join("; "))) }
}

impl Life {
    /// One worker's sink of a destination that is reached by HTTP.
    pub(super) fn http_sink(&self, wake: Wake) -> Result<Box<dyn Sink>, SinkError> {
        let Some(http) = &self.http else { return Err(SinkError::End("the sink was not prepared".to_owned())) };
        let metrics = HttpMetrics::new(&self.pipeline.name, self.number);
        let (runtime, batch) = (http.runtime.clone(), http.batch);
        let seed = self.number as u64 + u64::from(std::process::id());
        Ok(match &http.endpoint {
            Shared::Plain(endpoint) => Box::new(HttpSink::new(endpoint.clone(), batch, runtime, metrics, seed, wake)),
            Shared::Cloud(endpoint) => Box::new(HttpSink::new(endpoint.clone(), batch, runtime, metrics, seed, wake)),
            Shared::Sql(endpoint) => Box::new(HttpSink::new(endpoint.clone(), batch, runtime, metrics, seed, wake)),
        })
    }
}
