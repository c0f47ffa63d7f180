//! What came of trying a connection: a line for a person, good or bad with what to do.

use crate::harmless::one_line;
use std::fmt;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which part of the pipeline needs it: `source`, `sink`, `dead letters`.
    pub part: &'static str,
    /// What was tried.
    pub about: String,
    /// What came of it.
    pub found: Found,
}

/// What came of a try. The texts are for a person, and have no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It works.
    Good(String),
    /// It does not: why, and what to do.
    Bad(String),
    /// It cannot be known without doing harm: why.
    Untried(String),
}

impl Finding {
    /// One that is good.
    pub fn good(part: &'static str, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { part, about: about.into(), found: Found::Good(what.into()) }
    }

    /// One that is bad: why, and what to do.
    pub fn bad(part: &'static str, about: impl Into<String>, why: impl Into<String>) -> Self {
        Self { part, about: about.into(), found: Found::Bad(why.into()) }
    }

    /// One that was not tried.
    pub fn untried(part: &'static str, about: impl Into<String>, why: impl Into<String>) -> Self {
        Self { part, about: about.into(), found: Found::Untried(why.into()) }
    }

    /// Whether it is bad.
    pub fn is_bad(&self) -> bool {
        matches!(self.found, Found::Bad(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, what) = match &self.found {
            Found::Good(what) => ("good", what),
            Found::Bad(why) => ("bad", why),
            Found::Untried(why) => ("not tried", why),
        };
        write!(f, "{word:<10} {:<13} {}: {}", self.part, one_line(&self.about), one_line(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_the_word_that_counts() {
        let bad = Finding::bad("sink", "topic flat", "it does not exist: create it");
        assert_eq!(bad.to_string(), "bad        sink          topic flat: it does not exist: create it");
        let forged = Finding::good("sink", "x\u{1b}", "y\nbad        source");
        assert_eq!(forged.to_string(), "good       sink          x\u{fffd}: y bad        source");
        assert!(bad.is_bad() && !Finding::untried("sink", "x", "y").is_bad());
    }
}
