//! Guests at the component door: what one does right and wrong, and what the door itself refuses.

use super::*;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Makes a component of a plain module, for a world of the contract whose text may be changed first.
pub(super) fn component(core: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/wit/transform.wit");
    let wit = change(std::fs::read_to_string(wit).unwrap());
    let mut resolve = Resolve::default();
    let package = resolve.push_str("transform.wit", &wit).unwrap();
    let world = resolve.select_world(&[package], Some("transform")).unwrap();
    let mut module = wat::parse_str(core).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

fn module() -> Arc<dyn Module> {
    static MODULE: LazyLock<Arc<dyn Module>> = LazyLock::new(|| {
        let limits = Limits { memory: 32 << 20, ..LIMITS };
        ENGINE.load("component", &component(&source("component"), |wit| wit), &Value::Null, limits).unwrap()
    });
    MODULE.clone()
}

fn refused(bytes: &[u8]) -> String {
    let limits = Limits { memory: 32 << 20, ..LIMITS };
    ENGINE.load("component", bytes, &Value::Null, limits).err().unwrap().to_string()
}

#[test]
fn a_component_keeps_every_record_of_every_kind() {
    let mut guest = module().instantiate().unwrap();
    let input = [Some(&b"one"[..]), None, Some(b"")];
    let mut headed = values(&input);
    headed.headers = Headers {
        counts: vec![1, 0, 1].into(),
        names: Column::Each(vec![Some(&b"a"[..]), Some(b"b")].into()),
        values: Column::Dense { data: b"x", lengths: &[1, -1] },
    };
    for batch in [values(&input), headed, values(&input[..1]), values(&vec![input[0]; 5000])] {
        let outputs = apply(&mut *guest, &batch).unwrap();
        assert!(outputs.is_one_to_one(batch.len()));
        assert!(outputs.keep.keys && outputs.keep.values && outputs.keep.headers && outputs.keep.timestamps);
    }
}

#[test]
fn a_component_can_refuse_a_record() {
    let outputs = apply(&mut *module().instantiate().unwrap(), &values(&[Some(b"R!"), None])).unwrap();
    let rejects: Vec<_> = outputs.rejects.iter().map(|r| (r.origin, &*r.code, &*r.message)).collect();
    assert_eq!(rejects, [(0, "poison", "poison")]);
}

#[test]
fn what_a_component_does_wrong_is_a_fault() {
    let table: [(&[u8], Class, &str); 9] = [
        (b"T!", Class::Trap, "trap: unreachable code was reached, as a panic or an abort does"),
        (b"P!", Class::Trap, "trap: unreachable code was reached, as a panic or an abort does: poison"),
        (b"E!", Class::Trap, "the guest gives up"),
        (b"L!", Class::Timeout, "took longer than 100ms"),
        (
            b"M!",
            Class::Memory,
            "wanted 32.1 MiB of memory, limits.memory is 32.0 MiB; then trap: unreachable code was reached, as a \
             panic or an abort does",
        ),
        (b"G!", Class::Output, "list pointer/length out of bounds of memory"),
        (b"O!", Class::Output, "values: lengths add up to 0 bytes, the data has 6"),
        (b"U!", Class::Output, "invalid utf-8 sequence of 1 bytes from index 0"),
        (b"H!", Class::Output, "origins: 2000000 outputs of one call; 1048576 at most"),
    ];
    for (value, class, message) in table {
        let mut guest = module().instantiate().unwrap();
        let name = String::from_utf8_lossy(value);
        assert_eq!(fault(&mut *guest, &values(&[Some(value)])), (class, message.to_owned()), "{name}");
        let next = fault(&mut *guest, &values(&[Some(b"a")]));
        assert_eq!(next, (Class::Trap, "the instance has failed before".to_owned()), "{name}");
    }
}

#[test]
fn memory_that_a_component_gives_outside_of_itself_is_a_fault() {
    let mut guest = module().instantiate().unwrap();
    apply(&mut *guest, &values(&[Some(b"A!")])).unwrap();
    let message = "realloc return: beyond end of memory".to_owned();
    assert_eq!(fault(&mut *guest, &values(&[Some(b"a")])), (Class::Output, message));
}

#[test]
fn a_batch_larger_than_a_components_memory_is_a_fault() {
    let large = vec![b'x'; 33 << 20];
    let message = "no memory for 33.0 MiB of input, limits.memory is 32.0 MiB".to_owned();
    let mut guest = module().instantiate().unwrap();
    assert_eq!(fault(&mut *guest, &values(&[Some(&large)])), (Class::Memory, message));
}

#[test]
fn a_component_of_another_contract_is_refused() {
    let next = |text: String| text.replace("@1.0.0", "@2.0.0");
    let bytes = component(&next(source("component")), next);
    assert_eq!(
        refused(&bytes),
        "version: speaks contract 2.0.0; this host speaks 1.0.0: build it with this host's SDK, or take a host that speaks 2.0.0"
    );
    let inner = wat::parse_str(source("component")).unwrap();
    assert_eq!(
        refused(&inner),
        "version: no transform: the export edgemill_transform_1_0_0 is missing; it is the inside of a component: make \
         one of it with wasm-tools component new"
    );
}

#[test]
fn a_component_that_exports_other_types_is_refused() {
    let bytes =
        component(&source("component"), |wit| wit.replace("        partition: s32,\n", "        partition: u32,\n"));
    let message = refused(&bytes);
    assert!(message.starts_with("version: ") && message.contains("expected `s32` found `u32`"), "{message}");
}

/// As much of WASI as a guest needs to sleep, print and end itself.
const WASI: &str = "
package wasi:io@0.2.0 {
    interface poll { resource pollable { block: func(); } }
    interface error { resource error; }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream { write: func(contents: list<u8>) -> result<_, stream-error>; }
    }
}
package wasi:clocks@0.2.0 {
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        subscribe-duration: func(when: u64) -> pollable;
    }
}
package wasi:cli@0.2.0 {
    interface exit { exit: func(status: result); }
    interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
}
";

