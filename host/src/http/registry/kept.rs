//! Answers of a registry that are kept, and for how long each is believed. Knows neither the clock nor what was asked.

use crate::registry::RegistryError;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Answers of one sort at the most: modules may ask for anything.
const MOST: usize = 1000;

/// And their bytes.
const BYTES: usize = 32 << 20;

/// What was answered.
pub(super) type Answered<T> = Result<Arc<T>, RegistryError>;

/// Answers by what was asked.
pub(super) struct Kept<K, T>(Mutex<Answers<K, T>>);

struct Answers<K, T> {
    all: HashMap<K, Answer<T>>,
    bytes: usize,
}

struct Answer<T> {
    answered: Answered<T>,
    /// `None`: it is true for ever.
    until: Option<Instant>,
    bytes: usize,
}

impl<T> Answer<T> {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl<K: Hash + Eq, T> Kept<K, T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Answers { all: HashMap::new(), bytes: 0 }))
    }

    fn answers(&self) -> MutexGuard<'_, Answers<K, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is believed now.
    pub(super) fn get(&self, key: &K, now: Instant) -> Option<Answered<T>> {
        let answers = self.answers();
        answers.all.get(key).filter(|answer| answer.holds(now)).map(|answer| answer.answered.clone())
    }

    /// Keeps an answer of so many bytes. Where there are too many, those go that are no longer believed, and else all.
    // Promise: bounds
    pub(super) fn keep(&self, key: K, answered: Answered<T>, until: Option<Instant>, bytes: usize, now: Instant) {
        let mut answers = self.answers();
        answers.forget(&key);
        if answers.is_full(bytes) {
            answers.all.retain(|_, answer| answer.holds(now));
            answers.bytes = answers.all.values().map(|answer| answer.bytes).sum();
        }
        if answers.is_full(bytes) {
            answers.all.clear();
            answers.bytes = 0;
        }
        answers.bytes += bytes;
        answers.all.insert(key, Answer { answered, until, bytes });
    }

    /// Believes no more what was answered.
    pub(super) fn forget(&self, key: &K) {
        self.answers().forget(key);
    }
}

impl<K: Hash + Eq, T> Answers<K, T> {
    fn forget(&mut self, key: &K) {
        self.bytes -= self.all.remove(key).map_or(0, |answer| answer.bytes);
    }

    fn is_full(&self, more: usize) -> bool {
        self.all.len() >= MOST || self.bytes + more > BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SOME: Duration = Duration::from_secs(5);

    #[test]
    fn an_answer_is_believed_for_its_time_or_for_ever() {
        let (kept, now) = (Kept::new(), Instant::now());
        let failed = Err(RegistryError("not there".to_owned()));
        kept.keep(1, failed.clone(), Some(now + SOME), 10, now);
        kept.keep(2, Ok(Arc::new("schema")), None, 10, now);
        assert_eq!([kept.get(&1, now), kept.get(&3, now)], [Some(failed), None]);
        assert_eq!(kept.get(&1, now + SOME), None);
        assert_eq!(kept.get(&2, now + 1000 * SOME), Some(Ok(Arc::new("schema"))));
        kept.forget(&2);
        assert_eq!(kept.get(&2, now), None);
    }

    fn held(kept: &Kept<usize, usize>) -> (usize, usize) {
        let answers = kept.answers();
        (answers.all.len(), answers.bytes)
    }

    #[test]
    fn there_are_never_too_many_and_what_is_believed_stays_longest() {
        let (kept, now) = (Kept::new(), Instant::now());
        (0..MOST).for_each(|key| kept.keep(key, Ok(Arc::new(key)), (key > 0).then(|| now + SOME), 1, now));
        kept.keep(MOST, Ok(Arc::new(1)), None, 1, now + SOME);
        assert_eq!(held(&kept), (2, 2));
        assert!(kept.get(&0, now).is_some());
        kept.keep(1, Ok(Arc::new(1)), None, BYTES - 2, now);
        assert_eq!(held(&kept), (3, BYTES));
        kept.keep(2, Ok(Arc::new(1)), None, 1, now);
        assert_eq!(held(&kept), (1, 1));
        kept.keep(2, Ok(Arc::new(1)), None, 5, now);
        assert_eq!(held(&kept), (1, 5));
    }
}
