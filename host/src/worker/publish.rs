//! What a worker tells of itself about once a second: its status, and the gauges that go with it.

use super::status::LaneStatus;
use super::{LaneBook, Worker};
use std::time::{Duration, Instant};

/// How often the status is published.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

impl Worker {
    pub(super) fn publish_when_due(&mut self) {
        let now = Instant::now();
        if now >= self.next_status {
            let since = now.saturating_duration_since(self.next_status) + INTERVAL;
            self.next_status = now + INTERVAL;
            self.publish(since);
        }
    }

    pub(super) fn publish(&mut self, since: Duration) {
        let positions = self.source.positions();
        self.watch_lanes(&positions);
        let lanes: Vec<_> = self.lanes.iter().map(|book| self.lane_status(book, &positions)).collect();
        for lane in &lanes {
            if let (Some(next), Some(end)) = (lane.next, lane.end) {
                self.hands.metrics.lag(&lane.partition.topic, lane.partition.number, (end - next).max(0));
            }
        }
        self.hands.metrics.guest_memory.set(self.chain.memory() as f64);
        let counts = self.hands.counts;
        let seconds = since.as_secs_f64().max(0.001);
        self.board.update(|status| {
            status.lanes = lanes;
            status.records_per_second = counts.records.saturating_sub(status.records) as f64 / seconds;
            status.rows_per_second = counts.rows.saturating_sub(status.rows) as f64 / seconds;
            (status.records, status.rows, status.failed) = (counts.records, counts.rows, counts.failed);
        });
    }

    fn lane_status(&self, book: &LaneBook, positions: &[crate::source::Position]) -> LaneStatus {
        let position = positions.iter().find(|position| position.lane == book.lane);
        LaneStatus {
            partition: book.partition.clone(),
            next: position.and_then(|position| position.next),
            end: position.and_then(|position| position.end),
            resume: self.hands.ledger.resume(book.lane).map(|resume| resume.0),
            plan_since: book.plan_since,
            stalled: self.stalls.stalled(book.lane),
        }
    }
}
