//! What an author can do to a record, as the host would see it.

use edgemill_guest::testing::{Harness, Input, Output};
use edgemill_guest::{Outputs, Record, Reject, Result, Transform, log};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

fn input(key: Option<&str>, value: Option<&str>) -> Input {
    Input {
        key: key.map(Into::into),
        value: value.map(Into::into),
        headers: vec![("a".into(), Some(b"1".to_vec())), ("b".into(), None), ("a".into(), Some(b"2".to_vec()))],
        timestamp: Some(7),
    }
}

fn as_it_is(origin: usize, input: &Input) -> Output {
    let Input { key, value, headers, timestamp } = input.clone();
    Output { origin, key, value, headers, timestamp, route: None }
}

#[test]
fn a_filter_keeps_what_it_passes() {
    let inputs = [input(Some("k"), Some("keep")), input(None, Some("drop")), input(None, None), Input::default()];
    let results = Harness::of(|record, out| {
        if record.value() != Some(b"drop") {
            out.keep();
        }
        Ok(())
    })
    .run(inputs.clone());
    assert_eq!(results.outputs, [0, 2, 3].map(|at| as_it_is(at, &inputs[at])));
}

#[test]
fn what_one_output_sets_the_others_keep() {
    let inputs: Vec<Input> = (0..6).map(|at| input(Some(&format!("k{at}")), Some(&format!("v{at}")))).collect();
    let results = Harness::of(|record, out| {
        let mut output = out.emit();
        match record.offset() {
            1 => drop(output.value("new")),
            2 => drop(output.key("other").timestamp(9).timestamp(10)),
            3 => drop(output.key(None).value(None).header("c", b"3")),
            4 => drop(output.route("there").value(b"x").value("y")),
            _ => {}
        }
        Ok(())
    })
    .run(inputs.clone());
    let mut wanted: Vec<Output> = inputs.iter().enumerate().map(|(at, input)| as_it_is(at, input)).collect();
    wanted[1].value = Some(b"new".to_vec());
    (wanted[2].key, wanted[2].timestamp) = (Some(b"other".to_vec()), Some(10));
    (wanted[3].key, wanted[3].value) = (None, None);
    wanted[3].headers.push(("c".into(), Some(b"3".to_vec())));
    (wanted[4].value, wanted[4].route) = (Some(b"y".to_vec()), Some("there".into()));
    assert_eq!(results.outputs, wanted);
}

#[test]
fn headers_are_read_added_and_removed() {
    let results = Harness::of(|record, out| {
        assert_eq!(record.header("a").and_then(|header| header.value), Some(&b"2"[..]));
        assert_eq!(record.header("b").map(|header| header.value), Some(None));
        assert_eq!(record.header("c"), None);
        out.emit().header("c", "3").remove_header("a").header("a", "4");
        out.emit().clear_headers().header("d", None);
        out.emit().remove_header("zzz");
        Ok(())
    })
    .run([input(None, None)]);
    let headers: Vec<_> = results.outputs.iter().map(|output| output.headers.clone()).collect();
    let header = |name: &str, value: &str| (name.to_owned(), Some(value.into()));
    assert_eq!(headers[0], [("b".to_owned(), None), header("c", "3"), header("a", "4")]);
    assert_eq!(headers[1], [("d".to_owned(), None)]);
    assert_eq!(headers[2], input(None, None).headers);
}

#[test]
fn a_reject_takes_back_what_the_record_gave() {
    let results = Harness::of(|record, out| {
        out.value().push_str("part");
        out.emit().key("k").header("h", "v").route("r").timestamp(1);
        if record.value() == Some(b"bad") {
            let mut half = out.value();
            half.push_str("half");
            return Err(Reject::new("bad", format!("offset {} is bad", record.offset())));
        }
        Ok(())
    })
    .run(["bad", "good", "bad", "good"]);
    assert_eq!(results.codes(), ["bad", "bad"]);
    assert_eq!(results.rejects[1].message, "offset 2 is bad");
    let origins: Vec<usize> = results.outputs.iter().map(|output| output.origin).collect();
    assert_eq!(origins, [1, 1, 3, 3]);
    assert_eq!(results.texts(), ["part", "good", "part", "good"]);
    assert_eq!(results.outputs[3].headers, [("h".to_owned(), Some(b"v".to_vec()))]);
}

