//! Leaves the group: what was not committed yet is tried once more, and the group is told.

use super::{COMMIT_AGAIN, KafkaSource, LAST_COMMIT, Rebalance};
use crate::kafka::raw::Said;
use std::time::{Duration, Instant};

const CLOSE: Duration = Duration::from_secs(10);

impl KafkaSource {
    pub(super) fn leave(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        // a rebalance that is under way refuses commits, and is over soon; what stays uncommitted is read again
        let deadline = Instant::now() + LAST_COMMIT;
        while self.commits.has_failed() && Instant::now() < deadline {
            self.serve_events(COMMIT_AGAIN);
            let left = deadline.saturating_duration_since(Instant::now());
            let _ = self.commits.send(&self.handle, &self.events, &mut self.health, Some(left));
        }
        let without_lanes = self.lanes.iter().all(Option::is_none);
        self.lanes.clear();
        self.slots.clear();
        let mut refused = match self.open.take() {
            Some(Rebalance::Assigned(_)) => self.answer_assigned(&[]),
            open => {
                self.open = open;
                self.answer_revoked()
            }
        };
        // librdkafka closes a cooperative member that has no partitions without telling the group, whose next rebalance
        // then waits until the session times out; only giving the subscription up tells it. Static members stay.
        if without_lanes && !self.config.static_membership {
            let _ = self.handle.unsubscribe();
        }
        // after a fatal error there is nothing to leave
        if self.handle.close(&self.events).is_err() {
            return;
        }
        let deadline = Instant::now() + CLOSE;
        while !self.handle.is_closed() && Instant::now() < deadline {
            while let Some(rebalance) = self.rebalances.pop_front() {
                self.open = Some(rebalance);
                refused = match self.open {
                    Some(Rebalance::Assigned(_)) => self.answer_assigned(&[]),
                    _ => self.answer_revoked(),
                };
            }
            match self.events.poll(Duration::from_millis(50)).map(|event| event.read()) {
                Some(Said::Assigned(partitions)) => self.rebalances.push_back(Rebalance::Assigned(partitions)),
                Some(Said::Revoked(partitions)) => {
                    self.rebalances.push_back(Rebalance::Revoked { partitions, lost: true });
                }
                Some(Said::Log { level, facility, text }) => self.health.log(level, &facility, &text),
                _ => {}
            }
        }
        if let Err(error) = refused {
            tracing::debug!(%error, "leaving the group");
        }
    }
}
