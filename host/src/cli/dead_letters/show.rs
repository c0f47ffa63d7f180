//! `edgemill dead-letters show`: one dead letter, for a person's eyes.

use super::super::arguments::ConfigFile;
use super::super::places::time_text;
use super::super::pretty::{shown, value};
use super::super::{Done, Failure};
use super::{Filters, Letters, failed};
use crate::batch::Bytes;
use crate::dead_letter::{Letter, each};
use crate::harmless::one_line;
use crate::kafka::range::{self, Range};
use std::fmt::Write as _;
use std::io::Write as _;

/// Shows one dead letter: why it failed, where it came from, and all of it
///
/// Without a place: the one that failed first of those that wait.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline, which may be left out where the configuration has one; and the place in the dead-letter topic as
    /// PARTITION/OFFSET, as `list` gives an example
    #[arg(value_name = "PIPELINE] [PLACE", num_args = 0..=2)]
    words: Vec<String>,

    #[command(flatten)]
    filters: Filters,
}

/// What was found, written out, and when it failed.
type Found = Option<(i64, String)>;

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (name, place) = words(&arguments.words).map_err(Failure::usage)?;
    let (config, _) = arguments.config.load()?;
    let letters = Letters::open(&config, name)?;
    let found = match place {
        Some(place) => at(&letters, place)?,
        None => first(&letters, arguments)?,
    };
    let mut out = std::io::stdout().lock();
    match (found, place) {
        (Some((_, text)), _) => out.write_all(text.as_bytes())?,
        (None, Some((partition, offset))) => {
            return Err(failed(format!("{}/{partition} has no record at offset {offset}", letters.topic)));
        }
        (None, None) => writeln!(out, "no dead letter waits that was asked for")?,
    }
    out.flush()?;
    Ok(Done::Well)
}

/// Partition and offset in the dead-letter topic.
type Place = (i32, i64);

/// Names of pipelines have no slash, and places do.
fn words(words: &[String]) -> Result<(Option<&str>, Option<Place>), String> {
    let (mut name, mut place) = (None, None);
    for word in words {
        let twice = match word.split_once('/') {
            Some((partition, offset)) => {
                let parsed = partition.parse::<i32>().ok().zip(offset.parse::<i64>().ok());
                let parsed = parsed.filter(|(partition, offset)| *partition >= 0 && *offset >= 0);
                let parsed = parsed.ok_or_else(|| format!("{word:?} is no place: write PARTITION/OFFSET, as 0/12"))?;
                place.replace(parsed).is_some()
            }
            None => name.replace(word.as_str()).is_some(),
        };
        if twice {
            return Err(format!("{word:?} is one word too many: write [PIPELINE] [PLACE], a place as 0/12"));
        }
    }
    Ok((name, place))
}

fn at(letters: &Letters<'_>, (partition, offset): Place) -> Result<Found, Failure> {
    let Some(one) = letters.progress.iter().find(|one| one.partition.number == partition) else {
        return Err(failed(format!("{} has no partition {partition}", letters.topic)));
    };
    if !(one.oldest..one.end).contains(&offset) {
        let (oldest, end) = (one.oldest, one.end);
        return Err(failed(format!(
            "{} has no offset {offset}: it begins at {oldest} and ends at {end}",
            one.partition
        )));
    }
    let mut found = None;
    let range = Range::new(one.partition.clone(), offset, offset + 1);
    let read = range::read(&letters.source, vec![range], |batch| {
        each(batch, |index, letter, headers| {
            let dead = Dead {
                place: (batch.partition, batch.offsets[index]),
                timestamp: batch.timestamps[index],
                key: batch.keys.each()[index],
                value: batch.values.each()[index],
                headers,
            };
            found = Some((0, dead.write(letters, letter.as_ref())));
        });
    });
    read.map_err(failed)?;
    Ok(found)
}

