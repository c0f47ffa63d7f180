//! What docs/configuration.md says is true: its examples, its defaults, and that it has every key.

use super::parse;
use crate::config::reader::KEYS;

const DOCS: &str = include_str!("../../../../docs/configuration.md");

/// The examples, each with what follows its ` ```toml `.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = DOCS.split("\n```toml").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().split_once('\n').unwrap()).collect()
}

/// An example with the tables that it leaves out.
fn whole(example: &str) -> String {
    let mut text = example.to_owned();
    let mut add = |table: &str, rest: &str| {
        if !example.contains(table) {
            text.push_str(&format!("\n{table}\n{rest}\n"));
        }
    };
    let source = "brokers = \"localhost:9092\"\ntopics = [\"flights\"]\ngroup = \"g\"";
    add("[pipelines.flights.source]", source);
    add("[pipelines.flights.sink]", "type = \"kafka\"\ntopic = \"flat\"");
    if !example.contains("fault = \"stop\"") {
        add("[pipelines.flights.dead-letter]", "topic = \"dead\"");
    }
    text
}

#[test]
fn every_example_is_taken_as_it_is() {
    let examples = examples();
    assert!(examples.len() > 10);
    for (_, example) in examples {
        let (_, report) = parse(&whole(example)).unwrap_or_else(|report| panic!("{example}\n{report}"));
        assert!(report.is_empty(), "{example}\n{report}");
    }
}

#[test]
fn the_defaults_are_those_of_the_program() {
    let all = examples().into_iter().find(|(kind, _)| kind.trim() == "defaults").unwrap().1;
    let required = "host = \"mill-1\"\n[pipelines.flights.source]\nbrokers = \"localhost:9092\"\ntopics = [\"flights\"]\n\
                    group = \"edgemill-flights\"\n[[pipelines.flights.chain]]\nmodule = \"flatten-flights.wasm\"\n\
                    [pipelines.flights.sink]\ntype = \"kafka\"\ntopic = \"flights-flat\"\n\
                    [pipelines.flights.dead-letter]\ntopic = \"flights.dead-letter\"\n";
    assert_eq!(format!("{:#?}", parse(all).unwrap().0), format!("{:#?}", parse(required).unwrap().0));
    let leaf = |line: &&str| line.contains('=') && !line.starts_with('[');
    let written: Vec<&str> = all.lines().filter(leaf).map(|line| line.split(' ').next().unwrap()).collect();
    // the example's sink is a topic
    let by_http = |keys: &[&str]| ["window", "url", "endpoint"].iter().any(|key| keys.contains(key));
    for (_, keys) in KEYS.iter().filter(|(_, keys)| !by_http(keys)) {
        for key in keys.iter().filter(|key| {
            !["config", "admin", "schema-registry", "pipelines", "source", "chain", "sink", "dead-letter"].contains(key)
        }) {
            assert!(written.contains(key), "the example of all defaults leaves out `{key}`");
        }
    }
}

#[test]
fn every_key_is_documented() {
    for (table, keys) in KEYS {
        for key in keys {
            let told =
                [format!("`{key}`"), format!(".{key}]"), format!("[{key}")].iter().any(|text| DOCS.contains(text));
            assert!(told, "`{key}` of [{table}]");
        }
    }
}
