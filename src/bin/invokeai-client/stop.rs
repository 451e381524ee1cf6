//! Requests to stop: by a signal, or because the time is up. This is the only place that handles signals.
//!
//! The first request asks for an orderly end, in which everything begun on a server is undone. A second one, or the end
//! of the time that this may take, ends the program at once.
//!
//! Signals arrive on a thread of their own, so they count however busy the rest of the program is.

use std::{
    future::{Future, pending},
    io,
    process::exit,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use crate::{exit::Exit, print::note};

/// How long an orderly end may take after a signal.
pub(crate) const AFTER_SIGNAL: Duration = Duration::from_secs(60);

/// How long an orderly end may take once the time is up. An enqueue without an answer may still arrive for 20 seconds
/// (`lost_answer_patience`), and no upload that it reads is deleted before.
pub(crate) const AFTER_TIME: Duration = Duration::from_secs(30);

/// How long to wait for the answer to a request that was already sent.
const ANSWER: Duration = Duration::from_secs(3);

/// How long further signals count as the first one: some senders, such as `timeout`, signal both the program and its
/// group.
const SAME: Duration = Duration::from_millis(100);

/// How long the program may take when it should end at once. After that, it is ended from here.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM: another program, or the system.
    Terminate,
    /// The terminal was closed.
    HangUp,
    /// `--timeout`.
    TimeUp,
}

impl From<Why> for Exit {
    fn from(why: Why) -> Self {
        match why {
            Why::TimeUp => Self::Canceled,
            Why::HangUp => Self::HangUp,
            Why::Interrupt => Self::Interrupt,
            Why::Terminate => Self::Terminate,
        }
    }
}

/// The requests so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Orderly(Why),
    AtOnce(Why),
}

/// Whether and why to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Asked>);

/// Notes what is left behind.
type LastWords = Box<dyn Fn() + Send>;

/// What to print if the program has to be ended from here.
static LAST_WORDS: Mutex<Option<LastWords>> = Mutex::new(None);

impl Stop {
    /// Handles all signals from now on, and starts the clock.
    pub(crate) fn listen(limit: Option<Duration>) -> io::Result<Self> {
        Self::listen_for(limit, AFTER_SIGNAL)
    }

    /// The same, with another time for an orderly end after a signal.
    pub(crate) fn listen_for(limit: Option<Duration>, after_signal: Duration) -> io::Result<Self> {
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let (tell, told) = watch::channel(Asked::Nothing);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _inside = runtime.enter();
            Signals::take()?
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || runtime.block_on(attend(signals, deadline, after_signal, tell)))?;
        Ok(Self(told))
    }

    /// Sets what to print if the program does not end by itself when it should end at once.
    pub(crate) fn last_words(&self, words: impl Fn() + Send + 'static) {
        *LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(words));
    }

    /// Waits until an orderly end is asked for, and says why.
    pub(crate) async fn asked(&self) -> Why {
        self.until(|asked| match asked {
            Asked::Nothing => None,
            Asked::Orderly(why) | Asked::AtOnce(why) => Some(why),
        })
        .await
    }

    /// Waits until there is no more time for an orderly end.
    pub(crate) async fn at_once(&self) -> Why {
        self.until(|asked| match asked {
            Asked::Nothing | Asked::Orderly(_) => None,
            Asked::AtOnce(why) => Some(why),
        })
        .await
    }

    async fn until(&self, wanted: impl Fn(Asked) -> Option<Why>) -> Why {
        let mut told = self.0.clone();
        loop {
            let asked = *told.borrow_and_update();
            if let Some(why) = wanted(asked) {
                return why;
            }
            if told.changed().await.is_err() {
                // The sending thread lives as long as the program.
                return pending().await;
            }
        }
    }

    /// Does something that may be interrupted anywhere, until it ends or a stop is requested.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Why> {
        tokio::select! {
            biased;
            why = self.asked() => Err(why),
            done = work => Ok(done),
        }
    }

    /// Does something that a server may carry out even if it is interrupted here: a request that creates something. If
    /// a stop is requested meanwhile, it waits a little for the answer, because only that says what to undo. `Err` if
    /// it was not even begun, or has no answer.
    pub(crate) async fn after_answer<T>(&self, write: impl Future<Output = T>) -> Result<T, Why> {
        if let Asked::Orderly(why) | Asked::AtOnce(why) = *self.0.borrow() {
            return Err(why);
        }
        let patience = async {
            let why = self.asked().await;
            tokio::select! {
                () = sleep(ANSWER) => {}
                _ = self.at_once() => {}
            }
            why
        };
        tokio::select! {
            biased;
            done = write => Ok(done),
            why = patience => Err(why),
        }
    }
}

/// Lets a write beyond the largest size that files may have fail with a reason. Without this the system ends the program
/// at that write, and nobody learns why.
#[cfg(all(unix, not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64"))))]
pub(crate) fn fail_large_writes() {
    use tokio::signal::unix::{SignalKind, signal};
    const SIGXFSZ: i32 = 25;
    if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        let _inside = runtime.enter();
        // Once somebody has asked for a signal, it does not end the program any more.
        drop(signal(SignalKind::from_raw(SIGXFSZ)));
    }
}

#[cfg(not(all(unix, not(any(target_arch = "mips", target_arch = "mips64", target_arch = "sparc64")))))]
pub(crate) fn fail_large_writes() {}

/// Passes requests to stop on, and makes sure that they are followed.
async fn attend(mut signals: Signals, deadline: Option<Instant>, after_signal: Duration, tell: watch::Sender<Asked>) {
    let why = tokio::select! {
        why = signals.next() => why,
        () = until(deadline) => Why::TimeUp,
    };
    tell.send_replace(Asked::Orderly(why));
    let (grace, same) = match why {
        Why::TimeUp => (AFTER_TIME, None),
        _ => (after_signal, Instant::now().checked_add(SAME)),
    };
    if let Some(same) = same {
        while timeout_at(same, signals.next()).await.is_ok() {}
    }
    let why = tokio::select! {
        again = signals.next() => again,
        () = sleep(grace) => why,
    };
    tell.send_replace(Asked::AtOnce(why));
    sleep(AT_ONCE).await;
    // It is stuck: in a computation, or in writing to somebody who does not read.
    note("the program does not respond, so it is ended now");
    if let Some(words) = LAST_WORDS.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        words();
    }
    exit(Exit::from(why).code().into());
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// The signals that ask the program to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn take() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        // `nohup` sets SIGHUP to be ignored, and it stays so.
        let hang_up = (!is_ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hang_up })
    }

    async fn next(&mut self) -> Why {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Why::Interrupt,
            _ = self.terminate.recv() => Why::Terminate,
            _ = hang_up => Why::HangUp,
        }
    }
}

/// Whether the program that started this one wants a signal to be ignored. Only Linux says so without unsafe code;
/// elsewhere it is assumed, which leaves the signal as it was.
#[cfg(unix)]
fn is_ignored(signal: tokio::signal::unix::SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// The console events that ask the program to end.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlBreak,
    hang_up: tokio::signal::windows::CtrlClose,
}

#[cfg(windows)]
impl Signals {
    fn take() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()?, hang_up: ctrl_close()? })
    }

    async fn next(&mut self) -> Why {
        tokio::select! {
            _ = self.interrupt.recv() => Why::Interrupt,
            _ = self.terminate.recv() => Why::Terminate,
            _ = self.hang_up.recv() => Why::HangUp,
        }
    }
}
