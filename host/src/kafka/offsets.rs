//! A group's offsets from outside: set once by command, or compared with the ends of its partitions.

use super::Identity;
use super::health::{Health, Verdict};
use super::options::{self, refused};
use super::range::Range;
use super::raw::Said;
use super::session::Session;
use super::start;
use crate::config::{KafkaSource, Start, Topics};
use crate::record::Partition;
use rdkafka::Offset;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// All questions of one command.
const LIMIT: Duration = Duration::from_secs(30);

/// How far a group is in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which partition it is.
    pub partition: Partition,
    /// The committed offset, if there is one.
    pub committed: Option<i64>,
    /// The oldest offset that the partition still has.
    pub oldest: i64,
    /// The end of the partition.
    pub end: i64,
}

/// Sets the committed offsets of the group, in all partitions of its topics, and returns them. `Start::Stored`
/// changes nothing.
///
/// # Errors
/// For a person: the group has members, a topic does not exist, an offset is not in its partition, or the cluster refuses.
pub fn reset(config: &KafkaSource, to: &Start) -> Result<Vec<(Partition, i64)>, String> {
    let mut health = health(config);
    let mut session = open(config, &mut health)?;
    idle(&mut session, &config.group)?;
    let progress = progress(&mut session, config)?;
    let set: Vec<_> = places(&mut session, &progress, to)?.into_iter().collect();
    commit(&mut session, &set)?;
    Ok(set)
}

/// Waits until nobody is in the group; those who were killed are members until their sessions are over.
///
/// # Errors
/// For a person: who is in it, or why that cannot be known.
pub fn await_idle(config: &KafkaSource, patience: Duration, mut waits: impl FnMut(&str)) -> Result<(), String> {
    let mut health = health(config);
    let mut session = open(config, &mut health)?;
    let deadline = Instant::now() + patience;
    while let Err(error) = idle(&mut session, &config.group) {
        if Instant::now() >= deadline {
            return Err(error);
        }
        waits(&error);
        session.serve(Duration::from_millis(500)).map_err(Verdict::reason)?;
    }
    Ok(())
}

/// What lies between two places of the topics, by partition: those of `only`, where it names a topic. A partition that one
/// of the places does not name is left out.
///
/// # Errors
/// For a person: a topic does not exist, an offset is not in its partition, a range ends before it begins, or the
/// cluster does not answer, or refuses.
pub fn ranges(config: &KafkaSource, only: Option<&str>, from: &Start, to: &Start) -> Result<Vec<Range>, String> {
    let mut health = health(config);
    let mut session = open(config, &mut health)?;
    let mut progress = progress(&mut session, config)?;
    progress.retain(|one| only.is_none_or(|topic| one.partition.topic == topic));
    let (from, to) = (places(&mut session, &progress, from)?, places(&mut session, &progress, to)?);
    let mut ranges = Vec::new();
    for (partition, from) in from {
        let Some(&to) = to.get(&partition) else { continue };
        if from > to {
            return Err(format!("{partition}: what begins at {from} cannot end at {to}"));
        }
        ranges.push(Range::new(partition, from, to));
    }
    Ok(ranges)
}

/// Where a place is in each partition that it names.
fn places(session: &mut Session<'_>, progress: &[Progress], at: &Start) -> Result<BTreeMap<Partition, i64>, String> {
    let times: Vec<_> = match at {
        Start::Timestamp(time) => progress.iter().map(|one| (&one.partition, Offset::Offset((*time).max(0)))).collect(),
        _ => Vec::new(),
    };
    if let Start::Offsets(offsets) = at
        && let Some(number) = offsets.keys().find(|number| progress.iter().all(|one| one.partition.number != **number))
    {
        let last = progress.iter().map(|one| one.partition.number).max().unwrap_or_default();
        return Err(format!("there is no partition {number}: the last one is {last}"));
    }
    let handle = session.handle.clone();
    let deadline = Instant::now() + LIMIT;
    let at_time = start::for_times(&handle, &times, deadline, |wait| session.serve(wait)).map_err(Verdict::reason)?;
    let mut places = BTreeMap::new();
    for one in progress {
        let offset = match at {
            Start::Earliest => one.oldest,
            Start::Latest => one.end,
            Start::Timestamp(_) => at_time.get(&one.partition).copied().unwrap_or(one.end),
            Start::Offsets(offsets) => match offsets.get(&one.partition.number) {
                Some(offset) if (one.oldest..=one.end).contains(offset) => *offset,
                Some(offset) => {
                    let Progress { partition, oldest, end, .. } = one;
                    return Err(format!("{partition} has no offset {offset}: it begins at {oldest} and ends at {end}"));
                }
                None => continue,
            },
            Start::Stored => continue,
        };
        places.insert(one.partition.clone(), offset);
    }
    Ok(places)
}

