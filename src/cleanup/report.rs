//! What became of a clean-up.

use std::fmt;

use crate::{assets::Asset, error::Error};

/// What became of everything that a clean-up was about.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CleanupReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// What was deleted; of a dry run, what would be.
    pub deleted: Vec<Asset>,
    /// What is still there, and why.
    pub kept: Vec<Kept>,
    /// What could not be deleted, or not be looked for.
    pub failed: Vec<CleanupFailure>,
}

/// Something that a clean-up left where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// What.
    pub asset: Asset,
    /// Why.
    pub because: KeptBecause,
}

/// Why a clean-up left something where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptBecause {
    /// Deleting it was not asked for.
    NotAsked,
    /// It is starred.
    Starred,
    /// Another run has the same file among its results, by the invocation cache: this queue item.
    SharedWith(Asset),
    /// A queue item that has not ended reads it, or writes to it.
    NeededBy(Asset),
    /// So many files on the board are not of this clean-up's making.
    ForeignFiles(usize),
    /// The item has not ended, or the board awaits results of one.
    NotEnded,
    /// Whether others share it could not be found out.
    Undecided,
    /// Whether and under which name it was uploaded is not known, because there was no ledger.
    Untraceable,
}

/// Something that could not be deleted, or not be looked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CleanupFailure {
    /// What.
    pub asset: Asset,
    /// Why.
    pub error: Error,
}

impl CleanupReport {
    /// Whether nothing failed.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }

    /// Why something was kept, if it was.
    pub fn why_kept(&self, asset: &Asset) -> Option<&KeptBecause> {
        self.kept.iter().find(|kept| kept.asset == *asset).map(|kept| &kept.because)
    }

    pub(super) fn keep(&mut self, asset: Asset, because: KeptBecause) {
        self.kept.push(Kept { asset, because });
    }

    pub(super) fn fail(&mut self, asset: Asset, error: Error) {
        self.failed.push(CleanupFailure { asset, error });
    }
}

impl fmt::Display for KeptBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not asked for"),
            Self::Starred => f.write_str("starred"),
            Self::SharedWith(asset) => write!(f, "shared with {asset}"),
            Self::NeededBy(asset) => write!(f, "needed by {asset}"),
            Self::ForeignFiles(count) => write!(f, "{count} files on it are of others"),
            Self::NotEnded => f.write_str("a run has not ended"),
            Self::Undecided => f.write_str("whether others share it could not be found out"),
            Self::Untraceable => f.write_str("its name on the server is not known"),
        }
    }
}

/// One line for each thing.
impl fmt::Display for CleanupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (deleted, were) = if self.dry_run { ("would delete", "would be deleted") } else { ("deleted", "deleted") };
        for asset in &self.deleted {
            writeln!(f, "{deleted} {asset}")?;
        }
        for Kept { asset, because } in &self.kept {
            writeln!(f, "kept {asset}: {because}")?;
        }
        for CleanupFailure { asset, error } in &self.failed {
            writeln!(f, "failed {asset}: {error}")?;
        }
        write!(f, "{} {were}, {} kept, {} failed", self.deleted.len(), self.kept.len(), self.failed.len())
    }
}
