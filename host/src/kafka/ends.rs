//! What the cluster says of the ends of lanes that are silent, asked for without waiting.

use super::raw::{Handle, Queue, Said};
use super::start;
use crate::record::Partition;
use crate::source::Reach;
use rdkafka::Offset;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take, at least and at most.
const LIMIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Questions and answers.
#[derive(Default)]
pub(super) struct Ends {
    open: Vec<Question>,
    answers: HashMap<Partition, Reach>,
}

/// A question that was sent, with the queue that its answers come to.
struct Question {
    ends: Queue,
    /// Where partitions begin that have handed nothing out yet.
    beginnings: Option<Queue>,
    partitions: Vec<Partition>,
}

/// A partition to ask for, and whether its next offset is known.
pub(super) type Asked = (Partition, bool);

impl Ends {
    /// Asks. What was answered before is forgotten.
    pub(super) fn ask(&mut self, handle: &Arc<Handle>, asked: Vec<Asked>, stable: bool, limit: Duration) {
        let limit = limit.clamp(LIMIT.0, LIMIT.1);
        let ask = |partitions: &mut dyn Iterator<Item = &Partition>, offset: Offset| {
            let queue = handle.queue();
            let list = start::list(partitions.map(|partition| (partition, offset)));
            handle.ask_ends(&list, stable, limit, &queue).map(|()| queue)
        };
        let unknown: Vec<_> = asked.iter().filter(|(_, known)| !known).map(|(partition, _)| partition).collect();
        let beginnings = match unknown.is_empty() {
            true => Ok(None),
            false => ask(&mut unknown.into_iter(), Offset::Beginning).map(Some),
        };
        let ends = ask(&mut asked.iter().map(|(partition, _)| partition), Offset::End);
        let partitions: Vec<_> = asked.into_iter().map(|(partition, _)| partition).collect();
        partitions.iter().for_each(|partition| self.forget(partition));
        match (ends, beginnings) {
            (Ok(ends), Ok(beginnings)) => {
                self.open.push(Question { ends, beginnings, partitions });
            }
            (Err(error), _) | (_, Err(error)) => {
                let failed = partitions.into_iter().map(|partition| (partition, Reach::Failed(error.text.clone())));
                self.answers.extend(failed);
            }
        }
    }

    /// Takes the answers that have come. Gives the offsets of beginnings among them.
    pub(super) fn take(&mut self) -> Vec<(Partition, i64)> {
        let mut beginnings = Vec::new();
        let mut open = std::mem::take(&mut self.open);
        open.retain_mut(|question| {
            if let Some(found) = question.beginnings.as_ref().and_then(answers) {
                beginnings.extend(found.into_iter().filter_map(|(partition, found)| Some((partition, found.ok()?))));
                question.beginnings = None;
            }
            // a beginning comes first: without it, an empty partition looks like a stalled one
            if question.beginnings.is_some() {
                return true;
            }
            let Some(found) = answers(&question.ends) else { return true };
            let mut reach: HashMap<_, _> = found.into_iter().collect();
            for partition in std::mem::take(&mut question.partitions) {
                let reach = match reach.remove(&partition) {
                    Some(Ok(end)) => Reach::To(end),
                    Some(Err(error)) => Reach::Failed(error),
                    None => Reach::Failed("the cluster does not answer".to_owned()),
                };
                self.answers.insert(partition, reach);
            }
            false
        });
        self.open = open;
        beginnings
    }

    /// The last answer.
    pub(super) fn of(&self, partition: &Partition) -> Reach {
        self.answers.get(partition).cloned().unwrap_or_default()
    }

    /// Forgets what was answered for a partition.
    pub(super) fn forget(&mut self, partition: &Partition) {
        self.answers.remove(partition);
    }
}

/// The answers of a queue, once they are there.
fn answers(queue: &Queue) -> Option<Vec<(Partition, Result<i64, String>)>> {
    match queue.poll(Duration::ZERO)?.read() {
        Said::Ends(answers) => {
            let text = |(partition, answer): (Partition, Result<i64, _>)| {
                (partition, answer.map_err(|code: rdkafka::error::RDKafkaErrorCode| code.to_string()))
            };
            Some(answers.into_iter().map(text).collect())
        }
        _ => Some(Vec::new()),
    }
}
