//! Which queues are in use, as far as this process can know: the server lists no queues.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Ids of queues by server: of all clients of this process, because the items of one may need what another uploaded.
static USED: LazyLock<Mutex<HashMap<String, BTreeSet<String>>>> = LazyLock::new(Mutex::default);

/// Notes that something is enqueued there.
pub(super) fn note(server: &str, queue_id: &str) {
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    used.entry(server.to_owned()).or_default().insert(queue_id.to_owned());
}

/// The queues of this server to which this process has enqueued something, or knows that an earlier one has.
pub(super) fn used(server: &str) -> BTreeSet<String> {
    USED.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned().unwrap_or_default()
}
