//! The examples of `examples/`: each one's own configuration, with variables for what is its reader's own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::host::{Builder, Host};
use crate::modules;

/// Their names, each with its configurations.
pub const EXAMPLES: [(&str, &[&str]); 5] = [
    ("flights", &["edgemill.toml", "server.toml"]),
    ("lz4-consumer", &["edgemill.toml"]),
    ("pageviews", &["edgemill.toml"]),
    ("passthrough", &["edgemill.toml"]),
    ("stream-processor", &["edgemill.toml"]),
];

/// The text of one of its files.
///
/// # Errors
/// There is none.
pub fn text(name: &str, file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).join(file);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Begins a host of the example's file as it is, with the modules that ship; only the admin address is another one.
///
/// # Errors
/// There is no such example.
pub fn host(name: &str) -> Result<Builder> {
    Ok(builder(&text(name, "edgemill.toml")?))
}

/// Begins a host of an example's text: of another of its files, or of one that was changed.
#[must_use]
pub fn builder(text: &str) -> Builder {
    Host::builder(text).env("EDGEMILL_MODULES", modules::folder().to_string_lossy())
}
