//! Adapter: sinks that send batches of rows by HTTP, and the schema registry.
//!
//! Gathering, order, retries, splitting and what becomes of refused rows are one place, [`HttpSink`]. What a destination is
//! sent and what its answers mean is an [`Endpoint`]'s: one for each type of sink.

mod client;
mod cloud;
mod endpoint;
#[doc(hidden)]
pub mod fuzz;
mod json;
mod late;
mod plain;
mod registry;
mod request;
mod secrets;
mod sink;
mod spread;
mod sql;
#[cfg(test)]
mod tests;
mod token;
mod wanted;

pub use cloud::Cloud;
pub use endpoint::{Answer, Endpoint, Frame, Row};
pub use late::follow as follow_late_errors;
pub use plain::Plain;
pub use registry::SchemaRegistry;
pub use sink::HttpSink;
pub use sql::Sql;
pub use wanted::Wanted;
