//! What the same transform costs in every language, each by its SDK's usual means, in one process without a broker: records that pass
//! as they are, and page views that get an `_id`, in batches of 1 and of 1,024.

use std::borrow::Cow;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use edgemill::batch::{Batch, Column, Headers};
use edgemill::chain::Transform;
use edgemill::config::Limits;
use edgemill::generate::{Generate, PageViews};
use edgemill::outputs::Outputs;
use edgemill::wasm::Engine;
use serde::Serialize;
use serde_json::{Value, json};

use crate::interrupt::Interrupt;
use crate::report;
use crate::side::{cache, executable};

/// Those that have a transform in `bench/guests`; ratios are to the first.
const LANGUAGES: [&str; 8] = ["rust", "c", "cpp", "zig", "go", "assemblyscript", "js", "python"];

/// Records of the larger batches, and calls of one record that are timed together.
const RECORDS: usize = 1024;

/// Different large batches.
const BATCHES: usize = 4;

/// Options of the comparison.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often each language gets every batch
    #[arg(long, default_value_t = 60)]
    rounds: u32,
    /// Only these
    #[arg(long, value_delimiter = ',', default_values = LANGUAGES)]
    only: Vec<String>,
}

impl Options {
    /// All languages, in so many rounds.
    pub(crate) fn of(rounds: u32) -> Self {
        Self { rounds, only: LANGUAGES.map(str::to_owned).to_vec() }
    }
}

/// What a transform costs in a language.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Price {
    pub(crate) language: String,
    /// `keep` or `pageviews`.
    pub(crate) work: &'static str,
    /// Records in a batch.
    pub(crate) batch: usize,
    /// For a record, of the whole call.
    pub(crate) nanoseconds: f64,
}

/// Page views.
struct Data {
    keys: Vec<Vec<u8>>,
    values: Vec<Vec<u8>>,
}

impl Data {
    fn new(first: u64) -> Self {
        let mut data = Self { keys: Vec::new(), values: Vec::new() };
        let (views, mut key, mut value) = (PageViews::new(1), Vec::new(), Vec::new());
        for i in (first..).take(RECORDS) {
            views.record(i, &mut key, &mut value);
            data.keys.push(key.clone());
            data.values.push(value.clone());
        }
        data
    }

    fn batch(&self, from: usize, count: usize) -> Batch<'_> {
        let range = from..from + count;
        Batch {
            topic: "pageviews",
            partition: 0,
            offsets: range.clone().map(|offset| offset as i64).collect(),
            timestamps: Cow::Owned(vec![1_700_000_000_000; count]),
            keys: Column::Each(self.keys[range.clone()].iter().map(|key| Some(key.as_slice())).collect()),
            values: Column::Each(self.values[range].iter().map(|value| Some(value.as_slice())).collect()),
            headers: Headers::default(),
            siblings_before: 0,
        }
    }
}

/// What must come of a page view.
fn expected(value: &[u8], work: &str) -> Result<Value> {
    let mut row: Value = serde_json::from_slice(value)?;
    if work == "pageviews" {
        let text = |name: &str| row[name].as_str().context("a page view has two texts").map(str::to_owned);
        row["_id"] = format!("{}|{}|{}", text("userid")?, text("pageid")?, row["viewtime"]).into();
    }
    Ok(row)
}

/// A transform in a language, its batches, and its shortest time for each.
struct Runner<'d> {
    language: &'d str,
    work: &'static str,
    size: usize,
    guest: Box<dyn Transform>,
    outputs: Outputs,
    /// What is timed together.
    groups: Vec<Vec<Batch<'d>>>,
    shortest: Vec<Duration>,
}

