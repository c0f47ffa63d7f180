//! Redpanda's transforms at the edges of their ABI. Real ones are in `tests/tests/scenarios/redpanda.rs`.

use super::*;
use crate::chain::apply::Chain;
use crate::chain::{Plan, PlanStage};
use crate::policy::{Action, Policy};
use crate::route::Routes;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// A transform with its topics `out`, which is the default, and `late`.
fn module(config: Value, limits: Limits) -> Arc<dyn Module> {
    let bytes = wat::parse_str(source("redpanda")).unwrap();
    ENGINE.load("redpanda", &bytes, &config, limits).unwrap()
}

fn transform() -> Box<dyn Transform> {
    module(json!({ "outputs": ["out", "late"] }), LIMITS).instantiate().unwrap()
}

/// Each output's origin, value and route.
fn made(outputs: &Outputs) -> Vec<(u32, &[u8], u16)> {
    let values = outputs.values.column().iter().collect::<Vec<_>>();
    let routes = (0..values.len()).map(|row| outputs.routes.get(row).copied().unwrap_or(0));
    outputs
        .origins
        .iter()
        .zip(values)
        .zip(routes)
        .map(|((&origin, value), route)| (origin, value.unwrap(), route))
        .collect()
}

fn refused(text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap();
    ENGINE.load("it", &bytes, &Value::Null, LIMITS).err().unwrap().to_string()
}

#[test]
fn each_output_belongs_to_the_record_that_was_given_last() {
    let mut guest = transform();
    let batch = values(&[Some(b"copy"), Some(b"drop"), Some(b"2"), Some(b"end"), None, Some(b"")]);
    let outputs = apply(&mut *guest, &batch).unwrap();
    assert_eq!(outputs.origins, [0, 2, 2, 3, 4, 5]);
    let view = outputs.view(batch.clone());
    let expected = [Some(&b"copy"[..]), Some(b"2"), Some(b"2"), Some(b"end"), None, Some(b"")];
    assert_eq!(view.values.iter().collect::<Vec<_>>(), expected);
    assert_eq!(&*view.timestamps, [1000, 1002, 1002, 1003, 1004, 1005]);
    assert!(outputs.routes.is_empty() && outputs.headers.counts.is_empty());
}

#[test]
fn null_and_empty_are_two_things_in_keys_values_and_headers() {
    let mut guest = transform();
    let mut batch = values(&[Some(b"d, but with a key"), None, Some(b"")]);
    let keys = [Some(&b"k"[..]), Some(b""), None];
    let names = [Some(&b"a"[..]), Some(b""), Some(b"a")];
    let header_values = [None, Some(&b""[..]), Some(b"1")];
    batch.keys = Column::Each(Cow::Borrowed(&keys));
    batch.headers = Headers {
        counts: vec![2, 0, 1].into(),
        names: Column::Each(Cow::Borrowed(&names)),
        values: Column::Each(Cow::Borrowed(&header_values)),
    };
    let outputs = apply(&mut *guest, &batch).unwrap();
    let view = outputs.view(batch.clone());
    assert_eq!(view.keys.iter().collect::<Vec<_>>(), keys);
    assert_eq!(view.values.iter().collect::<Vec<_>>(), batch.values.iter().collect::<Vec<_>>());
    assert_eq!(&*view.headers.counts, [2, 0, 1]);
    assert_eq!(view.headers.names.iter().collect::<Vec<_>>(), names);
    assert_eq!(view.headers.values.iter().collect::<Vec<_>>(), header_values);
}

#[test]
fn what_a_transform_does_wrong_is_answered_as_redpanda_answers() {
    let mut guest = transform();
    let batch = values(&[Some(b"f"), Some(b"s"), Some(b"m"), Some(b"k"), Some(b"K"), Some(b"W")]);
    let outputs = apply(&mut *guest, &batch).unwrap();
    // no batch yet; too little room; no record; an unknown option; an option twice; a topic that is not declared
    let expected: [(u32, &[u8], u16); 6] =
        [(0, b"1", 0), (1, b"2", 0), (2, b"2", 0), (3, b"2", 0), (4, b"2", 0), (5, b"3", 0)];
    assert_eq!(made(&outputs), expected);
}

#[test]
fn declared_topics_are_routes_and_the_first_is_where_records_go_anyway() {
    let mut guest = transform();
    let batch = values(&[Some(b"c"), Some(b"w"), Some(b"o"), Some(b"e")]);
    let outputs = apply(&mut *guest, &batch).unwrap();
    let expected: [(u32, &[u8], u16); 4] = [(0, b"c", 0), (1, b"w", 1), (2, b"o", 0), (3, b"e", 0)];
    assert_eq!((made(&outputs).as_slice(), &outputs.route_names[..]), (&expected[..], &["late".to_owned()][..]));
    // and nothing of it is left for the next batch
    assert!(apply(&mut *guest, &batch.slice(0..0)).unwrap().routes.is_empty());
}

