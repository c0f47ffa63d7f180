//! Ends in order what somebody interrupts: the broker's data is large, in a temporary folder that goes with its owner.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Error, Result, anyhow, ensure};

/// Whether somebody has asked this program to end.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGTERM and SIGINT, which end nothing by themselves from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn listen() -> Result<Self> {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("registering for signals")?;
        }
        Ok(Self(interrupted))
    }

    /// Ends what goes on where somebody has asked for it.
    ///
    /// # Errors
    /// Somebody has.
    pub(crate) fn go_on(&self) -> Result<()> {
        ensure!(!self.is(), "interrupted");
        Ok(())
    }

    /// Why something ended: a terminal's Ctrl-C goes to the broker and to what is measured too, whose ends explain nothing then.
    pub(crate) fn reason(&self, error: Error) -> Error {
        if self.is() { anyhow!("interrupted") } else { error }
    }

    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
