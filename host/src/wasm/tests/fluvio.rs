//! SmartModules that lie, leak or fail: each is met with one message. Real ones are in `tests/tests/scenarios/foreign.rs`.

use super::*;

/// A SmartModule whose function `work` gives these bytes and returns this number.
fn smart(work: &str, given: &[u8], returns: i32) -> Box<dyn Transform> {
    let escaped: String = given.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let source = source("smart").replace("GIVEN", &escaped).replace("WORK", work);
    let source = source.replace("SIZE", &given.len().to_string()).replace("RETURNS", &returns.to_string());
    let bytes = wat::parse_str(source).unwrap();
    ENGINE.load("smart", &bytes, &Value::Null, LIMITS).unwrap().instantiate().unwrap()
}

/// Records of an offset and a value, and no error.
fn records(records: &[(u8, &[u8])]) -> Vec<u8> {
    let mut given = (records.len() as u32).to_be_bytes().to_vec();
    for (delta, value) in records {
        given.extend([(6 + value.len() as u8) * 2, 0, 0, delta * 2, 0, value.len() as u8 * 2]);
        given.extend_from_slice(value);
        given.push(0);
    }
    given.push(0);
    given
}

const TWO: [Bytes<'_>; 3] = [Some(b"one"), None, Some(b"three")];

#[test]
fn what_a_filter_leaves_is_kept_as_it_is_and_tombstones_go_round_it() {
    let batch = values(&TWO);
    let outputs = apply(&mut *smart("filter", &records(&[(2, b"other")]), 1), &batch).unwrap();
    assert_eq!(outputs.origins, [1, 2]);
    assert_eq!(outputs.view(batch.clone()).values.iter().collect::<Vec<_>>(), [None, Some(&b"three"[..])]);
}

#[test]
fn a_map_gives_values_for_the_offsets_that_it_names() {
    let batch = values(&TWO);
    let outputs = apply(&mut *smart("map", &records(&[(0, b"a"), (2, b"b")]), 2), &batch).unwrap();
    assert_eq!(outputs.origins, [0, 1, 2]);
    let made: Vec<_> = outputs.values.column().iter().map(|value| value.map(<[u8]>::to_vec)).collect();
    assert_eq!(made, [Some(b"a".to_vec()), None, Some(b"b".to_vec())]);
}

#[test]
fn the_errors_of_a_smart_module_have_words() {
    for (code, words) in [
        (-1, "no more is known"),
        (-11, "it cannot read its input, or write what came of it"),
        (-33, "it cannot write its outputs"),
        (-44, "it cannot read its parameters"),
        (-55, "it cannot join, which Fluvio has no more"),
        (-66, "it cannot read its input"),
    ] {
        let (class, message) = fault(&mut *smart("map", &records(&[]), code), &values(&TWO[..1]));
        assert_eq!((class, message), (Class::Trap, format!("map gave the error {code}: {words}")));
    }
}

#[test]
fn what_a_smart_module_gives_is_not_believed() {
    let with_error = |offset: i64| {
        let mut given = 0u32.to_be_bytes().to_vec();
        given.extend([1, 0, 2, b'n', b'o']);
        given.extend(offset.to_be_bytes());
        given
    };
    let stray = "a record with the offset 1 more than the first's, which none of its inputs has left";
    let table = [
        ("map", records(&[(1, b"tombstone")]), 0, Class::Output, stray),
        (
            "filter",
            records(&[(2, b""), (2, b"")]),
            0,
            Class::Output,
            "a record with the offset 2 more than the first's, which none of its inputs has left",
        ),
        ("map", vec![0xff; 4], 0, Class::Output, "4294967295 records of one call; 1048576 at most"),
        ("map", vec![0, 0, 0, 1], 0, Class::Output, "a record: 1 bytes where 0 are left"),
        ("map", vec![], 0, Class::Output, "the number of records: 4 bytes where 0 are left"),
        ("map", with_error(7), 0, Class::Output, "an error for offset 7, which is none of its inputs' still to come"),
        ("aggregate", records(&[(0, b"1")]), 0, Class::Output, "1 records of 2 inputs: aggregate gives one for each"),
        ("filter", records(&[]), -22, Class::Trap, "filter gave the error -22: it cannot read its records"),
    ];
    for (work, given, returns, class, message) in table {
        assert_eq!(fault(&mut *smart(work, &given, returns), &values(&TWO)), (class, message.to_owned()));
    }
    // the first record is refused, and again the one that comes first then
    let outputs = apply(&mut *smart("array_map", &with_error(0), 0), &values(&TWO[..1])).unwrap();
    assert_eq!(
        (outputs.rejects[0].origin, &*outputs.rejects[0].code, &*outputs.rejects[0].message),
        (0, "user-error", "no")
    );
}

#[test]
fn an_instance_that_leaks_is_replaced_before_it_meets_its_limit() {
    let mut guest = smart("filter", &records(&[(0, b"")]), 1);
    let mut most = 0;
    for _ in 0..1000 {
        apply(&mut *guest, &values(&[Some(b"one")])).unwrap();
        most = most.max(guest.memory());
    }
    assert!(most < LIMITS.memory * 3 / 4, "{most}");
}

#[test]
fn parameters_are_for_those_that_take_them() {
    let bytes =
        wat::parse_str(source("smart").replace("WORK", "map").replace("SIZE", "0").replace("RETURNS", "0")).unwrap();
    let load = |config: Value| ENGINE.load("smart", &bytes, &config, LIMITS).err().unwrap().to_string();
    assert_eq!(load(serde_json::json!({ "a": 1 })), "configure: the SmartModule has no init, so it takes no `config`");
    assert_eq!(
        load(serde_json::json!("a")),
        "configure: the parameters of a SmartModule are a table: write `config = { name = \"text\" }`"
    );
}
