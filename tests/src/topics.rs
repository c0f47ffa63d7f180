//! Topics of a cluster: made, placed on its nodes, and deleted.

use anyhow::{Context, Result, anyhow, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::records::{Kafka, QUESTION, unique};
use crate::wait::{PATIENCE, wait_for};

impl Kafka {
    /// Makes a topic of a unique name that begins with the one given.
    ///
    /// # Errors
    /// The broker refuses, or is down.
    pub fn topic(&self, name: &str, partitions: i32) -> Result<String> {
        let name = unique(name);
        self.create_topic(&name, partitions, &[])?;
        Ok(name)
    }

    /// Makes a topic, with options of the broker's for it.
    ///
    /// # Errors
    /// The broker refuses, or is down.
    pub fn create_topic(&self, name: &str, partitions: i32, options: &[(&str, &str)]) -> Result<()> {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.replicas));
        topic.config = options.to_vec();
        self.create(&topic)
    }

    /// Makes a topic of a unique name, with the nodes that have each partition; the first of them leads it. Nodes count from 1.
    ///
    /// # Errors
    /// As [`Kafka::create_topic`].
    pub fn topic_on(&self, name: &str, nodes: &[&[i32]]) -> Result<String> {
        let name = unique(name);
        let count = i32::try_from(nodes.len())?;
        self.create(&NewTopic::new(&name, count, TopicReplication::Variable(nodes)))?;
        Ok(name)
    }

    fn create(&self, topic: &NewTopic<'_>) -> Result<()> {
        let admin = AdminClient::<DefaultClientContext>::from_config(&self.client())?;
        let mut asked_before = false;
        // a broker that has just started may not answer in time, and do it all the same
        wait_for(&format!("topic {} is made", topic.name), PATIENCE, || {
            let answer = block_on(admin.create_topics([topic], &AdminOptions::new()));
            let code = match answer {
                Ok(results) => match results.into_iter().next() {
                    Some(Err((_, code))) => code,
                    _ => return Ok(Some(())),
                },
                Err(error) => error.rdkafka_error_code().with_context(|| format!("{error}"))?,
            };
            let again = matches!(
                code,
                RDKafkaErrorCode::OperationTimedOut
                    | RDKafkaErrorCode::RequestTimedOut
                    | RDKafkaErrorCode::NotController
                    | RDKafkaErrorCode::InvalidReplicationFactor
            );
            match code {
                RDKafkaErrorCode::TopicAlreadyExists if asked_before => Ok(Some(())),
                _ if again => {
                    asked_before = true;
                    Ok(None)
                }
                _ => bail!("topic {}: {code}", topic.name),
            }
        })?;
        // brokers learn of it one after the other
        let consumer: BaseConsumer = self.client().create()?;
        wait_for(&format!("topic {} has leaders", topic.name), PATIENCE, || {
            let metadata = consumer.fetch_metadata(Some(topic.name), QUESTION).ok();
            let led = metadata.is_some_and(|metadata| {
                let found = metadata.topics().first().map(|found| found.partitions()).unwrap_or_default();
                found.len() == topic.num_partitions as usize && found.iter().all(|partition| partition.leader() >= 0)
            });
            Ok(led.then_some(()))
        })
    }

    /// Gives the node that leads a partition; nodes count from 1.
    ///
    /// # Errors
    /// There is no such partition, nobody leads it, or the cluster is down.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        let consumer: BaseConsumer = self.client().create()?;
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata.topics().first().map(|found| found.partitions()).unwrap_or_default();
        let found = partitions.iter().find(|found| found.id() == partition);
        let leader = found.with_context(|| format!("no partition {partition} of {topic}"))?.leader();
        ensure!(leader >= 0, "nobody leads partition {partition} of {topic}");
        Ok(leader)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// There is no such topic, or the broker is down.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        let admin = AdminClient::<DefaultClientContext>::from_config(&self.client())?;
        one(block_on(admin.delete_topics(&[name], &AdminOptions::new()))?)
    }
}

fn one(results: Vec<Result<String, (String, RDKafkaErrorCode)>>) -> Result<()> {
    for result in results {
        result.map_err(|(topic, code)| anyhow!("topic {topic}: {code}"))?;
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without drivers needs nothing").block_on(future)
}
