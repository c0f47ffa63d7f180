//! Dead letters become records again, in order, and only those that are meant; what is left over is accounted for.

use super::*;
use crate::dead_letter::filter::Filter;
use crate::ledger::Ledger;
use crate::records::Gathered;
use crate::source::Messages;
use std::borrow::Cow;

/// A consumer of one lane, scripted.
pub(crate) struct Fake {
    batches: VecDeque<Gathered>,
    told: bool,
    lane: Option<Lane>,
    position: Option<i64>,
    ends: bool,
}

impl Fake {
    /// One partition with these batches.
    pub(crate) fn new(batches: Vec<Gathered>) -> Self {
        Self { batches: batches.into(), told: false, lane: None, position: None, ends: false }
    }
}

struct FakeMessages(Gathered);

impl Messages for FakeMessages {
    fn batch(&self) -> Batch<'_> {
        self.0.batch()
    }

    fn offsets(&self) -> Cow<'_, [i64]> {
        self.0.batch().offsets.into_owned().into()
    }
}

impl Source for Fake {
    fn poll(&mut self, read: Option<BatchLimit>) -> Result<Event, SourceError> {
        if !std::mem::replace(&mut self.told, true) {
            return Ok(Event::Assigned(vec![partition()]));
        }
        match (self.lane, read.and_then(|_| self.batches.pop_front())) {
            (Some(lane), Some(batch)) => Ok(Event::Batch(lane, Box::new(FakeMessages(batch)))),
            _ if self.ends && self.batches.is_empty() => Ok(Event::End),
            _ => Ok(Event::Idle),
        }
    }

    fn serve(&mut self) -> bool {
        false
    }

    fn assign(&mut self, lanes: &[(Lane, Partition)]) -> Result<(), SourceError> {
        self.lane = lanes.first().map(|(lane, _)| *lane);
        Ok(())
    }

    fn release(&mut self, _: &[Lane]) -> Result<(), SourceError> {
        Ok(())
    }

    fn rewind(&mut self, lane: Lane, _: Option<Resume>) -> Result<(), SourceError> {
        self.lane = Some(lane);
        Ok(())
    }

    fn hold(&mut self, _: Lane) {}

    fn let_go(&mut self, _: Lane) {}

    fn commit(&mut self, _: &[(Lane, Resume)], _: Option<Duration>) -> Result<(), String> {
        Ok(())
    }

    fn member(&self) -> Option<Vec<u8>> {
        None
    }

    fn positions(&self) -> Vec<Position> {
        let of =
            |lane| Position { partition: partition(), lane, end: None, next: self.position, reach: Reach::Unknown };
        self.lane.map(of).into_iter().collect()
    }

    fn close(&mut self) {}
}

fn partition() -> Partition {
    Partition { topic: "dead".to_owned(), number: 0 }
}

pub(crate) const ALL: Option<BatchLimit> = Some(BatchLimit { records: 100, bytes: 1 << 20 });

/// An order for all of pipeline `p` in the fake's partition.
pub(crate) fn order(from: i64, to: i64) -> Order {
    Order {
        pipeline: "p".to_owned(),
        filter: Filter::default(),
        gives_up: false,
        puts_back: true,
        waiting: HashMap::from([(partition(), (from, to))]),
        patience: Duration::ZERO,
        tally: Tally::default(),
    }
}

/// What came out of a source until it had no more for now: `b` for records, with their places, `<` for what goes
/// back, then the lane's offsets; at the end `.` where it says that it is through.
pub(crate) fn drive(redrive: &mut Redrive, ledger: &mut Ledger) -> Vec<String> {
    let mut out = Vec::new();
    for _ in 0..100 {
        match redrive.poll(ALL).unwrap() {
            Event::Assigned(partitions) => {
                let lanes: Vec<_> = partitions.into_iter().map(|partition| (ledger.assign(), partition)).collect();
                redrive.assign(&lanes).unwrap();
            }
            Event::Batch(_, messages) => {
                let batch = messages.batch();
                let (places, tried) = (batch.offsets.to_vec(), messages.tried().to_vec());
                out.push(format!(
                    "b {}/{} {places:?} {tried:?} {:?}",
                    batch.topic,
                    batch.partition,
                    messages.offsets()
                ));
            }
            Event::PutBack(_, messages) => {
                let batch = messages.batch();
                out.push(format!("< {} {:?} {:?}", batch.topic, batch.offsets, messages.offsets()));
            }
            Event::End => {
                out.push(".".to_owned());
                return out;
            }
            Event::Idle if out.last().is_some_and(|last| last == "-") => return out,
            Event::Idle => out.push("-".to_owned()),
            Event::Revoked { .. } => unreachable!("nobody takes the lane"),
        }
    }
    out
}

/// A dead letter of `pipeline`, whose original had this place.
fn letter(gathered: &mut Gathered, at: i64, pipeline: &str, class: &str, (number, offset): (i32, i64), tries: u32) {
    gathered.push(at, 5, Some(b"k"), Some(b"v"));
    gathered.push_header(b"own", None);
    for (name, value) in [
        ("class", class.to_owned()),
        ("pipeline", pipeline.to_owned()),
        ("topic", "in".to_owned()),
        ("partition", number.to_string()),
        ("offset", offset.to_string()),
        ("timestamp", "77".to_owned()),
        ("tries", tries.to_string()),
    ] {
        gathered.push_header(format!("edgemill.{name}").as_bytes(), Some(value.as_bytes()));
    }
}

fn dead() -> Gathered {
    Gathered::new("dead", 0)
}

