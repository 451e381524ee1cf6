//! Follows every item to its end, and downloads its results.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    pin::pin,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use invokeai_client::{
    Client, Error, FinishedJob, Job, Submission,
    outputs::Outputs,
    queue::{FieldValue, ItemSummary},
    workflow::Workflow,
};

use super::{
    ResultArgs,
    display::Display,
    line::{self, Ended},
    results::{self, About, Results, Saving},
    retries,
    sheet::Sheet,
    tally::Tally,
    ticket::{self, Done, Picture},
    uploads::Uploads,
};
use crate::{
    exit::Exit,
    failure::{Failure, with_causes},
    print::{Out, apart, note, paint},
    style,
};

/// How long nothing is read that is not needed, after the server did not answer.
const SPARED: Duration = Duration::from_secs(60);

/// Maps the items of a batch to rows of the run.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// By their positions in the batch; empty if row and position are the same.
    pub(super) of_places: Vec<usize>,
    /// By their ids, if a batch is resumed.
    pub(super) of_items: HashMap<i64, usize>,
    /// Items that an earlier try has run again, and that are not run once more.
    pub(super) retries: HashSet<i64>,
}

impl Rows {
    /// The row of an item, from 0.
    pub(super) fn of(&self, submission: &Submission, item_id: i64) -> Option<usize> {
        if let Some(row) = self.of_items.get(&item_id) {
            return Some(*row);
        }
        let place = submission.item_ids().binary_search(&item_id).ok()?;
        if self.of_places.is_empty() { Some(place) } else { self.of_places.get(place).copied() }
    }
}

/// What to follow, and what to do with the results.
#[derive(Clone, Copy)]
pub(super) struct Followed<'a> {
    pub(super) args: &'a ResultArgs,
    /// Whether items are printed as JSON.
    pub(super) json: bool,
    /// Whether files must be on disk before anything is recorded or deleted because of them.
    pub(super) durable: bool,
    pub(super) client: &'a Client,
    pub(super) workflow: &'a Workflow,
    pub(super) rows: &'a Rows,
    pub(super) uploads: &'a Uploads,
}

/// Follows every item to its end.
pub(super) async fn follow(
    followed: Followed<'_>,
    submission: Submission,
    tally: &mut Tally,
    ticket: &mut Option<ticket::Ticket>,
) -> Result<(), Failure> {
    let Followed { args, client, rows, .. } = followed;
    Follower::new(followed, submission.clone(), tally, ticket, args.retry_failed).all().await?;
    let again = std::mem::take(&mut tally.again);
    if again.is_empty() {
        return Ok(());
    }
    let fresh = retries::run_again(&submission, &again).await?;
    // By their rows: of several that run one again, the newest.
    let fresh: BTreeMap<usize, i64> =
        fresh.into_iter().filter_map(|(id, old)| Some((rows.of(&submission, old)?, id))).collect();
    for (id, row) in again.iter().map(|id| (*id, rows.of(&submission, *id))) {
        // The server runs again only what it finds.
        if row.is_none_or(|row| !fresh.contains_key(&row)) {
            tally.failed += 1;
            tally.worst = tally.worst.max(Exit::Failed);
            if let (Some(ticket), Some(row)) = (ticket.as_mut(), row) {
                ticket.failed(row, id, None)?;
            }
        }
    }
    let item_ids: Vec<i64> = fresh.values().copied().collect();
    if item_ids.is_empty() {
        return Ok(());
    }
    let retried = Rows { of_items: fresh.into_iter().map(|(row, id)| (id, row)).collect(), ..Rows::default() };
    if let Some(ticket) = ticket.as_mut() {
        ticket.enqueued(submission.batch_id(), retried.of_items.iter().map(|(item, row)| (*item, *row)))?;
    }
    let submission = retries::attach(client, submission.queue().id(), submission.batch_id(), item_ids).await?;
    Follower::new(Followed { rows: &retried, ..followed }, submission, tally, ticket, false).all().await
}

struct Follower<'a> {
    args: &'a ResultArgs,
    json: bool,
    saving: Saving<'a>,
    client: &'a Client,
    workflow: &'a Workflow,
    rows: &'a Rows,
    uploads: &'a Uploads,
    submission: Submission,
    tally: &'a mut Tally,
    ticket: &'a mut Option<ticket::Ticket>,
    /// Whether failed items are run once more.
    retries: bool,
    /// When the values of an item were asked for in vain.
    unanswered: Option<Instant>,
    /// How many items the ticket knows.
    recorded: u64,
}

