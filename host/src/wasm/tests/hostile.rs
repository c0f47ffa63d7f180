//! Guests that are broken or mean: each is refused or contained, with the message that its file promises.

use super::*;

const DEFAULT: Limits = Limits { memory: 64 << 20, time: Some(Duration::from_secs(1)) };

fn with_defaults(name: &str) -> Result<Box<dyn Transform>, LoadError> {
    let bytes = wat::parse_str(source(name)).unwrap();
    ENGINE.load(name, &bytes, &Value::Null, DEFAULT)?.instantiate()
}

#[test]
fn a_module_that_cannot_work_is_refused_with_the_step_and_the_reason() {
    let table = [
        ("trap-on-start", "instantiate: trap: unreachable code was reached, as a panic or an abort does; in start"),
        ("loop-on-start", "instantiate: starting took longer than 1s"),
        (
            "hungry-start",
            "instantiate: wanted 65.0 MiB of memory, limits.memory is 64.0 MiB; then memory minimum size of 1040 \
             pages exceeds memory limits",
        ),
        ("refuses-configuration", "configure: unknown key colour; known are size, shape"),
        (
            "missing-export",
            "version: exports edgemill_transform_1_0_0 but not edgemill_alloc: see docs/guests/core-door.md",
        ),
        ("missing-memory", "version: exports edgemill_transform_1_0_0 but not memory: see docs/guests/core-door.md"),
        (
            "wrong-type",
            "version: the export edgemill_alloc must be a function (i32) -> i32: build it with the SDK for what it is made for",
        ),
        (
            "wrong-version",
            "version: speaks contract 2.0.0; this host speaks 1.0.0: build it with this host's SDK, or take a host that speaks 2.0.0",
        ),
        (
            "no-transform",
            "version: no transform: the export edgemill_transform_1_0_0 is missing; it exports memory, run",
        ),
        ("unknown-import", "link: imports outside::world, which is not granted: this host has nothing of that name"),
        ("alloc-nothing", "configure: no memory for 4 B of input, limits.memory is 64.0 MiB"),
        (
            "alloc-minus-one",
            "configure: edgemill_alloc: 4 bytes at 4294967295 end outside of the memory, which has 1048576",
        ),
        ("alloc-misaligned", "configure: edgemill_alloc: the address 65540 is no multiple of 8"),
    ];
    for (name, expected) in table {
        let error = with_defaults(name).err().unwrap_or_else(|| panic!("{name} was loaded"));
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[test]
fn a_module_that_fails_in_its_calls_is_contained() {
    let table = [
        ("recursion", Class::Trap, "trap: the stack overflowed, as endless recursion does; in deeper"),
        ("loop", Class::Timeout, "took longer than 1s"),
        (
            "hog",
            Class::Memory,
            "wanted 64.1 MiB of memory, limits.memory is 64.0 MiB; then trap: unreachable code was reached, as a \
             panic or an abort does",
        ),
        ("out-of-range", Class::Output, "outputs: 128 bytes at 1048568 end outside of the memory, which has 1048576"),
        ("lying-lengths", Class::Output, "values: lengths add up to 2147483647 bytes, the data has 16"),
        (
            "alloc-at-the-end",
            Class::Output,
            "edgemill_alloc: 128 bytes at 1048568 end outside of the memory, which has 1048576",
        ),
    ];
    for (name, class, message) in table {
        for _ in 0..2 {
            let mut guest = with_defaults(name).unwrap();
            assert_eq!(fault(&mut *guest, &values(&[Some(b"one")])), (class, message.to_owned()), "{name}");
        }
    }
}

#[test]
fn outputs_that_lie_over_each_other_are_bounded_together() {
    let bytes = wat::parse_str(source("huge-output")).unwrap();
    let limits = Limits { memory: 2 << 20, ..DEFAULT };
    let mut guest = ENGINE.load("huge-output", &bytes, &Value::Null, limits).unwrap().instantiate().unwrap();
    assert_eq!(
        fault(&mut *guest, &values(&[Some(b"one")])),
        (Class::Output, "keys: with 1048576 bytes the outputs are larger than limits.memory, 2097152".to_owned())
    );
}

#[test]
fn a_guest_that_logs_is_heard_and_its_last_error_explains_a_trap() {
    let one: &[u8] = b"one";
    apply(&mut *with_defaults("logs").unwrap(), &values(&[Some(one)])).unwrap();
    assert_eq!(
        fault(&mut *with_defaults("logs").unwrap(), &values(&[Some(one); 2])),
        (Class::Output, "log: 16 bytes at 4294967280 end outside of the memory".to_owned())
    );
    assert_eq!(
        fault(&mut *with_defaults("logs").unwrap(), &values(&[Some(one); 3])),
        (
            Class::Trap,
            "trap: unreachable code was reached, as a panic or an abort does: hello from the guest".to_owned()
        )
    );
}

#[test]
fn bytes_that_are_no_module_are_refused() {
    let error = |bytes: &[u8]| ENGINE.load("it", bytes, &Value::Null, DEFAULT).err().unwrap().to_string();
    let identity = wat::parse_str(source("identity")).unwrap();
    let cut = error(&identity[..identity.len() / 2]);
    assert!(cut.starts_with("compile: the file is damaged or cut short: "), "{cut}");
    assert_eq!(error(b""), "compile: the file is empty");
    let mut damaged = identity.clone();
    damaged[12] = 0xff;
    let damaged = error(&damaged);
    assert!(damaged.starts_with("compile: "), "{damaged}");
}

/// Debug information of one line, 7 of `it.c`, for a hundred bytes of code: a unit, and its table of lines.
const DEBUG: &str = r#"
  (@custom ".debug_abbrev" "\01\11\00\10\17\11\01\12\06\00\00\00")
  (@custom ".debug_info" "\14\00\00\00\04\00\00\00\00\00\04\01\00\00\00\00\01\00\00\00\64\00\00\00")
  (@custom ".debug_line" "\31\00\00\00\04\00\1c\00\00\00\01\01\01\fb\0e\0d\00\01\01\01\01\00\00\00\01\00\00\01"
    "\00it.c\00\00\00\00\00\00\05\02\01\00\00\00\03\06\01\02\64\00\01\01")"#;

#[test]
fn debug_information_is_believed_where_functions_have_names_and_else_is_of_others() {
    let bare = source("trap-on-start").replace("$start", "0").replace("(func 0", "(func");
    for (text, frames) in [(source("trap-on-start"), "; in start (it.c:7)"), (bare, "")] {
        let end = text.rfind(')').unwrap();
        let bytes = wat::parse_str(format!("{}{DEBUG})", &text[..end])).unwrap();
        let module = ENGINE.load("it", &bytes, &Value::Null, DEFAULT);
        let error = module.and_then(|module| module.instantiate()).err().unwrap().to_string();
        let trap = "instantiate: trap: unreachable code was reached, as a panic or an abort does";
        assert_eq!(error, format!("{trap}{frames}"));
    }
}
