//! What a type of sink knows of its destination.

use super::json::Checker;
use super::wanted::Wanted;
use crate::batch::Bytes;
use crate::finding::Finding;
use bytes::Bytes as Body;
use std::time::Duration;

/// The part of a pipeline that findings are of.
pub(super) const PART: &str = "sink";

/// A row, as a sink sees it.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The topic of its record.
    pub topic: &'a str,
    /// The partition of its record.
    pub partition: i32,
    /// The offset of its record.
    pub offset: i64,
    /// Its number among the rows that modules made of its record, from 0.
    pub number: u32,
    /// Its key.
    pub key: Bytes<'a>,
    /// Its value; null where the chain made it null, or the record was one.
    pub value: Bytes<'a>,
}

/// What rows stand between. A body is `open`, the rows with `between` between each two, and `close`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// In front of the first row.
    pub open: Vec<u8>,
    /// Between two rows.
    pub between: Vec<u8>,
    /// Behind the last row.
    pub close: Vec<u8>,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All rows are durable.
    Taken,
    /// All but these are, by their number in the request, each with the reason.
    Refused(Vec<(u32, String)>),
    /// These are said to be why, one at least, as above; it is not known that any is durable: each of these alone, and the others without.
    Guilty(Vec<(u32, String)>),
    /// None is, since one at least cannot be taken; which, the answer does not say.
    RefusedWhole(String),
    /// It is not known that any is: the same request again.
    Again {
        /// Why, for a person.
        message: String,
        /// How long the destination wants to be left alone, where it says so.
        after: Option<Duration>,
        /// Whether it is too much rather than broken: then fewer requests go at a time.
        slower: bool,
    },
    /// A person is needed: what is configured cannot work.
    Fatal(String),
}

impl Answer {
    /// Why rows were not taken, for a person; "" where they were, or some were.
    pub(super) fn reason(self) -> String {
        match self {
            Answer::Taken | Answer::Refused(_) | Answer::Guilty(_) => String::new(),
            Answer::RefusedWhole(message) | Answer::Again { message, .. } | Answer::Fatal(message) => message,
        }
    }
}

/// A destination of rows.
pub trait Endpoint: Send + Sync + 'static {
    /// What rows stand between.
    fn frame(&self) -> &Frame;

    /// Appends a row's text. `checker` has seen the rows before.
    ///
    /// # Errors
    /// No row can be made of it: why, for a person. What was appended is taken back.
    fn encode(&self, row: Row<'_>, checker: &mut Checker, text: &mut Vec<u8>) -> Result<(), String>;

    /// Sends one body of so many rows, once, and says what the answer means. Where that takes several exchanges, it looks in front of
    /// each whether the rows are wanted still.
    fn send(&self, body: Body, rows: usize, wanted: &Wanted) -> impl Future<Output = Answer> + Send;

    /// Tries all that can be tried without a row, in order, and stops where the rest would tell nothing more. No request takes longer
    /// than the client's timeout.
    fn probe(&self) -> impl Future<Output = Vec<Finding>> + Send;
}