#[test]
fn a_transform_that_ends_is_a_fault_and_nothing_that_it_wrote_is_left() {
    let table: [(&[u8], Class, &str); 8] = [
        (b"t", Class::Trap, "trap: unreachable code was reached, as a panic or an abort does"),
        (b"l", Class::Timeout, "took longer than 100ms"),
        (b"x", Class::Trap, "the guest ended itself with exit code 0"),
        (b"r", Class::Trap, "its main function came to an end, where a transform asks for records for ever"),
        (b"g", Class::Memory, "wanted 16.1 MiB of memory, limits.memory is 16.0 MiB; then trap: unreachable"),
        (b"n", Class::Output, "write_record_with_options: a topic's name of 63 bytes is longer than the options"),
        (b"u", Class::Output, "write_record: 9 bytes at 4294967288 end outside of the memory"),
        (b"b", Class::Output, "read_batch_header: another batch is asked for after 1 of 2 records"),
    ];
    let module = module(json!({ "outputs": ["out", "late"] }), LIMITS);
    for (value, class, message) in table {
        let mut guest = module.instantiate().unwrap();
        let mut outputs = Outputs::default();
        let two = [Some(b"c" as &[u8]), Some(value)];
        let two = if value == b"b" { [two[1], two[0]] } else { two };
        let fault = guest.transform(&values(&two), &mut outputs).unwrap_err();
        assert_eq!(fault.class, class, "{}", fault.message);
        assert!(fault.message.starts_with(message), "{}", fault.message);
        assert_eq!((outputs, fault.at), (Outputs::default(), Some(usize::from(value != b"b"))));
        // another one goes on with the same partition
        let mut guest = module.instantiate().unwrap();
        assert_eq!(made(&apply(&mut *guest, &values(&[Some(b"a")])).unwrap()), [(0, &b"1"[..], 0)]);
    }
}

#[test]
fn a_loop_is_cut_although_the_time_for_starting_was_longer() {
    let mut guest = transform();
    let clock = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let began = clock();
    let (class, message) = fault(&mut *guest, &values(&[Some(b"l")]));
    assert_eq!((class, &*message), (Class::Timeout, "took longer than 100ms"));
    let took = clock() - began;
    assert!(took < Duration::from_millis(400), "{took:?}");
}

/// A chain of the one transform.
fn chain() -> Chain {
    let stages = vec![PlanStage { module: module(Value::Null, LIMITS), policy: Policy::all(Action::DeadLetter) }];
    let plan = Plan { number: 1, stages, sink: Policy::all(Action::Stop) };
    Chain::new(Arc::new(plan), Arc::new(Routes::new("out", &[])))
}

#[test]
fn records_that_are_slow_each_do_not_cost_a_transform_what_it_keeps() {
    let mut chain = chain();
    let slow = vec![Some(b"z" as &[u8]); 400];
    let batch = values(&slow);
    let mut calls = 0;
    let mut go_on = || {
        calls += 1;
        true
    };
    let applied = chain.apply(&batch, &mut go_on).unwrap();
    let seen: Vec<_> =
        applied.rows.values.iter().map(|value| i64::from_le_bytes(value.unwrap().try_into().unwrap())).collect();
    assert_eq!((seen, applied.failures.len()), ((1..=400).collect(), 0));
    assert_eq!(chain.restarts(), 0);
    assert!(calls > 3, "others have their turn meanwhile: {calls}");
}

#[test]
fn the_record_in_hand_is_tried_alone_at_once() {
    for bad in [b"t" as &[u8], b"x", b"l"] {
        let mut chain = chain();
        let mut orders = vec![Some(b"c" as &[u8]); 300];
        (orders[0], orders[170]) = (Some(bad), Some(bad));
        let batch = values(&orders);
        let applied = chain.apply(&batch, &mut || true).unwrap();
        assert_eq!(applied.failures.iter().map(|failure| failure.origin).collect::<Vec<_>>(), [0, 170]);
        assert_eq!((applied.rows.len(), chain.restarts()), (298, 4), "with others, and alone");
    }
}

#[test]
fn each_partition_has_a_guest_of_its_own_that_goes_on_and_ends_when_it_is_read_again() {
    let module = module(Value::Null, LIMITS);
    let mut guest = module.instantiate().unwrap();
    let mut seen = |topic: &str, partition: i32, offset: i64| {
        let one = [Some(b"a" as &[u8])];
        let batch = Batch { topic, partition, offsets: vec![offset].into(), ..values(&one) };
        let outputs = apply(&mut *guest, &batch).unwrap();
        i32::from(made(&outputs)[0].1[0] - b'0')
    };
    assert_eq!([seen("a", 0, 5), seen("a", 0, 6), seen("a", 0, 8)], [1, 2, 3]);
    assert_eq!([seen("a", 1, 5), seen("b", 0, 5)], [1, 1]);
    assert_eq!([seen("a", 0, 9), seen("a", 0, 9), seen("a", 0, 8)], [4, 1, 1], "read again");
    assert_eq!([seen("b", 0, 6), seen("a", 1, 7)], [2, 2]);
    // a fault in one leaves the others as they are, whose worker has another instance in its chain since
    let trap = [Some(b"t" as &[u8])];
    fault(&mut *guest, &Batch { topic: "b", offsets: vec![9].into(), partition: 0, ..values(&trap) });
    let mut guest = module.instantiate().unwrap();
    let one = [Some(b"a" as &[u8])];
    let mut next = |topic: &str| {
        let batch = Batch { topic, partition: 0, offsets: vec![20].into(), ..values(&one) };
        made(&apply(&mut *guest, &batch).unwrap())[0].1[0] - b'0'
    };
    assert_eq!([next("a"), next("b")], [2, 1]);
}