impl Runner<'_> {
    fn call(guest: &mut dyn Transform, outputs: &mut Outputs, batch: &Batch<'_>) -> Result<()> {
        outputs.clear();
        guest.transform(batch, outputs).map_err(|fault| anyhow!("{:?}: {}", fault.class, fault.message))
    }

    /// Compares what comes with what must.
    fn check(&mut self) -> Result<()> {
        let Self { work, guest, outputs, groups, .. } = self;
        for batch in groups.iter().flatten() {
            Self::call(&mut **guest, outputs, batch)?;
            let came = outputs.view(batch.slice(0..batch.len()));
            ensure!(came.len() == batch.len(), "{} of {} records came", came.len(), batch.len());
            for (given, came) in batch.values.iter().zip(came.values.iter()) {
                let (given, came) = (given.unwrap_or_default(), came.unwrap_or_default());
                let row: Value = serde_json::from_slice(came).context("what came is not JSON")?;
                ensure!(row == expected(given, work)?, "a value is not the expected one: {row}");
            }
        }
        Ok(())
    }

    /// Passes all batches, the first time untimed: it pays for what others left in the caches.
    fn round(&mut self) -> Result<()> {
        for timed in [false, true] {
            for (batches, shortest) in self.groups.iter().zip(&mut self.shortest) {
                let start = Instant::now();
                for batch in batches {
                    Self::call(&mut *self.guest, &mut self.outputs, batch)?;
                }
                if timed {
                    *shortest = start.elapsed().min(*shortest);
                }
            }
        }
        Ok(())
    }

    fn price(&self) -> Price {
        let total: Duration = self.shortest.iter().sum();
        let nanoseconds = total.as_secs_f64() * 1e9 / (self.groups.len() * RECORDS) as f64;
        Price { language: self.language.to_owned(), work: self.work, batch: self.size, nanoseconds }
    }
}

/// Measures everything and prints a table.
///
/// # Errors
/// See [`measure`].
pub(crate) fn run(options: &Options) -> Result<()> {
    print!("{}", table(&measure(options, &Interrupt::listen()?)?)?);
    Ok(())
}

/// Builds the transforms and measures them.
///
/// # Errors
/// They cannot be built, one gives something else than it should, or somebody interrupts it.
pub(crate) fn measure(options: &Options, interrupt: &Interrupt) -> Result<Vec<Price>> {
    let target = std::env::var_os("EDGEMILL_MODULES").context("EDGEMILL_MODULES is not set: run `make bench`")?;
    let target = Path::new(&target).parent().context("EDGEMILL_MODULES has no parent folder")?.to_owned();
    let mut build = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/build.sh"));
    let build = build.arg(executable()?).arg(&target).args(&options.only).env("EDGEMILL_CACHE", cache()?);
    ensure!(build.status().context("starting bench/guests/build.sh")?.success(), "not all languages can be built");

    let data: Vec<Data> = (0..BATCHES).map(|i| Data::new((i * RECORDS) as u64)).collect();
    // JavaScript's engine needs more than the default of 64 MiB
    let limits = Limits { memory: 128 << 20, time: Some(Duration::from_secs(1)) };
    let engine = Engine::new(None)?;
    let mut runners = Vec::new();
    for language in &options.only {
        interrupt.go_on()?;
        let bytes = fs::read(target.join("bench-guests").join(language).with_extension("wasm"))?;
        for (work, keep) in [("keep", true), ("pageviews", false)] {
            let module = engine.load(language, &bytes, &json!({ "keep": keep }), limits);
            let module = module.map_err(|error| anyhow!("{language}: {error}"))?;
            for size in [1, RECORDS] {
                let guest = module.instantiate().map_err(|error| anyhow!("{language}: {error}"))?;
                let groups: Vec<Vec<Batch<'_>>> = match size {
                    1 => vec![(0..RECORDS).map(|at| data[0].batch(at, 1)).collect()],
                    _ => data.iter().map(|data| vec![data.batch(0, RECORDS)]).collect(),
                };
                let shortest = vec![Duration::MAX; groups.len()];
                let mut runner = Runner { language, work, size, guest, outputs: Outputs::default(), groups, shortest };
                runner.check().with_context(|| format!("{work} in {language}, in batches of {size}"))?;
                runners.push(runner);
            }
        }
    }
    for _ in 0..options.rounds {
        for runner in &mut runners {
            interrupt.go_on()?;
            runner.round()?;
        }
    }
    Ok(runners.iter().map(Runner::price).collect())
}

/// What a language costs.
struct Line<'p> {
    language: &'p str,
    /// Nanoseconds a record of each work, at batches of 1 and of 1,024.
    costs: [Option<f64>; 4],
    /// The last of them to the first language's.
    to_first: Option<f64>,
}