fn first(letters: &Letters<'_>, arguments: &Arguments) -> Result<Found, Failure> {
    let filter = arguments.filters.filter();
    let mut found: Found = None;
    let read = range::read(&letters.source, letters.waiting(), |batch| {
        let (keys, values) = (batch.keys.each(), batch.values.each());
        each(batch, |index, letter, headers| {
            let Some(letter) = letter.filter(|letter| letter.pipeline == letters.pipeline.name) else { return };
            if filter.chooses(&letter) && found.as_ref().is_none_or(|(time, _)| letter.time < *time) {
                let (place, timestamp) = ((batch.partition, batch.offsets[index]), batch.timestamps[index]);
                let dead = Dead { place, timestamp, key: keys[index], value: values[index], headers };
                found = Some((letter.time, dead.write(letters, Some(&letter))));
            }
        });
    });
    read.map_err(failed)?;
    Ok(found)
}

/// A record of the dead-letter topic.
struct Dead<'a> {
    place: Place,
    timestamp: i64,
    key: Bytes<'a>,
    value: Bytes<'a>,
    headers: &'a [(Bytes<'a>, Bytes<'a>)],
}

impl Dead<'_> {
    fn write(&self, letters: &Letters<'_>, letter: Option<&Letter<'_>>) -> String {
        let mut text = String::new();
        let (partition, offset) = self.place;
        let fate = if letters.waits(partition, offset) { "waiting" } else { "tried again already" };
        // writing to a string cannot fail
        let _ = match letter {
            Some(letter) => {
                let _ = writeln!(text, "dead letter   {}/{partition} offset {offset}, {fate}", letters.topic);
                write_letter(&mut text, letter)
            }
            None => {
                let _ = writeln!(text, "no dead letter of edgemill's   {}/{partition} offset {offset}", letters.topic);
                writeln!(text, "timestamp     {}", time_text(self.timestamp))
            }
        };
        let _ = writeln!(text, "key           {}", shown(self.key));
        let own = letter.map_or(self.headers.len(), |letter| letter.own);
        for (name, value) in &self.headers[..own] {
            let _ = writeln!(text, "header        {} = {}", shown(*name), shown(*value));
        }
        let _ = writeln!(text, "value\n{}", value(self.value));
        if let Some(backtrace) = letter.and_then(|letter| letter.backtrace) {
            text.push_str("backtrace\n");
            for frame in backtrace.trim_end().lines() {
                let _ = writeln!(text, "  {}", one_line(frame));
            }
        }
        text
    }
}

fn write_letter(text: &mut String, letter: &Letter<'_>) -> std::fmt::Result {
    let times = if letter.tries == 1 { "once" } else { &format!("{} times", letter.tries) };
    writeln!(text, "failed        {} on {}, tried {times}", time_text(letter.time), one_line(letter.host))?;
    writeln!(
        text,
        "why           {} ({}): {}",
        one_line(letter.class),
        one_line(letter.code),
        one_line(letter.message)
    )?;
    let hash = one_line(letter.module_hash.get(..12).unwrap_or(letter.module_hash));
    let (pipeline, plan) = (one_line(letter.pipeline), one_line(letter.plan));
    match letter.module {
        "" => writeln!(text, "where         at the sink of pipeline {pipeline}, plan {plan}")?,
        module => writeln!(
            text,
            "where         {} ({hash}), position {} in the chain of pipeline {pipeline}, plan {plan}",
            one_line(module),
            one_line(letter.stage)
        )?,
    }
    let Letter { topic, partition, offset, .. } = letter;
    writeln!(text, "original      {}/{partition} offset {offset}, {}", one_line(topic), time_text(letter.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[&str]) -> Result<(Option<String>, Option<Place>), String> {
        let owned: Vec<_> = given.iter().map(|word| (*word).to_owned()).collect();
        words(&owned).map(|(name, place)| (name.map(str::to_owned), place))
    }

    #[test]
    fn a_pipeline_and_a_place_come_in_any_order_and_each_may_be_left_out() {
        let name = || Some("flights".to_owned());
        assert_eq!(of(&[]), Ok((None, None)));
        assert_eq!(of(&["flights"]), Ok((name(), None)));
        assert_eq!(of(&["2/17"]), Ok((None, Some((2, 17)))));
        assert_eq!(of(&["flights", "2/17"]), Ok((name(), Some((2, 17)))));
        assert_eq!(of(&["2/17", "flights"]), Ok((name(), Some((2, 17)))));
        for wrong in [&["2/x"][..], &["-1/2"], &["a", "b"], &["1/2", "3/4"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }
}
