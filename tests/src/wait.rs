//! Waiting for conditions, never for time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a condition may take before a scenario has failed. Generous: a machine under load is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition holds.
///
/// # Errors
/// The condition did not hold within the time given; the message names it.
pub fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    wait_for(what, patience, || Ok(condition().then_some(())))
}

/// Waits until the probe gives something, and returns it.
///
/// # Errors
/// The probe failed, or gave nothing within the time given; the message says what was waited for.
pub fn wait_for<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if start.elapsed() > patience {
            bail!("waited {patience:?} in vain: {what}");
        }
        #[expect(clippy::disallowed_methods, reason = "the one place where scenarios wait")]
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Does nothing for a while: for stand-ins that stall.
#[expect(clippy::disallowed_methods, reason = "a server that stalls waits for nothing")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
