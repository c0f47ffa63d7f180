//! Runs a configuration: makes every part, starts the threads, supervises the workers, and ends all of it in order.
//! The one place that names the adapters.

use crate::admin::{self, PipelineView, View};
use crate::backoff::Backoff;
use crate::chain::team::Team;
use crate::config::{Config, Delivery, KafkaSource as SourceConfig, Pipeline, Sink as SinkConfig, Stage};
use crate::kafka::past::KafkaPast;
use crate::kafka::{Identity, KafkaSink, KafkaSource};
use crate::metrics::{self, WorkerMetrics};
use crate::modules::last_good::LastGood;
use crate::modules::plans::{Plans, Refused};
use crate::modules::reload::{self, Loader};
use crate::modules::watch::Watch;
use crate::route::Routes;
use crate::sink::late::LateErrors;
use crate::sink::stdout::Stdout;
use crate::sink::{Sink, SinkError};
use crate::source::Source;
use crate::wake::Wake;
use crate::wasm::Engine;
use crate::worker::handover::Handover;
use crate::worker::status::{State, StatusBoard};
use crate::worker::{Parts, Settings, Worker, WorkerError};
use http::Http;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub mod connect;
mod ending;
mod http;
pub mod once;

pub use http::{Requests, grant_registry};

/// Waits between the lives of a worker that fails.
const RESTART: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A worker that lived this long begins with short waits again.
const SETTLED: Duration = Duration::from_secs(60);

/// A worker that another one drove out so often, each time soon after it began, has a namesake.
const FENCED: u32 = 5;

/// Why a run ended badly.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What is configured cannot be started: exit code 2.
    #[error("{0}")]
    Configuration(String),
    /// Something failed that a person must look at: exit code 1.
    #[error("{0}")]
    Failed(String),
}

/// A running service. [`Service::wait`] ends it.
pub struct Service {
    config: Config,
    runtime: tokio::runtime::Runtime,
    /// Where HTTP sinks' requests run, made when the first does.
    requests: Requests,
    workers: Vec<RunningWorker>,
    views: Vec<(Arc<Plans>, Vec<StatusBoard>)>,
    /// By pipeline, what its destination says later.
    late: Vec<Option<LateErrors>>,
    ended: Receiver<Result<(), String>>,
    reload: Option<(SyncSender<()>, JoinHandle<()>)>,
    watch: Option<Watch>,
}

struct RunningWorker {
    handover: Arc<Handover>,
    thread: JoinHandle<()>,
}

/// Runs until a signal asks to end, or something fails that a person must look at.
///
/// # Errors
/// See [`RunError`].
pub fn run(config: Config) -> Result<(), RunError> {
    let signals = ending::Signals::install().map_err(RunError::Failed)?;
    let service = Service::start(config)?;
    signals.end_on_signal(service.ender());
    service.wait()
}

impl Service {
    /// Starts everything.
    ///
    /// # Errors
    /// A module, the engine or the admin port does not start. Nothing runs then.
    pub fn start(config: Config) -> Result<Self, RunError> {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // a second service in the same process keeps the first one's recorder
        if ::metrics::set_global_recorder(recorder).is_ok() {
            metrics::describe();
        }
        let engine = Engine::new(Some(&config.state)).map_err(|error| RunError::Configuration(error.to_string()))?;
        let requests = Requests::default();
        grant_registry(&engine, &config, &requests)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("admin")
            .enable_all()
            .build()
            .map_err(|error| RunError::Failed(format!("cannot start the runtime of the admin port: {error}")))?;

        let workers = config.pipelines.iter().map(|pipeline| pipeline.workers).sum();
        let (ends, ended) = sync_channel(workers);
        let mut service = Self {
            runtime,
            requests,
            workers: Vec::new(),
            views: Vec::new(),
            late: Vec::new(),
            ended,
            reload: None,
            watch: None,
            config,
        };
        let started = service.start_pipelines(&engine, &ends).and_then(|()| service.start_admin(handle));
        match started {
            Ok(()) => Ok(service),
            Err(error) => {
                service.ender().end();
                service.workers.drain(..).for_each(|worker| drop(worker.thread.join()));
                Err(error)
            }
        }
    }

