//! Checks page views and gives each an `_id`. The README has the rules.

use edgemill_guest::json::Scanner;
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
        Ok(PageViews { id: config.id })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(value) = record.value() else {
            out.keep();
            return Ok(());
        };
        let view = PageView::read(value)?;
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
    fn read(text: &'a [u8]) -> Result<PageView<'a>> {
        let (mut viewtime, mut userid, mut pageid) = (None, None, None);
        let mut scanner = Scanner::new(text);
        scanner.begin_object()?;
        while let Some(name) = scanner.next_name()? {
            let slot = match &*name.unescaped_bytes() {
                b"viewtime" => &mut viewtime,
                b"userid" => &mut userid,
                b"pageid" => &mut pageid,
                _ => {
                    scanner.skip()?;
                    continue;
                }
            };
            *slot = Some(&text[scanner.skip()?]);
        }
        scanner.end()?;
        Ok(PageView {
            viewtime: integer("viewtime", viewtime)?,
            userid: string("userid", userid)?,
            pageid: string("pageid", pageid)?,
        })
    }
}

fn integer<'a>(name: &str, value: Option<&'a [u8]>) -> Result<&'a [u8]> {
    let value = present(name, value)?;
    let parsed = std::str::from_utf8(value).map(str::parse::<i64>);
    match parsed {
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
