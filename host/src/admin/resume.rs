//! `POST /pipelines/NAME/resume`: tries again what partitions are held for. The one request that changes something.

use super::{PipelineView, View};
use crate::record::Partition;
use axum::Json;
use axum::extract::{Path, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// Hands the request to the workers that hold something of it, and says what that is.
pub(super) async fn resume(
    Shared(view): Shared<Arc<View>>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refuse_web_page(&headers, "resume") {
        return refusal;
    }
    let only = match partition(query.as_deref().unwrap_or_default()) {
        Ok(only) => only,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, &message),
    };
    let pipeline = match pipeline_named(&view, &name) {
        Ok(pipeline) => pipeline,
        Err(message) => return refuse(StatusCode::NOT_FOUND, &message),
    };
    let resumed = hand_over(pipeline, only.as_ref());
    if resumed.is_empty() {
        let message = match only {
            Some(only) => format!("{only} of pipeline {name} is not held by this host"),
            None => format!("nothing of pipeline {name} is held by this host"),
        };
        return refuse(StatusCode::CONFLICT, &message);
    }
    Json(json!({ "pipeline": name, "resumed": resumed })).into_response()
}

/// Asks the workers that hold something. Only partitions that they name go on to them, so that what waits for them is
/// bounded.
fn hand_over(pipeline: &PipelineView, only: Option<&Partition>) -> Vec<serde_json::Value> {
    let mut resumed = Vec::new();
    for (worker, handover) in pipeline.workers.iter().zip(&pipeline.handovers) {
        let status = worker.read();
        let before = resumed.len();
        for lane in status.lanes.iter().filter(|lane| only.is_none_or(|only| lane.partition == *only)) {
            if let Some(held) = &lane.held {
                let Partition { topic, number } = &lane.partition;
                resumed.push(json!({ "topic": topic, "partition": number, "offset": held.offset.0 }));
            }
        }
        if let Some(breaker) = status.breaker.as_ref().filter(|_| only.is_none()) {
            let waiting: Vec<_> = breaker.waiting.iter().map(ToString::to_string).collect();
            resumed.push(json!({ "breaker": breaker.failed, "waiting": waiting }));
        }
        if resumed.len() > before {
            handover.resume(only.cloned());
        }
    }
    resumed
}

/// Topics have letters, digits, dots, dashes and underscores only: nothing is escaped in `topic=T&partition=N`.
fn partition(query: &str) -> Result<Option<Partition>, String> {
    let wrong = || "write ?topic=T&partition=N, both, or nothing for all".to_owned();
    let (mut topic, mut number) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("topic", name)) => topic = Some(name.to_owned()),
            Some(("partition", text)) => number = Some(text.parse().map_err(|_| wrong())?),
            _ => return Err(wrong()),
        }
    }
    match (topic, number) {
        (None, None) => Ok(None),
        (Some(topic), Some(number)) => Ok(Some(Partition { topic, number })),
        _ => Err(wrong()),
    }
}

/// The answer to a web page, which may ask for nothing that a person should.
// Promise: closed
pub(super) fn refuse_web_page(headers: &HeaderMap, command: &str) -> Option<Response> {
    let message = format!("requests of web pages are refused: use `edgemill {command}`, or curl");
    headers.contains_key(header::ORIGIN).then(|| refuse(StatusCode::FORBIDDEN, &message))
}

/// The pipeline of that name, or what to say where there is none.
pub(super) fn pipeline_named<'a>(view: &'a View, name: &str) -> Result<&'a PipelineView, String> {
    let found = view.pipelines.iter().find(|pipeline| pipeline.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = view.pipelines.iter().map(|pipeline| pipeline.name.as_str()).collect();
        format!("no pipeline {name:?} runs here; there is {}", names.join(", "))
    })
}

pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_named_whole_or_not_at_all() {
        assert_eq!(partition(""), Ok(None));
        let flights = Partition { topic: "flights".to_owned(), number: 3 };
        assert_eq!(partition("partition=3&topic=flights"), Ok(Some(flights)));
        for wrong in ["topic=flights", "partition=3", "topic=a&partition=x", "all", "topic=a&partition=1&x=2"] {
            assert!(partition(wrong).is_err(), "{wrong}");
        }
    }
}
