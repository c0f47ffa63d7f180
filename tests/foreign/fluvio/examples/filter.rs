//! Keeps values that contain a parameter, which `init` wants. What is not UTF-8 is a user's error; some words misbehave.

use fluvio_smartmodule::{smartmodule, Result, SmartModuleRecord};
use fluvio_smartmodule::dataplane::smartmodule::{SmartModuleExtraParams, SmartModuleInitError};
use fluvio_smartmodule::eyre;
use std::sync::OnceLock;

static WORD: OnceLock<String> = OnceLock::new();

#[smartmodule(init)]
fn init(params: SmartModuleExtraParams) -> Result<()> {
    let word = params.get("word").ok_or_else(|| SmartModuleInitError::MissingParam("word".to_owned()))?;
    WORD.set(word.to_owned()).map_err(|_| eyre!("set twice"))
}

#[smartmodule(filter)]
pub fn filter(record: &SmartModuleRecord) -> Result<bool> {
    let text = std::str::from_utf8(record.value().as_ref())?;
    Ok(text.contains(WORD.get().expect("init came first")))
}
