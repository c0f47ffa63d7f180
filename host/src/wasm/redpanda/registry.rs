//! The schema registry, as transforms import it.

use super::REGISTRY;
use crate::wasm::plain::State;
use wasmtime::Linker;

/// What calls answer where no registry is configured.
const NONE: i32 = -1;

/// Puts its functions into a linker.
///
/// # Errors
/// The engine's own.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(REGISTRY, "check_abi_version_0", || {})?;
    linker.func_wrap(REGISTRY, "get_schema_definition_len", |_id: i32, _length_at: u32| NONE)?;
    linker.func_wrap(REGISTRY, "get_schema_definition", |_id: i32, _at: u32, _size: u32| NONE)?;
    for name in ["get_subject_schema_len", "get_schema_subject_len"] {
        linker.func_wrap(REGISTRY, name, |_at: u32, _size: u32, _version: i32, _length_at: u32| NONE)?;
    }
    for name in ["get_subject_schema", "get_schema_subject"] {
        linker.func_wrap(REGISTRY, name, |_at: u32, _size: u32, _version: i32, _into: u32, _room: u32| NONE)?;
    }
    linker.func_wrap(REGISTRY, "create_subject_schema", |_: u32, _: u32, _: u32, _: u32, _: u32| NONE)?;
    Ok(())
}
