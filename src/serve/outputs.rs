//! What a run made: files as they are on the server, texts and numbers.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use serde_json::Value;

use super::{
    backend::Backend,
    problem::Problem,
    state::{Shown, What},
};
use crate::media::{FileKind, HEAD, Kind};

/// The n-th output of a run.
pub(super) async fn file(shown: &Shown, n: usize, backend: &Backend) -> Result<Response, Problem> {
    let Some(ended) = shown.record.ended() else {
        let detail = "the run has not ended, so it has no results yet";
        return Err(Problem::new(StatusCode::CONFLICT, "not_ended", detail));
    };
    let output = ended.outputs.get(n).ok_or_else(|| Problem::not_found("output of this run"))?;
    let (kind, name) = match &output.what {
        What::File { kind, name, .. } => (*kind, name),
        What::Value { value, .. } => return Ok(told(value)),
    };
    let (bytes, kind) = bytes(kind, name, backend).await?;
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind.label()));
    // A file of this name never changes.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
    let name = format!("inline; filename=\"{}-{n}.{}\"", shown.record.id, kind.ending());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// A text as it is, and all else as JSON.
fn told(value: &Value) -> Response {
    let (kind, body) = match value {
        Value::String(text) => ("text/plain; charset=utf-8", text.clone()),
        value => ("application/json", value.to_string()),
    };
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}

/// A file of a run, and what it is by its bytes.
pub(super) async fn bytes(kind: FileKind, name: &str, backend: &Backend) -> Result<(Bytes, Kind), Problem> {
    let bytes = backend.file(kind, name).await.map_err(|error| match error.is_not_found() {
        true => Problem::new(StatusCode::GONE, "gone", "this file was deleted from InvokeAI since"),
        false => Problem::of_error(&error),
    })?;
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    let kind = Kind::of_bytes(head).ok_or_else(|| {
        Problem::new(StatusCode::BAD_GATEWAY, "failed", "InvokeAI gave a file of a kind that is not known")
    })?;
    Ok((bytes, kind))
}
