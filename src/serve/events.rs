//! What happens in a run, as server-sent events.
//!
//! `run` says how it stands, whenever that changes; `preview` has the picture as it is now; `end` is the last. Nothing is
//! kept for a reader that is slow: it gets the latest, and `lagged` says that there was more.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::Instant,
};

use super::state::Shown;
use crate::progress::PreviewImage;

/// How often something is sent while nothing happens, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How soon a browser that lost the connection asks again.
const AGAIN: Duration = Duration::from_secs(2);

/// At most so often a run is told about.
const PACE: Duration = Duration::from_millis(100);

/// A reader that takes nothing for so long has missed what came meanwhile.
const SLOW: Duration = Duration::from_secs(2);

/// The events of a run from now on. The permit is one of a stream, and given back with it.
pub(super) fn events(
    run: watch::Receiver<Shown>,
    permit: OwnedSemaphorePermit,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let stream = futures::stream::unfold((Told::new(run), permit), |(mut told, permit)| async {
        let events = told.next().await?;
        Some((events, (told, permit)))
    });
    let stream =
        stream.flat_map(|events| futures::stream::iter(events.into_iter().map(|(name, data)| Ok(event(name, &data)))));
    Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

/// What one reader has been sent.
struct Told {
    run: watch::Receiver<Shown>,
    state: Option<Value>,
    preview: Option<PreviewImage>,
    /// When something was last given to be sent.
    given: Option<Instant>,
    is_over: bool,
}

impl Told {
    fn new(mut run: watch::Receiver<Shown>) -> Self {
        run.mark_changed();
        Self { run, state: None, preview: None, given: None, is_over: false }
    }

    async fn next(&mut self) -> Option<Vec<(&'static str, Value)>> {
        if self.is_over {
            return None;
        }
        // This is asked for more when what was given is sent: a reader that is slow lets it wait.
        let late = self.given.map(|given| given.elapsed()).filter(|late| *late > SLOW);
        let missed = late.filter(|_| self.run.has_changed().unwrap_or(false));
        let mut events: Vec<(&str, Value)> =
            missed.iter().map(|late| ("lagged", json!({ "seconds": late.as_secs() }))).collect();
        loop {
            if self.state.is_some() && !self.run.borrow().is_ended() {
                tokio::time::sleep(PACE).await;
            }
            // Whoever told it is gone: so is the run, which is as good as the end.
            self.run.changed().await.ok()?;
            let shown = self.run.borrow_and_update().clone();
            let state = shown.to_json();
            let before = events.len();
            if !shown.is_ended() && self.state.as_ref() != Some(&state) {
                events.push(("run", state.clone()));
                self.state = Some(state.clone());
            }
            if shown.preview.is_some() && shown.preview != self.preview {
                events.extend(shown.preview.as_ref().map(|preview| ("preview", of_preview(preview))));
                self.preview = shown.preview.clone();
            }
            if shown.is_ended() {
                self.is_over = true;
                events.push(("end", state));
            }
            if events.len() > before {
                self.given = Some(Instant::now());
                return Some(events);
            }
        }
    }
}

fn event(name: &str, data: &Value) -> Event {
    let event = Event::default().event(name).data(data.to_string());
    if name == "run" { event.retry(AGAIN) } else { event }
}

fn of_preview(preview: &PreviewImage) -> Value {
    // Anything but an image is not passed on to a page that shows it.
    let mime = if preview.mime.starts_with("image/") { &*preview.mime } else { "application/octet-stream" };
    json!({
        "width": preview.width,
        "height": preview.height,
        "data": format!("data:{mime};base64,{}", STANDARD.encode(&preview.bytes)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::state::Record;

    #[tokio::test]
    async fn a_reader_that_was_slow_is_told_that_it_missed_some() {
        let record = Record::accepted("flux", None, serde_json::Map::new());
        let (run, watched) = watch::channel(Shown::new(record));
        let mut told = Told::new(watched);
        let names = |events: Option<Vec<(&'static str, Value)>>| -> Vec<&str> {
            events.into_iter().flatten().map(|(name, _)| name).collect()
        };
        assert_eq!(names(told.next().await), ["run"]);
        let change = |progress: f64| run.send_modify(|shown| shown.progress = json!({ "fraction": progress }));
        change(0.1);
        assert_eq!(names(told.next().await), ["run"], "who is asked for more in time has missed nothing");
        // Nobody asked for a while, and things went on.
        told.given = Instant::now().checked_sub(SLOW * 2);
        change(0.2);
        change(0.3);
        let events = told.next().await;
        assert_eq!(names(events.clone()), ["lagged", "run"]);
        assert_eq!(events.unwrap_or_default()[1].1["progress"]["fraction"], 0.3, "the latest");
        // Where nothing happened meanwhile, nothing was missed.
        told.given = Instant::now().checked_sub(SLOW * 2);
        let (events, ()) = tokio::join!(told.next(), async { change(0.4) });
        assert_eq!(names(events), ["run"]);
    }
}
