//! Source and sink against librdkafka's mock cluster, which serves groups, offsets and injected errors.

use super::mock::{EmbeddedBroker, Tail};
use super::{Identity, KafkaSink, KafkaSource, offsets};
use crate::batch::{Batch, Bytes, Column, Headers};
use crate::config::{self, KafkaClient, Partitioning, Start, Topics};
use crate::ledger::Ledger;
use crate::record::{Lane, Offset, Partition, Resume, Span};
use crate::route::{Route, Routes};
use crate::sink::{Refusal, Settled, Sink};
use crate::source::{BatchLimit, Event, Source};
use crate::wake::Wake;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

mod past;
mod range;
mod sink;
mod transaction;

const ALL: BatchLimit = BatchLimit { records: 1000, bytes: 1 << 20 };

fn client(broker: &EmbeddedBroker) -> KafkaClient {
    // the mock cluster waits three seconds for members, whatever is set here
    let options = BTreeMap::from([("session.timeout.ms".to_owned(), "6000".to_owned())]);
    KafkaClient { brokers: broker.brokers(), options, unreachable_after: None }
}

fn identity(worker: usize) -> Identity {
    Identity { pipeline: "test".to_owned(), host: "here".to_owned(), worker }
}

fn sink_with(broker: &EmbeddedBroker, partition: Partitioning, options: &[(&str, &str)]) -> KafkaSink {
    let mut client = client(broker);
    client.options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let config = config::KafkaSink { client, topic: "out".to_owned(), routes: vec![], partition, in_flight: 1 << 20 };
    let routes = Routes::new("out", &["other".to_owned()]);
    KafkaSink::new(&config, &routes, Some("dead"), &identity(0), Wake::new().unwrap()).unwrap()
}

/// A worker that keeps books and does nothing else.
struct Member {
    source: KafkaSource,
    ledger: Ledger,
    lanes: BTreeMap<Partition, Lane>,
    wake: Wake,
}

type Owned = Option<Vec<u8>>;

/// One record, owned.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    partition: i32,
    offset: i64,
    timestamp: i64,
    key: Owned,
    value: Owned,
    headers: Vec<(Owned, Owned)>,
}

/// The group and its topic.
fn config(broker: &EmbeddedBroker, start: Start) -> config::KafkaSource {
    config::KafkaSource {
        client: client(broker),
        topics: Topics::List(vec!["out".to_owned()]),
        group: "group".to_owned(),
        start,
        static_membership: false,
        fetch_ahead: 1 << 20,
        stalled_after: None,
    }
}

impl Member {
    fn join(broker: &EmbeddedBroker, worker: usize, start: Start) -> Self {
        let wake = Wake::new().unwrap();
        let config = config(broker, start);
        let source = KafkaSource::new(&config, &identity(worker), wake.clone()).unwrap();
        Self { source, ledger: Ledger::default(), lanes: BTreeMap::new(), wake }
    }

    /// Answers the group; hands out a batch if there is one.
    fn step(&mut self, limit: BatchLimit) -> Option<(Lane, Vec<Seen>)> {
        match self.source.poll(Some(limit)).unwrap() {
            Event::Idle => self.wake.wait(Duration::from_millis(20)),
            Event::Batch(lane, messages) => return Some((lane, seen(&messages.batch()))),
            Event::Assigned(partitions) => {
                let lanes: Vec<_> = partitions.into_iter().map(|partition| (self.ledger.assign(), partition)).collect();
                self.source.assign(&lanes).unwrap();
                self.lanes.extend(lanes.into_iter().map(|(lane, partition)| (partition, lane)));
            }
            Event::Revoked { lanes, .. } => {
                self.source.release(&lanes).unwrap();
                for lane in &lanes {
                    self.ledger.release(*lane);
                }
                self.lanes.retain(|_, lane| !lanes.contains(lane));
            }
            Event::PutBack(..) | Event::End => unreachable!("a member's topics have no end"),
        }
        None
    }

    fn read(&mut self, limit: BatchLimit) -> (Lane, Vec<Seen>) {
        until("a batch", || self.step(limit))
    }

    fn read_all(&mut self, count: usize) -> Vec<Seen> {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(self.read(ALL).1);
        }
        all.sort_by_key(|seen| (seen.partition, seen.offset));
        all
    }
}

fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} within 30 s");
    }
}

