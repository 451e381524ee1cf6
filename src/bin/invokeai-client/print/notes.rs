//! Notes for people, on standard error.

use std::{
    io::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Sender, SyncSender},
    },
    thread,
    time::Duration,
};

use super::Text;

/// How long to wait until a note is written. That takes longer only if the reader does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many notes may wait for such a reader. More are dropped.
const WAITING: usize = 1000;

struct Note {
    line: String,
    written: Sender<()>,
}

/// Whether the last note has not been written yet.
static STUCK: AtomicBool = AtomicBool::new(false);

/// Prints a line on standard error.
///
/// Never fails and never blocks this program: it must cancel and clean up even if nobody reads its output.
pub(crate) fn note(text: impl Into<Text>) {
    finished(text.into().line());
}

/// The same for a line that ends with its line break, and holds nothing that a terminal would obey.
pub(super) fn finished(line: String) {
    static WRITER: OnceLock<Option<SyncSender<Note>>> = OnceLock::new();
    let Some(writer) = WRITER.get_or_init(start) else { return write(&line) };
    let (written, done) = mpsc::channel();
    if writer.try_send(Note { line, written }).is_ok() && !STUCK.load(Ordering::Acquire) {
        // Wait for it, so that it stays in order with what is printed elsewhere.
        let late = done.recv_timeout(PATIENCE).is_err();
        STUCK.store(late, Ordering::Release);
    }
}

/// Starts the thread that writes.
fn start() -> Option<SyncSender<Note>> {
    let (writer, notes) = mpsc::sync_channel::<Note>(WAITING);
    let run = move || {
        for Note { line, written } in notes {
            write(&line);
            STUCK.store(false, Ordering::Release);
            // The sender may have stopped waiting.
            let _ = written.send(());
        }
    };
    thread::Builder::new().name("notes".into()).spawn(run).ok()?;
    Some(writer)
}

/// A standard error that is closed or full is no reason to stop.
fn write(line: &str) {
    let _ = anstream::stderr().write_all(line.as_bytes());
}
