//! Rows of all kinds: each becomes one line that the server reads back, or is refused with the reason.

use super::*;
use crate::config::{Address, HttpBatch, HttpClient, SqlColumn, Unit};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::time::Duration;

fn column(name: &str, from: &str, kind: ColumnType) -> SqlColumn {
    let from = from.split('.').map(str::to_owned).collect();
    SqlColumn { name: name.to_owned(), from, kind, required: false }
}

fn config(id: Id, columns: Vec<SqlColumn>, tombstones: Tombstones) -> Featurebase {
    let age = Duration::from_secs(1);
    Featurebase {
        url: Address::default(),
        headers: Default::default(),
        table: "t".to_owned(),
        id,
        columns,
        create_table: false,
        tombstones,
        batch: HttpBatch { records: 10, bytes: 1 << 20, age, window: 1, in_flight: 1 << 20 },
        client: HttpClient { timeout: age, ca: None, identity: None, gzip: false, secrets: Vec::new() },
    }
}

fn columns() -> Vec<SqlColumn> {
    vec![
        column("a", "a", ColumnType::Int { min: None, max: None }),
        column("b", "b.c", ColumnType::String),
        column("d", "b.d", ColumnType::StringSet),
        column("e", "e", ColumnType::Bool),
        column("f", "f", ColumnType::Decimal(2)),
        column("g", "g", ColumnType::Timestamp(Some(Unit::Ms))),
        column("h", "h", ColumnType::IdSet),
        column("i", "b", ColumnType::Id),
    ]
}

fn row<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Row<'a> {
    Row { topic: "t", partition: 3, offset: 42, number: 0, key, value }
}

fn line(rows: &Rows, row: Row<'_>) -> Result<String, String> {
    let mut out = b"before".to_vec();
    rows.push(row, &[(-10, 10)], &mut out).map(|()| String::from_utf8(out.split_off(6)).unwrap())
}

fn ids(parts: &[Part]) -> Rows {
    let id = Id { parts: parts.to_vec(), number: false };
    Rows::new(&config(id, vec![column("a", "a", ColumnType::Int { min: None, max: None })], Tombstones::Refuse))
}

fn of(path: &str) -> Part {
    Part::Field(path.split('.').map(str::to_owned).collect())
}

