//! How a run has gone so far.

use std::{collections::BTreeSet, path::Path};

use super::sheet::Sheet;
use crate::{
    exit::Exit,
    print::{aside, hint, note, paint},
    style,
};

/// How the items ended so far.
pub(super) struct Tally {
    /// The worst end of an item.
    pub(super) worst: Exit,
    /// Names of the results that this run has downloaded. Items may share one, because InvokeAI caches outputs of
    /// nodes.
    pub(super) downloaded: BTreeSet<String>,
    /// Items whose ends were reported.
    pub(super) told: BTreeSet<i64>,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) canceled: u64,
    pub(super) sheet: Sheet,
    /// Items to run once more.
    pub(super) again: Vec<i64>,
    /// Items that could not be followed to their end.
    pub(super) unknown: Vec<i64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            worst: Exit::Done,
            downloaded: BTreeSet::new(),
            told: BTreeSet::new(),
            done: 0,
            failed: 0,
            canceled: 0,
            sheet: Sheet::default(),
            again: Vec::new(),
            unknown: Vec::new(),
        }
    }
}

impl Tally {
    /// Prints how many of the requested items have ended, and how, and what to do about those that may still run.
    pub(super) fn tell(&self, requested: u64) {
        /// The most items that are named.
        const NAMED: usize = 20;
        let Self { done, failed, canceled, unknown, .. } = self;
        if !unknown.is_empty() {
            let named: Vec<String> = unknown.iter().take(NAMED).map(i64::to_string).collect();
            hint(&format!(
                "invokeai-client cancel {}{}",
                named.join(" "),
                if unknown.len() > NAMED { " …" } else { "" }
            ));
        }
        if requested > 1 {
            let left = requested.saturating_sub(done + failed + canceled);
            aside(format!("{done} done, {failed} failed, {canceled} canceled, {left} left"));
        }
    }

    /// Writes the contact sheet of the images so far, if one is wanted. Returns whether that worked.
    pub(super) fn write_sheet(&self, path: Option<&Path>) -> bool {
        let Some(path) = path.filter(|_| !self.sheet.is_empty()) else { return true };
        match self.sheet.write(path) {
            Ok(()) => true,
            Err(problem) => {
                note(paint(style::BAD, "error:").then(format!(" {problem}")));
                false
            }
        }
    }
}
