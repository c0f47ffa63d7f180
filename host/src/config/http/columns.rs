//! The columns of a FeatureBase table and what its `_id` is made of, as they are configured.

use crate::config::reader::{Item, Section, quoted, similar};
use std::fmt;
use toml::de::DeValue;

/// The longest name that FeatureBase takes.
const NAME: usize = 230;

/// Decimals that survive `BULK INSERT`, which prints them as C's `%f` does.
const DECIMALS: u8 = 6;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlColumn {
    /// Its name in the table.
    pub name: String,
    /// Where its value is in a row: keys, from the outermost.
    pub from: Vec<String>,
    /// What it holds.
    pub kind: ColumnType,
    /// Whether a row without it is refused.
    pub required: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// A whole number from `min` to `max`, as far as they are given.
    Int {
        /// The least.
        min: Option<i64>,
        /// The most.
        max: Option<i64>,
    },
    /// A number with so many decimals.
    Decimal(u8),
    /// A text.
    String,
    /// Texts.
    StringSet,
    /// True or false.
    Bool,
    /// A moment. A number is so many units since 1970; none: only texts.
    Timestamp(Option<Unit>),
    /// A number from 0.
    Id,
    /// Numbers from 0.
    IdSet,
}

/// What a number of a timestamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// What a row's `_id` is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// Laid end to end; one at least.
    pub parts: Vec<Part>,
    /// A number instead of a text; then there is one part.
    pub number: bool,
}

/// A part of an `_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This text.
    Text(String),
    /// The topic's name.
    Topic,
    /// The partition's number.
    Partition,
    /// The record's offset.
    Offset,
    /// The row's number among those that modules made of its record, from 0.
    Row,
    /// The row's key, as text.
    Key,
    /// A value in the row: keys, from the outermost.
    Field(Vec<String>),
}

impl Default for Id {
    /// `{topic}-{partition}-{offset}`: what is sent again meets itself.
    fn default() -> Self {
        let dash = || Part::Text("-".to_owned());
        Self { parts: vec![Part::Topic, dash(), Part::Partition, dash(), Part::Offset], number: false }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColumnType::Decimal(scale) => write!(f, "decimal({scale})"),
            ColumnType::Int { .. } => f.write_str("int"),
            ColumnType::String => f.write_str("string"),
            ColumnType::StringSet => f.write_str("stringset"),
            ColumnType::Bool => f.write_str("bool"),
            ColumnType::Timestamp(_) => f.write_str("timestamp"),
            ColumnType::Id => f.write_str("id"),
            ColumnType::IdSet => f.write_str("idset"),
        }
    }
}

const EXAMPLE: &str = "write `columns = { airline = \"string\", delay = \"int\", fare = \"decimal(2)\" }`";
const TYPES: &str = "write `int`, `decimal(2)`, `string`, `stringset`, `bool`, `timestamp`, `id` or `idset` in quotes";

/// Reads `columns`.
pub(super) fn columns(section: &Section<'_>) -> Vec<SqlColumn> {
    section.need("columns", "the sink has no `columns`", EXAMPLE);
    let Some(table) = section.get("columns").and_then(|item| item.section(EXAMPLE)) else { return Vec::new() };
    let items = table.items();
    if items.is_empty() {
        table.reader.error(&table.place, "there is no column", &[EXAMPLE]);
    }
    let names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
    items.iter().filter_map(|(name, item)| column(name, item, &names)).collect()
}

