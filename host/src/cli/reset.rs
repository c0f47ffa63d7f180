//! `edgemill reset`: moves a pipeline's consumer group, once.

use super::arguments::ConfigFile;
use super::{Done, Failure};
use crate::config::{Config, Pipeline, Start};
use crate::kafka::offsets;
use crate::record::Partition;
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::io::Write;

/// Moves a pipeline's consumer group to other offsets, once. The pipeline must not run, here or elsewhere
///
/// The configuration's `start` is for partitions that the group has no committed offset for; this is for those that have
/// one. Examples:
///
///   edgemill reset -c edgemill.toml --to earliest
///   edgemill reset -c edgemill.toml --pipeline flights --to 2024-05-01T00:00:00Z
///   edgemill reset -c edgemill.toml --to 0=1200 1=0
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// Where to: earliest, latest, a time as 2024-05-01T00:00:00Z, or PARTITION=OFFSET, as many as wanted
    #[arg(long, value_name = "WHERE", required = true, num_args = 1..)]
    to: Vec<String>,

    /// Shows where the group is, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let to = place(&arguments.to).map_err(Failure::usage)?;
    let (config, _) = arguments.config.load()?;
    let source = &pipeline(&config, arguments.pipeline.as_deref()).map_err(Failure::usage)?.source;
    let failed = |error: String| Failure::Failed(anyhow!(error));
    let before = offsets::read(source).map_err(failed)?;
    let set: BTreeMap<Partition, i64> = match arguments.dry_run {
        true => BTreeMap::new(),
        false => offsets::reset(source, &to).map_err(failed)?.into_iter().collect(),
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "group {}", source.group)?;
    for one in before {
        let was = one.committed.map_or("nothing committed".to_owned(), |offset| offset.to_string());
        let now = set.get(&one.partition).map_or(String::new(), |offset| format!(" -> {offset}"));
        writeln!(out, "  {}: {was}{now}   (has {} to {})", one.partition, one.oldest, one.end)?;
    }
    if arguments.dry_run {
        writeln!(out, "nothing was changed")?;
    }
    Ok(Done::Well)
}

fn pipeline<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c Pipeline, String> {
    let names = || config.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>().join(", ");
    match (name, &config.pipelines[..]) {
        (None, [only]) => Ok(only),
        (None, _) => Err(format!("the configuration has several pipelines: add --pipeline with one of {}", names())),
        (Some(name), pipelines) => pipelines
            .iter()
            .find(|pipeline| pipeline.name == name)
            .ok_or_else(|| format!("no pipeline {name:?}; the configuration has {}", names())),
    }
}

/// Reads what `--to` says.
fn place(words: &[String]) -> Result<Start, String> {
    let help = "write earliest, latest, a time as 2024-05-01T00:00:00Z, or PARTITION=OFFSET";
    if let [word] = words {
        match word.as_str() {
            "earliest" => return Ok(Start::Earliest),
            "latest" => return Ok(Start::Latest),
            "stored" => return Err(format!("`stored` is where the group is already; {help}")),
            _ => {}
        }
        if let Ok(time) = word.parse::<jiff::Timestamp>() {
            return Ok(Start::Timestamp(time.as_millisecond()));
        }
    }
    let mut offsets = BTreeMap::new();
    for word in words {
        let parsed = word.split_once('=').and_then(|(partition, offset)| {
            let partition: i32 = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let offset: i64 = offset.parse().ok().filter(|offset| *offset >= 0)?;
            Some((partition, offset))
        });
        let Some((partition, offset)) = parsed else {
            return Err(format!("`{word}` is not a place to go to: {help}"));
        };
        if offsets.insert(partition, offset).is_some() {
            return Err(format!("partition {partition} stands there twice"));
        }
    }
    Ok(Start::Offsets(offsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(words: &[&str]) -> Result<Start, String> {
        place(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn places_are_words_times_or_offsets_by_partition() {
        assert_eq!(to(&["earliest"]), Ok(Start::Earliest));
        assert_eq!(to(&["latest"]), Ok(Start::Latest));
        assert_eq!(to(&["1970-01-01T00:00:01Z"]), Ok(Start::Timestamp(1000)));
        assert_eq!(to(&["0=5", "2=0"]), Ok(Start::Offsets([(0, 5), (2, 0)].into())));
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_to_write() {
        for words in
            [&["stored"][..], &["yesterday"], &["0=x"], &["-1=3"], &["0=1", "0=2"], &["earliest", "latest"], &["5"]]
        {
            assert!(to(words).is_err(), "{words:?}");
        }
        assert!(to(&["beginning"]).unwrap_err().contains("write earliest, latest"));
    }
}
