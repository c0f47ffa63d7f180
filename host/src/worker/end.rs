//! The end of a worker, and of its lanes: what was handed over is waited for, committed, and the group is left.

use super::status::{Ending, State};
use super::{Worker, WorkerError};
use crate::harmless::one_line;
use crate::record::Lane;
use crate::sink::Pace;
use std::time::{Duration, Instant};

impl Worker {
    /// Waits until the sinks have settled everything of these lanes. What is not settled by then is done again by
    /// whoever has the lane next.
    pub(super) fn drain(&mut self, lanes: &[Lane], deadline: Instant) -> Result<(), WorkerError> {
        loop {
            self.settle()?;
            if self.are_settled(lanes) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                tracing::warn!("not everything was delivered in time; it will be done again");
                return Ok(());
            }
            self.source.serve();
            self.wait_for_rows();
        }
    }

    fn are_settled(&self, lanes: &[Lane]) -> bool {
        lanes.iter().all(|&lane| self.hands.ledger.is_settled(lane))
    }

    /// Waits a little for what the sinks have to tell.
    pub(super) fn wait_for_rows(&mut self) {
        const LOOK: Duration = Duration::from_millis(10);
        let send = self.hands.send(Pace::Waiting);
        self.wake.wait(send.map_or(LOOK, |send| send.min(LOOK)));
    }

    /// Drains, commits, and leaves the group: the promise's last step is the process's exit code.
    // Promise: ending
    pub(super) fn end(&mut self) {
        self.board.update(|status| status.state = State::Draining);
        let lanes = self.held();
        // from when it was asked: a revocation may have waited since then already
        let deadline = self.handover.ending_since().unwrap_or_else(Instant::now) + self.hands.settings.grace;
        // errors have words of servers, brokers and modules in them
        if let Err(error) = self.drain(&lanes, deadline)
            && !self.are_settled(&lanes)
        {
            let error = one_line(&error.to_string()).into_owned();
            tracing::warn!(error, "draining failed; what is not committed will be done again");
        }
        let committed = self.commit_and_wait(&lanes).unwrap_or_else(|error| {
            let error = one_line(&error.to_string()).into_owned();
            tracing::warn!(error, "not committed; what is not committed will be done again");
            false
        });
        self.postponed = None;
        self.source.close();
        let given_up: u64 = self.lanes.iter().map(|book| book.undone).sum();
        let undelivered = self.hands.ledger.outstanding() + given_up;
        let ending = match undelivered == 0 && committed {
            true => Ending::Drained,
            false => Ending::GaveUp { undelivered },
        };
        self.board.update(|status| (status.state, status.ending) = (State::Ended, Some(ending)));
    }
}
