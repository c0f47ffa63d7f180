//! A real Kafka broker as a child process: one shared by all scenarios of a test binary, others for those that hurt theirs.

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::guard::{self, Guarded};
use crate::records::Kafka;
use crate::wait::{PATIENCE, wait_for};

/// A single broker with its data in a temporary folder.
///
/// Topics, records and offsets are [`Kafka`]'s.
#[derive(Debug)]
pub struct Broker {
    kafka: Kafka,
    folder: TempDir,
    script: &'static str,
    properties: String,
    /// As the script takes them: plain text, SASL, controllers, and more where the script has more listeners.
    ports: Vec<u16>,
    process: Option<Guarded>,
}

static SHARED: OnceLock<Broker> = OnceLock::new();

impl Broker {
    /// Gives the broker that all scenarios of this process share, and starts it first where nobody has.
    ///
    /// # Panics
    /// When it cannot be had: a missing server fails the run.
    #[must_use]
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// Starts a broker of one's own, to stop, kill or configure.
    ///
    /// # Errors
    /// Kafka is not in the cache folder (`make kafka` puts it there), or did not start.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// Starts a broker of one's own with more lines in its `server.properties`.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn start_with(properties: &str) -> Result<Self> {
        Self::start_by("kafka.sh", 3, properties)
    }

    /// Starts a broker by a script of `tests/servers`, which takes so many ports.
    pub(crate) fn start_by(script: &'static str, ports: usize, properties: &str) -> Result<Self> {
        let ports: Vec<u16> = (0..ports).map(|_| free_port()).collect();
        let folder = tempfile::Builder::new().prefix("edgemill-kafka-").tempdir()?;
        guard::remove_at_end(folder.path()); // the shared ones are never dropped
        let kafka = Kafka::new(format!("127.0.0.1:{}", ports[0]), 1);
        let mut broker = Self { kafka, folder, script, properties: properties.to_owned(), ports, process: None };
        broker.restart()?;
        Ok(broker)
    }

    /// Starts the broker again, with the data and the ports that it had.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
        self.process = Some(Starting::spawn(self.script, self.folder.path(), &ports, &self.properties)?.wait()?);
        Ok(())
    }

    /// Asks the broker to stop and waits until it has.
    ///
    /// # Errors
    /// It did not end in time.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), stop)
    }

    /// Kills the broker, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// The process that it is; none while it is down.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.0.id())
    }

    /// Address of the SASL listener without TLS: `alice`/`alice-secret` by SCRAM, `bob`/`bob-secret` by PLAIN.
    #[must_use]
    pub fn sasl_address(&self) -> String {
        self.listener(1)
    }

    /// Address of the listener on the port that the script takes in this place, from 0.
    pub(crate) fn listener(&self, place: usize) -> String {
        format!("127.0.0.1:{}", self.ports[place])
    }

    /// Adds access lists, of which each is what one call of Kafka's `AclCommand` takes: `--allow-principal User:alice --operation Read
    /// --topic a`. The broker must have an authorizer, and let who comes in plain text do everything.
    ///
    /// # Errors
    /// The broker does not take them.
    pub fn allow(&self, lists: &[&str]) -> Result<()> {
        let mut acls = Command::new(guard::servers().join("acls.sh"));
        let acls = acls.arg(self.address()).args(lists).env("EDGEMILL_CACHE", cache());
        let acls = acls.output().context("starting acls.sh")?;
        ensure!(acls.status.success(), "acls.sh: {}", String::from_utf8_lossy(&acls.stderr));
        Ok(())
    }

    /// Where the script keeps its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Deref for Broker {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}

/// A broker that was started and may not be usable yet, and its log.
pub(crate) struct Starting(Guarded, PathBuf);

impl Starting {
    /// Runs a script of `tests/servers` that becomes a broker with its data in a folder.
    pub(crate) fn spawn(script: &str, folder: &Path, args: &[String], properties: &str) -> Result<Self> {
        let cache = cache();
        if !cache.join("kafka/.complete").exists() {
            bail!("no Kafka in {}: run `make kafka`", cache.display());
        }
        let path = folder.join("log");
        let log = fs::File::create(&path)?;
        let process = guard::spawn(
            Command::new(guard::servers().join(script))
                .arg(folder)
                .args(args)
                .env("EDGEMILL_CACHE", &cache)
                .env("KAFKA_PROPERTIES", properties)
                .stdin(Stdio::null())
                .stdout(Stdio::from(log.try_clone()?))
                .stderr(Stdio::from(log)),
        )?;
        Ok(Self(process, path))
    }

    /// Waits until it is usable.
    pub(crate) fn wait(self) -> Result<Guarded> {
        let Self(mut process, log) = self;
        let started = wait_for("Kafka has started", PATIENCE, || {
            if let Some(status) = process.0.try_wait()? {
                bail!("Kafka ended with {status}");
            }
            Ok(fs::read_to_string(&log)?.contains("Kafka Server started").then_some(()))
        });
        started.with_context(|| tail(&log))?;
        Ok(process)
    }
}

/// Asks a broker to stop and waits until it has.
pub(crate) fn stop(mut process: Guarded) -> Result<()> {
    kill_process(Pid::from_child(&process.0), Signal::TERM)?;
    wait_for("Kafka has stopped", PATIENCE, || Ok(process.0.try_wait()?))?;
    Ok(())
}

/// Chooses a port that nobody listens on and that no outgoing connection will take: they use higher ones.
///
/// # Panics
/// When no port is free.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let given = given.get_or_insert_default();
    for _ in 0..10_000 {
        let port = fastrand::u16(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && given.insert(port) {
            return port;
        }
    }
    panic!("no free port from 10000 to 32000");
}

/// The folder of what the Makefile gets: servers, and packages of guest languages.
#[must_use]
pub fn cache() -> PathBuf {
    std::env::var_os("EDGEMILL_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from)
}

/// Gives the last lines of a log, for the message of a failure.
pub(crate) fn tail(path: &Path) -> String {
    let log = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("the end of {}:\n{}", path.display(), lines[lines.len().saturating_sub(40)..].join("\n"))
}
