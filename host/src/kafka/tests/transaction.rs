//! Transactions alone: what does not come back must not hold the worker.

use super::*;
use crate::sink::Ended;
use rdkafka::mocking::MockCoordinator;
use std::sync::mpsc::sync_channel;
use std::thread;

/// A member of the group that has its lane.
fn member(broker: &EmbeddedBroker) -> Member {
    let mut member = Member::join(broker, 0, Start::Earliest);
    until("the lane", || {
        member.step(ALL);
        (!member.lanes.is_empty()).then_some(())
    });
    member
}

fn transactional(broker: &EmbeddedBroker) -> KafkaSink {
    let client = KafkaClient { brokers: broker.brokers(), options: BTreeMap::new(), unreachable_after: None };
    let (topic, partition) = ("other".to_owned(), Partitioning::Key);
    let config = config::KafkaSink { client, topic, routes: vec![], partition, in_flight: 1 << 20 };
    let (routes, wake) = (Routes::new("other", &[]), Wake::new().unwrap());
    KafkaSink::transactional(&config, &routes, None, &identity(0), "group", wake, &mut || true).unwrap()
}

fn commit(sink: &mut KafkaSink, member: &[u8]) -> Ended {
    let points = [(Partition { topic: "out".into(), number: 0 }, Resume(1))];
    sink.transactions().unwrap().commit(&points, member).unwrap()
}

fn deliver(sink: &mut KafkaSink) {
    sink.submit(span(1), &rows(0, &[b"a"]), &[], &mut Vec::new()).unwrap();
    settle(sink, 1);
}

#[test]
fn rows_and_offsets_are_committed() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1)]).unwrap();
    let who = member(&broker).source.member().unwrap();
    let mut sink = transactional(&broker);
    for _ in 0..2 {
        deliver(&mut sink);
        until("the commit", || (commit(&mut sink, &who) == Ended::Yes).then_some(()));
        assert!(!sink.transactions().unwrap().is_open());
    }
}

/// librdkafka does not come back from adding offsets while the group's coordinator is down.
#[test]
fn a_group_whose_coordinator_is_down_does_not_hold_the_worker() {
    let (done, finished) = sync_channel(1);
    let call = move || {
        let broker = EmbeddedBroker::start_some(2, &[("out", 1), ("other", 1)]).unwrap();
        let group = || MockCoordinator::Group("group".to_owned());
        broker.cluster().coordinator(MockCoordinator::Transaction("group-here-0".to_owned()), 1).unwrap();
        broker.cluster().coordinator(group(), 1).unwrap();
        for topic in ["out", "other"] {
            broker.cluster().partition_leader(topic, 0, Some(1)).unwrap();
        }
        let who = member(&broker).source.member().unwrap();
        let mut sink = transactional(&broker);
        deliver(&mut sink);
        broker.cluster().broker_down(2).unwrap();
        broker.cluster().coordinator(group(), 2).unwrap();
        for _ in 0..8 {
            assert_eq!(commit(&mut sink, &who), Ended::NotYet);
        }
        drop(sink);
        // another producer takes the id over
        deliver(&mut transactional(&broker));
        done.send(()).unwrap();
    };
    thread::Builder::new().name("worker".to_owned()).spawn(call).unwrap();
    finished.recv_timeout(Duration::from_secs(30)).expect("the worker goes on");
}
