//! Checks that a module is valid with the proposals that the engine has, without compiling it.

use crate::modules::LoadError;
use wasmparser::{Validator, WasmFeatures};

/// What the engine has (`docs/guests/core-door.md` lists it): all of WebAssembly 3.0 but what wants a garbage collector, and no threads.
const FEATURES: WasmFeatures = WasmFeatures::WASM3
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES)
    .difference(WasmFeatures::EXCEPTIONS)
    .difference(WasmFeatures::THREADS);

/// Checks a module's or a component's bytes.
///
/// # Errors
/// Where it is not valid, and why.
pub(in crate::wasm) fn validate(bytes: &[u8]) -> Result<(), LoadError> {
    let Err(error) = Validator::new_with_features(FEATURES).validate_all(bytes) else { return Ok(()) };
    let message = match Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
        Ok(_) => format!(
            "it uses what the engine does not have ({error}): build it without garbage collection, exceptions and threads; \
             docs/guests/core-door.md lists what the engine has"
        ),
        Err(_) => format!("it is not valid: {error}"),
    };
    Err(LoadError::new("compile", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::settings::{Checks, engine};
    use wasmtime::Module;
    use wasmtime::component::Component;

    #[test]
    fn what_is_valid_is_what_the_engine_takes() {
        let engine = engine(Checks::Time).unwrap();
        let table = [
            ("(module (memory 1) (memory 1))", true),
            ("(module (memory i64 1))", true),
            ("(module (func $f (return_call $f)))", true),
            ("(module (func (result v128) (v128.const i64x2 1 2)))", true),
            (
                "(module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
                true,
            ),
            ("(module (global i32 (i32.add (i32.const 1) (i32.const 2))))", true),
            ("(module (table 1 funcref))", true),
            ("(module (table 1 externref))", false),
            ("(module (type $f (func)) (func (param (ref $f)) (call_ref $f (local.get 0))))", true),
            ("(module (type (struct (field i32))))", false),
            ("(module (tag (param i32)))", false),
            ("(module (memory 1 1 shared))", false),
            ("(module (func (result i32)))", false),
            ("(component (core module (memory 1)))", true),
            ("(component (core module (type (struct))))", false),
            ("(component (type (future u8)))", false),
        ];
        for (text, valid) in table {
            let bytes = wat::parse_str(text).unwrap();
            let taken = match text.starts_with("(component") {
                true => Component::new(&engine, &bytes).map(|_| ()),
                false => Module::new(&engine, &bytes).map(|_| ()),
            };
            assert_eq!((validate(&bytes).is_ok(), taken.is_ok()), (valid, valid), "{text}: {taken:?}");
        }
    }
}
