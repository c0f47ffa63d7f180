//! Redpanda's data transforms, unmodified: what `docs/guests/redpanda.md` says runs, and what differs.
//!
//! The ABI is Redpanda's (`src/transform-sdk`, Apache-2.0), versions 1 and 2.

use super::plain::wasi::terminated;
use super::plain::{Blueprint, PlainModule, Start, State};
use super::{Loading, lines};
use crate::chain::Transform;
use crate::config::Ends;
use crate::modules::{LoadError, Module};
use crate::registry::Registry;
use instance::Instance;
use pace::Pace;
use settings::{Clock, Settings};
use shelf::Shelf;
use std::sync::Arc;
use wasmtime::Linker;

mod desk;
mod guest;
mod imports;
mod instance;
mod pace;
mod payload;
mod registry;
mod settings;
mod shelf;

pub(super) use desk::Desk;

/// The module that its functions are imported from: by which a transform is known.
pub(super) const MODULE: &str = "redpanda_transform";

/// The functions of the schema registry.
pub(super) const REGISTRY: &str = "redpanda_schema_registry";

/// The versions of the ABI.
pub(super) const ABI: [u32; 2] = [1, 2];

/// What functions of the module do, but for saying which version it is.
const FUNCTIONS: [&str; 4] = ["read_batch_header", "read_next_record", "write_record", "write_record_with_options"];

/// The functions of the registry; the last two are an older crate's names for the two before.
const REGISTRY_FUNCTIONS: [&str; 8] = [
    "check_abi_version_0",
    "get_schema_definition_len",
    "get_schema_definition",
    "create_subject_schema",
    "get_subject_schema_len",
    "get_subject_schema",
    "get_schema_subject_len",
    "get_schema_subject",
];

/// Whether transforms may import a function.
// Promise: closed
pub(super) fn has(module: &str, name: &str) -> bool {
    match module {
        MODULE => FUNCTIONS.contains(&name) || ABI.iter().any(|version| name == format!("check_abi_version_{version}")),
        REGISTRY => REGISTRY_FUNCTIONS.contains(&name),
        _ => false,
    }
}

/// What a topic is called where nobody says it.
const INPUT: &str = "input";
const OUTPUT: &str = "output";

/// What all guests of a transform have in common.
struct Redpanda {
    clock: Clock,
    /// The topic that a guest is told which is made before it is known for which.
    input: String,
    declared: Arc<Declared>,
    registry: Option<Arc<dyn Registry>>,
    shelf: Shelf,
    pace: Pace,
}

/// The topics that a transform may write to.
struct Declared {
    names: Vec<String>,
    /// For each 0 for where the record was going, else k for `route_names[k - 1]`.
    routes: Vec<u16>,
    route_names: Vec<String>,
}

impl Declared {
    /// Of topics' names, of which the first is the pipeline's output, unless `routes` has one of that name. Where the sink has no
    /// topics, all are.
    fn new(names: Vec<String>, ends: &Ends) -> Self {
        let routes = ends.outputs.get(1..).unwrap_or_default();
        let mut declared = Self { routes: Vec::new(), route_names: Vec::new(), names };
        for (index, name) in declared.names.iter().enumerate() {
            let default = ends.one_place || index == 0 && !routes.contains(name);
            if !default {
                declared.route_names.push(name.clone());
            }
            declared.routes.push(if default { 0 } else { declared.route_names.len() as u16 });
        }
        declared
    }

    /// As variables of the environment.
    fn environment(&self) -> impl Iterator<Item = Vec<u8>> {
        let numbered = self.names.iter().enumerate();
        let numbered = numbered.map(|(index, name)| terminated(&format!("REDPANDA_OUTPUT_TOPIC_{index}={name}")));
        // its name when there was but one
        let first = self.names.first().map(|name| terminated(&format!("REDPANDA_OUTPUT_TOPIC={name}")));
        numbered.chain(first)
    }
}

/// Links a compiled transform.
///
/// # Errors
/// It does not start as a program does, or imports what is not there.
pub(super) fn link(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Blueprint, LoadError> {
    let mut linker = linker.clone();
    let link = |error: wasmtime::Error| LoadError::new("link", format!("{error:#}"));
    imports::link(&mut linker).and_then(|()| registry::link(&mut linker)).map_err(link)?;
    // it starts as every program does
    lines::link(&linker, module, what)
}

/// Links a compiled transform, and starts a guest to see that it comes to its first batch.
///
/// # Errors
/// Which step failed, and why.
pub(super) fn load(
    linker: &Linker<State>,
    module: &wasmtime::Module,
    what: &Loading<'_>,
) -> Result<Arc<dyn Module>, LoadError> {
    let mut blueprint = link(linker, module, what)?;
    let ends = &what.ends;
    let settings = Settings::read(what.config, ends).map_err(|message| LoadError::new("configure", message))?;
    let names = if settings.outputs.is_empty() { vec![OUTPUT.to_owned()] } else { settings.outputs };
    let declared = Declared::new(names, ends);
    let own = settings.environment.iter().map(|(name, value)| terminated(&format!("{name}={value}")));
    blueprint.environment.extend(own.chain(declared.environment()));
    let input = if ends.input.is_empty() { INPUT.to_owned() } else { ends.input.clone() };
    let declared = Arc::new(declared);
    if what.registry.is_none() && ends.in_pipeline() && registry::may_be_asked(module) {
        let module = what.name;
        tracing::warn!(
            module,
            "the module can ask the schema registry, as all in JavaScript can, and none is configured: if it does, add \
             `[schema-registry]`"
        );
    }
    let (registry, shelf, pace) = (what.registry.clone(), Shelf::default(), Pace::default());
    let redpanda = Redpanda { clock: settings.clock, input, declared, registry, shelf, pace };
    PlainModule::load(blueprint, Arc::new(redpanda))
}

impl Start for Arc<Redpanda> {
    fn start(&self, blueprint: &Arc<Blueprint>) -> Result<Box<dyn Transform>, LoadError> {
        Ok(Box::new(Instance::start(blueprint, self)?))
    }

    fn is_by_partition(&self) -> bool {
        true
    }

    fn declares(&self) -> &[String] {
        &self.declared.route_names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_topic_has_the_name_that_the_only_one_had_too() {
        let of = |names: &[&str]| -> Vec<String> {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            let declared = Declared::new(names, &Ends::default());
            declared.environment().map(|text| String::from_utf8(text).unwrap()).collect()
        };
        assert_eq!(
            of(&["out", "late"]),
            ["REDPANDA_OUTPUT_TOPIC_0=out\0", "REDPANDA_OUTPUT_TOPIC_1=late\0", "REDPANDA_OUTPUT_TOPIC=out\0"]
        );
        assert_eq!(of(&[]), [""; 0]);
    }
}
