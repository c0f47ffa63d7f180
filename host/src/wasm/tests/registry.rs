//! What a transform hears of a schema registry, and who waits for it: a registry that is as slow as it is told. A real one is in
//! `tests/tests/scenarios/registry.rs`.

use super::*;
use crate::config::{Ends, Stage};
use crate::policy::{Action, Policy};
use crate::registry::{Language, Registered, Registry, RegistryError, Schema};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Has every schema but 9, and takes its time for each.
struct Slow {
    takes: Duration,
    asked: AtomicU32,
}

impl Registry for Slow {
    fn timeout(&self) -> Duration {
        Duration::from_millis(50)
    }

    fn schema(&self, id: i32) -> Result<Arc<Schema>, RegistryError> {
        #[expect(clippy::disallowed_methods, reason = "it is slow")]
        std::thread::sleep(self.takes);
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        match id {
            9 => Err(RegistryError("there is no schema 9".to_owned())),
            // another each time: what a guest is told the length of is what it gets
            _ => Ok(Arc::new(Schema {
                language: Language::Json,
                text: "x".repeat(asked as usize),
                references: Vec::new(),
            })),
        }
    }

    fn version(&self, subject: &str, version: Option<i32>) -> Result<Arc<Registered>, RegistryError> {
        if subject != "flights" {
            return Err(RegistryError(format!("it has no subject {subject}")));
        }
        let schema = Schema { language: Language::Json, text: "{}".to_owned(), references: Vec::new() };
        Ok(Arc::new(Registered { id: 7, version: version.unwrap_or(3), schema }))
    }

    fn register(&self, _: &str, _: &Schema) -> Result<i32, RegistryError> {
        Err(RegistryError("it takes none".to_owned()))
    }
}

