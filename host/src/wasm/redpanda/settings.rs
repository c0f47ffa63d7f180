//! What a transform's `config` may say: its environment, its output topics, and what its clock shows.

use crate::config::Ends;
use serde_json::{Map, Value};

/// What the clock of a transform shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// The time of the record that it was given last: a record gives the same whenever it is read.
    Record,
    /// The time that it is.
    System,
}

/// A transform's settings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) environment: Vec<(String, String)>,
    /// The topics that it may write to; the first is where its records go that name none.
    pub(super) outputs: Vec<String>,
    pub(super) clock: Clock,
}

const EXAMPLE: &str =
    "write `config = { environment = { NAME = \"text\" }, outputs = [\"topic\", \"other\"], clock = \"record\" }`";

/// Variables that are the host's to set.
pub(super) const RESERVED: &str = "REDPANDA_";

impl Settings {
    /// Reads them. What they do not say of topics is as the pipeline has it.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    // Promise: closed
    pub(super) fn read(config: &Value, ends: &Ends) -> Result<Self, String> {
        let mut settings = Self { environment: Vec::new(), outputs: ends.outputs.clone(), clock: Clock::Record };
        let table = match config {
            Value::Null => return Ok(settings),
            Value::Object(table) => table,
            _ => return Err(format!("the config of a Redpanda transform is a table: {EXAMPLE}")),
        };
        for (key, value) in table {
            match (key.as_str(), value) {
                ("environment", Value::Object(variables)) => settings.environment = environment(variables)?,
                ("outputs", Value::Array(list)) if list.is_empty() => {
                    return Err("outputs: name at least one, or leave it out".to_owned());
                }
                ("outputs", Value::Array(list)) => settings.outputs = outputs(list, ends)?,
                ("clock", Value::String(word)) if word == "record" => settings.clock = Clock::Record,
                ("clock", Value::String(word)) if word == "system" => settings.clock = Clock::System,
                ("environment" | "outputs" | "clock", value) => {
                    return Err(format!("{key} cannot be {value}: {EXAMPLE}"));
                }
                _ => return Err(format!("unknown key {key}; known are environment, outputs, clock")),
            }
        }
        Ok(settings)
    }
}

fn environment(variables: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let named = |(name, value): (&String, &Value)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("environment: {name:?} is no name of a variable"));
        }
        if name.starts_with(RESERVED) {
            return Err(format!("environment: {name}: the host sets what begins with {RESERVED}; leave it out"));
        }
        Ok((name.clone(), text(&format!("environment: {name}"), value)?))
    };
    variables.iter().map(named).collect()
}

fn outputs(list: &[Value], ends: &Ends) -> Result<Vec<String>, String> {
    let outputs = list.iter().map(|item| text("outputs", item)).collect::<Result<Vec<_>, _>>()?;
    for (index, output) in outputs.iter().enumerate() {
        if output.is_empty() {
            return Err("outputs: \"\" is no topic's name".to_owned());
        }
        if outputs[..index].contains(output) {
            return Err(format!("outputs: {output:?} is there twice"));
        }
        // the first is another name for where records go anyway, and where there are no topics all are
        if index > 0 && ends.in_pipeline() && !ends.one_place && !ends.outputs.contains(output) {
            return Err(format!(
                "outputs: {output} is none of the sink's `routes`: add it there; only the first needs none"
            ));
        }
    }
    Ok(outputs)
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| format!("{key}: {value} is no text that a transform can be given"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_setting_is_told() {
        let ends =
            Ends { input: "in".to_owned(), outputs: vec!["out".to_owned(), "late".to_owned()], one_place: false };
        let read = |config: Value| {
            Settings::read(&config, &ends).map_err(|message| message.split(": write").next().unwrap().to_owned())
        };
        let none = Settings { environment: vec![], outputs: ends.outputs.clone(), clock: Clock::Record };
        assert_eq!(read(Value::Null), Ok(none));
        let environment = vec![("A".to_owned(), "b".to_owned())];
        let outputs = vec!["own".to_owned(), "late".to_owned()];
        let all = json!({ "environment": { "A": "b" }, "outputs": outputs, "clock": "system" });
        assert_eq!(read(all), Ok(Settings { environment, outputs, clock: Clock::System }));
        let table = [
            (json!("x"), "the config of a Redpanda transform is a table"),
            (json!({ "clock": "now" }), "clock cannot be \"now\""),
            (json!({ "outputs": [] }), "outputs: name at least one, or leave it out"),
            (json!({ "environment": { "A": 1 } }), "environment: A: 1 is no text that a transform can be given"),
            (json!({ "outputs": [1] }), "outputs: 1 is no text that a transform can be given"),
            (json!({ "outputs": ["out", "out"] }), "outputs: \"out\" is there twice"),
            (
                json!({ "outputs": ["out", "other"] }),
                "outputs: other is none of the sink's `routes`: add it there; only the first needs none",
            ),
            (json!({ "environment": { "A=B": "" } }), "environment: \"A=B\" is no name of a variable"),
            (
                json!({ "environment": { "REDPANDA_INPUT_TOPIC": "" } }),
                "environment: REDPANDA_INPUT_TOPIC: the host sets what begins with REDPANDA_; leave it out",
            ),
            (json!({ "env": {} }), "unknown key env; known are environment, outputs, clock"),
        ];
        for (config, message) in table {
            assert_eq!(read(config).unwrap_err(), message);
        }
        let free = json!({ "outputs": ["out", "other"] });
        assert!(Settings::read(&free, &Ends::default()).is_ok(), "without a pipeline there are no routes");
        let table = Ends { outputs: vec!["featurebase".to_owned()], one_place: true, ..ends.clone() };
        assert!(Settings::read(&free, &table).is_ok(), "where the sink has no topics there are none either");
    }
}
