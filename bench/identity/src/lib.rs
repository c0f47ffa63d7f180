//! Gives every record back as it came: what the way through the sandbox costs when nothing is done there.

use edgemill_guest::{Outputs, Record, Result, Transform, export};
use serde::Deserialize;

/// The module's configuration.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether records pass as they are. The host then sends its own bytes on, and no value crosses the boundary back.
    #[serde(default)]
    keep: bool,
}

/// Copies every value, or keeps it.
pub struct Identity(Config);

impl Transform for Identity {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(Self(config))
    }

    fn transform(&mut self, record: &Record<'_>, out: &mut Outputs<'_>) -> Result {
        if self.0.keep {
            out.keep();
        } else {
            out.emit().value(record.value());
        }
        Ok(())
    }
}

export!(Identity);

#[cfg(test)]
mod tests {
    use edgemill_guest::testing::{Harness, Input};

    use super::*;

    #[test]
    fn nothing_changes_and_null_stays_null() {
        for config in ["null", "{\"keep\":true}"] {
            let mut identity = Harness::configured::<Identity>(config).unwrap();
            let results = identity.run([Input::from("a"), Input::default(), Input::from("")]);
            let values: Vec<_> = results.outputs.iter().map(|output| output.value.as_deref()).collect();
            assert_eq!(values, [Some(&b"a"[..]), None, Some(&b""[..])]);
        }
    }
}