    fn start_pipelines(&mut self, engine: &Engine, ends: &SyncSender<Result<(), String>>) -> Result<(), RunError> {
        let mut followed = Vec::new();
        let mut ready = Vec::new();
        // all first plans before any worker: a broken module in the last pipeline must not start the first
        for pipeline in &self.config.pipelines {
            let (loader, plans, wakes) = prepare(&self.config, pipeline, engine)?;
            followed.push((loader, plans.clone()));
            ready.push((pipeline.clone(), plans, wakes, Http::new(&pipeline.sink, &self.requests)?));
        }
        http::connect(ready.iter().map(|(pipeline, .., http)| (pipeline.name.as_str(), http.as_ref())))?;
        for (pipeline, plans, wakes, http) in ready {
            self.late.push(http.as_ref().and_then(|http| http.follow_late_errors(&pipeline.name, &pipeline.sink)));
            let mut boards = Vec::new();
            for (number, (wake, handover)) in wakes.into_iter().enumerate() {
                let board = StatusBoard::default();
                boards.push(board.clone());
                let life = Life {
                    pipeline: pipeline.clone(),
                    number,
                    host: self.config.host.clone(),
                    grace: self.config.grace,
                    plans: plans.clone(),
                    handover: handover.clone(),
                    wake,
                    board,
                    http: http.clone(),
                };
                let ends = ends.clone();
                let thread = std::thread::Builder::new()
                    .name(format!("{}-{number}", pipeline.name))
                    .spawn(move || drop(ends.send(life.live())))
                    .map_err(|error| RunError::Failed(format!("cannot start a worker's thread: {error}")))?;
                self.workers.push(RunningWorker { handover, thread });
            }
            self.views.push((plans, boards));
        }
        self.start_reload(followed)
    }

    fn start_reload(&mut self, followed: Vec<(Loader, Arc<Plans>)>) -> Result<(), RunError> {
        // records that pass as they came need no folder
        if followed.iter().all(|(loader, _)| loader.stages.is_empty()) {
            return Ok(());
        }
        let (hints, incoming) = sync_channel(1);
        self.watch = match Watch::start(&self.config.modules, hints.clone(), |_| true) {
            Ok(watch) => Some(watch),
            Err(error) => {
                let folder = self.config.modules.display().to_string();
                tracing::warn!(
                    folder,
                    error,
                    "the modules folder cannot be watched; it is looked at every few seconds"
                );
                None
            }
        };
        let thread = std::thread::Builder::new()
            .name("reload".to_owned())
            .spawn(move || reload::follow(followed, &incoming))
            .map_err(|error| RunError::Failed(format!("cannot start the reload thread: {error}")))?;
        self.reload = Some((hints, thread));
        Ok(())
    }

    fn start_admin(&mut self, metrics: metrics_exporter_prometheus::PrometheusHandle) -> Result<(), RunError> {
        let Some(listen) = self.config.admin else { return Ok(()) };
        let views = self.config.pipelines.iter().zip(&self.views).zip(&self.late);
        let pipelines = views.map(|((pipeline, (plans, workers)), late)| PipelineView {
            name: pipeline.name.clone(),
            plans: plans.clone(),
            workers: workers.clone(),
            handovers: plans.workers().to_vec(),
            late_errors: late.clone(),
        });
        let host = self.config.host.clone();
        let view = View { host, started: Instant::now(), metrics, pipelines: pipelines.collect() };
        let admin = self.runtime.block_on(admin::serve(listen, Arc::new(view))).map_err(RunError::Configuration)?;
        tracing::info!(%admin, "serving /metrics, /healthz, /readyz and /status");
        Ok(())
    }

    /// Ends the service from another thread.
    pub fn ender(&self) -> ending::Ender {
        ending::Ender::new(self.workers.iter().map(|worker| worker.handover.clone()).collect())
    }

    /// What the workers of all pipelines say of themselves, in the order of the configuration.
    pub fn views(&self) -> &[(Arc<Plans>, Vec<StatusBoard>)] {
        &self.views
    }

    /// Waits until all workers have ended. When one fails for good, the others are asked to end too.
    ///
    /// # Errors
    /// The first failure.
    // Promise: ending
    pub fn wait(mut self) -> Result<(), RunError> {
        let ender = self.ender();
        let boards: Vec<_> = self.views.iter().flat_map(|(_, boards)| boards.clone()).collect();
        let notify = ending::Notify::start(boards);
        let mut failure = None;
        for _ in 0..self.workers.len() {
            match self.ended.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(error, "a worker failed for good: ending");
                    failure.get_or_insert(error);
                    ender.end();
                }
                Err(_) => break,
            }
        }
        notify.stop();
        self.workers.drain(..).for_each(|worker| drop(worker.thread.join()));
        let views = self.config.pipelines.iter().zip(&self.views);
        views.for_each(|(pipeline, (_, workers))| ending::last_word(&pipeline.name, workers));
        // a module that is being loaded waits for no answer any more
        drop(std::mem::take(&mut self.requests));
        // the watcher's sender and ours end the reload thread's loop
        drop(self.watch.take());
        if let Some((hints, thread)) = self.reload.take() {
            drop(hints);
            let _ = thread.join();
        }
        match failure {
            None => Ok(()),
            Some(failure) => Err(RunError::Failed(failure)),
        }
    }
}