fn column(name: &str, item: &Item<'_>, names: &[&str]) -> Option<SqlColumn> {
    if name == "_id" {
        item.reader.error(&item.key, "`_id` is made by the sink", &["write `id = \"{flight}\"` beside `columns`"]);
        return None;
    }
    let from = vec![name.to_owned()];
    if !is_name(name) {
        let help = renamed(name, item, names);
        let named = if name.is_empty() { "an empty text".to_owned() } else { format!("`{name}`") };
        item.reader.error(&item.key, format!("{named} is no name of a column: {RULE}"), &[&help]);
        return None;
    }
    let DeValue::Table(_) = item.value else {
        let kind = kind(item)?;
        return Some(SqlColumn { name: name.to_owned(), from, kind, required: false });
    };
    let table = item.section("")?;
    table.only(&["type", "from", "required", "min", "max", "unit"], |key, _| match key {
        "scale" => Some("write it into the type: `type = \"decimal(2)\"`".to_owned()),
        "path" | "key" | "field" => Some("write `from`".to_owned()),
        "nullable" | "null" => Some("write `required = true` where a row must have it".to_owned()),
        "timeunit" | "epoch" => Some("write `unit`: what a number counts".to_owned()),
        _ => None,
    });
    table.need("type", "the column has no `type`", TYPES);
    let mut kind = kind(&table.get("type")?)?;
    let only = |key: &str, whose: &str| {
        if let Some(item) = table.get(key) {
            item.reader.error(&item.key, format!("`{key}` belongs to a column of type `{whose}`"), &["leave it out"]);
        }
    };
    match &mut kind {
        ColumnType::Int { min, max } => {
            let bound = |key| table.get(key).and_then(|item| item.whole(i64::MIN..=i64::MAX));
            (*min, *max) = (bound("min"), bound("max"));
            if let (Some(least), Some(most), Some(item)) = (*min, *max, table.get("max"))
                && least > most
            {
                item.wrong("`max` is less than `min`", "write the larger one as `max`");
            }
        }
        _ => ["min", "max"].iter().for_each(|key| only(key, "int")),
    }
    match &mut kind {
        ColumnType::Timestamp(unit) => {
            let units = [("s", Unit::S), ("ms", Unit::Ms), ("us", Unit::Us), ("ns", Unit::Ns)];
            *unit = table.get("unit").and_then(|item| item.word(&units));
        }
        _ => only("unit", "timestamp"),
    }
    let from = table.get("from").map_or(Some(from), |item| path(&item))?;
    let required = table.get("required").and_then(|item| item.flag()).unwrap_or(false);
    Some(SqlColumn { name: name.to_owned(), from, kind, required })
}

fn kind(item: &Item<'_>) -> Option<ColumnType> {
    let text = item.text()?;
    let word = text.value.trim().to_ascii_lowercase();
    let decimals = word.strip_prefix("decimal").map(|rest| rest.trim().trim_matches(['(', ')']).trim().parse::<u8>());
    Some(match (word.as_str(), decimals) {
        ("int", _) => ColumnType::Int { min: None, max: None },
        ("string", _) => ColumnType::String,
        ("stringset", _) => ColumnType::StringSet,
        ("bool", _) => ColumnType::Bool,
        ("timestamp", _) => ColumnType::Timestamp(None),
        ("id", _) => ColumnType::Id,
        ("idset", _) => ColumnType::IdSet,
        (_, Some(Ok(scale))) if scale <= DECIMALS && word.ends_with(')') => ColumnType::Decimal(scale),
        (_, Some(Ok(_))) if word.ends_with(')') => {
            let help = "write `decimal(6)` or less; the table's column may have more";
            item.wrong(format!("more than {DECIMALS} decimals are lost on the way into a table"), help);
            return None;
        }
        (_, Some(_)) => {
            item.wrong("it is not said how many decimals there are", "write `\"decimal(2)\"`");
            return None;
        }
        (other, None) => {
            let known = [
                ("integer", "int"),
                ("bigint", "int"),
                ("float", "decimal(2)"),
                ("double", "decimal(2)"),
                ("number", "decimal(2)"),
                ("numeric", "decimal(2)"),
                ("text", "string"),
                ("varchar", "string"),
                ("boolean", "bool"),
                ("date", "timestamp"),
                ("datetime", "timestamp"),
            ];
            let known = known.iter().find(|(name, _)| *name == other).map(|(_, name)| *name);
            let names = ["int", "string", "stringset", "bool", "timestamp", "id", "idset"];
            let help = known.or_else(|| similar(other, &names)).map(|name| format!("did you mean \"{name}\"?"));
            item.wrong(format!("{} is no type of a column", text.shown()), &help.unwrap_or_else(|| TYPES.to_owned()));
            return None;
        }
    })
}

/// A path into a row: `a.b`, or a list of keys where one has a dot.
fn path(item: &Item<'_>) -> Option<Vec<String>> {
    let example = "write `from = \"times.delay\"`, or `from = [\"times\", \"delay.minutes\"]` where a key has a dot";
    let keys = match item.value {
        DeValue::Array(_) => {
            item.list(example)?.iter().map(|item| Some(item.text()?.value)).collect::<Option<Vec<_>>>()?
        }
        _ => keys(&item.text()?.value),
    };
    if keys.is_empty() || keys.iter().any(String::is_empty) {
        item.wrong("that is no path into a row", example);
        return None;
    }
    Some(keys)
}

fn keys(path: &str) -> Vec<String> {
    path.strip_prefix("$.").unwrap_or(path).split('.').map(str::to_owned).collect()
}

const RULE: &str = "one begins with a small letter, and has small letters, digits, `-` and `_`, 230 at the most";

