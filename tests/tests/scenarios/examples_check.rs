//! The examples as their README has them: nothing is wrong with them, they are small, and their variables are listed.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use edgemill_tests::example::{self, EXAMPLES};
use edgemill_tests::{SecureBroker, modules, program};

/// What a reader takes in at once: lines, of so many columns.
const SCREENFUL: usize = 45;
const COLUMNS: usize = 100;

/// The variables of `.env.example`: those that have to be set, and those that may.
fn listed(example: &str) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let text = example::text(example, ".env.example")?;
    let mut sets = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter_map(|line| line.split_once('=')) {
        match line.0.strip_prefix("# ") {
            Some(name) => sets.1.insert(name.to_owned()),
            None => sets.0.insert(line.0.to_owned()),
        };
    }
    Ok(sets)
}

/// The variables of configurations: those without a default, and those with one.
fn asked(example: &str, files: &[&str]) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let mut sets = (BTreeSet::new(), BTreeSet::new());
    for file in files {
        for part in example::text(example, file)?.split("${").skip(1) {
            let inner = part.split('}').next().unwrap_or_default();
            match inner.split_once(":-") {
                Some((name, _)) => sets.1.insert(name.to_owned()),
                None => sets.0.insert(inner.to_owned()),
            };
        }
    }
    Ok(sets)
}

#[test]
fn check_finds_nothing_wrong_with_any_example() -> Result<()> {
    let certificates = SecureBroker::shared();
    for (name, files) in EXAMPLES {
        // .env beside the configuration, as the README has it
        let folder = tempfile::tempdir()?;
        let modules = format!("EDGEMILL_MODULES='{}'\n", modules::folder().display());
        std::fs::write(folder.path().join(".env"), example::text(name, ".env.example")? + &modules)?;
        for file in ["ca.crt", "client.crt", "client.key"] {
            std::fs::copy(certificates.certificate(file), folder.path().join(file))?;
        }
        for file in files {
            let text = example::text(name, file)?;
            let path = folder.path().join(file);
            std::fs::write(&path, text)?;
            let ended = program::run(["check", "-c", &path.to_string_lossy()], b"")?;
            ensure!(ended.code == Some(0) && ended.err.is_empty(), "{name}/{file}: {:?}\n{}", ended.code, ended.err);
        }
    }
    Ok(())
}

#[test]
fn configurations_and_readmes_of_examples_are_a_screenful_each() -> Result<()> {
    for (name, files) in EXAMPLES {
        for file in files.iter().chain(&["README.md"]) {
            let text = example::text(name, file)?;
            let lines: usize = text.lines().map(|line| line.chars().count().div_ceil(COLUMNS).max(1)).sum();
            ensure!(lines <= SCREENFUL, "{name}/{file}: {lines} lines of {COLUMNS} columns are no screenful");
        }
    }
    Ok(())
}

#[test]
fn every_variable_of_an_example_is_listed_and_those_without_a_default_are_asked_for() -> Result<()> {
    for (name, files) in EXAMPLES {
        let ((needed, may), (listed, optional)) = (asked(name, files)?, listed(name)?);
        let all = |one: &BTreeSet<String>, two: &BTreeSet<String>| one.union(two).cloned().collect::<BTreeSet<_>>();
        assert_eq!(all(&needed, &may), all(&listed, &optional), "{name}");
        ensure!(needed.is_subset(&listed), "{name}: {needed:?} have no default, {listed:?} stand in .env.example");
    }
    Ok(())
}
