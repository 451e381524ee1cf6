//! The end of a run: however it ends, everything begun is undone here and nowhere else.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use invokeai_client::{
    assets::Asset,
    cleanup::{Kept, KeptBecause},
    queue::{ItemStatus, ItemSummary},
};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{
    Run,
    fingerprint::Fingerprint,
    line::{self, Told},
    ticket::Copy,
};
use crate::{
    cleanup,
    exit::Exit,
    failure::{Failure, with_causes},
    print::{self, aside, note, paint},
    session,
    stop::Why,
    style,
    suggest::quoted,
};

/// How often, and with which pauses, to look for a batch that was sent and got no answer.
const LOOKS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// How long to wait for a reader who may not read.
const READER: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Cancels what has not ended, cleans up if asked to, and returns how the program ends. If it is asked again to
    /// stop, or runs out of time, it ends at once and prints what is left.
    pub(super) async fn end(&self, outcome: Result<(), Failure>) -> Result<Exit, Failure> {
        let exit = match &outcome {
            Ok(()) => self.tally.worst,
            Err(failure) => self.tally.worst.max(self.tell(failure)),
        };
        let undo = async {
            let canceled = if outcome.is_err() { self.cancel().await } else { true };
            let untold = self.untold().await;
            let cleaned = if self.args.cleanup && !self.is_kept_for_later() { self.clean_up().await } else { true };
            // For a series that will continue, the sheet would be incomplete.
            let sheet = self.args.results.sheet.as_deref().filter(|_| outcome.is_ok() || self.ticket.is_none());
            let sheet = self.tally.write_sheet(sheet);
            self.tell_rest(untold).await;
            canceled && cleaned && sheet
        };
        let mut undo = std::pin::pin!(undo);
        let already_asked = matches!(outcome, Err(Failure::Stopped(_)));
        let asked = async {
            match already_asked {
                true => std::future::pending().await,
                false => self.stop.asked().await,
            }
        };
        let mut asked = std::pin::pin!(asked);
        let mut was_asked = false;
        loop {
            tokio::select! {
                biased;
                why = self.stop.at_once() => {
                    note(paint(style::WARNING, "ended before everything was undone"));
                    session::tell_left_behind(self.client);
                    return Ok(exit.max(why.into()));
                }
                _ = &mut asked, if !was_asked => {
                    was_asked = true;
                    note("still cleaning up; Ctrl-C again to end at once");
                }
                undone = &mut undo => return Ok(if undone { exit } else { exit.max(Exit::Wrong) }),
            }
        }
    }

    /// The items that were not reported yet, as the server has them now.
    async fn untold(&self) -> Vec<(i64, Option<ItemSummary>)> {
        let Some(submission) = self.batch.submission() else { return Vec::new() };
        let mut ids = submission.item_ids();
        ids.retain(|id| !self.tally.told.contains(id));
        if ids.is_empty() {
            return Vec::new();
        }
        // Items that cannot be read are reported as unknown.
        let read = submission.queue().summaries(&ids).await.unwrap_or_default();
        let ours = read.into_iter().flatten().filter(|summary| summary.batch_id == submission.batch_id());
        let mut known: HashMap<i64, ItemSummary> = ours.map(|summary| (summary.item_id, summary)).collect();
        ids.into_iter().map(|id| (id, known.remove(&id))).collect()
    }

    /// Prints every item that was not reported yet, for programs, and how many were done, for people.
    async fn tell_rest(&self, untold: Vec<(i64, Option<ItemSummary>)>) {
        let requested = self.batch.submission().map_or(0, |submission| submission.requested());
        if let Some(ticket) = &self.ticket {
            let (done, failed) = (ticket.done.len(), ticket.failed.len());
            let left = ticket.rows.saturating_sub(done + failed);
            aside(format!("of {} rows: {done} done, {failed} failed, {left} left", ticket.rows));
        } else {
            self.tally.tell(requested);
        }
        let Some(submission) = self.batch.submission().filter(|_| self.args.json) else { return };
        let lines = untold.into_iter().map(|(id, summary)| {
            let status = summary.as_ref().map_or_else(|| ItemStatus::from("unknown"), |summary| summary.status.clone());
            let values = summary.and_then(|summary| summary.field_values).unwrap_or_default();
            Told {
                item_id: id,
                batch_id: submission.batch_id(),
                index: self.rows.of(&submission, id).map(|row| row + 1),
                status: &status,
                error: Some("the run was stopped before its results were read".into()),
                values: match &self.workflow {
                    Some(workflow) => line::values(workflow, &self.uploads, &values),
                    None => serde_json::Map::new(),
                },
                outputs: Vec::new(),
                files: serde_json::json!([]),
            }
            .json()
        });
        let lines: Vec<Value> = lines.collect();
        let print = print::apart(None, move |out| lines.iter().try_for_each(|line| out.json(line)));
        // If nobody reads, that must not keep the program from ending.
        let _ = timeout(READER, print).await;
    }

    /// Whether a later try needs what is on the server.
    fn is_kept_for_later(&self) -> bool {
        let Some(ticket) = &self.ticket else { return false };
        let is_left = ticket.done.len() + ticket.failed.len() < ticket.rows;
        if is_left {
            note("uploads and results stay on the server for the next --resume");
        }
        is_left
    }

    /// Prints why this ends, and returns what that means for the exit code.
    fn tell(&self, failure: &Failure) -> Exit {
        match failure {
            Failure::Stopped(Why::TimeUp) => note("time is up"),
            Failure::Stopped(_) => note("stopping; Ctrl-C again to end at once"),
            failure if failure.is_broken_pipe() => {
                note("nobody reads the output any more");
                return if self.batch.submission().is_some() { Exit::Canceled } else { Exit::Done };
            }
            _ => {}
        }
        failure.tell()
    }

    /// Cancels the batch. Returns whether it is certainly canceled.
    async fn cancel(&self) -> bool {
        let canceled = match self.batch.submission() {
            Some(submission) => submission.cancel().await,
            None if self.batch.is_unanswered() => self.cancel_unanswered().await,
            None => return true,
        };
        match canceled {
            Ok(canceled) => {
                aside(format!("canceled {canceled} items"));
                true
            }
            Err(error) => {
                note(paint(style::WARNING, format!("cannot cancel: {}", with_causes(&error))));
                session::try_command(&format!(
                    "cancel --yes --queue {} --batch {}",
                    quoted(&self.args.queue),
                    self.batch.id
                ));
                false
            }
        }
    }

    /// The request may still be on its way, or be carried out later: looks for the batch, and cancels it when it turns
    /// up.
    async fn cancel_unanswered(&self) -> invokeai_client::Result<u64> {
        let queue = self.client.queue(&self.args.queue);
        for look in 0..LOOKS {
            if look > 0 {
                sleep(PAUSE).await;
            }
            if queue.batch_status(&self.batch.id).await?.counts.total > 0 {
                return queue.cancel_batches([&self.batch.id]).await;
            }
        }
        note(format!("batch {} was sent, but no answer came: it may still turn up", self.batch.id));
        Ok(0)
    }

    /// Names of the results that are on this machine, by the files themselves: results that are recorded as downloaded may
    /// have been deleted or changed meanwhile.
    async fn results_here(&self) -> BTreeSet<String> {
        let Some(ticket) = &self.ticket else { return self.tally.downloaded.clone() };
        let copies = ticket.copies.clone();
        let intact = tokio::task::spawn_blocking(move || {
            let is_intact = |copy: &Copy| Fingerprint::of_file(&copy.path).is_ok_and(|found| found == copy.content);
            copies.into_iter().filter(|(_, copy)| is_intact(copy)).map(|((_, name), _)| name).collect()
        });
        intact.await.unwrap_or_default()
    }

    /// Deletes what this run put on the server, except results that are not on this machine, and boards with these.
    async fn clean_up(&self) -> bool {
        if self.client.assets().is_empty() {
            return true;
        }
        let cleanup = || self.client.cleanup().intermediates(true).cancel(true);
        // The first step cancels, and finds out which results there are; after that there are no more.
        let outcome = match cleanup().items(false).await {
            Err(error) => Err(error),
            Ok(first) => {
                let here = self.results_here().await;
                let is_result = |kept: &&Kept| kept.because == KeptBecause::NotAsked;
                let results = first.kept.iter().filter(is_result).map(|kept| kept.asset.clone());
                let staying: Vec<Asset> = results
                    .filter(|asset| matches!(asset, Asset::Image(name) | Asset::Video(name) if !here.contains(name)))
                    .collect();
                let second = cleanup().outputs(true).boards(staying.is_empty()).keep(staying).await;
                second.map(|second| cleanup::of_steps(first, second))
            }
        };
        match outcome {
            Ok(report) => {
                cleanup::note(&report);
                report.is_success()
            }
            Err(error) => {
                note(paint(style::WARNING, format!("cannot clean up: {}", with_causes(&error))));
                session::tell_left_behind(self.client);
                false
            }
        }
    }
}
