//! `inspect` says of a module what loading it says, without running or compiling any of it.

use super::*;

/// What loading says, where it fails at what can be told without running the module.
fn refused(bytes: &[u8]) -> Option<String> {
    let error = ENGINE.load("it", bytes, &Value::Null, LIMITS).err()?;
    ["compile", "version", "link"].contains(&error.step).then(|| error.to_string())
}

#[test]
fn exports_and_imports_of_wrong_types_are_told_before_anything_runs() {
    const MEMORY: &str = "(memory (export \"memory\") 1)";
    const COPY: &str = "(import \"env\" \"copy_records\" (func (param i32 i32)))";
    const ALLOC: &str = "(func (export \"alloc\") (param i32) (result i32) i32.const 8)";
    const FILTER: &str = "(func (export \"filter\") (param i32 i32 i32) (result i32) i32.const 0)";
    const START: &str = "(func (export \"_start\"))";
    const BATCH: &str = "(import \"redpanda_transform\" \"check_abi_version_1\" (func))";
    const TRANSFORMER: &str = "edgemill:transform/transformer@1.0.0";
    let table = [
        (
            format!("(module {COPY} {ALLOC} {FILTER})"),
            "version: the export memory is missing: the linker is to export it",
        ),
        (format!("(module {COPY} (memory (export \"memory\") i64 1) {ALLOC} {FILTER})"), "with 32-bit addresses"),
        (
            format!("(module {COPY} {MEMORY} {FILTER})"),
            "the export alloc is missing, and must be a function (i32) -> i32",
        ),
        (
            format!("(module {COPY} {MEMORY} {ALLOC} (func (export \"filter\")))"),
            "the export filter must be a function (i32, i32, i32) -> i32: build it with the SDK",
        ),
        (
            format!("(module {COPY} {MEMORY} {ALLOC} {FILTER} (func (export \"init\")))"),
            "the export init must be a function (i32, i32, i32) -> i32",
        ),
        (
            format!("(module (import \"env\" \"copy_records\" (func (param i32))) {MEMORY} {ALLOC} {FILTER})"),
            "`env::copy_records`: the module wants `(func (param i32))`, and this host has `(func (param i32 i32))`; build",
        ),
        (format!("(module {MEMORY} (func (export \"_start\") (param i32)))"), "_start must be a function () -> ()"),
        (
            format!("(module {BATCH} {MEMORY} (func (export \"_start\") (param i32)))"),
            "_start must be a function () -> ()",
        ),
        (
            format!(
                "(module {BATCH} (import \"redpanda_transform\" \"read_batch_header\" (func (result i32))) {MEMORY} {START})"
            ),
            "`redpanda_transform::read_batch_header`: the module wants `(func (result i32))`, and this host has",
        ),
        (format!("(component (instance $i) (export \"{TRANSFORMER}\" (instance $i)))"), "has no function configure"),
        (
            format!(
                "(component (core module $m (func (export \"f\"))) (core instance $m (instantiate $m))
                 (func $f (canon lift (core func $m \"f\")))
                 (instance $i (export \"configure\" (func $f)) (export \"transform\" (func $f)))
                 (export \"{TRANSFORMER}\" (instance $i)))"
            ),
            "the function configure takes or gives something else than the contract's 1.0.0: build it with guest-sdk/wit",
        ),
        ("(module (type (struct)))".to_owned(), "no transform: the export"),
        (
            format!("(module (type (struct)) {COPY} {MEMORY} {ALLOC} {FILTER})"),
            "build it without garbage collection, exceptions and threads; docs/guests/core-door.md lists",
        ),
        (format!("(module {COPY} {MEMORY} {ALLOC} {FILTER} (func (result i32)))"), "compile: it is not valid: "),
    ];
    for (text, words) in table {
        let bytes = wat::parse_str(&text).unwrap();
        let told = ENGINE.try_link(&bytes).unwrap_err().to_string();
        assert!(told.contains(words), "{text}: {told}");
        assert_eq!(refused(&bytes), Some(told), "{text}");
    }
}

#[test]
fn a_component_is_linked_before_the_clock_has_ticked_and_never_runs() {
    let good = component::component(&source("component"), |text| text);
    for _ in 0..10 {
        // an element segment of an imported table makes the engine run something of its own
        let engine = Engine::new(None).unwrap();
        assert_eq!(engine.try_link(&good).map_err(|error| error.to_string()), Ok(()));
    }
}

#[test]
fn what_starts_is_left_out_however_deep_it_is() {
    let inner = "(component (core module $m (func $s (loop (br 0))) (start $s)) (core instance (instantiate $m)))";
    let inner = wat::parse_str(inner).unwrap();
    let nested = |depth: usize| {
        (0..depth).fold(inner.clone(), |inner, _| {
            // a component whose only section is the other one; its length as LEB128 of three bytes
            let length = [inner.len() as u8 | 0x80, (inner.len() >> 7) as u8 | 0x80, (inner.len() >> 14) as u8];
            [&b"\0asm\x0d\0\x01\0\x04"[..], &length, &inner].concat()
        })
    };
    let starts = |bytes: &[u8]| {
        let mut parts = wasmparser::Parser::new(0).parse_all(bytes);
        parts.any(|part| matches!(part.unwrap(), wasmparser::Payload::StartSection { .. }))
    };
    for depth in [0, 20, 90] {
        let bytes = nested(depth);
        assert!(starts(&bytes) && !starts(&inspect::outline(&bytes).unwrap()), "{depth}");
    }
    let error = inspect::outline(&nested(150)).unwrap_err();
    assert_eq!(error.to_string(), "compile: components are nested more than 100 deep");
}

#[test]
fn what_is_linked_is_told_of_every_guest() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests");
    let mut taken = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // some are filled in by their tests, and none as they are
        let Ok(bytes) = wat::parse_file(&path) else { continue };
        let told = ENGINE.try_link(&bytes).err().map(|error| error.to_string());
        taken += usize::from(told.is_none());
        assert_eq!(told, refused(&bytes), "{}", path.display());
    }
    assert!(taken > 20, "{taken} guests are taken");
}
