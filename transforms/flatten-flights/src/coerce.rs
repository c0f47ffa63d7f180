//! Writes a source value as a field of the flat record; the rules are in the README.

use crate::number::{self, Misfit};
use crate::schema::Kind;
use edgemill_guest::Buffer;
use edgemill_guest::json::Scanner;
use std::ops::Range;

const INT: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
const ID: (i128, i128) = (0, u64::MAX as i128);

/// Why a value does not fit a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It is something else.
    Type,
    /// It is a number that does not fit.
    Number(Misfit),
}

impl From<Misfit> for Mismatch {
    fn from(misfit: Misfit) -> Mismatch {
        Mismatch::Number(misfit)
    }
}

/// Appends `record[at]`, a checked JSON value that is not null, as a field of this type.
#[inline(never)]
pub(crate) fn write(kind: Kind, record: &[u8], at: Range<usize>, out: &mut Buffer) -> Result<(), Mismatch> {
    let value = &record[at.clone()];
    let first = value[0];
    match kind {
        Kind::String if first == b'"' => {
            out.extend_from(record, at.start, at.end);
            Ok(())
        }
        Kind::Int => number(record, at, 0, INT, out),
        Kind::Decimal(scale) => number(record, at, scale, INT, out),
        Kind::Id => number(record, at, 0, ID, out),
        Kind::Bool if matches!(first, b't' | b'f') => {
            out.extend(value);
            Ok(())
        }
        Kind::Timestamp => timestamp(record, at, out),
        Kind::StringSet | Kind::IdSet => set(kind, value, out),
        Kind::String | Kind::Bool => Err(Mismatch::Type),
    }
}

fn number(
    record: &[u8],
    at: Range<usize>,
    scale: u8,
    (least, most): (i128, i128),
    out: &mut Buffer,
) -> Result<(), Mismatch> {
    if (least < 0 || record[at.start] != b'-') && number::write_plain(record, at.clone(), scale, out) {
        return Ok(());
    }
    let value = &record[at];
    let number = match value {
        [b'-' | b'0'..=b'9', ..] => value,
        [b'"', text @ .., b'"'] if is_number(text) => text,
        _ => return Err(Mismatch::Type),
    };
    Ok(number::write(number, scale, least, most, out)?)
}

fn is_number(text: &[u8]) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.number().is_ok_and(|number| number.len() == text.len())
}

fn timestamp(record: &[u8], at: Range<usize>, out: &mut Buffer) -> Result<(), Mismatch> {
    let value = &record[at.clone()];
    if let [b'"', text @ .., b'"'] = value {
        if !is_rfc3339(text) {
            return Err(Mismatch::Type);
        }
        out.extend(value);
        return Ok(());
    }
    number(record, at, 0, INT, out)
}

fn set(kind: Kind, value: &[u8], out: &mut Buffer) -> Result<(), Mismatch> {
    out.push(b'[');
    if value[0] == b'[' {
        let mut scanner = Scanner::new(value);
        let mut more = scanner.begin_array().and_then(|()| scanner.next_element()).unwrap_or(false);
        while more {
            scanner.peek();
            let element = scanner.skip().map_err(|_| Mismatch::Type)?;
            member(kind, value, element, out)?;
            more = scanner.next_element().unwrap_or(false);
            if more {
                out.push(b',');
            }
        }
    } else {
        member(kind, value, 0..value.len(), out)?;
    }
    out.push(b']');
    Ok(())
}

fn member(kind: Kind, set: &[u8], at: Range<usize>, out: &mut Buffer) -> Result<(), Mismatch> {
    if kind == Kind::IdSet {
        return number(set, at, 0, ID, out);
    }
    let value = &set[at];
    if value[0] != b'"' {
        return Err(Mismatch::Type);
    }
    out.extend(value);
    Ok(())
}

/// Whether this is a date and time of RFC 3339, section 5.6, in the calendar.
fn is_rfc3339(text: &[u8]) -> bool {
    let Some((moment, rest)) = text.split_at_checked(19) else { return false };
    for (at, &byte) in moment.iter().enumerate() {
        let fits = match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            _ => byte.is_ascii_digit(),
        };
        if !fits {
            return false;
        }
    }
    let number = |range: Range<usize>| moment[range].iter().fold(0u32, |n, b| n * 10 + u32::from(b - b'0'));
    let (year, month, day) = (number(0..4), number(5..7), number(8..10));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day) && number(11..13) < 24 && number(14..16) < 60 && number(17..19) <= 60 && is_zone(rest)
}

/// Whether this is what stands behind the seconds: a fraction, and a zone.
fn is_zone(text: &[u8]) -> bool {
    let zone = match text {
        [b'.', rest @ ..] => {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &rest[digits..]
        }
        rest => rest,
    };
    match zone {
        b"Z" => true,
        [b'+' | b'-', a @ b'0'..=b'2', b @ b'0'..=b'9', b':', b'0'..=b'5', b'0'..=b'9'] => (*a, *b) < (b'2', b'4'),
        _ => false,
    }
}
