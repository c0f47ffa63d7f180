//! A dead letter carries all of its original: what a redrive makes of it is what the chain was given.

use super::super::dead_letter::{DeadLetters, Sender};
use super::super::submit::Taken;
use super::*;
use crate::batch::{Batch, Bytes};
use crate::chain::Plan;
use crate::ledger::Ledger;
use crate::policy::{Class, Failure};
use crate::records::Gathered;
use crate::redrive::Redrive;
use crate::redrive::tests::{ALL, Fake, order};
use proptest::prelude::*;
use std::borrow::Cow;

type Owned = Option<Vec<u8>>;

/// A record: key, value, timestamp, headers.
type Record = (Owned, Owned, i64, Vec<(Vec<u8>, Owned)>);

fn gather(topic: &str, records: &[Record], offset: impl Fn(usize) -> i64) -> Gathered {
    let mut gathered = Gathered::new(topic, 3);
    for (index, (key, value, timestamp, headers)) in records.iter().enumerate() {
        gathered.push(offset(index), *timestamp, key.as_deref(), value.as_deref());
        headers.iter().for_each(|(name, value)| gathered.push_header(name, value.as_deref()));
    }
    gathered
}

fn owned(batch: &Batch<'_>) -> Vec<Record> {
    let owned = |bytes: Bytes<'_>| bytes.map(<[u8]>::to_vec);
    let mut headers = batch.headers.names.iter().zip(batch.headers.values.iter());
    let rows = batch.keys.iter().zip(batch.values.iter()).enumerate();
    rows.map(|(row, (key, value))| {
        let count = batch.headers.counts.get(row).map_or(0, |count| *count as usize);
        let headers = headers.by_ref().take(count);
        let headers = headers.map(|(name, value)| (name.unwrap_or_default().to_vec(), owned(value))).collect();
        (owned(key), owned(value), batch.timestamps[row], headers)
    })
    .collect()
}

/// All of the dead letters of a batch, as they lie in their topic.
fn dead(batch: &Batch<'_>, message: &str, tried: u32) -> Gathered {
    let plan = Plan { number: 4, stages: Vec::new(), sink: Policy::all(Action::DeadLetter) };
    let sender = Sender { pipeline: "p", host: "h", plan: &plan };
    let (offsets, tried) = (Cow::Borrowed(&[] as &[i64]), vec![tried; batch.len()].into());
    let taken = Taken { batch: batch.slice(0..batch.len()), offsets, tried, again: 0 };
    let mut letters = DeadLetters::default();
    for origin in 0..batch.len() as u32 {
        let (code, message) = ("a-code".to_owned(), message.to_owned());
        let backtrace = Some("at f (m.wasm)".to_owned());
        letters.add(&sender, &taken, &Failure { origin, stage: 0, class: Class::Refused, code, message, backtrace });
    }
    // Kafka has no negative timestamps: a record without one gets the time of its producing
    let mut records = owned(&letters.rows(batch));
    records.iter_mut().for_each(|record| record.2 = record.2.max(1234));
    gather("dead", &records, |index| index as i64)
}

/// Topic, partition, offset.
type Place = (String, i32, i64);

/// What a redrive makes of dead letters: the batches' topics, partitions and offsets, and the records.
fn redriven(dead: Gathered) -> (Vec<Place>, Vec<Record>, Vec<u32>) {
    let (mut places, mut records, mut tried) = (Vec::new(), Vec::new(), Vec::new());
    let count = dead.len() as i64;
    let mut redrive = Redrive::new(Box::new(Fake::new(vec![dead])), order(0, count));
    let mut ledger = Ledger::default();
    loop {
        match redrive.poll(ALL).expect("nothing fails here") {
            Event::Assigned(partitions) => {
                let lanes: Vec<_> = partitions.into_iter().map(|partition| (ledger.assign(), partition)).collect();
                redrive.assign(&lanes).expect("nothing fails here");
            }
            Event::Batch(_, messages) => {
                let batch = messages.batch();
                places.extend(batch.offsets.iter().map(|offset| (batch.topic.to_owned(), batch.partition, *offset)));
                records.extend(owned(&batch));
                tried.extend_from_slice(&messages.tried());
            }
            Event::Idle => {}
            _ => return (places, records, tried),
        }
    }
}

fn bytes() -> impl Strategy<Value = Owned> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20))
}

fn header() -> impl Strategy<Value = (Vec<u8>, Owned)> {
    // an original may have been a dead letter itself, or pretend to be one
    let own = ["class", "topic", "offset", "tries", "time", "modules", "x"].map(|name| format!("edgemill.{name}"));
    let name = prop_oneof![proptest::sample::select(own.to_vec()), "[a-z.]{0,8}"];
    (name.prop_map(String::into_bytes), bytes())
}

fn record() -> impl Strategy<Value = Record> {
    (bytes(), bytes(), prop_oneof![Just(-1i64), 0..2_000_000_000_000i64], proptest::collection::vec(header(), 0..6))
}

proptest! {
    #[test]
    fn what_is_redriven_is_what_failed(
        records in proptest::collection::vec(record(), 1..12),
        message in ".{0,40}",
        before in 0u32..9,
    ) {
        let original = gather("in", &records, |index| 7 + 3 * index as i64);
        let letters = dead(&original.batch(), &message, before);
        let (places, again, tried) = redriven(letters);
        prop_assert_eq!(&again, &records);
        let expected: Vec<_> = (0..records.len()).map(|index| ("in".to_owned(), 3, 7 + 3 * index as i64)).collect();
        prop_assert_eq!(places, expected);
        prop_assert!(tried.iter().all(|tried| *tried == before + 1), "{:?}", tried);

        // the dead letter of another pipeline's dead letter gives that dead letter back
        let letters = dead(&original.batch(), &message, before);
        let (places, again, _) = redriven(dead(&letters.batch(), &message, 0));
        prop_assert_eq!(again, owned(&letters.batch()));
        prop_assert!(places.iter().all(|(topic, _, _)| topic == "dead"));
    }
}
