//! `invokeai-client fleet worker`.

use std::time::Duration;

use clap::Args;

use super::StoreArgs;
use crate::{exit::Exit, failure::Failure, print::note, server::ServerArgs, session};

/// How long the items that a worker has may take after it was asked to stop.
const DRAIN: u64 = 3600;

#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// How long this worker may say nothing before others take its jobs, in seconds; the same for all workers
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(3..))]
    lease: u64,
    /// How many items to keep on the queue of each server
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    at_once: u16,
    /// End after so many seconds when asked to stop, whatever is still running; another worker finds it
    #[arg(long, value_name = "SECONDS", default_value_t = DRAIN)]
    drain: u64,
    /// Serve metrics for Prometheus at http://ADDRESS/metrics, for example 127.0.0.1:9100; nothing is asked of who reads them
    #[cfg(feature = "fleet-metrics")]
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<std::net::SocketAddr>,
}

/// Until it is stopped: that is how one ends it, and no failure.
pub(crate) fn run(args: &WorkerArgs, server: &ServerArgs) -> Result<Exit, Failure> {
    let clients = server.each().iter().map(ServerArgs::client).collect::<Result<Vec<_>, _>>()?;
    session::run_to_its_end(Duration::from_secs(args.drain), async |stop| {
        let fleet = args.store.open_patiently(stop, false).await?;
        #[cfg(feature = "fleet-metrics")]
        let _served = match args.metrics {
            Some(address) => Some(super::metrics::serve(address, fleet.clone()).await?),
            None => None,
        };
        let mut worker = fleet.worker().lease(Duration::from_secs(args.lease)).at_once(usize::from(args.at_once));
        for client in clients {
            note(format!("serving {}", client.base_url()));
            worker = worker.server(client);
        }
        let asked = async {
            stop.asked().await;
            note("finishing what has begun; once more to end at once");
        };
        tokio::select! {
            report = worker.run(asked) => {
                let report = report?;
                note(format!("{} results, {} failures, {} late", report.done, report.failed, report.late));
                Ok(Exit::Done)
            }
            why = stop.at_once() => Err(Failure::Stopped(why)),
        }
    })
}
