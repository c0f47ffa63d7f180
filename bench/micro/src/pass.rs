//! A real worker over flights in memory, from the first batch to the last.

use crate::ends::{Memory, Nowhere};
use crate::flights::Flights;
use anyhow::{Result, ensure};
use edgemill::breaker::Limit;
use edgemill::chain::apply::Chain;
use edgemill::chain::{Plan, Transform};
use edgemill::metrics::WorkerMetrics;
use edgemill::modules::{LoadError, Module};
use edgemill::route::Routes;
use edgemill::source::BatchLimit;
use edgemill::wake::Wake;
use edgemill::worker::handover::Handover;
use edgemill::worker::status::StatusBoard;
use edgemill::worker::{Parts, Settings, Worker};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So long that it does not happen.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// A worker, ready to run.
pub struct Pass {
    worker: Worker,
    board: StatusBoard,
}

impl Pass {
    /// A worker that passes all flights through a plan, in batches of `batch` records.
    ///
    /// # Errors
    /// A module does not start.
    pub fn new(flights: &'static Flights, plan: Arc<Plan>, batch: usize) -> Result<Self> {
        let (wake, board) = (Wake::new()?, StatusBoard::default());
        let chain = Chain::start(plan, Arc::new(Routes::new("out", &[])))?;
        let parts = Parts {
            source: Box::new(Memory::new(flights)),
            sink: Box::new(Nowhere::default()),
            dead_letters: None,
            chain,
            team: None,
        };
        let settings = Settings {
            pipeline: "micro".to_owned(),
            host: "micro".to_owned(),
            batch: BatchLimit { records: batch, bytes: 1 << 20 },
            stamp: false,
            exactly_once: false,
            commit_interval: NEVER,
            grace: NEVER,
            revocation: NEVER,
            breaker: Some(Limit::default()),
            stalled_after: Some(NEVER),
        };
        let handover = Arc::new(Handover::new(wake.clone()));
        let worker = Worker::new(settings, parts, handover, wake, board.clone(), WorkerMetrics::new("micro", 0));
        Ok(Self { worker, board })
    }

    /// Passes everything, and says how many rows came of it.
    ///
    /// # Errors
    /// A record failed.
    pub fn run(self) -> Result<u64> {
        self.worker.run()?;
        let status = self.board.read();
        ensure!(status.failed == 0 && status.complete, "{} records failed", status.failed);
        Ok(status.rows)
    }
}

/// A module that counts its instances: more than one for a worker mean that calls were cut, and records passed twice.
pub struct Counted {
    module: Arc<dyn Module>,
    instances: AtomicUsize,
}

impl Counted {
    /// Around a module.
    #[must_use]
    pub fn new(module: Arc<dyn Module>) -> Arc<Self> {
        Arc::new(Self { module, instances: AtomicUsize::new(0) })
    }

    /// How many instances were made.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.load(Ordering::Relaxed)
    }
}

impl Module for Counted {
    fn name(&self) -> &str {
        self.module.name()
    }

    fn hash(&self) -> &str {
        self.module.hash()
    }

    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError> {
        self.instances.fetch_add(1, Ordering::Relaxed);
        self.module.instantiate()
    }
}
