//! A broker with TLS and access lists, shared by the scenarios that are about security.

use std::ops::Deref;
use std::sync::OnceLock;

use anyhow::Result;

use crate::broker::Broker;

/// A topic that no user may see.
pub const HIDDEN: &str = "hidden";
/// A topic that every user may see, and nobody may read or write.
pub const UNREADABLE: &str = "unreadable";
/// A group that every user may see, and nobody may join.
pub const FORBIDDEN_GROUP: &str = "alice-forbidden";

/// The broker. Users may do what no access list is about; who comes in plain text, as its [`Kafka`](crate::Kafka) does, may do
/// everything.
#[derive(Debug)]
pub struct SecureBroker(Broker);

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
        let broker = Broker::start_by("kafka-secure.sh", 5, "")?;
        broker.allow(&[
            &format!("--allow-principal User:nobody --operation All --topic {HIDDEN}"),
            &format!("--allow-principal User:* --operation Describe --topic {UNREADABLE} --group {FORBIDDEN_GROUP}"),
        ])?;
        for topic in [HIDDEN, UNREADABLE] {
            broker.create_topic(topic, 1, &[])?;
        }
        Ok(Self(broker))
    }

    /// Address of the listener with TLS and passwords: `alice`/`alice-secret` by SCRAM, `bob`/`bob-secret` by PLAIN. Its
    /// certificate is for this address.
    #[must_use]
    pub fn tls_address(&self) -> String {
        self.listener(3)
    }

    /// Address of the listener with TLS that asks for a client's certificate, and for `alice`/`alice-secret` by
    /// SCRAM-SHA-512. Its certificate is for another host's name.
    #[must_use]
    pub fn mutual_address(&self) -> String {
        self.listener(4)
    }

    /// A certificate or a key, such as `ca.crt`, `client.crt` and `client.key`; `rogue-` before these: of an authority that
    /// nobody trusts.
    #[must_use]
    pub fn certificate(&self, name: &str) -> String {
        self.folder().join("certs").join(name).to_string_lossy().into_owned()
    }
}

impl Deref for SecureBroker {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        &self.0
    }
}
