//! `POST /pipelines/NAME/tap`: records on their way, a JSON object a line, until the reader goes.

use super::View;
use super::resume::{pipeline_named, refuse, refuse_web_page};
use crate::worker::tap::{Tap, Wish};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::Receiver;

/// Asks the pipeline's workers to show what is wished for.
pub(super) async fn tap(
    Shared(view): Shared<Arc<View>>,
    Path(name): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    wish: Result<Json<Wish>, JsonRejection>,
) -> Response {
    if let Some(refusal) = refuse_web_page(&headers, "tap") {
        return refusal;
    }
    // Promise: closed
    if !may_see_records(peer) {
        return refuse(
            StatusCode::FORBIDDEN,
            "records are shown to this machine only: run `edgemill tap` where the host runs",
        );
    }
    let wish = match wish {
        Ok(Json(wish)) if wish.per_second == 0 => {
            return refuse(StatusCode::BAD_REQUEST, "`per_second` must be 1 or more: no record would be shown");
        }
        Ok(Json(wish)) => wish,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let pipeline = match pipeline_named(&view, &name) {
        Ok(pipeline) => pipeline,
        Err(message) => return refuse(StatusCode::NOT_FOUND, &message),
    };
    let (tap, lines) = Tap::open(wish);
    if !pipeline.handovers.iter().all(|handover| handover.tap(tap.clone())) {
        return refuse(
            StatusCode::TOO_MANY_REQUESTS,
            "too many watch this pipeline already: end another `edgemill tap`",
        );
    }
    ([(header::CONTENT_TYPE, "application/jsonl")], Body::from_stream(Lines(lines))).into_response()
}

/// What records contain is for those on this machine, even where the port is open to others.
fn may_see_records(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// What comes out of a tap, as a body.
struct Lines(Receiver<String>);

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(line.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_sees_records() {
        for (peer, may) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("10.0.0.7:1", false),
            ("[fe80::1]:1", false),
        ] {
            assert_eq!(may_see_records(peer.parse().expect("an address")), may, "{peer}");
        }
    }
}
