//! What a module is, read from its bytes without compiling it: door, contract, imports, exports, memory.

use super::{CONTRACT, CORE_EXPORT, LOG};
use crate::config::ModuleType;
use crate::modules::LoadError;
use crate::modules::hash;
use std::fmt;
use wasmparser::{KnownCustom, MemoryType, Parser, Payload};

mod file;
mod grants;
mod kind;
mod outline;
mod valid;

pub(super) use kind::FLUVIO;
pub(super) use valid::validate;

/// The interface that a component of the contract exports, but for the version.
pub(super) const TRANSFORMER: &str = "edgemill:transform/transformer@";

/// The function that a plain module of the contract exports, but for the version.
const TRANSFORM: &str = "edgemill_transform_";

/// The functions that a plain module of the contract exports besides.
const CORE_EXPORTS: [&str; 3] = ["memory", "edgemill_alloc", "edgemill_configure"];

/// How batches cross into a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// A plain module: through its own memory, as `docs/guests/core-door.md` says.
    Core,
    /// A component: through `guest-sdk/wit`.
    Component,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Door::Core => "core",
            Door::Component => "component",
        })
    }
}

/// Something that a module imports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Import {
    /// `module::name` at the core door, the interface's name at the component door.
    pub name: String,
    /// Why it is not granted, and what to do; `None` where it is.
    pub refused: Option<String>,
}

/// A module's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MemorySize {
    /// What it starts with.
    pub minimum: u64,
    /// What it limits itself to.
    pub maximum: Option<u64>,
}

/// What a module is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Inspection {
    /// How batches cross into it.
    pub door: Door,
    /// What it is made for; `None` where that is nothing known.
    pub made_for: Option<ModuleType>,
    /// The contract's version that it speaks; `None` where it is no transform.
    pub contract: Option<String>,
    /// What it imports, in its own order.
    pub imports: Vec<Import>,
    /// The names of what it exports, in its own order.
    pub exports: Vec<String>,
    /// The file's size in bytes.
    pub size: usize,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its memory; a component's largest.
    pub memory: Option<MemorySize>,
    /// Whether functions have names, so that backtraces do.
    pub names: bool,
    /// Whether it carries debug information, so that traps name lines of its source.
    pub dwarf: bool,
    /// Languages and tools that made it, such as `Rust 1.95.0`.
    pub producers: Vec<String>,
}

/// Reads what a module is.
///
/// # Errors
/// The bytes are no WebAssembly, or cut short.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let door = file::door(bytes)?;
    let mut inspection = Inspection {
        door,
        made_for: None,
        contract: None,
        imports: Vec::new(),
        exports: Vec::new(),
        size: bytes.len(),
        sha256: hash(bytes),
        memory: None,
        names: false,
        dwarf: false,
        producers: Vec::new(),
    };
    read(bytes, &mut inspection)
        .map_err(|error| LoadError::new("compile", format!("the file is damaged or cut short: {error}")))?;
    inspection.contract = inspection.exports.iter().find_map(|export| contract(door, export));
    inspection.made_for = kind::made_for(&inspection);
    let own = |import: &&mut Import| kind::grants(inspection.made_for, &import.name);
    inspection.imports.iter_mut().filter(own).for_each(|import| import.refused = None);
    Ok(inspection)
}

/// The module without its code and data, where it is valid.
///
/// # Errors
/// Where it is not valid, and why.
pub(super) fn outline(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    validate(bytes)?;
    outline::outline(bytes).map_err(|error| LoadError::new("compile", error))
}

/// The contract's version in an export's name.
fn contract(door: Door, export: &str) -> Option<String> {
    match door {
        Door::Core => Some(export.strip_prefix(TRANSFORM)?.replace('_', ".")),
        Door::Component => Some(export.strip_prefix(TRANSFORMER)?.to_owned()),
    }
}

