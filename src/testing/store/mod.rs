//! What the server stores: all of it in memory, behind one lock.

pub(crate) mod boards;
pub(crate) mod images;
pub(crate) mod models;
pub(crate) mod queue;
pub(crate) mod users;
pub(crate) mod workflows;

use self::{boards::Board, images::Image, models::InstallJob, queue::Queues, users::Users, workflows::SavedWorkflow};
use super::nodes;
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Everything. Maps keep the order of creation.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) images: IndexMap<String, Image>,
    pub(crate) boards: IndexMap<String, Board>,
    pub(crate) queues: Queues,
    pub(crate) workflows: IndexMap<String, SavedWorkflow>,
    /// Model records, by key.
    pub(crate) models: IndexMap<String, Value>,
    /// Which models the last item with any loaded, as `GET /api/v2/models/stats` names them.
    pub(crate) loaded_models: Option<IndexMap<String, u64>>,
    /// Pictures of models, as WebP.
    pub(crate) model_images: HashMap<String, bytes::Bytes>,
    pub(crate) installs: Vec<InstallJob>,
    pub(crate) users: Users,
    pub(crate) style_presets: IndexMap<String, (Value, Option<bytes::Bytes>)>,
    pub(crate) system_prompts: IndexMap<String, Value>,
    /// By user and key.
    pub(crate) client_state: IndexMap<(String, String), String>,
    /// Zips that wait to be fetched: owner and bytes.
    pub(crate) downloads: HashMap<String, (String, bytes::Bytes)>,
    pub(crate) cache: Cache,
    pub(crate) log_level: LogLevel,
}

/// The level that `app/logging` reports.
pub(crate) struct LogLevel(pub(crate) i64);

impl Default for LogLevel {
    fn default() -> Self {
        Self(20)
    }
}

/// The invocation cache.
pub(crate) struct Cache {
    pub(crate) enabled: bool,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    /// Outputs, by what they were made from.
    pub(crate) outputs: IndexMap<String, Value>,
}

impl Cache {
    /// `node_cache_size` of the server.
    pub(crate) const MAX_SIZE: usize = 512;

    /// The output of an equal invocation.
    pub(crate) fn get(&mut self, key: &str) -> Option<Value> {
        if !self.enabled {
            return None;
        }
        let found = self.outputs.get(key).cloned();
        *(if found.is_some() { &mut self.hits } else { &mut self.misses }) += 1;
        found
    }

    pub(crate) fn put(&mut self, key: String, output: Value) {
        if self.enabled {
            self.outputs.insert(key, output);
            if self.outputs.len() > Self::MAX_SIZE {
                self.outputs.shift_remove_index(0);
            }
        }
    }

    /// Removes outputs that name a deleted image.
    pub(crate) fn forget(&mut self, name: &str) {
        self.outputs.retain(|_, output| !nodes::image_names(output).contains(&name));
    }

    /// Removes outputs that name one of these tensors.
    pub(crate) fn forget_tensors(&mut self, names: &HashSet<String>) {
        self.outputs.retain(|_, output| !nodes::has_text(output, names));
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self { enabled: true, hits: 0, misses: 0, outputs: IndexMap::new() }
    }
}

/// A new id, of the form that InvokeAI gives.
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Now, as in most of InvokeAI's records: UTC, without a zone.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// Now, as in records of users and system prompts.
pub(crate) fn now_with_t() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3f000").to_string()
}

/// Now, in whole seconds, as in events.
pub(crate) fn now_in_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A page of something: from `offset`, at most `limit`.
pub(crate) fn page<T>(all: Vec<T>, offset: Option<i64>, limit: Option<i64>) -> Vec<T> {
    let offset = usize::try_from(offset.unwrap_or_default()).unwrap_or_default();
    // To SQLite, a negative limit means no limit.
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    all.into_iter().skip(offset).take(limit).collect()
}
