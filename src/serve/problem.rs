//! Refusals and failures, as every caller gets them: problem details (RFC 9457) that name the field, the value, and what
//! would be accepted.
//!
//! Nothing about the InvokeAI server behind it is shown: no address, no path, no traceback. Those go to the log.

use std::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::wording::without_places;
use crate::{
    error::{Error, failure::JobFailure},
    workflow::InputError,
};

/// How long a caller should wait before it tries again, where nothing better is known.
const SOON: Duration = Duration::from_secs(5);

/// Most faults that one refusal names.
const FAULTS: usize = 20;

/// Why a request is refused, or a run failed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// One word for programs.
    pub(super) code: &'static str,
    pub(super) detail: String,
    pub(super) faults: Vec<Fault>,
    pub(super) retry_after: Option<Duration>,
}

/// What is wrong with one input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fault {
    pub(super) field: String,
    /// What was given, as JSON, shortened; nothing if it was not given.
    pub(super) value: Option<String>,
    /// What would be accepted, in words.
    pub(super) accepted: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), faults: Vec::new(), retry_after: None }
    }

    /// The same, to be tried again after this time.
    pub(super) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// There is nothing at this address, or nothing that this caller may know of.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    /// An input that is not accepted.
    pub(super) fn input(field: impl Into<String>, value: Option<String>, accepted: impl Into<String>) -> Self {
        let fault = Fault { field: field.into(), value, accepted: accepted.into() };
        Self::inputs(vec![fault])
    }

    /// Inputs that are not accepted.
    pub(super) fn inputs(mut faults: Vec<Fault>) -> Self {
        let more = faults.len().saturating_sub(FAULTS);
        faults.truncate(FAULTS);
        let mut told: Vec<String> = faults.iter().map(Fault::told).collect();
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        let detail = told.join("; ");
        Self { faults, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_inputs", detail) }
    }

    /// What an error of the library means to whoever asked.
    pub(super) fn of_error(error: &Error) -> Self {
        let busy = |detail: &str| Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).after(SOON);
        match error {
            Error::Input(error) => Self::inputs(faults(error)),
            Error::InvalidInput { field, problem } => Self::input(field.as_str(), None, without_places(problem)),
            Error::NotReady(problems) => {
                let fault = |problem: &crate::workflow::Problem| Fault {
                    field: problem.field.clone().unwrap_or_else(|| "workflow".to_owned()),
                    value: None,
                    accepted: without_places(&problem.message),
                };
                Self::inputs(problems.iter().map(fault).collect())
            }
            Error::QueueFull { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", "the queue of InvokeAI is full").after(SOON)
            }
            Error::NotAccepted(refusal) => {
                let detail = format!("InvokeAI does not accept this: {}", refusal.detail);
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not_accepted", without_places(&detail))
            }
            Error::NoSuch { what, names, .. } => {
                let detail = format!("InvokeAI has no {what} {}", names.join(", "));
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "not_accepted", without_places(&detail))
            }
            Error::NodesDiffer(_) => busy("the nodes of InvokeAI have changed since this service started"),
            Error::Connect { .. } => busy("InvokeAI cannot be reached"),
            Error::Server(_) => busy("InvokeAI has failed or is busy"),
            Error::Timeout { .. } | Error::WaitTimeout { .. } => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "InvokeAI did not answer in time").after(SOON)
            }
            Error::Unauthorized(_) | Error::Forbidden(_) => {
                Self::new(StatusCode::BAD_GATEWAY, "refused", "InvokeAI refuses the login of this service")
            }
            Error::JobFailed(failure) => Self::of_failure(failure),
            Error::JobCanceled { .. } => Self::new(StatusCode::CONFLICT, "canceled", "the run was canceled"),
            Error::JobGone { .. } => {
                Self::new(StatusCode::GONE, "gone", "the run was removed from the queue of InvokeAI")
            }
            _ => Self::new(StatusCode::BAD_GATEWAY, "failed", "InvokeAI, or the way to it, has failed"),
        }
    }

    /// Why a run failed.
    pub(super) fn of_failure(failure: &JobFailure) -> Self {
        let node = failure.node.as_ref().map_or_else(String::new, |node| format!("node {}: ", node.name()));
        let detail = format!("{node}{}: {}", without_places(&failure.error_type), without_places(&failure.message));
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "run_failed", detail)
    }

    /// As JSON.
    pub(super) fn to_json(&self) -> Value {
        let mut json = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.faults.is_empty() {
            json["errors"] = self.faults.iter().map(Fault::to_json).collect();
        }
        if let Some(wait) = self.retry_after {
            json["retry_after"] = seconds(wait).into();
        }
        json
    }
}

impl Fault {
    fn told(&self) -> String {
        match &self.value {
            Some(value) => format!("`{}` does not accept {value}; it accepts {}", self.field, self.accepted),
            None => format!("`{}`: {}", self.field, self.accepted),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "field": self.field, "value": self.value, "accepted": self.accepted })
    }
}

/// Every refusal of inputs.
fn faults(error: &InputError) -> Vec<Fault> {
    match error {
        InputError::Value(error) => {
            let field = error.input.clone().unwrap_or_else(|| error.field.clone());
            vec![Fault { field, value: Some(error.value.clone()), accepted: error.accepted.clone() }]
        }
        InputError::Several { errors } => errors.iter().flat_map(faults).collect(),
        other => vec![Fault { field: "inputs".into(), value: None, accepted: other.to_string() }],
    }
}

/// Whole seconds, at least one: what `Retry-After` takes.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().max(1)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds(wait).into());
        }
        response
    }
}
