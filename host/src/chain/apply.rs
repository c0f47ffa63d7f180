//! A chain of live instances applied to one batch: outputs, and the records that failed, each traced to its origin.

use super::stage::{Fallen, Stage};
use super::team::{GoOn, Team};
use super::{Fault, Plan, Transform};
use crate::batch::Batch;
use crate::modules::LoadError;
use crate::outputs::Outputs;
use crate::policy::{Class, Failure};
use crate::record::Partition;
use crate::route::{Route, Routes};
use std::sync::Arc;

#[cfg(test)]
pub(crate) mod tests;

/// The code of a failure whose record was given a destination that is none.
pub const UNKNOWN_ROUTE: &str = "unknown-route";

/// Why a batch was not brought to its end. Nothing of it may be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The caller said so, in the middle of a replay.
    #[error("abandoned")]
    Abandoned,
    /// A module that started before does not start again: try later.
    #[error("a module does not start again: {0}")]
    Start(LoadError),
}

/// What came of a batch.
pub struct Applied<'a> {
    /// The rows, in order. No row of a failed record is among them.
    pub rows: Batch<'a>,
    /// For each row the index of the record it came from.
    pub origins: Vec<u32>,
    /// For each row its destination; empty: the default for all.
    pub routes: Vec<Route>,
    /// The records that failed, ascending, each once.
    pub failures: Vec<Failure>,
    /// What each module made of what the one before it had made, in order.
    pub steps: Vec<&'a Outputs>,
}

/// The live instances of one plan, owned by one worker: one of each module, and as many more as parts of a batch are passed
/// at once.
pub struct Chain {
    plan: Arc<Plan>,
    routes: Arc<Routes>,
    line: Line,
    more: Vec<Line>,
}

/// One instance of each module.
struct Line(Vec<Stage>);

impl Chain {
    /// A chain without instances: they are made when the first batch comes.
    pub fn new(plan: Arc<Plan>, routes: Arc<Routes>) -> Self {
        let line = Line(plan.stages.iter().map(|stage| Stage::new(stage.clone(), None)).collect());
        Self { plan, routes, line, more: Vec::new() }
    }

    /// A chain with instances made now.
    ///
    /// # Errors
    /// A module does not start.
    pub fn start(plan: Arc<Plan>, routes: Arc<Routes>) -> Result<Self, LoadError> {
        Ok(Self { line: Line::start(&plan)?, more: Vec::new(), plan, routes })
    }

    /// The same with instances for `parallel` parts of a batch at once.
    ///
    /// # Errors
    /// A module does not start.
    pub fn widen(mut self, parallel: usize) -> Result<Self, LoadError> {
        self.more = (1..parallel).map(|_| Line::start(&self.plan)).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// A partition is a lane from now on: modules that look back do that before its first batch.
    pub fn begin(&mut self, partition: &Partition) {
        self.stages_mut().for_each(|stage| stage.begin(partition));
    }

    /// A partition is no lane any more.
    pub fn end(&mut self, partition: &Partition) {
        self.stages_mut().for_each(|stage| stage.end(partition));
    }

    /// The plan that it runs.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Bytes of guest memory held.
    pub fn memory(&self) -> usize {
        self.stages().map(Stage::memory).sum()
    }

    /// Whether an instance was ever refused memory, as far as that is known.
    pub fn starved(&self) -> bool {
        self.stages().any(Stage::starved)
    }

    /// Instances that faulted and were replaced.
    pub fn restarts(&self) -> u64 {
        self.stages().map(|stage| stage.restarts).sum()
    }

    fn stages(&self) -> impl Iterator<Item = &Stage> {
        std::iter::once(&self.line).chain(&self.more).flat_map(|line| &line.0)
    }

    fn stages_mut(&mut self) -> impl Iterator<Item = &mut Stage> {
        std::iter::once(&mut self.line).chain(&mut self.more).flat_map(|line| &mut line.0)
    }

    /// Passes a batch through all modules. `go_on` is asked between calls of a replay; false abandons it.
    ///
    /// # Errors
    /// See [`ApplyError`].
    // Promise: whole
    pub fn apply<'a>(&'a mut self, batch: &'a Batch<'_>, go_on: &mut GoOn<'_>) -> Result<Applied<'a>, ApplyError> {
        self.line.apply(&self.routes, batch, go_on)
    }

    /// Passes parts of a batch through all modules, as many at once as there are instances for, and gives what came of each:
    /// of no more of them than that.
    pub fn apply_parts<'a>(
        &'a mut self,
        team: &Team,
        parts: &[&'a Batch<'_>],
        go_on: &mut GoOn<'_>,
    ) -> Vec<Result<Applied<'a>, ApplyError>> {
        let routes = &*self.routes;
        let lines = std::iter::once(&mut self.line).chain(&mut self.more);
        let work: Vec<(&'a Batch<'_>, &'a mut Line)> = parts.iter().copied().zip(lines).collect();
        team.share(work, |(part, line), go_on| line.apply(routes, part, go_on), go_on)
    }
}