#[test]
fn a_component_that_waits_prints_or_ends_itself_is_contained() {
    let imports = "import wasi:clocks/monotonic-clock@0.2.0; import wasi:cli/exit@0.2.0; import wasi:cli/stderr@0.2.0;";
    let bytes = component(&source("component-sleep"), |wit| {
        wit.replace("world transform {", &format!("world transform {{ {imports}")) + WASI
    });
    let module = ENGINE.load("component-sleep", &bytes, &Value::Null, LIMITS).unwrap();
    let one = [Some(&b"one"[..]); 2];
    assert_eq!(
        fault(&mut *module.instantiate().unwrap(), &values(&one[..1])),
        (Class::Timeout, "took longer than 100ms".to_owned())
    );
    assert_eq!(
        fault(&mut *module.instantiate().unwrap(), &values(&one)),
        (Class::Trap, "the guest ended itself with exit code 1: no luck".to_owned())
    );
}

#[test]
fn a_component_that_wants_the_network_is_refused() {
    let mut imports = "package wasi:http@0.2.0;\ninterface outgoing { ask: func(); }\n".to_owned();
    imports.push_str("world w { import outgoing; }");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("http.wit", &imports).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let source = "(module (import \"wasi:http/outgoing@0.2.0\" \"ask\" (func)))";
    let mut module = wat::parse_str(source).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let bytes = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let inspection = inspect(&bytes).unwrap();
    assert_eq!(inspection.imports[0].name, "wasi:http/outgoing@0.2.0");
    let refused = inspection.imports[0].refused.as_deref();
    assert_eq!(refused, Some("modules reach no network; send records, not requests"));
}

#[test]
fn a_component_is_inspected_without_compiling_it() {
    let inspection = inspect(&component(&source("component"), |wit| wit)).unwrap();
    assert_eq!((inspection.door, inspection.contract.as_deref()), (Door::Component, Some("1.0.0")));
    assert!(inspection.imports.iter().all(|import| import.refused.is_none()), "{:?}", inspection.imports);
    assert!(inspection.exports.contains(&"edgemill:transform/transformer@1.0.0".to_owned()));
    assert_eq!(inspection.memory.unwrap().minimum, 257 << 16);
}
