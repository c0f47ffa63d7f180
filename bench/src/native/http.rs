//! The native loop to an HTTP service: the same batches as the host's, by `reqwest`, a window of requests at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::CommitMode;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;

use super::batch::{Batch, Queue, bytes};
use super::delivery::{Epochs, Outstanding};
use super::safe::commit;
use super::sql;
use super::step::Step;
use super::{COMMIT_INTERVAL, Options};

/// What the host does where nothing is configured: rows of a request, how long the first one waits, requests at a time.
const ROWS: u32 = 500;
const AGE: Duration = Duration::from_secs(1);
const WINDOW: u32 = 4;

/// What stands around rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A row a line.
    Lines,
    /// As FeatureBase Cloud's streaming endpoint has them.
    Cloud,
    /// A FeatureBase server's `BULK INSERT`.
    Sql,
}

impl Format {
    /// What stands in front of the first row, between two, and behind the last.
    fn parts(self) -> (String, &'static str, &'static str) {
        match self {
            Self::Lines => (String::new(), "\n", "\n"),
            Self::Cloud => ("{\"records\":[{\"value\":".to_owned(), "},{\"value\":", "}]}"),
            Self::Sql => (sql::open(), "\n", sql::CLOSE),
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Cloud => "application/json",
            Self::Sql => "text/plain",
        }
    }
}

/// The endpoint's answer.
#[derive(Deserialize)]
struct Told {
    success_count: u32,
    error_count: u32,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    status: u16,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    error: String,
}

pub(super) fn run(options: &Options, index: i32, mut step: Step, stop: &AtomicBool, format: Format) -> Result<()> {
    let (consumer, lanes) = super::consumer(options, index)?;
    let queue = Queue::new(&consumer, options, &lanes)?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    // The process has one provider, whichever thread comes first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::new();
    let outstanding = Arc::new(Outstanding::new());
    let window = Arc::new(Semaphore::new(WINDOW as usize));
    let (open, between, close) = format.parts();
    let mut batch = Batch::new();
    let mut epochs = Epochs::new();
    let mut positions = vec![-1; options.partitions as usize];
    let mut due = Instant::now() + COMMIT_INTERVAL;
    let (mut body, mut rows, mut first) = (Vec::new(), 0, Instant::now());
    let send = |body: &mut Vec<u8>, rows: &mut u32, epoch: usize| -> Result<()> {
        body.extend_from_slice(close.as_bytes());
        let full = std::mem::replace(body, Vec::with_capacity(body.len() * 9 / 8));
        let count = std::mem::take(rows);
        let permit = runtime.block_on(Arc::clone(&window).acquire_owned()).context("the window")?;
        outstanding.sent(epoch, 1);
        let (client, url, outstanding) = (client.clone(), options.output.clone(), Arc::clone(&outstanding));
        runtime.spawn(async move {
            match post(&client, &url, full, count, format).await {
                Ok(()) => outstanding.delivered(epoch),
                Err(error) => {
                    eprintln!("sending: {error:#}");
                    outstanding.failed();
                }
            }
            drop(permit);
        });
        Ok(())
    };
    while !stop.load(Ordering::Relaxed) {
        queue.fill(&mut batch);
        for message in batch.messages() {
            // SAFETY: the message is valid until the batch is filled again.
            let value = step.apply(unsafe { bytes(message.payload, message.len) })?;
            if rows == 0 {
                first = Instant::now();
            }
            body.extend_from_slice(if rows == 0 { open.as_bytes() } else { between.as_bytes() });
            match format {
                Format::Sql => sql::push_line(value, &mut body)?,
                Format::Lines | Format::Cloud => body.extend_from_slice(value),
            }
            rows += 1;
            positions[message.partition as usize] = message.offset + 1;
            if rows == ROWS {
                send(&mut body, &mut rows, epochs.current())?;
            }
        }
        if rows > 0 && first.elapsed() >= AGE {
            send(&mut body, &mut rows, epochs.current())?;
        }
        ensure!(outstanding.failures() == 0, "a request failed");
        // Positions are those of rows that were sent only where none waits.
        if Instant::now() >= due && rows == 0 {
            due = Instant::now() + COMMIT_INTERVAL;
            if let Some(result) = consumer.poll(Duration::ZERO) {
                result.context("consuming")?;
                bail!("a message came by the consumer's own queue");
            }
            epochs.close(&positions);
            commit(&consumer, options, &lanes, epochs.settled(&outstanding), CommitMode::Async)?;
        }
    }
    if rows > 0 {
        send(&mut body, &mut rows, epochs.current())?;
    }
    drop(runtime.block_on(window.acquire_many(WINDOW)).context("the window")?);
    ensure!(outstanding.failures() == 0, "a request failed");
    epochs.close(&positions);
    commit(&consumer, options, &lanes, epochs.settled(&outstanding), CommitMode::Sync)
}

async fn post(client: &Client, url: &str, body: Vec<u8>, rows: u32, format: Format) -> Result<()> {
    let response =
        client.post(url).header(CONTENT_TYPE, format.content_type()).body(body).send().await?.error_for_status()?;
    let answer = response.bytes().await?;
    if format == Format::Cloud {
        let told: Told = serde_json::from_slice(&answer)?;
        let good = told.records.iter().filter(|record| record.status < 400).count();
        ensure!(told.success_count == rows && told.error_count == 0 && good == rows as usize, "rows were refused");
    }
    if format == Format::Sql {
        let told: Done = serde_json::from_slice(&answer)?;
        ensure!(told.error.is_empty(), "{}", told.error);
    }
    Ok(())
}
