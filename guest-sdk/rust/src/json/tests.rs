//! The scanner against serde_json, and the cases that decide.

use super::{Paths, Scanner, check};
use proptest::prelude::*;

/// Whether serde_json takes it; where it stops at a number beyond a float, which is JSON all the same, our own word.
fn reference(text: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => true,
        Err(error) => error.to_string().starts_with("number out of range") && check(text).is_ok(),
    }
}

#[test]
fn json_is_taken_and_anything_else_is_not() {
    let padding = " ".repeat(20);
    let good = [
        "null",
        "true",
        " false ",
        "0",
        "-0",
        "10",
        "1.5",
        "-1.50e+10",
        "1E5",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[1,2]",
        "{\"a\":1,\"b\":[{}]}",
        "\"\\u00e9\\n\\/\"",
        "\"é\"",
        "\"\\ud83d\\ude00\"",
        "\r\n\t 1 ",
        "{\"a\":1,\"a\":2}",
        "\"a string that is longer than one block, and then some\"",
        "\"\u{7f}\"",
        "1e999",
    ];
    let bad = [
        "",
        " ",
        "nul",
        "nullx",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "1e+",
        "--1",
        "\"",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\"",
        "\"\u{1}\"",
        "\"\n\"",
        "[",
        "]",
        "[1",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "1 2",
        "'a'",
        "\u{feff}1",
        "NaN",
        "Infinity",
        "tru",
        "\u{b}1",
        "{}}",
        "[]]",
        "{\"a\":1]",
        "[1}",
        "\0",
        "1\0",
    ];
    for text in good {
        for text in [text.to_owned(), format!("{padding}{text}{padding}"), format!("[{text},{text}]")] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
            assert!(reference(text.as_bytes()), "{text}");
        }
    }
    for text in bad {
        for text in [text.to_owned(), format!("{padding}{text}{padding}"), format!("[{text},0]{padding}")] {
            assert!(check(text.as_bytes()).is_err(), "{text}");
            assert!(!reference(text.as_bytes()), "{text}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_refused_wherever_they_are() {
    for bytes in [&b"\xff"[..], b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"] {
        for text in [
            [b"\"".as_slice(), bytes, b"\""].concat(),
            [b"\"long enough for a block of bytes ", bytes, b" and long enough behind it\""].concat(),
            [b"{\"", bytes, b"\":1}"].concat(),
            [b"[1]", bytes].concat(),
            [b"\"a", bytes, b"\""].concat(),
            [b"\"  ", bytes, b"A\""].concat(),
        ] {
            assert!(check(&text).is_err(), "{text:?}");
        }
    }
}

#[test]
fn depth_is_bounded_as_in_serde_json() {
    for depth in 120..140 {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(text.as_bytes()).is_ok(), reference(text.as_bytes()), "{depth}");
        let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(check(text.as_bytes()).is_ok(), reference(text.as_bytes()), "{depth}");
    }
    assert!(check("[".repeat(10_000_000).as_bytes()).is_err());
}

#[test]
fn an_error_says_what_and_where() {
    let error = check(b"{\"a\":1 \"b\":2}").map_err(|error| error.to_string());
    assert_eq!(error, Err("expected `,` or `}` at byte 7".to_owned()));
}

#[test]
fn paths_stay_right_when_there_are_more_shapes_than_are_kept() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = Paths::new();
    let place = paths.add(&["v"])?;
    for at in 0..30_000 {
        // Every shape is new, and some records are larger than any that is kept.
        let many = "\"x\":0,".repeat(if at % 1000 == 0 { 60_000 } else { at % 3 });
        let record = format!("{{{many}\"name{}\":1,\"v\":{at}}}", at % 10_007);
        let found = paths.find(record.as_bytes())?[place].range().map(|range| &record[range]);
        assert_eq!(found, Some(&*at.to_string()));
    }
    let record = br#"{"name1":1,"w":1}"#;
    assert_eq!(paths.find(record)?[place].range(), None);
    Ok(())
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[a-z\"\\\\\n\t/é€😀]{0,40}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_serde_writes_is_taken_and_one_changed_byte_is_judged_alike(
        tree in tree(), pretty: bool, at: prop::sample::Index, byte: u8, cut: bool,
    ) {
        let text = if pretty { serde_json::to_vec_pretty(&tree) } else { serde_json::to_vec(&tree) };
        let mut text = text.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(check(&text), Ok(()));
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        prop_assert_eq!(check(&text).is_ok(), reference(&text));
    }

    #[test]
    fn soup_is_judged_alike(text in "[\\[\\]{}:,\"\\\\ue0-9tfn. a+é-]{0,24}") {
        prop_assert_eq!(check(text.as_bytes()).is_ok(), reference(text.as_bytes()), "{}", text);
    }

    #[test]
    fn a_string_means_what_serde_says(text: String) {
        for written in [serde_json::to_string(&text), Ok(escaped(&text))] {
            let written = written.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let read = Scanner::new(written.as_bytes()).string().map(|text| text.unescaped().into_owned());
            prop_assert_eq!(read, Ok(text.clone()));
        }
    }
}

/// A value's text: strings of every length and alphabet, and what else there is.
fn value() -> impl Strategy<Value = String> {
    let quoted = |text: String| serde_json::to_string(&text).unwrap_or_default();
    prop_oneof![
        4 => "[ -~]{0,140}".prop_map(quoted),
        2 => "[a-zé€क😀\u{7ff}\u{d7ff}\"\\\\\n]{0,50}".prop_map(quoted),
        1 => any::<String>().prop_map(|text| escaped(&text)),
        2 => "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?",
        1 => prop::sample::select(vec!["null", "true", "false", "{}", "[]", "{\"a\":[1,\"b\"]}"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_record_of_a_known_shape_is_read_as_one_that_is_parsed(
        records in prop::collection::vec((prop::array::uniform3(value()), prop::sample::select(vec!["", " ", "\n\t"])), 1..6),
        at: prop::sample::Index, byte: u8, change in 0..3u8,
    ) {
        let mut taught = Paths::ignoring_case();
        let names: [&[&str]; 3] = [&["first"], &["inner", "second one"], &["inner", "third"]];
        let add = |paths: &mut Paths| names.iter().for_each(|path| drop(paths.add(path)));
        add(&mut taught);
        for (values, space) in records {
            let [first, second, third] = &values;
            let text = format!(
                "{{{space}\"first\":{space}{first},\"other\":[7]{space},\"inner\":{{\"second one\":{second},\"third\":{third}{space}}}}}"
            );
            // The second time its shape is known.
            for _ in 0..2 {
                let places = taught.find(text.as_bytes()).map(<[_]>::to_vec);
                let places = places.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
                for (place, value) in places.iter().zip(&values) {
                    prop_assert_eq!(place.range().map(|range| &text[range]), Some(value.as_str()), "{}", text);
                }
            }
            let mut changed = text.into_bytes();
            let at = at.index(changed.len());
            match change {
                0 => changed[at] = byte,
                1 => changed.truncate(at),
                _ => changed.insert(at, byte),
            }
            let mut fresh = Paths::ignoring_case();
            add(&mut fresh);
            let found = taught.find(&changed).map(<[_]>::to_vec);
            prop_assert_eq!(&found, &fresh.find(&changed).map(<[_]>::to_vec), "{}", String::from_utf8_lossy(&changed));
            let is_object = changed.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
            prop_assert_eq!(found.is_ok(), is_object && reference(&changed), "{}", String::from_utf8_lossy(&changed));
        }
    }
}

/// The text with every character escaped.
fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    format!("\"{units}\"")
}
