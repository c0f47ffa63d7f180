//! The options of the command line.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::guest;
use crate::languages;
use crate::native::{self, Job};
use crate::side::{Family, SIDES, Side};

/// Compares Edgemill with native loops that do the same, and with peers.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one native loop until it is asked to stop
    Native(native::Options),
    /// Compare guests with native code in this process, without a broker
    Guest(guest::Options),
    /// Compare the same transform in all languages in this process, without a broker
    Languages(languages::Options),
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Throughput, processor time and memory of all sides
    Compare,
    /// The same for sinks by HTTP
    Http,
    /// Latency when idle
    Latency,
    /// Start to first record
    Start,
    /// Guests beside native code, and the same transform by language, without a broker
    Guest,
    /// Cost per record over records, partitions and modules
    Growth,
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Take some minutes only: fewer records, rounds and sides, peers at flatten only, no growth
    #[arg(long)]
    pub(crate) short: bool,
    /// Measure growth in the short form too
    #[arg(long)]
    growth: bool,
    /// Which parts; all in the long form
    #[arg(long, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Records of the input, one at least; 2,000,000, in the short form 500,000
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    records: Option<u64>,
    /// Rounds that count, after one that does not, one at least; four, in the short form two
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Partitions of every topic, one at least
    #[arg(long, default_value_t = 4, value_parser = value_parser!(i32).range(1..))]
    pub(crate) partitions: i32,
    /// What is done to each record
    #[arg(long, value_delimiter = ',', default_values = ["identity", "flatten", "lz4-flatten"])]
    pub(crate) jobs: Vec<Job>,
    /// What is compared; everything where not given, in the short form what the goals are about
    #[arg(long, value_delimiter = ',', value_parser = PossibleValuesParser::new(SIDES.iter().map(|side| side.name)))]
    sides: Vec<String>,
    /// Which peers take part
    #[arg(long, value_delimiter = ',', default_values = ["python", "kafka-streams", "bytewax"])]
    peers: Vec<Family>,
    /// The most records in the part about growth, which begins with a thousand; 10,000,000, in the short form 100,000
    #[arg(long, value_parser = value_parser!(u64).range(1000..))]
    growth_records: Option<u64>,
    /// File for the result as JSON; target/bench/results.json where not given
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// File for the result as Markdown, as bench/RESULTS.md; charts go into a folder beside it. None where not given
    #[arg(long)]
    pub(crate) results: Option<PathBuf>,
}

impl Options {
    pub(crate) fn records(&self) -> u64 {
        self.records.unwrap_or(if self.short { 500_000 } else { 2_000_000 })
    }

    /// Records of those that take a share of the input: enough for a second or two.
    pub(crate) fn share(&self) -> u64 {
        (self.records() / 10).max(50_000).min(self.records())
    }

    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.short { 2 } else { 4 })
    }

    pub(crate) fn growth_most(&self) -> u64 {
        self.growth_records.unwrap_or(if self.short { 100_000 } else { 10_000_000 })
    }

    /// The parts to measure.
    pub(crate) fn parts(&self) -> Vec<Part> {
        if !self.parts.is_empty() {
            return self.parts.clone();
        }
        let mut parts = vec![Part::Guest, Part::Compare, Part::Http, Part::Latency, Part::Start];
        if self.growth || !self.short {
            parts.push(Part::Growth);
        }
        parts
    }

    /// The sides to compare, in the order of the report.
    ///
    /// # Errors
    /// None is left.
    pub(crate) fn sides(&self) -> Result<Vec<&'static Side>> {
        let named = |side: &Side| match self.sides.is_empty() {
            true => !self.short || side.is_in_short(),
            false => self.sides.iter().any(|name| name == side.name),
        };
        let wanted = |family| !self.peers.contains(&Family::None) && self.peers.contains(&family);
        let sides: Vec<_> = SIDES.iter().filter(|side| named(side) && side.family().is_none_or(wanted)).collect();
        if sides.is_empty() {
            bail!("nothing is left to compare: say other --sides or --peers");
        }
        Ok(sides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Cli::try_parse_from([&["bench"], arguments].concat()).unwrap().options
    }

    #[test]
    fn everything_takes_part_unless_it_is_left_out() {
        assert_eq!(options(&[]).sides().unwrap().len(), SIDES.len());
        let without = options(&["--peers", "none"]).sides().unwrap();
        assert!(without.iter().all(|side| side.family().is_none()) && without.len() > 10);
        let short = options(&["--short"]).sides().unwrap();
        let has = |name| short.iter().any(|side| side.name == name);
        assert!(has("edgemill1-once") && has("bytewax") && !has("native-serde") && !has("edgemill2-untimed"));
        let some = options(&["--sides", "edgemill2,bytewax,native-batch", "--peers", "python"]).sides().unwrap();
        assert_eq!(some.iter().map(|side| side.name).collect::<Vec<_>>(), ["native-batch", "edgemill2"]);
        assert!(options(&["--sides", "bytewax", "--peers", "none"]).sides().is_err());
    }

    #[test]
    fn growth_is_part_of_the_long_form() {
        assert!(options(&[]).parts().contains(&Part::Growth));
        assert!(!options(&["--short"]).parts().contains(&Part::Growth));
        assert!(options(&["--short", "--growth"]).parts().contains(&Part::Growth));
        assert_eq!(options(&["--parts", "start"]).parts(), [Part::Start]);
    }

    #[test]
    fn a_share_is_never_more_than_the_whole() {
        assert_eq!(options(&[]).share(), 200_000);
        assert_eq!(options(&["--short"]).share(), 50_000);
        assert_eq!(options(&["--records", "1000"]).share(), 1000);
    }
}
