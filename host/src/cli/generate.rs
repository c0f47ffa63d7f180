//! `edgemill generate`: realistic test data, the same for the same seed, on standard output or in a Kafka topic.

use super::apply::FormatArgument;
use super::arguments::pair;
use super::places::rate;
use super::{Done, Failure};
use crate::config::{KafkaClient, KafkaSink as SinkConfig, Partitioning};
use crate::generate::{Events, Flights, Generate, Lz4, PageViews};
use crate::kafka::{Identity, KafkaSink};
use crate::record::{Lane, Span};
use crate::records::{Format, Gathered, Row, write_row};
use crate::route::Routes;
use crate::sink::{Settled, Sink};
use crate::wake::Wake;
use anyhow::{Context, anyhow, bail};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Makes realistic test data: flights with real airports and airlines, page views, or small events
///
/// With --brokers and --topic the records are produced to Kafka, else they are written to standard output. The same seed
/// gives the same records. A topic is made by the broker, where it allows that; make one with several partitions before.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What the records are about
    #[arg(value_name = "KIND")]
    kind: Kind,

    /// Brokers as HOST:PORT, several with commas
    #[arg(long, value_name = "BROKERS", requires = "topic")]
    brokers: Option<String>,

    /// The topic to produce to
    #[arg(long, value_name = "TOPIC", requires = "brokers")]
    topic: Option<String>,

    /// How many records; 0 is without end
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: u64,

    /// How many records a second at the most; without it, as fast as it goes
    #[arg(long, value_name = "R", value_parser = rate)]
    rate: Option<f64>,

    /// Compresses every value by itself, as an LZ4 frame
    #[arg(long)]
    lz4: bool,

    /// Which records: the same seed gives the same
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    /// How records are written to standard output; LZ4 frames are no lines
    #[arg(long, value_name = "FORMAT", conflicts_with = "brokers")]
    format: Option<FormatArgument>,

    /// An option of librdkafka for the producer, such as security.protocol=SASL_SSL; repeat it for more
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = pair, requires = "brokers")]
    option: Vec<(String, String)>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Nested JSON of about 400 bytes: prices, stops, airports of origin and destination
    Flights,
    /// Small JSON as of the page views tutorial
    Pageviews,
    /// Small JSON of many kinds
    Events,
}

/// Records in one step, so that a rate is kept evenly and a client's queue is filled without gaps.
const STEP: u64 = 1024;
const TICK: Duration = Duration::from_millis(20);

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> Result<Done, Failure> {
    let generator: Box<dyn Generate> = match arguments.kind {
        Kind::Flights => Box::new(Flights::new(arguments.seed)),
        Kind::Pageviews => Box::new(PageViews::new(arguments.seed)),
        Kind::Events => Box::new(Events::new(arguments.seed)),
    };
    let wake = Wake::new().context("cannot make an event descriptor")?;
    let mut to: Box<dyn Receive> = match (&arguments.brokers, &arguments.topic) {
        (Some(brokers), Some(topic)) => Box::new(Produced::new(arguments, brokers, topic, &wake)?),
        _ => Box::new(Written::new(arguments)?),
    };
    let bar = progress(arguments);
    let feed = Feed { generator, lz4: arguments.lz4.then(Lz4::new), count: arguments.count, rate: arguments.rate };
    feed.run(to.as_mut(), &wake, &bar)?;
    let made = bar.position();
    bar.finish_and_clear();
    if let Some(topic) = &arguments.topic {
        eprintln!("{made} records are in {topic}");
    }
    Ok(Done::Well)
}

fn progress(arguments: &Arguments) -> ProgressBar {
    // lines on the same terminal and a bar would write over one another
    if arguments.brokers.is_none() && io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let (length, template) = match arguments.count {
        0 => (None, "{spinner} {human_pos} records, {per_sec}, {elapsed}"),
        count => (Some(count), "{bar:40} {human_pos}/{human_len} records, {per_sec}, {eta} left"),
    };
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.with_style(ProgressStyle::with_template(template).expect("the template is right"))
}

/// Where records go.
trait Receive {
    /// Takes records, in order; may wait until there is room.
    fn take(&mut self, records: &Gathered) -> anyhow::Result<()>;

    /// Waits until all are where they belong.
    fn finish(&mut self) -> anyhow::Result<()>;
}

struct Feed {
    generator: Box<dyn Generate>,
    lz4: Option<Lz4>,
    count: u64,
    rate: Option<f64>,
}

impl Feed {
    fn run(mut self, to: &mut dyn Receive, wake: &Wake, bar: &ProgressBar) -> anyhow::Result<()> {
        let count = if self.count == 0 { u64::MAX } else { self.count };
        let started = Instant::now();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut made = 0;
        while made < count {
            let due = self.rate.map_or(u64::MAX, |rate| (started.elapsed().as_secs_f64() * rate) as u64 + 1);
            let step = STEP.min(count - made).min(due.saturating_sub(made));
            if step == 0 {
                // whoever rings does not matter: the time is looked at again
                wake.wait(TICK);
                continue;
            }
            let mut records = Gathered::new("", 0);
            for i in made..made + step {
                self.generator.record(i, &mut key, &mut value);
                if let Some(lz4) = &mut self.lz4 {
                    lz4.wrap(&mut value);
                }
                records.push(i as i64, -1, Some(&key), Some(&value));
            }
            to.take(&records)?;
            made += step;
            bar.set_position(made);
        }
        to.finish()
    }
}

