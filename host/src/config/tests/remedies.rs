//! What a report says to write can be written.

use super::parse;
use crate::config::Sink;
use crate::config::reader::quoted;

const SINK: &str = "[pipelines.a.source]\nbrokers = \"b:9092\"\ntopics = [\"t\"]\ngroup = \"edgemill-a\"\n\
                    [pipelines.a.dead-letter]\ntopic = \"dead\"\n[pipelines.a.sink]\ntype = \"featurebase\"\n\
                    url = \"http://localhost:10101\"\n";

/// The first remedy's text between backticks.
fn remedy(text: &str) -> String {
    let report = parse(text).map(drop).expect_err(text);
    assert_eq!(report.problems().len(), 1, "{report}");
    let help = report.problems()[0].help[0].clone();
    // as a person reads it, who may not copy what a terminal does not show
    assert!(report.to_string().contains(&help), "{report}");
    help[help.find('`').unwrap() + 1..help.rfind('`').unwrap()].to_owned()
}

#[test]
fn names_that_featurebase_does_not_take_have_remedies_that_work() {
    let long = "x".repeat(300);
    let strange = [
        "Delay",
        "2nd",
        "_id2",
        "Größe",
        "a.b",
        "a b",
        "$",
        "日本",
        "it's \"x\"",
        "a\u{7f}\u{202e}",
        "-",
        "a\nb",
        &long,
    ];
    for name in strange {
        let quoted = quoted(name);
        for kind in ["\"string\"", "{ type = \"string\" }"] {
            let columns =
                |column: &str| format!("{SINK}table = \"t\"\n[pipelines.a.sink.columns]\na_b = \"int\"\n{column}\n");
            let help = remedy(&columns(&format!("{quoted} = {kind}")));
            // of one that is a table the name, and what is added to it
            let written = match help.split_once("` instead of ") {
                None => help,
                Some((near, rest)) => format!("{near} = {{ type = \"string\", {} }}", rest.split('`').nth(1).unwrap()),
            };
            let (config, _) = parse(&columns(&written)).unwrap_or_else(|report| panic!("{written}: {report}"));
            let Sink::Featurebase(sink) = &config.pipelines[0].sink else { panic!("another sink") };
            assert_eq!(sink.columns[1].from, [name], "{written}");
        }
        let table = |line: &str| format!("{SINK}{line}\ncolumns = {{ a = \"int\" }}\n");
        let written = remedy(&table(&format!("table = {quoted}")));
        parse(&table(&written)).unwrap_or_else(|report| panic!("{written}: {report}"));
    }
}