impl Line {
    fn start(plan: &Plan) -> Result<Self, LoadError> {
        let live = |stage: &super::PlanStage| -> Result<Stage, LoadError> {
            let instance: Box<dyn Transform> = stage.module.instantiate()?;
            Ok(Stage::new(stage.clone(), Some(instance)))
        };
        plan.stages.iter().map(live).collect::<Result<_, _>>().map(Line)
    }

    fn apply<'a>(
        &'a mut self,
        routes: &Routes,
        batch: &'a Batch<'_>,
        go_on: &mut GoOn<'_>,
    ) -> Result<Applied<'a>, ApplyError> {
        let mut trace = Trace { origins: None, routes: Vec::new(), failures: Vec::new() };
        let mut rows: Batch<'a> = batch.slice(0..batch.len());
        let mut steps = Vec::with_capacity(self.0.len());
        for (position, stage) in self.0.iter_mut().enumerate() {
            let fallen = stage.run(&rows, go_on)?;
            let outputs: &'a Outputs = &stage.outputs;
            trace.pass(position, outputs, fallen, rows.len(), routes);
            rows = outputs.view(rows);
            steps.push(outputs);
        }
        Ok(trace.end(rows, batch.len(), steps))
    }
}

/// Follows records through the modules: where each row came from and where it goes, and what failed.
struct Trace {
    /// Index in the chain's input of each row; `None`: row i is record i.
    origins: Option<Vec<u32>>,
    routes: Vec<Route>,
    failures: Vec<Failure>,
}

impl Trace {
    fn origin(&self, row: u32) -> u32 {
        self.origins.as_ref().map_or(row, |origins| origins[row as usize])
    }

    fn pass(&mut self, stage: usize, outputs: &Outputs, fallen: Vec<Fallen>, inputs: usize, declared: &Routes) {
        for Fallen { index, fault } in fallen {
            let origin = self.origin(index);
            let code = fault.class.as_str().to_owned();
            let Fault { class, message, backtrace, .. } = fault;
            self.failures.push(Failure { origin, stage, class, code, message, backtrace });
        }
        for reject in &outputs.rejects {
            let (code, message) = (reject.code.clone(), reject.message.clone());
            let origin = self.origin(reject.origin);
            self.failures.push(Failure { origin, stage, class: Class::Reject, code, message, backtrace: None });
        }
        if !outputs.routes.is_empty() || !self.routes.is_empty() {
            self.route(stage, outputs, declared);
        }
        if !outputs.is_one_to_one(inputs) {
            let origins = outputs.origins.iter().map(|&row| self.origin(row)).collect();
            self.origins = Some(origins);
        }
    }

    fn route(&mut self, stage: usize, outputs: &Outputs, declared: &Routes) {
        let named: Vec<_> = outputs.route_names.iter().map(|name| declared.find(name)).collect();
        let mut routes = Vec::with_capacity(outputs.origins.len());
        for (row, &input) in outputs.origins.iter().enumerate() {
            let before = self.routes.get(input as usize).copied().unwrap_or_default();
            let route = match outputs.routes.get(row).copied().unwrap_or(0) {
                0 => before,
                k => named[k as usize - 1].unwrap_or_else(|| {
                    let name = &outputs.route_names[k as usize - 1];
                    self.failures.push(Failure {
                        origin: self.origin(input),
                        stage,
                        class: Class::Output,
                        code: UNKNOWN_ROUTE.to_owned(),
                        message: format!(
                            "the module names the destination {name:?}, which is not among the sink's routes"
                        ),
                        backtrace: None,
                    });
                    before
                }),
            };
            routes.push(route);
        }
        self.routes = routes;
    }

    /// Withholds every row of a failed record: a record gives all of its rows, or its dead letter.
    // Promise: one
    fn end<'a>(mut self, rows: Batch<'a>, inputs: usize, steps: Vec<&'a Outputs>) -> Applied<'a> {
        let origins = self.origins.unwrap_or_else(|| (0..rows.len() as u32).collect());
        if self.failures.is_empty() {
            return Applied { rows, origins, routes: self.routes, failures: self.failures, steps };
        }
        self.failures.sort_by_key(|failure| failure.origin);
        self.failures.dedup_by_key(|failure| failure.origin);
        let mut failed = vec![false; inputs];
        for failure in &self.failures {
            failed[failure.origin as usize] = true;
        }
        let good: Vec<u32> = (0..rows.len() as u32).filter(|&row| !failed[origins[row as usize] as usize]).collect();
        let routes = match self.routes.is_empty() {
            true => self.routes,
            false => good.iter().map(|&row| self.routes[row as usize]).collect(),
        };
        let origins = good.iter().map(|&row| origins[row as usize]).collect();
        Applied { rows: rows.pick(&good), origins, routes, failures: self.failures, steps }
    }
}
