//! A JSON value as a column's, as the server reads it without changing it.

use crate::config::{ColumnType, Unit};
use jiff::Timestamp;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;
use std::io::Write;

/// The longest text that the server keeps as a key, in bytes: ids, texts, and texts of sets.
pub(super) const TEXT: usize = 32_768;

/// The first second that every column of timestamps takes, but those in nanoseconds. The last is far behind what a
/// [`Timestamp`] can be.
const FIRST: i64 = -62_135_596_799;

/// Why a number is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Kind,
    Decimals,
    Range,
}

/// Appends text, its quotes doubled for SQL.
pub(super) fn push_doubled(text: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for at in memchr::memchr_iter(b'\'', text) {
        out.extend_from_slice(&text[from..=at]);
        out.push(b'\'');
        from = at + 1;
    }
    out.extend_from_slice(&text[from..]);
}

/// Appends the value that `raw` is, valid JSON, as one of a column that takes numbers of `range`.
///
/// # Errors
/// It is none: why, for a person.
pub(super) fn push(kind: ColumnType, range: (i64, i64), raw: &str, out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        ColumnType::Int { min, max } => {
            let (min, max) = (range.0.max(min.unwrap_or(i64::MIN)), range.1.min(max.unwrap_or(i64::MAX)));
            let value = scaled(raw, 0).map_err(|wrong| match wrong {
                Wrong::Range => format!("out of range: {min} to {max}"),
                Wrong::Kind | Wrong::Decimals => "not a whole number".to_owned(),
            })?;
            if !(min..=max).contains(&value) {
                return Err(format!("out of range: {min} to {max}"));
            }
            push_number(value, out);
        }
        ColumnType::Decimal(scale) => push_decimal(raw, scale, out)?,
        ColumnType::String => push_text(raw, out)?,
        ColumnType::Bool => match raw {
            "true" | "false" => out.extend_from_slice(raw.as_bytes()),
            _ => return Err("neither true nor false".to_owned()),
        },
        ColumnType::Timestamp(unit) => {
            let moment = timestamp(raw, unit)?;
            if moment.as_second() < FIRST {
                return Err("before 0001-01-01T00:00:01Z".to_owned());
            }
            write!(out, "\"{moment}\"").expect("writing to memory cannot fail");
        }
        ColumnType::Id => push_number(id(raw)?, out),
        ColumnType::StringSet if raw.starts_with('"') => push_text(raw, out)?,
        ColumnType::IdSet if !raw.starts_with('[') => push_number(id(raw)?, out),
        ColumnType::StringSet => push_set(raw, out, "not a list of texts", push_text)?,
        ColumnType::IdSet => push_set(raw, out, "not a list of numbers", |raw, out| {
            push_number(id(raw)?, out);
            Ok(())
        })?,
    }
    Ok(())
}

pub(super) fn push_number(value: i64, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("writing to memory cannot fail");
}

/// A number from 0.
pub(super) fn id(raw: &str) -> Result<i64, String> {
    scaled(raw, 0).ok().filter(|id| *id >= 0).ok_or_else(|| format!("not a whole number from 0 to {}", i64::MAX))
}

fn push_text(raw: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let inside = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or("not a text")?;
    // an escape is never shorter than what it stands for
    if inside.len() > TEXT && serde_json::from_str::<String>(raw).map_or(0, |text| text.len()) > TEXT {
        return Err(format!("a text of more than {TEXT} bytes"));
    }
    push_doubled(raw.as_bytes(), out);
    Ok(())
}

/// Appends a decimal, as text: of a number the server would make a binary fraction, and cut that.
fn push_decimal(raw: &str, scale: u8, out: &mut Vec<u8>) -> Result<(), String> {
    let value = scaled(raw, scale).map_err(|wrong| match wrong {
        Wrong::Kind => "not a number".to_owned(),
        Wrong::Decimals => format!("more than {scale} decimals"),
        Wrong::Range => "out of range".to_owned(),
    })?;
    if !survives(value, scale) {
        return Err("more digits than the server keeps: about 15".to_owned());
    }
    let one = 10u64.pow(scale.into());
    let (whole, part) = (value.unsigned_abs() / one, value.unsigned_abs() % one);
    let (sign, width) = (if value < 0 { "-" } else { "" }, usize::from(scale));
    match scale {
        0 => write!(out, "\"{sign}{whole}\""),
        _ => write!(out, "\"{sign}{whole}.{part:0width$}\""),
    }
    .expect("writing to memory cannot fail");
    Ok(())
}

