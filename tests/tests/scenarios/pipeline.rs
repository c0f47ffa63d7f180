//! One pipeline between topics of its own: its configuration, its end, and what its host's log says.

use std::time::Duration;

use anyhow::{Result, ensure};
use edgemill_tests::{Broker, Host, host, unique, wait_for};
use serde_json::Value;

/// The topics and the group of one pipeline, which is called `p`.
pub(super) struct Pipeline {
    broker: &'static Broker,
    /// What it reads.
    pub(super) from: String,
    /// What it writes.
    pub(super) to: String,
    /// Its dead letters, one partition; cleared: it has none.
    pub(super) dead: String,
    /// Its consumer group.
    pub(super) group: String,
}

impl Pipeline {
    /// Makes the topics on the shared broker.
    pub(super) fn new(name: &str, partitions: i32) -> Result<Self> {
        let broker = Broker::shared();
        let from = broker.topic(name, partitions)?;
        let (to, dead) = (format!("{from}-to"), format!("{from}-dead"));
        broker.create_topic(&to, partitions, &[])?;
        broker.create_topic(&dead, 1, &[])?;
        Ok(Self { broker, from, to, dead, group: unique(name) })
    }

    /// Begins a host. `keys` are the pipeline's own, `chain` its modules as inline tables without braces:
    /// `module = "a.wasm", limits = { time = "1 s" }`.
    pub(super) fn host(&self, keys: &str, chain: &[&str]) -> host::Builder {
        Host::builder(&format!("{}{}", TOP, self.table("p", keys, chain)))
    }

    /// The pipeline's part of a configuration.
    pub(super) fn table(&self, name: &str, keys: &str, chain: &[&str]) -> String {
        let chain: Vec<String> = chain.iter().map(|module| format!("{{ {module} }}")).collect();
        let keys = format!("{keys}\nchain = [{}]", chain.join(", "));
        let Self { broker, from, to, dead, group } = self;
        let brokers = broker.address();
        let dead = match dead.is_empty() {
            true => String::new(),
            false => format!("[pipelines.{name}.dead-letter]\ntopic = \"{dead}\"\n"),
        };
        format!(
            "\n[pipelines.{name}]\ncommit_interval = \"100 ms\"\n{keys}\n\
             [pipelines.{name}.source]\nbrokers = \"{brokers}\"\ntopics = [\"{from}\"]\ngroup = \"{group}\"\n\
             [pipelines.{name}.sink]\ntype = \"kafka\"\ntopic = \"{to}\"\npartition = \"same-as-input\"\n{dead}"
        )
    }

    /// Waits until the group has committed all that is in the source now.
    pub(super) fn wait_for_end(&self, patience: Duration) -> Result<()> {
        let all = self.broker.ends(&self.from)?;
        wait_for(&format!("all of {} is committed", self.from), patience, || {
            let committed = self.broker.committed(&self.group, &self.from)?;
            let done = all.iter().zip(committed).all(|(end, committed)| committed.unwrap_or(0) >= *end);
            Ok(done.then_some(()))
        })
    }
}

/// What stands above the pipelines of every configuration.
pub(super) const TOP: &str = "log = \"json\"\nstate = \"@dir@/state\"\nmodules = \"@modules@\"\n";

/// The lines of a host's log that say `message`.
pub(super) fn said(host: &Host, message: &str) -> Vec<Value> {
    let log = host.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// The only pipeline of a host's status.
pub(super) fn status(host: &Host) -> Result<Value> {
    Ok(host.status()?["pipelines"][0].take())
}

/// Stops a host and checks that it ended well.
pub(super) fn stop(mut host: Host) -> Result<()> {
    let code = host.stop()?.code();
    ensure!(code == Some(0), "the host ended with {code:?}");
    Ok(())
}
