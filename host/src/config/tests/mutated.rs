//! Whatever is done to a good file, reading it gives a configuration or a report, and no secret in it.

use super::parse;
use proptest::prelude::*;
use proptest::sample::Index;

const GOOD: &str = include_str!("good.toml");

#[derive(Clone, Debug)]
enum Change {
    Remove(Index, usize),
    Insert(Index, String),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let scrap = prop::sample::select(vec![
        "\"",
        "'",
        "[",
        "]",
        "{",
        "}",
        "=",
        "\n",
        ".",
        "${",
        "}",
        "\"\"\"",
        "0",
        "-1",
        "1e9",
        "é",
        "\u{1F600}",
        "true",
        "nan",
        "1979-05-27T07:32:00Z",
        "[[",
        "librdkafka",
        "chain",
        "source",
        "\t",
        "\r",
        "\0",
        "18446744073709551616",
    ]);
    prop_oneof![
        (any::<Index>(), 1..40usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), scrap).prop_map(|(at, scrap)| Change::Insert(at, scrap.to_owned())),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn apply(text: &mut Vec<char>, change: Change) {
    match change {
        Change::Remove(at, length) => {
            let start = at.index(text.len().max(1)).min(text.len());
            let end = (start + length).min(text.len());
            text.drain(start..end);
        }
        Change::Insert(at, scrap) => {
            let at = at.index(text.len() + 1);
            text.splice(at..at, scrap.chars());
        }
        Change::Swap(one, other) => {
            // whole lines, so that keys come into tables where they do not belong
            let mut lines: Vec<String> = text.iter().collect::<String>().lines().map(str::to_owned).collect();
            let count = lines.len().max(1);
            lines.resize(count, String::new());
            lines.swap(one.index(count), other.index(count));
            *text = lines.join("\n").chars().collect();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_a_file_makes_reading_panic(changes in prop::collection::vec(change(), 1..6)) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for change in changes {
            apply(&mut text, change);
        }
        let text: String = text.into_iter().collect();
        match parse(&text) {
            Ok((config, report)) => {
                let _ = (format!("{config:?}"), report.render(true));
            }
            Err(report) => {
                prop_assert!(report.has_errors());
                let _ = report.render(true);
            }
        }
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
        let _ = parse(&text).map_err(|report| report.render(true));
    }
}
