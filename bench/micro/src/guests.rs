//! The modules that are measured, compiled: identities of a few instructions at both doors, and the shipped flattener.

use anyhow::{Context, Result};
use edgemill::chain::{Plan, PlanStage};
use edgemill::config::Limits;
use edgemill::modules::Module;
use edgemill::policy::{Action, Policy};
use edgemill::wasm::Engine;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// As a careful operator would have them: with the checks of the time that they cost.
const LIMITS: Limits = Limits { memory: 64 << 20, time: Some(Duration::from_secs(1)) };

/// A module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// Keeps every record, so that only origins come back.
    Keep,
    /// Gives every value back.
    Copy,
    /// Keeps every record, at the component door.
    ComponentKeep,
    /// Gives every value back, at the component door.
    ComponentCopy,
    /// The transform that ships.
    Flatten,
    /// The same at the component door.
    ComponentFlatten,
}

impl Guest {
    /// Compiles it.
    ///
    /// # Errors
    /// It is not there (`make modules` builds those that ship), or the engine refuses it.
    pub fn load(self, engine: &Engine) -> Result<Arc<dyn Module>> {
        let bytes = self.bytes()?;
        let name = format!("{self:?}");
        engine.load(&name, &bytes, &Default::default(), LIMITS).with_context(|| format!("loading the guest {name}"))
    }

    fn bytes(self) -> Result<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text =
            |path: &str| wat::parse_file(folder.join(path)).with_context(|| format!("making a module of {path}"));
        match self {
            Guest::Keep => text("../../tests/guests/identity.wat"),
            Guest::Copy => text("guests/copy.wat"),
            Guest::ComponentKeep => component(text("../../tests/guests/component.wat")?),
            Guest::ComponentCopy => component(text("guests/component-copy.wat")?),
            Guest::Flatten => shipped("flatten-flights.wasm"),
            Guest::ComponentFlatten => shipped("component/flatten-flights.wasm"),
        }
    }
}

/// A chain of modules in which every failure ends the worker: here none may fail.
#[must_use]
pub fn plan(modules: impl IntoIterator<Item = Arc<dyn Module>>) -> Arc<Plan> {
    let policy = Policy::all(Action::Stop);
    let stages = modules.into_iter().map(|module| PlanStage { module, policy }).collect();
    Arc::new(Plan { number: 1, stages, sink: policy })
}

fn shipped(name: &str) -> Result<Vec<u8>> {
    let folder = std::env::var_os("EDGEMILL_MODULES").context("EDGEMILL_MODULES is not set: run this by `make`")?;
    let path = PathBuf::from(folder).join(name);
    std::fs::read(&path).with_context(|| format!("no module {}: run `make modules`", path.display()))
}

/// Makes a component of a plain module that has the contract's names.
fn component(mut module: Vec<u8>) -> Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("transform.wit", include_str!("../../../guest-sdk/wit/transform.wit"))?;
    let world = resolve.select_world(&[package], Some("transform"))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}
