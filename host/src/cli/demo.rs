//! `edgemill demo`: both shipped pipelines over an embedded broker, a module swapped in mid-flight, and a verdict counted
//! from the output topics.

use crate::config::Config;
use crate::kafka::mock::EmbeddedBroker;
use crate::service::Service;
use crate::wake::Wake;
use crate::worker::status::State;
use anyhow::{Context, Result, anyhow, bail};
use feed::{Expected, Feed};
use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tally::Tally;

mod feed;
mod tally;

const FLIGHTS: &str = "flights";
const FARES: &str = "flights-flat";
const PAGE_VIEWS: &str = "pageviews";
const CHECKED: &str = "pageviews-checked";
const DEAD_LETTERS: &str = "dead-letters";

/// The modules that run, and the one that is swapped in for `flatten-flights`.
const MODULES: [&str; 3] = ["lz4-decompress.wasm", "flatten-flights.wasm", "pageviews.wasm"];
const SWAPPED_IN: &str = "fares.wasm";
const SWAPPED_OUT: &str = "flatten-flights.wasm";

/// How long to wait for the group to form: the embedded broker takes 3 s for it.
const JOIN: Duration = Duration::from_secs(60);

/// How long the last records may take.
const TAIL: Duration = Duration::from_secs(20);

/// What the command line says.
pub struct Options {
    /// Where the shipped modules lie.
    pub modules: PathBuf,
    /// How long records flow.
    pub seconds: u64,
}

/// Runs it and prints what happens.
///
/// # Errors
/// It could not run, or a record was lost or duplicated.
pub fn run(options: &Options) -> Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, asked.clone())?;
    }
    let folder = Folder::new(&options.modules)?;
    let topics = [(FLIGHTS, 4), (FARES, 4), (PAGE_VIEWS, 2), (CHECKED, 2), (DEAD_LETTERS, 1)];
    let broker = EmbeddedBroker::start(&topics).map_err(|error| anyhow!(error))?;
    let text = configuration(&broker.brokers());
    tell(&format!("An embedded broker listens at {}. This is the whole configuration:\n", broker.brokers()))?;
    tell(&indent(&text))?;
    fs::write(folder.path.join("edgemill.toml"), &text)?;
    let (config, _) = Config::load(&folder.path.join("edgemill.toml")).map_err(|report| anyhow!("{report}"))?;
    let service = Service::start(config)?;
    let verdict = show(&service, &broker.brokers(), &folder, options, &asked);
    service.ender().end();
    let ended = service.wait();
    let verdict = verdict?;
    ended?;
    tell(&verdict.text)?;
    if !verdict.clean {
        bail!("the demo lost or duplicated records: please report this");
    }
    Ok(())
}

struct Verdict {
    text: String,
    clean: bool,
}

fn show(service: &Service, brokers: &str, folder: &Folder, options: &Options, asked: &AtomicBool) -> Result<Verdict> {
    // nobody wakes it: it only lets time pass
    let nap = Wake::new()?;
    wait_for_group(service, &nap, asked)?;
    let mut feed = Feed::start(brokers, options.seconds)?;
    let mut tally = Tally::start(brokers, feed.expected())?;
    let Expected { flights, page_views } = feed.expected();
    let bar = bar(flights + page_views);
    let started = Instant::now();
    let swap_at = Duration::from_secs(options.seconds) / 2;
    let mut swapped: Option<Duration> = None;
    let mut deadline = None;
    loop {
        if asked.load(Ordering::Relaxed) {
            bail!("asked to end before the verdict");
        }
        feed.feed(started.elapsed())?;
        tally.read();
        bar.set_position(tally.seen());
        bar.set_message(rates(service));
        if swapped.is_none() && started.elapsed() > swap_at {
            say(&bar, &tally.sample("before the swap"))?;
            swapped = Some(swap(service, folder, &bar, &nap)?);
            tally.new_sample();
        }
        if feed.is_done() {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + TAIL);
            // a moment longer than needed, so that a duplicate has the time to show itself
            if (tally.is_complete() && tally.quiet_for() > Duration::from_millis(700)) || Instant::now() > deadline {
                break;
            }
        }
        nap.wait(Duration::from_millis(10));
    }
    say(&bar, &tally.sample("after the swap"))?;
    bar.finish_and_clear();
    Ok(tally.verdict(feed.produced(), swapped.unwrap_or_default(), longest_pause(service)))
}

