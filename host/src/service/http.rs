//! HTTP sinks: what the workers of a pipeline share of one, and the threads that their requests run on.

use super::{Life, RunError};
use crate::config::{HttpBatch, Sink as Config};
use crate::http::{Answer, Cloud, HttpSink, Plain, Sql};
use crate::metrics::HttpMetrics;
use crate::sink::{Sink, SinkError};
use crate::wake::Wake;
use std::cell::OnceCell;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads for all requests of the program: what they do is encryption, compression, and waiting.
const THREADS: usize = 2;

/// The threads, once there is a use for them.
#[derive(Default)]
pub(super) struct Requests(OnceCell<Runtime>);

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
                connect(&sql, &requests.handle()?)?;
                (Shared::Sql(Arc::new(sql)), config.batch)
            }
            Config::Kafka(_) | Config::Stdout => return Ok(None),
        };
        Ok(Some(Self { runtime: requests.handle()?, endpoint, batch }))
    }
}

/// Looks at the table before the first record is read. A server that is not there now is looked at with the first rows.
fn connect(sql: &Sql, runtime: &Handle) -> Result<(), RunError> {
    match runtime.block_on(sql.connect()) {
        Ok(()) => Ok(()),
        Err(Answer::Again { message, .. }) => {
            tracing::warn!(
                error = message,
                "the table cannot be looked at; it will be, before the first rows are sent"
            );
            Ok(())
        }
        Err(Answer::Fatal(message) | Answer::RefusedWhole(message)) => Err(RunError::Failed(message)),
        Err(Answer::Taken | Answer::Refused(_)) => Ok(()),
    }
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
