//! What the measurements ran on: the machine, and the versions of what took part.

use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::side;

/// The lock file of the workspace, for the versions of what is compiled in.
const LOCK: &str = include_str!("../../Cargo.lock");

/// What Python packages the peers run on, and which Kafka Streams.
const PYTHON: &str = include_str!("../peers/requirements.txt");
const STREAMS: &str = include_str!("../peers/kafka-streams/pom.xml");
const BROKER: &str = include_str!("../../tests/servers/pom.xml");

/// A machine, and versions by name.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) versions: Vec<(String, String)>,
}

impl Machine {
    /// Looks around; what cannot be found out is empty.
    pub(crate) fn look() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory: f64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: format!("{:.0} GiB", memory / f64::from(1 << 20)),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            versions: versions(),
        }
    }
}

fn versions() -> Vec<(String, String)> {
    let commit =
        first_line(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")));
    let edgemill = side::version().unwrap_or_default();
    let mut versions = vec![
        ("Edgemill", format!("{edgemill} ({commit})")),
        ("wasmtime", locked(LOCK, "wasmtime")),
        ("librdkafka", rdkafka::util::get_rdkafka_version().1),
        ("Kafka", artifact(BROKER, "kafka_2.13")),
        ("Kafka Streams", artifact(STREAMS, "kafka-streams")),
        ("Java", first_line(Command::new("java").arg("--version"))),
        ("Python", first_line(Command::new("python3").arg("--version")).replace("Python ", "")),
        ("rustc", first_line(Command::new("rustc").arg("--version")).replace("rustc ", "")),
    ];
    let python = PYTHON.lines().filter_map(|line| line.split_once("=="));
    versions.extend(python.map(|(name, version)| (name, version.to_owned())));
    versions.into_iter().map(|(name, version)| (name.to_owned(), version)).collect()
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().trim().to_owned()
}

/// The version of a package in a lock file of Cargo's.
fn locked(lock: &str, package: &str) -> String {
    let after = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, after)| after);
    after.and_then(|after| after.split_once('"')).map_or_else(String::new, |(version, _)| version.to_owned())
}

/// The version of a dependency in one of Maven's files.
fn artifact(pom: &str, name: &str) -> String {
    let after = pom.split_once(&format!("<artifactId>{name}</artifactId><version>")).map(|(_, after)| after);
    after.and_then(|after| after.split_once('<')).map_or_else(String::new, |(version, _)| version.to_owned())
}

/// How many threads wanted to run in the last minute, on average: what is measured beside others is not worth much.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_repository_say_their_versions() {
        for version in [locked(LOCK, "wasmtime"), artifact(BROKER, "kafka_2.13"), artifact(STREAMS, "kafka-streams")] {
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{version:?}");
        }
        assert_eq!(locked(LOCK, "no-such-package"), "");
        assert_eq!(artifact(BROKER, "kafka-streams"), "");
    }
}
