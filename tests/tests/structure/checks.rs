//! The checks find what they are for: each snippet breaks one rule.

use super::super::{Source, files, layers, promises};

const HOUSE: &[&str] = &[
    "batch",
    "sink",
    "sink/stdout",
    "kafka",
    "kafka/source",
    "wasm",
    "modules",
    "modules/watch",
    "worker",
    "service",
    "cli",
    "main",
];

fn source(module: &str, text: &str) -> Source {
    Source { path: format!("host/src/{module}.rs"), text: text.to_owned() }
}

/// Puts a text into an otherwise empty house and gives what is wrong with it.
fn with(module: &str, text: &str) -> Vec<String> {
    let mut house: Vec<Source> = HOUSE.iter().filter(|m| **m != module).map(|m| source(m, "")).collect();
    house.push(source(module, text));
    layers(&house)
}

#[test]
fn breaches_of_the_layers_are_found() {
    let breaches = [
        ("batch", "use crate::sink::Sink;"),
        ("sink", "fn f(x: crate::worker::Worker) {}"),
        ("sink", "pub use stdout::Stdout;"),
        ("sink", "mod deep { use super::stdout::Stdout; }"),
        ("modules", "use self::watch::Watch;"),
        ("kafka", "use crate::{batch::Batch, wasm::Engine};"),
        ("kafka/source", "use crate::modules; fn f() { modules::watch::start() }"),
        ("sink/stdout", "use super::super::kafka::Client;"),
        ("worker", "use crate::kafka::source::Source;"),
        ("service", "use crate::cli::Args;"),
        ("main", "use edgemill::service::run;"),
        ("manager", ""),
        ("worker", "use wasmtime::Engine;"),
        ("wasm", "type C = rdkafka::ClientConfig;"),
        ("service", "#[clap::command] fn f() {}"),
        ("worker", "fn f() { unsafe { g() } }"),
        ("batch", "use std::{fmt, time::{Duration, Instant}};"),
        ("batch", "use std::time; fn f() { time::SystemTime::now(); }"),
        ("batch", "fn f() { std::fs::read(\"x\"); }"),
    ];
    for (module, text) in breaches {
        assert_eq!(with(module, text).len(), 1, "{module}: {text}: {:?}", with(module, text));
    }
}

#[test]
fn what_is_allowed_passes() {
    let fine = [
        ("sink/stdout", "use super::super::{Sink, Full}; use crate::batch::Batch;"),
        ("sink", "pub mod stdout; use crate::batch; // crate::kafka\nconst X: &str = \"crate::kafka\";"),
        ("kafka", "use rdkafka::Message; use source::Source; mod source;"),
        ("kafka/raw/topic", "fn f() { unsafe { g() } } use super::Client;"),
        ("batch", "use std::time::Duration;\n#[cfg(test)]\nmod tests { use super::*; use std::fs; use toml::Value; }"),
        ("service", "use crate::{kafka, wasm::Engine, worker};"),
        ("main", "fn main() -> std::process::ExitCode { edgemill::cli::main() }"),
    ];
    for (module, text) in fine {
        assert_eq!(with(module, text), [""; 0], "{module}: {text}");
    }
}

#[test]
fn files_that_break_a_rule_are_found() {
    let wrong = |module: &str, text: &str| files(&[source(module, text)]).len();
    assert_eq!(wrong("a", "//! For this.\nfn f() {} // todo!()\n"), 0);
    assert_eq!(wrong("a", "/// For this.\n"), 1);
    assert_eq!(wrong("a", &format!("//! For this.\n{}", "\n".repeat(450))), 1);
    assert_eq!(wrong("a/mod", "//! For this.\n"), 1);
    assert_eq!(wrong("a", "//! For this.\nfn f() { todo!() }\n"), 1);
}

#[test]
fn promises_without_a_scenario_are_found() {
    let scenarios = [source("scenario", "fn promise_order_holds_when_a_host_dies() {} fn promise_ones() {}")];
    let wrong = |text: &str| promises(&[source("a", text)], &scenarios).len();
    assert_eq!(wrong("// Promise: order\n"), 0);
    assert_eq!(wrong("// Promise: one\n"), 1);
    assert_eq!(wrong("    // Promise: speed\n"), 1);
    assert_eq!(wrong("// Promise: order, commit\n"), 1);
}
