//! Whether a value is JSON, without making anything of it.

use crate::batch::Bytes;
use edgemill_guest::json::Paths;
use serde_json::Value;

/// What a row's value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Object,
}

/// Checks values: a sink's rows are alike, and one that is like a row before is compared and not parsed.
#[derive(Default)]
pub struct Checker(Paths);

impl Checker {
    /// Checks a value: UTF-8, JSON to its end, and an object where one is asked for.
    ///
    /// # Errors
    /// It is not: why, for a person.
    pub(super) fn check<'v>(&mut self, value: Bytes<'v>, kind: Kind) -> Result<&'v [u8], String> {
        let value = value.ok_or("the value is null, which this sink has no row for")?;
        match self.0.find(value) {
            Ok(_) => Ok(value),
            Err(_) => judge(value, kind).map(str::as_bytes),
        }
    }
}

/// Says why a value is not what it must be, where the scanner does not know it to be an object.
///
/// # Errors
/// It is not.
pub(super) fn judge(value: &[u8], kind: Kind) -> Result<&str, String> {
    let text = std::str::from_utf8(value).map_err(|error| format!("the value is not UTF-8: {error}"))?;
    let what = if kind == Kind::Object { "a JSON object" } else { "JSON" };
    // a tree, since that has a limit of depth: what reads the row may have one too
    serde_json::from_str::<Value>(text).map_err(|error| format!("the value is not {what}: {error}"))?;
    if kind == Kind::Object && !text.trim_ascii_start().starts_with('{') {
        return Err("the value is JSON, and not an object".to_owned());
    }
    Ok(text)
}

/// Appends JSON on one line: a line's end may stand between its parts, and nowhere in a string.
pub(super) fn push_line(text: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text);
    if memchr::memchr2(b'\n', b'\r', text).is_some() {
        out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_json_to_its_end_passes() {
        // twice: what is like a row before goes another way
        let mut checker = Checker::default();
        for _ in 0..2 {
            for good in ["{}", " {\"a\": [1, null]}\n", r#"{"a":"\u00e9"}"#, "{\"a\":1e999}"] {
                assert_eq!(checker.check(Some(good.as_bytes()), Kind::Object), Ok(good.as_bytes()));
            }
            for bad in ["", "{", "{}x", "{} {}", "[1]", "1", "null", r#"{"a":"}"#, r#"{"a":"\ud800"}"#, "{'a':1}"] {
                assert!(checker.check(Some(bad.as_bytes()), Kind::Object).is_err(), "{bad}");
            }
            let wrong = checker.check(Some(b"{\"a\":\"\xff\"}"), Kind::Object);
            assert!(wrong.unwrap_err().contains("UTF-8"));
        }
        assert!(checker.check(None, Kind::Any).unwrap_err().contains("null"));
        assert_eq!(checker.check(Some(b"[1]"), Kind::Any), Ok(&b"[1]"[..]));
        let deep = "[".repeat(100_000);
        assert!(checker.check(Some(deep.as_bytes()), Kind::Any).is_err());
    }

    #[test]
    fn a_line_has_no_line_ends() {
        let mut out = b"x\n".to_vec();
        push_line(b"{\r\n\"a\": \"\\n\"}", &mut out);
        assert_eq!(out, b"x\n{  \"a\": \"\\n\"}");
    }

    /// Text of JSON's own characters, which is JSON now and then.
    fn nearly() -> impl Strategy<Value = String> {
        let parts =
            ["{", "}", "[", "]", ",", ":", "\"", "\\", "a", "é", "0", "1", "-", ".", "e", "+", "true", "null", " "];
        let more = ["\"a\"", "\"a\":", "\\u00e9", "\u{1}", "\n", "[1,2]", "{\"k\":\"v\"}"];
        let all: Vec<&str> = parts.into_iter().chain(more).collect();
        proptest::collection::vec(proptest::sample::select(all), 0..12)
            .prop_map(|parts| format!("{{\"a\":{}}}", parts.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn exactly_json_passes_whatever_passed_before(texts in proptest::collection::vec(nearly(), 1..8)) {
            let mut checker = Checker::default();
            for text in texts {
                let is_json = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
                prop_assert_eq!(checker.check(Some(text.as_bytes()), Kind::Object).is_ok(), is_json, "{}", text);
            }
        }
    }
}
