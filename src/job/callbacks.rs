//! Functions to call when something happens.

use std::{fmt, sync::Arc};

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
        for (_, call) in self.pairs.iter().filter(|(name, _)| *name == event.name()) {
            call(event);
        }
    }
}

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pairs.iter().map(|(name, _)| name)).finish()
    }
}
