//! What a destination says later of rows that it had taken, as last seen: for the status.

use std::sync::{Arc, Mutex, PoisonError};

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// Errors since the program started.
    pub errors: u64,
    /// The last of them, in the destination's words.
    pub last: Option<String>,
    /// Why nothing could be learned when it was last asked, where that is so.
    pub unread: Option<String>,
}

/// Where it is written, and others read.
#[derive(Clone, Debug, Default)]
pub struct LateErrors(Arc<Mutex<Late>>);

impl LateErrors {
    /// The latest.
    pub fn read(&self) -> Late {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it in place.
    pub fn update(&self, change: impl FnOnce(&mut Late)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
