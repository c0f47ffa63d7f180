//! What is compared, and how each of them is started.

mod edgemill;
mod peer;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Serialize, Serializer};

use crate::native::{Calls, Code, Job};

pub(crate) use edgemill::{Door, Edgemill, chain, executable, prepare_modules, version};
pub(crate) use peer::{Family, Peer, cache, set_up};

/// One of those that are compared.
#[derive(Debug)]
pub(crate) struct Side {
    /// Its name, as the command line has it.
    pub(crate) name: &'static str,
    /// What it is, for the report.
    pub(crate) about: &'static str,
    /// How many threads move records. On more of them a record costs more, so like is compared with like.
    pub(crate) threads: u32,
    /// What kind it is.
    pub(crate) kind: Kind,
}

/// What kind a side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A loop of this program's own.
    Native { calls: Calls, code: Code, bar: bool },
    /// The host.
    Edgemill(Edgemill),
    /// Another product, or what people write with one.
    Peer(Peer),
}

const fn native(name: &'static str, about: &'static str, threads: u32, calls: Calls, code: Code, bar: bool) -> Side {
    Side { name, about, threads, kind: Kind::Native { calls, code, bar } }
}

const fn host(name: &'static str, about: &'static str, threads: u32, edgemill: Edgemill) -> Side {
    Side { name, about, threads, kind: Kind::Edgemill(edgemill) }
}

const fn peer(name: &'static str, about: &'static str, threads: u32, peer: Peer) -> Side {
    Side { name, about, threads, kind: Kind::Peer(peer) }
}

const USUAL: Edgemill = Edgemill::USUAL;
const UNTIMED: Edgemill = Edgemill { timed: false, ..USUAL };
const ONCE: Edgemill = Edgemill { once: true, ..USUAL };
const ONCE_UNTIMED: Edgemill = Edgemill { timed: false, ..ONCE };
const COMPONENT: Edgemill = Edgemill { door: Door::Component, ..USUAL };

/// The native loop that the host is measured beside where one is enough.
pub(crate) const BAR: &str = "native-batch";
/// The host as it comes, with as many workers.
pub(crate) const HOST: &str = "edgemill2";
/// The loop that people write with the library, never the faster one.
const SAFE: &str = "native-safe";
/// The same as [`BAR`], under another name.
pub(crate) const AGAIN: &str = "native-batch-again";

