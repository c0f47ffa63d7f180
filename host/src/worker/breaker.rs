//! The worker's side of the breaker: when it trips, nothing is read; now and then a few records of each lane are tried,
//! and lanes whose records pass go on.
//!
//! The window is the worker's, the way back is each lane's: a lane that is all bad waits for itself, and does not keep
//! the others from going on.

use super::lane::Suspect;
use super::pass::goes_on;
use super::submit::Taken;
use super::{Worker, WorkerError};
use crate::breaker::{Count, PROBE};
use crate::chain::apply::ApplyError;
use crate::record::{Lane, Offset, Resume};
use std::time::Instant;

/// What came of a probe.
pub(super) enum Probe {
    /// The lane goes on.
    Passed,
    /// It waits for the next one.
    Failed,
    /// The group's protocol comes first.
    Abandoned,
}

impl Worker {
    /// The breaker has tripped: no lane is read. The one that it tripped on is read again from `from`, of which nothing
    /// has been handed over.
    pub(super) fn open_breaker(&mut self, counts: &[Count], again: Option<(Lane, Offset)>) -> Result<(), WorkerError> {
        let Some(limit) = self.hands.breaker.as_ref().map(|breaker| breaker.limit()) else { return Ok(()) };
        self.reason = counts.iter().map(|count| self.describe(count)).collect::<Vec<_>>().join(", ");
        if let Some(example) = self.hands.example.take() {
            self.reason.push_str(&format!("; the last: {example}"));
        }
        tracing::error!(
            pipeline = self.hands.settings.pipeline,
            failed = self.reason,
            share = limit.failed,
            of = limit.of,
            probe_s = limit.probe.as_secs_f64(),
            "too many records fail: nothing is read until a few of them pass; `edgemill explain` shows one's way; put a module \
             that takes them into the folder, correct the configuration, or start again without the `breaker`"
        );
        self.lanes.iter_mut().for_each(|book| book.suspect = Some(Suspect::Waiting));
        self.next_probe = Some(Instant::now() + limit.probe);
        if let Some((lane, offset)) = again {
            self.source.rewind(lane, Some(Resume(offset.0)))?;
        }
        self.obey_holds();
        Ok(())
    }

    fn describe(&self, count: &Count) -> String {
        let stage = self.chain.plan().stages.get(count.stage);
        let place = stage.map_or("the sink", |stage| stage.module.name());
        format!("{} {} in {place}", count.records, count.class)
    }

    /// Whether the breaker keeps any lane from being read.
    pub(super) fn breaker_holds(&self) -> bool {
        let open = self.hands.breaker.as_ref().is_some_and(|breaker| breaker.is_open());
        open && !self.lanes.is_empty() || self.lanes.iter().any(|book| book.suspect == Some(Suspect::Waiting))
    }

    /// What a lane is that comes now.
    pub(super) fn suspicion(&self) -> Option<Suspect> {
        let open = self.hands.breaker.as_ref().is_some_and(|breaker| breaker.is_open());
        open.then_some(Suspect::Waiting)
    }

    /// The next probes come now: another plan may have mended it.
    pub(super) fn probe_at_once(&mut self) {
        if self.breaker_holds() {
            self.probe_lanes();
            self.obey_holds();
        }
    }

    /// Every lane that waits may be read, for a probe.
    pub(super) fn probe_lanes(&mut self) {
        let Some(limit) = self.hands.breaker.as_ref().map(|breaker| breaker.limit()) else { return };
        for book in &mut self.lanes {
            book.suspect = book.suspect.map(|_| Suspect::Probing);
        }
        self.next_probe = Some(Instant::now() + limit.probe);
    }

    /// Tries the first records of a lane's batch, and hands nothing over.
    pub(super) fn probe(&mut self, lane: Lane, taken: &Taken<'_>) -> Result<Probe, WorkerError> {
        let Some(breaker) = &mut self.hands.breaker else { return Ok(Probe::Passed) };
        let few = taken.slice(0..taken.offsets.len().min(PROBE));
        let (source, handover, grace) = (&mut self.source, &self.handover, self.hands.settings.grace);
        let failures = match self.chain.apply(&few.batch, &mut || goes_on(&mut **source, handover, grace)) {
            Ok(applied) => applied.failures,
            Err(ApplyError::Abandoned) => return Ok(Probe::Abandoned),
            Err(error @ ApplyError::Start(_)) => return Err(WorkerError::Anew(error.to_string())),
        };
        let failed = breaker.limit().is_exceeded(failures.len() as f64, few.offsets.len());
        let mended = !failed && breaker.is_open();
        if mended {
            breaker.close();
        }
        let suspect = failed.then_some(Suspect::Waiting);
        let Some(book) = self.book(lane) else { return Ok(Probe::Failed) };
        book.suspect = suspect;
        let (partition, records) = (&book.partition, few.offsets.len());
        match failed {
            true => {
                tracing::warn!(%partition, failed = failures.len(), records, "a probe failed; the lane waits for the next")
            }
            false => tracing::info!(%partition, failed = failures.len(), records, "a probe passed; the lane goes on"),
        }
        if !failed {
            self.obey_holds();
            return Ok(Probe::Passed);
        }
        let limit = self.hands.breaker.as_ref().map(|breaker| breaker.limit());
        self.next_probe = self.next_probe.or_else(|| limit.map(|limit| Instant::now() + limit.probe));
        self.source.rewind(lane, Some(Resume(taken.offsets[0])))?;
        self.obey_holds();
        Ok(Probe::Failed)
    }
}
