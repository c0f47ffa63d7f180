//! Puts the SDKs and their templates into the program, for `edgemill new`: a table of all files below `guest-sdk`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What builds leave, which is nobody's source.
const LEFT: [&str; 7] = ["build", "target", "node_modules", "dist", "zig-out", ".zig-cache", "__pycache__"];

fn main() -> io::Result<()> {
    let sdks = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../guest-sdk");
    println!("cargo::rerun-if-changed={}", sdks.display());
    let mut files = Vec::new();
    list(&sdks, &mut files)?;
    files.sort();
    let mut table = "&[\n".to_owned();
    for path in &files {
        let name = path.strip_prefix(&sdks).unwrap_or(path).display().to_string();
        // writing to a string cannot fail
        let _ = writeln!(table, "({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    table.push(']');
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("sdks.rs"), table)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        match entry.file_type()? {
            kind if kind.is_dir() && !LEFT.iter().any(|left| name == *left) => list(&entry.path(), files)?,
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    Ok(())
}
