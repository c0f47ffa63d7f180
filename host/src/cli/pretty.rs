//! Bytes of strangers for people's eyes: JSON indented, text as it is, everything else as base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::IgnoredAny;

/// One line, or lines where it is JSON or has some.
pub(super) fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(hostile));
    match text {
        Some(text) => indented(text).unwrap_or_else(|| text.to_owned()),
        None => format!("{} bytes in base64: {}", bytes.len(), BASE64.encode(bytes)),
    }
}

/// Text of a guest's: what could speak to a terminal is taken out.
pub(super) fn harmless(text: &str) -> String {
    text.chars().map(|letter| if hostile(letter) { '\u{fffd}' } else { letter }).collect()
}

/// The same in one line.
pub(super) fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\r', '\t'], " ")
}

/// Whether a character is an instruction to a terminal, rather than a letter.
fn hostile(letter: char) -> bool {
    letter.is_control() && !matches!(letter, '\n' | '\r' | '\t')
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
        assert_eq!(shown(Some(text.as_bytes())), expected);
    }

    #[test]
    fn what_is_no_text_is_base64_and_no_terminal_is_spoken_to() {
        assert_eq!(shown(None), "null");
        assert_eq!(shown(Some(b"")), "");
        assert_eq!(shown(Some(b"a\nb")), "a\nb");
        assert_eq!(shown(Some(b"{broken")), "{broken");
        assert_eq!(shown(Some(b"\xff\x00")), "2 bytes in base64: /wA=");
        assert_eq!(shown(Some(b"\x1b[2J")), "4 bytes in base64: G1sySg==");
        assert_eq!(harmless("a\x1bb\n"), "a\u{fffd}b\n");
        assert_eq!(one_line("a\x1bb\nc"), "a\u{fffd}b c");
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
    }
}
