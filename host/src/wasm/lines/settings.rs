//! What a program's `config` may say: its arguments, its environment, and how often it is started.

use serde_json::{Map, Value};

/// What a program is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Each {
    /// All records of a batch: a line each, and a line back for each.
    Batch,
    /// One record: any number of lines back.
    Record,
}

/// A program's settings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) each: Each,
}

const EXAMPLE: &str = "write `config = { arguments = [\"-v\"], environment = { NAME = \"text\" }, each = \"batch\" }`";

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    // Promise: closed
    pub(super) fn read(config: &Value) -> Result<Self, String> {
        let mut settings = Self { arguments: Vec::new(), environment: Vec::new(), each: Each::Batch };
        let table = match config {
            Value::Null => return Ok(settings),
            Value::Object(table) => table,
            _ => return Err(format!("the config of a program is a table: {EXAMPLE}")),
        };
        for (key, value) in table {
            match (key.as_str(), value) {
                ("arguments", Value::Array(list)) => {
                    settings.arguments = list.iter().map(|item| text("arguments", item)).collect::<Result<_, _>>()?;
                }
                ("environment", Value::Object(variables)) => settings.environment = environment(variables)?,
                ("each", Value::String(word)) if word == "batch" => settings.each = Each::Batch,
                ("each", Value::String(word)) if word == "record" => settings.each = Each::Record,
                ("arguments" | "environment" | "each", value) => {
                    return Err(format!("{key} cannot be {value}: {EXAMPLE}"));
                }
                _ => return Err(format!("unknown key {key}; known are arguments, environment, each")),
            }
        }
        Ok(settings)
    }
}

fn environment(variables: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let named = |(name, value): (&String, &Value)| match name.is_empty() || name.contains(['=', '\0']) {
        true => Err(format!("environment: {name:?} is no name of a variable")),
        false => Ok((name.clone(), text("environment", value)?)),
    };
    variables.iter().map(named).collect()
}

fn text(key: &str, value: &Value) -> Result<String, String> {
    let text = value.as_str().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| format!("{key}: {value} is no text that a program can be given"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_setting_is_told() {
        let read = |config: Value| {
            Settings::read(&config).map_err(|message| message.split(": write").next().unwrap().to_owned())
        };
        let all = read(json!({ "arguments": ["-v"], "environment": { "A": "b" }, "each": "record" })).unwrap();
        let environment = vec![("A".to_owned(), "b".to_owned())];
        assert_eq!(all, Settings { arguments: vec!["-v".to_owned()], environment, each: Each::Record });
        let table = [
            (json!("x"), "the config of a program is a table"),
            (json!({ "each": "line" }), "each cannot be \"line\""),
            (json!({ "arguments": [1] }), "arguments: 1 is no text that a program can be given"),
            (json!({ "environment": { "A=B": "" } }), "environment: \"A=B\" is no name of a variable"),
            (json!({ "env": {} }), "unknown key env; known are arguments, environment, each"),
        ];
        for (config, message) in table {
            assert_eq!(read(config).unwrap_err(), message);
        }
    }
}
