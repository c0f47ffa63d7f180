//! A trap names the lines of the guest's own source, in every language whose compiler writes them into the module.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edgemill_tests::{modules, program};

#[test]
fn a_trap_names_the_line_of_the_source_and_the_functions() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (language, source, call, function) in [
        ("c", "c/conformance.c", "IS(\"trap\")", "transform"),
        ("cpp", "cpp/conformance.cpp", "word == \"trap\"", "Conformance::transform(edgemill::Record"),
        ("zig", "zig/conformance.zig", ".trap =>", "Transform.transform"),
    ] {
        let path = root.join("guest-sdk/conformance").join(source);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let line = 1 + text.lines().position(|line| line.contains(call)).context("no line traps")?;
        let module = modules::folder().join("../conformance").join(language).with_extension("wasm");
        let module = module.to_str().context("a path of text")?;
        let ended = program::run(["apply", module], b"!trap\n")?;
        let place = format!("{}:{line}:", source.rsplit('/').next().unwrap_or(source));
        ensure!(ended.code == Some(3), "{language}: {}", ended.err);
        for part in ["as it was told; in ", place.as_str(), function] {
            ensure!(ended.err.contains(part), "{language}: no {part:?} in {}", ended.err);
        }
    }
    Ok(())
}
