//! What a module is made for, and what one seems to be that is for nothing known.

use super::{Door, Inspection, TRANSFORMER};
use crate::config::ModuleType;
use crate::wasm::fluvio::COPY_RECORDS;
use crate::wasm::lines::START;
use crate::wasm::{CONTRACT, CORE_EXPORT};

/// Exports by which a Fluvio SmartModule is known, in the order in which Fluvio looks for them.
pub(in crate::wasm) const FLUVIO: [&str; 5] = ["filter", "map", "filter_map", "array_map", "aggregate"];

/// What a module is made for.
pub(super) fn made_for(module: &Inspection) -> Option<ModuleType> {
    let exports = |name: &str| module.exports.iter().any(|export| export == name);
    if module.contract.is_some() {
        return Some(ModuleType::Transform);
    }
    if module.door == Door::Component {
        return None;
    }
    let gives = module.imports.iter().any(|import| import.name.ends_with(&format!("::{COPY_RECORDS}")));
    if gives && FLUVIO.iter().any(|name| exports(name)) {
        return Some(ModuleType::Fluvio);
    }
    let redpanda = module.imports.iter().any(|import| import.name.starts_with("redpanda_transform::"));
    (exports(START) && !redpanda).then_some(ModuleType::Lines)
}

/// What it is made for, for a person.
pub(super) fn words(module: &Inspection) -> String {
    let exports = |name: &str| module.exports.iter().any(|export| export == name);
    match module.made_for {
        Some(ModuleType::Transform) => "a transform".to_owned(),
        Some(ModuleType::Fluvio) => {
            let work = FLUVIO.into_iter().find(|name| exports(name)).unwrap_or_default();
            let init = if exports("init") { ", with init" } else { "" };
            let look_back = if exports("look_back") { ", with look_back, which is never called" } else { "" };
            format!("a Fluvio SmartModule: {work}{init}{look_back}")
        }
        Some(ModuleType::Lines) => "a program (a WASI command), which is given records as lines".to_owned(),
        None => "nothing known".to_owned(),
    }
}

/// Says which export is missing, and what the module seems to be.
pub(super) fn describe(module: &Inspection) -> String {
    let missing = match module.door {
        Door::Core => CORE_EXPORT.to_owned(),
        Door::Component => format!("{TRANSFORMER}{CONTRACT}"),
    };
    format!("no transform: the export {missing} is missing; {}", seems(module))
}

fn seems(module: &Inspection) -> String {
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
    if module.exports.iter().any(|export| export.starts_with("wasi:cli/run@")) {
        return "it seems to be a program: build it for wasm32-wasip1, and it is given records as lines, or build a library that exports a \
                transform".to_owned();
    }
    if module.exports.iter().any(|export| export.starts_with("wasi:http/")) {
        return "it seems to be an HTTP handler".to_owned();
    }
    let names: Vec<_> = module.exports.iter().take(8).map(String::as_str).collect();
    let more = if names.len() < module.exports.len() { ", …" } else { "" };
    format!("it exports {}{more}", names.join(", "))
}
