//! The pages for authors: from nothing to a running transform by hand, in every language, with the very text of `docs/guests`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use edgemill_tests::shell;

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

/// What a page says up to its first table, for a shell: files are written, commands are run.
fn script(page: &str, instead: &str) -> Result<String> {
    let begin = page.split("\n## What a record can become").next().unwrap_or_default();
    // what has no lock file asks the registry for what there is
    let mut script = "export npm_config_offline=false npm_config_prefer_offline=true\n".to_owned();
    if !begin.contains("&& cd shout") {
        script.push_str("mkdir shout && cd shout\n");
    }
    let mut rest = begin;
    while let Some((before, block)) = rest.split_once("\n```") {
        let (kind, block) = block.split_once('\n').context("a block without an end")?;
        let (text, after) = block.split_once("\n```").context("a block without an end")?;
        let last = before.lines().rev().find(|line| !line.is_empty()).unwrap_or_default();
        match (kind, last.split('`').nth(1)) {
            ("sh", _) => {
                if text.contains("edgemill apply") && !instead.is_empty() {
                    script.push_str(&format!("{instead}\n"));
                }
                script.push_str(&format!("{}\n", shell::commands(text)));
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
        rest = after;
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
    let ran = shell::run(&script, folder.path(), &folder.path().join("state"))?;
    let out = String::from_utf8_lossy(&ran.out);
    let passed = ran.code == Some(0) && out.lines().last() == Some("HELLO");
    ensure!(passed, "docs/guests/{language}.md:\n{script}\n{out}{}", ran.err);
    Ok(())
}

#[test]
fn the_page_of_every_language_leads_from_nothing_to_a_transform() -> Result<()> {
    shell::two_at_a_time(&PAGES, |(name, instead)| followed(name, instead))?;
    Ok(())
}
