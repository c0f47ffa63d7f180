//! `edgemill new`: for every language, from nothing to a record that a pipeline delivers.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edgemill_tests::wait::PATIENCE;
use edgemill_tests::{Broker, Host, Record, program, shell};

use super::pipeline::{Pipeline, stop};

/// The commands of a README's first block for a shell.
fn commands(readme: &str) -> String {
    shell::commands(readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default())
}

/// The module that a README says is built.
fn module(place: &Path, readme: &str) -> Result<PathBuf> {
    let mut words = readme.split(|char: char| char.is_whitespace() || ";`".contains(char));
    Ok(place.join(words.find(|word| word.ends_with(".wasm")).context("the README names no module")?))
}

/// Makes a transform, and builds and tests it as its README says; gives its module.
fn made(folder: &Path, state: &Path, language: &str) -> Result<Vec<u8>> {
    let place = folder.join(format!("very-loud-{language}"));
    let made = program::run([Path::new("new"), &place, Path::new("--lang"), Path::new(language)], b"")?;
    ensure!(made.code == Some(0), "{}", made.err);
    let readme = fs::read_to_string(place.join("README.md"))?;
    let script = commands(&readme);
    ensure!(script.contains("edgemill test"), "the README of {language} does not say how it is tested: {script}");
    let ran = shell::run(&script, &place, state)?;
    let text = format!("{}{}", String::from_utf8_lossy(&ran.out), ran.err);
    ensure!(ran.code == Some(0) && text.contains("1 of 1 cases pass"), "{language}: {script}\n{text}");
    let module = module(&place, &readme)?;
    let bytes = fs::read(&module).with_context(|| module.display().to_string())?;
    // what some languages install is hundreds of megabytes
    fs::remove_dir_all(place)?;
    Ok(bytes)
}

#[test]
fn a_new_transform_in_any_language_builds_tests_and_runs_as_its_readme_says() -> Result<()> {
    let told = program::run(["new", "loud"], b"")?.err;
    let languages: Vec<&str> = told.trim().rsplit("one of ").next().unwrap_or_default().split(", ").collect();
    for language in ["rust", "c", "cpp", "zig", "go", "assemblyscript", "js", "ts", "python"] {
        ensure!(languages.contains(&language), "no template for {language}: {told}");
    }
    let pipeline = Pipeline::new("new", 1)?;
    // machine code is made once, for `edgemill test` and for the host
    let (folder, state) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let chain = languages.iter().enumerate().map(|(mark, language)| {
        format!("module = \"{language}.wasm\", config = {{ mark = \"{mark}\" }}, limits = {{ memory = \"128 MiB\" }}")
    });
    let chain: Vec<String> = chain.collect();
    let table = pipeline.table("p", "", &chain.iter().map(String::as_str).collect::<Vec<_>>());
    let state_text = state.path().display();
    let mut host =
        Host::builder(&format!("log = \"json\"\nstate = \"{state_text}\"\nmodules = \"@modules@\"\n{table}"));
    let built = shell::two_at_a_time(&languages, |language| {
        Ok((format!("{language}.wasm"), made(folder.path(), state.path(), language)?))
    })?;
    for (file, module) in built {
        host = host.module(&file, module);
    }
    let host = host.start()?;
    let broker = Broker::shared();
    broker.produce(&pipeline.from, [Record::of("hello").keyed("k"), Record::of("")])?;
    pipeline.wait_for_end(PATIENCE)?;
    let marks: String = (0..languages.len()).map(|mark| mark.to_string()).collect();
    let came = broker.consume(&pipeline.to)?;
    ensure!(came.len() == 1 && came[0].value.as_deref() == Some(format!("HELLO{marks}").as_bytes()), "{came:?}");
    ensure!(broker.consume(&pipeline.dead)?.len() == 1, "the empty one is refused");
    stop(host)
}

#[test]
fn a_name_that_would_not_build_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (name, why) in
        [("test", "choose another name"), ("edgemill-guest", "choose another name"), ("Loud", "a small letter")]
    {
        let place = folder.path().join(name);
        let told = program::run([Path::new("new"), &place, Path::new("--lang"), Path::new("zig")], b"")?;
        ensure!(told.code == Some(2) && told.err.contains(why) && !place.exists(), "{}", told.err);
    }
    Ok(())
}
