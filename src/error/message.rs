//! What errors say, each on one line.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use super::{Error, reason};
use crate::{base::one_line::OneLine, workflow::Problem};

/// The most names that a message lists.
const LISTED: usize = 10;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, &mut OneLine(f))
    }
}

fn write(error: &Error, f: &mut impl Write) -> fmt::Result {
    match error {
        Error::NotFound(refusal) => write!(f, "not found: {refusal}"),
        Error::Unauthorized(refusal) => write!(f, "not logged in: {refusal}"),
        Error::Forbidden(refusal) => write!(f, "not allowed: {refusal}"),
        Error::Conflict(refusal) => write!(f, "conflict: {refusal}"),
        Error::NotAccepted(refusal) => write!(f, "not accepted: {refusal}"),
        Error::Server(refusal) => write!(f, "server failure: {refusal}"),
        Error::UnexpectedStatus(refusal) => write!(f, "unexpected answer: {refusal}"),
        Error::NoSuch { what, names, suggestions } => {
            match &names[..] {
                [name] => write!(f, "there is no {what} `{name}`")?,
                names => write!(f, "there is no {what} with any of these {} names: {}", names.len(), list(names))?,
            }
            match suggestions.is_empty() {
                true => Ok(()),
                false => write!(f, "; did you mean {}?", list(suggestions)),
            }
        }
        Error::Ambiguous { what, name, ids } => {
            write!(f, "`{name}` is the name of {} {what}s; use an id: {}", ids.len(), list(ids))
        }
        Error::Refused { what, reason } => match reason {
            Some(reason) => write!(f, "the server refused {what}: {reason}"),
            None => write!(f, "the server refused {what}, and gave no reason"),
        },
        Error::WrongState { what, state, needed, .. } => write!(f, "{what} {state}; {needed}"),
        Error::InvalidInput { field, problem } => write!(f, "`{field}` {problem}"),
        Error::UnusableName { name, problem } => write!(f, "the file name \"{name}\" {problem}"),
        Error::UnusableLedger { path, problem } => {
            write!(f, "`{}` cannot be the ledger: {problem}; it was left as it is", path.display())
        }
        Error::HttpClient { cause } => write!(f, "the HTTP client cannot be set up: {}", reason(cause)),
        Error::InvalidUrl { url, problem } => write!(f, "`{url}` is not a usable server address: {problem}"),
        Error::NotTheApi { operation, method, path, content_type, expected } => write!(
            f,
            "{operation} ({method} {path}) got {content_type} instead of {expected}: is the address that of InvokeAI, \
             with the right path prefix, and does this version have the operation?"
        ),
        Error::Redirected { operation, from, to, problem } => {
            write!(f, "{operation} was redirected from {from} to {to}, {problem}")
        }
        Error::Unsupported { operation, server_version } => {
            let lacking = match server_version {
                Some(version) => Cow::Owned(format!("InvokeAI {version}")),
                None => Cow::Borrowed("the API document this crate was built with"),
            };
            write!(f, "operation `{operation}` is not part of {lacking}")
        }
        Error::TooOld { server_version, needed } => write!(
            f,
            "InvokeAI {server_version} is too old to run workflows: it does not say which queue items a submission \
             made; {needed} or newer does"
        ),
        Error::Connect { url, cause } => write!(f, "cannot connect to {url}: {}", reason(cause)),
        Error::Interrupted { operation, cause } => match cause.downcast_ref::<Error>() {
            Some(later) => write!(f, "{operation} was sent, but what came after it failed: {later}"),
            None => write!(f, "the connection broke during {operation}: {}", reason(cause)),
        },
        Error::Timeout { doing, limit, .. } => {
            write!(f, "no answer in time while {doing} (limit {} s)", limit.as_secs_f32())
        }
        Error::WaitTimeout { waiting_for, limit } => {
            write!(f, "the time limit of {} s ran out while waiting for {waiting_for}", limit.as_secs_f32())
        }
        Error::Body { operation, problem, .. } => write!(f, "the answer to {operation} {problem}"),
        Error::Decode { operation, at, problem, excerpt } => {
            write!(f, "cannot read the answer to {operation} at `{at}`: {problem}")?;
            match excerpt.is_empty() {
                true => Ok(()),
                false => write!(f, "; it begins with: {excerpt}"),
            }
        }
        Error::NotReady(problems) => write!(f, "the workflow is not ready: {}", in_words(problems)),
        Error::NodesDiffer(differences) => {
            let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
            write!(f, "the server's nodes are not those that the workflow was made with: {}", list(&differences))
        }
        Error::Definition(error) => write!(f, "{error}"),
        Error::Input(error) => write!(f, "{error}"),
        Error::Enqueue(error) => write!(f, "{error}"),
        Error::QueueFull { enqueued, requested } => {
            write!(f, "the queue took only {enqueued} of {requested} items; they were canceled")
        }
        Error::NotTakenBack { enqueued, requested, cause } => {
            write!(f, "the queue took only {enqueued} of {requested} items, and they could not be canceled: {cause}")
        }
        Error::JobFailed(failure) => write!(f, "{failure}"),
        Error::JobCanceled { item_id } => write!(f, "item {item_id} was canceled"),
        Error::JobGone { item_id } => {
            write!(f, "item {item_id} is no longer on the server, and its end was not seen")
        }
        Error::LedgerInUse { path } => {
            write!(f, "another program is using the ledger `{}`; only one at a time can", path.display())
        }
        Error::Io { action, path, cause } => write!(f, "cannot {action} `{}`: {cause}", path.display()),
        Error::Fleet { doing, problem, .. } => write!(f, "cannot {doing}: {problem}"),
    }
}

fn list(names: &[String]) -> String {
    let mut text = names[..names.len().min(LISTED)].join(", ");
    if names.len() > LISTED {
        text += &format!(" and {} more", names.len() - LISTED);
    }
    text
}

fn in_words(problems: &[Problem]) -> String {
    problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
}
