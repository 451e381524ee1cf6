//! Uploads and enqueues.

use std::{
    collections::{HashMap, HashSet},
    future::IntoFuture as _,
    path::PathBuf,
};

use invokeai_client::{Client, OutputBoard, Submission, Upload, WhenFull, submission::Submit};

use super::{Run, RunArgs, follow::Rows};
use crate::{
    failure::Failure,
    given::Filled,
    print::{Bar, aside},
    ready::Ready,
};

/// The batch of a run. Its id is known before anything is sent, so it can be found whatever happens.
pub(super) struct Batch {
    pub(super) id: String,
    state: State,
}

enum State {
    /// Nothing was sent.
    NotSent,
    /// It was sent, or was about to be, and got no answer.
    Unanswered,
    /// The server refused it.
    Refused,
    /// The server has it.
    Enqueued(Submission),
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { id: uuid::Uuid::new_v4().to_string(), state: State::NotSent }
    }

    /// One that the server has.
    pub(super) fn of(submission: Submission) -> Self {
        Self { id: submission.batch_id().to_owned(), state: State::Enqueued(submission) }
    }

    pub(super) fn submission(&self) -> Option<Submission> {
        match &self.state {
            State::Enqueued(submission) => Some(submission.clone()),
            _ => None,
        }
    }

    /// Whether its items may be on the queue, or get there, although no answer says so.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Unanswered)
    }
}

/// The submission of a workflow with all values filled in.
pub(super) fn submit<'w>(args: &RunArgs, client: &Client, filled: &'w Filled) -> Submit<'w> {
    let mut submit = client.submit(&filled.workflow).queue(&args.queue).runs(args.runs).prepend(args.prepend);
    if let Some(sweep) = &filled.sweep {
        submit = submit.sweep(sweep.clone());
    }
    if let Some(board) = &args.board {
        submit = submit.board(OutputBoard::named_or_new(board));
    }
    submit
}

impl Run<'_> {
    /// Sends the files, then the workflow, with only the rows that are left. Returns whether there was anything to
    /// send.
    pub(super) async fn send(&mut self, ready: Ready, left: Option<Vec<usize>>) -> Result<bool, Failure> {
        if left.as_ref().is_some_and(Vec::is_empty) {
            aside("nothing is left to run");
            return Ok(false);
        }
        let uploaded = self.upload(&ready).await?;
        uploaded.iter().for_each(|(file, name)| self.uploads.add(file, name));
        let mut filled = ready.with_uploads(&self.args.inputs, &self.args.many, uploaded).await?;
        if let (Some(left), Some(ticket)) = (left, &mut self.ticket) {
            filled.sweep = filled.sweep.map(|sweep| sweep.select(left.iter().copied()));
            // Recorded before it is sent: whatever happens, the next try finds it.
            ticket.enqueues(&self.batch.id, &self.args.queue, &left)?;
            self.rows = Rows { of_places: left, ..Rows::default() };
        }
        let submit = submit(self.args, self.client, &filled).batch_id(&self.batch.id).when_full(WhenFull::Feed);
        // Printed before it is sent: after that, anything may end this program.
        aside(format!("batch {}", self.batch.id));
        self.batch.state = State::Unanswered;
        // Its id is known, so it can be canceled without an answer.
        match self.stop.or(submit.into_future()).await.map_err(Failure::Stopped)? {
            Ok(submission) => self.batch.state = State::Enqueued(submission),
            Err(error) => {
                if !error.may_have_been_sent() {
                    self.batch.state = State::Refused;
                }
                return Err(error.into());
            }
        }
        self.workflow = Some(filled.workflow);
        Ok(true)
    }

    /// Uploads every file once, and returns their names on the server. Uses what an earlier try uploaded, if it is
    /// still there.
    async fn upload(&mut self, ready: &Ready) -> Result<HashMap<PathBuf, String>, Failure> {
        let files = ready.filled.files.clone();
        let mut uploaded = match &self.ticket {
            Some(ticket) => self.stop.or(self.still_there(&ticket.uploads)).await.map_err(Failure::Stopped)??,
            None => HashMap::new(),
        };
        let bar = if files.len() > 1 && !self.args.json { Bar::new() } else { None };
        for (place, file) in files.iter().enumerate() {
            if uploaded.contains_key(file) {
                continue;
            }
            if let Some(bar) = &bar {
                let part = place as f64 / files.len() as f64;
                bar.show(&format!("upload {} of {}", place + 1, files.len()), part, &file.display().to_string());
            }
            let sent = self.client.images().upload(Upload::path(file)).intermediate(true);
            let image = self.stop.after_answer(sent.into_future()).await.map_err(Failure::Stopped)??;
            if let Some(ticket) = &mut self.ticket {
                ticket.uploaded(file, &image.image_name)?;
            }
            uploaded.insert(file.clone(), image.image_name);
        }
        if let Some(bar) = &bar {
            bar.clear();
        }
        Ok(uploaded)
    }

    async fn still_there(&self, uploads: &HashMap<PathBuf, String>) -> Result<HashMap<PathBuf, String>, Failure> {
        if uploads.is_empty() {
            return Ok(HashMap::new());
        }
        let mut there = HashSet::new();
        for image in self.client.images().get_many(uploads.values().cloned().collect::<HashSet<_>>()).await? {
            there.insert(image?.image_name);
        }
        let left = uploads.iter().filter(|(_, name)| there.contains(*name));
        Ok(left.map(|(file, name)| (file.clone(), name.clone())).collect())
    }
}