type Prepared = (Loader, Arc<Plans>, Vec<(Wake, Arc<Handover>)>);

fn loader(config: &Config, pipeline: &Pipeline, engine: &Engine) -> Loader {
    let (engine, past) = (engine.clone(), KafkaPast::new(&pipeline.source, &pipeline.name, &config.host));
    Loader {
        pipeline: pipeline.name.clone(),
        folder: config.modules.clone(),
        stages: pipeline.chain.clone(),
        parallel: pipeline.parallel,
        sink: pipeline.policy,
        load: Arc::new(move |stage: &Stage, bytes: &[u8]| engine.load_with_past(stage, bytes, past.clone())),
        self_test: crate::modules::self_test::run,
        last_good: LastGood::new(config, pipeline),
    }
}

/// Why a pipeline has no first plan.
fn broken(pipeline: &Pipeline, refused: &Refused) -> RunError {
    RunError::Configuration(format!("pipeline {}: module {}: {}", pipeline.name, refused.module, refused.error))
}

/// Loads a pipeline's first plan and makes what its workers share.
fn prepare(config: &Config, pipeline: &Pipeline, engine: &Engine) -> Result<Prepared, RunError> {
    let loader = loader(config, pipeline, engine);
    let (plan, refused) = loader.first().map_err(|refused| broken(pipeline, &refused))?;
    tracing::info!(pipeline = pipeline.name, plan = plan.number, chain = plan.describe(), "first plan");
    metrics::plan_published(&pipeline.name, plan.number);
    let wake = || Wake::new().map_err(|error| RunError::Failed(format!("cannot make an event descriptor: {error}")));
    let wakes = (0..pipeline.workers).map(|_| wake()).collect::<Result<Vec<_>, _>>()?;
    let wakes: Vec<_> = wakes.into_iter().map(|wake| (wake.clone(), Arc::new(Handover::new(wake)))).collect();
    let handovers = wakes.iter().map(|(_, handover)| handover.clone()).collect();
    let plans = Arc::new(Plans::new(plan, Arc::new(routes(pipeline)), pipeline.parallel, handovers));
    plans.set_refused(refused);
    Ok((loader, plans, wakes))
}

/// How long the group waits for a member that is busy, for instance with draining: `max.poll.interval.ms`.
fn patience(source: &SourceConfig) -> Duration {
    let given = source.client.options.get("max.poll.interval.ms").and_then(|value| value.parse().ok());
    Duration::from_millis(given.unwrap_or(300_000))
}

/// The destinations that a pipeline's modules may name.
pub fn routes(pipeline: &Pipeline) -> Routes {
    let outputs = pipeline.ends().outputs;
    Routes::new(&outputs[0], &outputs[1..])
}

/// Where rows go, and dead letters where they go somewhere else.
type Sinks = (Box<dyn Sink>, Option<Box<dyn Sink>>);

/// One worker's place: it is filled anew when the worker fails.
struct Life {
    pipeline: Pipeline,
    number: usize,
    host: String,
    grace: Duration,
    plans: Arc<Plans>,
    handover: Arc<Handover>,
    wake: Wake,
    board: StatusBoard,
    http: Option<Http>,
}

