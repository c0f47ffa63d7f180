//! What several commands take: the configuration's file, a module's configuration, options of librdkafka.

use super::Failure;
use crate::chain::{Plan, PlanStage};
use crate::config::{Config, Limits, Machine, Pipeline, Report, default_state, read_duration, read_size};
use crate::modules::{self, Module};
use crate::policy::Policy;
use crate::wasm::Engine;
use anyhow::anyhow;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the configuration is.
#[derive(clap::Args)]
pub(super) struct ConfigFile {
    /// The configuration's file
    #[arg(short, long, value_name = "FILE", default_value = "edgemill.toml")]
    config: PathBuf,
}

impl ConfigFile {
    /// Reads and checks it. What is doubtful is in the report.
    pub(super) fn load(&self) -> Result<(Config, Report), Failure> {
        Config::load(&self.config).map_err(|report| Failure::Configuration(report.absent_as_errors()))
    }
}

/// What a module may use, for commands that run it without a configuration: the defaults of the configuration.
#[derive(clap::Args)]
pub(super) struct LimitArguments {
    /// Memory that an instance may use
    #[arg(long, value_name = "SIZE", default_value = "64 MiB", value_parser = read_size)]
    memory: usize,

    /// Time that a record alone may take
    #[arg(long, value_name = "TIME", default_value = "1 s", value_parser = read_duration)]
    time: Duration,
}

impl LimitArguments {
    pub(super) fn limits(&self) -> Limits {
        Limits { memory: self.memory, time: Some(self.time) }
    }
}

/// An engine that keeps what it compiles where the service of the same user keeps it.
pub(super) fn engine() -> Result<Engine, Failure> {
    Engine::new(default_state(&Machine::default()).as_deref())
        .or_else(|_| Engine::new(None))
        .map_err(|error| Failure::Failed(anyhow!(error)))
}

/// Reads a module's file and makes the module ready.
pub(super) fn load(
    engine: &Engine,
    path: &Path,
    name: &str,
    config: &Value,
    limits: Limits,
) -> Result<Arc<dyn Module>, Failure> {
    let path_text = path.display();
    let bytes = modules::read(path).map_err(|error| Failure::usage(format!("cannot read {path_text}: {error}")))?;
    engine
        .load(name, &bytes, config, limits)
        .map_err(|error| Failure::usage(format!("the module {path_text} does not load: {error}")))
}

/// A plan of one module.
pub(super) fn plan_of(module: Arc<dyn Module>, policy: Policy) -> Arc<Plan> {
    Arc::new(Plan { number: 1, stages: vec![PlanStage { module, policy }], sink: policy })
}

/// The pipeline of a name; without one the only one. `with` is what comes before a name on the command line.
pub(super) fn pipeline<'c>(config: &'c Config, name: Option<&str>, with: &str) -> Result<&'c Pipeline, Failure> {
    let names = || config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, &config.pipelines[..]) {
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(Failure::usage(format!("the configuration has several pipelines: add {with}one of {}", names())))
        }
        (Some(name), pipelines) => pipelines
            .iter()
            .find(|pipeline| pipeline.name == name)
            .ok_or_else(|| Failure::usage(format!("no pipeline {name:?}; the configuration has {}", names()))),
    }
}

/// Gives each of the modules its configuration: `JSON` in the modules' order, `NAME=JSON` by name; either may be `@FILE`.
pub(super) fn module_configs(given: &[String], modules: &[String]) -> Result<Vec<Value>, Failure> {
    let mut configs = vec![Value::Null; modules.len()];
    let mut next = 0;
    for text in given {
        let named = text.split_once('=').and_then(|(name, json)| {
            let is = |module: &&String| module.as_str() == name || module.strip_suffix(".wasm") == Some(name);
            Some((modules.iter().position(|module| is(&module))?, json))
        });
        let (index, json) = match named {
            Some((index, json)) => (index, json),
            None => {
                next += 1;
                (next - 1, text.as_str())
            }
        };
        let Some(config) = configs.get_mut(index) else {
            return Err(Failure::usage(format!("more --config than modules: {} and {}", given.len(), modules.len())));
        };
        *config = json_of(json)?;
    }
    if next > 0 && next < modules.len() {
        return Err(Failure::usage(format!(
            "{next} --config for {} modules: write one for each, in order (`null` for none), or name it: --config {}='{{…}}'",
            modules.len(),
            modules[0].trim_end_matches(".wasm"),
        )));
    }
    Ok(configs)
}

fn json_of(text: &str) -> Result<Value, Failure> {
    let file = match text.strip_prefix('@') {
        Some(path) => Some(
            std::fs::read_to_string(path).map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?,
        ),
        None => None,
    };
    serde_json::from_str(file.as_deref().unwrap_or(text)).map_err(|error| {
        let help = "write JSON as --config '{\"on_missing\":\"null\"}', or @FILE";
        Failure::usage(format!("--config is no JSON: {error}; {help}"))
    })
}

/// Splits `NAME=VALUE`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("write NAME=VALUE, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn configs(given: &[&str], modules: &[&str]) -> Result<Vec<Value>, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        module_configs(&owned(given), &owned(modules)).map_err(|failure| match failure {
            Failure::Usage(error) => error.to_string(),
            _ => unreachable!("it is the usage that is wrong"),
        })
    }

    #[test]
    fn configurations_go_to_modules_in_order_or_by_name() {
        assert_eq!(configs(&[], &["a.wasm", "b.wasm"]), Ok(vec![Value::Null, Value::Null]));
        assert_eq!(configs(&["{\"x\":1}"], &["a.wasm"]), Ok(vec![json!({ "x": 1 })]));
        assert_eq!(configs(&["null", "[1]"], &["a.wasm", "b.wasm"]), Ok(vec![Value::Null, json!([1])]));
        assert_eq!(configs(&["b=2"], &["a.wasm", "b.wasm"]), Ok(vec![Value::Null, json!(2)]));
        assert_eq!(configs(&["\"a=b\""], &["a.wasm"]), Ok(vec![json!("a=b")]));
    }

    #[test]
    fn configurations_that_fit_no_module_are_refused() {
        assert!(configs(&["1"], &["a.wasm", "b.wasm"]).unwrap_err().contains("--config a='{…}'"));
        assert!(configs(&["1", "2"], &["a.wasm"]).unwrap_err().contains("more --config than modules"));
        assert!(configs(&["{x}"], &["a.wasm"]).unwrap_err().contains("no JSON"));
        assert!(configs(&["@/nowhere"], &["a.wasm"]).unwrap_err().contains("cannot read /nowhere"));
    }
}
