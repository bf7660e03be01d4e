//! Figures for Prometheus, on a listener of their own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use chrono::Utc;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::service::Stats;
use crate::store::Store;

/// Seconds.
const BUCKETS: &[f64] = &[0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    store: Arc<dyn Store>,
    stats: Arc<Stats>,
}

impl Metrics {
    /// Once a process: the recorder is one for all.
    pub fn install(store: Arc<dyn Store>, stats: Arc<Stats>) -> Result<Self, metrics_exporter_prometheus::BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)?
            .install_recorder()?;
        Ok(Self { handle, store, stats })
    }
}

/// Serves `/metrics` until `shutdown`.
pub async fn serve(listener: TcpListener, metrics: Metrics, shutdown: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/metrics", axum::routing::get(render))
        .with_state(metrics);
    super::run(listener, router, shutdown).await
}

async fn render(State(metrics): State<Metrics>) -> Result<String, Error> {
    let figures = metrics.store.job_figures(Utc::now()).await?;
    metrics::gauge!("dealstage_jobs_queued").set(figures.queued as f64);
    metrics::gauge!("dealstage_jobs_running").set(figures.running as f64);
    metrics::gauge!("dealstage_jobs_oldest_seconds_waiting").set(figures.oldest_s as f64);
    let figures = metrics.store.delivery_figures(Utc::now()).await?;
    metrics::gauge!("dealstage_deliveries_pending").set(figures.pending as f64);
    metrics::gauge!("dealstage_deliveries_oldest_seconds_waiting").set(figures.oldest_s as f64);
    metrics::gauge!("dealstage_endpoints_disabled").set(figures.disabled_endpoints as f64);
    let stats = &metrics.stats;
    metrics::counter!("dealstage_calls_done_total").absolute(stats.done.load(Ordering::Relaxed));
    metrics::counter!("dealstage_calls_failed_total").absolute(stats.failed.load(Ordering::Relaxed));
    metrics::counter!("dealstage_calls_busy_milliseconds_total").absolute(stats.busy_ms.load(Ordering::Relaxed));
    metrics.handle.run_upkeep();
    Ok(metrics.handle.render())
}

/// Counts requests by route, never by what was asked of it.
pub async fn layer(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().to_string();
    let response = next.run(request).await;
    let labels = [
        ("method", method),
        ("route", route),
        ("status", response.status().as_u16().to_string()),
    ];
    metrics::counter!("dealstage_http_requests_total", &labels).increment(1);
    metrics::histogram!("dealstage_http_request_seconds", &labels).record(started.elapsed().as_secs_f64());
    response
}
