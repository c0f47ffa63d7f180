//! Starts the host: writes its configuration, and lays its modules out.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use edgemill_tests::broker::free_port;

use super::Run;
use crate::native::Job;

/// Which way values go to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Core modules.
    Core,
    /// Components.
    Component,
}

/// How the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edgemill {
    /// Which kind of modules.
    pub(crate) door: Door,
    /// Whether calls have a time limit: the one limit that costs something.
    pub(crate) timed: bool,
    /// Whether delivery is exactly-once.
    pub(crate) once: bool,
    /// Whether the identity keeps values, instead of copying them. No other module knows the setting.
    pub(crate) keeps: bool,
}

/// The modules of a job, in order.
pub(crate) fn chain(job: Job) -> &'static [&'static str] {
    match job {
        Job::Identity => &["identity.wasm"],
        Job::Flatten => &["flatten-flights.wasm"],
        Job::Lz4Flatten => &["lz4-decompress.wasm", "flatten-flights.wasm"],
    }
}

impl Edgemill {
    /// Limits on, at least once, core door: as the host comes.
    pub(crate) const USUAL: Self = Self { door: Door::Core, timed: true, once: false, keeps: false };

    /// The command that runs a chain of modules; without a number of workers, with as many as the host takes by itself.
    ///
    /// # Errors
    /// The configuration cannot be written, or the host was not built.
    pub(crate) fn command(self, run: &Run<'_>, chain: &[&str], workers: Option<u32>) -> Result<Command> {
        let sink = format!("type = \"kafka\"\ntopic = \"{}\"", run.output);
        self.command_into(run, chain, workers, &sink)
    }

    /// The same with another sink: the keys of its table.
    ///
    /// # Errors
    /// As [`Edgemill::command`].
    pub(crate) fn command_into(
        self,
        run: &Run<'_>,
        chain: &[&str],
        workers: Option<u32>,
        sink: &str,
    ) -> Result<Command> {
        let path = run.folder.join("edgemill.toml");
        fs::write(&path, self.config(run, chain, workers, free_port(), sink)?)?;
        let mut command = Command::new(executable()?);
        command.args(["run", "--log-format", "json", "-c"]).arg(path).current_dir(run.folder);
        // What is compiled is kept beside the configuration, and so never that of another version.
        command.env("STATE_DIRECTORY", run.folder.join("state"));
        Ok(command)
    }

    fn config(self, run: &Run<'_>, chain: &[&str], workers: Option<u32>, port: u16, sink: &str) -> Result<String> {
        let Run { brokers, input, output, folder, .. } = run;
        let door = if self.door == Door::Component { "component" } else { "" };
        let modules = folder.join("modules").join(door);
        let mut config = String::new();
        writeln!(config, "modules = \"{}\"", modules.display())?;
        writeln!(config, "[admin]\nlisten = \"127.0.0.1:{port}\"\n[pipelines.bench]")?;
        if let Some(workers) = workers {
            writeln!(config, "workers = {workers}")?;
        }
        if self.once {
            writeln!(config, "delivery = \"exactly-once\"")?;
        }
        writeln!(config, "on = {{ reject = \"stop\", fault = \"stop\" }}")?;
        writeln!(config, "[pipelines.bench.source]\nbrokers = \"{brokers}\"\ntopics = [\"{input}\"]")?;
        writeln!(config, "group = \"{output}\"\nstart = \"earliest\"")?;
        for module in chain {
            writeln!(config, "[[pipelines.bench.chain]]\nmodule = \"{module}\"")?;
            if self.keeps {
                writeln!(config, "config = {{ keep = true }}")?;
            }
            if !self.timed {
                writeln!(config, "limits = {{ time = \"none\" }}")?;
            }
        }
        writeln!(config, "[pipelines.bench.sink]\n{sink}")?;
        Ok(config)
    }
}

/// Finds the program beside this one.
pub(crate) fn executable() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("edgemill");
    ensure!(path.exists(), "no program at {}: run `make bench`, or build it with the same profile", path.display());
    Ok(path)
}

/// What the program says of its version.
///
/// # Errors
/// It was not built.
pub(crate) fn version() -> Result<String> {
    let output = Command::new(executable()?).arg("--version").output().context("asking edgemill for its version")?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().trim_start_matches("edgemill ").to_owned())
}

/// Puts the modules, of both doors, into a run's folder.
///
/// # Errors
/// They were not built: `make modules` does that, and `cargo` builds the identity module here.
pub(crate) fn prepare_modules(folder: &Path) -> Result<()> {
    let built = std::env::var_os("EDGEMILL_MODULES").context("EDGEMILL_MODULES is not set: run `make bench`")?;
    let target = Path::new(&built).parent().context("EDGEMILL_MODULES has no parent folder")?;
    for (door, triple) in [("", "wasm32-unknown-unknown"), ("component", "wasm32-wasip2")] {
        let modules = folder.join("modules").join(door);
        fs::create_dir_all(&modules)?;
        for module in ["flatten-flights.wasm", "lz4-decompress.wasm"] {
            let from = Path::new(&built).join(door).join(module);
            fs::copy(&from, modules.join(module))
                .with_context(|| format!("no module {}: run `make modules`", from.display()))?;
        }
        let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "-q", "--profile", "guest", "--target", triple, "-p", "identity", "--target-dir"])
            .arg(target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .context("building the identity module")?;
        ensure!(status.success(), "building the identity module: {status}");
        fs::copy(target.join(triple).join("guest/identity.wasm"), modules.join("identity.wasm"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_left_to_the_host() {
        let (brokers, folder) = ("127.0.0.1:1", Path::new("/f"));
        let run = Run { brokers, job: Job::Lz4Flatten, input: "in", output: "out", partitions: 4, folder };
        let config = Edgemill::USUAL.config(&run, chain(run.job), None, 1, "type = \"kafka\"").unwrap();
        assert!(!config.contains("workers") && !config.contains("limits") && !config.contains("delivery"), "{config}");
        let other = Edgemill { door: Door::Component, timed: false, once: true, keeps: false };
        let config = other.config(&run, chain(run.job), Some(2), 1, "type = \"kafka\"").unwrap();
        for part in ["/f/modules/component", "workers = 2", "exactly-once", "lz4-decompress.wasm"] {
            assert!(config.contains(part), "{part} is not in {config}");
        }
        assert_eq!(config.matches("time = \"none\"").count(), 2);
    }
}
