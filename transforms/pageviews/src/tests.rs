//! Page views, good and bad.

use crate::PageViews;
use edgemill_guest::testing::{Harness, Input};
use proptest::prelude::*;

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[test]
fn a_page_view_gets_an_id_of_its_content() -> Result {
    let records = [
        r#"{"viewtime":6671,"userid":"User_2","pageid":"Page_64"}"#,
        r#" { "pageid" : "Page_64", "extra": [1], "userid": "User_2", "viewtime": 6671 } "#,
        r#"{"viewtime":1,"viewtime":6671,"us\u0065rid":"User_2","pageid":"Page_64"}"#,
    ];
    let mut views = Harness::configured::<PageViews>("null")?;
    for _ in 0..2 {
        let flat = r#"{"_id":"User_2|Page_64|6671","viewtime":6671,"userid":"User_2","pageid":"Page_64"}"#;
        assert_eq!(views.run(records).texts(), [flat; 3]);
    }
    Ok(())
}

#[test]
fn an_id_can_be_the_place_in_the_topic() -> Result {
    let mut views = Harness::configured::<PageViews>(r#"{"id":["topic","partition","offset"]}"#)?;
    views.partition = 3;
    let results = views.run([r#"{"viewtime":-1,"userid":"a\n","pageid":""}"#; 2]);
    assert_eq!(results.outputs[1].text(), r#"{"_id":"topic|3|1","viewtime":-1,"userid":"a\n","pageid":""}"#);
    assert!(Harness::configured::<PageViews>(r#"{"id":[]}"#).is_err());
    assert!(Harness::configured::<PageViews>(r#"{"ids":["topic"]}"#).is_err());
    Ok(())
}

#[test]
fn a_tombstone_passes() -> Result {
    assert_eq!(Harness::configured::<PageViews>("null")?.run([Input::default()]).outputs[0].value, None);
    Ok(())
}

#[test]
fn what_is_no_page_view_is_refused() -> Result {
    for (record, code) in [
        (r#"{"viewtime":6671,"userid":"User_2"}"#, "missing"),
        (r#"{"viewtime":null,"userid":"a","pageid":"b"}"#, "missing"),
        (r#"{"viewtime":6671,"userid":2,"pageid":"b"}"#, "wrong-type"),
        (r#"{"viewtime":"6671","userid":"a","pageid":"b"}"#, "wrong-type"),
        (r#"{"viewtime":1.0,"userid":"a","pageid":"b"}"#, "wrong-type"),
        (r#"{"viewtime":9223372036854775808,"userid":"a","pageid":"b"}"#, "wrong-type"),
        (r#"{"viewtime":6671,"userid":"a","pageid":{}}"#, "wrong-type"),
        (r#"{"viewtime":6671,"userid":"a","pageid":"b"}x"#, "not-json"),
        (r#"["viewtime"]"#, "not-json"),
        ("", "not-json"),
    ] {
        assert_eq!(Harness::configured::<PageViews>("null")?.run([record]).codes(), [code], "{record}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_page_view_comes_out_as_serde_reads_it(viewtime: i64, userid: String, pageid: String) {
        let record = serde_json::json!({ "viewtime": viewtime, "userid": userid, "pageid": pageid });
        let mut views = Harness::configured::<PageViews>("null").map_err(TestCaseError::fail)?;
        for _ in 0..2 {
            let results = views.run([record.to_string()]);
            let flat: serde_json::Value = serde_json::from_str(&results.texts().concat())
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut wanted = record.clone();
            wanted["_id"] = format!("{userid}|{pageid}|{viewtime}").into();
            prop_assert_eq!(flat, wanted);
        }
    }
}
