//! A record's row as a line: `["id",value,…]`, and `D"id"` for one that goes. Values are found in the row's JSON as they
//! lie there, without making anything of the rest.

use super::steps::{Step, steps};
use super::table::Range;
use super::value::{self, TEXT};
use crate::config::{ColumnType, Featurebase, Id, Part, Tombstones};
use crate::http::endpoint::Row;
use crate::http::json::{Kind, judge};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::cmp::Ordering;
use std::fmt;
use std::io::Write;

/// The longest line that the server reads: of a longer one, and of all behind it, it says nothing and keeps nothing.
const LINE: usize = 65_535;

/// Values that are found without memory of their own.
const FEW: usize = 64;

/// How rows become lines.
pub(super) struct Rows {
    columns: Vec<Column>,
    paths: Paths,
    /// How many values are looked for.
    slots: usize,
    id: Vec<Piece>,
    number: bool,
    /// Whether `id` gives several rows of one record the same.
    alone: bool,
    delete: Option<Vec<Piece>>,
    /// Whether a statement must not have an `_id` twice: the server makes both true and false of two booleans.
    apart: bool,
}

struct Column {
    name: String,
    kind: ColumnType,
    required: bool,
}

/// A part of an `_id`.
struct Piece {
    part: Part,
    /// Where its value is, where it is a field.
    slot: usize,
}

impl Rows {
    pub(super) fn new(config: &Featurebase) -> Self {
        let mut paths = Paths::default();
        let mut slots = 0;
        let mut find = |path: &[String]| {
            paths.add(path, slots);
            slots += 1;
            slots - 1
        };
        let mut columns = Vec::new();
        for column in &config.columns {
            find(&column.from);
            columns.push(Column { name: column.name.clone(), kind: column.kind, required: column.required });
        }
        let mut pieces = |parts: &[Part]| -> Vec<Piece> {
            let mut slot = |part: &Part| if let Part::Field(path) = part { find(path) } else { 0 };
            parts.iter().cloned().map(|part| Piece { slot: slot(&part), part }).collect()
        };
        let Id { parts, number } = &config.id;
        let id = pieces(parts);
        let delete = match &config.tombstones {
            Tombstones::Refuse => None,
            Tombstones::Delete(parts) => Some(pieces(parts)),
        };
        let varies = |part: &Part| matches!(part, Part::Row | Part::Field(_));
        let repeats = !parts.contains(&Part::Offset);
        Self {
            apart: repeats && columns.iter().any(|column| column.kind == ColumnType::Bool),
            columns,
            paths,
            slots,
            id,
            number: *number,
            alone: !parts.iter().any(varies),
            delete,
        }
    }

    /// Appends a row's line. `ranges` are the columns', where they are known.
    ///
    /// # Errors
    /// There is no such row: why, for a person.
    pub(super) fn push(&self, row: Row<'_>, ranges: &[Range], out: &mut Vec<u8>) -> Result<(), String> {
        let start = out.len();
        match (row.value, &self.delete) {
            (None, Some(delete)) => {
                out.push(b'D');
                self.push_id(delete, &row, &[], out)?;
            }
            (None, None) => return Err("the value is null, and `tombstones` refuses it".to_owned()),
            (Some(value), _) => self.push_row(value, &row, ranges, out)?,
        }
        let length = out.len() - start;
        // quotes count once
        if length > LINE && length - memchr::memchr_iter(b'\'', &out[start..]).count() / 2 > LINE {
            return Err(format!("the row is too long for the server: more than {LINE} bytes in its columns"));
        }
        Ok(())
    }

    fn push_row(&self, value: &[u8], row: &Row<'_>, ranges: &[Range], out: &mut Vec<u8>) -> Result<(), String> {
        if self.alone && row.number > 0 {
            let remedy = "add `{row}` to `id`";
            return Err(format!("modules made several rows of one record, and `id` makes them one: {remedy}"));
        }
        let text = match std::str::from_utf8(value) {
            Ok(text) if text.trim_ascii_start().starts_with('{') => text,
            _ => judge(value, Kind::Object)?,
        };
        let (mut few, mut many);
        let found = if self.slots <= FEW {
            few = [None; FEW];
            &mut few[..self.slots]
        } else {
            many = vec![None; self.slots];
            &mut many[..]
        };
        self.paths.find(text, found).map_err(|error| format!("the value is not such a JSON object: {error}"))?;
        out.push(b'[');
        self.push_id(&self.id, row, found, out)?;
        for (place, column) in self.columns.iter().enumerate() {
            out.push(b',');
            let Some(raw) = found[place].filter(|raw| *raw != "null") else {
                if column.required {
                    return Err(format!("there is no value for the column `{}`", column.name));
                }
                out.extend_from_slice(b"null");
                continue;
            };
            let range = ranges.get(place).copied().unwrap_or((i64::MIN, i64::MAX));
            value::push(column.kind, range, raw, out).map_err(|why| format!("the column `{}`: {why}", column.name))?;
        }
        out.push(b']');
        Ok(())
    }

