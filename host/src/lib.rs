//! Edgemill: consumes Kafka messages, passes each through a chain of WebAssembly transform modules, and delivers the results.
//!
//! The layers, from the bottom: words (`record`, `batch`, `outputs`, `ledger`, `route`, `policy`, `breaker`,
//! `dead_letter`, `backoff`, `finding`, `harmless`, `config`),
//! ports (`source`, `sink`, `chain`, `modules`, `registry`), adapters (`kafka`, `sink::stdout`, `wasm`, `modules::watch`), control
//! (`worker`, `redrive`, `modules::reload`, `admin`, `service`), and `cli` on top.

pub mod admin;
pub mod backoff;
pub mod batch;
pub mod breaker;
pub mod chain;
pub mod cli;
pub mod config;
pub mod dead_letter;
pub mod finding;
pub mod generate;
pub mod harmless;
pub mod http;
pub mod kafka;
pub mod ledger;
pub mod metrics;
pub mod modules;
pub mod outputs;
pub mod policy;
pub mod record;
pub mod records;
pub mod redrive;
pub mod registry;
pub mod route;
pub mod service;
pub mod sink;
pub mod source;
pub mod wake;
pub mod wasm;
pub mod worker;
