//! A trap is explained: by the panic's message in every language, and by the lines of the guest's own source in every one whose compiler
//! or runtime knows them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edgemill_tests::{modules, program};

fn conformance(name: &str) -> PathBuf {
    modules::folder().join("../conformance").join(name).with_extension("wasm")
}

/// What is told of the record that asks a module to trap.
fn told(module: &Path) -> Result<String> {
    told_of(module, "!trap")
}

/// What is told of a record that makes a module trap.
fn told_of(module: &Path, record: &str) -> Result<String> {
    let path = module.to_str().context("a path of text")?;
    let ended = program::run(["apply", path, "--memory", "256 MiB"], record.as_bytes())?;
    ensure!(ended.code == Some(3), "{path}: {}", ended.err);
    let told = ended.err.lines().rfind(|line| line.starts_with("{\"origin\":0,\"class\":\"trap\""));
    Ok(told.with_context(|| format!("{path}: no trap in {}", ended.err))?.to_owned())
}

/// Where in a file of the conformance transforms there is a text, as traps tell it.
fn place(source: &str, text: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/conformance").join(source);
    let file = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let line = 1 + file.lines().position(|line| line.contains(text)).context("no line traps")?;
    Ok(format!("{}:{line}", source.rsplit('/').next().unwrap_or(source)))
}

#[test]
fn a_trap_names_the_line_of_the_source_and_the_functions() -> Result<()> {
    for (language, source, call, before, function) in [
        ("c", "c/conformance.c", "IS(\"trap\")", "; in ", "transform"),
        ("cpp", "cpp/conformance.cpp", "word == \"trap\"", "; in ", "Conformance::transform(edgemill::Record"),
        ("zig", "zig/conformance.zig", ".trap =>", "; in ", "Transform.transform"),
        (
            "assemblyscript",
            "assemblyscript/conformance.ts",
            "\"trap\")",
            "; in ",
            "conformance/Conformance#transform (",
        ),
        ("rust-lines", "rust/src/lib.rs", "b\"trap\" =>", "; in ", "transform"),
        ("go", "go/conformance.go", "panic(\"as it was told\")", "; at main.", "main.(*conformance).Transform ("),
    ] {
        let (told, place) = (told(&conformance(language))?, place(source, call)?);
        for part in [format!("as it was told{before}"), place, function.to_owned()] {
            ensure!(told.contains(&part), "{language}: no {part:?} in {told}");
        }
    }
    Ok(())
}

#[test]
fn an_index_out_of_range_names_the_line_that_has_it_and_not_the_librarys() -> Result<()> {
    let told = told_of(&conformance("assemblyscript"), "!beyond 7")?;
    let place = place("assemblyscript/conformance.ts", "\"beyond\")")?;
    ensure!(
        told.contains("Index out of range; in conformance/Conformance#transform (") && told.contains(&place),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_panic_tells_its_message_in_every_language() -> Result<()> {
    let languages = ["rust", "rust-component", "go", "js", "python", "c", "cpp", "assemblyscript", "zig"];
    for language in languages {
        let told = told(&conformance(language))?;
        ensure!(told.contains("as it was told"), "{language}: {told}");
    }
    Ok(())
}

#[test]
fn without_lines_a_trap_in_rust_names_the_authors_function_first() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("names.wasm");
    fs::write(&module, without_lines(&fs::read(conformance("rust-lines"))?)?)?;
    let told = told(&module)?;
    ensure!(
        told.contains("as it was told; in conformance::") || told.contains("as it was told; in <conformance::"),
        "{told}"
    );
    Ok(())
}

/// A module without its debug information: what a build has that keeps names only.
fn without_lines(module: &[u8]) -> Result<Vec<u8>> {
    let (header, mut rest) = module.split_at_checked(8).context("no module")?;
    let mut left = header.to_vec();
    while let Some(&id) = rest.first() {
        let (size, at) = number(&rest[1..])?;
        let (section, after) = rest.split_at_checked(1 + at + size).context("cut short")?;
        let (_, name) = number(&section[1 + at..])?;
        if id != 0 || !section[1 + at + name..].starts_with(b".debug_") {
            left.extend_from_slice(section);
        }
        rest = after;
    }
    Ok(left)
}

/// A number in LEB128, and how many bytes it has.
fn number(bytes: &[u8]) -> Result<(usize, usize)> {
    let length = 1 + bytes.iter().position(|byte| byte & 0x80 == 0).context("no number")?;
    let digits = bytes[..length].iter().rev();
    Ok((digits.fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f)), length))
}
