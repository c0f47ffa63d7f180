//! The source over ranges: what it hands out, where it ends, and that it goes on where it was.

use super::*;
use crate::kafka::range::{Range, RangeSource, Ranges};

fn range(number: i32, from: i64, to: i64) -> Range {
    Range::new(Partition { topic: "out".to_owned(), number }, from, to)
}

type Lanes = Vec<(Lane, Partition)>;

/// Reads until the end; the offsets by partition, in the order of their coming, and the lanes.
fn read(source: &mut RangeSource, ledger: &mut Ledger, limit: BatchLimit) -> (Vec<(i32, i64)>, Lanes) {
    let (mut offsets, mut lanes) = (Vec::new(), Vec::new());
    until("the end", || {
        match source.poll(Some(limit)).unwrap() {
            Event::End => return Some(()),
            Event::Assigned(partitions) => {
                lanes = partitions.into_iter().map(|partition| (ledger.assign(), partition)).collect();
                source.assign(&lanes).unwrap();
            }
            Event::Batch(_, messages) => {
                offsets.extend(seen(&messages.batch()).iter().map(|seen| (seen.partition, seen.offset)));
            }
            _ => Wake::new().unwrap().wait(Duration::from_millis(5)),
        }
        None
    });
    (offsets, lanes)
}

fn open(broker: &EmbeddedBroker, ranges: &Ranges) -> RangeSource {
    let config = config(broker, Start::Stored);
    RangeSource::new(&config, ranges, &identity(0), Wake::new().unwrap()).unwrap()
}

const FEW: BatchLimit = BatchLimit { records: 3, bytes: 1 << 20 };

#[test]
fn ranges_are_handed_out_to_their_ends_and_no_further_and_commit_nothing() {
    let broker = EmbeddedBroker::start(&[("out", 3), ("other", 1), ("dead", 1)]).unwrap();
    let values: Vec<&[u8]> = vec![b"v"; 20];
    (0..3).for_each(|partition| fill(&broker, partition, &values));
    let ranges = Ranges::new(vec![range(0, 5, 12), range(1, 18, 20), range(2, 4, 4)]);
    let mut source = open(&broker, &ranges);
    let (mut offsets, lanes) = read(&mut source, &mut Ledger::default(), FEW);
    offsets.sort_unstable();
    let expected: Vec<_> = (5..12).map(|offset| (0, offset)).chain([(1, 18), (1, 19)]).collect();
    assert_eq!(offsets, expected);
    assert_eq!(lanes.len(), 2, "an empty range is no lane");

    let points: Vec<_> = lanes.iter().map(|(lane, _)| (*lane, Resume(9))).collect();
    source.commit(&points[..1], Some(Duration::from_secs(1))).unwrap();
    assert_eq!(ranges.read().iter().map(|range| range.reached).collect::<Vec<_>>(), [9, 18, 4]);
    source.close();
    let progress = offsets::read(&config(&broker, Start::Stored)).unwrap();
    assert!(progress.iter().all(|one| one.committed.is_none()), "{progress:?}");

    // made anew, it goes on where the other one was
    let mut source = open(&broker, &ranges);
    let (mut offsets, _) = read(&mut source, &mut Ledger::default(), FEW);
    offsets.sort_unstable();
    assert_eq!(offsets, [(0, 9), (0, 10), (0, 11), (1, 18), (1, 19)]);
}

#[test]
fn a_range_that_is_read_again_after_its_end_has_an_end_again() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b", b"c", b"d"]);
    let ranges = Ranges::new(vec![range(0, 1, 4)]);
    let (mut source, mut ledger) = (open(&broker, &ranges), Ledger::default());
    let (offsets, lanes) = read(&mut source, &mut ledger, ALL);
    assert_eq!(offsets, [(0, 1), (0, 2), (0, 3)]);
    let (lane, _) = ledger.rewind(lanes[0].0).unwrap();
    source.rewind(lane, Some(Resume(2))).unwrap();
    assert!(!matches!(source.poll(None).unwrap(), Event::End));
    assert_eq!(read(&mut source, &mut ledger, ALL).0, [(0, 2), (0, 3)]);
}

#[test]
fn nothing_to_read_is_the_end_at_once() {
    let broker = EmbeddedBroker::start(&[("out", 1), ("other", 1), ("dead", 1)]).unwrap();
    let mut source = open(&broker, &Ranges::new(vec![range(0, 0, 0)]));
    assert!(matches!(source.poll(None).unwrap(), Event::End));
}

#[test]
fn ranges_lie_between_two_places_in_the_partitions_that_both_name() {
    let broker = EmbeddedBroker::start(&[("out", 2), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b", b"c"]);
    let config = config(&broker, Start::Stored);
    let at = |number, offset| Start::Offsets(BTreeMap::from([(number, offset)]));
    let ranges = |from: &Start, to: &Start| offsets::ranges(&config, None, from, to);
    assert_eq!(ranges(&Start::Earliest, &Start::Latest).unwrap(), [range(0, 0, 3), range(1, 0, 0)]);
    assert_eq!(ranges(&at(0, 1), &Start::Latest).unwrap(), [range(0, 1, 3)]);
    assert_eq!(ranges(&at(0, 1), &at(1, 0)).unwrap(), []);
    assert_eq!(ranges(&at(0, 2), &at(0, 1)).unwrap_err(), "out/0: what begins at 2 cannot end at 1");
    assert_eq!(ranges(&at(0, 4), &Start::Latest).unwrap_err(), "out/0 has no offset 4: it begins at 0 and ends at 3");
    assert_eq!(offsets::ranges(&config, Some("other"), &Start::Earliest, &Start::Latest).unwrap(), []);
}
