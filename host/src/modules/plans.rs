//! The plans of one pipeline: the newest, why a newer one was refused, and the workers that run them.

use crate::chain::Plan;
use crate::chain::apply::Chain;
use crate::modules::LoadError;
use crate::route::Routes;
use crate::worker::handover::Handover;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A change of the modules folder that did not become a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The module's file name.
    pub module: String,
    /// SHA-256 of the refused file, where it could be read.
    pub hash: Option<String>,
    /// Why.
    pub error: LoadError,
}

/// Shared by the reload thread, the pipeline's workers and the status.
pub struct Plans {
    current: Mutex<Arc<Plan>>,
    refused: Mutex<Option<Refused>>,
    workers: Vec<Arc<Handover>>,
    routes: Arc<Routes>,
    parallel: usize,
}

impl Plans {
    /// Begins with a first plan. Each of the workers passes `parallel` parts of a batch at once.
    pub fn new(first: Plan, routes: Arc<Routes>, parallel: usize, workers: Vec<Arc<Handover>>) -> Self {
        Self { current: Mutex::new(Arc::new(first)), refused: Mutex::new(None), workers, routes, parallel }
    }

    /// Makes configured instances of the newest plan, for one worker.
    ///
    /// # Errors
    /// An instance cannot be made.
    pub fn start(&self) -> Result<Chain, LoadError> {
        self.chain(self.current())
    }

    fn chain(&self, plan: Arc<Plan>) -> Result<Chain, LoadError> {
        Chain::start(plan, self.routes.clone())?.widen(self.parallel)
    }

    /// The newest plan.
    pub fn current(&self) -> Arc<Plan> {
        lock(&self.current).clone()
    }

    /// Why the newest change was refused, if it was.
    pub fn refused(&self) -> Option<Refused> {
        lock(&self.refused).clone()
    }

    /// Sets or clears why the newest change was refused.
    pub fn set_refused(&self, refused: Option<Refused>) {
        *lock(&self.refused) = refused;
    }

    /// Makes configured instances for every worker, then publishes the plan and hands them over.
    ///
    /// # Errors
    /// An instance cannot be made. The plan is not published then.
    // Promise: keep
    pub fn publish(&self, plan: Plan) -> Result<(), LoadError> {
        let plan = Arc::new(plan);
        let chains = self.workers.iter().map(|_| self.chain(plan.clone())).collect::<Result<Vec<_>, _>>()?;
        *lock(&self.current) = plan;
        for (worker, chain) in self.workers.iter().zip(chains) {
            worker.give(chain);
        }
        Ok(())
    }

    /// The workers that run them.
    pub fn workers(&self) -> &[Arc<Handover>] {
        &self.workers
    }

    /// The destinations that modules may name.
    pub fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
