//! Points in time, in every form in which InvokeAI writes them.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use jiff::{civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time, in UTC, as a server wrote it.
///
/// InvokeAI writes times in five forms, most of them without a zone; all mean UTC. The text is kept, so that nothing is
/// lost if this crate does not know the form: such a time has no [instant](Self::unix_millis). Times compare by
/// instant, those without one first.
///
/// ```
/// use invokeai_client::Timestamp;
///
/// let created = Timestamp::from("2026-11-22 17:04:40.063"); // queue items, images, boards, workflows
/// let joined = Timestamp::from("2026-11-22T17:04:40.063000"); // users, system prompts
/// let seen = Timestamp::from("2026-11-22T18:04:40.063+01:00"); // download jobs
/// assert_eq!(created.unix_millis(), Some(1795367080063));
/// assert_eq!(created.unix_millis(), joined.unix_millis());
/// assert_eq!(created.unix_millis(), seen.unix_millis());
/// assert_eq!(created.to_string(), "2026-11-22 17:04:40.063");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    instant: Option<jiff::Timestamp>,
    text: String,
}

crate::base::debug::short_debug! { Timestamp { instant, text } }

impl Timestamp {
    /// The text that the server sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Milliseconds since 1970, or `None` if the text is in no known form.
    pub fn unix_millis(&self) -> Option<i64> {
        self.instant.map(|instant| instant.as_millisecond())
    }

    /// The time as the standard library's type, or `None` if the text is in no known form.
    pub fn to_system_time(&self) -> Option<SystemTime> {
        let instant = self.instant?.as_duration();
        let distance = Duration::new(instant.as_secs().unsigned_abs(), instant.subsec_nanos().unsigned_abs());
        match instant.is_negative() {
            true => SystemTime::UNIX_EPOCH.checked_sub(distance),
            false => SystemTime::UNIX_EPOCH.checked_add(distance),
        }
    }

    /// How long after `earlier` this is; `None` if it is before, or if either of the two is in no known form.
    pub fn since(&self, earlier: &Timestamp) -> Option<Duration> {
        self.to_system_time()?.duration_since(earlier.to_system_time()?).ok()
    }
}

/// Reads a time with a zone, without one, or as whole seconds since 1970.
fn read(text: &str) -> Option<jiff::Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse() {
        return Some(instant);
    }
    if let Ok(naive) = DateTime::from_str(text) {
        return naive.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    jiff::Timestamp::from_second(text.parse().ok()?).ok()
}

impl From<String> for Timestamp {
    fn from(text: String) -> Self {
        Self { instant: read(&text), text }
    }
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as text, or in seconds since 1970")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
                Ok(text.into())
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Timestamp, E> {
                Ok(seconds.to_string().into())
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Timestamp, E> {
                Ok(seconds.to_string().into())
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_server_is_read_as_utc() {
        for (text, millis) in [
            ("2026-11-22 17:04:40.063", 1795367080063),
            ("2026-11-22 17:04:40", 1795367080000),
            ("2026-11-22T17:04:40.063000", 1795367080063),
            ("2026-11-22T17:04:40.063093Z", 1795367080063),
            ("2026-11-22T17:04:40.063461+00:00", 1795367080063),
            ("2026-11-22T19:04:40+02:00", 1795367080000),
            ("1795367080", 1795367080000),
            ("1969-12-31 23:59:59.500", -500),
        ] {
            let time = Timestamp::from(text);
            assert_eq!(time.unix_millis(), Some(millis), "{text}");
            assert_eq!(time.as_str(), text);
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        }
    }

    #[test]
    fn an_unknown_form_is_kept() {
        for text in ["", "yesterday", "2026-13-01 00:00:00", "99999999999999999"] {
            let time = Timestamp::from(text);
            assert_eq!((time.unix_millis(), time.to_system_time()), (None, None), "{text}");
            assert_eq!(time.to_string(), text);
        }
    }

    #[test]
    fn numbers_and_durations() {
        let event: Timestamp = serde_json::from_str("1795367080").unwrap();
        assert_eq!(event.unix_millis(), Some(1795367080000));
        let later = Timestamp::from("2026-11-22 17:04:41.500");
        assert_eq!(later.since(&event), Some(Duration::from_millis(1500)));
        assert_eq!(event.since(&later), None);
        assert!(event < later);
        let old = Timestamp::from("1969-12-31 23:59:59.500").to_system_time().unwrap();
        assert_eq!(SystemTime::UNIX_EPOCH.duration_since(old).unwrap(), Duration::from_millis(500));
        assert!(serde_json::from_str::<Timestamp>("null").is_err());
    }
}
