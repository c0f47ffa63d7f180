//! `edgemill inspect`: what a module is, without running it.

use super::{Done, Failure};
use crate::config::size_text;
use crate::harmless::one_line;
use crate::wasm::{CONTRACT, Engine, Inspection, inspect};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Shows what a module is: door, contract, imports, exports, size, hash and memory, and whether this host would take it
///
/// Nothing of the module runs. Exits with code 0 for every file of WebAssembly, with 2 for any other.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The module's file
    #[arg(value_name = "MODULE")]
    module: PathBuf,

    /// Writes one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let path = arguments.module.display();
    let bytes = crate::modules::read(&arguments.module)
        .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
    let inspection = inspect(&bytes).map_err(|error| Failure::usage(format!("{path}: {error}")))?;
    let engine = Engine::new(None).map_err(anyhow::Error::from)?;
    let refused = engine.try_link(&bytes).err().map(|error| error.to_string());
    let mut text = String::new();
    if arguments.json {
        let mut value = serde_json::to_value(&inspection).map_err(anyhow::Error::from)?;
        value["refused"] = json!(refused);
        text = format!("{value:#}\n");
    } else {
        // writing to a string cannot fail
        let _ = describe(&inspection, &arguments.module.display().to_string(), refused.as_deref(), &mut text);
    }
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Done::Well)
}

fn describe(inspection: &Inspection, path: &str, refused: Option<&str>, out: &mut String) -> std::fmt::Result {
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<10} {}", one_line(text));
    line("module", path)?;
    line("door", &inspection.door.to_string())?;
    let contract = match (inspection.contract.as_deref(), inspection.made_for) {
        (Some(version), _) if version == CONTRACT => version.to_owned(),
        (Some(version), _) => format!("{version}; this host speaks {CONTRACT}"),
        (None, Some(_)) => "none of its own: it runs as it is".to_owned(),
        (None, None) => "none: it is no transform".to_owned(),
    };
    line("made for", &inspection.made_for())?;
    line("contract", &contract)?;
    line("size", &format!("{} bytes", inspection.size))?;
    line("sha256", &inspection.sha256)?;
    if let Some(memory) = inspection.memory {
        let maximum = memory.maximum.map_or("no maximum of its own".to_owned(), |maximum| {
            format!("{} at the most", size_text(maximum as usize))
        });
        line("memory", &format!("{} at the start, {maximum}", size_text(memory.minimum as usize)))?;
    }
    for (index, import) in inspection.imports.iter().enumerate() {
        let granted = import.refused.as_deref().map_or("granted".to_owned(), |why| format!("not granted: {why}"));
        line(if index == 0 { "imports" } else { "" }, &format!("{}  {granted}", import.name))?;
    }
    if inspection.imports.is_empty() {
        line("imports", "none")?;
    }
    line("granted", inspection.granted())?;
    line("exports", &inspection.exports.join(", "))?;
    if !inspection.producers.is_empty() {
        line("made by", &inspection.producers.join(", "))?;
    }
    line(
        "names",
        if inspection.names { "yes: backtraces name functions" } else { "no: backtraces have numbers only" },
    )?;
    if inspection.dwarf {
        line("", "it carries debug information: traps name lines of its source")?;
    }
    line("verdict", &refused.map_or("this host takes it".to_owned(), |why| format!("this host refuses it: {why}")))
}
