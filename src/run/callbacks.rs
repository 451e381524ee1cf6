//! Functions to call when something happens.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::events::Event;

type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// What to call on which event.
#[derive(Clone, Default)]
pub(crate) struct Callbacks {
    pairs: Vec<(&'static str, Callback)>,
}

impl Callbacks {
    pub(crate) fn on(&mut self, event: &'static str, call: impl Fn(&Event) + Send + Sync + 'static) {
        self.pairs.push((event, Arc::new(call)));
    }

    #[cfg_attr(not(feature = "events"), expect(dead_code, reason = "without events there is nothing to take"))]
    pub(crate) fn call(&self, event: &Event) {
        for (name, call) in self.pairs.iter().filter(|(name, _)| *name == event.name()) {
            // A panic must not end the task that follows the items: nobody would learn of their ends. The panic hook
            // has reported it.
            if catch_unwind(AssertUnwindSafe(|| call(event))).is_err() {
                tracing::error!(event = name, "a callback panicked");
            }
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}