/// How far the group is in all partitions of its topics.
///
/// # Errors
/// For a person: a topic does not exist, or the cluster does not answer, or refuses.
pub fn read(config: &KafkaSource) -> Result<Vec<Progress>, String> {
    let mut health = health(config);
    let mut session = open(config, &mut health)?;
    progress(&mut session, config)
}

fn health(config: &KafkaSource) -> Health {
    let identity = Identity { pipeline: String::new(), host: String::new(), worker: 0 };
    Health::new(&config.client, &identity, "offsets")
}

fn open<'h>(config: &KafkaSource, health: &'h mut Health) -> Result<Session<'h>, String> {
    let owned = [("group.id", config.group.clone()), ("enable.auto.commit", "false".to_owned())];
    Session::open(&options::client(&config.client, &[], &owned), health).map_err(refused)
}

/// Makes sure that nobody is in the group: a member would not notice, and write its own offsets over these.
fn idle(session: &mut Session<'_>, group: &str) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    let list = loop {
        match session.handle.group(group, Duration::from_secs(2)) {
            Ok(list) => break list,
            // librdkafka's mock cluster; a broker refuses on its own to set the offsets of a group with members
            Err(error) if error.code == Code::UnsupportedFeature => return Ok(()),
            Err(error) if Instant::now() >= deadline => return Err(format!("cannot ask for group {group:?}: {error}")),
            Err(_) => session.serve(Duration::from_millis(100)).map_err(Verdict::reason)?,
        }
    };
    let members: Vec<String> = list
        .groups()
        .iter()
        .flat_map(|group| group.members())
        .map(|member| format!("{} at {}", member.client_id(), member.client_host()))
        .collect();
    if members.is_empty() {
        return Ok(());
    }
    Err(format!(
        "group {group:?} has {} active member(s), {}: stop them, or wait until their session is over",
        members.len(),
        members.join(", ")
    ))
}

fn progress(session: &mut Session<'_>, config: &KafkaSource) -> Result<Vec<Progress>, String> {
    let deadline = Instant::now() + LIMIT;
    let Some(partitions) = session.partitions(&config.topics, LIMIT).map_err(Verdict::reason)? else {
        return Err(format!("{} do not answer: are they right, and is `security.protocol`?", config.client.brokers));
    };
    if partitions.is_empty() {
        let which = match &config.topics {
            Topics::List(topics) => topics.join(", "),
            Topics::Pattern(pattern) => format!("that matches {pattern}"),
        };
        let brokers = &config.client.brokers;
        return Err(format!("there is no topic {which} at {brokers}: create it, or correct its name"));
    }
    let handle = session.handle.clone();
    let mut all = |offset: Offset| -> Result<HashMap<Partition, i64>, String> {
        let times: Vec<_> = partitions.iter().map(|partition| (partition, offset)).collect();
        start::for_times(&handle, &times, deadline, |wait| session.serve(wait)).map_err(Verdict::reason)
    };
    let (oldest, ends) = (all(Offset::Beginning)?, all(Offset::End)?);
    let names: Vec<_> = partitions.iter().collect();
    let committed = start::committed(&handle, &config.group, &names, deadline, |wait| session.serve(wait))
        .map_err(Verdict::reason)?;
    let of = |partition: Partition| Progress {
        committed: committed.get(&partition).copied(),
        oldest: oldest.get(&partition).copied().unwrap_or(0),
        end: ends.get(&partition).copied().unwrap_or(0),
        partition,
    };
    let mut all: Vec<_> = partitions.iter().cloned().map(of).collect();
    all.sort_by(|one, other| one.partition.cmp(&other.partition));
    Ok(all)
}

fn commit(session: &mut Session<'_>, set: &[(Partition, i64)]) -> Result<(), String> {
    if set.is_empty() {
        return Ok(());
    }
    let list = start::list(set.iter().map(|(partition, offset)| (partition, Offset::Offset(*offset))));
    let answers = session.handle.queue();
    session.handle.commit(&list, &answers).map_err(|error| error.text)?;
    let deadline = Instant::now() + LIMIT;
    while let Some(event) = answers.poll(deadline.saturating_duration_since(Instant::now())) {
        let Said::Committed(outcomes) = event.read() else { continue };
        let failed = outcomes.into_iter().find_map(|(partition, _, error)| Some((partition, error?)));
        return failed
            .map_or(Ok(()), |(partition, error)| Err(format!("the offset of {partition} could not be set: {error}")));
    }
    Err("the group's coordinator does not answer: nothing is known to be set".to_owned())
}
