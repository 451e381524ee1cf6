//! Metrics of a worker, for Prometheus.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::State, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use invokeai_client::fleet::Fleet;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use crate::{failure::Failure, print::note};

const JOBS: &str = "invokeai_fleet_jobs";
const PER_MINUTE: &str = "invokeai_fleet_results_per_minute";

/// Bounds of the buckets of times, in seconds.
const SECONDS: [f64; 12] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 900.0, 3600.0];

/// How often what was measured is taken in, though nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// How long the store of jobs may take to count them: Prometheus gives up after ten seconds.
const COUNTING: Duration = Duration::from_secs(5);

#[derive(Clone)]
struct Served {
    handle: PrometheusHandle,
    fleet: Fleet,
}

/// Serves metrics until what this gives is dropped.
pub(super) async fn serve(address: SocketAddr, fleet: Fleet) -> Result<JoinSet<()>, Failure> {
    let problem = |error: &dyn std::fmt::Display| Failure::other(format!("--metrics {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(|error| problem(&error))?;
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .map_err(|error| problem(&error))?;
    let handle = builder.install_recorder().map_err(|error| problem(&error))?;
    describe_gauge!(JOBS, "Jobs of the fleet, by state");
    describe_gauge!(PER_MINUTE, "Results of the fleet in the last minute");
    let at = listener.local_addr().map_err(|error| problem(&error))?;
    note(format!("metrics at http://{at}/metrics"));
    let mut tasks = JoinSet::new();
    let kept = handle.clone();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            kept.run_upkeep();
        }
    });
    let router = Router::new().route("/metrics", get(scrape)).with_state(Served { handle, fleet });
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            note(format!("metrics are not served any more: {error}"));
        }
    });
    Ok(tasks)
}

/// Jobs are counted when somebody asks; the rest is what the worker has counted itself.
async fn scrape(State(Served { handle, fleet }): State<Served>) -> impl IntoResponse {
    match timeout(COUNTING, fleet.status()).await {
        Ok(Ok(status)) => {
            let jobs = &status.jobs;
            let states = [
                ("waiting", jobs.waiting),
                ("running", jobs.running),
                ("done", jobs.done),
                ("failed", jobs.failed),
                ("canceled", jobs.canceled),
            ];
            for (state, count) in states {
                gauge!(JOBS, "state" => state).set(count as f64);
            }
            gauge!(PER_MINUTE).set(status.per_minute as f64);
        }
        // What was counted before would be taken for true.
        _ => {
            for state in ["waiting", "running", "done", "failed", "canceled"] {
                gauge!(JOBS, "state" => state).set(f64::NAN);
            }
            gauge!(PER_MINUTE).set(f64::NAN);
        }
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
}
