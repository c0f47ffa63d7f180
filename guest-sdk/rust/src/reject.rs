//! A record that a transform refuses.

use std::borrow::Cow;
use std::fmt;

/// Why a record is refused. The host applies the pipeline's policy to the original record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl Reject {
    /// Makes a reject of a short word of the transform's own, such as `not-json` (for metrics and for filtering
    /// dead letters), and a message for a person.
    #[cold]
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Reject {
        Reject { code: code.into(), message: message.into() }
    }

    /// The short word.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What is wrong with the record, for a person.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Reject {}
