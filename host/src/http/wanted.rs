//! Whether the rows of a try are wanted still: a try may be several exchanges with a server, a login among them that hangs, and the
//! lane of its rows may go meanwhile.

use super::endpoint::Answer;
use std::sync::{Arc, Weak};

/// Keeps a try going: without it nothing more is sent of it.
#[derive(Debug, Default)]
pub(super) struct Want(Arc<()>);

impl Want {
    /// What the try looks at.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted(Some(Arc::downgrade(&self.0)))
    }
}

/// What a try looks at in front of each exchange. One by default is wanted for ever: an exchange without rows.
#[derive(Clone, Debug, Default)]
pub struct Wanted(Option<Weak<()>>);

impl Wanted {
    /// Whether to go on.
    ///
    /// # Errors
    /// [`Answer::Again`]: a lane of the rows is gone or read again, or nobody waits for them any more. What is left of them goes in another try.
    pub(super) fn check(&self) -> Result<(), Answer> {
        match &self.0 {
            Some(want) if want.strong_count() == 0 => {
                let message = "a partition of its rows is gone, or read again, and not all was sent".to_owned();
                Err(Answer::Again { message, after: None, slower: false })
            }
            _ => Ok(()),
        }
    }
}
