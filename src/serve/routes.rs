//! The addresses of a service, and what answers there.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use uuid::Uuid;

use super::{
    IDEMPOTENCY_KEY, PREFER,
    access::Access,
    agents::Agents,
    backend::Backend,
    events,
    inputs::{self, Reader},
    limits::Limits,
    offer::Offer,
    openapi, outputs, page,
    problem::Problem,
    runs::{Runs, Taken},
    state::{Key, Shown},
};

/// How long a cancellation waits to see its end.
const CANCELING: Duration = Duration::from_secs(2);

/// When to try again to follow a run.
const STREAMS: Duration = Duration::from_secs(5);

/// Most bytes of a refusal of the protocol of agents.
const REFUSAL: usize = 10_000;

/// Longest idempotency key.
const KEY: usize = 255;

/// What answers share.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) access: Access,
    pub(super) backend: Arc<Backend>,
    pub(super) offers: Arc<Vec<Offer>>,
    pub(super) limits: Limits,
    pub(super) runs: Runs,
    pub(super) reader: Reader,
    /// One permit for each request that waits for the end of its run.
    pub(super) waiting: Semaphore,
    /// One permit for each stream of events.
    pub(super) streams: Arc<Semaphore>,
}

type Shared = State<Arc<Service>>;
type Answer = Result<Response, Problem>;

/// Every address.
pub(super) fn router(service: Arc<Service>) -> Router {
    let cors = service.access.cors();
    let agents = Agents {
        backend: Arc::clone(&service.backend),
        offers: Arc::clone(&service.offers),
        runs: service.runs.clone(),
    };
    let agents = Router::new()
        .route_service("/mcp", agents.over_http(&service.limits))
        .layer(from_fn_with_state(Arc::clone(&service), read_whole));
    Router::new()
        .route("/workflows/{name}/runs", post(start))
        .route("/runs/{id}", get(show).delete(cancel))
        .route("/runs/{id}/events", get(follow))
        .route("/runs/{id}/outputs/{n}", get(output))
        .route("/openapi.json", get(document))
        .route("/", get(form))
        .route("/page.js", get(async || page::script()))
        .route("/page.css", get(async || page::style()))
        .fallback(async || Problem::not_found("address"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this address has no such method")
        })
        .with_state(Arc::clone(&service))
        .merge(agents)
        .layer(from_fn_with_state(service, guard))
        // Outside of it, so that pages that may ask can also read why they are refused.
        .layer(cors)
}

/// Lets in who may come in, and says to browsers what they may do with the answer.
async fn guard(State(service): Shared, request: Request, next: Next) -> Response {
    let is_page = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|kinds| kinds.to_str().is_ok_and(|kinds| kinds.contains("text/html")));
    let checked = service.access.check(request.headers(), request.uri());
    let mut response = match checked {
        Err(problem) => problem.into_response(),
        Ok(()) => next.run(request).await,
    };
    let is_unauthorized = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    if is_unauthorized {
        // People log in with the token as the password; programs are not asked for one.
        let scheme = if is_page { "Basic realm=\"the token is the password\"" } else { "Bearer" };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static("default-src 'none'; sandbox"));
    response
}

/// Reads a body by the limits of this service, before somebody reads it who has none, and takes the last of what is given
/// twice.
async fn read_whole(State(service): Shared, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let read = service.reader.read(&parts.headers, body).await;
    let checked = match read {
        Ok(read) => inputs::distinct(read.bytes.clone()).await.map(|()| read),
        refused => refused,
    };
    match checked {
        Ok(read) => told(next.run(Request::from_parts(parts, Body::from(read.bytes.clone()))).await).await,
        Err(problem) => problem.into_response(),
    }
}