/// Copies records, and for each asks for the schema with the number that is the first byte of the value, less that of `0`. Traps where
/// that comes to nothing.
const GUEST: &str = r#"(module
  (import "redpanda_transform" "check_abi_version_1" (func))
  (import "redpanda_transform" "read_batch_header" (func $header (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "redpanda_transform" "read_next_record" (func $next (param i32 i32 i32 i32 i32) (result i32)))
  (import "redpanda_transform" "write_record" (func $write (param i32 i32) (result i32)))
  (import "redpanda_schema_registry" "get_schema_definition_len" (func $length (param i32 i32) (result i32)))
  (import "redpanda_schema_registry" "get_schema_definition" (func $get (param i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "_start") (local $size i32) (local $id i32)
    (loop $again
      (drop (call $header (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 24) (i32.const 32) (i32.const 40) (i32.const 48)
        (i32.const 56) (i32.const 64) (i32.const 72)))
      (block $done
        (loop $records
          (local.set $size (call $next (i32.const 80) (i32.const 88) (i32.const 96) (i32.const 1024) (i32.const 1024)))
          (br_if $done (i32.lt_s (local.get $size) (i32.const 0)))
          ;; no key, and a length of one byte
          (local.set $id (i32.sub (i32.load8_u (i32.const 1026)) (i32.const 48)))
          (if (call $length (local.get $id) (i32.const 104)) (then unreachable))
          (if (i32.ne (call $get (local.get $id) (i32.const 65536) (i32.load (i32.const 104))) (i32.load (i32.const 104)))
            (then unreachable))
          (drop (call $write (i32.const 1024) (local.get $size)))
          (br $records)))
      (br $again))))"#;

fn guest_of(registry: Option<Slow>) -> Box<dyn Transform> {
    guest_from(GUEST, registry)
}

fn guest_from(text: &str, registry: Option<Slow>) -> Box<dyn Transform> {
    let engine = Engine::new(None).unwrap();
    if let Some(registry) = registry {
        engine.grant(Arc::new(registry));
    }
    let stage = Stage {
        look_back: None,
        module: "asks".to_owned(),
        module_type: None,
        config: Value::Null,
        limits: LIMITS,
        policy: Policy::all(Action::Skip),
        ends: Ends { input: "flights".to_owned(), outputs: vec!["out".to_owned()], one_place: false },
    };
    let guest = engine.load_stage(&stage, &wat::parse_str(text).unwrap()).unwrap().instantiate().unwrap();
    // its clock must run until the last call
    std::mem::forget(engine);
    guest
}

fn slow(milliseconds: u64) -> Option<Slow> {
    Some(Slow { takes: Duration::from_millis(milliseconds), asked: AtomicU32::new(0) })
}

#[test]
fn waiting_for_the_registry_is_not_charged_to_the_module() {
    let mut guest = guest_of(slow(150));
    let began = Instant::now();
    apply(&mut *guest, &values(&[Some(b"1")])).unwrap();
    // limits.time is 100 ms
    assert!(began.elapsed() > Duration::from_millis(150));
}

#[test]
fn a_guest_gets_the_answer_whose_length_it_was_told() {
    let mut guest = guest_of(slow(0));
    let outputs = apply(&mut *guest, &values(&[Some(b"1"), Some(b"1"), Some(b"1")])).unwrap();
    assert_eq!(outputs.origins, [0, 1, 2]);
}

#[test]
fn a_call_for_many_waits_for_so_long_and_is_then_cut() {
    let many = [Some(b"1" as &[u8]); 40];
    let began = Instant::now();
    let (class, message) = fault(&mut *guest_of(slow(20)), &values(&many));
    assert_eq!(class, Class::Timeout);
    assert!(
        message.starts_with("waited 1") && message.ends_with("for the schema registry, and 100ms is the most"),
        "{message}"
    );
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn why_a_question_came_to_nothing_is_in_the_message_of_the_record_that_fails_for_it() {
    let mut guest = guest_of(slow(0));
    let batch = values(&[Some(b"1"), Some(b"9")]);
    let (class, message) = fault(&mut *guest, &batch);
    assert_eq!(class, Class::Trap);
    assert!(message.ends_with("; before that the schema registry did not help: there is no schema 9"), "{message}");
    let (_, message) = fault(&mut *guest_of(None), &values(&[Some(b"1")]));
    let end = "before that the schema registry did not help: none is configured: add `[schema-registry]`";
    assert!(message.ends_with(end), "{message}");
}

#[test]
fn a_subjects_schema_is_asked_for_by_the_older_names_too() {
    let subject = r#"(memory (export "memory") 4)
  (data (i32.const 512) "flights")"#;
    for (length, get) in
        [("get_subject_schema_len", "get_subject_schema"), ("get_schema_subject_len", "get_schema_subject")]
    {
        let text = GUEST
            .replace(r#"(memory (export "memory") 4)"#, subject)
            .replace(
                r#""get_schema_definition_len" (func $length (param i32 i32) (result i32))"#,
                &format!("{length:?} (func $length (param i32 i32 i32 i32) (result i32))"),
            )
            .replace(
                r#""get_schema_definition" (func $get (param i32 i32 i32) (result i32))"#,
                &format!("{get:?} (func $get (param i32 i32 i32 i32 i32) (result i32))"),
            )
            // `8`: the eighth version of `flights`; `9`: the ninth of `flight`, which there is not
            .replace(
                "(call $length (local.get $id) ",
                "(call $length (i32.const 512) (i32.sub (i32.const 15) (local.get $id)) (local.get $id) ",
            )
            .replace("(call $get (local.get $id) ", "(call $get (i32.const 512) (i32.const 7) (local.get $id) ");
        let mut guest = guest_from(&text, slow(0));
        assert_eq!(apply(&mut *guest, &values(&[Some(b"8")])).unwrap().origins, [0], "{length}");
        let (_, message) = fault(&mut *guest_from(&text, slow(0)), &values(&[Some(b"9")]));
        assert!(message.ends_with("the schema registry did not help: it has no subject flight"), "{message}");
    }
}
