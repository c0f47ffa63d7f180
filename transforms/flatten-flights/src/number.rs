//! Numbers as text: brought to a scale exactly, never through a float.

use edgemill_guest::{Buffer, json};
use std::ops::Range;

/// A point, more zeros than any scale has, and room for block copies.
pub(crate) const ZEROS: &[u8] = b".00000000000000000000000000000000000000000000000000000000000000000";

/// Why a number does not fit a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Digits would be lost.
    Precision,
    /// It is too large or too small.
    Range,
}

/// Writes a JSON number with exactly `scale` digits behind the point, and none where `scale` is 0.
///
/// `least` and `most` bound the number without its point.
pub(crate) fn write(number: &[u8], scale: u8, least: i128, most: i128, out: &mut Buffer) -> Result<(), Misfit> {
    let unscaled = unscaled(number, scale)?;
    if unscaled < least || unscaled > most {
        return Err(Misfit::Range);
    }
    let power = 10u128.pow(scale.into());
    let (whole, part) = (unscaled.unsigned_abs() / power, unscaled.unsigned_abs() % power);
    let sign = if unscaled < 0 { "-" } else { "" };
    out.push_str(&match scale {
        0 => format!("{sign}{whole}"),
        scale => format!("{sign}{whole}.{part:0width$}", width = usize::from(scale)),
    });
    Ok(())
}

/// Which of [`ZEROS`] the number `text[start..end]` needs behind it and is then written; `None` where it needs more than that.
// A call of it would have more arguments than fit registers.
#[inline(always)]
pub(crate) fn zeros(text: &[u8], Range { start, end }: Range<usize>, scale: u8) -> Option<Range<usize>> {
    let scale = usize::from(scale);
    let (len, part) = json::plain_number(text, start)?;
    // So few digits are within the bounds of every type.
    let zero = text[start] == b'-' && text[start + 1] == b'0';
    if len != end - start || part > scale || len - part + scale > 18 || zero {
        return None;
    }
    let from = if part == 0 { 0 } else { part + 1 };
    Some(if part < scale { from..scale + 1 } else { 0..0 })
}

/// Writes such a number; false where it is none, having written nothing.
pub(crate) fn write_plain(text: &[u8], at: Range<usize>, scale: u8, out: &mut Buffer) -> bool {
    let Some(zeros) = zeros(text, at.clone(), scale) else { return false };
    out.extend_from(text, at.start, at.end);
    out.extend_from(ZEROS, zeros.start, zeros.end);
    true
}

/// The number times ten to the scale.
fn unscaled(number: &[u8], scale: u8) -> Result<i128, Misfit> {
    let negative = number[0] == b'-';
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], exponent(&number[at + 1..])),
        None => (number, 0),
    };
    let mut digits = Vec::new();
    let mut behind = 0i64;
    let mut point = false;
    for &byte in mantissa {
        match byte {
            b'.' => point = true,
            b'0'..=b'9' => {
                behind += i64::from(point);
                digits.push(byte - b'0');
            }
            _ => {}
        }
    }
    let significant = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
    if significant == 0 {
        return Ok(0);
    }
    let zeros = (digits.len() - significant) as i64;
    // The number is the significant digits times ten to this power.
    let power = exponent.saturating_sub(behind).saturating_add(zeros).saturating_add(scale.into());
    if power < 0 {
        return Err(Misfit::Precision);
    }
    let leading = digits.iter().position(|&digit| digit != 0).unwrap_or(0);
    let digits = &digits[leading..significant];
    if digits.len() as i64 + power.min(100) > 30 {
        return Err(Misfit::Range);
    }
    let mut unscaled = 0i128;
    for &digit in digits {
        unscaled = unscaled * 10 + i128::from(digit);
    }
    unscaled *= 10i128.pow(power as u32);
    Ok(if negative { -unscaled } else { unscaled })
}

/// The exponent behind the `e`; one that is beyond all measure is cut to a size that still is.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut exponent = 0i64;
    for &digit in digits {
        exponent = exponent.saturating_mul(10).saturating_add((digit - b'0').into());
    }
    if negative { -exponent } else { exponent }
}
