//! One module of a chain at work: calls its instance, and on a fault replays the batch in parts until the guilty
//! record stands alone: in halves, or around the record that the fault names.

use super::{Fault, PlanStage, Transform};
use crate::batch::Batch;
use crate::chain::apply::ApplyError;
use crate::outputs::Outputs;
use crate::policy::Class;
use crate::record::Partition;
use std::ops::Range;

/// Successful calls after which a stage that had to make its calls smaller tries larger ones again.
const CALLS_BEFORE_GROWTH: u32 = 64;

/// A record of a stage's input that failed.
pub(super) struct Fallen {
    /// Index in the stage's input.
    pub(super) index: u32,
    pub(super) fault: Fault,
}

pub(super) struct Stage {
    pub(super) plan: PlanStage,
    live: Option<Box<dyn Transform>>,
    pub(super) outputs: Outputs,
    part: Outputs,
    /// Records that a call may have: less than a batch where the module is too slow, or too hungry, for whole ones.
    call_limit: usize,
    calls_since_change: u32,
    /// Whether the instance has made calls already: where there is no memory for a record, what these left may have taken it.
    worn: bool,
    pub(super) restarts: u64,
}

impl Stage {
    pub(super) fn new(plan: PlanStage, live: Option<Box<dyn Transform>>) -> Self {
        Self {
            plan,
            live,
            outputs: Outputs::default(),
            part: Outputs::default(),
            call_limit: usize::MAX,
            calls_since_change: 0,
            worn: false,
            restarts: 0,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.memory())
    }

    pub(super) fn starved(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.starved())
    }

    /// A partition is a lane from now on.
    pub(super) fn begin(&mut self, partition: &Partition) {
        if let Some(live) = &mut self.live {
            live.begin(partition);
        }
    }

    /// A partition is no lane any more.
    pub(super) fn end(&mut self, partition: &Partition) {
        if let Some(live) = &mut self.live {
            live.end(partition);
        }
    }

    /// Fills `outputs` with what the module makes of the batch, less the records that fell.
    // Promise: one
    pub(super) fn run(
        &mut self,
        batch: &Batch<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Fallen>, ApplyError> {
        self.outputs.clear();
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        if batch.len() > self.most()? {
            return self.replay(batch, Parts::of(0..batch.len()), go_on);
        }
        self.live()?.prepare(batch, go_on)?;
        let mut outputs = std::mem::take(&mut self.outputs);
        let result = self.live()?.transform(batch, &mut outputs);
        self.outputs = outputs;
        let Err(fault) = result else {
            self.worn = true;
            self.grow();
            return Ok(Vec::new());
        };
        let again = self.is_worn_out(&fault);
        self.discard();
        self.outputs.clear();
        match batch.len() {
            1 if again => self.replay(batch, Parts::of(0..1), go_on),
            1 => Ok(vec![Fallen { index: 0, fault }]),
            len => {
                let mut parts = Parts::default();
                parts.split(0..len, fault.at);
                self.replay(batch, parts, go_on)
            }
        }
    }

    /// Works through parts of a batch, splitting those that fault.
    fn replay(
        &mut self,
        batch: &Batch<'_>,
        mut parts: Parts,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Fallen>, ApplyError> {
        let mut fallen = Vec::new();
        let mut largest = 0;
        while !parts.left.is_empty() {
            if !go_on() {
                return Err(ApplyError::Abandoned);
            }
            let Some(range) = parts.next(self.most()?) else { break };
            let part = batch.slice(range.clone());
            self.live()?.prepare(&part, go_on)?;
            let mut outputs = std::mem::take(&mut self.part);
            outputs.clear();
            let result = self.live()?.transform(&part, &mut outputs);
            match result {
                Ok(()) => {
                    self.worn = true;
                    self.outputs.append(&outputs, &part, range.start as u32);
                    largest = largest.max(range.len());
                }
                Err(fault) => {
                    let again = self.is_worn_out(&fault);
                    self.discard();
                    if range.len() == 1 && again {
                        parts.left.push(range);
                    } else if range.len() == 1 {
                        fallen.push(Fallen { index: range.start as u32, fault });
                    } else {
                        parts.split(range, fault.at);
                    }
                }
            }
            self.part = outputs;
        }
        // nobody was guilty: whole batches are too much for this module, so it gets smaller ones from the start
        if fallen.is_empty() && parts.faulted && largest > 0 {
            self.call_limit = largest;
            self.calls_since_change = 0;
        } else if fallen.is_empty() {
            self.grow();
        }
        Ok(fallen)
    }

    /// Records that a call may have now, at least one.
    fn most(&mut self) -> Result<usize, ApplyError> {
        let limit = self.call_limit;
        Ok(self.live()?.most().min(limit).max(1))
    }

    fn grow(&mut self) {
        self.calls_since_change = self.calls_since_change.saturating_add(1);
        if self.call_limit != usize::MAX && self.calls_since_change >= CALLS_BEFORE_GROWTH {
            self.call_limit = self.call_limit.saturating_mul(2);
            self.calls_since_change = 0;
        }
    }

    /// Whether what earlier calls left may be the reason of a fault, and not the record.
    fn is_worn_out(&self, fault: &Fault) -> bool {
        self.worn && fault.class == Class::Memory
    }

    fn discard(&mut self) {
        self.live.take_if(|live| !live.outlives_faults());
        self.worn = false;
        self.restarts += 1;
    }

    fn live(&mut self) -> Result<&mut Box<dyn Transform>, ApplyError> {
        if self.live.is_none() {
            self.live = Some(self.plan.module.instantiate().map_err(ApplyError::Start)?);
        }
        Ok(self.live.as_mut().expect("an instance was just put there"))
    }
}

/// What is still to be done of a batch, the first part last.
#[derive(Default)]
struct Parts {
    left: Vec<Range<usize>>,
    faulted: bool,
    /// What stands before the record that the last fault named. Where that faults too, names are not believed any more: a guest that
    /// gathers its records first would name the last one each time.
    innocent: Range<usize>,
    deceived: bool,
}

impl Parts {
    fn of(range: Range<usize>) -> Self {
        Self { left: vec![range], ..Self::default() }
    }

    /// The next part, of at most so many records.
    fn next(&mut self, most: usize) -> Option<Range<usize>> {
        let range = self.left.pop()?;
        let end = range.end.min(range.start.saturating_add(most));
        if end < range.end {
            self.left.push(end..range.end);
        }
        Some(range.start..end)
    }

    /// Splits a part that faulted around the record in it that the fault names, or else into halves.
    fn split(&mut self, range: Range<usize>, at: Option<usize>) {
        self.faulted = true;
        self.deceived |= self.innocent.contains(&range.start);
        let named = at.map(|at| range.start + at).filter(|at| !self.deceived && range.contains(at));
        let (first, second) = named.map_or((range.start + range.len().div_ceil(2), range.end), |at| (at, at + 1));
        self.innocent = range.start..named.unwrap_or(range.start);
        let parts = [second..range.end, first..second, range.start..first];
        self.left.extend(parts.into_iter().filter(|part| !part.is_empty()));
    }
}