/// Whether the server, which prints a decimal's binary fraction with six decimals on the way, keeps this one.
fn survives(value: i64, scale: u8) -> bool {
    let one = 10i64.pow(scale.into());
    // a binary fraction of this size is nearer to its decimal than half a millionth
    if (value / one).unsigned_abs() < 1 << 31 {
        return true;
    }
    let (mut short, mut power) = (value, i32::from(scale));
    while power > 0 && short % 10 == 0 {
        (short, power) = (short / 10, power - 1);
    }
    let mut printed = [0; 40];
    let mut rest = &mut printed[..];
    let written = write!(rest, "{:.6}", short as f64 / 10f64.powi(power)).is_ok();
    let length = 40 - rest.len();
    written && std::str::from_utf8(&printed[..length]).is_ok_and(|printed| scaled(printed, scale) == Ok(value))
}

/// A JSON number times ten to the power of `scale`, exactly.
pub(super) fn scaled(raw: &str, scale: u8) -> Result<i64, Wrong> {
    let (negative, number) = raw.strip_prefix('-').map_or((false, raw), |rest| (true, rest));
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Wrong::Kind);
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    // one that does not fit is as good as a very large one
    let large = if exponent.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 };
    let exponent = exponent.parse::<i64>().map_or(large, |exponent| exponent.clamp(i64::MIN / 4, i64::MAX / 4));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let too_long = if fraction.is_empty() { Wrong::Range } else { Wrong::Decimals };
    let (mut value, mut zeros) = (0i128, 0u32);
    for digit in whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit - b'0')) {
        if digit == 0 {
            zeros += u32::from(value != 0);
            continue;
        }
        let shifted = 10i128.checked_pow(zeros + 1).and_then(|power| value.checked_mul(power));
        value = shifted.and_then(|value| value.checked_add(digit)).ok_or(too_long)?;
        zeros = 0;
    }
    if value == 0 {
        return Ok(0);
    }
    let power = exponent + i64::from(zeros) + i64::from(scale) - fraction.len() as i64;
    let power = u32::try_from(power).map_err(|_| if power < 0 { Wrong::Decimals } else { Wrong::Range })?;
    let value = 10i128.checked_pow(power).and_then(|power| value.checked_mul(power)).ok_or(Wrong::Range)?;
    i64::try_from(if negative { -value } else { value }).map_err(|_| Wrong::Range)
}

fn timestamp(raw: &str, unit: Option<Unit>) -> Result<Timestamp, String> {
    let Some(unit) = unit.filter(|_| !raw.starts_with('"')) else {
        let text = serde_json::from_str::<&str>(raw).ok().and_then(|text| text.parse().ok());
        return text.ok_or_else(|| "not a time in RFC 3339, as 2026-01-31T12:00:00Z".to_owned());
    };
    let number = scaled(raw, 0).map_err(|_| "neither a time in RFC 3339 nor a whole number".to_owned())?;
    let moment = match unit {
        Unit::S => Timestamp::from_second(number),
        Unit::Ms => Timestamp::from_millisecond(number),
        Unit::Us => Timestamp::from_microsecond(number),
        Unit::Ns => Ok(Timestamp::from_nanosecond(number.into()).unwrap_or(Timestamp::MAX)),
    };
    moment.map_err(|_| "out of range".to_owned())
}

/// Appends a list, each of whose items `push` appends.
fn push_set(
    raw: &str,
    out: &mut Vec<u8>,
    expected: &'static str,
    push: fn(&str, &mut Vec<u8>) -> Result<(), String>,
) -> Result<(), String> {
    if !raw.starts_with('[') {
        return Err(expected.to_owned());
    }
    out.push(b'[');
    let set = Set { out: &mut *out, push };
    let pushed = serde_json::Deserializer::from_str(raw).deserialize_seq(set);
    pushed.unwrap_or_else(|error| Err(error.to_string())).map_err(|error| format!("{expected}: {error}"))?;
    out.push(b']');
    Ok(())
}

struct Set<'o> {
    out: &'o mut Vec<u8>,
    push: fn(&str, &mut Vec<u8>) -> Result<(), String>,
}

