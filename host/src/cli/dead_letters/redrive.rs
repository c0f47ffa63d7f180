//! `edgemill dead-letters redrive`: the waiting dead letters through the pipeline's chain as it is now.

use super::super::arguments::ConfigFile;
use super::super::places::rate;
use super::super::replay::done;
use super::super::{Done, Failure};
use super::{Filters, Letters, failed};
use crate::config::{Config, Pipeline, REDRIVE_SESSION};
use crate::kafka::range::{RangeSource, Ranges};
use crate::kafka::{KafkaSource, offsets};
use crate::policy::Class;
use crate::redrive::{Counts, Order, Redrive, Tally};
use crate::service::once::{self, Output, Ran};
use crate::source::Source;
use crate::source::paced::Paced;
use std::fmt::Write as _;
use std::time::Duration;

/// A redrive that was killed is a member of its group until its session is over; so long a new one waits.
const PATIENCE: Duration = Duration::from_secs(REDRIVE_SESSION.as_secs() + 4);

/// How long a redrive that is given no partition waits for another one to share its own.
const LANES: Duration = Duration::from_secs(5);

/// Passes the waiting dead letters through the pipeline's chain again, as its modules are now
///
/// Each becomes the record that it was: topic, partition, offset, timestamp, key, value and headers. What passes goes to
/// the pipeline's sink; what fails again becomes a dead letter again, which says how often it was tried, and waits for the
/// next time. Those that are not chosen are put back to the end of the topic, and wait on. The pipeline may run meanwhile.
///
/// A redrive that is ended, or dies, goes on where it was when it is started again. The exit code is 3 where some failed
/// again, and 1 where it was asked to end before the end.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigFile,

    /// The pipeline; may be left out where the configuration has one
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,

    /// Prints what would come out as JSON lines, what would fail again on standard error, and changes nothing
    #[arg(long)]
    dry_run: bool,

    /// No more than so many dead letters a second, as 100 or 100/s
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,

    #[command(flatten)]
    filters: Filters,
}

pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let (config, _) = arguments.config.load()?;
    let way = if arguments.dry_run { Way::Look } else { Way::Try };
    let worked = work(&config, arguments.pipeline.as_deref(), &arguments.filters, arguments.rate, way)?;
    let Some((ran, counts)) = worked else { return Ok(Done::Well) };
    // standard output is for records
    eprint!("{}", told(&ran, counts, arguments.dry_run));
    done(&ran)
}

/// What became of those that are not chosen.
pub(super) const PUT_BACK: &str = "not chosen: put back, and still waiting";

/// What is done with dead letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// They are tried again.
    Try,
    /// It is shown what would come out.
    Look,
    /// They are given up.
    GiveUp,
}

/// Works the waiting dead letters off; none where none waits.
pub(super) fn work(
    config: &Config,
    name: Option<&str>,
    filters: &Filters,
    rate: Option<f64>,
    way: Way,
) -> Result<Option<(Ran, Counts)>, Failure> {
    if way != Way::Look {
        alone(&Letters::open(config, name)?)?;
    }
    // asked again: another one may have ended meanwhile
    let letters = Letters::open(config, name)?;
    let waiting = letters.waiting();
    if waiting.iter().all(|range| range.is_empty()) {
        eprintln!("no dead letters wait in {}", letters.topic);
        return Ok(None);
    }
    let tally = Tally::default();
    let order = Order {
        pipeline: letters.pipeline.name.clone(),
        filter: filters.filter(),
        gives_up: way == Way::GiveUp,
        puts_back: way != Way::Look,
        waiting: waiting.iter().map(|range| (range.partition.clone(), (range.from, range.to))).collect(),
        patience: LANES,
        tally: tally.clone(),
    };
    let ranges = Ranges::new(waiting);
    let output = if way == Way::Look { Output::Lines } else { Output::Sink };
    // its own group, and so its own transactional id: the pipeline itself may run meanwhile
    let mut pipeline = Pipeline { source: letters.source.clone(), ..letters.pipeline.clone() };
    if way == Way::GiveUp {
        // what is given up meets no module, which may be broken for all that
        pipeline.chain.clear();
    }
    let ran = once::run(config, &pipeline, output, &|identity, wake| {
        // a member of the group: two at once share the partitions, and none commits what is the other's
        let inner: Box<dyn Source> = match way == Way::Look {
            true => Box::new(RangeSource::new(&letters.source, &ranges, identity, wake)?),
            false => Box::new(KafkaSource::new(&letters.source, identity, wake)?),
        };
        let source = Box::new(Redrive::new(inner, order.clone()));
        Ok(match rate {
            Some(rate) => Box::new(Paced::new(source, rate)) as Box<dyn Source>,
            None => source,
        })
    })?;
    Ok(Some((ran, tally.read())))
}

/// Makes sure that no other redrive is at it.
fn alone(letters: &Letters<'_>) -> Result<(), Failure> {
    let mut said = false;
    offsets::await_idle(&letters.source, PATIENCE, |error| {
        if !std::mem::replace(&mut said, true) {
            eprintln!("waiting for another redrive, or for the session of one that was killed: {error}");
        }
    })
    .map_err(|error| failed(format!("another redrive is at work: {error}")))
}

fn told(ran: &Ran, counts: Counts, dry: bool) -> String {
    let again = Class::ALL.iter().zip(ran.failed).filter(|(_, count)| *count > 0);
    let again: Vec<_> = again.map(|(class, count)| format!("{class} {count}")).collect();
    let again = if again.is_empty() { String::new() } else { format!(" ({})", again.join(", ")) };
    let (rows, fail) = if dry { ("rows would come out", "would fail") } else { ("rows delivered", "failed") };
    let mut text = format!(
        "{} dead letters tried again, {} {rows}, {} {fail} again{again}\n",
        ran.records,
        ran.rows,
        ran.failures()
    );
    let left = if dry { "not chosen" } else { PUT_BACK };
    text.push_str(&rest(counts, left));
    if dry {
        text.push_str("nothing was changed\n");
    } else if !ran.complete {
        text.push_str("what was not tried again is still waiting: start it again to go on\n");
    }
    text
}

/// What became of those that were not meant.
pub(super) fn rest(counts: Counts, left: &str) -> String {
    let mut text = String::new();
    for (count, what) in [
        (counts.left, left),
        (counts.others, "of other pipelines: left alone"),
        (counts.foreign, "warning: no dead letters of edgemill's: left where they are, and passed over"),
    ] {
        // writing to a string cannot fail
        let _ = if count > 0 { writeln!(text, "{count} {what}") } else { Ok(()) };
    }
    text
}
