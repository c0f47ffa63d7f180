//! What a newcomer's configurations are told: each `tests/refused/*.toml` and `tests/warned/*.toml` beside its report.

use super::*;
use std::collections::BTreeMap;

mod accepted;
mod documented;
mod mutated;
mod remedies;

/// A machine of four cores that has a few variables, files and modules.
pub(super) struct Bench;

impl Surroundings for Bench {
    fn variable(&self, name: &str) -> Option<String> {
        let variables = BTreeMap::from([
            ("HOME", "/home/ann"),
            ("A_WORD", "swordfish"),
            ("A_KEY", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"),
            ("EMPTY", ""),
            ("USERNAME", "ann"),
            ("KAFKA_USERNAME", "ann"),
            ("PASSWORD", "hunter2"),
            ("FEATUREBASE_USERNAME", "ann"),
            ("FEATUREBASE_PASSWORD", "hunter2"),
            ("BROKERS", "kafka-1:9092,kafka-2:9092"),
        ]);
        variables.get(name).map(|value| (*value).to_owned())
    }

    fn secret(&self, path: &Path) -> io::Result<String> {
        // relative: where the program is started, as librdkafka has it
        if ["ca.pem", "client.pem", "/etc/edgemill/certificates"].iter().any(|name| path == Path::new(name)) {
            return Ok("-----BEGIN CERTIFICATE-----\n".to_owned());
        }
        match ["kafka-password", "featurebase", "collector", "registry"].iter().any(|name| path.ends_with(name)) {
            true => Ok("hunter2\n".to_owned()),
            false => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
        }
    }

    fn modules(&self, folder: &Path) -> io::Result<Vec<String>> {
        match folder.ends_with("nowhere") {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "no such folder")),
            false => Ok(["flatten-flights.wasm", "lz4-decompress.wasm", "pageviews.wasm", "README.md"]
                .map(str::to_owned)
                .into()),
        }
    }

    fn cores(&self) -> usize {
        4
    }

    fn host(&self) -> String {
        "bench".to_owned()
    }
}

pub(super) fn parse(text: &str) -> Result<(Config, Report), Report> {
    Config::parse("edgemill.toml", text, Path::new("/etc/edgemill"), &Bench)
}

/// Compares the report on each file of a folder with the one beside it.
fn compare(folder: &str, report: impl Fn(&str, &str) -> Report) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    insta::with_settings!({ snapshot_path => &path, prepend_module_to_snapshot => false, omit_expression => true }, {
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let text = std::fs::read_to_string(&file).unwrap();
            let report = report(name, &text);
            for problem in report.problems() {
                assert!(!problem.message.contains("hunter2") && !problem.message.contains("swordfish"), "{report}");
            }
            assert!(!report.to_string().contains("hunter2"), "{name} shows a secret");
            insta::assert_snapshot!(name, report);
        }
    });
}

#[test]
fn every_bad_configuration_is_refused_with_its_line_and_the_remedy() {
    compare("refused", |name, text| parse(text).map(drop).expect_err(name));
}

#[test]
fn every_doubtful_configuration_is_taken_with_a_warning() {
    compare("warned", |name, text| {
        let (_, report) = parse(text).unwrap_or_else(|report| panic!("{name}: {report}"));
        assert!(!report.is_empty(), "{name}");
        report
    });
}

#[test]
fn every_problem_has_its_place_and_a_remedy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests/refused");
    for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
        let Some(text) =
            entry.path().extension().filter(|e| *e == "toml").map(|_| std::fs::read_to_string(entry.path()).unwrap())
        else {
            continue;
        };
        let report = parse(&text).unwrap_err();
        for problem in report.problems() {
            assert!(report.place(problem).is_some(), "{:?}: {}", entry.file_name(), problem.message);
            // some say it in the message itself
            let has_remedy = !problem.help.is_empty() || [": ", "; "].iter().any(|sign| problem.message.contains(sign));
            assert!(has_remedy, "{:?}: {}", entry.file_name(), problem.message);
            assert!(
                !problem.message.ends_with('.')
                    && (!problem.message.starts_with(char::is_uppercase) || problem.message.starts_with("JSON")),
                "{}",
                problem.message
            );
        }
    }
}
