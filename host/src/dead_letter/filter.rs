//! Which dead letters are meant.

use super::Letter;
use std::ops::RangeInclusive;

/// Chooses dead letters; what says nothing chooses all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these classes.
    pub classes: Vec<String>,
    /// Any of these modules, with or without `.wasm`.
    pub modules: Vec<String>,
    /// Any of these codes.
    pub codes: Vec<String>,
    /// Failed at this time or later, in milliseconds since 1970-01-01 UTC.
    pub from: Option<i64>,
    /// Failed before this time.
    pub to: Option<i64>,
    /// The original's topic.
    pub topic: Option<String>,
    /// The original's partition.
    pub partition: Option<i32>,
    /// The original's offset.
    pub offsets: Option<RangeInclusive<i64>>,
}

impl Filter {
    /// Whether a dead letter is meant.
    pub fn chooses(&self, letter: &Letter<'_>) -> bool {
        let any =
            |wanted: &[String], is: &dyn Fn(&str) -> bool| wanted.is_empty() || wanted.iter().any(|word| is(word));
        let module = |wanted: &str| letter.module == wanted || letter.module.strip_suffix(".wasm") == Some(wanted);
        any(&self.classes, &|class| class == letter.class)
            && any(&self.modules, &module)
            && any(&self.codes, &|code| code == letter.code)
            && self.from.is_none_or(|from| letter.time >= from)
            && self.to.is_none_or(|to| letter.time < to)
            && self.topic.as_ref().is_none_or(|topic| topic == letter.topic)
            && self.partition.is_none_or(|partition| partition == letter.partition)
            && self.offsets.as_ref().is_none_or(|offsets| offsets.contains(&letter.offset))
    }
}
