//! Tells, once, of a group that gives no lanes: it waits for other members, of which one may have been killed.

use crate::config::{KafkaSource as Config, Topics};
use crate::record::Partition;
use std::time::{Duration, Instant};

/// After so long somebody may wonder what is waited for.
const WONDERS: Duration = Duration::from_secs(2);

/// librdkafka's default.
const SESSION: Duration = Duration::from_secs(45);

/// Waits for the group's first answer.
pub(super) struct Join(Option<Instant>);

impl Join {
    pub(super) fn begin() -> Self {
        Self(Some(Instant::now()))
    }

    /// It is known that the group has nothing to give.
    pub(super) fn ended() -> Self {
        Self(None)
    }

    /// The group has answered.
    pub(super) fn end(&mut self) {
        self.0 = None;
    }

    /// Tells of it where it is time to; `is_up`: the cluster answers, so that it is the group that is waited for.
    pub(super) fn look(&mut self, config: &Config, is_up: bool) {
        if is_up && self.is_due(Instant::now()) {
            let session_s = session(config).as_secs_f64();
            tracing::info!(
                group = config.group,
                session_s,
                "waiting for lanes: the group asks its other members first, and one that was killed is waited for until its \
                 session is over (`session.timeout.ms`)"
            );
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        self.0.take_if(|since| now.saturating_duration_since(*since) >= WONDERS).is_some()
    }
}

/// What is wanted, and has none of the partitions that there are.
pub(super) fn absent(topics: &Topics, partitions: &[Partition]) -> Vec<String> {
    match topics {
        Topics::List(names) => {
            let is_there = |name: &String| partitions.iter().any(|partition| partition.topic == *name);
            names.iter().filter(|name| !is_there(name)).cloned().collect()
        }
        Topics::Pattern(pattern) => partitions.is_empty().then(|| pattern.clone()).into_iter().collect(),
    }
}

fn session(config: &Config) -> Duration {
    let given = config.client.options.get("session.timeout.ms").and_then(|value| value.parse().ok());
    given.map_or(SESSION, Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_not_where_the_group_answers_soon() {
        let now = Instant::now();
        let mut join = Join(Some(now));
        assert!(!join.is_due(now + Duration::from_millis(1900)));
        assert!(join.is_due(now + Duration::from_secs(2)));
        assert!(!join.is_due(now + Duration::from_secs(60)));
        let mut join = Join(Some(now));
        join.end();
        assert!(!join.is_due(now + Duration::from_secs(60)));
    }
}