fn seen(batch: &Batch<'_>) -> Vec<Seen> {
    let owned = |bytes: Bytes<'_>| bytes.map(<[u8]>::to_vec);
    let mut headers = batch.headers.names.iter().zip(batch.headers.values.iter());
    let rows = batch.keys.iter().zip(batch.values.iter()).enumerate();
    rows.map(|(row, (key, value))| Seen {
        partition: batch.partition,
        offset: batch.offsets[row],
        timestamp: batch.timestamps[row],
        key: owned(key),
        value: owned(value),
        headers: headers
            .by_ref()
            .take(batch.headers.counts.get(row).map_or(0, |count| *count as usize))
            .map(|(name, value)| (owned(name), owned(value)))
            .collect(),
    })
    .collect()
}

fn span(number: u64) -> Span {
    Span { lane: Lane { slot: 0, epoch: 1 }, number }
}

/// Rows of an input partition with the given values.
fn rows<'a>(partition: i32, values: &[&'a [u8]]) -> Batch<'a> {
    Batch {
        topic: "in",
        partition,
        offsets: (0..values.len() as i64).collect(),
        timestamps: values.iter().map(|_| 1_700_000_000_000).collect(),
        keys: Column::Each(values.iter().map(|_| None).collect()),
        values: Column::Each(values.iter().map(|value| Some(*value)).collect()),
        headers: Headers::default(),
        siblings_before: 0,
    }
}

fn settle(sink: &mut KafkaSink, count: u32) -> Vec<Settled> {
    let (mut all, mut done) = (Vec::new(), 0);
    until("delivery reports", || {
        let mut settled = Vec::new();
        sink.poll(&mut settled).unwrap();
        for one in settled {
            done += if let Settled::Delivered(_, count) = one { count } else { 1 };
            all.push(one);
        }
        (done >= count).then_some(())
    });
    all
}

fn fill(broker: &EmbeddedBroker, partition: i32, values: &[&[u8]]) {
    let mut sink = sink_with(broker, Partitioning::SameAsInput, &[]);
    let mut refused = Vec::new();
    sink.submit(span(0), &rows(partition, values), &[], &mut refused).unwrap();
    assert_eq!(refused, []);
    settle(&mut sink, values.len() as u32);
    assert_eq!(sink.in_flight(), 0);
}

#[test]
fn what_is_produced_is_consumed_with_nulls_headers_and_timestamps() {
    let broker = EmbeddedBroker::start(&[("out", 2), ("other", 1), ("dead", 1)]).unwrap();
    let mut sink = sink_with(&broker, Partitioning::SameAsInput, &[]);
    let each = |items: &[Bytes<'static>]| Column::Each(items.to_vec().into());
    let batch = Batch {
        topic: "in",
        partition: 1,
        offsets: Cow::Borrowed(&[5, 6, 7]),
        timestamps: Cow::Borrowed(&[1_700_000_000_001, 1_700_000_000_002, -1]),
        keys: each(&[Some(b"k"), None, Some(b"")]),
        values: each(&[Some(b"v"), None, Some(b"")]),
        headers: Headers {
            counts: Cow::Borrowed(&[0, 2, 1]),
            names: each(&[Some(b"a"), Some(b"a"), Some(b"b")]),
            values: each(&[Some(b"1"), None, Some(b"")]),
        },
        siblings_before: 0,
    };
    let mut refused = Vec::new();
    sink.submit(span(4), &batch, &[], &mut refused).unwrap();
    assert!(sink.in_flight() > 0);
    assert_eq!(settle(&mut sink, 3), [Settled::Delivered(span(4), 3)]);
    assert_eq!((refused.len(), sink.in_flight()), (0, 0));
    fill(&broker, 0, &[b"first", b"second"]);

    let mut member = Member::join(&broker, 0, Start::Earliest);
    let all = member.read_all(5);
    assert_eq!(member.lanes.len(), 2);
    let bytes = |bytes: &[u8]| Some(bytes.to_vec());
    assert_eq!(all[0].value, bytes(b"first"));
    assert_eq!(all[1].value, bytes(b"second"));
    let kept = |index: usize| (&all[2 + index].key, &all[2 + index].value, &all[2 + index].headers);
    assert_eq!(kept(0), (&bytes(b"k"), &bytes(b"v"), &vec![]));
    assert_eq!(kept(1), (&None, &None, &vec![(bytes(b"a"), bytes(b"1")), (bytes(b"a"), None)]));
    assert_eq!(kept(2), (&bytes(b""), &bytes(b""), &vec![(bytes(b"b"), bytes(b""))]));
    assert_eq!((all[2].timestamp, all[3].timestamp), (1_700_000_000_001, 1_700_000_000_002));
    assert!(all[4].timestamp > 1_700_000_000_002, "librdkafka's own time");
    assert_eq!(all[2..].iter().map(|seen| (seen.partition, seen.offset)).collect::<Vec<_>>(), [(1, 0), (1, 1), (1, 2)]);
}

#[test]
fn a_batch_holds_no_more_bytes_and_records_than_allowed() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"1234", b"1234", b"1234", b"123456789", b"1", b"1", b"1"]);
    let mut member = Member::join(&broker, 0, Start::Earliest);
    let limit = BatchLimit { records: 2, bytes: 8 };
    let sizes: Vec<usize> = (0..5).map(|_| member.read(limit).1.len()).collect();
    assert_eq!(sizes, [2, 1, 1, 2, 1]);
}

