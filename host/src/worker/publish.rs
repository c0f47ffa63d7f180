//! What a worker tells of itself about once a second: its status, and the gauges that go with it.

use super::lane::Until;
use super::status::{BreakerStatus, Held, LaneStatus};
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
            if let Some(lag) = lane.lag {
                self.hands.metrics.lag(&lane.partition.topic, lane.partition.number, lag);
            }
        }
        self.hands.metrics.guest_memory.set(self.chain.memory() as f64);
        let paused = self.lanes.iter().filter(|book| book.paused().is_some()).count();
        self.hands.metrics.lanes_paused.set(paused as f64);
        let breaker = self.breaker_status();
        self.hands.metrics.breaker_open.set(f64::from(u8::from(breaker.is_some())));
        let counts = self.hands.counts;
        self.hands.failures.tell(counts);
        let before = std::mem::replace(&mut self.told, counts);
        let waits = !self.hands.ledger.is_all_settled() || self.lanes.iter().any(|book| book.undone > 0);
        let delivered = counts.delivered > before.delivered;
        let seconds = since.as_secs_f64().max(0.001);
        self.board.update(|status| {
            let done = !lanes.is_empty() && lanes.iter().all(|lane| lane.lag == Some(0));
            match (delivered || done, waits) {
                (true, _) => status.no_delivery_since = None,
                (false, true) => {
                    status.no_delivery_since.get_or_insert_with(Instant::now);
                }
                // a worker that was made anew reads again
                (false, false) => {}
            }
            (status.lanes, status.breaker) = (lanes, breaker);
            status.records_per_second = counts.records.saturating_sub(status.records) as f64 / seconds;
            status.rows_per_second = counts.rows.saturating_sub(status.rows) as f64 / seconds;
            (status.records, status.rows, status.failed) = (counts.records, counts.rows, counts.failed);
            (status.by_class, status.told) = (counts.by_class, Some(Instant::now()));
            status.sums.records += counts.records - before.records;
            status.sums.delivered += counts.delivered - before.delivered;
            status.sums.letters += counts.letters - before.letters;
            status.sums.skipped += counts.skipped - before.skipped;
        });
    }

    fn lane_status(&self, book: &LaneBook, positions: &[crate::source::Position]) -> LaneStatus {
        let position = positions.iter().find(|position| position.lane == book.lane);
        let (next, end) = (position.and_then(|position| position.next), position.and_then(|position| position.end));
        let resume = self.hands.ledger.resume(book.lane).map(|resume| resume.0);
        // what was read and is on its way, or waits, is not done with; otherwise the next to read may be beyond what ends a
        // transaction, or what compaction took
        let waits = book.undone > 0 || book.hold.is_some() || book.kept.is_some();
        let done = match waits || !self.hands.ledger.is_settled(book.lane) {
            true => resume.or(book.first.map(|first| first.0)),
            false => next,
        };
        LaneStatus {
            partition: book.partition.clone(),
            next,
            end,
            lag: done.zip(end).map(|(done, end)| (end - done).max(0)),
            resume,
            plan_since: book.plan_since,
            held: held(book),
            stalled: self.stalls.stalled(book.lane),
        }
    }

    fn breaker_status(&self) -> Option<BreakerStatus> {
        let waiting = self.lanes.iter().filter(|book| book.suspect.is_some()).map(|book| book.partition.clone());
        self.breaker_holds().then(|| BreakerStatus { failed: self.reason.clone(), waiting: waiting.collect() })
    }
}

fn held(book: &LaneBook) -> Option<Held> {
    let hold = book.hold.as_ref()?;
    Some(Held {
        class: hold.failure.class,
        code: hold.failure.code.clone(),
        message: hold.failure.message.clone(),
        offset: hold.offset,
        tries: hold.tries,
        again_in: match hold.until {
            Until::At(at) => Some(at.saturating_duration_since(Instant::now())),
            Until::Now => Some(Duration::ZERO),
            Until::Resumed => None,
        },
    })
}
