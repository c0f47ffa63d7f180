//! Compiles modules, or takes them from the cache.

use super::cache::Cache;
use super::validate;
use crate::modules::LoadError;
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// What is compiled, with its two ways from and to bytes.
pub(super) trait Compiled: Sized {
    /// Compiles a file's bytes.
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self>;

    /// Makes it of what [`Compiled::write`] gave.
    ///
    /// # Safety
    /// The bytes must come from [`Compiled::write`] of this version of wasmtime, unchanged: they are run.
    unsafe fn read(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self>;

    /// The machine code.
    fn write(&self) -> wasmtime::Result<Vec<u8>>;
}

impl Compiled for Module {
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        Module::from_binary(engine, bytes)
    }

    unsafe fn read(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: the caller's promise is the one that is asked for
        unsafe { Module::deserialize(engine, code) }
    }

    fn write(&self) -> wasmtime::Result<Vec<u8>> {
        self.serialize()
    }
}

impl Compiled for Component {
    fn compile(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        Component::from_binary(engine, bytes)
    }

    unsafe fn read(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self> {
        // SAFETY: the caller's promise is the one that is asked for
        unsafe { Component::deserialize(engine, code) }
    }

    fn write(&self) -> wasmtime::Result<Vec<u8>> {
        self.serialize()
    }
}

/// Compiles a module, or takes it from the cache under its `hash`. A cache that fails costs time and nothing else.
///
/// # Errors
/// The module is not valid.
pub(super) fn compile<T: Compiled>(
    engine: &Engine,
    cache: Option<&Cache>,
    hash: &str,
    bytes: &[u8],
) -> Result<T, LoadError> {
    let place = cache.map(|cache| (cache, cache.place(engine, hash)));
    if let Some((cache, place)) = &place
        && let Some(code) = cache.read(place)
    {
        // SAFETY: only this user can write to the folder, the entry's digest says that it is whole, and its name that
        // an engine with these settings wrote it; wasmtime checks its version and the settings again
        match unsafe { T::read(engine, &code) } {
            Ok(compiled) => return Ok(compiled),
            Err(error) => tracing::warn!(%error, "a compiled module cannot be used: it is compiled again"),
        }
    }
    let refused = |error: wasmtime::Error| {
        // which says more of what is wrong
        validate(bytes).err().unwrap_or_else(|| LoadError::new("compile", format!("{error:#}")))
    };
    let compiled = T::compile(engine, bytes).map_err(refused)?;
    if let Some((cache, place)) = &place
        && let Err(error) = compiled
            .write()
            .map_err(|error| error.to_string())
            .and_then(|code| cache.write(place, &code).map_err(|error| error.to_string()))
    {
        tracing::warn!(%error, entry = %place.display(), "a compiled module cannot be kept");
    }
    Ok(compiled)
}
