//! What may become of a record that fails, and what is done then.

use std::fmt;

/// Why a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// The sink refused the row.
    Refused,
}

impl Class {
    /// The word for it in dead letters, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Reject => "reject",
            Class::Trap => "trap",
            Class::Timeout => "timeout",
            Class::Memory => "memory",
            Class::Output => "output",
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
    /// The pipeline stops in front of the record.
    Stop,
}

impl Action {
    /// The word for it in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::DeadLetter => "dead-letter",
            Action::Skip => "skip",
            Action::Stop => "stop",
        }
    }
}

/// The actions of one module, by class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// For what the guest refuses.
    pub reject: Action,
    /// For everything that is the guest's fault.
    pub fault: Action,
}

impl Policy {
    /// The action for a class.
    pub fn action(&self, class: Class) -> Action {
        match class {
            Class::Reject => self.reject,
            _ => self.fault,
        }
    }
}

/// One original record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Index of the record in the batch that the chain was given.
    pub origin: u32,
    /// Position in the chain, from 0; the chain's length where the sink refused it.
    pub stage: usize,
    /// Why.
    pub class: Class,
    /// The guest's own short word, or the host's.
    pub code: String,
    /// For a person.
    pub message: String,
}
