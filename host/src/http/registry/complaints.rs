//! What the log is told of a registry: that it is away, and back; and what it refuses, once in a while.

use crate::registry::RegistryError;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it is told that questions come to nothing: there may be one for each record.
const EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Told>);

#[derive(Default)]
struct Told {
    is_away: bool,
    away: Pace,
    refused: Pace,
}

/// When something was told last, and how often it was not told since.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    left_out: u64,
}

impl Pace {
    /// Whether it is told now, and then how often it was not.
    fn step(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + EVERY) {
            self.left_out += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Complaints {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It did not answer, or to nobody.
    pub(super) fn away(&self, error: &RegistryError, now: Instant) {
        let mut told = self.told();
        told.is_away = true;
        if told.away.step(now).is_some() {
            tracing::warn!(
                %error,
                "the schema registry does not answer: what modules ask it comes to nothing, but for what is known; it is asked again \
                 every few seconds"
            );
        }
    }

    /// It answered.
    pub(super) fn answered(&self) {
        let mut told = self.told();
        if std::mem::take(&mut told.is_away) {
            told.away = Pace::default();
            tracing::info!("the schema registry answers again");
        }
    }

    /// It answered that something is not there, or not to be had.
    pub(super) fn refused(&self, error: &RegistryError, now: Instant) {
        if let Some(left_out) = self.told().refused.step(now) {
            tracing::warn!(%error, left_out, "a module's question to the schema registry came to nothing");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_in_a_while_and_how_often_it_was_not() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let told: Vec<_> = (0..25).map(|second| pace.step(now + Duration::from_secs(second))).collect();
        let times: Vec<_> = told.iter().enumerate().filter_map(|(at, told)| Some((at, (*told)?))).collect();
        assert_eq!(times, [(0, 0), (10, 9), (20, 9)]);
    }
}
