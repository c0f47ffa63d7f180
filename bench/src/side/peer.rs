//! Starts the peers. What they are is in `bench/peers/`, and `bench/peers/setup.sh` gets what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::{Run, name};

/// What one line of `--peers` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Family {
    /// Python, both ways
    Python,
    /// Kafka Streams, at least once and exactly once
    KafkaStreams,
    /// Bytewax
    Bytewax,
    /// No peer at all
    None,
}

/// A peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Python, a message at a time.
    Tutorial,
    /// Python, a thousand messages at a time.
    Batched,
    /// Kafka Streams.
    Streams {
        /// Whether with `exactly_once_v2`.
        once: bool,
    },
    /// Bytewax.
    Bytewax,
}

impl Peer {
    /// What it belongs to.
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Tutorial | Self::Batched => Family::Python,
            Self::Streams { .. } => Family::KafkaStreams,
            Self::Bytewax => Family::Bytewax,
        }
    }

    /// The command that runs it until it is asked to stop.
    ///
    /// # Errors
    /// There is no cache folder.
    pub(crate) fn command(self, run: &Run<'_>, threads: u32) -> Result<Command> {
        let home = cache()?.join("peers").join(name(self.family()));
        let arguments = [run.brokers, run.input, run.output, &name(run.job)];
        let script = match self {
            Self::Tutorial => "tutorial.py",
            Self::Batched => "batched.py",
            Self::Bytewax => "bytewax_peer.py",
            Self::Streams { once } => {
                let mut command = Command::new("java");
                let classes = format!("{}:{}", home.join("classes").display(), home.join("libs/*").display());
                command
                    .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", &classes, "Peer"])
                    .args(arguments)
                    .arg(threads.to_string())
                    .arg(if once { "exactly_once_v2" } else { "at_least_once" })
                    .arg(run.folder.join("kafka-streams"));
                return Ok(command);
            }
        };
        let mut command = Command::new(home.join("bin/python"));
        // No compiled scripts in the repository.
        command.arg("-B").arg(peers().join(script)).args(arguments).current_dir(run.folder);
        Ok(command)
    }
}

/// Gets what peers need.
///
/// # Errors
/// One of them cannot be had here.
pub(crate) fn set_up(families: &[Family]) -> Result<()> {
    if families.is_empty() {
        return Ok(());
    }
    let mut command = Command::new(peers().join("setup.sh"));
    let command = command.args(families.iter().map(|family| name(*family))).env("EDGEMILL_CACHE", cache()?);
    let status = command.status().context("starting bench/peers/setup.sh")?;
    ensure!(status.success(), "not all peers can be had: `--peers none` or a list leaves some out");
    Ok(())
}

/// The folder of the peers' own files.
pub(crate) fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// The folder of what is got from package registries.
pub(crate) fn cache() -> Result<PathBuf> {
    let path = std::env::var_os("EDGEMILL_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from);
    std::path::absolute(&path).with_context(|| format!("finding {}", path.display()))
}
