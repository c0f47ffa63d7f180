//! Lines of JSON and back.

use super::*;
use proptest::prelude::*;

fn read(line: &str) -> Gathered {
    let mut gathered = Gathered::new("t", 0);
    Line::parse(line.as_bytes()).unwrap().push_to(&mut gathered, 7);
    gathered
}

/// Writes the only record of a batch.
fn written(gathered: &Gathered) -> String {
    let batch = gathered.batch();
    let headers: Vec<_> = batch.headers.names.iter().zip(batch.headers.values.iter()).collect();
    let row = Row {
        key: batch.keys.each()[0],
        value: batch.values.each()[0],
        headers: &headers,
        timestamp: batch.timestamps[0],
        origin: None,
        from: None,
        topic: None,
    };
    let mut out = Vec::new();
    write_row(&mut out, Format::Records, &row);
    String::from_utf8(out).unwrap()
}

#[test]
fn what_a_line_leaves_out_is_null_or_none() {
    let gathered = read("{}");
    let batch = gathered.batch();
    assert_eq!((batch.keys.each()[0], batch.values.each()[0]), (None, None));
    assert_eq!((batch.offsets[0], batch.timestamps[0], batch.headers.is_empty()), (7, -1, true));
    assert_eq!(written(&gathered), "{\"key\":null,\"value\":null,\"headers\":[],\"timestamp\":null}\n");
}

#[test]
fn every_field_is_read() {
    let line = r#"{"key":{"base64":"/w=="},"value":"é","headers":[["a","1"],["a",null],["b",{"base64":"AA=="}]],
                   "timestamp":5,"topic":"x","partition":3,"offset":9,"origin":1}"#;
    let line = line.replace('\n', " ");
    let parsed = Line::parse(line.as_bytes()).unwrap();
    assert_eq!((parsed.topic.as_deref(), parsed.partition), (Some("x"), Some(3)));
    let gathered = read(&line);
    let batch = gathered.batch();
    assert_eq!((batch.keys.each()[0], batch.values.each()[0]), (Some(&b"\xff"[..]), Some("é".as_bytes())));
    assert_eq!((batch.offsets[0], batch.timestamps[0]), (9, 5));
    let headers = r#"[["a","1"],["a",null],["b","\u0000"]]"#;
    assert_eq!(
        written(&gathered),
        format!("{{\"key\":{{\"base64\":\"/w==\"}},\"value\":\"é\",\"headers\":{headers},\"timestamp\":5}}\n")
    );
}

#[test]
fn a_line_that_is_no_record_is_told_with_its_column() {
    let wrong = |line: &str| Line::parse(line.as_bytes()).unwrap_err().to_string();
    assert_eq!(wrong("{\"key\":\"a\""), "column 10: EOF while parsing an object");
    assert!(wrong("{\"vaule\":\"a\"}").starts_with("column 8: unknown field `vaule`, expected one of `key`, `value`"));
    assert!(wrong("{\"value\":{\"a\":1}}").contains("JSON in it must be quoted"), "{}", wrong("{\"value\":{\"a\":1}}"));
    assert!(wrong("{\"value\":{\"base64\":\"?\"}}").contains("not base64"));
    assert!(wrong("[1]").starts_with("column "));
}

#[test]
fn outputs_carry_their_origin_and_where_they_go() {
    let row = Row {
        key: None,
        value: Some(b"v"),
        headers: &[],
        timestamp: 1,
        origin: Some(3),
        from: None,
        topic: Some("late"),
    };
    let mut out = Vec::new();
    write_row(&mut out, Format::Records, &row);
    write_row(&mut out, Format::Lines, &row);
    let expected = "{\"key\":null,\"value\":\"v\",\"headers\":[],\"timestamp\":1,\"topic\":\"late\",\"origin\":3}\nv\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_reject_names_origin_class_module_and_message() {
    let failure = Failure {
        origin: 0,
        stage: 0,
        class: crate::policy::Class::Reject,
        code: "no-value".to_owned(),
        message: "a \"tombstone\"".to_owned(),
        backtrace: None,
    };
    let mut out = Vec::new();
    write_reject(&mut out, &failure, 41, "m.wasm");
    let expected = "{\"origin\":41,\"class\":\"reject\",\"module\":\"m.wasm\",\"message\":\"a \\\"tombstone\\\"\"}\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        key in any::<Option<Vec<u8>>>(),
        value in any::<Option<Vec<u8>>>(),
        headers in prop::collection::vec((any::<String>(), any::<Option<Vec<u8>>>()), 0..4),
        timestamp in -1..i64::MAX,
    ) {
        let mut gathered = Gathered::new("t", 0);
        gathered.push(7, timestamp, key.as_deref(), value.as_deref());
        for (name, value) in &headers {
            gathered.push_header(name.as_bytes(), value.as_deref());
        }
        let line = written(&gathered);
        prop_assert_eq!(line.matches('\n').count(), 1);
        let again = read(&line);
        prop_assert_eq!((again.keys, again.values, again.timestamps), (gathered.keys, gathered.values, gathered.timestamps));
        prop_assert_eq!(again.headers, gathered.headers);
    }
}
