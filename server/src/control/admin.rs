//! The admin endpoint: health, metrics, status. One request per connection; see [`super::gate`] for
//! what bounds it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::gate::Gate;
use super::reports::Reports;
use super::roster::{self, Roster};
use super::{metrics, status};
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::recording::Tally;

const CONTENTS: &str = "\
tickring-server admin
  /healthz  200 while the process lives
  /readyz   200 when players may come, 503 while draining
  /metrics  for Prometheus (OpenMetrics text)
  /status   limits, counters, tick times as JSON
  /rooms    the rooms by name as JSON; ?limit=N, ?after=NAME for the next ones
  POST /rooms/{name}/kick/{player}
            removes a player; only on a loopback address, and not from web pages
";

/// What the pages are made from.
pub(super) struct Admin {
    pub(super) config: ServerConfig,
    pub(super) reports: Reports,
    pub(super) roster: Roster,
    pub(super) tally: Arc<Tally>,
    /// Where it listens; `None` before it does.
    pub(super) address: Option<SocketAddr>,
    pub(super) ready: Arc<AtomicBool>,
    pub(super) clock: Clock,
}

impl Admin {
    pub(super) fn new(
        config: &ServerConfig,
        reports: Reports,
        roster: Roster,
        tally: Arc<Tally>,
        ready: Arc<AtomicBool>,
        clock: Clock,
    ) -> Self {
        Self { config: config.clone(), reports, roster, tally, address: None, ready, clock }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Serves on `listener` in the background of the running runtime; returns its address.
    pub(super) fn start(mut self, listener: TcpListener) -> io::Result<SocketAddr> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        self.address = Some(address);
        let gate = Gate::new(tokio::net::TcpListener::from_std(listener)?, self.clock);
        let routes = Router::new()
            .route("/", get(|| async { CONTENTS }))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics_page))
            .route("/status", get(status_page))
            .route("/rooms", get(roster::page))
            .route("/rooms/{name}/kick/{player}", post(roster::kick))
            .fallback(|| async { (StatusCode::NOT_FOUND, CONTENTS) })
            .method_not_allowed_fallback(|| async { (StatusCode::METHOD_NOT_ALLOWED, CONTENTS) })
            .layer(middleware::from_fn(close_after_answer))
            .with_state(Arc::new(self));
        tokio_uring::spawn(async move {
            if let Err(error) = axum::serve(gate, routes).await {
                tracing::error!(%error, "the admin endpoint ended");
            }
        });
        Ok(address)
    }
}

/// One request per connection keeps the bound on a connection's life from cutting a second request.
async fn close_after_answer(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn readyz(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if admin.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    }
}

async fn metrics_page(State(admin): State<Arc<Admin>>) -> Response {
    let collected = admin.reports.collect().await;
    match metrics::page(collected, &admin) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status_page(State(admin): State<Arc<Admin>>) -> (StatusCode, Json<serde_json::Value>) {
    let collected = admin.reports.collect().await;
    let all_answered = collected.silent().next().is_none();
    let code = if all_answered { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(status::page(&admin, &collected)))
}