fn read(bytes: &[u8], inspection: &mut Inspection) -> wasmparser::Result<()> {
    // a component has modules and components inside: only what the outermost imports and exports is its own
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ImportSection(section) if depth == 0 => {
                for import in section.into_imports() {
                    let import = import?;
                    let name = format!("{}::{}", import.module, import.name);
                    let refused = grants::core(import.module, import.name);
                    inspection.imports.push(Import { name, refused });
                }
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let name = import?.name.name.to_owned();
                    let refused = grants::component(&name);
                    inspection.imports.push(Import { name, refused });
                }
            }
            Payload::ExportSection(section) if depth == 0 => {
                for export in section {
                    inspection.exports.push(export?.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    inspection.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    let memory = memory_size(memory?);
                    let larger = inspection.memory.is_none_or(|known| known.minimum < memory.minimum);
                    inspection.memory = if larger { Some(memory) } else { inspection.memory };
                }
            }
            Payload::CustomSection(section) => match section.as_known() {
                KnownCustom::Name(_) => inspection.names = true,
                KnownCustom::Producers(producers) => read_producers(producers, &mut inspection.producers),
                _ => inspection.dwarf |= section.name().starts_with(".debug_"),
            },
            _ => {}
        }
    }
    Ok(())
}

fn memory_size(memory: MemoryType) -> MemorySize {
    let page = memory.page_size_log2.unwrap_or(16);
    let bytes = |pages: u64| pages.checked_shl(page).unwrap_or(u64::MAX);
    MemorySize { minimum: bytes(memory.initial), maximum: memory.maximum.map(bytes) }
}

/// A damaged section is passed over: it is there to read, and nothing depends on it.
fn read_producers(section: wasmparser::ProducersSectionReader<'_>, producers: &mut Vec<String>) {
    for field in section.into_iter().flatten() {
        for value in field.values.into_iter().flatten() {
            let producer = format!("{} {}", value.name, value.version).trim().to_owned();
            if !producers.contains(&producer) {
                producers.push(producer);
            }
        }
    }
}

impl Inspection {
    /// Checks that the module speaks this host's contract, and imports nothing that is not granted.
    ///
    /// # Errors
    /// What it lacks or wants, and what to do.
    // Promise: closed
    pub fn check(&self) -> Result<(), LoadError> {
        let version = |message: String| Err(LoadError::new("version", message));
        match (&self.contract, self.made_for) {
            (_, None) => return version(kind::describe(self)),
            (Some(contract), _) if contract != CONTRACT => {
                return version(format!(
                    "speaks contract {contract}; this host speaks {CONTRACT}: build it with this host's SDK, or take a host that speaks {contract}"
                ));
            }
            _ => {}
        }
        let missing = |name: &&str| !self.exports.iter().any(|export| export == name);
        if (self.door, self.made_for) == (Door::Core, Some(ModuleType::Transform))
            && let Some(name) = CORE_EXPORTS.iter().find(|name| missing(name))
        {
            return version(format!("exports {CORE_EXPORT} but not {name}: see docs/guests/core-door.md"));
        }
        self.check_imports()?;
        match kind::lacks(self).filter(|_| self.made_for == Some(ModuleType::Redpanda)) {
            Some(message) => version(message),
            None => Ok(()),
        }
    }

    /// Checks that the module is made for what a chain's table says.
    ///
    /// # Errors
    /// What it is made for instead.
    pub(super) fn check_type(&self, wanted: ModuleType) -> Result<(), LoadError> {
        match self.made_for {
            Some(found) if found != wanted => {
                let (wanted, found, what) = (wanted.as_str(), found.as_str(), kind::words(self));
                let message = format!("type = {wanted:?}, but it is {what}: write `type = {found:?}`, or leave it out");
                Err(LoadError::new("version", message))
            }
            // what it is for nobody knows: the check of everything says so
            _ => Ok(()),
        }
    }

    /// What the module is made for, in words.
    pub fn made_for(&self) -> String {
        kind::words(self)
    }

    /// What it is given besides batches, in words.
    pub fn granted(&self) -> &'static str {
        kind::granted(self)
    }

    fn check_imports(&self) -> Result<(), LoadError> {
        let refused = self.imports.iter().find_map(|import| Some((&import.name, import.refused.as_ref()?)));
        match refused {
            Some((name, why)) => Err(LoadError::new("link", format!("imports {name}, which is not granted: {why}"))),
            None => Ok(()),
        }
    }
}
