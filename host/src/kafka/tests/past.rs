//! What a partition had before a place.

use super::*;
use crate::kafka::past::KafkaPast;
use crate::source::past::{Past, PastError};
use std::ops::Range;

type Found = Result<(i64, Vec<(i64, Option<Vec<u8>>)>), PastError>;

fn read(past: &KafkaPast, number: i32, range: Range<i64>, mut times: u32) -> Found {
    let mut all = Vec::new();
    let go_on = &mut || {
        times = times.saturating_sub(1);
        times > 0
    };
    let partition = Partition { topic: "out".to_owned(), number };
    let oldest = past.read(&partition, range, go_on, &mut |batch| {
        all.extend(seen(batch).into_iter().map(|seen| (seen.offset, seen.value)));
    })?;
    Ok((oldest, all))
}

#[test]
fn it_is_read_from_one_offset_to_another_whether_all_of_them_are_there_or_not() {
    let broker = EmbeddedBroker::start(&[("out", 2), ("other", 1), ("dead", 1)]).unwrap();
    fill(&broker, 0, &[b"a", b"b", b"c", b"d"]);
    let past = KafkaPast::new(&config(&broker, Start::Stored), "p", "h");
    let record = |offset: i64, value: &[u8]| (offset, Some(value.to_vec()));
    assert_eq!(read(&past, 0, 1..3, u32::MAX), Ok((0, vec![record(1, b"b"), record(2, b"c")])));
    assert_eq!(read(&past, 0, 3..9, u32::MAX), Ok((0, vec![record(3, b"d")])), "its end is the end");
    assert_eq!((read(&past, 0, 0..0, u32::MAX), read(&past, 1, 0..5, u32::MAX)), (Ok((0, vec![])), Ok((0, vec![]))));
    assert_eq!(read(&past, 0, 1..3, 2), Err(PastError::Abandoned));
    // who reads it is no member of the group, and moves nothing
    let progress = offsets::read(&config(&broker, Start::Stored)).unwrap();
    assert!(progress.iter().all(|one| one.committed.is_none()), "{progress:?}");
    let places: Vec<_> = past.places().unwrap().into_iter().map(|(partition, at)| (partition.number, at)).collect();
    assert_eq!(places, [(0, 4), (1, 0)]);
}
