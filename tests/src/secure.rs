//! A broker with TLS and access lists, shared by the scenarios that are about security.

use std::ops::Deref;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::broker::{Starting, free_port};
use crate::guard::{self, Guarded};
use crate::records::Kafka;

/// A topic that no user may see.
pub const HIDDEN: &str = "hidden";
/// A topic that every user may see, and nobody may read or write.
pub const UNREADABLE: &str = "unreadable";
/// A group that nobody may join.
pub const FORBIDDEN_GROUP: &str = "alice-forbidden";

/// The broker. Users may do what no access list is about; who comes in plain text, as its [`Kafka`] does, may do everything.
#[derive(Debug)]
pub struct SecureBroker {
    kafka: Kafka,
    folder: TempDir,
    tls_port: u16,
    mutual_port: u16,
    _process: Guarded,
}

static SHARED: OnceLock<SecureBroker> = OnceLock::new();

impl SecureBroker {
    /// Gives the broker that all scenarios of this process share, and starts it first where nobody has.
    ///
    /// # Panics
    /// When it cannot be had: a missing server fails the run.
    #[must_use]
    pub fn shared() -> &'static Self {
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error:#}")))
    }

    fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("edgemill-kafka-").tempdir()?;
        guard::remove_at_end(folder.path());
        let ports = [(); 5].map(|()| free_port());
        let args = ports.map(|port| port.to_string());
        let process = Starting::spawn("kafka-secure.sh", folder.path(), &args, "")?.wait()?;
        let [port, _, _, tls_port, mutual_port] = ports;
        let address = format!("127.0.0.1:{port}");
        let acls = Command::new(guard::servers().join("acls.sh")).arg(&address).output().context("starting acls.sh")?;
        ensure!(acls.status.success(), "acls.sh: {}", String::from_utf8_lossy(&acls.stderr));
        let kafka = Kafka::new(address, 1);
        for topic in [HIDDEN, UNREADABLE] {
            kafka.create_topic(topic, 1, &[])?;
        }
        Ok(Self { kafka, folder, tls_port, mutual_port, _process: process })
    }

    /// Address of the listener with TLS and passwords: `alice`/`alice-secret` by SCRAM, `bob`/`bob-secret` by PLAIN. Its
    /// certificate is for this address.
    #[must_use]
    pub fn tls_address(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port)
    }

    /// Address of the listener with TLS that asks for a client's certificate, and for `alice`/`alice-secret` by
    /// SCRAM-SHA-512. Its certificate is for another host's name.
    #[must_use]
    pub fn mutual_address(&self) -> String {
        format!("127.0.0.1:{}", self.mutual_port)
    }

    /// A certificate or a key, such as `ca.crt`, `client.crt` and `client.key`; `rogue-` before these: of an authority that
    /// nobody trusts.
    #[must_use]
    pub fn certificate(&self, name: &str) -> String {
        self.folder.path().join("certs").join(name).to_string_lossy().into_owned()
    }
}

impl Deref for SecureBroker {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}
