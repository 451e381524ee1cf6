//! What a request gives, before it is known whether it fits: JSON, or a form of several parts.

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart},
    http::{HeaderMap, Request, StatusCode, header},
};
use bytes::Bytes;
use serde_json::{Map, Value, error::Category};

use super::distinct::{self, Members};
use crate::serve::problem::Problem;

/// Most inputs of a request: parts of a form, or members of an object.
const PARTS: usize = 1000;

/// Most characters of the name of one.
const NAME: usize = 200;

/// JSON up to here is read at once. What is longer keeps nobody else waiting.
const SMALL: usize = 64 << 10;

/// One value of an input.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::serve) enum Given {
    /// As JSON.
    Json(Value),
    /// As the text of a form, which may stand for a number.
    Text(String),
    /// The bytes of a file.
    File(Bytes),
}

/// What a request gives, by the names that it uses.
pub(in crate::serve) type Inputs = Vec<(String, Vec<Given>)>;

/// The inputs of a body of this type.
pub(in crate::serve) async fn inputs(headers: &HeaderMap, body: Bytes) -> Result<Inputs, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "multipart/form-data" => parts(kind, body).await,
        "application/json" => apart(body, json).await,
        "" if body.is_empty() => Ok(Vec::new()),
        other => {
            let shown = if other.is_empty() { "none".to_owned() } else { format!("{other:?}") };
            let detail = format!("the content type is {shown}; it must be application/json or multipart/form-data");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", detail))
        }
    }
}

/// Those of an object.
pub(in crate::serve) fn of_object(members: Map<String, Value>) -> Result<Inputs, Problem> {
    of_members(members.into_iter().collect())
}

fn of_members(members: Vec<(String, Value)>) -> Result<Inputs, Problem> {
    if members.len() > PARTS {
        return Err(malformed(format!("the object has more than {PARTS} members")));
    }
    if members.iter().any(|(name, _)| name.chars().count() > NAME) {
        return Err(malformed(format!("the name of a member has more than {NAME} characters")));
    }
    Ok(members.into_iter().map(|(name, value)| (name, vec![Given::Json(value)])).collect())
}

/// Does what takes the longer, the longer a body is.
async fn apart<T: Send + 'static>(body: Bytes, work: fn(&[u8]) -> Result<T, Problem>) -> Result<T, Problem> {
    if body.len() <= SMALL {
        return work(&body);
    }
    let ended = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the service ended meanwhile");
    tokio::task::spawn_blocking(move || work(&body)).await.map_err(ended)?
}

fn json(body: &[u8]) -> Result<Inputs, Problem> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let members = Members::read(body).map_err(|error| match error.classify() {
        Category::Data => malformed(format!("the body cannot be taken: {error}")),
        _ => malformed(format!("the body is not JSON: {error}")),
    })?;
    let twice = |name: &&str| Problem::input(*name, None, "is given twice; one value is taken").faults;
    let twice: Vec<_> = members.repeated().iter().flat_map(twice).collect();
    match twice.is_empty() {
        true => of_members(members.0),
        false => Err(Problem::inputs(twice)),
    }
}

/// Refuses JSON in which a member is given twice. What is not JSON at all is for others to refuse.
pub(in crate::serve) async fn distinct(body: Bytes) -> Result<(), Problem> {
    let check = |body: &[u8]| match distinct::check(body) {
        Err(error) if error.classify() == Category::Data => {
            Err(malformed(format!("the body cannot be taken: {error}")))
        }
        _ => Ok(()),
    };
    apart(body, check).await
}

async fn parts(kind: &str, body: Bytes) -> Result<Inputs, Problem> {
    let broken = |error: &dyn std::fmt::Display| malformed(format!("the form cannot be read: {error}"));
    let request = Request::builder().header(header::CONTENT_TYPE, kind).body(Body::from(body));
    let mut request = request.map_err(|error| broken(&error))?;
    // The body was read by the limits of this service.
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
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
            Given::File(bytes)
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
