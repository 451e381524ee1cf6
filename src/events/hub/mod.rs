//! One connection for all subscribers: opened by the first, kept alive, closed after the last.

mod buffer;
mod stream;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use reqwest::Upgraded;
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::filter::Room;
use super::socket::{Connection, Incoming};
use super::{Event, EventEndpoint, EventError, EventFilter, EventsOptions};
use crate::base::deadline;
use buffer::Buffer;
pub use stream::{EventItem, EventStream, Gap};

/// A connection that lasted this long was a good one: after its loss, the pauses start over.
const STABLE: Duration = Duration::from_secs(5);

/// This many unreadable packets within [`GARBAGE_TIME`] mean that the server speaks something else. Each of them is a
/// gap that makes jobs read their state, so the connection is given up, and opened again after a pause.
const MOST_GARBAGE: usize = 100;

/// See [`MOST_GARBAGE`].
const GARBAGE_TIME: Duration = Duration::from_secs(10);

/// The event connection of one client, shared by all its subscribers.
///
/// Cloning is cheap, and clones share the connection. It opens with the first subscription, and closes shortly after
/// the last [`EventStream`] is dropped ([`EventsOptions::linger`]), or at once if no handle of the hub is left either.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client) {
/// use futures::StreamExt as _;
///
/// // An indicator for a user interface.
/// let mut states = client.event_hub().states();
/// while let Some(state) = states.next().await {
///     println!("{state:?}");
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct EventHub {
    owner: Arc<Owner>,
}

/// State of the event connection.
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectionState {
    /// There is no connection, because nobody is subscribed.
    Idle,
    /// The first attempt to connect is under way.
    Connecting,
    /// Events arrive.
    Connected,
    /// The connection broke, or could not be made. The next attempt follows, or is under way.
    Reconnecting {
        /// Number of the next attempt since the last good connection, from 1.
        attempt: u32,
        /// The pause before that attempt.
        pause: Duration,
        /// Why the last one failed.
        error: EventError,
    },
    /// Given up: the server refuses, or the attempts are used up. A new subscription tries again.
    Failed {
        /// The last error.
        error: EventError,
    },
}

crate::base::debug::short_debug! {
    enum ConnectionState {
        Idle,
        Connecting,
        Connected,
        Reconnecting { attempt, pause, error },
        Failed { error },
    }
}

impl EventHub {
    /// Creates a hub for the server at `endpoint`. It does not connect until somebody subscribes.
    pub fn new(endpoint: EventEndpoint, options: EventsOptions) -> Self {
        let shared = Shared {
            endpoint,
            options,
            registry: Mutex::default(),
            changed: Notify::new(),
            state: watch::Sender::new(ConnectionState::Idle),
            orphaned: AtomicBool::new(false),
        };
        Self { owner: Arc::new(Owner { shared: Arc::new(shared) }) }
    }

    /// Subscribes to the events the filter lets pass.
    ///
    /// Must be called within a Tokio runtime; the connection lives on the one that made the first subscription.
    /// Elsewhere the stream yields [`EventError::NoRuntime`] and ends.
    pub fn subscribe(&self, filter: EventFilter) -> EventStream {
        let shared = &self.owner.shared;
        let subscriber = Arc::new(Subscriber {
            filter: Mutex::new(filter),
            buffer: Mutex::new(Buffer::new(&shared.options)),
            link: watch::Sender::new(Link::Pending),
        });
        let mut registry = shared.registry();
        registry.subscribers.push(Arc::clone(&subscriber));
        registry.newcomer = true;
        if !registry.running {
            match Handle::try_current() {
                Ok(runtime) => {
                    registry.running = true;
                    let guard = RunGuard { shared: Arc::clone(shared), armed: true };
                    runtime.spawn(run(Arc::clone(shared), guard));
                }
                Err(_) => {
                    registry.subscribers.pop();
                    subscriber.end(&EventError::NoRuntime);
                }
            }
        }
        drop(registry);
        shared.changed.notify_one();
        EventStream::new(Arc::clone(shared), subscriber)
    }

    /// The state of the connection now.
    pub fn state(&self) -> ConnectionState {
        self.owner.shared.state.borrow().clone()
    }

    /// The state of the connection now and after each change. States that follow each other quickly may be skipped;
    /// the last one never is.
    pub fn states(&self) -> impl Stream<Item = ConnectionState> + Send + Unpin + 'static {
        let mut receiver = self.owner.shared.state.subscribe();
        receiver.mark_changed();
        Box::pin(futures::stream::unfold(receiver, async |mut receiver| {
            receiver.changed().await.ok()?;
            let state = receiver.borrow_and_update().clone();
            Some((state, receiver))
        }))
    }
}

impl fmt::Debug for EventHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.shared.fmt(f)
    }
}

/// Exists as long as there is a handle of the hub.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.orphaned.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }
}

