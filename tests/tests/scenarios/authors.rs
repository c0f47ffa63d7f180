//! What authors of transforms have: the conformance suite for all languages, and `edgemill test`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use edgemill_tests::{modules, program};

/// A module that keeps the records for whose `$index` in the batch, and number `$seen` of records before the batch, the condition
/// is true; `$count` is the batch's size.
fn keeping(condition: &str) -> Result<Vec<u8>> {
    modules::wat(&format!(
        r#"(module
          (memory (export "memory") 17)
          (global $before (mut i32) (i32.const 0))
          (func (export "edgemill_alloc") (param i32) (result i32) (i32.const 0x100000))
          (func (export "edgemill_configure") (param i32 i32) (result i32) (i32.const 0))
          (func (export "edgemill_transform_1_0_0") (param $batch i32) (result i32)
            (local $count i32) (local $index i32) (local $kept i32) (local $seen i32)
            (local.set $count (i32.load (local.get $batch)))
            (local.set $seen (global.get $before))
            (block $done (loop $next
              (br_if $done (i32.ge_u (local.get $index) (local.get $count)))
              (if {condition} (then
                (i32.store (i32.add (i32.const 0x10000) (i32.shl (local.get $kept) (i32.const 2))) (local.get $index))
                (local.set $kept (i32.add (local.get $kept) (i32.const 1)))))
              (local.set $index (i32.add (local.get $index) (i32.const 1)))
              (br $next)))
            (global.set $before (i32.add (local.get $seen) (local.get $count)))
            (i32.store (i32.const 1024) (local.get $kept))
            (i32.store (i32.const 1028) (i32.const 0x10000))
            (i32.const 1024)))"#
    ))
}

/// What `edgemill test` says of a module and two fixtures of three records.
fn tested(module: &[u8], more: &[&str]) -> Result<(Option<i32>, String)> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("m.wasm"), module)?;
    fs::create_dir(folder.path().join("fixtures"))?;
    let records = r#""in":[{"value":"0"},{"value":"1"},{"value":"2"}]"#;
    let kept = r#""out":[{"origin":0,"value":"0"},{"origin":1,"value":"1"}]"#;
    for name in ["a.json", "b.json"] {
        fs::write(folder.path().join("fixtures").join(name), format!("{{{records},{kept}}}"))?;
    }
    let folder = folder.path().to_str().context("a path")?;
    let ended = program::run(["test", folder, "--seed", "7"].iter().chain(more), b"")?;
    Ok((ended.code, String::from_utf8(ended.out)? + &ended.err))
}

#[test]
fn every_language_keeps_the_whole_contract() -> Result<()> {
    let folder = modules::folder().join("../conformance");
    let mut languages = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{}: run `make guests`", folder.display()))? {
        let path = entry?.path();
        let ended = program::run([Path::new("conformance"), &path, Path::new("--memory"), Path::new("256 MiB")], b"")?;
        ensure!(ended.code == Some(0), "{}\n{}{}", path.display(), String::from_utf8_lossy(&ended.out), ended.err);
        languages.push(path.file_stem().context("a name")?.to_string_lossy().into_owned());
    }
    for language in ["rust", "rust-component", "c", "js", "python"] {
        ensure!(languages.iter().any(|built| built == language), "{language} was not built: {languages:?}");
    }
    Ok(())
}

#[test]
fn the_suite_sees_a_module_that_does_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("identity.wasm");
    fs::write(&path, modules::hostile("identity")?)?;
    let ended = program::run([Path::new("conformance"), &path], b"")?;
    let out = String::from_utf8(ended.out)?;
    ensure!(ended.code == Some(1) && out.contains("FAILS drop, alone") && !out.contains("FAILS keep"), "{out}");
    Ok(())
}

#[test]
fn what_works_by_luck_only_is_told_with_the_way_in_which_it_fails() -> Result<()> {
    // alone in one batch all three give the same
    let third = "(i32.ne (local.get $index) (i32.const 2))";
    let (code, text) = tested(&keeping(third)?, &[])?;
    ensure!(code == Some(1) && text.contains("FAILS a.json, one by one"), "depends on the batch: {text}");
    let ever = "(i32.ne (i32.add (local.get $seen) (local.get $index)) (i32.const 2))";
    let (code, text) = tested(&keeping(ever)?, &[])?;
    ensure!(code == Some(1) && text.contains("FAILS b.json, in one batch with all others"), "hidden state: {text}");
    let each = "(i32.ne (i32.rem_u (i32.add (local.get $seen) (local.get $index)) (i32.const 3)) (i32.const 2))";
    let (code, text) = tested(&keeping(each)?, &[])?;
    ensure!(code == Some(1) && text.contains("in random order") && text.contains("(--seed 7)"), "order: {text}");
    let (code, text) = tested(&keeping(each)?, &["--orders", "0"])?;
    ensure!(code == Some(0) && text.contains("2 of 2 cases pass"), "{text}");
    Ok(())
}

#[test]
fn what_came_is_written_into_fixtures() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let fixture = folder.path().join("fixtures/a.json");
    fs::create_dir(folder.path().join("fixtures"))?;
    fs::write(&fixture, r#"{"in":[{"key":"k","value":"a"},{}]}"#)?;
    let module = folder.path().join("keep.wasm");
    fs::write(&module, modules::hostile("identity")?)?;
    let test = |more: &[&str]| {
        let (folder, module) = (folder.path().to_str().unwrap_or_default(), module.to_str().unwrap_or_default());
        program::run(["test", folder, "--module", module].iter().chain(more), b"")
    };
    ensure!(test(&[])?.code == Some(1), "two outputs are missing");
    ensure!(test(&["--update"])?.code == Some(0));
    let written = fs::read_to_string(&fixture)?;
    ensure!(written.contains(r#"{"key":"k","origin":0,"value":"a"}"#), "{written}");
    ensure!(test(&[])?.code == Some(0), "what was written is what comes");
    fs::write(&fixture, r#"{"in":[{"valve":"a"}]}"#)?;
    let ended = test(&[])?;
    ensure!(ended.code == Some(2) && ended.err.contains("a.json: record 0"), "{}", ended.err);
    Ok(())
}
