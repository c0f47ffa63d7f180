//! Bytes of strangers for people's eyes: JSON indented, text as it is, everything else as base64. No text makes a line that looks
//! like one of the program's, or speaks to a terminal.

use crate::harmless::is_hostile;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::IgnoredAny;

/// On one line: text that does not fit there, or may not, is in quotes and escaped as in JSON.
pub(super) fn shown(bytes: Option<&[u8]>) -> String {
    match bytes.map(std::str::from_utf8) {
        None => "null".to_owned(),
        Some(Ok(text)) if !text.contains(is_hostile) => text.to_owned(),
        Some(Ok(text)) => escaped(&serde_json::Value::from(text).to_string()),
        Some(Err(_)) => encoded(bytes.unwrap_or_default()),
    }
}

/// A record's value, with lines where it is JSON or has some: those of text begin with `|`.
pub(super) fn value(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let Ok(text) = std::str::from_utf8(bytes) else { return encoded(bytes) };
    if let Some(json) = indented(text) {
        return escaped(&json);
    }
    match text.contains('\n') {
        true => escaped(&text.lines().map(|line| format!("| {line}\n")).collect::<String>()).trim_end().to_owned(),
        false => escaped(text),
    }
}

fn encoded(bytes: &[u8]) -> String {
    format!("{} bytes in base64: {}", bytes.len(), BASE64.encode(bytes))
}

/// Writes what is hostile as JSON does, but for ends of lines.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => out.push(letter),
            // there are none of more than 16 bits
            letter if is_hostile(letter) => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out
}

/// JSON with a line for each member. Keys keep their order and numbers their digits, so it is not parsed and written anew.
fn indented(text: &str) -> Option<String> {
    if !text.trim_start().starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if quoted {
            out.push(letter);
            (quoted, escaped) = (escaped || letter != '"', !escaped && letter == '\\');
            continue;
        }
        match letter {
            '"' => {
                quoted = true;
                out.push(letter);
            }
            '{' | '[' => {
                out.push(letter);
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(close);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if letter.is_ascii_whitespace() => {}
            _ => out.push(letter),
        }
    }
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_indented_with_its_order_and_digits() {
        let text = r#"{"b":[1, 2.50,{}],"a":"x, \"y\": {\\","n":12345678901234567890,"e":[ ]}"#;
        let expected = "{\n  \"b\": [\n    1,\n    2.50,\n    {}\n  ],\n  \"a\": \"x, \\\"y\\\": {\\\\\",\n  \"n\": 12345678901234567890,\n  \"e\": []\n}";
        assert_eq!(value(Some(text.as_bytes())), expected);
    }

    #[test]
    fn what_is_no_text_is_base64_and_no_terminal_is_spoken_to() {
        for show in [shown, value] {
            assert_eq!(show(None), "null");
            assert_eq!(show(Some(b"")), "");
            assert_eq!(show(Some(b"{broken")), "{broken");
            assert_eq!(show(Some(b"\xff\x00")), "2 bytes in base64: /wA=");
        }
        assert_eq!(value(Some(b"\x1b[2J")), "\\u001b[2J");
        assert_eq!(shown(Some(b"\x1b[2J")), "\"\\u001b[2J\"");
        assert_eq!(shown(Some("a\u{202e}b".as_bytes())), "\"a\\u202eb\"");
        assert_eq!(value(Some("{\"a\u{202e}\":1}".as_bytes())), "{\n  \"a\\u202e\": 1\n}");
    }

    #[test]
    fn no_text_forges_a_line() {
        assert_eq!(shown(Some(b"a\nheader        b = c")), "\"a\\nheader        b = c\"");
        assert_eq!(value(Some(b"a\r\nbacktrace\n\tb\rc\n")), "| a\n| backtrace\n| \tb\\u000dc");
    }

    proptest! {
        #[test]
        fn indenting_changes_nothing_but_space(keys in proptest::collection::vec(".*", 0..5), numbers in any::<[i64; 3]>()) {
            let members: serde_json::Map<_, _> =
                keys.into_iter().map(|key| (key.clone(), serde_json::json!([key, numbers, {}]))).collect();
            let value = serde_json::Value::Object(members);
            let indented = indented(&value.to_string()).expect("it is JSON");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&indented).expect("it still is"), value);
        }

        #[test]
        fn no_bytes_make_a_key_of_two_lines_or_a_value_with_a_line_of_its_own(
            text in ".*|[a{}\\[\\]\"\\n\\r\\x1b\u{85}\u{2028}\u{202e}]*", bytes in proptest::collection::vec(any::<u8>(), 0..20)
        ) {
            for bytes in [text.as_bytes(), &bytes] {
                prop_assert!(!shown(Some(bytes)).contains(is_hostile));
                let value = value(Some(bytes));
                prop_assert!(!value.contains(|letter| is_hostile(letter) && !matches!(letter, '\n' | '\t')));
                let own = |line: &str| line.starts_with(|letter: char| letter.is_ascii_alphabetic());
                prop_assert!(value.lines().skip(1).all(|line| !own(line)), "{}", value);
            }
        }
    }
}
