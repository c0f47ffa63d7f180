//! The house keeps its shape: layers, homes of foreign crates, purity of the words, files, and promises that have a scenario.
//!
//! The rules are the tables at the top; `docs/architecture.md` says why. Change a table in the change that needs it.

use std::fs;
use std::path::{Path, PathBuf};

mod structure {
    mod checks;
    pub(crate) mod names;
    pub(crate) mod text;
}

use structure::names::{Name, names};
use structure::text::{Token, tokens};

/// A layer: its modules (`a/b` is `host/src/a/b.rs` and all below it; the longest match counts), and the layers it may name
/// besides itself.
struct Layer {
    name: &'static str,
    modules: &'static [&'static str],
    may_name: &'static [&'static str],
}

const WORDS: &[&str] = &[
    "record",
    "batch",
    "outputs",
    "ledger",
    "route",
    "policy",
    "breaker",
    "dead_letter",
    "backoff",
    "finding",
    "harmless",
    "records",
    "generate",
];
const BELOW_ADAPTERS: &[&str] = &["words", "ports", "configuration"];

const LAYERS: &[Layer] = &[
    Layer { name: "words", modules: WORDS, may_name: &[] },
    Layer {
        name: "ports",
        modules: &["source", "sink", "chain", "modules", "registry", "wake", "metrics"],
        may_name: &["words"],
    },
    Layer { name: "configuration", modules: &["config"], may_name: &["words", "ports"] },
    // Each adapter is a layer of its own: they never name each other.
    Layer { name: "adapter kafka", modules: &["kafka"], may_name: BELOW_ADAPTERS },
    Layer { name: "adapter http", modules: &["http"], may_name: BELOW_ADAPTERS },
    Layer { name: "adapter stdout", modules: &["sink/stdout"], may_name: BELOW_ADAPTERS },
    Layer { name: "adapter wasm", modules: &["wasm"], may_name: BELOW_ADAPTERS },
    Layer { name: "adapter watch", modules: &["modules/watch"], may_name: BELOW_ADAPTERS },
    Layer {
        name: "control",
        modules: &["worker", "redrive", "modules/last_good", "modules/plans", "modules/reload", "admin"],
        may_name: BELOW_ADAPTERS,
    },
    Layer { name: "service", modules: &["service"], may_name: ALL_BELOW_SERVICE },
    Layer { name: "command line", modules: &["cli"], may_name: ALL_BELOW_CLI },
    Layer { name: "main", modules: &["main"], may_name: &["command line"] },
    Layer { name: "library", modules: &["lib"], may_name: &[] },
];

const ALL_BELOW_SERVICE: &[&str] = &[
    "words",
    "ports",
    "configuration",
    "adapter kafka",
    "adapter http",
    "adapter stdout",
    "adapter wasm",
    "adapter watch",
    "control",
];
const ALL_BELOW_CLI: &[&str] = &[
    "words",
    "ports",
    "configuration",
    "adapter kafka",
    "adapter http",
    "adapter stdout",
    "adapter wasm",
    "adapter watch",
    "control",
    "service",
];

/// Foreign crates that have a home, and what they may be named in.
const HOMES: &[(&str, &[&str])] = &[
    ("anyhow", &["cli", "main"]),
    ("axum", &["admin"]),
    ("futures_core", &["admin"]),
    ("clap", &["cli"]),
    ("getrandom", &["wasm"]),
    ("indicatif", &["cli"]),
    ("metrics_exporter_prometheus", &["admin", "service"]),
    ("notify", &["modules/watch"]),
    ("notify_debouncer_full", &["modules/watch"]),
    ("rayon", &["chain/team"]),
    ("rdkafka", &["kafka"]),
    ("reqwest", &["http"]),
    ("rustls", &["http"]),
    ("rustix", &["wake", "wasm", "config/machine", "service", "cli"]),
    ("sd_notify", &["service"]),
    ("signal_hook", &["service", "cli"]),
    ("toml", &["config", "cli/fixtures"]),
    ("wasmtime", &["wasm"]),
    ("wasmtime_wasi", &["wasm"]),
];

/// What words do not know: input, output, the clock, threads.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::process",
    "std::sync::mpsc",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "metrics",
    "tokio",
    "tracing",
];

/// Where `unsafe` may be written: librdkafka's batch calls, and compiled modules, which are native code.
const UNSAFE: &[&str] = &["kafka/raw", "wasm/compile", "wasm/component/columns", "wasm/component/lift"];

/// Lines that a file may have, and the files that are tables.
const LINES: usize = 450;
const TABLES: &[(&str, usize)] = &[("host/src/generate/places.rs", 700)];

/// What `docs/architecture.md` promises, by word.
const PROMISES: &[&str] = &["commit", "order", "once", "whole", "keep", "one", "bounds", "closed", "ending"];

/// A source file, by its path from the root of the repository.
struct Source {
    path: String,
    text: String,
}

#[test]
fn layers_hold() {
    none(layers(&sources(&["host/src"])));
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    none(files(&sources(&["host", "guest-sdk", "transforms", "tests", "bench"])));
}

#[test]
fn every_promise_that_code_keeps_has_a_scenario() {
    none(promises(&sources(&["host/src"]), &sources(&["tests/tests/scenarios"])));
}

