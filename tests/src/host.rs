//! The program under test: `edgemill run` as a child process, in a temporary folder with its configuration and modules.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tempfile::TempDir;

use crate::broker::{free_port, tail};
use crate::guard::{self, Guarded};
use crate::http::{self, Answer, Metrics};
use crate::program::executable;
use crate::wait::{PATIENCE, wait_for};

/// A host that is being put together.
#[derive(Debug)]
pub struct Builder {
    config: String,
    folder: TempDir,
    admin: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
}

impl Builder {
    /// Replaces `@name@` in the configuration.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.config = self.config.replace(&format!("@{name}@"), value.as_ref());
        self
    }

    /// Puts a module into the modules folder. A name may be in a folder of its own: `a/b.wasm`.
    ///
    /// # Panics
    /// When the temporary folder cannot be written.
    #[must_use]
    pub fn module(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join("modules").join(name);
        fs::create_dir_all(path.parent().expect("it is in the modules folder"))
            .expect("temporary folders can be written");
        fs::write(path, bytes).expect("temporary folders can be written");
        self
    }

    /// Puts a file beside the configuration.
    ///
    /// # Panics
    /// When the temporary folder cannot be written.
    #[must_use]
    pub fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), bytes).expect("temporary folders can be written");
        self
    }

    /// Sets a variable of the host's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an argument to `edgemill run -c FILE`.
    #[must_use]
    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// Starts the host and waits until `/readyz` says so.
    ///
    /// # Errors
    /// It ended, or was not ready in time; the message has the end of its log.
    pub fn start(self) -> Result<Host> {
        let mut host = self.spawn()?;
        host.ready()?;
        Ok(host)
    }

    /// Starts the host and does not wait: for those that are meant to end.
    ///
    /// # Errors
    /// There is no `edgemill` to run, or a placeholder is left in the configuration.
    pub fn spawn(mut self) -> Result<Host> {
        if !self.config.contains("[admin]") {
            self.config.push_str("\n[admin]\nlisten = \"@admin@\"\n");
        }
        let folder = self.folder.path().to_owned();
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let admin = self.admin.clone();
        self = self.set("admin", admin).set("modules", text(&folder.join("modules"))).set("dir", text(&folder));
        if let Some(left) = self.config.split('@').nth(1) {
            bail!("the configuration's placeholder @{left}@ was not set");
        }
        fs::write(folder.join("edgemill.toml"), &self.config)?;
        let Self { folder, admin, env, args, .. } = self;
        let mut host = Host { folder, admin, env, args, process: None, status: None };
        host.spawn()?;
        Ok(host)
    }
}

/// A host as a child process. It is killed when dropped; a scenario that fails shows the end of its log.
#[derive(Debug)]
pub struct Host {
    folder: TempDir,
    admin: String,
    env: Vec<(String, String)>,
    args: Vec<String>,
    process: Option<Guarded>,
    status: Option<ExitStatus>,
}

impl Host {
    /// Begins a host of a configuration, in which `@modules@`, `@dir@`, `@admin@` and what [`Builder::set`] names are replaced.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    #[must_use]
    pub fn builder(config: &str) -> Builder {
        let folder =
            tempfile::Builder::new().prefix("edgemill-host-").tempdir().expect("temporary folders can be made");
        guard::remove_at_end(folder.path());
        fs::create_dir(folder.path().join("modules")).expect("temporary folders can be written");
        let admin = format!("127.0.0.1:{}", free_port());
        Builder { config: config.to_owned(), folder, admin, env: Vec::new(), args: Vec::new() }
    }

    /// Starts a host that ended again, with the folder that it had.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.spawn_again()?;
        self.ready()
    }

    /// Starts a host that was killed or ended again, and does not wait until it is ready.
    ///
    /// # Errors
    /// There is no `edgemill` to run.
    pub fn spawn_again(&mut self) -> Result<()> {
        self.kill();
        self.spawn()
    }

    fn spawn(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let out = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("out"))?;
        let mut command = Command::new(executable()?);
        command.arg("run").arg("-c").arg(self.folder.path().join("edgemill.toml")).args(&self.args);
        // of no use to those whose configuration names a folder for state
        command.env("XDG_STATE_HOME", self.folder.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::from(out)).stderr(Stdio::from(log));
        self.status = None;
        self.process = Some(guard::spawn(&mut command)?);
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// The host ended, or was not ready in time; the message has the end of its log.
    pub fn ready(&mut self) -> Result<()> {
        let ready = wait_for("the host is ready", PATIENCE, || {
            if let Some(status) = self.try_wait()? {
                bail!("the host ended with {status}");
            }
            Ok(http::get(&self.admin, "/readyz").ok().filter(|answer| answer.status == 200).map(drop))
        });
        ready.with_context(|| tail(&self.log_path()))
    }

    /// Gives the process id.
    ///
    /// # Panics
    /// When the host has ended.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process.as_ref().expect("the host runs").0)
    }

    /// Gives the most memory that the host had resident, in bytes.
    ///
    /// # Errors
    /// The host has ended.
    pub fn most_memory(&self) -> Result<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_nonzero()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<i64>()? * 1024)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// The host has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref().context("the host has ended")?;
        kill_process(Pid::from_child(&process.0), signal).context("sending a signal to the host")
    }

    /// Kills the host, as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Asks the host to stop with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(PATIENCE)
    }

    /// Waits until the host has ended.
    ///
    /// # Errors
    /// It did not end in time; the message has the end of its log.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let ended = wait_for("the host has ended", patience, || self.try_wait());
        ended.with_context(|| tail(&self.log_path()))
    }

    /// Gives the exit status, where the host has ended by itself.
    ///
    /// # Errors
    /// The operating system does not say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if let Some(process) = &mut self.process
            && let Some(status) = process.0.try_wait()?
        {
            self.status = Some(status);
            self.process = None;
        }
        Ok(self.status)
    }

    /// Gives what the host wrote to standard error: its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Gives what the host wrote to standard output.
    #[must_use]
    pub fn out(&self) -> String {
        fs::read_to_string(self.folder.path().join("out")).unwrap_or_default()
    }

    /// Waits until the log has a text.
    ///
    /// # Errors
    /// It does not come; the message has the end of the log.
    pub fn logs(&self, text: &str) -> Result<()> {
        let what = format!("the log has {text:?}");
        wait_for(&what, PATIENCE, || Ok(self.log().contains(text).then_some(())))
            .with_context(|| tail(&self.log_path()))
    }

    /// Asks the admin address for a path.
    ///
    /// # Errors
    /// It does not answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        http::get(&self.admin, path)
    }

    /// Sends an empty POST to the admin address, with more headers, each ended by a line's end.
    ///
    /// # Errors
    /// It does not answer.
    pub fn post(&self, path: &str, headers: &str) -> Result<Answer> {
        http::post(&self.admin, path, headers)
    }

    /// Sends a POST with a body to the admin address.
    ///
    /// # Errors
    /// It does not answer.
    pub fn send(&self, path: &str, headers: &str, body: &str) -> Result<Answer> {
        http::send(&self.admin, path, headers, body)
    }

    /// Gives `/status`.
    ///
    /// # Errors
    /// It does not answer, or not with JSON.
    pub fn status(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.get("/status")?.body).context("reading /status")
    }

    /// Gives `/metrics`.
    ///
    /// # Errors
    /// It does not answer.
    pub fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&self.get("/metrics")?.body))
    }

    /// The folder of the host's modules, to swap them.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.folder.path().join("modules")
    }

    /// The host's own temporary folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Captured, and shown where the scenario fails.
        eprintln!("{}", tail(&self.log_path()));
    }
}
