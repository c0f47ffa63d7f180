//! Every metric's name and help text, and the handles that a worker counts with. Names live here and nowhere else.

use crate::policy::{Action, Class};
use metrics::{Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};
use metrics::{Label, histogram};

const RECORDS: &str = "edgemill_records_total";
const RECORD_BYTES: &str = "edgemill_record_bytes_total";
const ROWS: &str = "edgemill_rows_total";
const DELIVERED: &str = "edgemill_rows_delivered_total";
const FAILURES: &str = "edgemill_failures_total";
const RETRIES: &str = "edgemill_retries_total";
const LANES_PAUSED: &str = "edgemill_lanes_paused";
const BREAKER_OPEN: &str = "edgemill_breaker_open";
const BATCH_SECONDS: &str = "edgemill_chain_seconds";
const RESTARTS: &str = "edgemill_instance_restarts_total";
const SWAP_SECONDS: &str = "edgemill_swap_pause_seconds";
const COMMITS: &str = "edgemill_commits_total";
const TRANSACTION_SECONDS: &str = "edgemill_transaction_end_seconds";
const REWINDS: &str = "edgemill_rewinds_total";
const LAG: &str = "edgemill_lag_records";
const GUEST_MEMORY: &str = "edgemill_guest_memory_bytes";
const WORKER_RESTARTS: &str = "edgemill_worker_restarts_total";
const KAFKA_ERRORS: &str = "edgemill_kafka_errors_total";
const HTTP_REQUESTS: &str = "edgemill_http_requests_total";
const HTTP_RETRIES: &str = "edgemill_http_retries_total";
const HTTP_SECONDS: &str = "edgemill_http_request_seconds";
const LATE_ERRORS: &str = "edgemill_http_late_errors_total";
const REGISTRY_REQUESTS: &str = "edgemill_schema_registry_requests_total";
const STALLED: &str = "edgemill_lanes_stalled";
const PLAN: &str = "edgemill_plan";
const RELOADS: &str = "edgemill_reloads_total";

/// Gives every metric its help text; once, when the recorder is installed.
pub fn describe() {
    describe_counter!(RECORDS, "records consumed");
    describe_counter!(RECORD_BYTES, Unit::Bytes, "bytes of keys, values and headers consumed");
    describe_counter!(ROWS, "rows handed to the sink");
    describe_counter!(DELIVERED, "rows and dead letters that are durable");
    describe_counter!(FAILURES, "records that failed, by module, class and action");
    describe_counter!(RETRIES, "records that failed and are tried again, by module and class");
    describe_gauge!(LANES_PAUSED, "partitions that wait in front of a record until somebody resumes them");
    describe_gauge!(BREAKER_OPEN, "1 while the breaker keeps a worker from reading some of its partitions, else 0");
    describe_histogram!(BATCH_SECONDS, Unit::Seconds, "time that a batch spent in the chain");
    describe_counter!(RESTARTS, "instances replaced after a fault");
    describe_histogram!(SWAP_SECONDS, Unit::Seconds, "time that a worker stood still to switch plans");
    describe_counter!(COMMITS, "commits of resume points, and transactions, by result");
    describe_histogram!(
        TRANSACTION_SECONDS,
        Unit::Seconds,
        "time that a worker waited for a transaction to be committed"
    );
    describe_counter!(REWINDS, "lanes read again after a delivery failed");
    describe_gauge!(
        LAG,
        "records that are not done with, from those on their way to the end of the partition, by partition"
    );
    describe_gauge!(GUEST_MEMORY, Unit::Bytes, "memory of a worker's live instances");
    describe_counter!(WORKER_RESTARTS, "workers made anew after a failure");
    describe_counter!(
        KAFKA_ERRORS,
        "errors of Kafka clients by code, of requests that are tried again for the most part"
    );
    describe_counter!(HTTP_REQUESTS, "requests of HTTP sinks that were answered, or came to nothing");
    describe_counter!(HTTP_RETRIES, "requests of HTTP sinks that are tried again");
    describe_histogram!(HTTP_SECONDS, Unit::Seconds, "time of an HTTP sink's request, from sending it to its answer");
    describe_counter!(LATE_ERRORS, "errors that a destination listed later, of rows that it had taken");
    describe_counter!(
        REGISTRY_REQUESTS,
        "requests to the schema registry: answered, refused, or lost while it was away"
    );
    describe_gauge!(STALLED, "lanes that hand nothing out though they are read and not at their end");
    describe_gauge!(PLAN, "number of the newest plan");
    describe_counter!(RELOADS, "changes of modules that were taken (ok) or refused, by step");
}

/// What one worker's HTTP sink counts.
pub struct HttpMetrics {
    /// Requests.
    pub requests: Counter,
    /// Those that are tried again.
    pub retries: Counter,
    /// Their time.
    pub seconds: Histogram,
}

impl HttpMetrics {
    /// The handles of one worker of a pipeline.
    pub fn new(pipeline: &str, worker: usize) -> Self {
        let labels = || vec![Label::new("pipeline", pipeline.to_owned()), Label::new("worker", worker.to_string())];
        Self {
            requests: counter!(HTTP_REQUESTS, labels()),
            retries: counter!(HTTP_RETRIES, labels()),
            seconds: histogram!(HTTP_SECONDS, labels()),
        }
    }
}