fn wait_for_group(service: &Service, nap: &Wake, asked: &AtomicBool) -> Result<()> {
    tell("Waiting for the consumer groups to form (the embedded broker takes 3 s for it)...")?;
    let deadline = Instant::now() + JOIN;
    let running = || service.views().iter().flat_map(|view| &view.1).all(|board| board.read().state == State::Running);
    while !running() && !asked.load(Ordering::Relaxed) {
        if Instant::now() > deadline {
            bail!("the workers did not join their groups within {} s", JOIN.as_secs());
        }
        nap.wait(Duration::from_millis(20));
    }
    Ok(())
}

/// Replaces the module as a deployment would, by renaming, and waits until every worker has switched.
fn swap(service: &Service, folder: &Folder, bar: &ProgressBar, nap: &Wake) -> Result<Duration> {
    say(bar, &format!("Swapping {SWAPPED_OUT} for another module while records flow..."))?;
    let started = Instant::now();
    folder.swap()?;
    let (plans, boards) = service.views().first().context("the demo has a pipeline of flights")?;
    while boards.iter().any(|board| board.read().plan < 2) {
        if let Some(refused) = plans.refused() {
            bail!("{} was refused: {}", refused.module, refused.error);
        }
        if started.elapsed() > Duration::from_secs(30) {
            bail!("the workers did not switch within 30 s");
        }
        nap.wait(Duration::from_millis(1));
    }
    Ok(started.elapsed())
}

fn longest_pause(service: &Service) -> f64 {
    let boards = service.views().iter().flat_map(|view| &view.1);
    boards.map(|board| board.read().longest_swap_pause).fold(0.0, f64::max)
}

fn rates(service: &Service) -> String {
    let boards = service.views().iter().flat_map(|view| &view.1);
    let rate: f64 = boards.map(|board| board.read().records_per_second).sum();
    format!("{rate:.0} records/s")
}

fn bar(expected: u64) -> ProgressBar {
    let bar = ProgressBar::new(expected);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} delivered, {msg}");
    bar.set_style(style.expect("the template is well formed"));
    bar
}

/// Prints above the bar; plainly where there is no terminal.
fn say(bar: &ProgressBar, text: &str) -> Result<()> {
    if bar.is_hidden() {
        return tell(text);
    }
    bar.println(text);
    Ok(())
}

/// Prints a line. Fails where nobody reads it any more.
fn tell(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{text}")?)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

fn configuration(brokers: &str) -> String {
    format!(
        r#"modules = "modules"
state = "state"

[admin]
listen = "127.0.0.1:0"

[pipelines.flights]
workers = 2
[pipelines.flights.source]
brokers = "{brokers}"
topics = ["{FLIGHTS}"]
group = "demo-flights"
start = "earliest"
[[pipelines.flights.chain]]
module = "lz4-decompress.wasm"
[[pipelines.flights.chain]]
module = "{SWAPPED_OUT}"
[pipelines.flights.sink]
type = "kafka"
topic = "{FARES}"
[pipelines.flights.dead-letter]
topic = "{DEAD_LETTERS}"

[pipelines.pageviews]
workers = 1
[pipelines.pageviews.source]
brokers = "{brokers}"
topics = ["{PAGE_VIEWS}"]
group = "demo-pageviews"
start = "earliest"
[[pipelines.pageviews.chain]]
module = "pageviews.wasm"
[pipelines.pageviews.sink]
type = "kafka"
topic = "{CHECKED}"
[pipelines.pageviews.dead-letter]
topic = "{DEAD_LETTERS}"
"#
    )
}

/// The demo's own folder, removed at the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(shipped: &Path) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("edgemill-demo-{}", std::process::id()));
        let folder = Self { path };
        fs::create_dir_all(folder.path.join("modules"))?;
        for module in MODULES {
            copy(shipped, module, &folder.path.join("modules").join(module))?;
        }
        copy(shipped, SWAPPED_IN, &folder.path.join(SWAPPED_IN))?;
        Ok(folder)
    }

    fn swap(&self) -> Result<()> {
        Ok(fs::rename(self.path.join(SWAPPED_IN), self.path.join("modules").join(SWAPPED_OUT))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn copy(shipped: &Path, module: &str, to: &Path) -> Result<()> {
    let from = shipped.join(module);
    let copied = fs::copy(&from, to);
    copied.with_context(|| format!("{} is missing: `make modules` builds the shipped modules", from.display()))?;
    Ok(())
}
