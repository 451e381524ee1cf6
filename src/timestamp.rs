//! Times as InvokeAI writes them.

use std::{fmt, time::SystemTime};

use serde::{Deserialize, Serialize};

/// A time as the server wrote it.
///
/// InvokeAI writes times in several forms: `2026-11-22 17:04:40.063` and `2026-11-22T17:23:01.154000` without a zone,
/// which are UTC, and RFC 3339 with one. All are read; the text stays as it came.
///
/// ```
/// use invokeai_client::Timestamp;
///
/// let plain: Timestamp = serde_json::from_str("\"2026-11-22 17:04:40.063\"").unwrap();
/// let zoned: Timestamp = serde_json::from_str("\"2026-11-22T18:04:40.063+01:00\"").unwrap();
/// assert_eq!(plain.to_system_time(), zoned.to_system_time());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(String);

impl Timestamp {
    /// The text of the server.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time, or `None` if the text is in a form that this crate does not know.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        let text = self.0.trim();
        let zoned = text.parse::<jiff::Timestamp>();
        let time = zoned.or_else(|_| text.parse::<jiff::civil::DateTime>()?.to_zoned(jiff::tz::TimeZone::UTC).map(|t| t.timestamp()));
        time.ok().map(SystemTime::from)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self(text)
    }
}
