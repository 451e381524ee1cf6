//! Why a command failed, and how that is reported.

mod hint;

use std::{error::Error as AnyError, io};

use invokeai_client::Error;
use serde_json::json;

use crate::{
    exit::Exit,
    print::{self, note, paint},
    stop::Why,
    style, suggest,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] Error),
    #[error("cannot write")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Other(Box<dyn AnyError + Send + Sync>),
    /// The workflow cannot be run as it is, for these reasons.
    #[error("the workflow is not ready: {}", .0.join("; "))]
    NotReady(Vec<String>),
    /// It was asked to stop, and prints nothing more.
    #[error("stopped: {0:?}")]
    Stopped(Why),
}

impl Failure {
    /// Any other failure, with its error or a text.
    pub(crate) fn other(error: impl Into<Box<dyn AnyError + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

    /// Prints what went wrong, and returns how the program ends.
    pub(crate) fn tell(&self) -> Exit {
        match self {
            Self::Stopped(why) => (*why).into(),
            // The reader has had enough, like `head`.
            failure if failure.is_broken_pipe() => Exit::Done,
            Self::NotReady(problems) => not_ready(problems),
            Self::Client(Error::NotReady(problems)) => {
                not_ready(&problems.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>())
            }
            failure => {
                tell(failure);
                Exit::Wrong
            }
        }
    }

    /// How a program ends that has found its answer, and has printed it, or has begun to: a reader who had enough of it
    /// does not change the answer.
    pub(crate) fn after(printed: Result<(), Self>, exit: Exit) -> Result<Exit, Self> {
        match printed {
            Err(failure) if failure.is_broken_pipe() => Ok(exit),
            printed => printed.map(|()| exit),
        }
    }

    /// Whether nobody reads the output any more. A broken connection to a server is something else.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

fn not_ready(problems: &[String]) -> Exit {
    if print::errors_are_json() {
        print::json_error(
            &json!({ "message": "the workflow is not ready", "kind": "not_ready", "problems": problems }),
        );
        return Exit::NotReady;
    }
    for problem in problems {
        note(paint(style::WARNING, "not ready:").then(format!(" {problem}")));
    }
    print::hint("set what is missing with --set NAME=VALUE or --upload NAME=FILE");
    Exit::NotReady
}

/// Prints an error with its causes and the next step.
pub(crate) fn tell(error: &(dyn AnyError + 'static)) {
    if print::errors_are_json() {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let hint = hint::for_error(error).map(suggest::completed);
        print::json_error(&json!({ "message": error.to_string(), "kind": "error", "causes": causes, "hint": hint }));
        return;
    }
    note(paint(style::BAD, "error:").then(format!(" {error}")));
    let mut cause = error.source();
    while let Some(error) = cause {
        note(format!("  because: {error}"));
        cause = error.source();
    }
    if let Some(hint) = hint::for_error(error) {
        print::hint(&suggest::completed(hint));
    }
}

/// An error and its causes, on one line.
pub(crate) fn with_causes(error: &(dyn AnyError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
