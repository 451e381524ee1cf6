//! Commands that talk to a server, from their start to their end.

use std::{future::Future, time::Duration};

use invokeai_client::Client;

use crate::{
    failure::Failure,
    print::{note, paint},
    stop::Stop,
    style,
    suggest::{self, quoted},
};

/// How long it may take to close files that are being written and, if they are not whole, to remove them.
const FILES: Duration = Duration::from_secs(1);

/// Runs a command that may be interrupted anywhere. Prints what that leaves on the server.
pub(crate) fn run<T>(client: &Client, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    run_with(client, None, async |stop| match stop.or(work).await {
        Ok(done) => done,
        Err(why) => {
            tell_uncertain(client);
            Err(Failure::Stopped(why))
        }
    })
}

/// Runs a command that ends by itself when it is asked to stop.
pub(crate) fn run_with<T>(
    client: &Client,
    limit: Option<Duration>,
    work: impl AsyncFnOnce(&Stop) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let stop = Stop::listen(limit).map_err(Failure::other)?;
    stop.last_words({
        let client = client.clone();
        move || tell_left_behind(&client)
    });
    block_on(work(&stop))
}

/// Runs a command without a server until it is asked to stop.
pub(crate) fn run_local<T>(work: impl AsyncFnOnce(&Stop) -> Result<T, Failure>) -> Result<T, Failure> {
    block_on(work(&Stop::listen(None).map_err(Failure::other)?))
}

/// Runs a command that finishes or undoes what it has begun when it is asked to stop, which may take this long.
#[cfg(feature = "fleet")]
pub(crate) fn run_to_its_end<T>(
    may_take: Duration,
    work: impl AsyncFnOnce(&Stop) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(work(&Stop::listen_for(None, may_take).map_err(Failure::other)?))
}

/// Does something that may wait forever, such as reading a pipe or a network drive, on a separate thread.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Failure::other(error)))
}

/// Runs something that a signal may end like any program.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::other)?;
    let done = runtime.block_on(work);
    // Files are written on separate threads. Each writer removes a file that is not whole when it ends, so the program
    // must wait for it; but a thread may hang in a pipe that nobody reads.
    runtime.shutdown_timeout(FILES);
    done
}

/// Suggests a command that finishes what this program could not. Printed even with --quiet.
pub(crate) fn try_command(verb: &str) {
    note(paint(style::HINT, "  try:").then(format!(" {}", suggest::command(verb))));
}

/// Notes what may be on the server although no answer says so.
fn tell_uncertain(client: &Client) {
    let assets = client.assets();
    for upload in assets.unfinished_uploads {
        note(format!("may be on the server: upload of {}", upload.file));
    }
    for board in assets.unfinished_boards {
        note(format!("may be on the server: board {}", board.name));
    }
}

/// Notes what this program put on the server and did not delete, or may have put there.
pub(crate) fn tell_left_behind(client: &Client) {
    let assets = client.assets();
    for upload in &assets.uploads {
        note(format!("left on the server: {upload}"));
    }
    for board in &assets.boards {
        note(format!("left on the server: board {board}"));
    }
    for batch in &assets.batches {
        note(format!("left on the server, as far as it arrived: batch {}", batch.batch_id));
        let (queue, id) = (&batch.queue_id, &batch.batch_id);
        try_command(&format!("cleanup --yes --queue {} --batch {}", quoted(queue), quoted(id)));
    }
    tell_uncertain(client);
}
