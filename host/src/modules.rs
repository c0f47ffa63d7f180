//! Port: a module that is ready to make instances. Reloading and watching live below.

use crate::chain::Transform;

pub mod last_good;
pub mod plans;
pub mod reload;
pub mod self_test;
pub mod watch;

/// Why a module, or an instance of it, could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {message}")]
pub struct LoadError {
    /// What was being done: `read`, `compile`, `link`, `version`, `instantiate`, `configure`, `self-test`.
    pub step: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl LoadError {
    /// Makes one.
    pub fn new(step: &'static str, message: impl Into<String>) -> Self {
        Self { step, message: message.into() }
    }
}

/// A compiled module with its configuration and limits. Shared by the workers.
pub trait Module: Send + Sync {
    /// The file's name in the configuration.
    fn name(&self) -> &str;

    /// SHA-256 of the file, in hexadecimal.
    fn hash(&self) -> &str;

    /// Makes a configured instance.
    ///
    /// # Errors
    /// It does not start, or refuses its configuration.
    fn instantiate(&self) -> Result<Box<dyn Transform>, LoadError>;
}

/// SHA-256 in hexadecimal: what a module is called by in logs, dead letters and the cache.
pub fn hash(bytes: &[u8]) -> String {
    use sha2::Digest;
    use std::fmt::Write;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
