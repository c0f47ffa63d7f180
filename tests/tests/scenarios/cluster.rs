//! The cluster that other scenarios hurt holds by itself: its brokers die and come back, and its proxies are the only way in.

use anyhow::{Context, Result};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Cluster, Record};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

#[test]
fn a_cluster_takes_records_while_one_of_its_brokers_is_dead() -> Result<()> {
    let mut cluster = Cluster::borrow()?;
    let topic = cluster.topic("cluster", 3)?;
    let records = |from: i32| (from..from + 500).map(|n| Record::of(n.to_string()).to(n % 3));
    cluster.produce(&topic, records(0))?;
    let dead = cluster.leader(&topic, 0)?;
    cluster.kill(dead);
    cluster.produce(&topic, records(500))?;
    assert_ne!(cluster.leader(&topic, 0)?, dead);
    cluster.restart(dead)?;
    assert_eq!(cluster.consume(&topic)?.len(), 1000);
    Ok(())
}

#[test]
fn a_client_that_comes_through_a_proxy_is_told_of_proxies_only() -> Result<()> {
    let cluster = Cluster::borrow()?;
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", cluster.proxied()).create()?;
    let metadata = client.fetch_metadata(None, PATIENCE)?;
    for broker in metadata.brokers() {
        assert_eq!(broker.port(), i32::from(cluster.proxy(broker.id()).port()));
    }
    assert_eq!(metadata.brokers().len(), 3);
    let topic = cluster.topic_on("placed", &[&[2, 1, 3], &[3, 1, 2]])?;
    assert_eq!((cluster.leader(&topic, 0)?, cluster.leader(&topic, 1)?), (2, 3));
    cluster.committed("somebody", &topic)?;
    cluster.coordinator("somebody").context("the group's coordinator")?;
    Ok(())
}
