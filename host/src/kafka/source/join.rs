//! What there is to wait for before the first lane: topics that are not there; and, told once, a group that gives no lanes, because it
//! waits for other members, of which one may have been killed.

use super::end;
use crate::config::{KafkaSource as Config, Topics};
use crate::kafka::Identity;
use crate::kafka::health::Health;
use crate::kafka::options;
use crate::kafka::session::Session;
use crate::record::Partition;
use crate::source::SourceError;
use std::time::{Duration, Instant};

/// Asking for the topics before the consumer is made.
const METADATA: Duration = Duration::from_secs(3);

/// Assumed when the cluster did not tell.
const LANES: usize = 16;

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

/// How many lanes there may be at once: all partitions, in the worst case. Where the cluster does not tell, a guess. And what is waited
/// for then: a topic that is not there, or the group.
pub(super) fn look(config: &Config, identity: &Identity, health: &mut Health) -> Result<(usize, Join), SourceError> {
    let mut session = Session::open(&options::consumer(config, identity, LANES), health).map_err(end)?;
    let Some(partitions) = session.partitions(&config.topics, METADATA)? else { return Ok((LANES, Join::begin())) };
    let absent = absent(&config.topics, &partitions);
    if absent.is_empty() {
        return Ok((partitions.len(), Join::begin()));
    }
    // all workers of a pipeline see the same
    if identity.worker == 0 {
        tracing::warn!(
            topics = absent.join(", "),
            "no such topic: create it, or correct `topics`; it is read as soon as it is there"
        );
    }
    Ok(match partitions.len() {
        0 => (LANES, Join::ended()),
        count => (count, Join::begin()),
    })
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
