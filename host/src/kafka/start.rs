//! Where a lane begins: at the group's committed offset, or where the configuration says.

use super::health::Verdict;
use super::raw::{Error, Handle};
use crate::config::{KafkaSource, Start};
use crate::record::Partition;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One question to the cluster; between two the client's events are served.
const ASK: Duration = Duration::from_secs(2);
/// Between two questions, at least.
const AGAIN: Duration = Duration::from_millis(200);
/// All questions together: longer than a transaction that a dead host left open may hold its offsets back, and shorter than
/// anybody waits for a host that is asked to end in the meantime.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Where lanes begin.
pub(super) struct Starts {
    /// For each partition that was asked for.
    pub(super) offsets: Vec<Offset>,
    /// Those at the end of their partition, which the group has no committed offset for. Committing them
    /// makes `latest` mean the end as it was when the group first came, also after a restart without any record.
    pub(super) ends: Vec<(Partition, i64)>,
}

/// Finds out where lanes begin. `serve` is called while waiting.
pub(super) fn resolve(
    handle: &Handle,
    config: &KafkaSource,
    partitions: &[&Partition],
    mut serve: impl FnMut(Duration) -> Result<(), Verdict>,
) -> Result<Starts, Verdict> {
    let deadline = Instant::now() + GIVE_UP;
    let group = &config.group;
    let committed = committed(handle, group, partitions, deadline, &mut serve)?;
    let mut starts = Starts { offsets: Vec::new(), ends: Vec::new() };
    let mut times = Vec::new();
    for &partition in partitions {
        let offset = match committed.get(partition) {
            Some(offset) => Offset::Offset(*offset),
            None => match &config.start {
                Start::Earliest => Offset::Beginning,
                Start::Latest => {
                    times.push((partition, Offset::End));
                    Offset::End
                }
                Start::Timestamp(time) => {
                    times.push((partition, Offset::Offset((*time).max(0))));
                    Offset::End
                }
                Start::Offsets(offsets) => {
                    offsets.get(&partition.number).map_or(Offset::Beginning, |offset| Offset::Offset(*offset))
                }
                Start::Stored => {
                    return Err(Verdict::End(format!(
                        "group {group:?} has no committed offset for {partition}, and `start = \"stored\"` allows no other; \
                         set one by `edgemill reset`, or choose another `start`"
                    )));
                }
            },
        };
        starts.offsets.push(offset);
    }
    let found = for_times(handle, &times, deadline, &mut serve)?;
    for (offset, &partition) in starts.offsets.iter_mut().zip(partitions) {
        if let Some(&at) = found.get(partition) {
            *offset = Offset::Offset(at);
            starts.ends.push((partition.clone(), at));
        }
    }
    Ok(starts)
}

/// The group's committed offsets, where it has some.
pub(super) fn committed(
    handle: &Handle,
    group: &str,
    partitions: &[&Partition],
    deadline: Instant,
    mut serve: impl FnMut(Duration) -> Result<(), Verdict>,
) -> Result<HashMap<Partition, i64>, Verdict> {
    let list = list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
    let what = format!("the committed offsets of group {group:?}");
    retry(deadline, &mut serve, || handle.committed(&list, ASK), &what)?;
    let known = offsets(&list).into_iter().filter_map(|(partition, offset)| match offset {
        Offset::Offset(offset) => Some((partition, offset)),
        _ => None,
    });
    Ok(known.collect())
}

/// Offsets of times; a time behind all records, or `Offset::End`, gives the end.
pub(super) fn for_times(
    handle: &Handle,
    times: &[(&Partition, Offset)],
    deadline: Instant,
    mut serve: impl FnMut(Duration) -> Result<(), Verdict>,
) -> Result<HashMap<Partition, i64>, Verdict> {
    let mut found = HashMap::new();
    let mut open: Vec<_> = times.to_vec();
    // the second round asks for the ends of those that have no record of the time or later
    for _ in 0..2 {
        if open.is_empty() {
            break;
        }
        let asked = list(open.iter().copied());
        retry(deadline, &mut serve, || handle.offsets_for_times(&asked, ASK), "offsets of times")?;
        let answers = offsets(&asked);
        open.retain_mut(|(partition, time)| match answers.get(partition) {
            Some(Offset::Offset(offset)) => {
                found.insert((*partition).clone(), *offset);
                false
            }
            _ => {
                *time = Offset::End;
                true
            }
        });
    }
    match open.first() {
        None => Ok(found),
        Some((partition, _)) => Err(Verdict::Anew(format!("kafka source: {partition} did not tell its end"))),
    }
}

/// Tries until it works, the time is over, or `serve` fails.
fn retry(
    deadline: Instant,
    serve: &mut impl FnMut(Duration) -> Result<(), Verdict>,
    mut ask: impl FnMut() -> Result<(), Error>,
    what: &str,
) -> Result<(), Verdict> {
    loop {
        let begun = Instant::now();
        let Err(error) = ask() else { return Ok(()) };
        // an answer that comes at once would come at once again
        serve(AGAIN.saturating_sub(begun.elapsed()))?;
        if matches!(error.code, Code::GroupAuthorizationFailed | Code::TopicAuthorizationFailed) {
            return Err(Verdict::End(format!("kafka source: {what}: {error}; grant it, or use other credentials")));
        }
        if Instant::now() >= deadline {
            return Err(Verdict::Anew(format!("kafka source: {what} could not be read: {error}")));
        }
    }
}

/// A list for librdkafka.
pub(super) fn list<'p>(partitions: impl Iterator<Item = (&'p Partition, Offset)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        let mut element = list.add_partition(&partition.topic, partition.number);
        // only negative numbers are refused, and those stand for no offset
        let _ = element.set_offset(offset);
    }
    list
}

/// What librdkafka filled into a list; failed partitions are left out.
pub(super) fn offsets(list: &TopicPartitionList) -> HashMap<Partition, Offset> {
    let elements = list.elements();
    let good = elements.iter().filter(|element| element.error().is_ok());
    let named = |topic: &str, number| Partition { topic: topic.to_owned(), number };
    good.map(|element| (named(element.topic(), element.partition()), element.offset())).collect()
}
