//! What modules may import, and what to do about the rest. The default grants nothing but log, clock and random.

use super::LOG;
use crate::wasm::plain::wasi;
use crate::wasm::redpanda;

/// Why a plain module's import is refused; `None` where it is granted.
// Promise: closed
pub(super) fn core(module: &str, name: &str) -> Option<String> {
    if (module, name) == (LOG, "log") {
        return None;
    }
    if module == wasi::MODULE && wasi::has(name) {
        return None;
    }
    if let Some(version) = name.strip_prefix("check_abi_version_").filter(|_| module == redpanda::MODULE) {
        return Some(format!(
            "version {version} of Redpanda's ABI is none of those that are released, 1 and 2; build it with a released SDK"
        ));
    }
    let why = match (module, name) {
        (wasi::MODULE, _) => "preview 1 of WASI has no such function",
        ("wasi_unstable" | "wasi", _) => {
            "this host has preview 1 of WASI; build it with a newer toolchain (wasm32-wasip1)"
        }
        (redpanda::MODULE | redpanda::REGISTRY, _) => {
            "Redpanda's ABI 1 and 2 have no such function, or this is no transform of Redpanda's; build it with a released SDK"
        }
        ("redpanda_wasm_network", _) => "Redpanda has not released it, and modules reach no network",
        ("env", "abort") => "build it with asc --use abort=, so that an abort traps",
        ("env", "memory") => "a module brings its own memory and exports it; link it without --import-memory",
        ("env", _) => "a symbol that was not found when it was linked; link the library that has it",
        ("__wbindgen_placeholder__" | "wbg", _) => {
            "it is made for JavaScript by wasm-bindgen; a dependency needs a feature less"
        }
        (module, _) if module.starts_with("edgemill:transform/log@") => "another version of the contract",
        (module, _) if module.starts_with("wasi:") || module.starts_with("edgemill:") => {
            "the module is the inside of a component; make one of it with wasm-tools component new"
        }
        _ => "this host has nothing of that name",
    };
    Some(why.to_owned())
}

/// Why a component's import is refused; `None` where it is granted.
///
/// WASI is what languages' runtimes expect to be there. Clocks and random are real; the rest is there and empty: no
/// files, no environment, no arguments, no input. Sockets are there because C's runtime names them; none can be made.
// Promise: closed
pub(super) fn component(name: &str) -> Option<String> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    match interface {
        "edgemill:transform/log" | "edgemill:transform/types" => match version == super::CONTRACT {
            true => None,
            false => Some(format!("another version of the contract; this host speaks {}", super::CONTRACT)),
        },
        _ if is_wasi(interface) => match version.starts_with("0.2.") {
            true => None,
            false => Some("this host has WASI 0.2".to_owned()),
        },
        _ if interface.starts_with("wasi:http") => {
            Some("modules reach no network; send records, not requests".to_owned())
        }
        _ => Some("this host has nothing of that name".to_owned()),
    }
}

fn is_wasi(interface: &str) -> bool {
    ["cli", "clocks", "filesystem", "io", "random", "sockets"]
        .iter()
        .any(|package| interface.strip_prefix("wasi:").is_some_and(|rest| rest.starts_with(&format!("{package}/"))))
}
