//! Counts the instructions that a record costs on its way through a worker, and compares with what is committed in
//! `instructions.toml`: times on shared machines say little, and a count is the same from run to run.
//!
//! With `UPDATE=1` the counts are committed instead (`make instructions UPDATE=1`).

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flights that each workload passes. The first batch, which is dearer, is one of 78.
const RECORDS: u64 = 20_000;

/// How far a count may be from the committed one, in hundredths.
const TOLERANCE: f64 = 5.0;

/// Large copies go in steps of a register, as small ones do: valgrind counts `rep movsb` as an instruction for each byte.
const COPIES: &str = "glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// What there is to do, whatever is wrong.
const REMEDY: &str =
    "`make instructions` shows what takes them; if it is meant, commit new counts: `make instructions UPDATE=1`";

/// Instructions a record by architecture and workload.
type Baseline = BTreeMap<String, BTreeMap<String, f64>>;

#[test]
fn a_record_costs_as_many_instructions_as_before() {
    let counts = count();
    let mut baseline: Baseline = match fs::read_to_string(path()) {
        Ok(text) => toml::from_str(&text).expect("instructions.toml has a table of numbers for each architecture"),
        Err(error) => panic!("{}: {error}", path().display()),
    };
    println!("{}", table(baseline.get(ARCH), &counts));
    if std::env::var_os("UPDATE").is_some() {
        baseline.insert(ARCH.to_owned(), counts);
        fs::write(path(), text(&baseline)).expect("instructions.toml can be written");
        return;
    }
    let known = baseline.get(ARCH).unwrap_or_else(|| {
        panic!(
            "instructions.toml has no counts for {ARCH}; on a commit that you trust, run `make instructions UPDATE=1`"
        )
    });
    let wrong = compare(known, &counts);
    assert!(wrong.is_empty(), "\n{}\n{REMEDY}\n", wrong.join("\n"));
}

#[test]
fn more_less_new_and_missing_counts_are_told_apart() {
    let counts = |list: &[(&str, f64)]| list.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let known = counts(&[("same", 100.0), ("more", 100.0), ("less", 100.0), ("gone", 100.0)]);
    let found = counts(&[("same", 104.9), ("more", 105.1), ("less", 94.9), ("new", 1.0)]);
    let expected = [
        "gone: committed, and not counted",
        "less: 94.9 instructions a record, 5.1 % fewer than the 100.0 committed: commit what was gained",
        "more: 105.1 instructions a record, 5.1 % more than the 100.0 committed",
        "new: counted, and not committed",
    ];
    assert_eq!(compare(&known, &found), expected);
}

/// What differs, a line each, by name.
fn compare(known: &BTreeMap<String, f64>, counts: &BTreeMap<String, f64>) -> Vec<String> {
    let mut wrong: Vec<String> = Vec::new();
    for (name, before) in known {
        let Some(now) = counts.get(name) else {
            wrong.push(format!("{name}: committed, and not counted"));
            continue;
        };
        let change = percent(*before, *now);
        let told = format!("{name}: {now:.1} instructions a record, {:.1} %", change.abs());
        if change > TOLERANCE {
            wrong.push(format!("{told} more than the {before:.1} committed"));
        } else if change < -TOLERANCE {
            wrong.push(format!("{told} fewer than the {before:.1} committed: commit what was gained"));
        }
    }
    let new = counts.keys().filter(|name| !known.contains_key(*name));
    wrong.extend(new.map(|name| format!("{name}: counted, and not committed")));
    wrong.sort();
    wrong
}

fn percent(before: f64, now: f64) -> f64 {
    (now / before - 1.0) * 100.0
}

/// Counts every workload, in a process of its own.
fn count() -> BTreeMap<String, f64> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    // modules are compiled here, where nothing is counted: for the processor that valgrind shows, which is not this machine's
    let names = valgrind(&["--tool=none"], &folder, &["1"]);
    let count = |name: &str| {
        let file = folder.join(name).with_extension("callgrind");
        let output = format!("--callgrind-out-file={}", file.display());
        let options = ["--tool=callgrind", "--toggle-collect=edgemill_micro::measured", &output];
        valgrind(&options, &folder, &[&RECORDS.to_string(), name]);
        total(&fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    };
    let counts = names.lines().map(|name| (name.to_owned(), count(name) as f64 / RECORDS as f64)).collect();
    println!("by function: callgrind_annotate --inclusive=yes {}/*.callgrind", folder.display());
    counts
}

/// Runs the workloads under valgrind, and returns the names that it prints.
fn valgrind(options: &[&str], folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("valgrind");
    command.arg("--quiet").args(options).arg(env!("CARGO_BIN_EXE_edgemill-micro"));
    command.arg(folder.join("state")).args(arguments).env("GLIBC_TUNABLES", COPIES);
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("cannot run valgrind: {error}; `make setup-test` installs it"));
    assert!(output.status.success(), "{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("names are text")
}

/// The sum that a file of callgrind's ends with.
fn total(file: &str) -> u64 {
    let total = file.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).expect("callgrind writes totals")
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.toml")
}

fn table(known: Option<&BTreeMap<String, f64>>, counts: &BTreeMap<String, f64>) -> String {
    let mut table = format!("{:<16} {:>12} {:>12} {:>8}\n", "instructions", "a record", "committed", "change");
    for (name, count) in counts {
        let _ = match known.and_then(|known| known.get(name)) {
            Some(before) => {
                writeln!(table, "{name:<16} {count:>12.1} {before:>12.1} {:>+7.1}%", percent(*before, *count))
            }
            None => writeln!(table, "{name:<16} {count:>12.1} {:>12} {:>8}", "-", "-"),
        };
    }
    table
}

fn text(baseline: &Baseline) -> String {
    let mut text = String::from(
        "# Instructions a record, by architecture: what `make test` compares with, and `make instructions UPDATE=1` writes.\n",
    );
    for (architecture, counts) in baseline {
        let _ = writeln!(text, "\n[{architecture}]");
        for (name, count) in counts {
            let _ = writeln!(text, "{name} = {count:.1}");
        }
    }
    text
}