/// All sides, in the order of the report.
pub(crate) static SIDES: &[Side] = &[
    native(BAR, "native loop, librdkafka's batch calls", 2, Calls::Batch, Code::Scanner, true),
    native(AGAIN, "the same again: the noise floor", 2, Calls::Batch, Code::Scanner, false),
    native("native-batch1", "the same on one thread", 1, Calls::Batch, Code::Scanner, true),
    native(SAFE, "native loop, rdkafka's own calls", 2, Calls::Safe, Code::Scanner, true),
    native(
        "native-produce-batch",
        "native loop that drops timestamps and headers, for reference",
        2,
        Calls::ProduceBatch,
        Code::Scanner,
        false,
    ),
    native("native-serde", "native loop with serde_json, for reference", 2, Calls::Batch, Code::Serde, false),
    host(HOST, "Edgemill, two workers", 2, USUAL),
    host("edgemill2-untimed", "without a time limit", 2, UNTIMED),
    host("edgemill2-once", "exactly-once", 2, ONCE),
    host("edgemill2-once-untimed", "exactly-once, without a time limit", 2, ONCE_UNTIMED),
    host("edgemill2-component", "through the component door", 2, COMPONENT),
    host("edgemill1", "Edgemill, one worker", 1, USUAL),
    host("edgemill1-untimed", "without a time limit", 1, UNTIMED),
    host("edgemill1-once", "exactly-once", 1, ONCE),
    host("edgemill1-once-untimed", "exactly-once, without a time limit", 1, ONCE_UNTIMED),
    host("edgemill1-component", "through the component door", 1, COMPONENT),
    peer("python-batch", "Python, batched and with orjson", 1, Peer::Batched),
    peer("kafka-streams", "Kafka Streams, two threads", 2, Peer::Streams { once: false }),
    peer("kafka-streams-once", "Kafka Streams, exactly-once", 2, Peer::Streams { once: true }),
    peer("python-tutorial", "Python as in the tutorials", 1, Peer::Tutorial),
    peer("bytewax", "Bytewax, one worker", 1, Peer::Bytewax),
];

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
    /// Finds a side by its name.
    ///
    /// # Errors
    /// There is none of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        SIDES.iter().find(|side| side.name == name).with_context(|| format!("no side is called {name}"))
    }

    /// Which peers it belongs to.
    pub(crate) fn family(&self) -> Option<Family> {
        if let Kind::Peer(peer) = self.kind { Some(peer.family()) } else { None }
    }

    /// Whether others are measured against it.
    pub(crate) fn is_bar(&self) -> bool {
        matches!(self.kind, Kind::Native { bar: true, .. })
    }

    /// Whether its outputs count when a transaction has been committed: then its group's offsets tell how far it is, as the
    /// ends of partitions count the markers of transactions too.
    pub(crate) fn is_transactional(&self) -> bool {
        matches!(self.kind, Kind::Edgemill(Edgemill { once: true, .. }) | Kind::Peer(Peer::Streams { once: true }))
    }

    /// Whether outputs keep the timestamps of their inputs.
    pub(crate) fn keeps_timestamps(&self) -> bool {
        !matches!(self.kind, Kind::Native { calls: Calls::ProduceBatch, .. } | Kind::Peer(Peer::Tutorial))
    }

    /// Whether its prices may have fewer than two decimals, as general JSON libraries write them. What is passed on as it came
    /// may not differ at all.
    pub(crate) fn writes_short_prices(&self, job: Job) -> bool {
        self.family().is_some() && job != Job::Identity
    }

    /// Whether it gets only a share of the input: it is slow, and has nothing to warm up.
    pub(crate) fn takes_share(&self) -> bool {
        matches!(self.kind, Kind::Peer(Peer::Tutorial | Peer::Batched | Peer::Bytewax))
    }

    /// Whether it takes part in the short form without being asked for: bars, the noise floor, and what goals are about.
    pub(crate) fn is_in_short(&self) -> bool {
        match self.kind {
            Kind::Native { bar, .. } => bar && self.name != SAFE || self.name == AGAIN,
            Kind::Edgemill(edgemill) => edgemill.timed,
            Kind::Peer(_) => true,
        }
    }

    /// Whether it ends by the signal that asks it to.
    pub(crate) fn ends_by_signal(&self) -> bool {
        self.kind == Kind::Peer(Peer::Bytewax)
    }

    /// Whether it has something to say about a job.
    pub(crate) fn does(&self, job: Job) -> bool {
        !matches!(self.kind, Kind::Native { code: Code::Serde, .. }) || job != Job::Identity
    }

    /// The command that runs it until it is asked to stop.
    ///
    /// # Errors
    /// Its files cannot be written, or something was not built.
    pub(crate) fn command(&self, run: &Run<'_>) -> Result<Command> {
        match self.kind {
            Kind::Native { calls, code, .. } => native_command(run, self.threads, calls, code, run.output),
            Kind::Edgemill(edgemill) => edgemill.command(run, chain(run.job), Some(self.threads)),
            Kind::Peer(peer) => peer.command(run, self.threads),
        }
    }
}

impl Serialize for Side {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

/// The command of a native loop, which commits for a group.
///
/// # Errors
/// This program does not find itself.
pub(crate) fn native_command(run: &Run<'_>, threads: u32, calls: Calls, code: Code, group: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["native", "--brokers", run.brokers, "--input", run.input, "--output", run.output])
        .args(["--group", group, "--partitions", &run.partitions.to_string()])
        .args(["--threads", &threads.to_string(), "--job", &name(run.job)])
        .args(["--calls", &name(calls), "--code", &name(code)]);
    Ok(command)
}

/// What a value is called on the command line.
pub(crate) fn name(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_side_has_a_name_of_its_own() {
        for (index, side) in SIDES.iter().enumerate() {
            assert!(SIDES[..index].iter().all(|other| other.name != side.name), "{}", side.name);
            assert_eq!(Side::named(side.name).unwrap().about, side.about);
        }
        assert!(Side::named("edgemill3").is_err());
    }

    #[test]
    fn prices_may_differ_only_where_a_peer_writes_them() {
        let allowed = |side, job| Side::named(side).unwrap().writes_short_prices(job);
        assert!(allowed("python-batch", Job::Flatten) && allowed("kafka-streams", Job::Lz4Flatten));
        assert!(!allowed("python-batch", Job::Identity) && !allowed("edgemill2", Job::Flatten));
    }
}
