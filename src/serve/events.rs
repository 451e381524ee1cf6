//! What happens in a run, as server-sent events.
//!
//! `run` says how it stands, whenever that changes; `preview` has the picture as it is now; `end` is the last. Nothing is
//! kept for a reader that is slow: it gets the latest.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::runs::Shown;
use crate::progress::PreviewImage;

/// How often something is sent while nothing happens, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How soon a browser that lost the connection asks again.
const AGAIN: Duration = Duration::from_secs(2);

/// At most so often a run is told about.
const PACE: Duration = Duration::from_millis(100);

/// The events of a run from now on.
pub(super) fn events(run: watch::Receiver<Shown>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures::stream::unfold(Told::new(run), |mut told| async {
        let events = told.next().await?;
        Some((events, told))
    });
    let stream = stream.flat_map(|events| futures::stream::iter(events.into_iter().map(Ok)));
    Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// What one reader has been told.
struct Told {
    run: watch::Receiver<Shown>,
    state: Option<Value>,
    preview: Option<PreviewImage>,
    is_over: bool,
}

impl Told {
    fn new(mut run: watch::Receiver<Shown>) -> Self {
        run.mark_changed();
        Self { run, state: None, preview: None, is_over: false }
    }

    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.is_over {
            return None;
        }
        loop {
            if self.state.is_some() && !self.run.borrow().is_ended() {
                tokio::time::sleep(PACE).await;
            }
            // Whoever told it is gone: so is the run, which is as good as the end.
            self.run.changed().await.ok()?;
            let shown = self.run.borrow_and_update().clone();
            let state = shown.to_json();
            let mut events = Vec::new();
            if shown.preview.is_some() && shown.preview != self.preview {
                events.extend(shown.preview.as_ref().map(|preview| event("preview", &of_preview(preview))));
                self.preview = shown.preview.clone();
            }
            if shown.is_ended() {
                self.is_over = true;
                events.push(event("end", &state));
                return Some(events);
            }
            if self.state.as_ref() != Some(&state) {
                events.insert(0, event("run", &state).retry(AGAIN));
                self.state = Some(state);
            }
            if !events.is_empty() {
                return Some(events);
            }
        }
    }
}

fn event(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

fn of_preview(preview: &PreviewImage) -> Value {
    // What is no picture is not passed on to a page that shows it.
    let mime = if preview.mime.starts_with("image/") { &*preview.mime } else { "application/octet-stream" };
    json!({
        "width": preview.width,
        "height": preview.height,
        "data": format!("data:{mime};base64,{}", STANDARD.encode(&preview.bytes)),
    })
}