#[test]
fn a_lane_that_is_rewound_hands_out_again_what_is_behind_its_resume_point() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let values: Vec<Vec<u8>> = (0..50).map(|number: u8| vec![number]).collect();
    fill(&broker, 0, &values.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let mut member = Member::join(&broker, 0, Start::Earliest);
    let limit = BatchLimit { records: 7, bytes: 1 << 20 };
    let (lane, _) = member.read(limit);
    let span = member.ledger.open(lane, Offset(6)).unwrap();
    member.ledger.settle(span, 1);
    member.read(limit);

    let (lane, to) = member.ledger.rewind(lane).unwrap();
    member.source.rewind(lane, to).unwrap();
    let (again, batch) = member.read(limit);
    assert_eq!((again, batch[0].offset), (lane, 7));

    let (fresh, _) = member.ledger.rewind(lane).unwrap();
    member.source.rewind(fresh, None).unwrap();
    let all: Vec<i64> =
        std::iter::repeat_with(|| member.read(ALL).1).flatten().map(|seen| seen.offset).take(50).collect();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
}

#[test]
fn two_members_share_the_partitions_and_one_inherits_what_the_other_committed() {
    let broker = EmbeddedBroker::start(&[("out", 4), ("other", 1), ("dead", 1)]).unwrap();
    for partition in 0..4 {
        fill(&broker, partition, &[b"a", b"b", b"c"]);
    }
    let mut first = Member::join(&broker, 0, Start::Earliest);
    first.read_all(12);
    let points: Vec<_> = first.lanes.values().map(|lane| (*lane, Resume(2))).collect();
    first.source.commit(&points, Some(Duration::from_secs(5))).unwrap();

    let mut second = Member::join(&broker, 1, Start::Earliest);
    let mut read = Vec::new();
    until("a second member with half of the lanes", || {
        first.step(ALL);
        read.extend(second.step(ALL).map(|(_, seen)| seen).into_iter().flatten());
        (first.lanes.len() == 2 && second.lanes.len() == 2 && read.len() == 2).then_some(())
    });
    assert_eq!(read.iter().map(|seen| seen.offset).collect::<Vec<_>>(), [2, 2]);

    second.source.close();
    until("the first member with all lanes again", || {
        first.step(ALL);
        (first.lanes.len() == 4).then_some(())
    });
    let positions = first.source.positions();
    assert_eq!(positions.len(), 4);
}

#[test]
fn latest_begins_at_the_end_and_commits_it_before_any_record() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"old"]);
    let mut member = Member::join(&broker, 0, Start::Latest);
    until("a lane", || {
        member.step(ALL);
        (!member.lanes.is_empty()).then_some(())
    });
    fill(&broker, 0, &[b"new"]);
    assert_eq!(member.read_all(1)[0].value.as_deref(), Some(&b"new"[..]));
    drop(member);
    let mut member = Member::join(&broker, 0, Start::Latest);
    assert_eq!(member.read_all(1)[0].value.as_deref(), Some(&b"new"[..]));
}