    fn push_id(
        &self,
        pieces: &[Piece],
        row: &Row<'_>,
        found: &[Option<&str>],
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if self.number {
            let Piece { part, slot } = &pieces[0];
            let number = match part {
                Part::Partition => row.partition.into(),
                Part::Row => row.number.into(),
                Part::Key => {
                    let number = key(row)?.parse().ok().filter(|id| *id >= 0);
                    number.ok_or_else(|| format!("`_id`: the key is not a whole number from 0 to {}", i64::MAX))?
                }
                Part::Field(path) => {
                    let raw = field(found, *slot, path)?;
                    value::id(raw).map_err(|why| format!("`_id`: the field `{}` is {why}", path.join(".")))?
                }
                Part::Offset | Part::Text(_) | Part::Topic => row.offset,
            };
            value::push_number(number, out);
            return Ok(());
        }
        out.push(b'"');
        let start = out.len();
        for Piece { part, slot } in pieces {
            match part {
                Part::Text(text) => push_escaped(text, out),
                Part::Topic => push_escaped(row.topic, out),
                Part::Partition => value::push_number(row.partition.into(), out),
                Part::Offset => value::push_number(row.offset, out),
                Part::Row => value::push_number(row.number.into(), out),
                Part::Key => push_escaped(key(row)?, out),
                Part::Field(path) => push_field(field(found, *slot, path)?, path, out)?,
            }
        }
        match out.len() - start {
            0 => return Err("`_id` would be empty".to_owned()),
            // an escape is never shorter than what it stands for
            length if length > TEXT => return Err(format!("`_id` would have more than {TEXT} bytes")),
            _ => {}
        }
        out.push(b'"');
        Ok(())
    }

    /// What a body's lines come to, where one statement with all of them will not do.
    pub(super) fn steps<'b>(&self, lines: &'b [u8]) -> Option<Vec<Step<'b>>> {
        (self.apart || self.delete.is_some()).then(|| steps(lines, self.apart)).flatten()
    }
}

fn key<'r>(row: &Row<'r>) -> Result<&'r str, String> {
    let key = row.key.ok_or("the key is null, and `_id` is made of it")?;
    std::str::from_utf8(key).map_err(|error| format!("the key, which `_id` is made of, is not UTF-8: {error}"))
}

fn field<'f>(found: &[Option<&'f str>], slot: usize, path: &[String]) -> Result<&'f str, String> {
    let raw = found.get(slot).copied().flatten().filter(|raw| *raw != "null");
    raw.ok_or_else(|| format!("there is no field `{}`, and `_id` is made of it", path.join(".")))
}

/// Appends a field as a part of a text.
fn push_field(raw: &str, path: &[String], out: &mut Vec<u8>) -> Result<(), String> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // written anew: two ways to write one text are one `_id`
        Some(inside) if inside.contains('\\') => {
            let text: String = serde_json::from_str(raw)
                .map_err(|error| format!("the field `{}`, which `_id` is made of: {error}", path.join(".")))?;
            push_escaped(&text, out);
        }
        Some(inside) => push_escaped(inside, out),
        None if raw.starts_with(['[', '{']) => {
            return Err(format!("the field `{}` is a list or an object, and `_id` is made of it", path.join(".")));
        }
        None => out.extend_from_slice(raw.as_bytes()),
    }
    Ok(())
}

/// Appends what stands inside of a JSON string, its quotes doubled for SQL.
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | b'\'' | ..0x20);
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| !plain(byte)) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\'' => out.extend_from_slice(b"''"),
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => write!(out, "\\u{byte:04x}").expect("writing to memory cannot fail"),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// The paths to the values that are looked for, as a tree.
#[derive(Default)]
struct Paths {
    /// By key, in the order of [`by_length`].
    below: Vec<(String, Paths)>,
    /// Where what is here goes.
    slots: Vec<usize>,
    /// The path to here, for people.
    shown: String,
}

impl Paths {
    fn add(&mut self, path: &[String], slot: usize) {
        let Some((first, rest)) = path.split_first() else { return self.slots.push(slot) };
        let at = self.below.binary_search_by(|(key, _)| by_length(key, first)).unwrap_or_else(|at| {
            let shown = if self.shown.is_empty() { first.clone() } else { format!("{}.{first}", self.shown) };
            self.below.insert(at, (first.clone(), Paths { shown, ..Paths::default() }));
            at
        });
        self.below[at].1.add(rest, slot);
    }

    fn find<'t>(&self, text: &'t str, found: &mut [Option<&'t str>]) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_map(Find { paths: self, found })?;
        reader.end()
    }

    fn take<'t>(&self, raw: &'t str, found: &mut [Option<&'t str>]) -> Result<(), String> {
        self.slots.iter().for_each(|slot| found[*slot] = Some(raw));
        if self.below.is_empty() || raw == "null" {
            return Ok(());
        }
        if !raw.starts_with('{') {
            return Err(format!("`{}` is no object", self.shown));
        }
        self.find(raw, found).map_err(|error| error.to_string())
    }
}

/// The shorter first: most keys of a row differ by that, and their bytes are not looked at.
fn by_length(one: &str, other: &str) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

struct Find<'p, 'f, 't> {
    paths: &'p Paths,
    found: &'f mut [Option<&'t str>],
}

impl<'t> Visitor<'t> for Find<'_, '_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(paths) = map.next_key_seed(Key(self.paths))? {
            match paths {
                Some(paths) => {
                    paths.take(map.next_value::<&RawValue>()?.get(), self.found).map_err(A::Error::custom)?
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads a key as what is below it.
struct Key<'p>(&'p Paths);

impl<'t, 'p> DeserializeSeed<'t> for Key<'p> {
    type Value = Option<&'p Paths>;

    fn deserialize<D: Deserializer<'t>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'p> Visitor<'_> for Key<'p> {
    type Value = Option<&'p Paths>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        let below = &self.0.below;
        Ok(below.binary_search_by(|(known, _)| by_length(known, key)).ok().map(|at| &below[at].1))
    }
}

#[cfg(test)]
mod tests;
