//! What all parts of the server share.

use super::{
    connection::Connections,
    faults::Faults,
    outgoing::Outgoing,
    store::{Store, users::Grant},
};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::mpsc::UnboundedSender;

/// How the server behaves.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) multiuser: bool,
    pub(crate) seed_models: bool,
    pub(crate) max_queue_size: usize,
    /// How long a simulated step of a model takes.
    pub(crate) step_time: Duration,
}

/// The server.
pub(crate) struct World {
    store: Mutex<Store>,
    /// There may be something to do for the processor.
    pub(crate) wake: Condvar,
    pub(crate) stopping: AtomicBool,
    pub(crate) outgoing: UnboundedSender<Outgoing>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) connections: Connections,
    pub(crate) settings: Settings,
}

impl World {
    pub(crate) fn new(settings: Settings, connections: Connections, outgoing: UnboundedSender<Outgoing>) -> Arc<Self> {
        let mut store = Store::default();
        store.users.multiuser = settings.multiuser;
        if settings.seed_models {
            store.seed_models();
        }
        let faults = Arc::new(Faults::new(connections.clone()));
        let world = Arc::new(Self {
            store: Mutex::new(store),
            wake: Condvar::new(),
            stopping: AtomicBool::new(false),
            outgoing,
            faults,
            connections,
            settings,
        });
        let server = Arc::downgrade(&world);
        world.faults.on_restart(move || _ = server.upgrade().map(|world| world.restart()));
        world
    }

    /// The records. Hold this briefly: everything waits for it.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do, at most this long.
    pub(crate) fn wait_for_work<'a>(&self, store: MutexGuard<'a, Store>, most: Duration) -> MutexGuard<'a, Store> {
        self.wake.wait_timeout(store, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does to the records what a crash and a new start do.
    pub(crate) fn restart(&self) {
        let mut store = self.store();
        store.queues.epoch += 1;
        store.queues.paused = false;
        for item in store.queues.items.values_mut().filter(|item| matches!(item.status, "in_progress" | "waiting")) {
            item.set_status("canceled");
        }
        store.cache = Default::default();
        store.loaded_models = None;
        store.installs.clear();
        store.downloads.clear();
        drop(store);
        self.wake.notify_all();
    }

    /// The user of a token: id, and whether the user is an administrator; or why the token is refused.
    pub(crate) fn user_of(&self, token: &str) -> Result<(String, bool, Grant), TokenProblem> {
        let store = self.store();
        let grant = store.users.grant(token).cloned().ok_or(TokenProblem::Unknown)?;
        let user = store.users.granted(&grant).ok_or(TokenProblem::Ended)?;
        Ok((user.id.clone(), user.is_admin, grant))
    }
}

/// Why a token is refused.
pub(crate) enum TokenProblem {
    /// This server never issued it.
    Unknown,
    /// Its user was deleted, is inactive, or changed the password.
    Ended,
}