impl<'de> Visitor<'de> for Set<'_> {
    type Value = Result<(), String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut first = true;
        let mut ended = Ok(());
        while let Some(item) = items.next_element::<&RawValue>()? {
            if ended.is_ok() {
                if !first {
                    self.out.push(b',');
                }
                first = false;
                ended = (self.push)(item.get(), self.out);
            }
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pushed(kind: ColumnType, raw: &str) -> Result<String, String> {
        let mut out = Vec::new();
        push(kind, (i64::MIN, i64::MAX), raw, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_are_taken_or_refused_with_the_reason() {
        let int = ColumnType::Int { min: Some(-5), max: None };
        let ms = ColumnType::Timestamp(Some(Unit::Ms));
        let good = [
            (int, "-5", "-5"),
            (int, "1e3", "1000"),
            (int, "2.50e1", "25"),
            (ColumnType::Decimal(2), "1.15", "\"1.15\""),
            (ColumnType::Decimal(2), "-0.290", "\"-0.29\""),
            (ColumnType::Decimal(2), "7", "\"7.00\""),
            (ColumnType::Decimal(0), "7", "\"7\""),
            (ColumnType::Decimal(6), "4000000000.123457", "\"4000000000.123457\""),
            (ColumnType::String, r#""it's \" é""#, r#""it''s \" é""#),
            (ColumnType::StringSet, r#"[ "a'b" , "c" ]"#, r#"["a''b","c"]"#),
            (ColumnType::StringSet, r#""a""#, r#""a""#),
            (ColumnType::StringSet, "[\n]", "[]"),
            (ColumnType::IdSet, "[1, 2]", "[1,2]"),
            (ColumnType::IdSet, "3", "3"),
            (ColumnType::Bool, "true", "true"),
            (ColumnType::Id, "9223372036854775807", "9223372036854775807"),
            (ColumnType::Timestamp(None), r#""2024-01-02T03:04:05.678+05:30""#, r#""2024-01-01T21:34:05.678Z""#),
            (ms, "1700000000123", r#""2023-11-14T22:13:20.123Z""#),
            (ms, r#""2024-01-02T03:04:05Z""#, r#""2024-01-02T03:04:05Z""#),
        ];
        for (kind, raw, line) in good {
            assert_eq!(pushed(kind, raw).as_deref(), Ok(line), "{kind} {raw}");
        }
        let long = format!("\"{}\"", "x".repeat(TEXT + 1));
        let bad = [
            (int, "-6", "out of range: -5 to 9223372036854775807"),
            (int, "9223372036854775808", "out of range: -5 to 9223372036854775807"),
            (int, "1.5", "not a whole number"),
            (int, "1e-400000000000000000000", "not a whole number"),
            (int, "\"1\"", "not a whole number"),
            (ColumnType::Decimal(2), "1.999", "more than 2 decimals"),
            (ColumnType::Decimal(2), "1e999999999999999999999", "out of range"),
            (ColumnType::Decimal(2), "92233720368547758.08", "out of range"),
            (ColumnType::Decimal(2), "90071992547409.93", "more digits than the server keeps: about 15"),
            (ColumnType::Decimal(2), "true", "not a number"),
            (ColumnType::String, "7", "not a text"),
            (ColumnType::String, &long, "a text of more than 32768 bytes"),
            (ColumnType::StringSet, "[1]", "not a list of texts: not a text"),
            (ColumnType::StringSet, "{}", "not a list of texts"),
            (ColumnType::IdSet, "[-1]", "not a list of numbers: not a whole number from 0 to 9223372036854775807"),
            (ColumnType::Bool, "1", "neither true nor false"),
            (ColumnType::Id, "-1", "not a whole number from 0 to 9223372036854775807"),
            (ColumnType::Timestamp(None), "1700000000", "not a time in RFC 3339, as 2026-01-31T12:00:00Z"),
            (ColumnType::Timestamp(None), "\"yesterday\"", "not a time in RFC 3339, as 2026-01-31T12:00:00Z"),
            (ColumnType::Timestamp(None), "\"0001-01-01T00:00:00Z\"", "before 0001-01-01T00:00:01Z"),
            (ms, "1e18", "out of range"),
        ];
        for (kind, raw, why) in bad {
            assert_eq!(pushed(kind, raw), Err(why.to_owned()), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn decimals_are_exact(value in any::<i64>(), scale in 0u8..=6) {
            let one = 10u64.pow(scale.into());
            let (whole, part) = (value.unsigned_abs() / one, value.unsigned_abs() % one);
            let sign = if value < 0 { "-" } else { "" };
            let raw = if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part:0w$}", w = usize::from(scale)) };
            prop_assert_eq!(scaled(&raw, scale), Ok(value));
            if let Ok(line) = pushed(ColumnType::Decimal(scale), &raw) {
                // what the server does with it
                let number: f64 = line.trim_matches('"').parse().unwrap();
                prop_assert_eq!(scaled(&format!("{number:.6}"), scale), Ok(value));
            }
        }

        #[test]
        fn small_decimals_always_survive(value in -2_000_000_000_000_000i64..2_000_000_000_000_000, scale in 0u8..=6) {
            let kept = format!("{:.6}", value as f64 / 10f64.powi(scale.into()));
            prop_assert!(!survives(value, scale) || scaled(&kept, scale) == Ok(value), "{} {}", value, kept);
        }

        #[test]
        fn numbers_of_any_shape_are_read_or_refused(raw in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?", scale in 0u8..=6) {
            if let Ok(value) = scaled(&raw, scale) {
                let about = raw.parse::<f64>().unwrap() * 10f64.powi(scale.into());
                prop_assert!((about - value as f64).abs() <= about.abs() * 1e-9, "{} is {}", raw, value);
            }
        }
    }
}
