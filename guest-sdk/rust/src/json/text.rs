//! A string's text, and the scanner's slow path: escapes, bytes beyond ASCII, and the last bytes of the input.

use super::Error;
use crate::block;
use std::borrow::Cow;

/// A string of the input, checked: what stands between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    #[inline]
    pub(super) fn new(raw: &'a [u8], escaped: bool) -> Text<'a> {
        Text { raw, escaped }
    }

    /// The text as it stands in the input, escapes and all.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Whether it has escapes, so that the raw text is not what it means.
    #[inline]
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// What it means, as bytes: for comparing names.
    #[inline]
    pub fn unescaped_bytes(&self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        Cow::Owned(self.unescaped().into_owned().into_bytes())
    }

    /// What it means: borrowed where there are no escapes.
    pub fn unescaped(&self) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(self.raw);
        if !self.escaped {
            return text;
        }
        let mut meaning = String::with_capacity(text.len());
        let mut left = &*text;
        while let Some(at) = left.find('\\') {
            meaning.push_str(&left[..at]);
            let (char, len) = unescape(&left.as_bytes()[at..]).unwrap_or((char::REPLACEMENT_CHARACTER, 2));
            meaning.push(char);
            left = &left[at + len..];
        }
        meaning.push_str(left);
        Cow::Owned(meaning)
    }
}

/// Checks a string from `at` on, where its plain beginning ends; returns where its closing quote is, and whether it has
/// escapes.
#[inline(never)]
pub(super) fn rest(input: &[u8], start: usize, mut at: usize) -> Result<(usize, bool), Error> {
    let mut escaped = false;
    let mut ascii = true;
    loop {
        while let Some(block) = block::at(input, at) {
            let stops = block::stops(block);
            if stops != 0 {
                at += stops.trailing_zeros() as usize;
                break;
            }
            at += block::SIZE;
        }
        let Some(&byte) = input.get(at) else {
            return Err(Error { what: "expected the end of the string", at });
        };
        match byte {
            b'"' => break,
            b'\\' => {
                escaped = true;
                match unescape(&input[at..]) {
                    Some((_, len)) => at += len,
                    None => return Err(Error { what: "expected an escape that is text", at }),
                }
            }
            0..0x20 => return Err(Error { what: "expected an escape, not a control character", at }),
            0x80.. => {
                ascii = false;
                at += 1;
                while input.get(at).is_some_and(|&byte| byte >= 0x80) {
                    at += 1;
                }
            }
            _ => at += 1,
        }
    }
    let raw = &input[start..at];
    if !ascii && let Err(error) = std::str::from_utf8(raw) {
        return Err(Error { what: "expected utf-8", at: start + error.valid_up_to() });
    }
    Ok((at, escaped))
}

/// The character that an escape stands for, and the escape's length.
fn unescape(text: &[u8]) -> Option<(char, usize)> {
    let char = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(text),
        _ => return None,
    };
    Some((char, 2))
}

fn unescape_unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = unit(text)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 6));
    }
    let second = unit(&text[6..])?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12))
}

/// The number in `\uXXXX`.
fn unit(text: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = text.first_chunk::<6>()? else { return None };
    let mut unit = 0;
    for &digit in digits {
        unit = unit * 16 + char::from(digit).to_digit(16)?;
    }
    Some(unit)
}
