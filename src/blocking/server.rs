//! The server itself.

use serde_json::{Map, Value};

use super::mirror::mirror;
use crate::{
    error::Result,
    server::{self, InvocationCache, LogLevel, RuntimeConfig},
};

mirror! {
    /// The server itself, from [`Client::server`](super::Client::server).
    #[derive(Clone)]
    pub struct Server = server::Server;

    /// Fetches the versions of the packages that the server uses, by name. A missing package has no value.
    call fn dependencies(&self) -> Result<Map<String, Value>>;
    /// Fetches the server's settings. The server leaves out secrets.
    call fn config(&self) -> Result<RuntimeConfig>;
    /// Changes settings while the server runs. It accepts only a few of them (`image_subfolder_strategy`,
    /// `max_queue_history`, `generation_devices`). Since 6.13.
    call fn update_config(&self, changes: Map<String, Value>) -> Result<RuntimeConfig>;
    /// Asks how much the server writes to its log.
    call fn log_level(&self) -> Result<LogLevel>;
    /// Sets how much the server writes to its log, until it is restarted.
    call fn set_log_level(&self, level: LogLevel) -> Result<LogLevel>;
    /// Fetches the state of the invocation cache.
    call fn invocation_cache(&self) -> Result<InvocationCache>;
    /// Clears the invocation cache, so that every node runs again.
    call fn clear_invocation_cache(&self) -> Result<()>;
    /// Turns the invocation cache on or off.
    call fn set_invocation_cache_enabled(&self, enabled: bool) -> Result<()>;
}
