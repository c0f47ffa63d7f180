//! Wakes a worker that waits: one event descriptor for messages, deliveries, plans and the end.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// A worker's bell. Clones ring the same one.
#[derive(Clone, Debug)]
pub struct Wake {
    descriptor: Arc<OwnedFd>,
}

impl Wake {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { descriptor: Arc::new(descriptor) })
    }

    /// Wakes the waiting worker, or the next one to wait.
    pub fn wake(&self) {
        // the only failure is a counter at its limit: then it is awake anyway
        let _ = rustix::io::write(&*self.descriptor, &1u64.to_ne_bytes());
    }

    /// Waits until somebody wakes, or the time is over.
    pub fn wait(&self, limit: Duration) {
        let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: i64::from(limit.subsec_nanos()) };
        let mut descriptors = [PollFd::new(&*self.descriptor, PollFlags::IN)];
        // interrupted or timed out: the caller looks at everything again either way
        if let Ok(1) = poll(&mut descriptors, Some(&timeout)) {
            let _ = rustix::io::read(&*self.descriptor, &mut [0u8; 8]);
        }
    }

    /// For a library that writes eight bytes, a `u64` of 1, to wake.
    pub fn raw_descriptor(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
