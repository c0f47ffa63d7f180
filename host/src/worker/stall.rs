//! Lanes that should hand records out and do not: a consumer may be a member of its group in good order, and get nothing.
//!
//! Told from a lane at its end by asking: what the last fetch said of the end is as old as the silence.

use super::Worker;
use crate::record::Lane;
use crate::source::{Position, Reach};
use std::time::{Duration, Instant};

/// Time counts up to here from one look to the next: while the worker was busy elsewhere, no lane could hand anything out.
const GLANCE: Duration = Duration::from_secs(2);

/// Between two questions for a lane whose answer did not come.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches the lanes of a worker.
#[derive(Default)]
pub(super) struct Stalls {
    looked: Option<Instant>,
    /// Whether anything could be read since the last look.
    read: bool,
    lanes: Vec<Silence>,
}

/// A lane that is watched.
struct Silence {
    lane: Lane,
    next: Option<i64>,
    /// How long nothing came, of the time in which it could have.
    silent: Duration,
    /// How long it had been silent when its end was asked for.
    asked: Option<Duration>,
    stalled: bool,
}

/// What a look found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Looked {
    /// The ends of these lanes are to be asked for.
    pub(super) ask: Vec<Lane>,
    /// Stalled from now on, and why.
    pub(super) began: Vec<(Lane, String)>,
    /// Not stalled any more.
    pub(super) ended: Vec<Lane>,
}

impl Stalls {
    /// Looks at all lanes that are held. A lane is stalled when nothing came of it for `after`, and its end is further on
    /// or cannot be asked for.
    pub(super) fn look(&mut self, now: Instant, after: Duration, positions: &[Position]) -> Looked {
        let since = self.looked.map_or(Duration::ZERO, |looked| now.saturating_duration_since(looked)).min(GLANCE);
        let since = if std::mem::take(&mut self.read) { since } else { Duration::ZERO };
        self.looked = Some(now);
        let mut looked = Looked::default();
        self.lanes.retain(|silence| positions.iter().any(|position| position.lane == silence.lane));
        for Position { lane, next, reach, .. } in positions {
            let fresh = || Silence { lane: *lane, next: *next, silent: Duration::ZERO, asked: None, stalled: false };
            let Some(silence) = self.lanes.iter_mut().find(|silence| silence.lane == *lane) else {
                self.lanes.push(fresh());
                continue;
            };
            // an answer is of use only where it was asked for in this silence
            let reach = if silence.asked.is_some() { reach } else { &Reach::Unknown };
            let at_end = matches!(reach, Reach::To(end) if next.is_some_and(|next| next >= *end) || *end == 0);
            if silence.next != *next || at_end {
                if silence.stalled {
                    looked.ended.push(*lane);
                }
                *silence = fresh();
                continue;
            }
            silence.silent += since;
            let failed = matches!(reach, Reach::Failed(_));
            let wait = if failed && !silence.stalled { AGAIN } else { after / 2 };
            if silence.silent >= silence.asked.unwrap_or_default() + wait {
                looked.ask.push(*lane);
            }
            if silence.silent >= after && !silence.stalled {
                let why = match reach {
                    Reach::Unknown => continue,
                    Reach::To(end) => format!("the partition has records up to offset {end}"),
                    Reach::Failed(error) => format!("the end of the partition cannot be asked for: {error}"),
                };
                silence.stalled = true;
                looked.began.push((*lane, why));
            }
        }
        for silence in self.lanes.iter_mut().filter(|silence| looked.ask.contains(&silence.lane)) {
            silence.asked = Some(silence.silent);
        }
        looked
    }

    /// How long the lane has handed nothing out, where it is stalled.
    pub(super) fn stalled(&self, lane: Lane) -> Option<Duration> {
        let silence = self.lanes.iter().find(|silence| silence.lane == lane)?;
        silence.stalled.then_some(silence.silent)
    }

    /// How many lanes are stalled.
    pub(super) fn count(&self) -> usize {
        self.lanes.iter().filter(|silence| silence.stalled).count()
    }

    /// Notes whether records could be read in this turn.
    pub(super) fn note(&mut self, read: bool) {
        self.read |= read;
    }
}

impl Worker {
    /// Looks for stalled lanes, and tells of them once.
    pub(super) fn watch_lanes(&mut self, positions: &[Position]) {
        let Some(after) = self.hands.settings.stalled_after else { return };
        // a lane that waits for something else is not expected to hand anything out
        let waits = |lane: Lane| self.lanes.iter().any(|book| book.lane == lane && book.held);
        let watched: Vec<_> = positions.iter().filter(|position| !waits(position.lane)).cloned().collect();
        let looked = self.stalls.look(Instant::now(), after, &watched);
        let partition = |lane: Lane| positions.iter().find(|position| position.lane == lane).map(|p| &p.partition);
        for (lane, why) in looked.began {
            let (Some(partition), Some(silent)) = (partition(lane), self.stalls.stalled(lane)) else { continue };
            tracing::warn!(
                %partition, silent_s = silent.as_secs(), why,
                "the lane is stalled: nothing comes of it, though it is read"
            );
        }
        for lane in looked.ended {
            let Some(partition) = partition(lane) else { continue };
            tracing::info!(%partition, "the lane is not stalled any more");
        }
        if !looked.ask.is_empty() {
            self.source.ask(&looked.ask, after / 4);
        }
        self.hands.metrics.lanes_stalled.set(self.stalls.count() as f64);
    }
}

#[cfg(test)]
mod tests;