/// What the hub, its streams and the connection's task share.
pub(super) struct Shared {
    endpoint: EventEndpoint,
    options: EventsOptions,
    registry: Mutex<Registry>,
    /// Wakes the task: a subscriber came, went, or wants something else.
    pub(super) changed: Notify,
    pub(super) state: watch::Sender<ConnectionState>,
    orphaned: AtomicBool,
}

#[derive(Default)]
struct Registry {
    subscribers: Vec<Arc<Subscriber>>,
    /// Whether the connection's task exists. It ends only under this lock.
    running: bool,
    /// Whether somebody subscribed since the last attempt to connect.
    newcomer: bool,
}

/// One subscriber.
#[derive(Debug)]
pub(super) struct Subscriber {
    filter: Mutex<EventFilter>,
    buffer: Mutex<Buffer>,
    pub(super) link: watch::Sender<Link>,
}

/// How a subscriber stands with the connection.
#[derive(Clone, Debug)]
pub(super) enum Link {
    /// No attempt has ended since it subscribed.
    Pending,
    /// Connected, and all its rooms confirmed.
    Live,
    /// Events are being missed.
    Down(EventError),
}

impl Shared {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    pub(super) fn remove(&self, subscriber: &Arc<Subscriber>) {
        self.registry().subscribers.retain(|other| !Arc::ptr_eq(other, subscriber));
        self.changed.notify_one();
    }

    fn is_unused(&self) -> bool {
        self.registry().subscribers.is_empty()
    }

    fn dispatch(&self, event: &Event, size: usize) {
        for subscriber in &self.registry().subscribers {
            if lock(&subscriber.filter).matches(event) {
                subscriber.buffer().push(EventItem::Event(event.clone()), size);
            }
        }
    }

    fn mark_gap(&self, gap: &Gap) {
        for subscriber in &self.registry().subscribers {
            subscriber.buffer().push(EventItem::Gap(gap.clone()), 0);
        }
    }

    fn mark_down(&self, error: &EventError) {
        for subscriber in &self.registry().subscribers {
            subscriber.down(error);
        }
    }

    fn mark_live(&self, joined: &BTreeSet<Room>) {
        for subscriber in &self.registry().subscribers {
            let filter = lock(&subscriber.filter);
            if filter.rooms().is_subset(joined) {
                subscriber.live();
            }
        }
    }

    fn wanted_rooms(&self) -> BTreeSet<Room> {
        self.registry().subscribers.iter().flat_map(|subscriber| lock(&subscriber.filter).rooms()).collect()
    }

    /// Ends every stream.
    fn fail(&self, error: EventError) {
        let mut registry = self.registry();
        for subscriber in registry.subscribers.drain(..) {
            subscriber.end(&error);
        }
        registry.running = false;
        self.state.send_replace(ConnectionState::Failed { error });
    }

    /// Ends the task if there is nobody to serve. Decided under the lock, so that a new subscriber either is seen here
    /// or starts a new task.
    fn retire_if_unused(&self) -> bool {
        let mut registry = self.registry();
        registry.newcomer = false;
        if registry.subscribers.is_empty() {
            registry.running = false;
            self.state.send_replace(ConnectionState::Idle);
        }
        !registry.running
    }

    /// Resolves when there is nobody to serve.
    async fn unused(&self) {
        while !self.is_unused() {
            self.changed.notified().await;
        }
    }

    /// Resolves when waiting for the next attempt is pointless: somebody new wants to connect, or nobody does.
    async fn impatience(&self) {
        while !self.is_unused() && !self.registry().newcomer {
            self.changed.notified().await;
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let mut out = f.debug_struct("EventHub");
            out.field("endpoint", &self.endpoint).field("state", &*self.state.borrow());
            out.field("subscribers", &self.registry().subscribers.len()).finish_non_exhaustive()
        })
    }
}

impl Subscriber {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        lock(&self.buffer)
    }

    pub(super) fn set_filter(&self, filter: EventFilter) {
        let mut current = lock(&self.filter);
        if !filter.rooms().is_subset(&current.rooms()) {
            // Until the new rooms are confirmed. A subscriber that is down stays so, for the gap it is owed.
            self.link.send_if_modified(|link| {
                let live = matches!(link, Link::Live);
                if live {
                    *link = Link::Pending;
                }
                live
            });
        }
        *current = filter;
    }

    fn down(&self, error: &EventError) {
        if !matches!(self.link.send_replace(Link::Down(error.clone())), Link::Down(_)) {
            self.buffer().push(EventItem::Disconnected { error: error.clone() }, 0);
        }
    }

    fn live(&self) {
        if matches!(self.link.send_replace(Link::Live), Link::Down(_)) {
            self.buffer().push(EventItem::Gap(Gap::Reconnected), 0);
        }
    }

    fn end(&self, error: &EventError) {
        self.link.send_replace(Link::Down(error.clone()));
        self.buffer().fail(error.clone());
    }
}