/// Counts what a pipeline's destination says later of rows that it had taken.
pub fn late_errors(pipeline: &str) -> Counter {
    let counter = counter!(LATE_ERRORS, "pipeline" => pipeline.to_owned());
    // so that it is there before the first
    counter.increment(0);
    counter
}

/// What one worker counts.
pub struct WorkerMetrics {
    pipeline: String,
    worker: String,
    /// Records consumed.
    pub records: Counter,
    /// Bytes consumed.
    pub bytes: Counter,
    /// Rows submitted.
    pub rows: Counter,
    /// Rows and dead letters delivered.
    pub delivered: Counter,
    /// Time of a batch in the chain.
    pub batch_seconds: Histogram,
    /// Instances replaced.
    pub restarts: Counter,
    /// Time to switch plans.
    pub swap_seconds: Histogram,
    /// Time to commit a transaction.
    pub transaction_seconds: Histogram,
    /// Lanes read again.
    pub rewinds: Counter,
    /// Memory of live instances.
    pub guest_memory: Gauge,
    /// Lanes that wait for somebody to resume them.
    pub lanes_paused: Gauge,
    /// Whether the breaker holds lanes.
    pub breaker_open: Gauge,
    /// Lanes that are stalled.
    pub lanes_stalled: Gauge,
}

impl WorkerMetrics {
    /// The handles of one worker of a pipeline.
    pub fn new(pipeline: &str, worker: usize) -> Self {
        let (p, w) = (pipeline.to_owned(), worker.to_string());
        let labels = || vec![Label::new("pipeline", p.clone()), Label::new("worker", w.clone())];
        Self {
            records: counter!(RECORDS, labels()),
            bytes: counter!(RECORD_BYTES, labels()),
            rows: counter!(ROWS, labels()),
            delivered: counter!(DELIVERED, labels()),
            batch_seconds: histogram!(BATCH_SECONDS, labels()),
            restarts: counter!(RESTARTS, labels()),
            swap_seconds: histogram!(SWAP_SECONDS, labels()),
            transaction_seconds: histogram!(TRANSACTION_SECONDS, labels()),
            rewinds: counter!(REWINDS, labels()),
            guest_memory: gauge!(GUEST_MEMORY, labels()),
            lanes_paused: gauge!(LANES_PAUSED, labels()),
            breaker_open: gauge!(BREAKER_OPEN, labels()),
            lanes_stalled: gauge!(STALLED, labels()),
            pipeline: p.clone(),
            worker: w.clone(),
        }
    }

    /// Counts a record that failed.
    pub fn failure(&self, module: &str, class: Class, action: Action) {
        let labels = vec![
            Label::new("pipeline", self.pipeline.clone()),
            Label::new("module", module.to_owned()),
            Label::new("class", class.as_str()),
            Label::new("action", action.as_str()),
        ];
        counter!(FAILURES, labels).increment(1);
    }

    /// Counts a try that failed and is followed by another.
    pub fn retry(&self, module: &str, class: Class) {
        let labels = vec![
            Label::new("pipeline", self.pipeline.clone()),
            Label::new("module", module.to_owned()),
            Label::new("class", class.as_str()),
        ];
        counter!(RETRIES, labels).increment(1);
    }

    /// Counts a commit.
    pub fn commit(&self, ok: bool) {
        let result = if ok { "ok" } else { "failed" };
        counter!(COMMITS, "pipeline" => self.pipeline.clone(), "worker" => self.worker.clone(), "result" => result)
            .increment(1);
    }

    /// Sets a partition's lag.
    pub fn lag(&self, topic: &str, partition: i32, records: i64) {
        gauge!(LAG, "pipeline" => self.pipeline.clone(), "topic" => topic.to_owned(), "partition" => partition.to_string())
            .set(records as f64);
    }
}

/// Counts a request to the schema registry, by what came of it.
pub fn registry_asked(result: &'static str) {
    counter!(REGISTRY_REQUESTS, "result" => result).increment(1);
}

/// Counts a worker that is made anew.
pub fn worker_restarted(pipeline: &str) {
    counter!(WORKER_RESTARTS, "pipeline" => pipeline.to_owned()).increment(1);
}

/// Counts an error of a Kafka client: of `side` "source" or "sink", by librdkafka's name for it.
pub fn kafka_error(pipeline: &str, side: &'static str, code: String) {
    counter!(KAFKA_ERRORS, "pipeline" => pipeline.to_owned(), "side" => side, "code" => code).increment(1);
}

/// Notes the newest plan, and that it was taken.
pub fn plan_published(pipeline: &str, number: u64) {
    gauge!(PLAN, "pipeline" => pipeline.to_owned()).set(number as f64);
    counter!(RELOADS, "pipeline" => pipeline.to_owned(), "result" => "ok", "step" => "").increment(1);
}

/// Counts a change of modules that was refused.
pub fn reload_refused(pipeline: &str, step: &'static str) {
    counter!(RELOADS, "pipeline" => pipeline.to_owned(), "result" => "refused", "step" => step).increment(1);
}
