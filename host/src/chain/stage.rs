//! One module of a chain at work: calls its instance, and on a fault replays the batch in halves until the guilty
//! record stands alone.

use super::{Fault, PlanStage, Transform};
use crate::batch::Batch;
use crate::chain::apply::ApplyError;
use crate::outputs::Outputs;
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
            restarts: 0,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.memory())
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
        if batch.len() > self.call_limit {
            return self.replay(batch, chunks(0..batch.len(), self.call_limit), go_on);
        }
        let mut outputs = std::mem::take(&mut self.outputs);
        let result = self.live()?.transform(batch, &mut outputs);
        self.outputs = outputs;
        let Err(fault) = result else {
            self.grow();
            return Ok(Vec::new());
        };
        self.discard();
        self.outputs.clear();
        match batch.len() {
            1 => Ok(vec![Fallen { index: 0, fault }]),
            len => self.replay(batch, chunks(0..len, len.div_ceil(2)), go_on),
        }
    }

    /// Works through parts of a batch, last of `parts` first, halving those that fault.
    fn replay(
        &mut self,
        batch: &Batch<'_>,
        mut parts: Vec<Range<usize>>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Fallen>, ApplyError> {
        let mut fallen = Vec::new();
        let mut largest = 0;
        let mut halved = batch.len() <= self.call_limit;
        while let Some(range) = parts.pop() {
            if !go_on() {
                return Err(ApplyError::Abandoned);
            }
            let part = batch.slice(range.clone());
            let mut outputs = std::mem::take(&mut self.part);
            outputs.clear();
            let result = self.live()?.transform(&part, &mut outputs);
            match result {
                Ok(()) => {
                    self.outputs.append(&outputs, &part, range.start as u32);
                    largest = largest.max(range.len());
                }
                Err(fault) => {
                    self.discard();
                    if range.len() == 1 {
                        fallen.push(Fallen { index: range.start as u32, fault });
                    } else {
                        halved = true;
                        let half = range.len().div_ceil(2);
                        parts.extend(chunks(range, half));
                    }
                }
            }
            self.part = outputs;
        }
        // nobody was guilty: whole batches are too much for this module, so it gets smaller ones from the start
        if fallen.is_empty() && halved && largest > 0 {
            self.call_limit = largest;
            self.calls_since_change = 0;
        } else if fallen.is_empty() {
            self.grow();
        }
        Ok(fallen)
    }

    fn grow(&mut self) {
        self.calls_since_change = self.calls_since_change.saturating_add(1);
        if self.call_limit != usize::MAX && self.calls_since_change >= CALLS_BEFORE_GROWTH {
            self.call_limit = self.call_limit.saturating_mul(2);
            self.calls_since_change = 0;
        }
    }

    fn discard(&mut self) {
        self.live = None;
        self.restarts += 1;
    }

    fn live(&mut self) -> Result<&mut Box<dyn Transform>, ApplyError> {
        if self.live.is_none() {
            self.live = Some(self.plan.module.instantiate().map_err(ApplyError::Start)?);
        }
        Ok(self.live.as_mut().expect("an instance was just put there"))
    }
}

/// Cuts a range into pieces of at most `size`, in reverse, so that the first is popped first.
fn chunks(range: Range<usize>, size: usize) -> Vec<Range<usize>> {
    let starts = range.clone().step_by(size);
    starts.map(|start| start..(start + size).min(range.end)).rev().collect()
}
