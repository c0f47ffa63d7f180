//! The admin port: metrics for Prometheus, health, readiness, the status as JSON, a way to resume what waits, and one to see
//! records on their way.

use crate::modules::plans::Plans;
use crate::sink::late::LateErrors;
use crate::worker::handover::Handover;
use crate::worker::status::{Held, LaneStatus, State, StatusBoard, WorkerStatus};
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

mod resume;
mod tap;

/// How often the recorder's histograms are tidied, as the exporter wants it.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the admin port shows of one pipeline.
pub struct PipelineView {
    /// Its name.
    pub name: String,
    /// Its plans.
    pub plans: Arc<Plans>,
    /// Its workers.
    pub workers: Vec<StatusBoard>,
    /// What they are told, in the same order.
    pub handovers: Vec<Arc<Handover>>,
    /// What its destination says later of rows that it had taken, where it is asked.
    pub late_errors: Option<LateErrors>,
}

/// What the admin port shows.
pub struct View {
    /// The host's name.
    pub host: String,
    /// When the program started.
    pub started: Instant,
    /// The recorder of metrics.
    pub metrics: PrometheusHandle,
    /// All pipelines.
    pub pipelines: Vec<PipelineView>,
}

/// Serves the admin port for as long as the runtime lives. Gives the address, its port chosen where it was 0.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(listen: SocketAddr, view: Arc<View>) -> Result<SocketAddr, String> {
    let listener = tokio::net::TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| {
        format!("cannot listen on {listen}: {error}; choose another `listen` in [admin], or \"off\"")
    })?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let metrics = view.metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    });
    let routes = Router::new()
        .route("/metrics", get(render_metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .route("/status", get(status))
        .route("/pipelines/{name}/resume", post(resume::resume))
        .route("/pipelines/{name}/tap", post(tap::tap))
        .with_state(view);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>()).await {
            tracing::error!(error = %error, "the admin port ended");
        }
    });
    Ok(address)
}

async fn render_metrics(Shared(view): Shared<Arc<View>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], view.metrics.render()).into_response()
}

/// Ready: every worker is a member of its group, gets what it should, and nothing waits for a person.
async fn readiness(Shared(view): Shared<Arc<View>>) -> Response {
    let mut waiting = Vec::new();
    for pipeline in &view.pipelines {
        for (number, worker) in pipeline.workers.iter().enumerate() {
            let status = worker.read();
            if status.state != State::Running {
                let failure = status.failure.as_ref().map_or(String::new(), |failure| format!(": {failure}"));
                waiting.push(format!("{} worker {number}: {}{failure}\n", pipeline.name, status.state.as_str()));
            }
            if let Some(silent) = status.silent() {
                let (pipeline, silent) = (&pipeline.name, silent.as_secs());
                waiting.push(format!("{pipeline} worker {number}: busy with one batch, or stuck, for {silent} s\n"));
            }
            if let Some(waited) = status.undelivered() {
                let (pipeline, waited) = (&pipeline.name, waited.as_secs());
                waiting.push(format!(
                    "{pipeline} worker {number}: rows wait, and none was delivered for {waited} s: the log says why\n"
                ));
            }
            waiting.extend(held(&status).map(|what| format!("{} worker {number}: {what}\n", pipeline.name)));
            for (lane, silent) in status.lanes.iter().filter_map(|lane| Some((lane, lane.stalled?))) {
                let (pipeline, partition) = (&pipeline.name, &lane.partition);
                let silent = silent.as_secs();
                waiting.push(format!("{pipeline} worker {number}: {partition} is stalled: no record for {silent} s\n"));
            }
        }
    }
    match waiting.is_empty() {
        true => "ready\n".into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, waiting.concat()).into_response(),
    }
}

/// What a worker does not read until a person has done something.
fn held(status: &WorkerStatus) -> impl Iterator<Item = String> {
    let breaker = status.breaker.as_ref().map(|breaker| {
        let waiting: Vec<_> = breaker.waiting.iter().map(ToString::to_string).collect();
        format!("the breaker is open, too many records failed: {}; {} not read", breaker.failed, waiting.join(", "))
    });
    let paused = status.lanes.iter().filter_map(|lane| {
        let Held { class, code, message, offset, .. } = lane.held.as_ref().filter(|held| held.again_in.is_none())?;
        let (partition, offset) = (&lane.partition, offset.0);
        Some(format!("{partition} is paused in front of offset {offset}: {class} ({code}): {message}"))
    });
    breaker.into_iter().chain(paused)
}

async fn status(Shared(view): Shared<Arc<View>>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "host": view.host,
        "uptime_seconds": view.started.elapsed().as_secs(),
        "pipelines": view.pipelines.iter().map(pipeline).collect::<Vec<_>>(),
    }))
}

fn pipeline(view: &PipelineView) -> Value {
    let plan = view.plans.current();
    let modules = plan.stages.iter().map(|stage| json!({"name": stage.module.name(), "hash": stage.module.hash()}));
    let refused = view.plans.refused().map(|refused| {
        json!({
            "module": refused.module,
            "hash": refused.hash,
            "step": refused.error.step,
            "error": refused.error.message,
        })
    });
    let workers: Vec<_> = view.workers.iter().map(StatusBoard::read).collect();
    json!({
        "name": view.name,
        "plan": {"number": plan.number, "modules": modules.collect::<Vec<_>>()},
        "refused": refused,
        "records": workers.iter().map(|worker| worker.records).sum::<u64>(),
        "rows": workers.iter().map(|worker| worker.rows).sum::<u64>(),
        "failed": workers.iter().map(|worker| worker.failed).sum::<u64>(),
        "lag": lag(&workers),
        "late_errors": view.late_errors.as_ref().map(LateErrors::read).map(|late| {
            json!({"errors": late.errors, "last": late.last, "unread": late.unread})
        }),
        "workers": workers.iter().map(worker).collect::<Vec<_>>(),
    })
}

/// Over all lanes where it is known.
fn lag(workers: &[WorkerStatus]) -> i64 {
    workers.iter().flat_map(|worker| &worker.lanes).filter_map(|lane| lane.lag).sum()
}

fn worker(status: &WorkerStatus) -> Value {
    let lane = |lane: &LaneStatus| {
        json!({
            "topic": lane.partition.topic,
            "partition": lane.partition.number,
            "next": lane.next,
            "end": lane.end,
            "lag": lane.lag,
            "resume": lane.resume,
            "plan_since": lane.plan_since.map(|offset| offset.0),
            "held": lane.held.as_ref().map(held_json),
            "stalled": lane.stalled.map(|silent| silent.as_secs()),
        })
    };
    json!({
        "state": status.state.as_str(),
        "plan": status.plan,
        "records": status.records,
        "rows": status.rows,
        "failed": status.failed,
        "records_per_second": status.records_per_second.round(),
        "rows_per_second": status.rows_per_second.round(),
        "longest_swap_pause_ms": status.longest_swap_pause,
        "failure": status.failure,
        "undelivered_seconds": status.undelivered().map(|waited| waited.as_secs()),
        "breaker": status.breaker.as_ref().map(|breaker| json!({
            "failed": breaker.failed,
            "waiting": breaker.waiting.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })),
        "lanes": status.lanes.iter().map(lane).collect::<Vec<_>>(),
    })
}

fn held_json(held: &Held) -> Value {
    json!({
        "class": held.class.as_str(),
        "code": held.code,
        "message": held.message,
        "offset": held.offset.0,
        "tries": held.tries,
        "until": held.again_in.map_or(json!("resumed"), |wait| json!(wait.as_millis() as u64)),
    })
}