#[test]
fn a_run_is_cut_where_the_original_partition_changes_or_its_offsets_fall_back() {
    let mut batch = dead();
    for (at, place, tries) in [(3, (0, 10), 1), (4, (0, 12), 1), (5, (1, 11), 1), (6, (1, 20), 2), (8, (1, 20), 3)] {
        letter(&mut batch, at, "p", "trap", place, tries);
    }
    let mut redrive = Redrive::new(Box::new(Fake::new(vec![batch])), order(3, 9));
    let out = drive(&mut redrive, &mut Ledger::default());
    assert_eq!(out, ["b in/0 [10, 12] [1, 1] [3, 4]", "b in/1 [11, 20] [1, 2] [5, 6]", "b in/1 [20] [3] [8]", "."]);
}

#[test]
fn what_is_not_chosen_goes_back_and_what_is_not_ours_is_passed_over_and_covered() {
    let mut batch = dead();
    letter(&mut batch, 0, "other", "trap", (0, 0), 1);
    letter(&mut batch, 1, "p", "trap", (0, 1), 1);
    letter(&mut batch, 2, "p", "reject", (0, 2), 1);
    batch.push(3, 5, None, Some(b"no dead letter"));
    letter(&mut batch, 4, "p", "reject", (0, 4), 1);
    letter(&mut batch, 5, "p", "trap", (0, 5), 1);
    letter(&mut batch, 6, "other", "trap", (0, 6), 1);
    letter(&mut batch, 7, "p", "trap", (0, 7), 1);
    let mut order = order(0, 7);
    order.filter.classes.push("trap".to_owned());
    let tally = order.tally.clone();
    let mut redrive = Redrive::new(Box::new(Fake::new(vec![batch])), order.clone());
    let out = drive(&mut redrive, &mut Ledger::default());
    // the last two are no run of two: one is the other pipeline's, one lies behind the end
    assert_eq!(out, ["b in/0 [1] [1] [1]", "< dead [2, 4] [2, 4]", "b in/0 [5] [1] [5]", "< dead [] [6]", "."]);
    assert_eq!(tally.read(), Counts { chosen: 2, left: 2, others: 2, foreign: 1 });
}

#[test]
fn a_dry_run_puts_nothing_back() {
    let mut batch = dead();
    letter(&mut batch, 0, "p", "reject", (0, 0), 1);
    letter(&mut batch, 1, "p", "trap", (0, 1), 1);
    let mut order = Order { puts_back: false, ..order(0, 2) };
    order.filter.classes.push("trap".to_owned());
    let mut redrive = Redrive::new(Box::new(Fake { ends: true, ..Fake::new(vec![batch]) }), order);
    assert_eq!(drive(&mut redrive, &mut Ledger::default()), ["b in/0 [1] [1] [1]", "."]);
}

#[test]
fn what_is_given_up_is_covered_and_comes_out_nowhere() {
    let mut batch = dead();
    (0..3).for_each(|n| letter(&mut batch, n, "p", if n == 1 { "reject" } else { "trap" }, (0, n), 1));
    let mut order = Order { gives_up: true, ..order(0, 3) };
    order.filter.classes.push("trap".to_owned());
    let tally = order.tally.clone();
    let mut redrive = Redrive::new(Box::new(Fake { ends: true, ..Fake::new(vec![batch]) }), order);
    assert_eq!(drive(&mut redrive, &mut Ledger::default()), ["< dead [1] [1]", "< dead [] [2]", "."]);
    assert_eq!(tally.read(), Counts { chosen: 2, left: 1, ..Counts::default() });
}

#[test]
fn the_end_is_where_the_topic_ended_also_behind_control_records() {
    let mut batch = dead();
    letter(&mut batch, 0, "p", "trap", (0, 0), 1);
    let mut fake = Fake::new(vec![batch]);
    fake.position = Some(1);
    let mut ledger = Ledger::default();
    let mut redrive = Redrive::new(Box::new(fake), order(0, 2));
    assert_eq!(drive(&mut redrive, &mut ledger), ["b in/0 [0] [1] [0]", "-"], "one more is to come");
    let mut fake = Fake::new(Vec::new());
    fake.position = Some(2);
    let mut redrive = Redrive::new(Box::new(fake), order(0, 2));
    assert_eq!(drive(&mut redrive, &mut ledger), ["."]);
}

#[test]
fn what_is_read_again_is_handed_out_again_and_not_what_was_left_of_before() {
    let batch = || {
        let mut batch = dead();
        (0..3).for_each(|n| letter(&mut batch, n, "p", "trap", (n as i32, n), 1));
        batch
    };
    let mut ledger = Ledger::default();
    let mut redrive = Redrive::new(Box::new(Fake::new(vec![batch(), batch()])), order(0, 3));
    let lane = (ledger.assign(), partition());
    assert!(matches!(redrive.poll(ALL), Ok(Event::Assigned(_))));
    redrive.assign(std::slice::from_ref(&lane)).unwrap();
    assert!(matches!(redrive.poll(ALL), Ok(Event::Batch(..))));
    let (again, to) = ledger.rewind(lane.0).unwrap();
    redrive.rewind(again, to).unwrap();
    let out = drive(&mut redrive, &mut ledger);
    assert_eq!(out, ["b in/0 [0] [1] [0]", "b in/1 [1] [1] [1]", "b in/2 [2] [1] [2]", "."]);
}

#[test]
fn somebody_without_any_lane_leaves_it_to_the_one_who_has_them() {
    let mut redrive = Redrive::new(Box::new(Fake::new(Vec::new())), order(0, 3));
    assert!(matches!(redrive.poll(ALL), Ok(Event::Assigned(_))));
    let Err(error) = redrive.poll(ALL) else { panic!("there is a letter that waits") };
    assert!(error.to_string().contains("another redrive"), "{error}");
}
