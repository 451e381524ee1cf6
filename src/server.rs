//! The server itself: version, settings, log, invocation cache.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let server = client.server();
//! println!("InvokeAI {} with torch {:?}", client.server_version().await?, server.dependencies().await?.get("torch"));
//! let cache = server.invocation_cache().await?;
//! println!("{} of {} results kept, {} hits", cache.size, cache.max_size, cache.hits);
//! # Ok(())
//! # }
//! ```

use serde_json::{Map, Value};

use crate::{Client, error::Result};

/// The server itself, from [`Client::server`].
#[derive(Clone)]
pub struct Server {
    client: Client,
}

crate::base::debug::short_debug! { Server { client } }

impl Client {
    /// The server itself.
    pub fn server(&self) -> Server {
        Server { client: self.clone() }
    }
}

/// The server's settings.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// All settings, including those left at their defaults. Releases differ in which settings they have.
    pub config: Map<String, Value>,
    /// Names of the settings that were set.
    pub set_fields: Vec<String>,
}

crate::json::record::readable! { RuntimeConfig { 0 config, 1 set_fields default } }

crate::base::debug::short_debug! { RuntimeConfig { config, set_fields } }

/// State of the invocation cache, which keeps the results of nodes: a node that runs again with equal inputs gives the
/// same images again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvocationCache {
    /// Whether it is on.
    pub enabled: bool,
    /// Number of results in it.
    pub size: u64,
    /// How often a result was in it.
    pub hits: u64,
    /// How often it was not.
    pub misses: u64,
    /// Most results that it can hold; 0 if it is off for good.
    pub max_size: u64,
}

crate::json::record::readable! { InvocationCache { 0 enabled, 1 size, 2 hits, 3 misses, 4 max_size } }

/// How much a server writes to its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LogLevel {
    /// No level is set (0).
    NotSet,
    /// Everything (10).
    Debug,
    /// Normal events (20).
    Info,
    /// What may be wrong (30).
    Warning,
    /// What went wrong (40).
    Error,
    /// What ends the server (50).
    Critical,
}

impl LogLevel {
    const ALL: [(i64, Self); 6] = [
        (0, Self::NotSet),
        (10, Self::Debug),
        (20, Self::Info),
        (30, Self::Warning),
        (40, Self::Error),
        (50, Self::Critical),
    ];

    fn number(self) -> i64 {
        Self::ALL.into_iter().find(|(_, level)| *level == self).map_or(0, |(number, _)| number)
    }

    /// The server may have levels between these; the next lower one stands for them.
    fn from_number(number: i64) -> Self {
        Self::ALL.into_iter().rfind(|(known, _)| *known <= number).map_or(Self::NotSet, |(_, level)| level)
    }
}

impl Server {
    /// Fetches the versions of the packages that the server uses, by name. A missing package has no value.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn dependencies(&self) -> Result<Map<String, Value>> {
        let api = self.client.api();
        api.get_app_deps().send_as().await
    }

    /// Fetches the server's settings. The server leaves out secrets.
    ///
    /// # Errors
    /// [`Error::Forbidden`](crate::Error::Forbidden) for users who are not administrators; any error of a call.
    pub async fn config(&self) -> Result<RuntimeConfig> {
        let api = self.client.api();
        api.get_runtime_config().send_as().await
    }

    /// Changes settings while the server runs. It accepts only a few of them (`image_subfolder_strategy`,
    /// `max_queue_history`, `generation_devices`). Since 6.13.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) for other settings and for wrong values; otherwise as
    /// [`config`](Self::config).
    pub async fn update_config(&self, changes: Map<String, Value>) -> Result<RuntimeConfig> {
        let api = self.client.api();
        api.update_runtime_config().send_json_as(&changes).await
    }

    /// Asks how much the server writes to its log.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn log_level(&self) -> Result<LogLevel> {
        let api = self.client.api();
        Ok(LogLevel::from_number(api.get_log_level().send_as::<i64>().await?))
    }

    /// Sets how much the server writes to its log, until it is restarted.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn set_log_level(&self, level: LogLevel) -> Result<LogLevel> {
        let api = self.client.api();
        Ok(LogLevel::from_number(api.set_log_level().send_json_as::<i64>(&level.number()).await?))
    }

    /// Fetches the state of the invocation cache.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn invocation_cache(&self) -> Result<InvocationCache> {
        let api = self.client.api();
        api.get_invocation_cache_status().send_as().await
    }

    /// Clears the invocation cache, so that every node runs again.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn clear_invocation_cache(&self) -> Result<()> {
        let api = self.client.api();
        api.clear_invocation_cache().send().await.map(drop)
    }

    /// Turns the invocation cache on or off.
    ///
    /// # Errors
    /// As [`config`](Self::config).
    pub async fn set_invocation_cache_enabled(&self, enabled: bool) -> Result<()> {
        let api = self.client.api();
        match enabled {
            true => api.enable_invocation_cache().send().await.map(drop),
            false => api.disable_invocation_cache().send().await.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_are_the_numbers_of_python() {
        for (number, level) in LogLevel::ALL {
            assert_eq!((level.number(), LogLevel::from_number(number)), (number, level));
        }
        assert_eq!(LogLevel::from_number(25), LogLevel::Info);
        assert_eq!(LogLevel::from_number(-1), LogLevel::NotSet);
    }
}