#[test]
fn values_are_found_wherever_they_lie() {
    let rows = Rows::new(&config(Id::default(), columns(), Tombstones::Refuse));
    let value = br#" {"x":[{}],"b":{"d":["it's"],"y":"\\","c":"\u00e9\n"},"a":7,"\u0065":true,"z":null,"f":0.5}
"#;
    assert_eq!(
        line(&rows, row(None, Some(value))).unwrap_err(),
        "the column `i`: not a whole number from 0 to 9223372036854775807"
    );
    let rows = Rows::new(&config(Id::default(), columns()[..7].to_vec(), Tombstones::Refuse));
    assert_eq!(
        line(&rows, row(None, Some(value))).unwrap(),
        r#"["t-3-42",7,"\u00e9\n",["it''s"],true,"0.50",null,null]"#
    );
    assert_eq!(line(&rows, row(None, Some(b"{}"))).unwrap(), r#"["t-3-42",null,null,null,null,null,null,null]"#);
    assert_eq!(line(&rows, row(None, Some(b"{\"b\":null,\"a\":null}"))).unwrap().matches("null").count(), 7);
    let wrong = [
        (&b"{\"a\":11}"[..], "the column `a`: out of range: -10 to 10"),
        (b"{\"b\":[1]}", "`b` is no object"),
        (b"{\"a\":1} {}", "trailing characters"),
        (b"{\"a\":1", "EOF"),
        (b"[{\"a\":1}]", "the value is JSON, and not an object"),
        (b"7", "the value is JSON, and not an object"),
        (b"\xff", "UTF-8"),
        (b"{\"a\":\"\xff\"}", "UTF-8"),
        (b"", "not a JSON object"),
    ];
    for (value, why) in wrong {
        let told = line(&rows, row(None, Some(value))).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    assert!(line(&rows, row(None, None)).unwrap_err().contains("null"));
}

#[test]
fn a_required_column_must_have_a_value() {
    let mut columns = columns();
    columns[0].required = true;
    let rows = Rows::new(&config(Id::default(), columns, Tombstones::Refuse));
    for value in [&b"{}"[..], b"{\"a\":null}"] {
        assert_eq!(line(&rows, row(None, Some(value))).unwrap_err(), "there is no value for the column `a`");
    }
}

#[test]
fn an_id_is_of_the_records_place_its_key_or_fields() {
    let value = br#"{"a":1,"n":{"x":"it's \u0041\"","y":2.50},"z":"a","list":[],"empty":""}"#;
    let (text, key) = (Part::Text("-".to_owned()), Some(&b"k\n'1"[..]));
    let good: [(&[Part], &str); 5] = [
        (&[Part::Topic, text.clone(), Part::Partition, Part::Offset], "t-342"),
        (&[Part::Key, Part::Row], r"k\u000a''10"),
        (&[of("n.x"), text.clone(), of("n.y")], r#"it''s A\"-2.50"#),
        (&[of("z")], "a"),
        (&[of("empty"), text], "-"),
    ];
    for (parts, id) in good {
        assert_eq!(line(&ids(parts), row(key, Some(value))).unwrap(), format!("[\"{id}\",1]"));
    }
    let bad = [
        (of("nothing"), "there is no field `nothing`"),
        (of("list"), "the field `list` is a list or an object"),
        (of("empty"), "`_id` would be empty"),
    ];
    for (part, why) in bad {
        let told = line(&ids(&[part]), row(key, Some(value))).unwrap_err();
        assert!(told.contains(why), "{told}");
    }
    assert!(line(&ids(&[Part::Key]), row(None, Some(value))).unwrap_err().contains("the key is null"));
    assert!(line(&ids(&[Part::Key]), row(Some(b"\xff"), Some(value))).unwrap_err().contains("UTF-8"));
}

#[test]
fn rows_of_one_record_are_never_made_one() {
    let second = Row { number: 1, ..row(None, Some(b"{\"a\":1}")) };
    let told = line(&ids(&[Part::Topic, Part::Offset]), second).unwrap_err();
    assert!(told.contains("add `{row}` to `id`"), "{told}");
    assert_eq!(line(&ids(&[Part::Offset, Part::Row]), second).unwrap(), "[\"421\",1]");
    assert!(line(&ids(&[of("a")]), second).is_ok());
}

#[test]
fn ids_may_be_numbers() {
    let number = |part: Part, key, value| {
        let id = Id { parts: vec![part], number: true };
        let delete = Tombstones::Delete(vec![Part::Key]);
        line(&Rows::new(&config(id, columns()[..1].to_vec(), delete)), row(key, value))
    };
    let value = Some(&b"{\"a\":1,\"n\":9,\"m\":-9}"[..]);
    assert_eq!(number(of("n"), None, value).unwrap(), "[9,1]");
    assert_eq!(number(Part::Offset, None, value).unwrap(), "[42,1]");
    assert_eq!(number(Part::Key, Some(b"7"), value).unwrap(), "[7,1]");
    assert_eq!(number(Part::Key, Some(b"7"), None).unwrap(), "D7");
    for (part, key) in [(of("m"), None), (Part::Key, Some(&b"x"[..])), (Part::Key, Some(b"-1")), (of("x"), None)] {
        assert!(number(part, key, value).unwrap_err().contains("`_id`"));
    }
}

#[test]
fn a_line_is_never_longer_than_the_server_reads() {
    let rows = Rows::new(&config(Id::default(), columns(), Tombstones::Refuse));
    let value = |texts: usize, last: usize| {
        let mut set: Vec<String> = (0..texts).map(|_| "'".repeat(1000)).collect();
        set.push("x".repeat(last));
        json!({ "b": { "d": set } }).to_string().replace("\"i\"", "")
    };
    let rows_of_a_set = Rows::new(&config(Id::default(), columns()[2..3].to_vec(), Tombstones::Refuse));
    drop(rows);
    // ["t-3-42",["…",…,"…"]]
    let around = r#"["t-3-42",[""]]"#.len() + 60 * 3;
    for (last, fits) in [(LINE - 60_000 - around, true), (LINE - 60_000 - around + 1, false)] {
        let told = line(&rows_of_a_set, row(None, Some(value(60, last).as_bytes())));
        assert_eq!(told.is_ok(), fits, "{last}");
        if let Ok(line) = told {
            assert_eq!(line.replace("''", "'").len(), LINE);
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(json!("2024-01-02T03:04:05Z")),
        Just(json!("it's")),
    ];
    let keys = prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "h", "i", "x'"]);
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((keys.clone(), inner), 0..8)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// What every line must be, whatever it came of.
fn reads_back(line: &str, columns: usize) {
    assert!(!line.contains(['\n', '\r']), "{line}");
    let undone = line.replace("''", "'");
    assert_eq!(undone.matches('\'').count() * 2, line.matches('\'').count(), "{line}");
    let Some(id) = undone.strip_prefix('D') else {
        let Ok(Value::Array(values)) = serde_json::from_str(&undone) else { panic!("{undone}") };
        assert_eq!(values.len(), columns + 1);
        assert!(values[0].as_str().is_some_and(|id| !id.is_empty()));
        return assert!(undone.len() <= LINE);
    };
    assert!(serde_json::from_str::<String>(id).is_ok_and(|id| !id.is_empty()));
}

proptest! {
    #[test]
    fn any_value_is_one_line_that_reads_back_or_is_refused(value in any_json(), key in ".*", by_key in any::<bool>()) {
        let id = if by_key { Id { parts: vec![Part::Key], number: false } } else { Id { parts: vec![of("d")], number: false } };
        let text = value.to_string();
        for columns in [columns(), columns()[..7].to_vec(), columns()[1..2].to_vec()] {
            let count = columns.len();
            let rows = Rows::new(&config(id.clone(), columns, Tombstones::Delete(vec![Part::Key])));
            for value in [Some(text.as_bytes()), None] {
                if let Ok(line) = line(&rows, row(Some(key.as_bytes()), value)) {
                    reads_back(&line, count);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_one_line_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), object in any::<bool>()) {
        if object {
            bytes = [b"{\"b\":{\"c\":\"", &bytes[..], b"\"}}"].concat();
        }
        let rows = Rows::new(&config(Id::default(), columns()[..7].to_vec(), Tombstones::Refuse));
        if let Ok(line) = line(&rows, row(None, Some(&bytes))) {
            reads_back(&line, 7);
        }
    }
}
