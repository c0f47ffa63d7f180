//! Whether a value is JSON, without making anything of it.

mod quick;

use crate::batch::Bytes;
use serde_json::Value;

/// What a row's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Object,
}

/// Checks a value: UTF-8, JSON to its end, and an object where one is asked for.
///
/// # Errors
/// It is not: why, for a person.
pub(super) fn check(value: Bytes<'_>, kind: Kind) -> Result<&str, String> {
    let bytes = value.ok_or("the value is null, which this sink has no row for")?;
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the value is not UTF-8: {error}"))?;
    if !quick::is_json(bytes) {
        let what = if kind == Kind::Object { "a JSON object" } else { "JSON" };
        // a tree, since that has a limit of depth, and of what a number may be: what reads the row may have them too
        serde_json::from_str::<Value>(text).map_err(|error| format!("the value is not {what}: {error}"))?;
    }
    if kind == Kind::Object && !text.trim_ascii_start().starts_with('{') {
        return Err("the value is JSON, and not an object".to_owned());
    }
    Ok(text)
}

/// Appends JSON on one line: a line's end may stand between its parts, and nowhere in a string.
pub(super) fn push_line(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
        out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_json_to_its_end_passes() {
        for good in ["{}", " {\"a\": [1, null]}\n", r#"{"a":"\u00e9"}"#] {
            assert_eq!(check(Some(good.as_bytes()), Kind::Object), Ok(good));
        }
        for bad in ["", "{", "{}x", "{} {}", "[1]", "1", "null", r#"{"a":"}"#, "{'a':1}"] {
            assert!(check(Some(bad.as_bytes()), Kind::Object).is_err(), "{bad}");
        }
        assert!(check(Some(b"{\"a\":\"\xff\"}"), Kind::Object).unwrap_err().contains("UTF-8"));
        assert!(check(None, Kind::Any).unwrap_err().contains("null"));
        assert_eq!(check(Some(b"[1]"), Kind::Any), Ok("[1]"));
        let deep = "[".repeat(100_000);
        assert!(check(Some(deep.as_bytes()), Kind::Any).is_err());
    }

    #[test]
    fn a_line_has_no_line_ends() {
        let mut out = b"x\n".to_vec();
        push_line("{\r\n\"a\": \"\\n\"}", &mut out);
        assert_eq!(out, b"x\n{  \"a\": \"\\n\"}");
    }
}
