//! Values of a line as a FeatureBase server makes them a column's: with what it spoils on the way, too.

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The longest text that is a key.
const KEY: usize = 32_768;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int(i64, i64),
    Decimal(u32),
    String,
    StringSet,
    Bool,
    /// With the decimals of a second that it keeps.
    Timestamp(u32),
    Id,
    IdSet,
}

/// A value on its way into a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Plain(Value),
    Bool(bool),
    Set(Vec<Value>),
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Int(..) => "int",
            Kind::Decimal(_) => "decimal",
            Kind::String => "string",
            Kind::StringSet => "stringset",
            Kind::Bool => "bool",
            Kind::Timestamp(_) => "timestamp",
            Kind::Id => "id",
            Kind::IdSet => "idset",
        }
    }

    pub(super) fn described(self) -> String {
        if let Kind::Decimal(scale) = self { format!("decimal({scale})") } else { self.name().to_owned() }
    }

    /// Whether a map of another type may go into such a column.
    pub(super) fn takes(self, map: Kind) -> bool {
        match (self, map) {
            (Kind::Decimal(to), Kind::Decimal(from)) => to >= from,
            (Kind::Decimal(_) | Kind::Id | Kind::Timestamp(_), Kind::Int(..)) => true,
            (Kind::Timestamp(_), Kind::String) => true,
            _ => self.name() == map.name(),
        }
    }

    /// Reads a value of a line.
    pub(super) fn read(self, value: &Value) -> Result<Cell> {
        let wrong = || -> Result<Cell> {
            bail!("[0:0] value '{}' cannot be converted to type '{}'", shown(value), self.described())
        };
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        Ok(match (self, value) {
            (_, Value::Null) => Cell::Null,
            (Kind::Int(..) | Kind::Id, value) => match number(value) {
                Some(number) => Cell::Plain(number.into()),
                None => return wrong(),
            },
            (Kind::IdSet, Value::Array(items)) => match items.iter().map(number).collect::<Option<Vec<_>>>() {
                Some(numbers) => Cell::Set(numbers.into_iter().map(Value::from).collect()),
                None => return wrong(),
            },
            (Kind::IdSet, value) => match number(value) {
                Some(number) => Cell::Set(vec![number.into()]),
                None => return wrong(),
            },
            (Kind::StringSet, Value::Array(items)) => match items.iter().all(Value::is_string) {
                true => Cell::Set(items.iter().filter(|item| *item != "").cloned().collect()),
                false => return wrong(),
            },
            (Kind::StringSet, Value::String(_)) => Cell::Set(vec![value.clone()]),
            (Kind::StringSet, Value::Number(number)) => Cell::Set(vec![number.to_string().into()]),
            // an empty text is none
            (Kind::String, Value::String(text)) if text.is_empty() => Cell::Null,
            (Kind::String, Value::String(_)) => Cell::Plain(value.clone()),
            (Kind::String, Value::Number(number)) => Cell::Plain(number.to_string().into()),
            (Kind::Bool, Value::Bool(flag)) => Cell::Bool(*flag),
            (Kind::Bool, Value::Number(number)) if number.is_i64() => Cell::Bool(number.as_i64() > Some(0)),
            (Kind::Decimal(_), Value::String(text)) => match digits(text) {
                Some((mantissa, scale)) => Cell::Plain(json!(mantissa as f64 / 10f64.powi(scale))),
                None => return wrong(),
            },
            // a binary fraction times a power of ten, cut
            (Kind::Decimal(_), Value::Number(number)) => {
                let number = number.as_f64().unwrap_or(0.0);
                let scale = number.to_string().split_once('.').map_or(0, |(_, part)| part.len() as i32);
                Cell::Plain(json!((number * 10f64.powi(scale)).trunc() / 10f64.powi(scale)))
            }
            (Kind::Timestamp(_), Value::Number(number)) if number.is_i64() => {
                Cell::Plain(Timestamp::from_second(number.as_i64().unwrap_or(0))?.to_string().into())
            }
            (Kind::Timestamp(_), Value::String(text)) => {
                let date = || format!("{text}T00:00:00Z").parse::<Timestamp>();
                let time = text.parse::<Timestamp>().ok().filter(|_| text.contains('T')).or_else(|| date().ok());
                match time {
                    Some(time) => Cell::Plain(time.to_string().into()),
                    None => return wrong(),
                }
            }
            _ => return wrong(),
        })
    }

    /// Makes what was read the column's, or says why it does not go in.
    pub(super) fn store(self, column: &str, row: usize, cell: Cell) -> Result<Cell> {
        let range = |shown: &dyn std::fmt::Display| {
            format!("[0:0] inserting value into column '{column}', row {row}, value '{shown}' out of range")
        };
        let long = |value: &Value| value.as_str().is_some_and(|text| text.len() > KEY);
        Ok(match (self, cell) {
            (Kind::Int(min, max), Cell::Plain(value)) => {
                let inside = value.as_i64().is_some_and(|value| (min..=max).contains(&value));
                ensure!(inside, "{}", range(&value));
                Cell::Plain(value)
            }
            (Kind::Decimal(scale), Cell::Plain(value)) => {
                let number = value.as_f64().unwrap_or(0.0);
                ensure!(number.abs() < i64::MAX as f64 / 10f64.powi(scale as i32), "{}", range(&number));
                // printed with six decimals on the way, and cut
                let Some((mantissa, from)) = digits(&format!("{number:.6}")) else { bail!("{}", range(&number)) };
                let cut = match u32::try_from(from) {
                    Ok(from) if from > scale => mantissa / 10i128.pow(from - scale),
                    _ => mantissa * 10i128.pow(scale.saturating_sub(from as u32)),
                };
                Cell::Plain(json!(cut as f64 / 10f64.powi(scale as i32)))
            }
            (Kind::Timestamp(decimals), Cell::Plain(value)) => {
                let time: Timestamp = value.as_str().unwrap_or_default().parse()?;
                // columns of nanoseconds have 32 bits of seconds on either side of 1970
                let inside = match decimals {
                    9 => (-(1 << 32)..=1 << 32).contains(&time.as_second()),
                    _ => time.as_second() >= -62_135_596_799,
                };
                ensure!(
                    inside,
                    "converting timestamp to int64: {time}: value provided for timestamp field is out of range"
                );
                let unit = 10i32.pow(9 - decimals);
                let cut = time.subsec_nanosecond() / unit * unit;
                Cell::Plain(Timestamp::new(time.as_second(), cut)?.to_string().into())
            }
            (Kind::Id, Cell::Plain(value)) => {
                ensure!(value.as_i64() >= Some(0), "internal error converting negative value to uint64: {value}");
                Cell::Plain(value)
            }
            (Kind::IdSet, Cell::Set(values)) => {
                let negative = values.iter().find(|value| value.as_i64() < Some(0));
                ensure!(negative.is_none(), "internal error converting negative slice value to uint64: {negative:?}");
                Cell::Set(values)
            }
            (Kind::String, Cell::Plain(value)) => {
                ensure!(!long(&value), "importing batch: doing Translation: translating field keys: key too large");
                Cell::Plain(value)
            }
            (Kind::StringSet, Cell::Set(values)) => {
                let long = values.iter().any(long);
                ensure!(!long, "importing batch: doing Translation: translating field keys: key too large");
                Cell::Set(values)
            }
            (_, cell) => cell,
        })
    }
}

/// A decimal's digits as a whole number, and how many of them stand behind the point; without zeros at the end.
fn digits(text: &str) -> Option<(i128, i32)> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part = part.trim_end_matches('0');
    let number = format!("{whole}{part}");
    let plain = number.trim_start_matches('-');
    (!plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
    Some((number.parse().ok()?, part.len() as i32))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        other => other.to_string(),
    }
}
