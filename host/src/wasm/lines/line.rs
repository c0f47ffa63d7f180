//! A line of a program's: a value, or what to do in its place. A backslash at the start says which.

use crate::wasm::lifted::text;

/// What a program wrote for a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The record with this value; `None` is null.
    Value(Option<&'a [u8]>),
    /// Nothing comes of the record.
    Drop,
    /// It is refused.
    Reject { code: String, message: String },
}

/// What a reject is called that gives no code.
const REJECT: &str = "rejected";

impl<'a> Line<'a> {
    /// Reads a line without its newline.
    ///
    /// # Errors
    /// It begins with a backslash, and what follows means nothing.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, String> {
        let Some(rest) = line.strip_prefix(b"\\") else { return Ok(Line::Value(Some(line))) };
        // programs for Windows end their lines in two characters: an instruction is none the worse for it
        let mut words = rest.trim_ascii_end().splitn(3, |byte| *byte == b' ');
        let mut word = || words.next().map(text).map(|word| word.into_owned()).filter(|word| !word.is_empty());
        match rest {
            _ if rest.starts_with(b"\\") => Ok(Line::Value(Some(rest))),
            _ => match word().as_deref() {
                Some("drop") => Ok(Line::Drop),
                Some("null") => Ok(Line::Value(None)),
                Some("reject") => {
                    let (code, message) = (word(), word());
                    Ok(Line::Reject {
                        code: code.unwrap_or_else(|| REJECT.to_owned()),
                        message: message.unwrap_or_default(),
                    })
                }
                _ => Err(format!(
                    "the line {:?} begins with a backslash: \\drop, \\null and \\reject CODE MESSAGE are known, and a value \
                     that begins with one has it doubled; see docs/guests/lines.md",
                    text(&line[..line.len().min(80)])
                )),
            },
        }
    }
}

/// Writes a value as a line.
pub(super) fn write(value: &[u8], into: &mut Vec<u8>) {
    if value.starts_with(b"\\") {
        into.push(b'\\');
    }
    into.extend_from_slice(value);
    into.push(b'\n');
}

/// Whether a value is more than a line.
pub(super) fn has_newline(value: &[u8]) -> bool {
    memchr::memchr(b'\n', value).is_some()
}

/// What becomes of such a value.
pub(super) fn newline() -> Line<'static> {
    let message =
        "the value has a newline, and a record is a line: `config = { each = \"record\" }` takes it".to_owned();
    Line::Reject { code: "newline".to_owned(), message }
}

/// The lines of what was printed; the last may be without a newline.
pub(super) fn split(printed: &[u8]) -> impl Iterator<Item = &[u8]> {
    printed.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_value_or_an_instruction() {
        let reject = |code: &str, message: &str| Line::Reject { code: code.to_owned(), message: message.to_owned() };
        let table: [(&[u8], Line<'_>); 9] = [
            (b"{\"a\":1}", Line::Value(Some(b"{\"a\":1}"))),
            (b"", Line::Value(Some(b""))),
            (b"\\drop", Line::Drop),
            (b"\\drop\r", Line::Drop),
            (b"\\null", Line::Value(None)),
            (b"\\\\server", Line::Value(Some(b"\\server"))),
            (b"\\reject", reject("rejected", "")),
            (b"\\reject late", reject("late", "")),
            (b"\\reject late by two days", reject("late", "by two days")),
        ];
        for (line, expected) in table {
            assert_eq!(Line::read(line).unwrap(), expected, "{}", text(line));
        }
        assert!(Line::read(b"\\").unwrap_err().starts_with("the line \"\\\\\" begins with a backslash: "));
        assert!(Line::read(b"\\dropped").is_err());
    }

    #[test]
    fn a_value_comes_back_as_it_was() {
        for value in [&b""[..], b"a", b"\\", b"\\drop", b"\\\\x", b"a\\b"] {
            let mut line = Vec::new();
            write(value, &mut line);
            assert_eq!(
                split(&line).map(|line| Line::read(line).unwrap()).collect::<Vec<_>>(),
                [Line::Value(Some(value))]
            );
        }
    }
}
