//! Checks page views and gives each an `_id`. The README has the rules.

use edgemill_guest::json::Paths;
use edgemill_guest::{Buffer, Outputs, Record, Reject, Result, Transform, export};
use serde::Deserialize;
use std::fmt::Write;

/// The module's configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What an `_id` is made of, in order.
    #[serde(default = "content")]
    id: Vec<Part>,
}

/// A part of the `_id`.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    UserId,
    PageId,
    ViewTime,
    Topic,
    Partition,
    Offset,
}

fn content() -> Vec<Part> {
    vec![Part::UserId, Part::PageId, Part::ViewTime]
}

/// The transform.
pub struct PageViews {
    id: Vec<Part>,
    paths: Paths,
}

/// A checked page view; the texts are JSON as it stands in the source, without quotes.
struct PageView<'a> {
    viewtime: &'a [u8],
    userid: &'a [u8],
    pageid: &'a [u8],
}

impl Transform for PageViews {
    type Config = Config;

    fn configure(config: Config) -> Result<PageViews, String> {
        if config.id.is_empty() {
            return Err("id has no parts: name some of userid, pageid, viewtime, topic, partition, offset".into());
        }
        let mut paths = Paths::new();
        for name in ["viewtime", "userid", "pageid"] {
            paths.add(&[name])?;
        }
        Ok(PageViews { id: config.id, paths })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(value) = record.value() else {
            out.keep();
            return Ok(());
        };
        let view = PageView::read(value, &mut self.paths)?;
        let mut out = out.value();
        out.push_str("{\"_id\":\"");
        self.write_id(&view, record, &mut out);
        out.push_str("\",\"viewtime\":");
        out.extend(view.viewtime);
        out.push_str(",\"userid\":\"");
        out.extend(view.userid);
        out.push_str("\",\"pageid\":\"");
        out.extend(view.pageid);
        out.push_str("\"}");
        Ok(())
    }
}

impl PageViews {
    fn write_id(&self, view: &PageView<'_>, record: &Record<'_>, out: &mut Buffer) {
        for (at, part) in self.id.iter().enumerate() {
            if at > 0 {
                out.push(b'|');
            }
            match part {
                Part::UserId => out.extend(view.userid),
                Part::PageId => out.extend(view.pageid),
                Part::ViewTime => out.extend(view.viewtime),
                Part::Topic => out.push_str(record.topic()),
                // Writing to a buffer cannot fail.
                Part::Partition => drop(write!(out, "{}", record.partition())),
                Part::Offset => drop(write!(out, "{}", record.offset())),
            }
        }
    }
}

impl<'a> PageView<'a> {
    /// Where a name repeats the last one counts, as in most parsers.
    fn read(text: &'a [u8], paths: &mut Paths) -> Result<PageView<'a>> {
        let places = paths.find(text)?;
        let value = |at: usize| places[at].range().map(|range| &text[range]);
        Ok(PageView {
            viewtime: integer("viewtime", value(0))?,
            userid: string("userid", value(1))?,
            pageid: string("pageid", value(2))?,
        })
    }
}

fn integer<'a>(name: &str, value: Option<&'a [u8]>) -> Result<&'a [u8]> {
    let value = present(name, value)?;
    // So few digits are always in range, and a JSON number of digits alone is an integer.
    if value.len() < 18 && value.iter().all(u8::is_ascii_digit) {
        return Ok(value);
    }
    match std::str::from_utf8(value).map(str::parse::<i64>) {
        Ok(Ok(_)) if value != b"-0" => Ok(value),
        _ => Err(Reject::new("wrong-type", format!("field {name}: expected an integer of 64 bits"))),
    }
}

fn string<'a>(name: &str, value: Option<&'a [u8]>) -> Result<&'a [u8]> {
    match present(name, value)? {
        [b'"', text @ .., b'"'] => Ok(text),
        _ => Err(Reject::new("wrong-type", format!("field {name}: expected a string"))),
    }
}

fn present<'a>(name: &str, value: Option<&'a [u8]>) -> Result<&'a [u8]> {
    match value {
        Some(value) if value != b"null" => Ok(value),
        _ => Err(Reject::new("missing", format!("field {name}: the record has no value for it"))),
    }
}

export!(PageViews);

#[cfg(test)]
mod tests;