#[test]
fn stored_without_a_committed_offset_ends_and_names_group_and_partition() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut member = Member::join(&broker, 0, Start::Stored);
    let partitions = until("an assignment", || match member.source.poll(None).unwrap() {
        Event::Assigned(partitions) => Some(partitions),
        _ => None,
    });
    let error = member.source.assign(&[(member.ledger.assign(), partitions[0].clone())]).unwrap_err().to_string();
    assert!(error.contains("\"group\"") && error.contains("out/0") && error.contains("edgemill reset"), "{error}");
}

#[test]
fn a_commit_that_fails_is_tried_again_although_its_lane_does_not_move() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b"]);
    let mut member = Member::join(&broker, 0, Start::Earliest);
    let (lane, _) = member.read(ALL);
    let refuse = RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_COMMIT_OFFSET_SIZE;
    broker.cluster().request_errors(RDKafkaApiKey::OffsetCommit, &[refuse]);
    member.source.commit(&[(lane, Resume(2))], None).unwrap();
    until("a committed offset", || {
        member.step(ALL);
        let progress = offsets::read(&config(&broker, Start::Earliest)).unwrap();
        (progress[0].committed == Some(2)).then_some(())
    });
}

#[test]
fn a_reset_sets_offsets_that_a_member_begins_at_and_none_outside_of_a_partition() {
    let broker = EmbeddedBroker::start(&[("out", 2), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b", b"c"]);
    let config = config(&broker, Start::Stored);
    let at = |number: i32, offset: i64| (Partition { topic: "out".to_owned(), number }, offset);
    assert_eq!(offsets::reset(&config, &Start::Latest).unwrap(), [at(0, 3), at(1, 0)]);
    assert_eq!(offsets::reset(&config, &Start::Earliest).unwrap(), [at(0, 0), at(1, 0)]);
    assert_eq!(offsets::reset(&config, &Start::Offsets(BTreeMap::from([(0, 1)]))).unwrap(), [at(0, 1)]);
    let outside = offsets::reset(&config, &Start::Offsets(BTreeMap::from([(0, 4)]))).unwrap_err();
    assert_eq!(outside, "out/0 has no offset 4: it begins at 0 and ends at 3");
    let progress = offsets::read(&config).unwrap();
    assert_eq!((progress[0].committed, progress[0].oldest, progress[0].end), (Some(1), 0, 3));

    let mut member = Member::join(&broker, 0, Start::Stored);
    assert_eq!(member.read_all(2)[0].offset, 1);
}

#[test]
fn brokers_that_stay_away_end_the_program_and_those_that_come_back_do_not() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut client = client(&broker);
    client.unreachable_after = Some(Duration::from_secs(1));
    let config = config::KafkaSink {
        client,
        topic: "out".to_owned(),
        routes: vec![],
        partition: Partitioning::Key,
        in_flight: 1,
    };
    let routes = Routes::new("out", &[]);
    let mut sink = KafkaSink::new(&config, &routes, None, &identity(0), Wake::new().unwrap()).unwrap();
    sink.submit(span(1), &rows(0, &[b"a"]), &[], &mut Vec::new()).unwrap();
    assert!(!sink.has_room());
    settle(&mut sink, 1);

    broker.cluster().broker_down(1).unwrap();
    let down = Instant::now();
    while down.elapsed() < Duration::from_millis(700) {
        sink.poll(&mut Vec::new()).unwrap();
    }
    broker.cluster().broker_up(1).unwrap();
    let up = Instant::now();
    while up.elapsed() < Duration::from_secs(2) {
        sink.poll(&mut Vec::new()).unwrap();
    }

    broker.cluster().broker_down(1).unwrap();
    let error = until("an end", || sink.poll(&mut Vec::new()).err()).to_string();
    assert!(error.contains(&broker.brokers()) && error.contains("unreachable_after"), "{error}");
}

#[test]
fn a_tail_sees_every_message_of_its_partitions() {
    let broker = EmbeddedBroker::start(&[("out", 2), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b"]);
    let wake = Wake::new().unwrap();
    let partitions = [0, 1].map(|number| Partition { topic: "out".to_owned(), number });
    let mut tail = Tail::new(&client(&broker), &partitions, &wake).unwrap();
    let mut all = Vec::new();
    let mut follow = |count: usize| {
        until("messages", || {
            all.extend(tail.poll(ALL).map(|messages| seen(&messages.batch())).into_iter().flatten());
            wake.wait(Duration::from_millis(20));
            (all.len() == count).then_some(())
        });
    };
    follow(2);
    fill(&broker, 1, &[b"c"]);
    follow(3);
}
