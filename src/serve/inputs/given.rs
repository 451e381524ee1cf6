//! What a request gives, before it is known whether it fits: JSON, or a form of several parts.

use axum::{
    body::Body,
    extract::{FromRequest as _, Multipart},
    http::{HeaderMap, Request, StatusCode, header},
};
use bytes::Bytes;
use serde_json::{Map, Value, error::Category};

use super::{
    distinct::{Distinct, Members},
    picture::Picture,
};
use crate::serve::problem::Problem;

/// Most parts of a form.
const PARTS: usize = 1000;

/// Most characters of the name of a part.
const NAME: usize = 200;

/// One value of an input.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::serve) enum Given {
    /// As JSON.
    Json(Value),
    /// As the text of a form, which may stand for a number.
    Text(String),
    /// A file.
    File(Picture),
}

/// What a request gives, by the names that it uses.
pub(in crate::serve) type Inputs = Vec<(String, Vec<Given>)>;

/// The inputs of a body of this type.
pub(in crate::serve) async fn inputs(headers: &HeaderMap, body: Bytes) -> Result<Inputs, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "multipart/form-data" => parts(kind, body).await,
        "application/json" => json(&body),
        "" if body.is_empty() => Ok(Vec::new()),
        other => {
            let shown = if other.is_empty() { "none".to_owned() } else { format!("{other:?}") };
            let detail = format!("the content type is {shown}; it must be application/json or multipart/form-data");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
        }
    }
}

/// Those of an object.
pub(in crate::serve) fn of_object(members: Map<String, Value>) -> Inputs {
    members.into_iter().map(|(name, value)| (name, vec![Given::Json(value)])).collect()
}

fn json(body: &[u8]) -> Result<Inputs, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let members: Members = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => malformed(format!("the body cannot be taken: {error}")),
        _ => malformed(format!("the body is not JSON: {error}")),
    })?;
    let twice = |name: &&str| Problem::input(*name, None, "is given twice; one value is taken").faults;
    let twice: Vec<_> = members.repeated().iter().flat_map(twice).collect();
    match twice.is_empty() {
        true => Ok(members.0.into_iter().map(|(name, value)| (name, vec![Given::Json(value)])).collect()),
        false => Err(Problem::inputs(twice)),
    }
}

/// Refuses JSON in which a member is given twice. What is not JSON at all is for others to refuse.
pub(in crate::serve) fn distinct(body: &[u8]) -> Result<(), Problem> {
    match Distinct::check(body) {
        Err(error) if error.classify() == Category::Data => {
            Err(malformed(format!("the body cannot be taken: {error}")))
        }
        _ => Ok(()),
    }
}

async fn parts(kind: &str, body: Bytes) -> Result<Inputs, Problem> {
    let broken = |error: &dyn std::fmt::Display| malformed(format!("the form cannot be read: {error}"));
    let request = Request::builder().header(header::CONTENT_TYPE, kind).body(Body::from(body));
    let request = request.map_err(|error| broken(&error))?;
    let form = Multipart::from_request(request.map(|body| body), &()).await;
    let mut form = form.map_err(|error| broken(&error.body_text()))?;
    let mut inputs: Inputs = Vec::new();
    let mut count = 0;
    loop {
        let part = match form.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => return Ok(inputs),
            Err(error) => return Err(broken(&error.body_text())),
        };
        count += 1;
        if count > PARTS {
            return Err(malformed(format!("the form has more than {PARTS} parts")));
        }
        let Some(name) = part.name().filter(|name| !name.is_empty()).map(str::to_owned) else {
            return Err(malformed("a part of the form has no name".into()));
        };
        if name.chars().count() > NAME {
            return Err(malformed(format!("the name of a part has more than {NAME} characters")));
        }
        let is_file = part.file_name().is_some() || part.content_type().is_some_and(|kind| kind.starts_with("image/"));
        let bytes = part.bytes().await.map_err(|error| broken(&error.body_text()))?;
        let given = if is_file {
            // Browsers send an empty file for a picker in which nothing was chosen.
            if bytes.is_empty() {
                continue;
            }
            Given::File(Picture::read(&name, bytes)?)
        } else {
            let text = std::str::from_utf8(&bytes);
            let text = text.map_err(|_| Problem::input(&*name, None, "text in UTF-8, or a file with a file name"))?;
            Given::Text(text.to_owned())
        };
        match inputs.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => all.push(given),
            None => inputs.push((name, vec![given])),
        }
    }
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
}
