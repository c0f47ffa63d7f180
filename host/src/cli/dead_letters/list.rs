//! `edgemill dead-letters list`: counts by class, code and module.

use super::super::arguments::ConfigFile;
use super::super::places::time_text;
use super::super::{Done, Failure};
use super::{Filters, Letters, failed};
use crate::dead_letter::each;
use crate::harmless::one_line;
use crate::kafka::range;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

/// Counts the waiting dead letters by class, code and module
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Also those that were tried again already, as far as the topic still has them
    #[arg(long)]
    all: bool,

    /// Writes a JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    filters: Filters,
}

/// Class, code and module.
type Kind = (String, String, String);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    waiting: u64,
    redriven: u64,
    first: i64,
    last: i64,
    tries: u32,
    example: (i32, i64),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    groups: BTreeMap<Kind, Group>,
    waiting: u64,
    redriven: u64,
    others: u64,
    foreign: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let letters = Letters::open(&config, arguments.pipeline.as_deref())?;
    let listed = count(&letters, arguments)?;
    let text = match arguments.json {
        true => format!("{}\n", as_json(&listed, &letters)),
        false => as_text(&listed, &letters, arguments.all),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Done::Well)
}

fn count(letters: &Letters<'_>, arguments: &Arguments) -> Result<Listed, Failure> {
    let filter = arguments.filters.filter();
    let ranges = if arguments.all { letters.all() } else { letters.waiting() };
    let mut listed = Listed::default();
    let read = range::read(&letters.source, ranges, |batch| {
        each(batch, |index, letter, _| {
            let Some(letter) = letter else { return listed.foreign += 1 };
            if letter.pipeline != letters.pipeline.name {
                listed.others += 1;
                return;
            }
            if !filter.chooses(&letter) {
                return;
            }
            let place = (batch.partition, batch.offsets[index]);
            let kind = (letter.class.to_owned(), letter.code.to_owned(), letter.module.to_owned());
            let fresh = Group { first: letter.time, last: letter.time, example: place, ..Group::default() };
            let group = listed.groups.entry(kind).or_insert(fresh);
            let (own, sum) = match letters.waits(place.0, place.1) {
                true => (&mut group.waiting, &mut listed.waiting),
                false => (&mut group.redriven, &mut listed.redriven),
            };
            *own += 1;
            *sum += 1;
            group.first = group.first.min(letter.time);
            group.last = group.last.max(letter.time);
            group.tries = group.tries.max(letter.tries);
        });
    });
    read.map_err(failed)?;
    Ok(listed)
}

fn as_json(listed: &Listed, letters: &Letters<'_>) -> Value {
    let group = |((class, code, module), group): (&Kind, &Group)| {
        json!({
            "class": class, "code": code, "module": module, "waiting": group.waiting, "redriven": group.redriven,
            "first": time_text(group.first), "last": time_text(group.last), "tries": group.tries,
            "example": format!("{}/{}", group.example.0, group.example.1),
        })
    };
    json!({
        "pipeline": letters.pipeline.name, "topic": letters.topic, "group": letters.source.group,
        "waiting": listed.waiting, "redriven": listed.redriven, "other_pipelines": listed.others,
        "not_dead_letters": listed.foreign, "kinds": listed.groups.iter().map(group).collect::<Vec<_>>(),
    })
}

fn as_text(listed: &Listed, letters: &Letters<'_>, all: bool) -> String {
    let header = ["waiting", "redriven", "class", "code", "module", "first", "last", "tries", "example"];
    let mut rows = vec![header.map(str::to_owned)];
    for ((class, code, module), group) in &listed.groups {
        let example = format!("{}/{}", group.example.0, group.example.1);
        let times = [time_text(group.first), time_text(group.last)];
        let [first, last] = times;
        let (waiting, redriven, tries) =
            (group.waiting.to_string(), group.redriven.to_string(), group.tries.to_string());
        let module = if module.is_empty() { "(the sink)" } else { module };
        let [class, code, module] = [class.as_str(), code, module].map(|text| one_line(text).into_owned());
        rows.push([waiting, redriven, class, code, module, first, last, tries, example]);
    }
    let mut text =
        format!("pipeline {}, topic {}, group {}\n", letters.pipeline.name, letters.topic, letters.source.group);
    if rows.len() > 1 {
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..header.len()).map(width).collect();
        for row in &rows {
            let cells = row.iter().zip(&widths).enumerate().filter(|(column, _)| all || *column != 1);
            let cells: Vec<_> = cells
                .map(|(column, (cell, &width))| match column {
                    0 | 1 | 7 => format!("{cell:>width$}"),
                    _ => format!("{cell:<width$}"),
                })
                .collect();
            let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
        }
    }
    // writing to a string cannot fail
    let _ = write!(text, "{} waiting", listed.waiting);
    for (count, what) in [
        (listed.redriven, "tried again already"),
        (listed.others, "of other pipelines"),
        (listed.foreign, "that are no dead letters of edgemill's"),
    ] {
        let _ = if count > 0 { write!(text, ", {count} {what}") } else { Ok(()) };
    }
    text.push('\n');
    text
}
