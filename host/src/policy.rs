//! What may become of a record that fails, and what is done then.

use std::fmt;
use std::time::Duration;

/// Why a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The guest refused it.
    Reject,
    /// The guest trapped, or said that the call failed.
    Trap,
    /// The guest took longer than `limits.time` for it alone.
    Timeout,
    /// The guest wanted more than `limits.memory` for it alone.
    Memory,
    /// What the guest gave back breaks the contract or names a route that is not declared.
    Output,
    /// The sink cannot make a row of what the chain gave.
    Encode,
    /// The destination refused the row.
    Refused,
}

impl Class {
    /// All of them, in order.
    pub const ALL: [Class; 7] =
        [Class::Reject, Class::Trap, Class::Timeout, Class::Memory, Class::Output, Class::Encode, Class::Refused];

    /// Those that are the guest's fault.
    pub const FAULTS: [Class; 4] = [Class::Trap, Class::Timeout, Class::Memory, Class::Output];

    /// Those that the sink tells of.
    pub const SINK: [Class; 2] = [Class::Encode, Class::Refused];

    /// The word for it in the configuration, dead letters, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Reject => "reject",
            Class::Trap => "trap",
            Class::Timeout => "timeout",
            Class::Memory => "memory",
            Class::Output => "output",
            Class::Encode => "encode",
            Class::Refused => "refused",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is done with a record that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The original record goes to the dead-letter topic.
    DeadLetter,
    /// The record is dropped, and counted.
    Skip,
    /// The record goes to the default destination as it came.
    PassThrough,
    /// Its partition waits in front of the record until somebody resumes it.
    Pause,
    /// The pipeline stops in front of the record.
    Stop,
}

impl Action {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::DeadLetter => "dead-letter",
            Action::Skip => "skip",
            Action::PassThrough => "pass-through",
            Action::Pause => "pause",
            Action::Stop => "stop",
        }
    }
}

/// Trying a record again before anything is done with it. Its partition waits meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often, after the first try.
    pub times: u32,
    /// The wait before the second try. Waits double, up to [`Retry::LONGEST`].
    pub backoff: Duration,
}

impl Retry {
    /// No wait between two tries is longer.
    pub const LONGEST: Duration = Duration::from_secs(30);
}

/// What is done with the failures of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What comes first, where anything does.
    pub retry: Option<Retry>,
    /// What is done in the end.
    pub then: Action,
}

/// What comes next for a record that has just failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another try.
    Retry(Retry),
    /// This.
    Act(Action),
}

impl Next {
    /// Whether nothing behind the record may be handed over before it.
    pub fn bars(self) -> bool {
        matches!(self, Next::Retry(_) | Next::Act(Action::Pause | Action::Stop))
    }
}

impl Rule {
    /// What comes after so many tries, of which all failed.
    pub fn next(&self, tries: u32) -> Next {
        match self.retry {
            Some(retry) if tries <= retry.times => Next::Retry(retry),
            _ => Next::Act(self.then),
        }
    }
}

impl From<Action> for Rule {
    fn from(then: Action) -> Self {
        Self { retry: None, then }
    }
}

/// A rule for every class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy([Rule; Class::ALL.len()]);

impl Policy {
    /// The same for every class.
    pub fn all(rule: impl Into<Rule>) -> Self {
        Self([rule.into(); Class::ALL.len()])
    }

    /// With another rule for some classes.
    #[must_use]
    pub fn with(mut self, classes: &[Class], rule: impl Into<Rule>) -> Self {
        let rule = rule.into();
        classes.iter().for_each(|class| self.0[*class as usize] = rule);
        self
    }

    /// The same where nobody is there to resume what is paused: it stops.
    #[must_use]
    pub fn unattended(mut self) -> Self {
        for rule in self.0.iter_mut().filter(|rule| rule.then == Action::Pause) {
            rule.then = Action::Stop;
        }
        self
    }

    /// The rule for a class.
    pub fn rule(&self, class: Class) -> Rule {
        self.0[class as usize]
    }
}

/// One original record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the record in the batch that the chain was given.
    pub origin: u32,
    /// Position in the chain, from 0; the chain's length where it failed at the sink.
    pub stage: usize,
    /// Why.
    pub class: Class,
    /// The guest's own short word, or the host's.
    pub code: String,
    /// For a person.
    pub message: String,
    /// Where in the guest, where its module has names.
    pub backtrace: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_in_the_order_of_their_places() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{class}");
        }
    }

    #[test]
    fn a_rule_tries_as_often_as_it_says_and_then_acts() {
        let retry = Retry { times: 2, backoff: Duration::from_millis(5) };
        let rule = Rule { retry: Some(retry), then: Action::Skip };
        let next: Vec<_> = (1..=4).map(|tries| rule.next(tries)).collect();
        assert_eq!(next, [Next::Retry(retry), Next::Retry(retry), Next::Act(Action::Skip), Next::Act(Action::Skip)]);
        assert_eq!(Rule::from(Action::Stop).next(1), Next::Act(Action::Stop));
    }

    #[test]
    fn a_policy_changes_only_the_classes_that_are_named() {
        let policy =
            Policy::all(Action::DeadLetter).with(&Class::FAULTS, Action::Pause).with(&[Class::Trap], Action::Skip);
        let actions = Class::ALL.map(|class| policy.rule(class).then);
        let (letter, pause) = (Action::DeadLetter, Action::Pause);
        assert_eq!(actions, [letter, Action::Skip, pause, pause, pause, letter, letter]);
        let stop = Action::Stop;
        let actions = Class::ALL.map(|class| policy.unattended().rule(class).then);
        assert_eq!(actions, [letter, Action::Skip, stop, stop, stop, letter, letter]);
    }

    #[test]
    fn only_what_waits_or_stops_bars_what_is_behind() {
        let retry = Next::Retry(Retry { times: 1, backoff: Duration::ZERO });
        assert!([retry, Next::Act(Action::Pause), Next::Act(Action::Stop)].into_iter().all(Next::bars));
        assert!(![Action::DeadLetter, Action::Skip, Action::PassThrough].into_iter().map(Next::Act).any(Next::bars));
    }
}