fn lines(prices: &[Price]) -> Vec<Line<'_>> {
    let mut languages: Vec<&str> = prices.iter().map(|price| price.language.as_str()).collect();
    languages.dedup();
    let find = |language: &str, work: &str, batch| {
        let is = |price: &&Price| price.language == language && price.work == work && price.batch == batch;
        prices.iter().find(is).map(|price| price.nanoseconds)
    };
    let mapping = |language| find(language, "pageviews", RECORDS);
    let line = |language| {
        let costs = [("keep", 1), ("keep", RECORDS), ("pageviews", 1), ("pageviews", RECORDS)];
        let costs = costs.map(|(work, batch)| find(language, work, batch));
        let to_first = mapping(LANGUAGES[0]).zip(mapping(language)).map(|(first, own)| own / first);
        Line { language, costs, to_first }
    };
    languages.into_iter().map(line).collect()
}

fn shown(cost: Option<f64>) -> String {
    cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.0}"))
}

/// For a terminal.
///
/// # Errors
/// None: writing to memory does not fail.
pub(crate) fn table(prices: &[Price]) -> Result<String> {
    let mut table = String::new();
    if !prices.is_empty() {
        let heads = ["keep, 1", "keep, 1024", "pageviews, 1", "pageviews, 1024", "to rust"];
        let heads: String = heads.iter().map(|head| format!("{head:>17}")).collect();
        writeln!(table, "{:<15}{heads}   ns a record, by records in a batch", "language")?;
    }
    for Line { language, costs, to_first } in lines(prices) {
        let costs: String = costs.map(|cost| format!("{:>17}", shown(cost))).concat();
        writeln!(table, "{language:<15}{costs}{:>17}", report::ratio(to_first))?;
    }
    Ok(table)
}

/// For a page in Markdown.
///
/// # Errors
/// None: writing to memory does not fail.
pub(crate) fn page(prices: &[Price]) -> Result<String> {
    let mut page = String::new();
    if prices.is_empty() {
        return Ok(page);
    }
    writeln!(
        page,
        "## The same transform by language\n\nNanoseconds a record of page views of 50 to 60 bytes, in one process without a broker; the shortest of many tries, of the whole call. \
         `keep` lets records pass as they are, `pageviews` reads the JSON, makes an `_id` and writes other JSON, by each SDK's usual means ([sources](guests)).\n\n\
         | language | keep, batches of 1 | of 1,024 | pageviews, batches of 1 | of 1,024 | to Rust |\n| --- | --: | --: | --: | --: | --: |"
    )?;
    for Line { language, costs, to_first } in lines(prices) {
        let [keep_one, keep, map_one, map] = costs.map(shown);
        writeln!(page, "| {language} | {keep_one} | {keep} | {map_one} | {map} | {} |", report::ratio(to_first))?;
    }
    writeln!(page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_costs_of_a_language_and_its_ratio_to_rust() {
        let price = |language: &str, work, batch, nanoseconds| Price {
            language: language.to_owned(),
            work,
            batch,
            nanoseconds,
        };
        let prices = [
            price("rust", "keep", 1, 300.4),
            price("rust", "pageviews", RECORDS, 200.0),
            price("c", "pageviews", RECORDS, 100.0),
        ];
        let page = page(&prices).unwrap();
        assert!(page.contains("| rust | 300 | - | - | 200 | 1.00 |\n| c | - | - | - | 100 | 0.50 |\n"), "{page}");
        assert!(table(&[]).unwrap().is_empty());
    }

    #[test]
    fn authors_are_told_the_costs_that_were_measured() {
        // a language's name and its costs, in whole nanoseconds
        let rows = |text: &str| -> Vec<Vec<String>> {
            let table = text.split("| language | keep").nth(1).unwrap_or_default();
            let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
            let cell = |cell: &str| cell.trim().replace(',', "").to_lowercase();
            lines.map(|line| line.split('|').skip(1).take(5).map(cell).collect()).collect()
        };
        let measured = rows(include_str!("../RESULTS.md"));
        let mut told = rows(include_str!("../../docs/guests/README.md"));
        for row in &mut told {
            row[0] = row[0].replace("c++", "cpp").replace("javascript", "js");
        }
        assert!(measured.len() >= 8 && told == measured, "{told:?} is not {measured:?}");
    }

    #[test]
    fn a_page_view_gets_its_id() {
        let row = expected(br#"{"viewtime":7,"userid":"User_1","pageid":"Page_2"}"#, "pageviews").unwrap();
        assert_eq!(row["_id"], "User_1|Page_2|7");
    }
}
