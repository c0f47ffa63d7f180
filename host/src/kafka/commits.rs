//! What a group should have committed and what it has: a commit that failed is tried again, also when its lane moves no more.

use super::health::Health;
use super::raw::{Error, Handle, Queue, Said};
use super::start;
use crate::record::Partition;
use rdkafka::Offset;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between a commit that failed and the next try.
const AGAIN: Duration = Duration::from_secs(1);

/// The commits of the lanes that are held.
#[derive(Debug, Default)]
pub(super) struct Commits {
    points: HashMap<Partition, Point>,
    again: Option<Instant>,
}

#[derive(Debug, Default)]
struct Point {
    wanted: i64,
    /// Asked for, and not known to have failed.
    asked: Option<i64>,
    confirmed: Option<i64>,
}

impl Commits {
    /// Notes what shall be committed.
    pub(super) fn want(&mut self, partition: &Partition, offset: i64) {
        match self.points.get_mut(partition) {
            Some(point) => point.wanted = offset,
            None => {
                self.points.insert(partition.clone(), Point { wanted: offset, asked: None, confirmed: None });
            }
        }
    }

    /// What is to be asked for now: what was not asked for before or failed; with `unanswered` also what is on its way.
    pub(super) fn ask(&mut self, unanswered: bool) -> Vec<(Partition, i64)> {
        self.again = None;
        let open = self.points.iter_mut().filter(|(_, point)| match unanswered {
            true => point.confirmed != Some(point.wanted),
            false => point.asked != Some(point.wanted),
        });
        open.map(|(partition, point)| {
            point.asked = Some(point.wanted);
            (partition.clone(), point.wanted)
        })
        .collect()
    }

    /// Takes note of an answer.
    pub(super) fn answer(&mut self, partition: &Partition, offset: i64, done: bool) {
        let Some(point) = self.points.get_mut(partition) else { return };
        if done {
            // librdkafka asks again when a broker dies, and then an older point may come to the group behind a newer one
            let overtaken = point.asked != Some(offset) && point.asked.is_some() && point.asked == point.confirmed;
            point.confirmed = Some(offset);
            if overtaken {
                point.asked = None;
                self.again = Some(Instant::now());
            }
        } else if point.asked == Some(offset) {
            point.asked = None;
            self.again = Some(Instant::now() + AGAIN);
        }
    }

    /// Takes note of answers, and logs the first of what was not committed.
    pub(super) fn take(&mut self, outcomes: Vec<(Partition, i64, Option<Error>)>, health: &mut Health) {
        let mut failed = None;
        for (partition, offset, error) in outcomes {
            self.answer(&partition, offset, error.is_none());
            failed = failed.or(error.map(|error| (partition, error)));
        }
        let Some((partition, error)) = failed else { return health.up() };
        health.count(error.code);
        let about = match error.code {
            Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress | Code::FencedInstanceId => {
                "; the group is rebalancing: it is tried again while the partition is ours"
            }
            _ => "; it is tried again",
        };
        health.say(error.code, &format!("the offset of {partition} could not be committed: {error}"), about);
    }

    /// Asks for what should be committed. With a deadline it waits for the answer; without one the answer is an event
    /// of `events`, for [`Commits::take`].
    pub(super) fn send(
        &mut self,
        handle: &Arc<Handle>,
        events: &Queue,
        health: &mut Health,
        wait: Option<Duration>,
    ) -> Result<(), String> {
        let asked = self.ask(wait.is_some());
        if asked.is_empty() {
            return Ok(());
        }
        let list = start::list(asked.iter().map(|(partition, offset)| (partition, Offset::Offset(*offset))));
        let own = handle.queue();
        let mut outcome = handle.commit(&list, wait.map_or(events, |_| &own)).map_err(|error| error.text);
        if let (Ok(()), Some(limit)) = (&outcome, wait) {
            let deadline = Instant::now() + limit;
            while let Some(event) = own.poll(deadline.saturating_duration_since(Instant::now())) {
                let Said::Committed(outcomes) = event.read() else { continue };
                let failed =
                    outcomes.iter().find_map(|(partition, _, error)| Some(format!("{partition}: {}", error.as_ref()?)));
                self.take(outcomes, health);
                return failed.map_or(Ok(()), Err);
            }
            outcome = Err(format!("the group's coordinator did not answer in {} ms", limit.as_millis()));
        }
        if outcome.is_err() {
            for (partition, offset) in &asked {
                self.answer(partition, *offset, false);
            }
        }
        outcome
    }

    /// Whether something that failed should be asked for again by now.
    pub(super) fn is_due(&self) -> bool {
        self.again.is_some_and(|again| again <= Instant::now())
    }

    /// Whether something failed and was not asked for again.
    pub(super) fn has_failed(&self) -> bool {
        self.again.is_some()
    }

    /// Forgets a partition that is not ours any more.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.points.remove(partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        Partition { topic: "t".to_owned(), number: 0 }
    }

    #[test]
    fn a_point_is_asked_for_once_until_it_fails() {
        let mut commits = Commits::default();
        commits.want(&partition(), 5);
        assert_eq!(commits.ask(false), [(partition(), 5)]);
        assert_eq!(commits.ask(false), []);
        assert_eq!(commits.ask(true), [(partition(), 5)]);
        commits.answer(&partition(), 5, false);
        assert_eq!(commits.ask(false), [(partition(), 5)]);
        commits.answer(&partition(), 5, true);
        assert_eq!(commits.ask(true), []);
    }

    #[test]
    fn an_old_answer_does_not_touch_a_newer_point() {
        let mut commits = Commits::default();
        commits.want(&partition(), 5);
        commits.ask(false);
        commits.want(&partition(), 9);
        commits.ask(false);
        commits.answer(&partition(), 5, false);
        assert_eq!(commits.ask(false), []);
        commits.answer(&partition(), 5, true);
        assert_eq!(commits.ask(true), [(partition(), 9)]);
        commits.forget(&partition());
        assert_eq!(commits.ask(true), []);
    }

    #[test]
    fn an_older_point_that_comes_behind_a_newer_one_is_put_right() {
        let mut commits = Commits::default();
        for offset in [5, 9] {
            commits.want(&partition(), offset);
            commits.ask(false);
        }
        commits.answer(&partition(), 9, true);
        assert!(!commits.is_due());
        commits.answer(&partition(), 5, true);
        assert!(commits.is_due());
        assert_eq!(commits.ask(false), [(partition(), 9)]);
        commits.answer(&partition(), 9, true);
        assert!(!commits.is_due());
        assert_eq!(commits.ask(true), []);
    }
}
