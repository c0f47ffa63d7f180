//! Objects in, objects with a product and a time out.

use crate::StreamProcessor;
use edgemill_guest::testing::{Harness, Input, Results};
use proptest::prelude::*;
use serde_json::Value;

const AT: &str = "2024-05-01T00:00:00.001Z";

/// Passes a record of that time through.
fn run(config: &str, record: &str) -> Results {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["processed_at"] = "timestamp".into();
    let mut processor = Harness::configured::<StreamProcessor>(&config.to_string()).unwrap();
    processor.run([Input { timestamp: Some(1_714_521_600_001), ..Input::from(record) }])
}

#[test]
fn the_product_and_the_time_come_behind_what_there_is() {
    for (record, wanted) in [
        (r#"{"value":21}"#, r#"{"value":21,"processed_value":42"#),
        (
            r#" { "id" : "a\n", "value" : 1.5 , "x":[1, {}] } "#,
            r#"{"id":"a\n","value":1.5,"x":[1, {}],"processed_value":3.0"#,
        ),
        (r#"{"value":-0.25}"#, r#"{"value":-0.25,"processed_value":-0.5"#),
        (r#"{"value":9223372036854775807}"#, r#"{"value":9223372036854775807,"processed_value":18446744073709551614"#),
        (r#"{"v\u0061lue":2}"#, r#"{"v\u0061lue":2,"processed_value":4"#),
        (r#"{"value":1,"value":5}"#, r#"{"value":1,"value":5,"processed_value":10"#),
        (r#"{"processed_value":1,"value":2,"processed_at":3}"#, r#"{"value":2,"processed_value":4"#),
    ] {
        assert_eq!(run("{}", record).texts(), [format!(r#"{wanted},"processed_at":"{AT}"}}"#)], "{record}");
    }
}

#[test]
fn field_and_factor_can_be_others() {
    let texts = run(r#"{"field":"n","factor":0.5}"#, r#"{"n":3}"#).texts();
    assert_eq!(texts, [format!(r#"{{"n":3,"processed_value":1.5,"processed_at":"{AT}"}}"#)]);
}

#[test]
fn high_results_go_to_the_second_place_as_well() {
    let config = r#"{"high":{"route":"high","from":10}}"#;
    let high = run(config, r#"{"value":5}"#);
    let routes: Vec<_> = high.outputs.iter().map(|output| output.route.as_deref()).collect();
    assert_eq!(routes, [None, Some("high")]);
    assert_eq!(high.outputs[0].value, high.outputs[1].value);
    assert_eq!(run(config, r#"{"value":4.9}"#).outputs.len(), 1);
}

#[test]
fn without_more_the_time_is_now() {
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let text = |milliseconds| {
        let mut text = String::new();
        crate::time::write(&mut text, milliseconds);
        text
    };
    let before = text(now());
    let results = Harness::configured::<StreamProcessor>("null").unwrap().run([r#"{"value":1}"#]);
    let output: Value = serde_json::from_str(&results.texts().concat()).unwrap();
    let at = output["processed_at"].as_str().unwrap().to_owned();
    assert!(before <= at && at <= text(now()), "{before} {at}");
}

#[test]
fn a_tombstone_passes() {
    assert_eq!(Harness::configured::<StreamProcessor>("null").unwrap().run([Input::default()]).outputs[0].value, None);
}

#[test]
fn what_cannot_be_multiplied_is_refused() {
    for (record, code) in [
        (r#"{"n":1}"#, "missing"),
        (r#"{"value":null}"#, "missing"),
        (r#"{"value":"1"}"#, "wrong-type"),
        (r#"{"value":[1]}"#, "wrong-type"),
        (r#"{"value":true}"#, "wrong-type"),
        (r#"{"value":1e308}"#, "out-of-range"),
        (r#"{"value":1}x"#, "not-json"),
        (r#"[1]"#, "not-json"),
        ("", "not-json"),
    ] {
        assert_eq!(run("{}", record).codes(), [code], "{record}");
    }
    let mut without_time = Harness::configured::<StreamProcessor>(r#"{"processed_at":"timestamp"}"#).unwrap();
    assert_eq!(without_time.run([r#"{"value":1}"#]).codes(), ["no-timestamp"]);
}

#[test]
fn a_configuration_of_no_sense_is_refused() {
    for config in [
        r#"{"factor":"2"}"#,
        r#"{"field":"processed_at"}"#,
        r#"{"high":{"route":"a"}}"#,
        r#"{"processed_at":"later"}"#,
        r#"{"fields":"a"}"#,
    ] {
        assert!(Harness::configured::<StreamProcessor>(config).is_err(), "{config}");
    }
}

proptest! {
    #[test]
    fn any_object_comes_out_with_its_members(id: String, value: i64, rest: Vec<bool>) {
        let record = serde_json::json!({ "id": id, "value": value, "rest": rest });
        let results = run("{}", &record.to_string());
        let mut output: Value = serde_json::from_str(&results.texts().concat())
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let product = format!("\"processed_value\":{},", i128::from(value) * 2);
        prop_assert!(results.texts()[0].contains(&product));
        for name in ["processed_value", "processed_at"] {
            prop_assert!(output.as_object_mut().is_some_and(|members| members.remove(name).is_some()));
        }
        prop_assert_eq!(output, record);
    }
}
