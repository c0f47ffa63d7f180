//! The one home of rdkafka: consumers, producers, and an embedded broker. librdkafka's own calls are in `raw` only.

mod commits;
mod ends;
mod health;
pub mod mock;
pub mod offsets;
mod options;
pub mod past;
pub mod probe;
pub mod range;
mod raw;
mod session;
pub mod sink;
pub mod source;
mod start;
#[cfg(test)]
mod tests;

pub use raw::is_bare;
pub use sink::KafkaSink;
pub use source::KafkaSource;

/// Whose client it is: for static membership, and for logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pipeline's name.
    pub pipeline: String,
    /// The host's name.
    pub host: String,
    /// Counts the host's workers of the pipeline.
    pub worker: usize,
}

impl Identity {
    /// The id under which a worker delivers in transactions.
    pub fn transactional_id(&self, group: &str) -> String {
        format!("{group}-{}-{}", self.host, self.worker)
    }
}
