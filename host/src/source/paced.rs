//! A source that hands out no more than so many records a second; the protocol is served meanwhile.

use super::{BatchLimit, Event, Position, Source, SourceError};
use crate::record::{Lane, Partition, Resume};
use std::time::{Duration, Instant};

/// What may have been saved up, as a part of a second's records: a worker looks ten times a second.
const SAVED: f64 = 0.25;

/// See the module.
pub struct Paced {
    inner: Box<dyn Source>,
    pace: Pace,
}

/// Records that may pass now.
struct Pace {
    a_second: f64,
    allowed: f64,
    at: Instant,
}

impl Pace {
    fn refill(&mut self, now: Instant) -> usize {
        let since = now.saturating_duration_since(self.at);
        self.at = now;
        let most = (self.a_second * SAVED).max(1.0);
        self.allowed = (self.allowed + since.as_secs_f64() * self.a_second).min(most);
        self.allowed.max(0.0) as usize
    }
}

impl Paced {
    /// Slows a source down to so many records a second.
    pub fn new(inner: Box<dyn Source>, a_second: f64) -> Self {
        Self { inner, pace: Pace { a_second, allowed: 0.0, at: Instant::now() } }
    }
}

impl Source for Paced {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        let allowed = self.pace.refill(Instant::now());
        let read =
            read.filter(|_| allowed > 0).map(|limit| BatchLimit { records: limit.records.min(allowed), ..limit });
        let event = self.inner.poll(read)?;
        if let Event::Batch(_, messages) = &event {
            self.pace.allowed -= messages.offsets().len() as f64;
        }
        Ok(event)
    }

    fn serve(&mut self) -> bool {
        self.inner.serve()
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        self.inner.assign(lanes)
    }

    fn release(&mut self, lanes: &[Lane]) -> Result<(), SourceError> {
        self.inner.release(lanes)
    }

    fn rewind(&mut self, lane: Lane, to: Option<Resume>) -> Result<(), SourceError> {
        self.inner.rewind(lane, to)
    }

    fn hold(&mut self, lane: Lane) {
        self.inner.hold(lane);
    }

    fn let_go(&mut self, lane: Lane) {
        self.inner.let_go(lane);
    }

    fn commit(&mut self, points: &[(Lane, Resume)], wait: Option<Duration>) -> Result<(), String> {
        self.inner.commit(points, wait)
    }

    fn member(&self) -> Option<Vec<u8>> {
        self.inner.member()
    }

    fn positions(&self) -> Vec<Position> {
        self.inner.positions()
    }

    fn close(&mut self) {
        self.inner.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_passes_than_the_rate_and_a_quarter_of_a_second_of_it() {
        let begin = Instant::now();
        let mut pace = Pace { a_second: 100.0, allowed: 0.0, at: begin };
        let mut passed = 0;
        for step in 1..=1000 {
            let allowed = pace.refill(begin + Duration::from_millis(step * 10)).min(7);
            pace.allowed -= allowed as f64;
            passed += allowed;
        }
        assert!((990..=1000).contains(&passed), "{passed} in ten seconds");
        // what is not taken is not saved up for ever
        assert_eq!(pace.refill(begin + Duration::from_secs(3600)), 25);
    }

    #[test]
    fn a_rate_below_one_a_second_still_passes_one_now_and_then() {
        let begin = Instant::now();
        let mut pace = Pace { a_second: 0.5, allowed: 0.0, at: begin };
        assert_eq!(pace.refill(begin + Duration::from_secs(1)), 0);
        assert_eq!(pace.refill(begin + Duration::from_secs(2)), 1);
    }
}
