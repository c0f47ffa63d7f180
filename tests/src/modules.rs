//! Modules for scenarios: those that ship, and hostile ones written as text.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Reads a module that ships: `flatten-flights.wasm` for the core door, `component/flatten-flights.wasm` for the other.
///
/// # Errors
/// It was not built: `make modules` does.
pub fn shipped(name: &str) -> Result<Vec<u8>> {
    let path = folder().join(name);
    std::fs::read(&path).with_context(|| format!("no module {}: run `make modules`", path.display()))
}

/// Reads a module made with another system's SDK: `fluvio.wasm32-wasip1/map`.
///
/// # Errors
/// It was not built: `make foreign` does.
pub fn foreign(name: &str) -> Result<Vec<u8>> {
    let path = folder().join("foreign").join(name).with_extension("wasm");
    std::fs::read(&path).with_context(|| format!("no module {}: run `make foreign`", path.display()))
}

/// The folder of the modules that ship.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("EDGEMILL_MODULES").map_or_else(|| profile_folder().join("../modules"), PathBuf::from)
}

/// Makes a module of `tests/guests/<name>.wat`.
///
/// # Errors
/// There is no such text, or it is no module.
pub fn hostile(name: &str) -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(name).with_extension("wat");
    wat::parse_file(&path).with_context(|| format!("making a module of {}", path.display()))
}

/// Makes a module of WebAssembly text.
///
/// # Errors
/// It is no module.
pub fn wat(text: &str) -> Result<Vec<u8>> {
    wat::parse_str(text).context("making a module of text")
}

/// `target/<profile>`, where the test executable's own folder `deps` is.
pub(crate) fn profile_folder() -> PathBuf {
    let executable = std::env::current_exe().expect("a test executable has a path");
    executable.ancestors().nth(2).expect("test executables are in target/<profile>/deps").to_owned()
}
