//! A breaker: tells when more than a share of the last records failed, so that a broken module cannot quietly cost a topic.

use crate::policy::Class;
use std::collections::VecDeque;
use std::time::Duration;

/// Records that a probe takes, and the fewest that a breaker judges once it has tripped.
pub const PROBE: usize = 10;

/// When a breaker trips, and when it tries again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The share of records that may fail, below 1.
    pub failed: f64,
    /// Of so many of the last records.
    pub of: usize,
    /// How often a few records are tried while it is open.
    pub probe: Duration,
}

impl Default for Limit {
    fn default() -> Self {
        Self { failed: 0.5, of: 1000, probe: Duration::from_secs(10) }
    }
}

impl Limit {
    /// Whether so many failures of so many records are more than the share.
    pub fn is_exceeded(&self, failed: f64, of: usize) -> bool {
        failed > self.failed * of as f64
    }
}

/// So many records failed in one place for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Position in the chain; the chain's length for the sink.
    pub stage: usize,
    /// Why.
    pub class: Class,
    /// How many.
    pub records: usize,
}

/// The window of one worker's last records.
#[derive(Debug)]
pub struct Breaker {
    limit: Limit,
    /// Runs of records, oldest first: not records, so that one that does not fail costs nothing.
    runs: VecDeque<Run>,
    records: usize,
    failed: usize,
    open: bool,
    /// Records since it closed, until there were enough for the whole window: so long it judges what there was.
    trial: Option<usize>,
}

#[derive(Debug, Default)]
struct Run {
    records: usize,
    failed: usize,
    counts: Vec<Count>,
}

impl Breaker {
    /// A closed one.
    pub fn new(limit: Limit) -> Self {
        Self { limit, runs: VecDeque::new(), records: 0, failed: 0, open: false, trial: None }
    }

    /// When it trips.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Whether it has tripped, and no probe has passed since.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Takes a run of records and which of them failed, by place and class. Some: it trips, on these failures, most first.
    pub fn note(&mut self, records: usize, failures: impl Iterator<Item = (usize, Class)>) -> Option<Vec<Count>> {
        self.runs.push_back(Run { records, ..Run::default() });
        self.records += records;
        if let Some(seen) = &mut self.trial {
            *seen += records;
        }
        self.trial = self.trial.filter(|seen| *seen < self.limit.of);
        self.forget();
        self.blame(failures)
    }

    /// Takes failures of records that were noted before. Some: it trips.
    pub fn blame(&mut self, failures: impl Iterator<Item = (usize, Class)>) -> Option<Vec<Count>> {
        let mut any = false;
        for (stage, class) in failures {
            any = true;
            if self.runs.is_empty() {
                self.runs.push_back(Run::default());
            }
            if let Some(run) = self.runs.back_mut() {
                run.failed += 1;
                add(&mut run.counts, Count { stage, class, records: 1 });
            }
            self.failed += 1;
        }
        if !any || self.open || !self.limit.is_exceeded(self.failed_of_window(), self.judged()) {
            return None;
        }
        self.open = true;
        let mut counts = Vec::new();
        self.runs.iter().flat_map(|run| &run.counts).for_each(|count| add(&mut counts, *count));
        counts.sort_by_key(|count| std::cmp::Reverse(count.records));
        Some(counts)
    }

    /// Closes it with an empty window: a probe has passed. Until the window is full again it judges by what it has seen,
    /// so that what is still broken trips it at once.
    pub fn close(&mut self) {
        *self = Self { trial: Some(0), ..Self::new(self.limit) };
    }

    /// How many records may be handed over before their failures must be known: as many as a probe has, just after one.
    pub fn patience(&self) -> usize {
        match self.trial {
            Some(seen) if seen < PROBE => PROBE - seen,
            _ => usize::MAX,
        }
    }

    fn judged(&self) -> usize {
        self.trial.map_or(self.limit.of, |seen| seen.max(PROBE).min(self.limit.of))
    }

    /// Runs that have left the window whole.
    fn forget(&mut self) {
        while let Some(run) = self.runs.front().filter(|run| self.records - run.records >= self.limit.of) {
            self.records -= run.records;
            self.failed -= run.failed;
            self.runs.pop_front();
        }
    }

