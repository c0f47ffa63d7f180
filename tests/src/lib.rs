//! What scenarios stand on: real brokers, hosts as child processes, records in and out, and waiting for conditions.
//!
//! A scenario starts what it needs, and what it started ends with it: by drop, and by a guard process where the test process itself dies.
//!
//! ```ignore
//! #[test]
//! fn promise_commit_holds_when_the_host_is_asked_to_stop() -> anyhow::Result<()> {
//!     let broker = Broker::shared();
//!     let (from, to, group) = (broker.topic("flights", 4)?, broker.topic("flat", 4)?, unique("group"));
//!     broker.produce(&from, (0..1000).map(|n| Record::of(n.to_string()).keyed(n.to_string())))?;
//!     let mut host = Host::builder(CONFIG) // with `@brokers@`, `@from@`, `@to@`, `@group@`, and `@modules@` for the folder
//!         .set("brokers", broker.address()).set("from", &from).set("to", &to).set("group", &group)
//!         .module("flatten-flights.wasm", modules::shipped("flatten-flights.wasm")?)
//!         .start()?;
//!     wait_for("all is committed", wait::PATIENCE, || Ok((broker.lag(&group, &from)? == 0).then_some(())))?;
//!     Swap::Rename.put(&host.modules(), "flatten-flights.wasm", &modules::hostile("trap-on-start")?)?;
//!     host.logs("keeps plan 1")?;
//!     assert_eq!(host.stop()?.code(), Some(0));
//!     assert_eq!(broker.consume(&to)?.len(), 1000);
//!     Ok(())
//! }
//! ```

pub mod broker;
pub mod by_http;
pub mod cluster;
pub mod database;
pub mod example;
pub mod featurebase;
mod guard;
pub mod host;
pub mod http;
pub mod modules;
pub mod program;
pub mod proxy;
pub mod records;
pub mod registry;
pub mod secure;
pub mod shell;
pub mod swap;
pub mod tls;
mod topics;
pub mod wait;

pub use broker::{Broker, cache};
pub use by_http::ByHttp;
pub use cluster::Cluster;
pub use host::{Host, Signal};
pub use proxy::{Mode, Proxy};
pub use records::{Consumed, Kafka, Record, unique};
pub use registry::Registry;
pub use secure::SecureBroker;
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
