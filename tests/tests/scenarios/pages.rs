//! The pages for authors: from nothing to a running transform by hand, in every language, with the very text of `docs/guests`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use edgemill_tests::{cache, program};

/// The pages, and what is done where the text cannot be taken as it is: Zig says the number itself.
const PAGES: [(&str, &str); 8] = [
    ("rust", ""),
    ("go", ""),
    ("python", ""),
    ("javascript", ""),
    ("assemblyscript", ""),
    ("c", ""),
    ("cpp", ""),
    (
        "zig",
        r#"number=$(zig build 2>&1 | grep -o "0x[0-9a-f]\{16\}" | tail -1); sed -i "s/0x0,/$number,/" build.zig.zon"#,
    ),
];

/// Runs a text for a shell in a folder, with the toolchains of all languages on the path.
const RUN: &str = r#"source scripts/toolchain.sh; use_cache; export npm_config_offline=false npm_config_prefer_offline=true
PATH=$1:$(python_tool ziglang==0.17.1)/bin:$PATH; cd "$2"; exec bash -e -c "$3""#;

/// What a page says up to its first table, for a shell: files are written, commands are run.
fn script(page: &str, instead: &str) -> Result<String> {
    let begin = page.split("\n## What a record can become").next().unwrap_or_default();
    let mut script = String::new();
    if !begin.contains("&& cd shout") {
        script.push_str("mkdir shout && cd shout\n");
    }
    let (mut rest, mut said) = (begin, String::new());
    while let Some((before, block)) = rest.split_once("\n```") {
        let (kind, block) = block.split_once('\n').context("a block without an end")?;
        let (text, after) = block.split_once("\n```").context("a block without an end")?;
        said.push_str(before);
        let last = said.lines().rev().find(|line| !line.is_empty()).unwrap_or_default();
        match (kind, last.split('`').nth(1)) {
            ("sh", _) => {
                if text.contains("edgemill apply") && !instead.is_empty() {
                    script.push_str(&format!("{instead}\n"));
                }
                let commands = text.lines().map(|line| line.split("  #").next().unwrap_or_default());
                script.push_str(&format!("{}\n", commands.collect::<Vec<_>>().join("\n")));
                if text.contains("edgemill apply") {
                    return Ok(script);
                }
            }
            (_, Some(file)) => {
                let to = if last.starts_with("At the end of") { ">>" } else { ">" };
                script.push_str(&format!("mkdir -p $(dirname {file})\ncat {to} {file} <<'END'\n{text}\nEND\n"));
            }
            (_, None) => bail!("no file is named before {text}"),
        }
        (rest, said) = (after, String::new());
    }
    bail!("no record is passed through")
}

/// Puts Edgemill's SDKs beside the author's folder, where the pages look for them. Some languages' tools write into what they install, so
/// they get a copy; the SDK for Rust is a part of the workspace.
fn lay_beside(folder: &Path, root: &Path, language: &str) -> Result<()> {
    let copy = folder.join("edgemill");
    if language == "rust" {
        return Ok(std::os::unix::fs::symlink(root, copy)?);
    }
    fs::create_dir(&copy)?;
    let status = Command::new("cp").arg("-r").args([&root.join("guest-sdk"), &copy]).status()?;
    ensure!(status.success(), "copying the SDKs: {status}");
    Ok(())
}

fn followed(language: &str, instead: &str) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let page = fs::read_to_string(root.join(format!("docs/guests/{language}.md")))?;
    let (script, folder) = (script(&page, instead)?, tempfile::tempdir()?);
    lay_beside(folder.path(), &root, language)?;
    let own: PathBuf = program::executable()?.parent().context("a folder")?.to_owned();
    let mut shell = Command::new("bash");
    let arguments = [own.as_os_str(), folder.path().as_os_str(), script.as_ref()];
    let shell = shell.args(["-e", "-c", RUN, "bash"]).args(arguments).env_remove("CARGO_TARGET_DIR");
    let ran = shell.current_dir(root).env("EDGEMILL_CACHE", cache()).output()?;
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let passed = out.lines().last() == Some("HELLO");
    ensure!(ran.status.success() && passed, "docs/guests/{language}.md:\n{script}\n{out}{err}");
    Ok(())
}

#[test]
fn the_page_of_every_language_leads_from_nothing_to_a_transform() -> Result<()> {
    let half =
        |first: usize| PAGES.iter().skip(first).step_by(2).try_for_each(|(name, instead)| followed(name, instead));
    thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        half(0).and(other.join().expect("what panics fails the test anyway"))
    })
}
