//! The files that a run made, as they are on the server.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use super::{
    backend::Backend,
    problem::Problem,
    runs::{Output, Shown},
};
use crate::media::{HEAD, Kind};

/// The n-th file of a run.
pub(super) async fn file(shown: &Shown, n: usize, backend: &Backend) -> Result<Response, Problem> {
    let Some(ended) = shown.record.ended() else {
        let detail = "the run has not ended, so it has no results yet";
        return Err(Problem::new(StatusCode::CONFLICT, "not_ended", detail));
    };
    let output = ended.outputs.get(n).ok_or_else(|| Problem::not_found("output of this run"))?;
    let (bytes, kind) = bytes(output, backend).await?;
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

/// A file of a run, and what it is by its bytes.
pub(super) async fn bytes(output: &Output, backend: &Backend) -> Result<(Bytes, Kind), Problem> {
    let bytes = backend.file(output.kind, &output.name).await.map_err(|error| match error.is_not_found() {
        true => Problem::new(StatusCode::GONE, "gone", "this file was deleted from InvokeAI since"),
        false => Problem::of_error(&error),
    })?;
    let head = bytes.get(..HEAD.min(bytes.len())).unwrap_or_default();
    let kind = Kind::of_bytes(head).ok_or_else(|| {
        Problem::new(StatusCode::BAD_GATEWAY, "failed", "InvokeAI gave a file of a kind that is not known")
    })?;
    Ok((bytes, kind))
}
