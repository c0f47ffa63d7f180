//! What a module that does not speak the contract seems to be.

use super::{Door, Inspection, TRANSFORMER};
use crate::wasm::{CONTRACT, CORE_EXPORT};

/// Exports by which a Fluvio SmartModule is known.
const FLUVIO: [&str; 6] = ["filter", "map", "filter_map", "array_map", "aggregate", "look_back"];

/// Says which export is missing, and what the module seems to be.
pub(super) fn describe(module: &Inspection) -> String {
    let missing = match module.door {
        Door::Core => CORE_EXPORT.to_owned(),
        Door::Component => format!("{TRANSFORMER}{CONTRACT}"),
    };
    format!("no transform: the export {missing} is missing; {}", seems(module))
}

fn seems(module: &Inspection) -> String {
    let exports = |name: &str| module.exports.iter().any(|export| export == name);
    let imports = |start: &str| module.imports.iter().any(|import| import.name.starts_with(start));
    if module.exports.is_empty() {
        return "it exports nothing: in Rust, crate-type is to be [\"cdylib\"]".to_owned();
    }
    if imports("redpanda_transform::") {
        return "it seems to be a Redpanda transform: rebuild it with an SDK of Edgemill".to_owned();
    }
    if module.exports.iter().any(|export| export.starts_with(TRANSFORMER)) {
        return "it is the inside of a component: make one of it with wasm-tools component new".to_owned();
    }
    if exports("_start") || module.exports.iter().any(|export| export.starts_with("wasi:cli/run@")) {
        return "it seems to be a program (a WASI command): build a library that exports a transform".to_owned();
    }
    if module.exports.iter().any(|export| export.starts_with("wasi:http/")) {
        return "it seems to be an HTTP handler".to_owned();
    }
    if FLUVIO.iter().any(|name| exports(name)) && exports("alloc") {
        return "it seems to be a Fluvio SmartModule: rebuild it with an SDK of Edgemill".to_owned();
    }
    let names: Vec<_> = module.exports.iter().take(8).map(String::as_str).collect();
    let more = if names.len() < module.exports.len() { ", …" } else { "" };
    format!("it exports {}{more}", names.join(", "))
}
