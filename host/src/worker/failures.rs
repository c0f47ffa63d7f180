//! Tells now and then that records failed, and of one of them: who reads the log should not have to look at metrics to know that dead
//! letters are written.

use super::submit::{Counts, example};
use crate::batch::Batch;
use crate::policy::Failure;
use std::time::{Duration, Instant};

/// How often it is worth a line.
const TOLD: Duration = Duration::from_secs(10);

/// Failures since the last line.
#[derive(Default)]
pub(super) struct Failures {
    example: Option<String>,
    /// What was counted at the last line, and when that was.
    told: Option<(Counts, Instant)>,
}

impl Failures {
    /// Takes the first of a while as the example.
    pub(super) fn note(&mut self, batch: &Batch<'_>, failures: &[Failure]) {
        if let (None, Some(failure)) = (&self.example, failures.first()) {
            self.example = Some(example(batch, failure));
        }
    }

    /// Writes a line where there were any, and the last one is long enough ago. Once a second, by the worker.
    pub(super) fn tell(&mut self, counts: Counts) {
        // a record that bars its lane is told otherwise
        if self.example.is_none() {
            return;
        }
        let Some((failed, dead_letters, skipped)) = self.due(counts, Instant::now()) else { return };
        let example = self.example.take();
        tracing::warn!(failed, dead_letters, skipped, example, "records failed, and met the policy `on`");
    }

    /// How many failed since the last line; none where it is not time for the next.
    fn due(&mut self, counts: Counts, now: Instant) -> Option<(u64, u64, u64)> {
        let (before, at) = self.told.map_or((Counts::default(), None), |(before, at)| (before, Some(at)));
        if counts.failed == before.failed || at.is_some_and(|at| now.saturating_duration_since(at) < TOLD) {
            return None;
        }
        self.told = Some((counts, now));
        Some((counts.failed - before.failed, counts.letters - before.letters, counts.skipped - before.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_since_the_last_line_is_told_now_and_then() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        let counts = |failed| Counts { failed, letters: failed - 1, skipped: 1, ..Counts::default() };
        assert_eq!(failures.due(Counts::default(), now), None);
        assert_eq!(failures.due(counts(3), now), Some((3, 2, 1)));
        assert_eq!(failures.due(counts(5), now + TOLD / 2), None);
        assert_eq!(failures.due(counts(8), now + TOLD), Some((5, 5, 0)));
        assert_eq!(failures.due(counts(8), now + 2 * TOLD), None);
    }
}
