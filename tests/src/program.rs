//! The program under test, and its commands that end by themselves: `check`, `apply`, `inspect` and the like.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::guard::{self, Guarded};
use crate::modules::profile_folder;
use crate::wait::{PATIENCE, wait_for};

/// What a command that ended left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: Vec<u8>,
    /// Standard error, as text.
    pub err: String,
}

/// A command that runs. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    folder: TempDir,
    process: Guarded,
}

/// Runs `edgemill` with arguments and standard input, and waits until it has ended.
///
/// # Errors
/// There is no program, or it did not end in time.
pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, input: &[u8]) -> Result<Ended> {
    start(args, input)?.wait()
}

/// Starts `edgemill` with arguments and standard input.
///
/// # Errors
/// There is no program.
pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>, input: &[u8]) -> Result<Running> {
    // Files, not pipes: nothing to read while it runs, and so nothing to block on.
    let folder = tempfile::Builder::new().prefix("edgemill-run-").tempdir()?;
    let file = |name: &str| folder.path().join(name);
    fs::write(file("in"), input)?;
    let mut command = Command::new(executable()?);
    command.args(args).stdin(File::open(file("in"))?).stdout(File::create(file("out"))?);
    command.stderr(Stdio::from(File::create(file("err"))?));
    // what is compiled is kept for the next run of the same clone, and not where the user's own is
    command.env("XDG_STATE_HOME", profile_folder().join("state"));
    Ok(Running { process: guard::spawn(&mut command)?, folder })
}

impl Running {
    /// Sends a signal.
    ///
    /// # Errors
    /// The command has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.process.0), signal).context("sending a signal to a command")
    }

    /// Tells whether it has ended.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.process.0.try_wait()?.is_some())
    }

    /// What it has written to standard output so far.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn out(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.folder.path().join("out"))?).into_owned())
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn wait(mut self) -> Result<Ended> {
        let path = |name: &str| self.folder.path().join(name);
        let status = wait_for("the command has ended", PATIENCE, || Ok(self.process.0.try_wait()?));
        let err = String::from_utf8_lossy(&fs::read(path("err"))?).into_owned();
        let status = status.with_context(|| err.clone())?;
        Ok(Ended { code: status.code(), out: fs::read(path("out"))?, err })
    }
}

/// Finds the program beside the tests: cargo tells no package where another's binary is.
///
/// # Errors
/// It was not built.
pub fn executable() -> Result<PathBuf> {
    let path = profile_folder().join("edgemill");
    let built = path.metadata().and_then(|metadata| metadata.modified());
    let built = built.with_context(|| format!("no program at {}: run `{BUILD}`, or `make test`", path.display()))?;
    // `cargo test -p` does not build it anew. What it was built from is in cargo's file beside it.
    let sources = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    let changed = |source: &&str| fs::metadata(source).and_then(|m| m.modified()).is_ok_and(|changed| changed > built);
    if let Some(source) = sources.split_whitespace().find(changed) {
        eprintln!("warning: {source} is newer than the program: run `{BUILD}`, or `make test`");
    }
    Ok(path)
}

const BUILD: &str = "cargo build --workspace --all-targets";
