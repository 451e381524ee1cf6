//! Uploading and enqueueing.

use std::future::IntoFuture as _;

use invokeai_client::{OutputBoard, Submission, Upload, WhenFull};

use super::{Run, check::Checked};
use crate::{failure::Failure, print::note};

/// The batch of a run. Its id is known before anything is sent, so it can be found whatever happens.
pub(super) struct Batch {
    pub(super) id: String,
    state: State,
}

enum State {
    /// Nothing was sent.
    NotSent,
    /// It was sent, or was about to be, and has no answer.
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

    pub(super) fn submission(&self) -> Option<Submission> {
        match &self.state {
            State::Enqueued(submission) => Some(submission.clone()),
            _ => None,
        }
    }

    /// Whether items of it may be on the queue, or get there, although no answer says so.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Unanswered)
    }
}

impl Run<'_> {
    /// Sends the files, then the workflow.
    pub(super) async fn send(&mut self, checked: Checked) -> Result<(), Failure> {
        let Checked { mut workflow, uploads } = checked;
        for upload in &uploads {
            let mut names = Vec::new();
            for file in &upload.files {
                let sent = self.client.images().upload(Upload::path(file)).intermediate(true);
                let image = self.stop.after_answer(sent.into_future()).await.map_err(Failure::Stopped)??;
                names.push(image.image_name);
            }
            upload.set(&mut workflow, names)?;
        }

        let submit = workflow.submit(self.client).queue(&self.args.queue).batch_id(&self.batch.id);
        let mut submit = submit.runs(self.args.runs).prepend(self.args.prepend).when_full(WhenFull::Feed);
        if let Some(board) = &self.args.board {
            submit = submit.board(OutputBoard::named_or_new(board));
        }
        // Said before it is sent: after that anything may end this program.
        note(format!("batch {}", self.batch.id));
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
        Ok(())
    }
}
