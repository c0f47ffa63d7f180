//! What is compared, and how each of them is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use edgemill_tests::broker::free_port;
use serde::Serialize;

use crate::native::Job;

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Side {
    /// Native loop, `rdkafka`'s own calls.
    NativeSafe,
    /// Native loop, librdkafka's batch calls.
    NativeBatch,
    /// The same on one thread.
    NativeBatch1,
    /// The same with a produce call that drops timestamps and headers: for reference, no bar to meet.
    NativeProduceBatch,
    /// The batch loop with serde_json instead of the scanner: for reference.
    NativeSerde,
    /// Edgemill, one worker.
    Edgemill1,
    /// Edgemill, two workers.
    Edgemill2,
    /// Edgemill, two workers, components instead of core modules.
    Edgemill2Component,
    /// Edgemill, two workers, without a time limit.
    Edgemill2Untimed,
}

/// A run's topics, and where it is at home.
pub(crate) struct Run<'a> {
    /// Address of the broker.
    pub(crate) brokers: &'a str,
    /// What is done to each record.
    pub(crate) job: Job,
    /// Topic to read.
    pub(crate) input: &'a str,
    /// Topic to write, and group to commit for.
    pub(crate) output: &'a str,
    /// Partitions of both.
    pub(crate) partitions: i32,
    /// Folder for files of its own.
    pub(crate) folder: &'a Path,
}

impl Side {
    /// Its name, as the command line has it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether this is Edgemill.
    pub(crate) fn is_edgemill(self) -> bool {
        matches!(self, Self::Edgemill1 | Self::Edgemill2 | Self::Edgemill2Component | Self::Edgemill2Untimed)
    }

    /// Whether others are measured against it.
    pub(crate) fn is_bar(self) -> bool {
        matches!(self, Self::NativeSafe | Self::NativeBatch | Self::NativeBatch1)
    }

    /// How many threads move records. On more of them a record costs more, so like is compared with like.
    pub(crate) fn threads(self) -> u32 {
        if matches!(self, Self::NativeBatch1 | Self::Edgemill1) { 1 } else { 2 }
    }

    /// Whether outputs keep the timestamps of their inputs.
    pub(crate) fn keeps_timestamps(self) -> bool {
        self != Self::NativeProduceBatch
    }

    /// Whether it has something to say about a job.
    pub(crate) fn does(self, job: Job) -> bool {
        self != Self::NativeSerde || job != Job::Identity
    }

    /// The command that runs it until it is asked to stop.
    ///
    /// # Errors
    /// Its files cannot be written, or something was not built.
    pub(crate) fn command(self, run: &Run<'_>) -> Result<Command> {
        if self.is_edgemill() { self.edgemill(run) } else { self.native(run) }
    }

    fn native(self, run: &Run<'_>) -> Result<Command> {
        let calls = match self {
            Self::NativeSafe => "safe",
            Self::NativeProduceBatch => "produce-batch",
            _ => "batch",
        };
        let code = if self == Self::NativeSerde { "serde" } else { "scanner" };
        let job = run.job.to_possible_value().context("every job has a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["native", "--brokers", run.brokers, "--input", run.input, "--output", run.output])
            .args(["--group", run.output, "--partitions", &run.partitions.to_string()])
            .args(["--threads", &self.threads().to_string()])
            .args(["--job", job.get_name(), "--calls", calls, "--code", code]);
        Ok(command)
    }

    fn edgemill(self, run: &Run<'_>) -> Result<Command> {
        let workers = self.threads();
        let (door, time) = match self {
            Self::Edgemill2Component => ("component", "1 s"),
            Self::Edgemill2Untimed => ("", "none"),
            _ => ("", "1 s"),
        };
        let modules = run.folder.join("modules").join(door);
        let chain: &[&str] = match run.job {
            Job::Identity => &["identity.wasm"],
            Job::Flatten => &["flatten-flights.wasm"],
            Job::Lz4Flatten => &["lz4-decompress.wasm", "flatten-flights.wasm"],
        };
        let Run { brokers, input, output, .. } = run;
        let (modules, port) = (modules.display(), free_port());
        let mut config = format!(
            "modules = \"{modules}\"\n[admin]\nlisten = \"127.0.0.1:{port}\"\n[pipelines.bench]\nworkers = {workers}\n\
             [pipelines.bench.source]\nbrokers = \"{brokers}\"\ntopics = [\"{input}\"]\ngroup = \"{output}\"\nstart = \"earliest\"\n"
        );
        for module in chain {
            config += &format!(
                "[[pipelines.bench.chain]]\nmodule = \"{module}\"\nlimits = {{ memory = \"64 MiB\", time = \"{time}\" }}\n\
                 on = {{ reject = \"stop\", fault = \"stop\" }}\n"
            );
        }
        config += &format!("[pipelines.bench.sink]\ntype = \"kafka\"\ntopic = \"{output}\"\n");
        let path = run.folder.join("edgemill.toml");
        fs::write(&path, config)?;
        let mut command = Command::new(executable()?);
        command.arg("run").arg("-c").arg(path).current_dir(run.folder);
        Ok(command)
    }
}

/// Finds the program beside this one.
fn executable() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("edgemill");
    ensure!(path.exists(), "no program at {}: run `make bench`, or build it with the same profile", path.display());
    Ok(path)
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
