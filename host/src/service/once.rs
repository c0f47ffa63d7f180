//! Runs one pipeline's chain over a source that ends: for replays, and for dead letters that are tried again. One worker
//! on this thread; the modules are those of the folder, and are not reloaded.

use super::http::{Http, Requests};
use super::{Life, RESTART, RunError, Sinks, broken, ending, loader, routes};
use crate::backoff::Backoff;
use crate::config::{Config, Delivery, Pipeline};
use crate::kafka::Identity;
use crate::modules::plans::Plans;
use crate::policy::Class;
use crate::sink::stdout::records::Records;
use crate::source::{Source, SourceError};
use crate::wake::Wake;
use crate::wasm::Engine;
use crate::worker::WorkerError;
use crate::worker::handover::Handover;
use crate::worker::status::StatusBoard;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How often the worker is made anew before the command gives up: nobody watches it as a service is watched.
const LIVES: u32 = 5;

/// Where what comes out goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To the pipeline's sink and its dead-letter topic.
    Sink,
    /// To standard output and standard error, as lines.
    Lines,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Records that passed the chain.
    pub records: u64,
    /// Rows that came out.
    pub rows: u64,
    /// Records that failed, by class.
    pub failed: [u64; Class::ALL.len()],
    /// Whether the source was worked off; else a signal ended it before.
    pub complete: bool,
    /// Whether whoever read standard output went away.
    pub unread: bool,
}

/// Makes the source of each of the worker's lives.
pub type MakeSource<'m> = &'m dyn Fn(&Identity, Wake) -> Result<Box<dyn Source>, SourceError>;

/// Runs until the source is worked off, or a signal asks to end. The pipeline's source is not read, but it names the group
/// whose offsets are committed, and the transactional id.
///
/// # Errors
/// See [`RunError`].
pub fn run(config: &Config, pipeline: &Pipeline, output: Output, source: MakeSource<'_>) -> Result<Ran, RunError> {
    let signals = ending::Signals::install().map_err(RunError::Failed)?;
    // compiled modules are kept where the service keeps them, if this user may
    let engine = Engine::new(Some(&config.state))
        .or_else(|_| Engine::new(None))
        .map_err(|error| RunError::Configuration(error.to_string()))?;
    let requests = Requests::default();
    super::http::grant_registry(&engine, config, &requests)?;
    let pipeline = &unattended(pipeline);
    let plan = loader(config, pipeline, &engine).as_they_are().map_err(|refused| broken(pipeline, &refused))?;
    let wake = Wake::new().map_err(|error| RunError::Failed(format!("cannot make an event descriptor: {error}")))?;
    let handover = Arc::new(Handover::new(wake.clone()));
    signals.end_on_signal(ending::Ender::new(vec![handover.clone()]));
    // what goes to standard output is in no transaction
    let delivery = if output == Output::Lines { Delivery::AtLeastOnce } else { pipeline.delivery };
    let http = Http::new(&pipeline.sink, &requests)?;
    super::http::connect([(pipeline.name.as_str(), http.as_ref())])?;
    let life = Life {
        pipeline: Pipeline { delivery, ..pipeline.clone() },
        number: 0,
        host: config.host.clone(),
        grace: config.grace,
        plans: Arc::new(Plans::new(plan, Arc::new(routes(pipeline)), pipeline.parallel, vec![handover.clone()])),
        handover,
        wake,
        board: StatusBoard::default(),
        http,
    };
    let unread = Arc::new(AtomicBool::new(false));
    let ended = live(&life, output, source, &unread);
    // the engine's clock is what cuts a guest that loops: it must run until the last record
    drop(engine);
    let mut ran = ended?;
    ran.unread = unread.load(Ordering::Relaxed);
    Ok(ran)
}

/// A pipeline that never waits for somebody, or for better times: the command would not end.
fn unattended(pipeline: &Pipeline) -> Pipeline {
    let mut pipeline = Pipeline { breaker: None, policy: pipeline.policy.unattended(), ..pipeline.clone() };
    pipeline.source.stalled_after = None;
    pipeline.chain.iter_mut().for_each(|stage| stage.policy = stage.policy.unattended());
    pipeline
}

fn live(life: &Life, output: Output, source: MakeSource<'_>, unread: &Arc<AtomicBool>) -> Result<Ran, RunError> {
    let mut ran = Ran::default();
    let mut backoff = Backoff::new(RESTART.0, RESTART.1, u64::from(std::process::id()));
    for number in 1.. {
        let ended = live_once(life, output, source, unread);
        ran.take(life);
        let message = match ended {
            Ok(()) => break,
            Err(WorkerError::End(_)) if unread.load(Ordering::Relaxed) => break,
            Err(WorkerError::End(message)) => return Err(RunError::Failed(message)),
            Err(WorkerError::Anew(message) | WorkerError::Fenced(message)) => message,
        };
        if number == LIVES {
            return Err(RunError::Failed(format!("{message}; given up after {LIVES} tries")));
        }
        tracing::warn!(error = message, "the worker is made anew");
        let until = Instant::now() + backoff.next_wait();
        while Instant::now() < until && !life.handover.is_ending() {
            life.wake.wait(until.saturating_duration_since(Instant::now()));
        }
    }
    Ok(ran)
}

fn live_once(life: &Life, output: Output, source: MakeSource<'_>, unread: &Arc<AtomicBool>) -> Result<(), WorkerError> {
    let identity = life.identity();
    let routes = life.plans.routes();
    let sinks: Sinks = match output {
        Output::Sink => life.sinks(routes, &identity)?,
        Output::Lines => (Box::new(Records::new(routes.clone(), unread.clone())), None),
    };
    life.work(source(&identity, life.wake.clone())?, sinks)
}

impl Ran {
    /// Adds what one life of the worker did.
    fn take(&mut self, life: &Life) {
        life.board.update(|status| {
            self.records += std::mem::take(&mut status.records);
            self.rows += std::mem::take(&mut status.rows);
            for (sum, count) in self.failed.iter_mut().zip(std::mem::take(&mut status.by_class)) {
                *sum += count;
            }
            self.complete = status.complete;
        });
    }

    /// The records that failed, whatever the class.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }
}
