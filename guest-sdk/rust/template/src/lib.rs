//! Makes the text of every record loud. A place to begin: change it into what you need.

use edgemill_guest::{Outputs, Record, Reject, Result, Transform, export};
use serde::Deserialize;

/// What stands in the pipeline's configuration: `config = { mark = "!" }`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    mark: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { mark: "!".to_owned() }
    }
}

/// The transform.
pub struct Loud {
    config: Config,
}

impl Transform for Loud {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(Loud { config })
    }

    fn transform(&mut self, record: &Record, out: &mut Outputs) -> Result {
        match record.text()? {
            None => out.keep(),
            Some("") => return Err(Reject::new("empty", "the value is empty")),
            Some(text) => {
                let mut value = out.value();
                value.push_str(&text.to_uppercase());
                value.push_str(&self.config.mark);
            }
        }
        Ok(())
    }
}

export!(Loud);

#[cfg(test)]
mod tests {
    use super::Loud;
    use edgemill_guest::testing::Harness;

    #[test]
    fn text_becomes_loud() {
        let mut harness = Harness::configured::<Loud>(r#"{"mark":"?"}"#).unwrap();
        let results = harness.run(["hello", ""]);
        assert_eq!(results.texts(), ["HELLO?"]);
        assert_eq!(results.codes(), ["empty"]);
    }
}