impl Life {
    fn live(&self) -> Result<(), String> {
        let span = tracing::info_span!("worker", pipeline = self.pipeline.name, worker = self.number);
        let _entered = span.enter();
        let mut backoff = Backoff::new(RESTART.0, RESTART.1, self.number as u64 + u64::from(std::process::id()));
        let mut fenced = 0;
        loop {
            let born = Instant::now();
            let lived = catch_unwind(AssertUnwindSafe(|| self.live_once()));
            if born.elapsed() > SETTLED {
                backoff.reset();
                fenced = 0;
            }
            let message = match lived {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(WorkerError::End(message))) => return Err(self.end(&message)),
                Ok(Err(WorkerError::Anew(message))) => message,
                Ok(Err(WorkerError::Fenced(message))) if fenced + 1 < FENCED => {
                    fenced += 1;
                    message
                }
                Ok(Err(WorkerError::Fenced(message))) => return Err(self.end(&self.duplicate(&message))),
                Err(_) => "the worker panicked; this is a bug of edgemill's".to_owned(),
            };
            let wait = backoff.next_wait();
            metrics::worker_restarted(&self.pipeline.name);
            tracing::warn!(error = message, wait_ms = wait.as_millis() as u64, "the worker is made anew");
            self.board.update(|status| {
                (status.state, status.failure) = (State::Waiting, Some(message));
                status.lanes.clear();
                status.breaker = None;
            });
            let until = Instant::now() + wait;
            while Instant::now() < until {
                if self.handover.is_ending() {
                    return Ok(());
                }
                self.wake.wait(until.saturating_duration_since(Instant::now()));
            }
        }
    }

    fn end(&self, message: &str) -> String {
        self.board.update(|status| (status.state, status.failure) = (State::Ended, Some(message.to_owned())));
        format!("pipeline {}: {message}", self.pipeline.name)
    }

    fn duplicate(&self, message: &str) -> String {
        format!(
            "{message}; that is {FENCED} times: another host has the same name, {:?}, in the same group, and its worker {} works \
             under the same id; give every host a name of its own, `host = \"…\"`",
            self.host, self.number
        )
    }

    fn live_once(&self) -> Result<(), WorkerError> {
        // a plan that waits to be handed over is older than, or the same as, the one taken here
        drop(self.handover.take());
        let identity = self.identity();
        let sinks = self.sinks(self.plans.routes(), &identity)?;
        let source = KafkaSource::new(&self.pipeline.source, &identity, self.wake.clone())?;
        self.work(Box::new(source), sinks)
    }

    fn identity(&self) -> Identity {
        Identity { pipeline: self.pipeline.name.clone(), host: self.host.clone(), worker: self.number }
    }

    /// Puts a worker together and runs it.
    fn work(&self, source: Box<dyn Source>, (sink, dead_letters): Sinks) -> Result<(), WorkerError> {
        let chain = self.plans.start();
        let chain = chain.map_err(|error| WorkerError::Anew(format!("a module does not start again: {error}")))?;
        let team = Team::start(&format!("{}-{}", self.pipeline.name, self.number), self.pipeline.parallel);
        let parts = Parts { source, sink, dead_letters, chain, team: team.map_err(WorkerError::Anew)? };
        let settings = Settings {
            pipeline: self.pipeline.name.clone(),
            host: self.host.clone(),
            batch: self.pipeline.batch,
            stamp: self.pipeline.stamp,
            exactly_once: self.pipeline.delivery == Delivery::ExactlyOnce,
            commit_interval: self.pipeline.commit_interval,
            grace: self.grace,
            stalled_after: self.pipeline.source.stalled_after,
            revocation: self.grace.min(patience(&self.pipeline.source) / 2),
            breaker: self.pipeline.breaker,
        };
        let metrics = WorkerMetrics::new(&self.pipeline.name, self.number);
        Worker::new(settings, parts, self.handover.clone(), self.wake.clone(), self.board.clone(), metrics).run()
    }

    /// The sink, and another for dead letters where they go to another cluster than the rows.
    fn sinks(&self, routes: &Arc<Routes>, identity: &Identity) -> Result<Sinks, SinkError> {
        let dead_letter = self.pipeline.dead_letter.as_ref();
        let wake = || self.wake.clone();
        if let SinkConfig::Kafka(kafka) = &self.pipeline.sink {
            let same = dead_letter.filter(|letter| letter.client == kafka.client).map(|letter| letter.topic.as_str());
            if self.pipeline.delivery == Delivery::ExactlyOnce {
                let (group, mut go_on) = (&self.pipeline.source.group, || !self.handover.is_ending());
                let sink = KafkaSink::transactional(kafka, routes, same, identity, group, wake(), &mut go_on)?;
                return Ok((Box::new(sink), None));
            }
            if same.is_some() || dead_letter.is_none() {
                return Ok((Box::new(KafkaSink::new(kafka, routes, same, identity, wake())?), None));
            }
        }
        let dead_letters = match dead_letter {
            Some(letter) => Some(Box::new(KafkaSink::for_dead_letters(letter, identity, wake())?) as Box<dyn Sink>),
            None => None,
        };
        let sink: Box<dyn Sink> = match &self.pipeline.sink {
            SinkConfig::Kafka(kafka) => Box::new(KafkaSink::new(kafka, routes, None, identity, wake())?),
            SinkConfig::Stdout => Box::new(Stdout::new(wake())?),
            SinkConfig::Http(_) | SinkConfig::FeaturebaseCloud(_) | SinkConfig::Featurebase(_) => {
                self.http_sink(wake())?
            }
        };
        Ok((sink, dead_letters))
    }
}