#[test]
fn guests_that_have_waited_longest_end_when_there_are_too_many() {
    let mut guest = module(Value::Null, LIMITS).instantiate().unwrap();
    let one = [Some(b"a" as &[u8])];
    let mut memory = 0;
    let mut seen = |partition: i32, offset: i64| {
        let batch = Batch { partition, offsets: vec![offset].into(), ..values(&one) };
        let seen = made(&apply(&mut *guest, &batch).unwrap())[0].1[0] - b'0';
        memory = guest.memory();
        seen
    };
    for partition in 0..200 {
        assert_eq!(seen(partition, 1), 1);
    }
    assert_eq!([seen(199, 2), seen(71, 2), seen(0, 2)], [2, 1, 1]);
    assert_eq!(memory, 128 * (128 << 10));
}

#[test]
fn the_clock_is_the_records_unless_the_system_is_asked_for() {
    let times = |config: Value| {
        let mut guest = module(config, LIMITS).instantiate().unwrap();
        let outputs = apply(&mut *guest, &values(&[Some(b"c"), Some(b"T")])).unwrap();
        let number = |row: usize| i64::from_le_bytes(made(&outputs)[row].1.try_into().unwrap());
        (number(1), number(2))
    };
    assert_eq!(times(Value::Null), (1001 * 1_000_000, 1001));
    let (system, record) = times(json!({ "clock": "system" }));
    assert!(system > 1_700_000_000_000_000_000 && record == 1001, "{system}");
}

#[test]
fn the_header_of_a_batch_says_what_is_known() {
    let mut guest = transform();
    let mut batch = values(&[Some(b"H"), Some(b"d"), Some(b"d")]);
    batch.offsets = vec![70, 72, 75].into();
    batch.timestamps = vec![5000, 9000, 7000].into();
    let outputs = apply(&mut *guest, &batch).unwrap();
    let numbers: Vec<_> = made(&outputs).iter().map(|made| i64::from_le_bytes(made.1.try_into().unwrap())).collect();
    assert_eq!(numbers, [70, 3, 5, 5000, 9000, -1, -1, 0, -1, -1]);
}

#[test]
fn a_transform_is_known_by_what_it_imports_and_refused_where_it_is_not_released() {
    let abi = |version: &str| format!("(import \"redpanda_transform\" \"check_abi_version_{version}\" (func))");
    let rest = "(memory (export \"memory\") 1) (func (export \"_start\"))";
    let of = |imports: &str| refused(&format!("(module {imports} {rest})"));
    assert_eq!(
        of(&abi("3")),
        "link: imports redpanda_transform::check_abi_version_3, which is not granted: version 3 of Redpanda's ABI is none of \
         those that are released, 1 and 2; build it with a released SDK"
    );
    let network = format!("{} (import \"redpanda_wasm_network\" \"connect\" (func))", abi("2"));
    assert!(of(&network).ends_with("Redpanda has not released it, and modules reach no network"));
    let metadata = format!("{} (import \"redpanda_transform\" \"read_batch_metadata\" (func))", abi("2"));
    assert!(of(&metadata).contains("Redpanda's ABI 1 and 2 have no such function"));
    let none = "(import \"redpanda_transform\" \"write_record\" (func (param i32 i32) (result i32)))";
    assert!(of(none).starts_with("version: it says no version of Redpanda's ABI"), "{}", of(none));
    let ends = of(&abi("1"));
    assert_eq!(ends, "instantiate: its main function came to an end, where a transform asks for records for ever");
    let library = format!("(module {} (memory (export \"memory\") 1))", abi("1"));
    assert_eq!(
        refused(&library),
        "version: a Redpanda transform that does not export _start: build it as a program (wasm32-wasip1)"
    );
    let old = "(module (memory (export \"memory\") 1) (func (export \"redpanda_transform_on_record_written\")))";
    assert!(refused(old).contains("of a design that was never released"), "{}", refused(old));
}

#[test]
fn a_transform_that_loops_or_traps_before_its_first_batch_does_not_load() {
    let of = |body: &str| {
        refused(&format!(
            "(module (import \"redpanda_transform\" \"check_abi_version_1\" (func)) (memory (export \"memory\") 1) \
             (func (export \"_start\") {body}))"
        ))
    };
    assert_eq!(of("(loop $again (br $again))"), "instantiate: starting took longer than 1s");
    assert!(of("unreachable").starts_with("instantiate: trap: unreachable code was reached"));
}
