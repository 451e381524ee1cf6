//! Which servers this crate is tested with, and whether a given server is one of them.
//!
//! A program talks to any server that has the endpoints it needs: the nodes are read from the server itself, answers
//! may have more or fewer members than the document that this crate was generated from, and an endpoint that a server
//! lacks is [`Error::Unsupported`](crate::Error::Unsupported) when it is called. The tests of this crate run against
//! releases from [`OLDEST_TESTED`] to [`NEWEST_TESTED`]; a [`Client`](crate::Client) of a server outside of that range
//! writes one warning to the log (`tracing`) when it learns the version. Only submitting is refused, and only before
//! [`OLDEST_RUNNING`] ([`Error::TooOld`](crate::Error::TooOld)).
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! let compatibility = client.compatibility().await?;
//! if !compatibility.is_tested() {
//!     eprintln!("{compatibility}");
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;

/// The oldest release that the tests of this crate run against.
pub const OLDEST_TESTED: &str = "6.0.2";

/// The newest release that the tests of this crate run against.
pub const NEWEST_TESTED: &str = "6.14.2";

/// The oldest release that workflows can be run on: earlier ones answer an enqueue without the ids of the items, have
/// no list of all items to find them in, and no way to delete one.
pub const OLDEST_RUNNING: &str = "6.0.0";

/// How a server's version compares with the tested ones. From [`Client::compatibility`](crate::Client::compatibility).
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Compatibility {
    /// Version that the server reports (`GET /api/v1/app/version`).
    pub server_version: String,
    /// How it compares with the tested range.
    pub range: TestedRange,
}

crate::base::debug::short_debug! { Compatibility { server_version, range } }

/// How a version compares with the range [`OLDEST_TESTED`] to [`NEWEST_TESTED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TestedRange {
    /// Before it. Operations may be missing, and answers may lack what is needed.
    Before,
    /// Within it.
    Within,
    /// After it. Anything new is kept, but has no types here.
    After,
    /// Not a version number that this crate understands.
    Unknown,
}

impl Compatibility {
    pub(crate) fn of(server_version: impl Into<String>) -> Self {
        let server_version = server_version.into();
        let range = match (numbers(&server_version), numbers(OLDEST_TESTED), numbers(NEWEST_TESTED)) {
            (Some(version), Some(oldest), _) if version < oldest => TestedRange::Before,
            (Some(version), _, Some(newest)) if version > newest => TestedRange::After,
            (Some(_), _, _) => TestedRange::Within,
            (None, _, _) => TestedRange::Unknown,
        };
        Self { server_version, range }
    }

    /// Whether workflows can be run: not before [`OLDEST_RUNNING`]. An unknown version is taken for a new one.
    pub fn can_run(&self) -> bool {
        match (numbers(&self.server_version), numbers(OLDEST_RUNNING)) {
            (Some(version), Some(oldest)) => version >= oldest,
            _ => true,
        }
    }

    /// Whether the server has videos, in the way that this crate knows.
    pub(crate) fn has_videos(&self) -> bool {
        numbers(&self.server_version).is_none_or(|version| version >= [6, 14, 0])
    }

    /// Whether a read of a path that does not exist gives the web page, not 404 (`no_cache_staticfiles.py`).
    pub(crate) fn has_web_page_for_unknown_paths(&self) -> bool {
        numbers(&self.server_version).is_some_and(|version| version >= [6, 12, 0])
    }

    /// Whether the version is within the tested range.
    pub fn is_tested(&self) -> bool {
        self.range == TestedRange::Within
    }
}

impl fmt::Display for Compatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.range {
            TestedRange::Before => "older than",
            TestedRange::Within => "within",
            TestedRange::After => "newer than",
            TestedRange::Unknown => "not a version that can be compared with",
        };
        write!(f, "InvokeAI {} is {place} the tested versions {OLDEST_TESTED} to {NEWEST_TESTED}", self.server_version)
    }
}

/// Major, minor and patch number; what follows (`rc1`, `.post1`) does not change what the server can do.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let mut parts = version.trim().split('.');
    let mut number = |needed: bool| {
        let part = parts.next().unwrap_or_default();
        let digits = part.bytes().take_while(u8::is_ascii_digit).count();
        match part[..digits].parse() {
            Ok(number) => Some(number),
            Err(_) if !needed => Some(0),
            Err(_) => None,
        }
    };
    Some([number(true)?, number(true)?, number(false)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_placed_by_their_numbers() {
        for (version, range) in [
            ("5.15.0", TestedRange::Before),
            ("6.0.1", TestedRange::Before),
            ("6.0", TestedRange::Before),
            ("6.0.2", TestedRange::Within),
            ("6.0.2rc1", TestedRange::Within),
            ("6.9.0", TestedRange::Within),
            ("6.14.2.post1", TestedRange::Within),
            ("6.14.10", TestedRange::After),
            ("6.15.0.dev3", TestedRange::After),
            ("10.0", TestedRange::After),
            ("", TestedRange::Unknown),
            ("nightly", TestedRange::Unknown),
            ("6", TestedRange::Unknown),
            ("99999999999999999999999.1", TestedRange::Unknown),
        ] {
            assert_eq!(Compatibility::of(version).range, range, "{version}");
        }
    }

    #[test]
    fn it_is_described_in_one_sentence() {
        assert_eq!(
            Compatibility::of("6.15.0").to_string(),
            format!("InvokeAI 6.15.0 is newer than the tested versions {OLDEST_TESTED} to {NEWEST_TESTED}")
        );
        assert!(Compatibility::of(NEWEST_TESTED).is_tested() && !Compatibility::of("x").is_tested());
    }

    #[test]
    fn what_is_known_to_be_too_old_does_not_run() {
        let can_run = |version| Compatibility::of(version).can_run();
        assert!(!can_run("5.15.0") && !can_run("4.2"));
        assert!(can_run(OLDEST_RUNNING) && can_run("6.0.0rc1") && can_run("7.0.0") && can_run("nightly"));
    }
}
