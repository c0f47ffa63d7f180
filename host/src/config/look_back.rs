//! Reads `look_back` of a chain's table: how far a SmartModule looks back.

use super::LookBack;
use super::reader::{Item, Section};
use std::time::Duration;

const EXAMPLE: &str = "write `look_back = { last = 100 }`, or `look_back = { last = 100, age = \"1 h\" }`";

/// More would be a store, which this is not.
const MOST: usize = 1_000_000;

/// Reads it, for the module at `position` of the chain.
pub(super) fn read(item: &Item<'_>, stage: &Section<'_>, position: usize) -> Option<LookBack> {
    if position > 0 {
        item.wrong(
            "only the first module of a chain can look back: what the others are given is in no topic",
            "leave `look_back` out, or put this module first",
        );
    }
    if stage.get("type").is_some_and(|item| !item.is("fluvio") && !item.is("smartmodule")) {
        item.wrong("only a Fluvio SmartModule looks back, and `type` says that it is none", "leave one of them out");
    }
    let section = item.section(EXAMPLE)?;
    section.only(&["last", "age"], |_, _| None);
    let age = section.get("age").and_then(|item| item.duration(Duration::from_millis(1)));
    let Some(last) = section.get("last") else {
        section.need("last", "`look_back` does not say how many records there are to be at the most", EXAMPLE);
        return None;
    };
    Some(LookBack { last: last.count(1..=MOST)?, age })
}