    /// Failures in the window. Of a run that has left it in part, a part.
    fn failed_of_window(&self) -> f64 {
        let left = self.records.saturating_sub(self.limit.of);
        match self.runs.front().filter(|_| left > 0) {
            Some(run) => self.failed as f64 - run.failed as f64 * left as f64 / run.records as f64,
            None => self.failed as f64,
        }
    }
}

fn add(counts: &mut Vec<Count>, more: Count) {
    match counts.iter_mut().find(|count| (count.stage, count.class) == (more.stage, more.class)) {
        Some(count) => count.records += more.records,
        None => counts.push(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRAP: (usize, Class) = (0, Class::Trap);

    fn breaker(failed: f64, of: usize) -> Breaker {
        Breaker::new(Limit { failed, of, probe: Duration::from_secs(1) })
    }

    fn note(breaker: &mut Breaker, records: usize, failed: usize) -> bool {
        breaker.note(records, std::iter::repeat_n(TRAP, failed)).is_some()
    }

    #[test]
    fn it_trips_when_more_than_the_share_failed_and_not_before() {
        let mut breaker = breaker(0.5, 1000);
        for _ in 0..5 {
            assert!(!note(&mut breaker, 100, 100), "500 of 1000 may fail");
        }
        assert!(!note(&mut breaker, 0, 0));
        assert!(note(&mut breaker, 1, 1));
        assert!(breaker.is_open());
    }

    #[test]
    fn it_says_where_and_why_most_first() {
        let mut breaker = breaker(0.0, 100);
        let failures = [TRAP, (1, Class::Reject), (1, Class::Reject)];
        let counts = breaker.note(50, failures.into_iter()).expect("it trips");
        let count = |stage, class, records| Count { stage, class, records };
        assert_eq!(counts, [count(1, Class::Reject, 2), count(0, Class::Trap, 1)]);
    }

    #[test]
    fn what_has_left_the_window_does_not_count() {
        let mut breaker = breaker(0.5, 100);
        assert!(!note(&mut breaker, 100, 50));
        assert!(!note(&mut breaker, 100, 0));
        assert!(!note(&mut breaker, 50, 50), "the last 100 have 50");
        assert!(note(&mut breaker, 1, 1));
    }

    #[test]
    fn a_batch_larger_than_the_window_is_judged_by_its_share() {
        assert!(!note(&mut breaker(0.5, 10), 1000, 500));
        assert!(note(&mut breaker(0.5, 10), 1000, 501));
    }

    #[test]
    fn after_a_probe_it_judges_what_it_has_seen_but_never_by_fewer_than_a_probe_has() {
        let mut breaker = breaker(0.5, 1000);
        assert!(note(&mut breaker, 600, 600));
        breaker.close();
        assert!(!breaker.is_open() && !note(&mut breaker, 1, 1) && !note(&mut breaker, 4, 4), "5 of 10");
        assert!(note(&mut breaker, 1, 1), "6 of 10");
        breaker.close();
        assert!(!note(&mut breaker, 999, 499));
        assert!(!note(&mut breaker, 1, 1), "the window is full, and half of it failed");
        assert!(note(&mut breaker, 1, 1));
    }

    #[test]
    fn failures_that_are_known_later_belong_to_the_records_noted_last() {
        let mut breaker = breaker(0.5, 10);
        assert!(!note(&mut breaker, 10, 5));
        assert!(breaker.blame(std::iter::once((1, Class::Refused))).is_some());
        assert!(breaker.blame(std::iter::once(TRAP)).is_none(), "it is open already");
    }

    proptest! {
        #[test]
        fn runs_of_one_record_are_judged_as_a_window_of_records_is(failures in prop::collection::vec(any::<bool>(), 0..300)) {
            let mut breaker = breaker(0.4, 50);
            for end in 1..=failures.len() {
                let window = &failures[end.saturating_sub(50)..end];
                let failed = window.iter().filter(|failed| **failed).count();
                let tripped = note(&mut breaker, 1, usize::from(failures[end - 1]));
                prop_assert_eq!(tripped, failed > 20 && failures[end - 1]);
                if tripped {
                    break;
                }
            }
        }
    }
}
