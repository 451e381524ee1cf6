//! Outcome of a clean-up.

use std::fmt;

use crate::{assets::Asset, error::Error};

/// What happened to everything that a clean-up covered.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct CleanupReport {
    /// Whether this was a dry run, in which nothing was changed.
    pub dry_run: bool,
    /// What was deleted; of a dry run, what would be.
    pub deleted: Vec<Asset>,
    /// What is still there, and why.
    pub kept: Vec<Kept>,
    /// What could not be deleted or looked for.
    pub failed: Vec<CleanupFailure>,
    /// What may still be there: it could not be determined whether it is, or whether it is this client's.
    pub undetermined: Vec<Undetermined>,
}

crate::base::debug::short_debug! { CleanupReport { dry_run, deleted, kept, failed, undetermined } }

/// Something that a clean-up left where it was.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// The thing itself.
    pub asset: Asset,
    /// Why.
    pub because: KeptBecause,
}

crate::base::debug::short_debug! { Kept { asset, because } }

/// Why a clean-up left something where it was.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptBecause {
    /// Deleting it was not asked for.
    NotAsked,
    /// It is starred.
    Starred,
    /// The caller wants it to be [kept](super::Cleanup::keep).
    Spared,
    /// Another run has the same file among its results, by the invocation cache: this queue item.
    SharedWith(Asset),
    /// A queue item that has not ended reads it, or writes to it, or this program is about to use it for that.
    NeededBy(Asset),
    /// This many files on the board were not made by what is cleaned up.
    ForeignFiles(usize),
    /// The item leads to this file, which could not be deleted: without it, nobody would find the file again.
    LeadsTo(Asset),
    /// The item has not ended, or the board awaits results of one.
    NotEnded,
    /// This program is working on it at the same time.
    UnderWay,
    /// It could not be determined whether others share it.
    Undecided,
}

crate::base::debug::short_debug! {
    enum KeptBecause {
        NotAsked,
        Starred,
        Spared,
        SharedWith(value),
        NeededBy(value),
        ForeignFiles(value),
        LeadsTo(value),
        NotEnded,
        UnderWay,
        Undecided,
    }
}

/// Something that could not be deleted or looked for.
#[derive(Clone)]
#[non_exhaustive]
pub struct CleanupFailure {
    /// The thing itself.
    pub asset: Asset,
    /// Why.
    pub error: Error,
}

crate::base::debug::short_debug! { CleanupFailure { asset, error } }

/// Something that may still be on the server.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undetermined {
    /// The thing itself.
    pub asset: Asset,
    /// Why it could not be determined.
    pub because: UndeterminedBecause,
}

crate::base::debug::short_debug! { Undetermined { asset, because } }

/// Why it could not be determined whether something is on the server, or whose it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndeterminedBecause {
    /// The answer to the upload was lost, and the file cannot be distinguished from others that were uploaded under the
    /// session that the caller chose.
    NoMark,
    /// The answer to its creation was lost, and the ledger, of an older version, only has its name, which boards of
    /// others may have, too.
    OnlyItsName,
    /// The request was sent a moment ago, and may still be carried out. A clean-up that is not a dry run waits for
    /// that.
    MayStillArrive,
    /// A node of the canceled item still ran when the clean-up ended its wait, and may save a file.
    NodeRuns,
    /// This many items of the batch were deleted from the queue by others, so that files they made cannot be found.
    ItemsGone(usize),
    /// The server counts this many more items in the batch than it lists.
    ItemsNotListed(u64),
    /// The server's list has the item in this batch, but the item itself is in another one.
    Contradiction,
    /// The client has not recorded the batch, and the queue has no item of it: it never had, or others deleted them all,
    /// so that files they made cannot be found.
    NoItems,
    /// The client has not recorded the batch, and between its items this many are gone from the queue. Most likely they
    /// were of this batch, and files they made cannot be found.
    Gaps(u64),
    /// This many lines of the ledger are damaged, so that what they recorded cannot be found.
    UnreadableLines(usize),
}

crate::base::debug::short_debug! {
    enum UndeterminedBecause {
        NoMark,
        OnlyItsName,
        MayStillArrive,
        NodeRuns,
        ItemsGone(value),
        ItemsNotListed(value),
        Contradiction,
        NoItems,
        Gaps(value),
        UnreadableLines(value),
    }
}

impl CleanupReport {
    /// Whether nothing failed, and nothing is undetermined.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty() && self.undetermined.is_empty()
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

    pub(super) fn cannot_tell(&mut self, asset: Asset, because: UndeterminedBecause) {
        self.undetermined.push(Undetermined { asset, because });
    }
}

impl fmt::Display for KeptBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("not asked for"),
            Self::Starred => f.write_str("starred"),
            Self::Spared => f.write_str("to be kept"),
            Self::SharedWith(asset) => write!(f, "shared with {asset}"),
            Self::NeededBy(asset) => write!(f, "needed by {asset}"),
            Self::ForeignFiles(count) => write!(f, "{count} files on it belong to others"),
            Self::LeadsTo(asset) => write!(f, "leads to {asset}, which could not be deleted"),
            Self::NotEnded => f.write_str("a run has not ended"),
            Self::UnderWay => f.write_str("this program is working on it"),
            Self::Undecided => f.write_str("it could not be determined whether others share it"),
        }
    }
}

impl fmt::Display for UndeterminedBecause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMark => f.write_str("its name on the server is not known, nor anything to find it by"),
            Self::OnlyItsName => f.write_str("only its name is known, which boards of others may have, too"),
            Self::MayStillArrive => f.write_str("the request may still be carried out"),
            Self::NodeRuns => f.write_str("a node of it still runs, and may save a file"),
            Self::ItemsGone(1) => f.write_str("an item is gone from the queue, and files it made cannot be found"),
            Self::ItemsGone(count) => {
                write!(f, "{count} items are gone from the queue, and files they made cannot be found")
            }
            Self::ItemsNotListed(count) => write!(f, "the server does not list {count} of its items"),
            Self::Contradiction => f.write_str("the server says that it is of this batch, and of another one"),
            Self::NoItems => f.write_str("the queue knows nothing of it, so files it made cannot be found"),
            Self::Gaps(1) => f.write_str("an item between its items is gone from the queue, and may have made files"),
            Self::Gaps(count) => {
                write!(f, "{count} items between its items are gone from the queue, and may have made files")
            }
            Self::UnreadableLines(1) => f.write_str("a line is damaged, and what it recorded cannot be found"),
            Self::UnreadableLines(count) => {
                write!(f, "{count} lines are damaged, and what they recorded cannot be found")
            }
        }
    }
}

/// One line for each thing, and the counts. "0 failed" is said only if everything could be determined.
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
        for Undetermined { asset, because } in &self.undetermined {
            writeln!(f, "undetermined {asset}: {because}")?;
        }
        write!(f, "{} {were}, {} kept", self.deleted.len(), self.kept.len())?;
        if !self.failed.is_empty() || self.undetermined.is_empty() {
            write!(f, ", {} failed", self.failed.len())?;
        }
        match self.undetermined.len() {
            0 => Ok(()),
            count => write!(f, ", {count} could not be determined"),
        }
    }
}
