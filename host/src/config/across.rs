//! Compares what stands in different tables: topics that would be read and written in a circle, and groups that are shared.

use super::clients::Written;
use super::reader::{Place, Reader};
use super::{INSTANCES, LOOKING_BACK, Pipeline, Stage, Topics};
use regex::Regex;

/// A pipeline as it was read, with the places of what is compared.
pub(super) struct Draft {
    pub(super) pipeline: Pipeline,
    pub(super) topics: Place,
    pub(super) group: Place,
    /// How many workers and parts there are, or the pipeline, where it does not say.
    pub(super) workers: Place,
    /// What the sink may write to.
    pub(super) written: Vec<Written>,
    pub(super) dead_letter: Option<Written>,
}

/// Checks all pipelines together.
pub(super) fn check(reader: &Reader<'_>, drafts: &[Draft]) {
    for draft in drafts {
        loops(reader, draft);
    }
    for (index, draft) in drafts.iter().enumerate() {
        let source = &draft.pipeline.source;
        let same = |other: &&Draft| {
            let other = &other.pipeline.source;
            !source.group.is_empty()
                && other.group == source.group
                && same_cluster(&other.client.brokers, &source.client.brokers)
        };
        if let Some(other) = drafts[..index].iter().find(same) {
            let message = format!("the pipeline `{}` is in the same group", other.pipeline.name);
            let help = "each would get a part of the records: give every pipeline a group of its own, as";
            let help = format!("{help} `group = \"edgemill-{}\"`", draft.pipeline.name);
            reader.error(&draft.group, message, &[&help]);
        }
    }
    circles(reader, drafts);
    instances(reader, drafts);
}

/// Told at the pipeline that has the most.
fn instances(reader: &Reader<'_>, drafts: &[Draft]) {
    let of = |draft: &Draft| {
        let Pipeline { workers, parallel, chain, .. } = &draft.pipeline;
        let instances = |stage: &Stage| stage.look_back.map_or(1, |_| LOOKING_BACK);
        workers * parallel * chain.iter().map(instances).sum::<usize>()
    };
    let (sum, most) = (drafts.iter().map(of).sum::<usize>(), INSTANCES as usize / 2);
    if let Some(draft) = drafts.iter().max_by_key(|draft| of(draft)).filter(|_| sum > most) {
        let message = format!(
            "{sum} instances of modules (`workers` times `parallel` times the chain's modules), and {most} are the most: a swap makes as many again"
        );
        reader.error(
            &draft.workers,
            message,
            &["make `workers` or `parallel` smaller: more of them than cores help little"],
        );
    }
}

fn loops(reader: &Reader<'_>, draft: &Draft) {
    let read = |written: &Written| is_read(&draft.pipeline, written);
    for written in draft.written.iter().filter(|written| read(written)) {
        let message =
            format!("`{}` is also read by this pipeline, so that its records would go round for ever", written.topic);
        reader.error(&written.place, message, &[&other_topic(draft)]);
    }
    let Some(dead) = &draft.dead_letter else {
        return;
    };
    if read(dead) {
        let message = format!("the dead-letter topic `{}` is also read by this pipeline", dead.topic);
        reader.error(&dead.place, message, &[&other_topic(draft)]);
    }
    let sink = |written: &&Written| written.topic == dead.topic && same_cluster(&written.brokers, &dead.brokers);
    if draft.written.iter().any(|written| sink(&written)) {
        let message = format!("the dead-letter topic `{}` is also the sink's", dead.topic);
        reader.error(&dead.place, message, &["failed records would stand among good ones: write to another topic"]);
    }
}

fn other_topic(draft: &Draft) -> String {
    match &draft.pipeline.source.topics {
        Topics::List(_) => "write to another topic".to_owned(),
        Topics::Pattern(pattern) => {
            format!(
                "write to a topic that does not match {pattern:?}, or make the pattern narrower, with `$` at its end"
            )
        }
    }
}

/// Two and more pipelines that pass records round. Told once, at the first of them.
fn circles(reader: &Reader<'_>, drafts: &[Draft]) {
    let feeds = |from: &Draft, to: &Draft| from.written.iter().any(|written| is_read(&to.pipeline, written));
    let mut told = vec![false; drafts.len()];
    for start in 0..drafts.len() {
        // a search without ways back: whether `start` is reached from itself through others
        let (mut waiting, mut seen) = (vec![start], vec![false; drafts.len()]);
        while let Some(here) = waiting.pop() {
            for next in (0..drafts.len()).filter(|&next| next != here && feeds(&drafts[here], &drafts[next])) {
                if next == start && !told[start] {
                    told.iter_mut().zip(&seen).for_each(|(told, seen)| *told |= *seen);
                    let place = drafts[start].written.first().map_or(&drafts[start].topics, |written| &written.place);
                    let help =
                        format!("`{}` writes what `{}` reads", drafts[here].pipeline.name, drafts[start].pipeline.name);
                    reader.warn(place, "pipelines pass records round in a circle", &[&help]);
                    told[start] = true;
                }
                if !seen[next] {
                    seen[next] = true;
                    waiting.push(next);
                }
            }
        }
    }
}

fn is_read(pipeline: &Pipeline, written: &Written) -> bool {
    let source = &pipeline.source;
    let matches = match &source.topics {
        Topics::List(topics) => topics.contains(&written.topic),
        Topics::Pattern(pattern) => Regex::new(pattern).is_ok_and(|regex| regex.is_match(&written.topic)),
    };
    matches && same_cluster(&source.client.brokers, &written.brokers)
}

/// Whether one broker stands in both lists.
pub(super) fn same_cluster(one: &str, other: &str) -> bool {
    one.split(',').any(|broker| !broker.is_empty() && other.split(',').any(|other| other == broker))
}