/// Standard output.
struct Written {
    out: BufWriter<io::StdoutLock<'static>>,
    format: Format,
    text: Vec<u8>,
}

impl Written {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let format = match (arguments.format, arguments.lz4) {
            (Some(FormatArgument::Lines), true) => {
                let help = "write --format records, which has them in base64, or produce them to Kafka";
                return Err(Failure::usage(format!("LZ4 frames have newlines in them: {help}")));
            }
            (Some(format), _) => format.into(),
            (None, true) => Format::Records,
            (None, false) => Format::Lines,
        };
        Ok(Self { out: BufWriter::new(io::stdout().lock()), format, text: Vec::new() })
    }
}

impl Receive for Written {
    fn take(&mut self, records: &Gathered) -> anyhow::Result<()> {
        let batch = records.batch();
        self.text.clear();
        for (key, value) in batch.keys.iter().zip(batch.values.iter()) {
            let row = Row { key, value, headers: &[], timestamp: -1, origin: None, from: None, topic: None };
            write_row(&mut self.text, self.format, &row);
        }
        self.out.write_all(&self.text).context("cannot write to standard output")?;
        self.out.flush().context("cannot write to standard output")
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// A Kafka topic.
struct Produced {
    sink: KafkaSink,
    wake: Wake,
    span: Span,
    waiting: u64,
    settled: Vec<Settled>,
}

impl Produced {
    fn new(arguments: &Arguments, brokers: &str, topic: &str, wake: &Wake) -> Result<Self, Failure> {
        let client = KafkaClient {
            brokers: brokers.to_owned(),
            options: arguments.option.iter().cloned().collect(),
            unreachable_after: Some(Duration::from_secs(20)),
        };
        let config = SinkConfig {
            client,
            topic: topic.to_owned(),
            routes: Vec::new(),
            partition: Partitioning::Key,
            in_flight: 32 << 20,
        };
        let identity = Identity { pipeline: "generate".to_owned(), host: String::new(), worker: 0 };
        let routes = Routes::new(topic, &[]);
        let sink = KafkaSink::new(&config, &routes, None, &identity, wake.clone())
            .map_err(|error| Failure::usage(error.to_string()))?;
        let span = Span { lane: Lane { slot: 0, epoch: 0 }, number: 0 };
        Ok(Self { sink, wake: wake.clone(), span, waiting: 0, settled: Vec::new() })
    }

    fn poll(&mut self) -> anyhow::Result<()> {
        self.sink.poll(&mut self.settled).map_err(|error| anyhow!(error))?;
        for settled in self.settled.drain(..) {
            match settled {
                Settled::Delivered(_, rows) => self.waiting -= u64::from(rows),
                Settled::Failed { message, .. } | Settled::Refused { message, .. } => {
                    bail!("a record was not delivered: {message}")
                }
            }
        }
        Ok(())
    }
}

impl Receive for Produced {
    fn take(&mut self, records: &Gathered) -> anyhow::Result<()> {
        while !self.sink.has_room() {
            self.wake.wait(TICK);
            self.poll()?;
        }
        let batch = records.batch();
        let mut refused = Vec::new();
        self.sink.submit(self.span, &batch, &[], &mut refused).map_err(|error| anyhow!(error))?;
        if let Some(refusal) = refused.first() {
            bail!("a record was refused: {}", refusal.message);
        }
        self.span.number += 1;
        self.waiting += records.len() as u64;
        self.poll()
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        while self.waiting > 0 {
            self.wake.wait(TICK);
            self.poll()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::mock::{EmbeddedBroker, Tail};
    use crate::record::Partition;
    use crate::source::BatchLimit;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn records_reach_a_topic_in_the_order_of_their_numbers() {
        let broker = EmbeddedBroker::start(&[("views", 1)]).unwrap();
        let brokers = broker.brokers();
        let line =
            ["generate", "pageviews", "--brokers", &brokers, "--topic", "views", "--count", "2500", "--seed", "7"];
        assert!(matches!(run(&Line::parse_from(line).arguments), Ok(Done::Well)));

        let wake = Wake::new().unwrap();
        let client = KafkaClient { brokers, options: Default::default(), unreachable_after: None };
        let partition = Partition { topic: "views".to_owned(), number: 0 };
        let mut tail = Tail::new(&client, &[partition], &wake).unwrap();
        let (views, mut seen) = (PageViews::new(7), 0);
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + Duration::from_secs(30);
        while seen < 2500 {
            assert!(Instant::now() < deadline, "{seen} records came");
            let Some(messages) = tail.poll(BatchLimit { records: 1000, bytes: 1 << 20 }) else {
                wake.wait(TICK);
                continue;
            };
            let batch = messages.batch();
            for (got_key, got_value) in batch.keys.iter().zip(batch.values.iter()) {
                views.record(seen, &mut key, &mut value);
                assert_eq!((got_key, got_value), (Some(key.as_slice()), Some(value.as_slice())));
                seen += 1;
            }
        }
    }

    #[test]
    fn frames_are_not_written_as_lines() {
        let line = Line::parse_from(["generate", "flights", "--lz4", "--format", "lines"]);
        assert!(matches!(run(&line.arguments), Err(Failure::Usage(_))));
    }
}
