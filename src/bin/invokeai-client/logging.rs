//! The library's log: warnings always, each request with `-v`, everything with `-vv`.

use std::io;

use tracing::Level;
use tracing_subscriber::{
    Layer as _,
    filter::filter_fn,
    fmt::{self, MakeWriter, format::FmtSpan},
    layer::SubscriberExt as _,
    registry,
    util::SubscriberInitExt as _,
};

use crate::print::{is_quiet, note};

/// Passes each line on to standard error, escaped like everything else.
#[derive(Clone, Copy)]
struct Notes;

impl io::Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        String::from_utf8_lossy(bytes).lines().for_each(note);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Notes {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Only this crate's own log: the logs of libraries below it may hold what goes over the wire.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 if is_quiet() => return,
        0 => Level::WARN,
        1 => Level::DEBUG,
        _ => Level::TRACE,
    };
    let own = filter_fn(move |metadata| *metadata.level() <= level && metadata.target().starts_with("invokeai_client"));
    let lines = fmt::layer().with_ansi(false).with_target(false).with_writer(Notes);
    let started = match verbose {
        0 => registry().with(lines.without_time().with_filter(own)).try_init(),
        // A request is a span, which is logged when it ends.
        _ => registry().with(lines.with_span_events(FmtSpan::CLOSE).with_filter(own)).try_init(),
    };
    if let Err(error) = started {
        note(format!("cannot log anything: {error}"));
    }
}
