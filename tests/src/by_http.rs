//! A pipeline from a topic of the shared broker to a sink by HTTP: all of its configuration that is not the sink's own.

use anyhow::Result;

use crate::Broker;
use crate::featurebase::{Featurebase, PASSWORD, USERNAME};
use crate::host::{Builder, Host};
use crate::records::{Consumed, unique};
use crate::wait::{PATIENCE, wait_for};

const CONFIG: &str = r#"
modules = "@modules@"
[pipelines.p]
workers = @workers@
[pipelines.p.source]
brokers = "@brokers@"
topics = ["@from@"]
group = "@group@"
start = "earliest"
librdkafka = { "session.timeout.ms" = 6000 }
@chain@
[pipelines.p.sink]
@sink@
[pipelines.p.dead-letter]
topic = "@letters@"
"#;

const CLOUD: &str = r#"
type = "featurebase-cloud"
endpoint = "${FB_ENDPOINT}"
login_url = "${FB_LOGIN}"
username = "${FB_USER}"
password = "${FB_PASSWORD}"
"#;

/// The topics and the group of a pipeline, which is called `p`.
#[derive(Debug, Clone)]
pub struct ByHttp {
    /// What it reads.
    pub from: String,
    /// Its dead letters, one partition.
    pub letters: String,
    /// Its consumer group.
    pub group: String,
}

impl ByHttp {
    /// Makes the topics.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn new(name: &str, partitions: i32) -> Result<Self> {
        let broker = Broker::shared();
        Ok(Self { from: broker.topic(name, partitions)?, letters: broker.topic("letters", 1)?, group: unique(name) })
    }

    /// The same topics for another group.
    #[must_use]
    pub fn in_group(&self, name: &str) -> Self {
        Self { group: unique(name), ..self.clone() }
    }

    /// Begins a host with a chain of modules, by their files' names, and a sink: its keys, line by line.
    #[must_use]
    pub fn host(&self, workers: u32, chain: &[&str], sink: &str) -> Builder {
        let chain: String = chain.iter().map(|file| format!("[[pipelines.p.chain]]\nmodule = \"{file}\"\n")).collect();
        Host::builder(CONFIG)
            .set("workers", workers.to_string())
            .set("chain", chain)
            .set("sink", sink)
            .set("brokers", Broker::shared().address())
            .set("from", &self.from)
            .set("group", &self.group)
            .set("letters", &self.letters)
    }

    /// Begins a host whose sink is FeatureBase Cloud, with more keys of it. Its variables `FB_ENDPOINT`, `FB_LOGIN`, `FB_USER`
    /// and `FB_PASSWORD` are right, and may be set to something else.
    #[must_use]
    pub fn to_cloud(&self, workers: u32, cloud: &Featurebase, keys: &str) -> Builder {
        let sink = format!("{CLOUD}{keys}");
        [
            ("FB_ENDPOINT", cloud.endpoint()),
            ("FB_LOGIN", cloud.login_url()),
            ("FB_USER", USERNAME.to_owned()),
            ("FB_PASSWORD", PASSWORD.to_owned()),
        ]
        .into_iter()
        .fold(self.host(workers, &[], &sink), |host, (name, value)| host.env(name, value))
    }

    /// Waits until the group has committed all that is in the topic.
    ///
    /// # Errors
    /// It does not come to that.
    pub fn wait_for_end(&self) -> Result<()> {
        let lag = || Ok((Broker::shared().lag(&self.group, &self.from)? == 0).then_some(()));
        wait_for("all is committed", PATIENCE * 10, lag)
    }

    /// The dead letters.
    ///
    /// # Errors
    /// The broker is down.
    pub fn dead_letters(&self) -> Result<Vec<Consumed>> {
        Broker::shared().consume(&self.letters)
    }
}
