//! Being asked to stop: by a signal, or because the time is up. The one place where signals are taken.
//!
//! The first request asks for an orderly end, in which what was begun on a server is undone. A second one, or the end of
//! the time that this may take, ends the program at once.
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

/// How long the answer to what was sent already is waited for.
const ANSWER: Duration = Duration::from_secs(3);

/// How long further signals count as the first one: some senders, such as `timeout`, send it to the program and to its group.
const SAME: Duration = Duration::from_millis(100);

/// How long the program may take to end at once. Then it is ended from here.
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

/// What was asked for so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Orderly(Why),
    AtOnce(Why),
}

/// Says whether and why to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<Asked>);

/// Tells people what is left where it is.
type LastWords = Box<dyn Fn() + Send>;

/// What to say if the program has to be ended from here.
static LAST_WORDS: Mutex<Option<LastWords>> = Mutex::new(None);

impl Stop {
    /// Takes all signals from now on, and counts the time.
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

    /// Sets what to say if the program does not end by itself when it should end at once.
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

    /// Waits until there is no time for an orderly end any more.
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
                // The thread that tells lives as long as the program.
                return pending().await;
            }
        }
    }

    /// Does something that may be broken off anywhere, until it ends or a stop is asked for.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Why> {
        tokio::select! {
            biased;
            why = self.asked() => Err(why),
            done = work => Ok(done),
        }
    }

    /// Does something that others may carry out even if it is broken off here: a request that makes something. Asked to
    /// stop meanwhile, it waits a little for the answer, because only that says what there is to undo. `Err` if it was not
    /// even begun, or has no answer.
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

/// Passes on what is asked for, and sees that it is done.
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
    note("the program does not end by itself, so it is ended without ceremony");
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

/// The signals that ask for an end.
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
        // Under `nohup` the closing of the terminal is to be ignored, and stays so.
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

/// Whether whoever started this program wants a signal to be ignored. Only Linux says so without unsafe code; elsewhere
/// it is taken to be so, which leaves the signal as it was.
#[cfg(unix)]
fn is_ignored(signal: tokio::signal::unix::SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal.as_raw_value() - 1) & 1 == 1)
}

/// The events of the console that ask for an end.
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
