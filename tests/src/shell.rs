//! What a README or a page tells a person to type, run in a shell with the toolchains of all languages.

use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};

use crate::broker::cache;
use crate::program::{Ended, executable};

/// `$1` is the program's folder, `$2` where the text `$3` is run.
const RUN: &str = r#"source scripts/toolchain.sh; use_cache; PATH=$1:$(python_tool ziglang==0.17.1)/bin:$PATH; cd "$2"; exec sh -e -c "$3""#;

/// The commands of a block, without what is said beside them.
pub fn commands(block: &str) -> String {
    block.lines().map(|line| line.split("  #").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Runs a text in a folder, with `edgemill` on the path and a state folder for all that is compiled.
///
/// # Errors
/// There is no shell, or no program.
pub fn run(text: &str, folder: &Path, state: &Path) -> Result<Ended> {
    let own = executable()?;
    let own = own.parent().context("the program is in no folder")?;
    let mut shell = Command::new("bash");
    let arguments = [own.as_os_str(), folder.as_os_str(), text.as_ref()];
    let shell = shell.args(["-e", "-c", RUN, "bash"]).args(arguments).env_remove("CARGO_TARGET_DIR");
    let shell = shell.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).env("EDGEMILL_CACHE", cache());
    let ran = shell.env("STATE_DIRECTORY", state).output()?;
    let err = String::from_utf8_lossy(&ran.stderr).into_owned();
    Ok(Ended { code: ran.status.code(), out: ran.stdout, err })
}

/// Does something for each of some, two at a time, as the machine has two cores.
///
/// # Errors
/// One of them failed.
pub fn two_at_a_time<T: Sync, R: Send>(all: &[T], each: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let half = |first: usize| all.iter().skip(first).step_by(2).map(&each).collect::<Result<Vec<R>>>();
    thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        let mut done = half(0)?;
        done.extend(other.join().expect("what panics fails the test anyway")?);
        Ok(done)
    })
}