/// Whether FeatureBase takes a name.
fn is_name(name: &str) -> bool {
    name.len() <= NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|each| each.is_ascii_lowercase() || each.is_ascii_digit() || matches!(each, '-' | '_'))
}

/// The nearest name that FeatureBase takes, and that nothing else has.
fn nearest(name: &str, what: &str, taken: &[&str]) -> String {
    let letter = |each: char| match each {
        '-' => each,
        each if each.is_ascii_alphanumeric() => each.to_ascii_lowercase(),
        _ => '_',
    };
    let plain: String = name.chars().map(letter).collect();
    let plain = plain.trim_start_matches(|first: char| !first.is_ascii_lowercase()).trim_end_matches('_');
    let plain = if plain.is_empty() { what } else { &plain[..plain.len().min(NAME - 8)] };
    let others = (2..).map(|number| format!("{plain}_{number}"));
    let free = std::iter::once(plain.to_owned()).chain(others).find(|name| !taken.contains(&name.as_str()));
    free.unwrap_or_default()
}

/// How a column is written whose field has a name that is none for it.
fn renamed(name: &str, item: &Item<'_>, names: &[&str]) -> String {
    let near = nearest(name, "column", names);
    let from = if name.contains('.') { format!("[{}]", quoted(name)) } else { quoted(name) };
    match item.value {
        _ if name.is_empty() => format!("write for example `{near} = \"int\"`"),
        DeValue::Table(table) if table.contains_key("from") => format!("write `{near}` instead of {}", quoted(name)),
        DeValue::Table(_) => format!("write `{near}` instead of {}, and `from = {from}` into its table", quoted(name)),
        value => {
            let kind = quoted(value.as_str().unwrap_or("int"));
            format!("write `{near} = {{ type = {kind}, from = {from} }}`")
        }
    }
}

/// Reads the name of a table.
pub(super) fn table(item: &Item<'_>) -> Option<String> {
    let text = item.text()?;
    if !is_name(&text.value) {
        let near = if text.hidden { "rows".to_owned() } else { nearest(&text.value, "rows", &[]) };
        let help = format!("write for example `table = \"{near}\"`");
        item.wrong(format!("{} is no name of a table: {RULE}", text.shown()), &help);
        return None;
    }
    Some(text.value)
}

/// Reads `id`.
pub(super) fn id(item: &Item<'_>) -> Option<Id> {
    let example = "write `id = \"{flight}-{date}\"`, or `id = { template = \"{number}\", type = \"id\" }` for numbers";
    let DeValue::Table(_) = item.value else { return Some(Id { parts: template(item)?, number: false }) };
    let table = item.section(example)?;
    table.only(&["template", "type"], |_, _| None);
    table.need("template", "it is not said what `_id` is made of", example);
    let number = table.get("type").and_then(|item| item.word(&[("string", false), ("id", true)])).unwrap_or(false);
    let written = table.get("template")?;
    let parts = template(&written)?;
    if number && (parts.len() > 1 || matches!(parts[0], Part::Text(_) | Part::Topic)) {
        written.wrong("a number is not put together of parts", "write `template = \"{number}\"`, with one field");
        return None;
    }
    Some(Id { parts, number })
}

/// Reads a template: text, and names in braces.
pub(super) fn template(item: &Item<'_>) -> Option<Vec<Part>> {
    let example = "write `\"{flight}-{date}\"` with the names of fields, or `\"{topic}-{partition}-{offset}\"`";
    let text = item.text()?.value;
    let (mut parts, mut rest) = (Vec::new(), text.as_str());
    while let Some((before, after)) = rest.split_once('{') {
        let inside = after.split_once('}').filter(|(name, _)| !name.is_empty() && !before.contains('}'));
        let Some((name, behind)) = inside else {
            item.wrong("a name in braces is not closed, or empty", example);
            return None;
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(match name {
            "topic" => Part::Topic,
            "partition" => Part::Partition,
            "offset" => Part::Offset,
            "row" => Part::Row,
            "key" => Part::Key,
            _ => Part::Field(keys(name)),
        });
        rest = behind;
    }
    if rest.contains('}') || parts.iter().any(|part| matches!(part, Part::Field(keys) if keys.contains(&String::new())))
    {
        item.wrong("a name in braces is not opened, or empty", example);
        return None;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    if !parts.iter().any(|part| matches!(part, Part::Offset | Part::Key | Part::Field(_))) {
        item.wrong("all rows would be one", example);
        return None;
    }
    Some(parts)
}