/// A refusal in the words of this service.
async fn told(response: Response) -> Response {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !response.status().is_client_error() || is_json {
        return response;
    }
    let (parts, body) = response.into_parts();
    // It is short; a longer one is left out.
    let text = axum::body::to_bytes(body, REFUSAL).await.unwrap_or_default();
    let code = if parts.status == StatusCode::METHOD_NOT_ALLOWED { "method" } else { "protocol" };
    let mut told = Problem::new(parts.status, code, String::from_utf8_lossy(&text)).into_response();
    if let Some(allowed) = parts.headers.get(header::ALLOW) {
        told.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    told
}

async fn start(State(service): Shared, name: Result<Path<String>, PathRejection>, request: Request<Body>) -> Answer {
    let name = name.map_err(|_| Problem::not_found("workflow"))?.0;
    let Some(offer) = service.offers.iter().position(|offer| offer.name == name) else {
        let names: Vec<&str> = service.offers.iter().map(|offer| &*offer.name).collect();
        let detail = format!("there is no such workflow; there are {}", names.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
    };
    let (parts, body) = request.into_parts();
    let wait = wait(&parts.headers, service.limits.wait)?;
    let key = key(&parts.headers)?;
    let read = service.reader.read(&parts.headers, body).await?;
    let given = inputs::inputs(&parts.headers, read.bytes.clone()).await?;
    let key = key.map(|text| Key { digest: inputs::digest(&service.offers[offer], &given), text });
    // A run that is known is given without asking what is behind.
    let known = match &key {
        Some(key) => service.runs.of_key(key).await?,
        None => None,
    };
    let Taken { mut run, is_known } = match known {
        Some(known) => known,
        None => {
            let filled = inputs::fill(&service.offers[offer], &service.backend, given).await?;
            service.runs.take(offer, filled, key).await?
        }
    };
    drop(read);
    // It is a preference only: where many wait, room is left for others.
    let waiting = wait.zip(service.waiting.try_acquire().ok());
    if let Some((wait, _)) = &waiting {
        // When the time is up the answer is the run as it is.
        _ = timeout(*wait, run.wait_for(Shown::is_ended)).await;
    }
    let shown = run.borrow().clone();
    let status = match (shown.is_ended(), is_known) {
        (true, true) => StatusCode::OK,
        (true, false) => StatusCode::CREATED,
        (false, _) => StatusCode::ACCEPTED,
    };
    let mut response = json(status, &shown.to_json());
    let headers = response.headers_mut();
    if let Ok(address) = HeaderValue::from_str(&format!("/runs/{}", shown.record.id)) {
        headers.insert(header::LOCATION, address);
    }
    if let Some((wait, _)) = waiting
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", wait.as_secs()))
    {
        headers.insert(HeaderName::from_static("preference-applied"), applied);
    }
    Ok(response)
}

async fn show(State(service): Shared, id: Result<Path<String>, PathRejection>) -> Answer {
    Ok(json(StatusCode::OK, &run(&service, id.ok().map(|id| id.0)).await?.to_json()))
}

async fn cancel(State(service): Shared, id: Result<Path<String>, PathRejection>) -> Answer {
    let shown = run(&service, id.ok().map(|id| id.0)).await?;
    let id = shown.record.id;
    let watched = service.runs.watch(id);
    service.runs.cancel(id).await?;
    let shown = match watched {
        Some(mut watched) => {
            // What is being computed ends with its step.
            _ = timeout(CANCELING, watched.wait_for(Shown::is_ended)).await;
            watched.borrow().clone()
        }
        None => shown,
    };
    Ok(json(StatusCode::OK, &shown.to_json()))
}

async fn follow(State(service): Shared, id: Result<Path<String>, PathRejection>) -> Answer {
    let shown = run(&service, id.ok().map(|id| id.0)).await?;
    let permit = Arc::clone(&service.streams).try_acquire_owned().map_err(|_| {
        let detail = format!("{} streams of events are open, and no more are taken now", service.limits.streams);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail).after(STREAMS)
    })?;
    // One that has ended meanwhile changes no more: its end is all there is to tell.
    let watched = service.runs.watch(shown.record.id).unwrap_or_else(|| watch::channel(shown).1);
    Ok(events::events(watched, permit).into_response())
}

async fn output(State(service): Shared, place: Result<Path<(String, String)>, PathRejection>) -> Answer {
    let (id, n) = place.map_err(|_| Problem::not_found("run"))?.0;
    let shown = run(&service, Some(id)).await?;
    let n = n.parse().map_err(|_| Problem::not_found("output of this run"))?;
    outputs::file(&shown, n, &service.backend).await
}

async fn document(State(service): Shared) -> Response {
    let models = service.backend.models_or_none().await;
    let document = openapi::document(&service.offers, &models, &service.limits, service.access.has_token());
    json(StatusCode::OK, &document)
}

async fn form(State(service): Shared) -> Response {
    page::page(&service.offers, &service.backend.models_or_none().await)
}

/// The run of this id. Anything but an id names no run.
async fn run(service: &Service, id: Option<String>) -> Result<Shown, Problem> {
    let id = id.and_then(|id| Uuid::try_parse(&id).ok()).ok_or_else(|| Problem::not_found("run"))?;
    // Several runs can end between looking for this one in memory and on disk; it cannot return from there.
    service.runs.find(id).await?.ok_or_else(|| Problem::not_found("run"))
}

fn json(status: StatusCode, value: &Value) -> Response {
    let mut response = (status, value.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// How long a request prefers to wait (RFC 7240).
fn wait(headers: &HeaderMap, most: Duration) -> Result<Option<Duration>, Problem> {
    let preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let wait = preferences.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.split(';').next().unwrap_or_default().trim().to_owned())
    });
    let Some(wait) = wait else { return Ok(None) };
    match wait.trim_matches('"').parse() {
        Ok(seconds) => Ok(Some(Duration::from_secs(seconds).min(most))),
        Err(_) => {
            let detail = format!("`Prefer: wait={wait}` is not understood; it takes whole seconds, as in `wait=60`");
            Err(Problem::new(StatusCode::BAD_REQUEST, "prefer", detail))
        }
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let text = key.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > KEY || keys.next().is_some() {
        let detail = format!("Idempotency-Key takes one text of 1 to {KEY} characters of ASCII");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "key", detail));
    }
    Ok(Some(text.to_owned()))
}