/// Checks what each file of the host names.
fn layers(sources: &[Source]) -> Vec<String> {
    let modules: Vec<&str> = sources.iter().map(|source| module(&source.path)).collect();
    let mut wrong = Vec::new();
    for source in sources {
        let here = module(&source.path);
        let tokens = tokens(&source.text);
        let Some(layer) = layer(here) else {
            wrong.push(format!("{}: in no layer: add it to the table LAYERS", source.path));
            continue;
        };
        let mut add = |line: usize, what: String| wrong.push(format!("{}:{line}: {what}", source.path));

        if !within(here, UNSAFE) {
            for token in tokens.iter().filter(|token| token.text == "unsafe") {
                add(token.line, "`unsafe` has its home in the files of the table UNSAFE".to_owned());
            }
        }
        let place: Vec<&str> = if here == "main" { Vec::new() } else { here.split('/').collect() };
        let children: Vec<&str> = modules
            .iter()
            .filter_map(|m| m.strip_prefix(here)?.strip_prefix('/'))
            .filter(|m| !m.contains('/'))
            .collect();
        let tests = tests_begin(&source.path, &tokens);
        for name in names(&tokens, &place, &children) {
            let path = name.path.join("::");
            if let Some(named) = target(&name, &modules)
                && named.name != layer.name
                && !layer.may_name.contains(&named.name)
            {
                add(name.line, format!("{} must not name {}: {path}", layer.name, named.name));
            }
            if name.line >= tests {
                continue;
            }
            for (_, homes) in HOMES.iter().filter(|(foreign, homes)| name.is_in(foreign) && !within(here, homes)) {
                add(name.line, format!("{path} has its home in {}", homes.join(", ")));
            }
            if layer.name == "words" && IMPURE.iter().any(|impure| name.is_in(impure)) {
                add(name.line, format!("words are pure: {path}"));
            }
        }
    }
    wrong
}

/// Checks what every file has to be.
fn files(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for Source { path, text } in sources {
        if !text.starts_with("//! ") {
            wrong.push(format!("{path}:1: the first line says what the file is for: `//! …`"));
        }
        let (lines, most) =
            (text.lines().count(), TABLES.iter().find(|(p, _)| p == path).map_or(LINES, |(_, most)| *most));
        if lines > most {
            wrong.push(format!("{path}: {lines} lines are probably two files; {most} are allowed"));
        }
        if path.ends_with("/mod.rs") {
            wrong.push(format!("{path}: `sink.rs` beside `sink/`, no `mod.rs`"));
        }
        for pair in tokens(text).windows(2) {
            if matches!(pair[0].text.as_str(), "todo" | "unimplemented") && pair[1].text == "!" {
                wrong.push(format!("{path}:{}: `{}!` is no code", pair[0].line, pair[0].text));
            }
        }
    }
    wrong
}

/// Checks that what code promises is a promise, and that a scenario tries to break it.
fn promises(code: &[Source], scenarios: &[Source]) -> Vec<String> {
    let has_scenario = |name: &str| {
        let wanted = format!("fn promise_{name}");
        scenarios.iter().any(|scenario| {
            scenario
                .text
                .match_indices(&wanted)
                .any(|(at, _)| scenario.text[at + wanted.len()..].starts_with(['_', '(']))
        })
    };
    let mut wrong = Vec::new();
    for Source { path, text } in code {
        for (number, line) in text.lines().enumerate() {
            let Some((_, names)) = line.split_once("// Promise: ") else {
                continue;
            };
            for name in names.split_whitespace().map_while(|word| word.strip_suffix(',').or(Some(word))) {
                if !PROMISES.contains(&name) {
                    wrong.push(format!("{path}:{}: {name:?} is none of the promises {PROMISES:?}", number + 1));
                } else if !has_scenario(name) {
                    wrong.push(format!("{path}:{}: no scenario `promise_{name}_…` tries to break this", number + 1));
                }
            }
        }
    }
    wrong
}

/// `host/src/a/b.rs` is `a/b`.
fn module(path: &str) -> &str {
    path.trim_start_matches("host/src/").trim_end_matches(".rs")
}

/// Tells whether a module is one of the places or below one.
fn within(module: &str, places: &[&str]) -> bool {
    places.iter().any(|place| module.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn layer(module: &str) -> Option<&'static Layer> {
    let matching = LAYERS.iter().flat_map(|layer| layer.modules.iter().map(move |place| (layer, *place)));
    let best = matching.filter(|(_, place)| within(module, &[place])).max_by_key(|(_, place)| place.len());
    best.map(|(layer, _)| layer)
}

/// The layer of the file that a path of this crate leads to; none where it stays in the root.
fn target(name: &Name, modules: &[&str]) -> Option<&'static Layer> {
    let path = name.path.strip_prefix(&["crate".to_owned()])?;
    let prefixes = (1..=path.len()).rev().map(|length| path[..length].join("/"));
    prefixes.into_iter().find(|prefix| modules.contains(&prefix.as_str())).and_then(|prefix| layer(&prefix))
}

/// The line from which on a file is tests.
fn tests_begin(path: &str, tokens: &[Token]) -> usize {
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return 0;
    }
    let text = |window: &[Token]| window.iter().map(|token| token.text.as_str()).collect::<String>();
    let begin = tokens.windows(8).find(|window| text(window) == "#[cfg(test)]mod");
    begin.map_or(usize::MAX, |window| window[0].line)
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the repository can be read");
            waiting.extend(
                entries
                    .map(|entry| entry.expect("the repository can be read").path())
                    .filter(|p| !p.ends_with("target")),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("source is text");
            let path = path.strip_prefix(&root).expect("it was found there").to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "there is no source in {folders:?}");
    found
}

fn none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
