//! Flattening against a reference that builds trees, and the rules one by one.

use crate::Flatten;
use edgemill_guest::testing::{Harness, Results};
use proptest::prelude::*;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const FLIGHT: &str = r#"{"flight_id":"a-1","airline":"Ünited \"Air\"","stops":1,"price":123.4,"origin":{"airport":"O'Hare","iata":"ORD","icao":"KORD","location":{"city":"Chicago","state":"Illinois","country":"US"}},"destination":{"Airport":"Changi","IATA":"SIN","ICAO":"WSSS","Loc":{"City":"Singapore","State":null,"Country":"Singapore"}}}"#;
const FLAT: &str = r#"{"_id":"a-1","airline":"Ünited \"Air\"","stops":1,"price":123.40,"origin_airport":"O'Hare","origin_iata":"ORD","origin_icao":"KORD","origin_loc_city":"Chicago","origin_loc_state":"Illinois","origin_loc_country":"US","destination_airport":"Changi","destination_iata":"SIN","destination_icao":"WSSS","destination_loc_city":"Singapore","destination_loc_state":null,"destination_loc_country":"Singapore"}"#;

/// One field `f` of this type, read from `v`.
fn field(kind: &str, values: &[&str]) -> Result<Results> {
    let config = format!(r#"{{"schema":[{{"name":"f","path":["v"],{kind}}}]}}"#);
    let records: Vec<String> = values.iter().map(|value| format!(r#"{{"v":{value},"more":"{:40}"}}"#, "")).collect();
    Ok(Harness::configured::<Flatten>(&config)?.run(&records))
}

fn accepts(kind: &str, cases: &[(&str, &str)]) -> Result {
    let values: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let wanted: Vec<String> = cases.iter().map(|case| format!(r#"{{"f":{}}}"#, case.1)).collect();
    let results = field(kind, &values)?;
    assert_eq!((results.texts(), results.codes()), (wanted, vec![]), "{kind}");
    Ok(())
}

fn refuses(kind: &str, code: &str, values: &[&str]) -> Result {
    let results = field(kind, values)?;
    assert_eq!((results.texts(), results.codes()), (vec![], vec![code; values.len()]), "{kind}: {values:?}");
    assert!(results.rejects.iter().all(|reject| reject.message.contains("field f")), "{:?}", results.rejects);
    Ok(())
}

#[test]
fn a_flight_is_flat_whatever_its_spelling_and_white_space() -> Result {
    let spaced = FLIGHT.replace(':', " : ").replace(',', " ,\n").replace('{', "\t{ ").replace('}', " } ");
    let upper = ["airport", "iata", "icao", "location", "city", "state", "country", "origin", "flight_id"]
        .iter()
        .fold(FLIGHT.to_owned(), |text, name| {
            text.replace(&format!("\"{name}\""), &format!("{:?}", name.to_uppercase()))
        });
    let escaped = FLIGHT.replace("\"city\"", "\"c\\u0069ty\"");
    let records = [FLIGHT, &spaced, &upper, &escaped];
    let mut flatten = Harness::configured::<Flatten>("null")?;
    for _ in 0..3 {
        assert_eq!(flatten.run(records).texts(), [FLAT; 4]);
    }
    Ok(())
}

#[test]
fn a_tombstone_passes_and_keeps_its_key() -> Result {
    let tombstone = edgemill_guest::testing::Input { key: Some(b"k".to_vec()), ..Default::default() };
    let results = Harness::configured::<Flatten>("null")?.run([FLIGHT.into(), tombstone.clone()]);
    assert_eq!((&results.outputs[1].key, &results.outputs[1].value), (&tombstone.key, &None));
    assert_eq!(results.outputs[0].text(), FLAT);
    Ok(())
}

#[test]
fn missing_fields_follow_the_configuration_and_an_id_is_never_missing() -> Result {
    let run = |on_missing: &str, record: &str| -> Result<(Vec<String>, Vec<String>)> {
        let schema = r#"[{"name":"_id","path":["id"],"type":"string"},{"name":"c","path":["o","c"],"type":"int"}]"#;
        let config = format!(r#"{{"schema":{schema},"on_missing":"{on_missing}"}}"#);
        let results = Harness::configured::<Flatten>(&config)?.run([record]);
        Ok((results.texts(), results.codes().into_iter().map(Into::into).collect()))
    };
    for record in [r#"{"id":"1"}"#, r#"{"id":"1","o":null}"#, r#"{"id":"1","o":{}}"#, r#"{"o":{"c":null},"id":"1"}"#] {
        assert_eq!(run("null", record)?.0, [r#"{"_id":"1","c":null}"#], "{record}");
        assert_eq!(run("omit", record)?.0, [r#"{"_id":"1"}"#], "{record}");
        assert_eq!(run("reject", record)?.1, ["missing"], "{record}");
    }
    for on_missing in ["null", "omit", "reject"] {
        assert_eq!(run(on_missing, r#"{"o":{"c":1}}"#)?.1, ["missing"]);
        assert_eq!(run(on_missing, r#"{"id":"1","o":7}"#)?.1, ["wrong-type"]);
    }
    Ok(())
}

#[test]
fn where_a_name_repeats_the_last_one_counts() -> Result {
    let schema =
        r#"{"schema":[{"name":"a","path":["o","a"],"type":"int"},{"name":"b","path":["o","b"],"type":"int"}]}"#;
    let records = [
        (r#"{"o":{"a":1,"b":2}}"#, r#"{"a":1,"b":2}"#),
        (r#"{"o":{"a":1,"a":3,"b":2}}"#, r#"{"a":3,"b":2}"#),
        (r#"{"o":{"a":1,"b":2},"O":{"B":4}}"#, r#"{"a":null,"b":4}"#),
        (r#"{"o":{"a":1,"b":2},"o":null}"#, r#"{"a":null,"b":null}"#),
        (r#"{"o":7,"o":{"a":1}}"#, r#"{"a":1,"b":null}"#),
    ];
    let mut flatten = Harness::configured::<Flatten>(schema)?;
    for _ in 0..3 {
        for (record, flat) in records {
            assert_eq!(flatten.run([record]).texts(), [flat], "{record}");
        }
    }
    Ok(())
}

#[test]
fn text_and_bool_are_copied_and_nothing_else_passes_for_them() -> Result {
    accepts(r#""type":"string""#, &[(r#""""#, r#""""#), (r#""a\u0041\n""#, r#""a\u0041\n""#), ("null", "null")])?;
    refuses(r#""type":"string""#, "wrong-type", &["1", "true", "{}", "[\"a\"]"])?;
    accepts(r#""type":"bool""#, &[("true", "true"), ("false", "false")])?;
    refuses(r#""type":"bool""#, "wrong-type", &["1", "\"true\"", "{}", "[]"])
}

#[test]
fn numbers_are_brought_to_their_scale_exactly() -> Result {
    let decimal = r#""type":"decimal","scale":2"#;
    accepts(
        decimal,
        &[
            ("1", "1.00"),
            ("12.5", "12.50"),
            ("12.34", "12.34"),
            ("1.2300", "1.23"),
            ("1e2", "100.00"),
            ("1.5E-1", "0.15"),
            ("0.125e1", "1.25"),
            ("-0.5", "-0.50"),
            ("-1.5", "-1.50"),
            ("-0", "0.00"),
            ("-0.0", "0.00"),
            ("0e999999999999", "0.00"),
            ("\"7.1\"", "7.10"),
            ("92233720368547758.07", "92233720368547758.07"),
            ("-92233720368547758.08", "-92233720368547758.08"),
            ("100000000000000000000e-20", "1.00"),
            ("0.10", "0.10"),
            ("1234567890123456", "1234567890123456.00"),
        ],
    )?;
    refuses(decimal, "precision", &["1.234", "0.001", "1e-3", "1e-99999999999999999999", "\"1.001\""])?;
    refuses(
        decimal,
        "out-of-range",
        &["92233720368547758.08", "-92233720368547758.09", "1e17", "1e999999999999", "99999999999999999"],
    )?;
    refuses(decimal, "wrong-type", &["\"\"", "\" 1\"", "\"1,5\"", "\"0x1\"", "\"\\u0031\"", "true", "{}", "[1]"])?;
    accepts(
        r#""type":"decimal","config":{"Scale":18}"#,
        &[("1", "1.000000000000000000"), ("9.2", "9.200000000000000000")],
    )?;
    refuses(r#""type":"decimal","scale":18"#, "out-of-range", &["9.3", "10", "-10"])
}

#[test]
fn integers_and_ids_are_bounded() -> Result {
    let int = r#""type":"int""#;
    accepts(int, &[("0", "0"), ("-7", "-7"), ("1.0", "1"), ("1e3", "1000"), ("\"5\"", "5"), ("-0", "0")])?;
    accepts(int, &[("9223372036854775807", "9223372036854775807"), ("-9223372036854775808", "-9223372036854775808")])?;
    refuses(int, "out-of-range", &["9223372036854775808", "-9223372036854775809", "1e19"])?;
    refuses(int, "precision", &["1.5", "1e-1"])?;
    accepts(r#""type":"id""#, &[("0", "0"), ("18446744073709551615", "18446744073709551615"), ("\"12\"", "12")])?;
    refuses(r#""type":"id""#, "out-of-range", &["-1", "18446744073709551616", "-12345678901234567890"])
}

#[test]
fn timestamps_are_dates_of_the_calendar() -> Result {
    let timestamp = r#""type":"timestamp""#;
    let good = ["\"2026-02-28T23:59:60Z\"", "\"2024-02-29T00:00:00.123+23:59\"", "1700000000", "-1"];
    accepts(timestamp, &good.map(|text| (text, text)))?;
    refuses(
        timestamp,
        "wrong-type",
        &[
            "\"2026-02-29T00:00:00Z\"",
            "\"2026-13-01T00:00:00Z\"",
            "\"2026-01-01\"",
            "\"2026-01-01T24:00:00Z\"",
            "true",
            "\"2026-01-01T00:00:00\"",
            "\"2026-01-01T00:00:00.Z\"",
            "\"2026-01-01T00:00:00+24:00\"",
            "\"2026-00-01T00:00:00Z\"",
        ],
    )
}

#[test]
fn sets_take_one_or_many() -> Result {
    accepts(
        r#""type":"stringset""#,
        &[("[]", "[]"), ("\"a\"", "[\"a\"]"), ("[ \"a\" , \"\\n\" ]", "[\"a\",\"\\n\"]")],
    )?;
    refuses(r#""type":"stringset""#, "wrong-type", &["[1]", "[\"a\",null]", "[[]]", "1", "{}"])?;
    accepts(r#""type":"idset""#, &[("[]", "[]"), ("7", "[7]"), ("[ 1, \"2\" ,3.0]", "[1,2,3]")])?;
    refuses(r#""type":"idset""#, "wrong-type", &["[true]", "\"a\"", "[null]"])?;
    refuses(r#""type":"idset""#, "out-of-range", &["[-1]"])
}

#[test]
fn what_is_no_json_object_is_refused() -> Result {
    let mut flatten = Harness::configured::<Flatten>("null")?;
    let broken = [&FLIGHT[1..], &FLIGHT[..FLIGHT.len() - 1], "[]", "1", "", "null", &format!("{FLIGHT}{FLIGHT}")];
    for _ in 0..2 {
        assert_eq!(flatten.run([FLIGHT]).texts(), [FLAT]);
        assert_eq!(flatten.run(broken).codes(), ["not-json"; 7]);
    }
    Ok(())
}

#[test]
fn a_bad_schema_is_refused_with_the_field() {
    for (schema, problem) in [
        (r#"[]"#, "the schema has no fields"),
        (r#"[{"name":"a","path":[],"type":"int"}]"#, "field a: the path is empty"),
        (r#"[{"name":"a","path":["x|"],"type":"int"}]"#, "field a: a name of the path is empty"),
        (r#"[{"name":"a","path":["x"],"type":"decimal"}]"#, "field a: a decimal needs a scale"),
        (r#"[{"name":"a","path":["x"],"type":"decimal","scale":19}]"#, "field a: the scale 19 is above 18"),
        (r#"[{"name":"a","path":["x"],"type":"int","scale":1}]"#, "field a: only a decimal has a scale"),
        (
            r#"[{"name":"a","path":["x"],"type":"int"},{"name":"a","path":["y"],"type":"int"}]"#,
            "field a: the schema has it twice",
        ),
        (
            r#"[{"name":"a","path":["x"],"type":"int"},{"name":"b","path":["X","y"],"type":"int"}]"#,
            "field b: the path needs x to be a value, and another path an object",
        ),
        (r#"[{"name":"a","path":["x"],"type":"float"}]"#, "unknown variant `float`"),
    ] {
        let error = Harness::configured::<Flatten>(&format!(r#"{{"schema":{schema}}}"#)).err().unwrap_or_default();
        assert!(error.contains(problem), "{schema}: {error}");
    }
}

/// JSON with its text kept: what the reference works on.
#[derive(Clone, Debug)]
enum Tree {
    Text(&'static str),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn write(&self, space: &str, out: &mut String) {
        let Tree::Object(fields) = self else {
            if let Tree::Text(text) = self {
                out.push_str(text);
            }
            return;
        };
        out.push('{');
        for (at, (name, value)) in fields.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            out.push_str(&format!("{space}\"{name}\"{space}:{space}"));
            value.write(space, out);
        }
        out.push_str(&format!("{space}}}"));
    }

    /// The last value of this name.
    fn get(&self, name: &str) -> Option<&Tree> {
        let Tree::Object(fields) = self else { return None };
        fields.iter().rev().find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| &field.1)
    }
}

/// What flattening `a`, `o.b` (texts) and `o.p.c` (an integer) must give: the record, or the reject's code.
fn reference(tree: &Tree) -> Result<String, &'static str> {
    let mut flat = String::new();
    for (field, path) in [("a", &["a"][..]), ("b", &["o", "b"]), ("c", &["o", "p", "c"])] {
        let mut at = Some(tree);
        for name in path {
            at = match at {
                Some(Tree::Text("null")) | None => None,
                Some(Tree::Text(_)) => return Err("wrong-type"),
                Some(object) => object.get(name),
            };
        }
        let value = match at {
            None | Some(Tree::Text("null")) => "null",
            Some(Tree::Text(text)) if field == "c" && !text.contains(['"', '[', 't']) => text,
            Some(Tree::Text(text)) if field != "c" && text.starts_with('"') => text,
            Some(_) => return Err("wrong-type"),
        };
        flat.push_str(&format!(",\"{field}\":{value}"));
    }
    Ok(format!("{{{}}}", &flat[1..]))
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "A", "b", "c", "C", "o", "O", "p", "x", "somewhat longer than a block"])
        .prop_map(str::to_owned)
}

fn trees() -> impl Strategy<Value = Tree> {
    let text = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "-23",
        "\"\"",
        "\"plain\"",
        "\"é\\n\"",
        "\"text that is longer than two blocks of bytes\"",
        "[1,{\"a\":2}]",
    ]);
    let leaf = text.prop_map(Tree::Text);
    let object = |inner| prop::collection::vec((name(), inner), 0..4).prop_map(Tree::Object);
    let tree = leaf.prop_recursive(3, 16, 4, object);
    prop::collection::vec((name(), tree), 0..6).prop_map(Tree::Object)
}

proptest! {
    #[test]
    fn any_record_is_flattened_as_the_reference_does_it(trees in prop::collection::vec(trees(), 1..8), spaced: bool, rounds in 1..4usize) {
        let schema = r#"{"schema":[{"name":"a","path":["a"],"type":"string"},{"name":"b","path":["o","b"],"type":"string"},
            {"name":"c","path":["o","p","c"],"type":"int"}]}"#;
        let mut flatten = Harness::configured::<Flatten>(schema).map_err(TestCaseError::fail)?;
        for _ in 0..rounds {
            for tree in &trees {
                let mut record = String::new();
                tree.write(if spaced { " " } else { "" }, &mut record);
                let results = flatten.run([&record]);
                match reference(tree) {
                    Ok(flat) => prop_assert_eq!(results.texts(), [flat], "{}", record),
                    Err(code) => prop_assert_eq!(results.codes(), [code], "{}", record),
                }
            }
        }
    }

    #[test]
    fn a_changed_byte_never_slips_through(at in 0..FLIGHT.len(), byte: u8, cut: bool) {
        let mut record = FLIGHT.as_bytes().to_vec();
        if cut { record.remove(at); } else { record[at] = byte; }
        let mut fresh = Harness::configured::<Flatten>("null").map_err(TestCaseError::fail)?;
        let mut taught = Harness::configured::<Flatten>("null").map_err(TestCaseError::fail)?;
        taught.run([FLIGHT]);
        let (first, second) = (fresh.run([&record]), taught.run([&record]));
        prop_assert_eq!(&first, &second);
        let valid = serde_json::from_slice::<serde_json::Value>(&record).is_ok();
        prop_assert_eq!(first.codes() == ["not-json"], !valid);
    }
}