#[test]
fn a_record_becomes_many_routed_by_name() {
    let results = Harness::of(|record, out| {
        for word in record.text()?.unwrap_or_default().split(' ') {
            out.emit().value(word).route(if word.len() > 3 { "long" } else { "short" });
        }
        Ok(())
    })
    .run(["a long word", "or two"]);
    let routed: Vec<_> = results.outputs.iter().map(|out| (out.origin, out.text(), out.route.clone())).collect();
    let wanted = [(0, "a", "short"), (0, "long", "long"), (0, "word", "long"), (1, "or", "short"), (1, "two", "short")];
    assert_eq!(routed, wanted.map(|(origin, text, route)| (origin, text.to_owned(), Some(route.to_owned()))));
}

#[derive(Deserialize, Serialize)]
struct Order<'a> {
    #[serde(borrow)]
    item: &'a str,
    count: u32,
}

/// Doubles orders; remembers how many it saw.
struct Doubler {
    factor: u32,
    seen: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    #[serde(default = "two")]
    factor: u32,
}

fn two() -> u32 {
    2
}

impl Transform for Doubler {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Doubler, String> {
        if config.factor == 0 {
            return Err("factor is 0".into());
        }
        Ok(Doubler { factor: config.factor, seen: 0 })
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        let Some(mut order) = record.json::<Order<'_>>()? else { return Ok(()) };
        order.count *= self.factor;
        self.seen += 1;
        edgemill_guest::info!("order {} of {}", self.seen, record.topic());
        out.emit().json(&order)?;
        Ok(())
    }
}

edgemill_guest::export!(Doubler);

#[test]
fn a_type_has_a_configuration_a_memory_and_a_log() -> Result<(), String> {
    let mut doubler = Harness::configured::<Doubler>(r#"{"factor":3}"#)?;
    let results = doubler.run([r#"{"item":"tea","count":2}"#, "{", r#"{"item":1,"count":2}"#]);
    assert_eq!(results.texts(), [r#"{"item":"tea","count":6}"#]);
    assert_eq!(results.codes(), ["not-json", "wrong-shape"]);
    assert_eq!(results.log, [(log::Level::Info, "order 1 of topic".to_owned())]);
    let again = Harness::configured::<Doubler>("null")?.run([r#"{"item":"tea","count":2}"#]);
    assert_eq!(again.texts(), [r#"{"item":"tea","count":4}"#]);
    Ok(())
}

#[test]
fn a_configuration_that_does_not_fit_says_why() {
    let problem = |config| Harness::configured::<Doubler>(config).err().unwrap_or_default();
    assert_eq!(problem(r#"{"factor":0}"#), "factor is 0");
    assert!(problem(r#"{"faktor":1}"#).contains("unknown field `faktor`"));
    assert!(problem("[").contains("the configuration does not fit"));
}

#[test]
fn bytes_that_are_no_text_are_a_reject() {
    let results = Harness::of(|record, out| record.text().map(|_| out.keep())).run([&b"\xff"[..], b"ok"]);
    assert_eq!((results.codes(), results.texts()), (vec!["not-utf8"], vec!["ok".to_owned()]));
}

proptest! {
    #[test]
    fn pieces_of_any_size_arrive_whole(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..20)) {
        let whole = pieces.concat();
        let results = Harness::of(|record, out| {
            let whole = record.value().unwrap_or_default();
            let mut value = out.value();
            let mut start = 0;
            for piece in &pieces {
                value.extend_from(whole, start, start + piece.len());
                value.push_piece(&edgemill_guest::Piece::new(piece));
                value.extend(piece);
                start += piece.len();
            }
            Ok(())
        })
        .run([&whole, &whole]);
        let wanted: Vec<u8> = pieces.iter().flat_map(|piece| piece.repeat(3)).collect();
        prop_assert_eq!(results.outputs[0].value.as_ref(), Some(&wanted));
        prop_assert_eq!(results.outputs[1].value.as_ref(), Some(&wanted));
    }
}
