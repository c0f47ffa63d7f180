//! What a module is made for, and what one seems to be that is for nothing known.

use super::{Door, Inspection, TRANSFORMER};
use crate::config::ModuleType;
use crate::wasm::fluvio::COPY_RECORDS;
use crate::wasm::lines::START;
use crate::wasm::redpanda;
use crate::wasm::{CONTRACT, CORE_EXPORT};

/// Exports by which a Fluvio SmartModule is known, in the order in which Fluvio looks for them.
pub(in crate::wasm) const FLUVIO: [&str; 5] = ["filter", "map", "filter_map", "array_map", "aggregate"];

/// What Redpanda's transforms exported before there was an SDK.
const CALLBACK: &str = "redpanda_transform_on_record_written";

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
    if exports(CALLBACK) {
        return None;
    }
    let redpanda = module.imports.iter().any(|import| import.name.starts_with(&format!("{}::", redpanda::MODULE)));
    match redpanda {
        true => Some(ModuleType::Redpanda),
        false => exports(START).then_some(ModuleType::Lines),
    }
}

/// Whether an import, by its name, is one that modules of a kind have besides the others.
pub(super) fn grants(made_for: Option<ModuleType>, import: &str) -> bool {
    let (module, name) = import.split_once("::").unwrap_or_default();
    match made_for {
        Some(ModuleType::Fluvio) => name == COPY_RECORDS,
        Some(ModuleType::Redpanda) => redpanda::has(module, name),
        _ => false,
    }
}

/// What a transform of Redpanda's lacks; `None` where it lacks nothing.
pub(super) fn lacks(module: &Inspection) -> Option<String> {
    let missing = [START, "memory"].into_iter().find(|name| !module.exports.iter().any(|export| export == name));
    if let Some(name) = missing {
        return Some(format!(
            "a Redpanda transform that does not export {name}: build it as a program (wasm32-wasip1)"
        ));
    }
    let message = "it says no version of Redpanda's ABI: neither check_abi_version_1 nor _2 is imported; build it with a released SDK";
    abi(module).is_none().then(|| message.to_owned())
}

/// The newest version of Redpanda's ABI that a transform says it speaks.
fn abi(module: &Inspection) -> Option<u32> {
    let marker = |version: &u32| format!("{}::check_abi_version_{version}", redpanda::MODULE);
    redpanda::ABI.into_iter().rev().find(|version| module.imports.iter().any(|import| import.name == marker(version)))
}

fn asks_registry(module: &Inspection) -> bool {
    let registry = format!("{}::", redpanda::REGISTRY);
    module.imports.iter().any(|import| import.name.starts_with(&registry))
}

/// What a module is given besides batches, for a person.
pub(super) fn granted(module: &Inspection) -> &'static str {
    match module.made_for {
        Some(ModuleType::Redpanda) if asks_registry(module) => {
            "log, random, the records' clock, the names of its topics, and the schema registry where one is configured; no file, no other \
             network, no environment but what `config` gives it"
        }
        Some(ModuleType::Redpanda) => {
            "log, random, the records' clock, the names of its topics; no file, no network, no environment but what `config` gives it"
        }
        _ => "log, clock and random; no file, no network, no environment but what `config` gives a program",
    }
}

/// What it is made for, for a person.
pub(super) fn words(module: &Inspection) -> String {
    let exports = |name: &str| module.exports.iter().any(|export| export == name);
    match module.made_for {
        Some(ModuleType::Transform) => "a transform".to_owned(),
        Some(ModuleType::Fluvio) => {
            let work = FLUVIO.into_iter().find(|name| exports(name)).unwrap_or_default();
            let init = if exports("init") { ", with init" } else { "" };
            let look_back = if exports("look_back") {
                ", with look_back, which is called where the chain's table has `look_back`"
            } else {
                ""
            };
            format!("a Fluvio SmartModule: {work}{init}{look_back}")
        }
        Some(ModuleType::Lines) => "a program (a WASI command), which is given records as lines".to_owned(),
        Some(ModuleType::Redpanda) => {
            let abi = abi(module).map_or("no ABI".to_owned(), |version| format!("ABI {version}"));
            format!(
                "a Redpanda data transform: {abi}{}",
                if asks_registry(module) { ", with the schema registry" } else { "" }
            )
        }
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
    if module.exports.is_empty() {
        return match module.door {
            Door::Core => "it exports nothing: in Rust, crate-type is to be [\"cdylib\"]",
            Door::Component => "it exports nothing: export the interface of guest-sdk/wit",
        }
        .to_owned();
    }
    if module.exports.iter().any(|export| export == CALLBACK) {
        return format!(
            "it is a Redpanda transform of a design that was never released (it exports {CALLBACK}): build it with a released SDK"
        );
    }
    if module.imports.iter().any(|import| import.name.ends_with(&format!("::{COPY_RECORDS}"))) {
        let kinds = FLUVIO.join(", ");
        return format!(
            "it seems to be a Fluvio SmartModule without its function: one of {kinds} is to be exported, by #[smartmodule(…)]"
        );
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
