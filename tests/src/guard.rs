//! Ends what the test process started, however the test process ends: a child that outlives it by the width of a pipe.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};

static GUARD: OnceLock<Mutex<ChildStdin>> = OnceLock::new();

/// The folder of the scripts that start servers.
pub(crate) fn servers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("servers")
}

/// Starts a child that is killed when this process ends before it. A terminal's Ctrl-C is for this process alone: a broker that is gone
/// before whoever works with it would be waited for.
pub(crate) fn spawn(command: &mut Command) -> Result<Guarded> {
    let child = command.process_group(0).spawn().with_context(|| format!("starting {command:?}"))?;
    tell(&format!("+ {}", child.id()));
    Ok(Guarded(child))
}

/// Has a folder removed when this process ends.
pub(crate) fn remove_at_end(folder: &Path) {
    tell(&format!("/ {}", folder.display()));
}

fn tell(line: &str) {
    let guard = GUARD.get_or_init(|| {
        // The pipe's end is closed by the kernel when this process is gone; no child inherits it.
        #[expect(clippy::zombie_processes, reason = "it ends after this process, whose end it waits for")]
        let mut guard = Command::new(servers().join("guard.sh"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("tests/servers/guard.sh can be started");
        Mutex::new(guard.stdin.take().expect("standard input is piped"))
    });
    let mut pipe = guard.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(pipe, "{line}").expect("the guard reads until this process ends");
}

/// A child process that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded(pub(crate) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Both fail only where the child has been waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
        tell(&format!("- {}", self.0.id()));
    }
}