/// Ends the streams if the task vanishes without notice, which happens when its runtime is shut down.
struct RunGuard {
    shared: Arc<Shared>,
    armed: bool,
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        if self.armed {
            self.shared.fail(EventError::NoRuntime);
        }
    }
}

async fn run(shared: Arc<Shared>, mut guard: RunGuard) {
    let mut attempt = 0_u32;
    let mut ever_connected = false;
    let mut token_refreshed = false;
    while !shared.retire_if_unused() {
        if attempt == 0 {
            shared.state.send_replace(ConnectionState::Connecting);
        }
        let token = shared.endpoint.current_token();
        let connecting = shared.endpoint.connect(token.as_deref(), &shared.options);
        let connected = tokio::select! {
            connected = connecting => connected,
            () = shared.unused() => continue,
        };
        let since = Instant::now();
        let established = connected.is_ok();
        let error = match connected {
            Ok(mut connection) => {
                ever_connected = true;
                match serve(&shared, &mut connection).await {
                    Ok(()) => {
                        attempt = 0;
                        connection.close().await;
                        continue;
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::debug!(%error, established, attempt, "event connection failed");
        // A token that was refreshed while the old one was refused deserves a try, but only one.
        let refused = matches!(error, EventError::Refused { .. });
        token_refreshed = refused && !token_refreshed && shared.endpoint.current_token() != token;
        if token_refreshed {
            continue;
        }
        attempt = if established && since.elapsed() >= STABLE { 1 } else { attempt.saturating_add(1) };
        // Once there was a socket, any other answer comes from a proxy whose server is restarting.
        let permanent = error.is_permanent() && (refused || !ever_connected);
        if permanent || shared.options.max_attempts.is_some_and(|most| attempt >= most) {
            shared.fail(error);
            break;
        }
        let pause = shared.options.backoff(attempt).mul_f64(0.5 + fastrand::f64() / 2.0);
        shared.mark_down(&error);
        shared.state.send_replace(ConnectionState::Reconnecting { attempt, pause, error });
        tokio::select! {
            () = sleep(pause) => {}
            () = shared.impatience() => {}
        }
    }
    guard.armed = false;
}

/// Passes events on until the connection breaks (an error) or is not needed any more.
async fn serve(shared: &Shared, connection: &mut Connection<Upgraded>) -> Result<(), EventError> {
    let mut joined = BTreeSet::new();
    let mut unconfirmed: HashMap<u64, (Room, Instant)> = HashMap::new();
    let mut unused_since = None;
    let mut look = true;
    let (mut garbage, mut garbage_since) = (0, Instant::now());
    shared.state.send_replace(ConnectionState::Connected);
    loop {
        if std::mem::take(&mut look) {
            for room in shared.wanted_rooms() {
                if !joined.contains(&room) && !unconfirmed.values().any(|(other, _)| *other == room) {
                    let (name, data) = match &room {
                        Room::Queue(id) => ("subscribe_queue", json!({ "queue_id": id })),
                        // The id is the same for everybody.
                        Room::BulkDownload => ("subscribe_bulk_download", json!({ "bulk_download_id": "default" })),
                    };
                    let ack = connection.emit(name, data).await?;
                    unconfirmed.insert(ack, (room, deadline::after(shared.options.ack_timeout)));
                }
            }
            shared.mark_live(&joined);
            let since = shared.is_unused().then(|| unused_since.unwrap_or_else(Instant::now));
            if since.is_some() && shared.orphaned.load(Ordering::Acquire) {
                return Ok(());
            }
            unused_since = since;
        }
        let overdue = unconfirmed.values().map(|(_, deadline)| *deadline).min();
        tokio::select! {
            incoming = connection.next() => match incoming? {
                Incoming::Event(event, size) => shared.dispatch(&event, size),
                Incoming::Ack(id) => {
                    let confirmed = unconfirmed.remove(&id);
                    look |= confirmed.is_some();
                    joined.extend(confirmed.map(|(room, _)| room));
                }
                Incoming::Garbled(detail) => {
                    tracing::warn!(detail, "unreadable packet on the event connection");
                    shared.mark_gap(&Gap::Garbled { detail });
                    if garbage_since.elapsed() > GARBAGE_TIME {
                        (garbage, garbage_since) = (0, Instant::now());
                    }
                    garbage += 1;
                    if garbage >= MOST_GARBAGE {
                        let within = GARBAGE_TIME.as_secs();
                        return Err(EventError::protocol(format!("{garbage} unreadable packets within {within} s")));
                    }
                }
            },
            () = shared.changed.notified() => look = true,
            () = at(overdue) => {
                return Err(EventError::Timeout { what: "a subscription to be confirmed", after: shared.options.ack_timeout });
            }
            () = at(unused_since.map(|since| since + deadline::bounded(shared.options.linger))) => return Ok(()),
        }
    }
}

/// Resolves at that time, or never.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// A lock no panic can poison for good: every critical section here leaves valid data behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