impl<'a> Follower<'a> {
    fn new(
        Followed { args, json, durable, client, workflow, rows, uploads }: Followed<'a>,
        submission: Submission,
        tally: &'a mut Tally,
        ticket: &'a mut Option<ticket::Ticket>,
        retries: bool,
    ) -> Self {
        let saving = Saving { args, client, durable };
        let (unanswered, recorded) = (None, 0);
        Self {
            args,
            json,
            saving,
            client,
            workflow,
            rows,
            uploads,
            submission,
            tally,
            ticket,
            retries,
            unanswered,
            recorded,
        }
    }
}

impl Follower<'_> {
    /// Follows every item of the submission.
    async fn all(&mut self) -> Result<(), Failure> {
        let submission = self.submission.clone();
        let mut display = Display::new(self.json, &submission);
        let mut ends = pin!(submission.ends());
        let mut events = submission.events().fuse();
        let mut refused = None;
        loop {
            self.record_items()?;
            tokio::select! {
                biased;
                end = ends.next() => {
                    match end {
                        Some(Ok((job, end))) => {
                            self.item(&display, &job, &end).await?;
                            display.ended();
                        }
                        // The rest was not enqueued; what was enqueued goes on.
                        Some(Err(error)) => refused = refused.or(Some(error)),
                        None => break,
                    }
                }
                Some(Ok(event)) = events.next() => display.take(&submission, &event),
            }
        }
        match refused {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Records which rows the items run, as soon as they are on the queue. Parts of a large batch are added while it runs.
    fn record_items(&mut self) -> Result<(), Failure> {
        let Some(ticket) = self.ticket.as_mut().filter(|_| self.submission.enqueued() != self.recorded) else {
            return Ok(());
        };
        let items = self.submission.item_ids();
        self.recorded = items.len() as u64;
        let rows = items.iter().filter_map(|item| Some((*item, self.rows.of(&self.submission, *item)?)));
        ticket.enqueued(self.submission.batch_id(), rows)
    }

    /// Prints how an item ended, and downloads its results.
    async fn item(
        &mut self,
        display: &Display,
        job: &Job,
        end: &invokeai_client::Result<FinishedJob>,
    ) -> Result<(), Failure> {
        let id = job.item_id();
        let tries_again = self.count(id, end);
        let row = self.rows.of(&job.submission(), id);
        let index = row.map(|row| row + 1);
        let mut trouble = Vec::new();
        let fields = self.fields(id).await.unwrap_or_else(|error| {
            trouble.push(format!("its values cannot be read: {}", with_causes(&error)));
            Vec::new()
        });
        let values = line::values(self.workflow, self.uploads, &fields);
        let mut results = Results::default();
        let mut pictures = Vec::new();
        let mut outputs = None;
        if let Ok(finished) = end {
            match finished.outputs().await {
                Ok(found) => outputs = Some(found),
                Err(error) => trouble.push(format!("the results cannot be read: {}", with_causes(&error))),
            }
        }
        if let Some(outputs) = &outputs {
            let submission = job.submission();
            let batch_id = submission.batch_id();
            let about =
                About { workflow: self.workflow, values: &fields, uploads: self.uploads, row, item_id: id, batch_id };
            let made = results::of(outputs);
            results = results::download(&self.saving, &made, &about, self.tally, self.ticket).await;
            trouble.append(&mut results.missing);
        }
        let ended = Ended { job, end, index, values: &values, outputs: outputs.as_ref(), here: &results.here };
        let json = |trouble: &[String]| self.json.then(|| ended.json(trouble));
        let picture = outputs.as_ref().and_then(|outputs| results.first_picture(outputs));
        // Before waiting for anything else: if this program is stopped now, the item must not be run twice, and the
        // next try prints its line.
        if let (Some(ticket), Some(row)) = (self.ticket.as_mut(), row) {
            match (end, &outputs) {
                (Ok(_), Some(outputs)) if trouble.is_empty() => {
                    let batch = job.submission().batch_id().to_owned();
                    let done = Done { item: id, batch, values: fields.clone(), results: results::of(outputs) };
                    ticket.done(row, done, json(&[]))?;
                }
                (Err(Error::JobFailed(_)), _) if !tries_again => ticket.failed(row, id, json(&trouble))?,
                _ => {}
            }
        }
        if let Some(outputs) = &outputs {
            pictures = self.draw(outputs, picture.as_ref(), index, &mut trouble).await;
        }
        if !trouble.is_empty() {
            self.tally.worst = self.tally.worst.max(Exit::Wrong);
            for problem in &trouble {
                display.note(paint(style::BAD, "error:").then(format!(" item {id}: {problem}")));
            }
        }
        let ended = Ended { job, end, index, values: &values, outputs: outputs.as_ref(), here: &results.here };
        let json = self.json.then(|| ended.json(&trouble));
        let lines = if self.json { Vec::new() } else { ended.lines() };
        let printed = match (self.ticket.as_mut(), row) {
            (Some(ticket), Some(row)) => Some(ticket.printed(row)?),
            _ => None,
        };
        let print = move |out: &mut Out<'_>| {
            json.iter().try_for_each(|json| out.json(json))?;
            lines.into_iter().try_for_each(|line| out.line(line))?;
            pictures.iter().try_for_each(|picture| out.own_bytes(picture.as_bytes()))?;
            printed.map_or(Ok(()), |printed| printed())
        };
        // Whoever stops this from here on does not stop the printing.
        self.tally.told.insert(id);
        Ok(apart(display.bar(), print).await?)
    }

    /// Counts how it ended. Returns whether to run it once more.
    fn count(&mut self, id: i64, end: &invokeai_client::Result<FinishedJob>) -> bool {
        let exit = match end {
            Ok(_) => {
                self.tally.done += 1;
                Exit::Done
            }
            Err(Error::JobFailed(_)) if self.retries && !self.rows.retries.contains(&id) => {
                self.tally.again.push(id);
                return true;
            }
            Err(Error::JobFailed(_)) => {
                self.tally.failed += 1;
                Exit::Failed
            }
            Err(Error::JobCanceled { .. }) => {
                self.tally.canceled += 1;
                Exit::Canceled
            }
            // Nobody knows how it ends.
            Err(error) if error.is_retryable() => {
                self.tally.unknown.push(id);
                Exit::Wrong
            }
            Err(_) => {
                self.tally.failed += 1;
                Exit::Wrong
            }
        };
        self.tally.worst = self.tally.worst.max(exit);
        false
    }

    /// The values that the batch put into the item. Empty for a server that does not answer: it is not asked for those of
    /// each. A server that lost its database may have somebody else's item of this number.
    async fn fields(&mut self, id: i64) -> Result<Vec<FieldValue>, Error> {
        if self.submission.is_silent() || self.unanswered.is_some_and(|then| then.elapsed() < SPARED) {
            return Ok(Vec::new());
        }
        let read = self.submission.queue().summaries(&[id]).await;
        self.unanswered = read.as_ref().is_err_and(Error::is_retryable).then(Instant::now);
        let is_ours = |summary: &ItemSummary| summary.batch_id == self.submission.batch_id();
        let summary = read?.pop().and_then(Result::ok).filter(is_ours);
        Ok(summary.and_then(|summary| summary.field_values).unwrap_or_default())
    }

    /// Adds the item to the sheet, and prepares what is shown on the terminal.
    async fn draw(
        &mut self,
        outputs: &Outputs,
        picture: Option<&Picture>,
        index: Option<usize>,
        trouble: &mut Vec<String>,
    ) -> Vec<String> {
        if let (Some(_), Some(picture)) = (&self.args.sheet, picture) {
            let items = self.ticket.as_ref().map_or(self.submission.requested(), |ticket| ticket.rows as u64);
            let added = self.tally.sheet.add(self.client, picture, index.unwrap_or(usize::MAX), items).await;
            trouble.extend(added.err());
        }
        if !self.args.show {
            return Vec::new();
        }
        match results::show(self.client, outputs).await {
            Ok(shown) => shown,
            Err(problem) => {
                trouble.push(problem);
                Vec::new()
            }
        }
    }
}

/// Adds the results of earlier tries to the sheet. At the end, because it takes a while. Returns whether all are on it.
pub(super) async fn catch_up_sheet(client: &Client, ticket: &ticket::Ticket, sheet: &mut Sheet) -> bool {
    let mut is_whole = true;
    for (row, picture) in ticket.pictures() {
        if sheet.has(row + 1) {
            continue;
        }
        if let Err(problem) = sheet.add(client, &picture, row + 1, ticket.rows as u64).await {
            note(paint(style::BAD, "error:").then(format!(" {problem}")));
            is_whole = false;
        }
    }
    is_whole
}

/// Prints the lines that an earlier try has recorded but may not have printed.
pub(super) async fn catch_up_lines(ticket: &mut ticket::Ticket) -> Result<(), Failure> {
    for (row, line) in ticket.unprinted.clone() {
        let printed = ticket.printed(row)?;
        apart(None, move |out: &mut Out<'_>| out.json(&line).and_then(|()| printed())).await?;
    }
    Ok(())
}
