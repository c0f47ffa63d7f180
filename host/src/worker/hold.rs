//! Lanes that wait in front of a record: for its next try, or until somebody resumes them. Other lanes go on.

use super::lane::{Hold, LaneBook, Suspect, Until};
use super::submit::{Bar, Taken};
use super::{NAP, Worker, WorkerError};
use crate::backoff::Backoff;
use crate::policy::{Action, Failure, Next, Retry};
use crate::record::{Lane, Offset, Partition, Resume};
use std::time::{Duration, Instant};

impl Worker {
    pub(super) fn book(&mut self, lane: Lane) -> Option<&mut LaneBook> {
        self.lanes.iter_mut().find(|book| book.lane == lane)
    }

    /// A record bars those behind it: stops, or holds the lane in front of it. What was before it has been handed over.
    // Promise: order
    pub(super) fn bar(&mut self, lane: Lane, one: &Taken<'_>, bar: Bar) -> Result<(), WorkerError> {
        let Bar { failure, next, overtaken } = bar;
        let offset = Offset(one.offsets[0]);
        let plan = self.chain.plan().clone();
        let retry = match next {
            Next::Retry(retry) => {
                let module = plan.stages.get(failure.stage).map_or("", |stage| stage.module.name());
                self.hands.metrics.retry(module, failure.class);
                Some(retry)
            }
            Next::Act(action) => {
                self.hands.count(&plan, &failure, action);
                if action == Action::Stop {
                    if overtaken {
                        // what is behind it must not be committed
                        self.give_up(lane);
                    }
                    return Err(self.stopped(one, &failure));
                }
                None
            }
        };
        let tries = one.again + 1;
        if retry.is_none() {
            self.tell_of_pause(one, &failure, tries);
        }
        let (lane, from) = match overtaken && !self.hands.settings.exactly_once {
            true => self.give_up(lane).unwrap_or((lane, None)),
            false => (lane, None),
        };
        let message = failure.message.clone();
        let Some(book) = self.book(lane) else { return Ok(()) };
        let before = book.hold.take().filter(|hold| hold.offset == offset).and_then(|hold| hold.backoff);
        let seed = u64::from(lane.slot) << 32 ^ offset.0.unsigned_abs();
        let mut backoff =
            retry.map(|retry| before.unwrap_or_else(|| Backoff::new(retry.backoff, Retry::LONGEST, seed)));
        let until = match &mut backoff {
            Some(backoff) => Until::At(Instant::now() + backoff.next_wait()),
            None => Until::Resumed,
        };
        book.hold = Some(Hold { offset, failure, tries, until, catching_up: overtaken, backoff });
        match (overtaken, self.hands.settings.exactly_once) {
            (true, true) => return self.abort_transaction(&message),
            (true, false) => self.source.rewind(lane, from)?,
            (false, _) => {}
        }
        self.obey_holds();
        Ok(())
    }

    /// Gives a lane's open work up, so that none of it is committed: rows behind a record that bars them, or rows of
    /// itself, are on their way. The lane goes on under a new epoch.
    fn give_up(&mut self, lane: Lane) -> Option<(Lane, Option<Resume>)> {
        self.hands.spoiled = true;
        let (again, resume) = self.hands.ledger.rewind(lane)?;
        if let Some(book) = self.book(lane) {
            book.lane = again;
        }
        Some((again, resume))
    }

    fn tell_of_pause(&self, one: &Taken<'_>, failure: &Failure, tries: u32) {
        let batch = &one.batch;
        let partition = Partition { topic: batch.topic.to_owned(), number: batch.partition };
        let module = self.chain.plan().stages.get(failure.stage).map_or("", |stage| stage.module.name());
        let resume = format!("edgemill resume {} --partition {partition}", self.hands.settings.pipeline);
        tracing::error!(
            %partition,
            offset = batch.offsets[0],
            module,
            class = failure.class.as_str(),
            code = failure.code,
            error = failure.message,
            tries,
            resume,
            "paused in front of a record, as the policy `on` says: its partition is not read until somebody resumes it"
        );
    }

    /// Goes on with records at hand of lanes that nothing holds any more.
    pub(super) fn pass_kept(&mut self) -> Result<(), WorkerError> {
        while let Some(at) = self.lanes.iter().position(|book| book.kept.is_some() && !book.waits()) {
            if self.may_read().is_none() {
                break;
            }
            let book = &mut self.lanes[at];
            let lane = book.lane;
            if let Some((messages, from)) = book.kept.take() {
                self.pass_from(lane, messages, from)?;
            }
            self.obey_holds();
            if self.source.serve() {
                break;
            }
        }
        Ok(())
    }

    /// How long the worker may sleep.
    pub(super) fn nap(&self) -> Duration {
        self.next_try.map_or(NAP, |at| at.saturating_duration_since(Instant::now()).min(NAP))
    }

    /// Ends the holds whose time has come, and those that somebody resumes.
    pub(super) fn look_at_holds(&mut self) {
        if let Some(asked) = self.handover.take_resumed() {
            self.resume(&asked);
        }
        let now = Instant::now();
        if self.next_try.is_none_or(|at| now < at) {
            return;
        }
        for book in &mut self.lanes {
            if book.hold.as_ref().is_some_and(|hold| matches!(hold.until, Until::At(at) if at <= now)) {
                book.try_again();
            }
        }
        if self.next_probe.is_some_and(|at| at <= now) {
            self.probe_lanes();
        }
        self.obey_holds();
    }

    /// `None` in `asked` is everything, and the breaker too.
    fn resume(&mut self, asked: &[Option<Partition>]) {
        let all = asked.contains(&None);
        for book in &mut self.lanes {
            if (all || asked.iter().flatten().any(|partition| *partition == book.partition)) && book.hold.is_some() {
                tracing::info!(partition = %book.partition, "resumed");
                book.try_again();
            }
        }
        if all {
            self.probe_at_once();
        }
        self.obey_holds();
    }

    /// Tells the source which lanes to hand out nothing of, and reckons when the next hold may end.
    pub(super) fn obey_holds(&mut self) {
        let mut next: Option<Instant> = None;
        let mut waiting = false;
        for book in &mut self.lanes {
            // what is at hand comes before what the source has
            let waits = book.waits() || book.kept.is_some();
            if waits != book.held {
                book.held = waits;
                match waits {
                    true => self.source.hold(book.lane),
                    false => self.source.let_go(book.lane),
                }
                // who looks at the status sees it soon
                self.next_status = Instant::now();
            }
            waiting |= book.suspect == Some(Suspect::Waiting);
            if let Some(Hold { until: Until::At(at), .. }) = book.hold {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        if !waiting {
            self.next_probe = None;
        }
        self.next_try = match (next, self.next_probe) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
}
