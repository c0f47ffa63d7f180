//! Programs that are given records as lines.

use super::*;

fn program(bytes: &[u8], config: Value) -> Result<Box<dyn Transform>, LoadError> {
    ENGINE.load("program", bytes, &config, LIMITS)?.instantiate()
}

fn cat(config: Value) -> Box<dyn Transform> {
    program(&wat::parse_str(source("cat")).unwrap(), config).unwrap()
}

/// A program that prints this, whatever it is given.
fn say(text: &str, config: Value) -> Box<dyn Transform> {
    let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let source = source("say").replace("\"TEXT\"", &format!("\"{escaped}\"")).replace("SIZE", &text.len().to_string());
    program(&wat::parse_str(source.as_str().replace("of SIZE bytes", "")).unwrap(), config).unwrap()
}

fn each_record() -> Value {
    serde_json::json!({ "each": "record" })
}

fn made(outputs: &Outputs) -> Vec<(u32, Option<String>)> {
    let values = outputs.values.column();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    outputs.origins.iter().copied().zip(values.iter().map(|value| value.map(text))).collect()
}

#[test]
fn a_program_that_writes_what_it_reads_changes_nothing() {
    let long = vec![b'x'; 200_000];
    let input = [Some(&b"one"[..]), None, Some(b""), Some(b"\\drop"), Some(&long), Some(b"\xff\r")];
    for config in [Value::Null, each_record()] {
        let batch = values(&input);
        let outputs = apply(&mut *cat(config), &batch).unwrap();
        assert_eq!(outputs.origins, [0, 1, 2, 3, 4, 5]);
        assert_eq!(outputs.view(batch.clone()).values.iter().collect::<Vec<_>>(), input);
    }
}

#[test]
fn a_value_with_a_newline_is_refused_where_a_line_is_a_record_and_taken_where_it_is_not() {
    let batch = values(&[Some(b"a\n\\b"), Some(b"c")]);
    let outputs = apply(&mut *cat(Value::Null), &batch).unwrap();
    assert_eq!((outputs.rejects[0].origin, &*outputs.rejects[0].code), (0, "newline"));
    assert_eq!(made(&outputs), [(1, Some("c".to_owned()))]);
    let outputs = apply(&mut *cat(each_record()), &batch).unwrap();
    let line = |origin: u32, text: &str| (origin, Some(text.to_owned()));
    assert_eq!(made(&outputs), [line(0, "a"), line(0, "\\b"), line(1, "c")]);
}

#[test]
fn lines_say_what_becomes_of_a_record() {
    let batch = values(&[Some(b"1"), Some(b"2"), Some(b"3"), Some(b"4")]);
    let outputs = apply(&mut *say("new\n\\drop\n\\null\n\\reject late by two days", Value::Null), &batch).unwrap();
    assert_eq!(made(&outputs), [(0, Some("new".to_owned())), (2, None)]);
    let reject = &outputs.rejects[0];
    assert_eq!((reject.origin, &*reject.code, &*reject.message), (3, "late", "by two days"));
    // each record by itself: what a refused one wrote after that does not matter
    let outputs = apply(&mut *say("a\n\\reject no\n\\reject again\n", each_record()), &batch).unwrap();
    assert_eq!(outputs.rejects.iter().map(|reject| reject.origin).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[test]
fn a_program_that_does_not_keep_to_it_is_a_fault() {
    let two: [Bytes<'_>; 2] = [Some(b"1"), Some(b"2")];
    let batch = values(&two);
    let fault_of = |text: &str| fault(&mut *say(text, Value::Null), &batch);
    let (class, message) = fault_of("1\n2\n3\n");
    assert_eq!(class, Class::Output);
    assert!(message.starts_with("3 lines for 2 records: a line for each is asked for"), "{message}");
    assert!(fault_of("1\n\\dropp\n").1.starts_with("the line \"\\\\dropp\" begins with a backslash"), "{message}");

    let alone = |value: &'static [u8]| fault(&mut *cat(Value::Null), &values(&[Some(value)]));
    assert_eq!(alone(b"X"), (Class::Trap, "the guest ended itself with exit code 3".to_owned()));
    assert_eq!(alone(b"L"), (Class::Timeout, "took longer than 100ms".to_owned()));
    // and goes on with the next
    let mut guest = cat(Value::Null);
    fault(&mut *guest, &values(&[Some(b"X")]));
    apply(&mut *guest, &batch).unwrap();
}

#[test]
fn a_program_that_prints_without_a_record_is_refused() {
    let talks =
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 0) \"\\08\\00\\00\\00\\02\\00\\00\\00hi\")
        (func (export \"_start\") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))))";
    let load = |text: &str| program(&wat::parse_str(text).unwrap(), Value::Null).err().unwrap().to_string();
    assert!(load(talks).starts_with("configure: without a record it prints something"));
    let traps = "(module (memory (export \"memory\") 1) (func (export \"_start\") unreachable))";
    assert!(load(traps).starts_with("instantiate: trap: unreachable code was reached"));
}
