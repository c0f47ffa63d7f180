//! Fuzz targets: `make fuzz TARGET=rows TIME=60`. Without a target the first byte of each input chooses one.
//!
//! They are built on stable Rust: `scripts/coverage.sh` asks the compiler for what libFuzzer is guided by.

#![no_main]

use std::sync::LazyLock;

use edgemill::http::fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

/// The target that was asked for.
static CHOSEN: LazyLock<Option<&Target>> = LazyLock::new(|| {
    let name = std::env::var("EDGEMILL_FUZZ").ok().filter(|name| !name.is_empty())?;
    let names = TARGETS.map(|(name, _)| name).join(", ");
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    Some(found.unwrap_or_else(|| panic!("there is no target {name:?}: it is one of {names}")))
});

fuzz_target!(|data: &[u8]| {
    match (&*CHOSEN, data.split_first()) {
        (Some((_, target)), _) => target(data),
        (None, Some((first, rest))) => TARGETS[usize::from(*first) % TARGETS.len()].1(rest),
        (None, None) => {}
    }
});
