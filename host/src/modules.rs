//! Port: a module that is ready to make instances. Reloading and watching live below.

use crate::chain::Transform;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub mod last_good;
pub mod plans;
pub mod reload;
pub mod self_test;
pub mod watch;

/// Why a module, or an instance of it, could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {message}")]
pub struct LoadError {
    /// What was being done: `read`, `compile`, `link`, `version`, `instantiate`, `configure`, `look-back`, `parallel`,
    /// `self-test`.
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

    /// Tries it on what the source has now, before it takes the place of one that runs.
    ///
    /// # Errors
    /// Why it would not do.
    fn try_out(&self) -> Result<(), LoadError> {
        Ok(())
    }

    /// Whether it keeps something for each partition from record to record, so that its records cannot be shared out among
    /// instances.
    fn is_by_partition(&self) -> bool {
        false
    }

    /// Destinations that its configuration declares, besides where records go anyway: where no sink says which there are, there
    /// are these.
    fn declares(&self) -> &[String] {
        &[]
    }
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

/// A module may have so many bytes: the largest known, with a whole interpreter, have 20 MiB.
const LARGEST: u64 = 256 << 20;

/// Reads a module, or a file beside one. What is no regular file is not waited for.
///
/// # Errors
/// It cannot be read, is no file, or is larger than 256 MiB.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    // a pipe without a writer would hold an ordinary open for ever
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("this is no file"));
    }
    let mut bytes = Vec::with_capacity(meta.len().min(LARGEST) as usize);
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("larger than 256 MiB: this is no module"));
    }
    Ok(bytes)
}

/// `O_NONBLOCK`, as Linux has it on all of its common architectures.
const NONBLOCK: i32 = 0o4000;
/// Refuses a module that cannot be passed parts of a batch at once, where that is asked for.
///
/// # Errors
/// It cannot.
pub fn check_parallel(module: &dyn Module, parallel: usize) -> Result<(), LoadError> {
    match module.is_by_partition() && parallel > 1 {
        true => Err(LoadError::new(
            "parallel",
            "it keeps something for each partition from record to record, so parts of a batch cannot be passed at once: \
             write `parallel = 1`, and `workers` up to the number of partitions",
        )),
        false => Ok(()),
    }
}
