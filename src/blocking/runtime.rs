//! Running futures on the thread of the caller.
//!
//! Futures are polled where the call is made, so they may borrow, need not be `Send`, and a panic in a callback reaches
//! the caller. What they need meanwhile (sockets, timers, tasks) runs on threads of one runtime that all clients of the
//! process share. It lives as long as the process: dropping a runtime inside of async code panics, and so nothing that
//! a user can drop owns it.

use std::{
    cell::Cell,
    convert::Infallible,
    fmt,
    future::{Future, IntoFuture},
    pin::pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use tokio::runtime::{Builder, Runtime as Tokio};

use crate::error::{Error, Result};

/// More than one, so that a callback that takes its time does not hold up everything.
const WORKERS: usize = 2;

static SHARED: OnceLock<Tokio> = OnceLock::new();

thread_local! {
    /// Whether this thread is one of the runtime's own.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

/// The runtime behind everything blocking. Whoever has one knows that it runs.
#[derive(Clone, Copy)]
pub(super) struct Runtime(&'static Tokio);

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runtime")
    }
}

impl Runtime {
    /// Starts it if it does not run yet.
    ///
    /// # Errors
    /// [`Error::Io`] if the system cannot start threads or open sockets.
    pub(super) fn get() -> Result<Self> {
        static STARTING: Mutex<()> = Mutex::new(());
        // Only one is ever made: a superfluous one could not be dropped inside of async code.
        let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = SHARED.get() {
            return Ok(Self(running));
        }
        let made = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("invokeai-client")
            .on_thread_start(|| OWN.set(true))
            .enable_all()
            .build()
            .map_err(|error| Error::io("start", "threads of invokeai-client", error))?;
        Ok(Self(SHARED.get_or_init(|| made)))
    }

    /// Calls something that starts tasks, or looks for a runtime, without waiting.
    pub(super) fn enter<T>(self, call: impl FnOnce() -> T) -> T {
        let _context = self.0.enter();
        call()
    }

    /// Waits for a future.
    pub(super) fn block_on<F: IntoFuture>(self, future: F) -> F::Output {
        let done = self.drive(future, |signal| {
            signal.wait();
            Ok::<_, Infallible>(())
        });
        match done {
            Ok(output) => output,
            Err(never) => match never {},
        }
    }

    /// Waits for a future no longer than this; `None` if it is not done then.
    pub(super) fn block_on_at_most<F: IntoFuture>(self, limit: Duration, future: F) -> Option<F::Output> {
        // If the clock cannot count to the end of the limit, there is no limit.
        let Some(end) = Instant::now().checked_add(limit) else { return Some(self.block_on(future)) };
        self.drive(future, |signal| if signal.wait_until(end) { Ok(()) } else { Err(()) }).ok()
    }

    /// Polls a future until it is done or `rest`, which waits for its next wake-up, fails.
    fn drive<F: IntoFuture, E>(self, future: F, rest: impl Fn(&Signal) -> Result<(), E>) -> Result<F::Output, E> {
        let _context = self.0.enter();
        // Inside of a task of another runtime its budget would run out, and everything would be pending forever.
        let mut future = pin!(tokio::task::unconstrained(future.into_future()));
        let mut poll = || {
            let signal = Arc::new(Signal { thread: thread::current(), woken: AtomicBool::new(false) });
            let waker = Waker::from(Arc::clone(&signal));
            let mut context = Context::from_waker(&waker);
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                    return Ok(output);
                }
                rest(&signal)?;
            }
        };
        match OWN.get() {
            // A callback waits: another thread takes over this one's tasks.
            true => tokio::task::block_in_place(poll),
            false => poll(),
        }
    }
}

/// Wakes a thread. The flag is what counts: a call inside of a callback may use up the thread's unpark token.
struct Signal {
    thread: Thread,
    woken: AtomicBool,
}

impl Signal {
    fn wait(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }

    /// Whether it was woken in time.
    fn wait_until(&self, end: Instant) -> bool {
        while !self.woken.swap(false, Ordering::Acquire) {
            match end.checked_duration_since(Instant::now()) {
                Some(left) if !left.is_zero() => thread::park_timeout(left),
                _ => return false,
            }
        }
        true
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
