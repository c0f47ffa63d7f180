//! What scenarios stand on: real brokers, hosts as child processes, records in and out, and waiting for conditions.
//!
//! A scenario starts what it needs, and what it started ends with it: by drop, and by a guard process where the test process itself dies.

pub mod broker;
mod guard;
pub mod host;
pub mod http;
pub mod modules;
pub mod records;
pub mod swap;
pub mod wait;

pub use broker::Broker;
pub use host::{Host, Signal};
pub use records::{Consumed, Record};
pub use swap::{SWAPS, Swap};
pub use wait::{wait_for, wait_until};

/// Tells whether the long form of the scenarios is asked for (`make storm`).
#[must_use]
pub fn storm() -> bool {
    std::env::var_os("EDGEMILL_STORM").is_some()
}

/// Chooses a scenario's size: the first for every run, the second for `make storm`.
#[must_use]
pub fn scale<T>(usual: T, storm: T) -> T {
    if self::storm() { storm } else { usual }
}
