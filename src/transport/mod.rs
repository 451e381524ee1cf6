//! The one way to the server, for generated and hand-written calls alike.

mod address;
mod body;
pub(crate) mod bulk;
mod clear_text;
mod diagnosis;
mod headers;
mod options;
pub(crate) mod page;
pub(crate) mod patience;
pub(crate) mod redirect;
mod tls;
pub(crate) mod upload;

pub(crate) use address::base_url;
pub(crate) use body::body;
use body::body_within;
pub(crate) use clear_text::ClearText;
pub(crate) use headers::{ExtraHeaders, add as add_headers};
pub use options::TransportOptions;
pub(crate) use tls::http_builders;

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock, RwLock},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use reqwest::{
    Body, Request, Response, StatusCode,
    header::{self, HeaderMap, HeaderValue},
};
use tokio::sync::Notify;
use tracing::Instrument as _;

use redirect::{Step, Trail, is_read, unrepeatable};

use crate::{
    base::{
        deadline,
        secrets::{self, Token},
    },
    compatibility::Compatibility,
    error::{Error, Refusal, Result, operation::Operation},
};

/// Sends requests: authentication, retries of reads, tracing, and errors in one shape.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    /// For requests whose body is streamed; `None` where the caller made the client and set its limits. Reqwest's limit
    /// on silence counts from the first byte sent, so it would end every upload that takes longer.
    uploads: Option<reqwest::Client>,
    token: Arc<RwLock<Option<Token>>>,
    headers: Arc<HeaderMap>,
    clear_text: ClearText,
    options: Arc<TransportOptions>,
    version: Arc<OnceLock<String>>,
    operations: Arc<OnceLock<HashSet<String>>>,
}

/// The server renews a token by this header on successful writes.
const REFRESHED_TOKEN: &str = "x-refreshed-token";

/// HTTP has one place for both.
const TWO_LOGINS: &str = "cannot be sent beside the basic auth of a proxy: both are the header Authorization. Let the \
                          proxy pass on InvokeAI's own login, or let it ask for another header";

/// Error bodies are read up to this length; a validation error can echo a large input.
const ERROR_BODY_LIMIT: usize = 256 * 1024;

impl Transport {
    pub(crate) fn new(
        http: reqwest::Client,
        uploads: Option<reqwest::Client>,
        token: Option<Token>,
        headers: HeaderMap,
        options: TransportOptions,
    ) -> Self {
        let (token, options) = (Arc::new(RwLock::new(token)), Arc::new(options));
        let headers = Arc::new(headers);
        let (clear_text, version, operations) = Default::default();
        Self { http, uploads, token, headers, clear_text, options, version, operations }
    }

    /// Version of the server, once it is known.
    pub(crate) fn version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }

    /// Whether the server has an operation, once its document is known.
    pub(crate) fn offers(&self, operation: &Operation) -> Option<bool> {
        self.operations.get().map(|names| names.contains(&operation.name()))
    }

    /// Remembers which operations the server has: [names](Operation::name), by its own document.
    pub(crate) fn learn_operations(&self, names: impl FnOnce() -> Option<HashSet<String>>) {
        if self.operations.get().is_none()
            && let Some(names) = names()
        {
            self.operations.get_or_init(|| names);
        }
    }

    /// Remembers the version of the server; the first time, warns of one that is outside the tested range.
    pub(crate) fn learn_version(&self, version: String) -> &str {
        self.version.get_or_init(|| {
            let compatibility = Compatibility::of(&*version);
            if !compatibility.is_tested() {
                tracing::warn!(server_version = version, "{compatibility}");
            }
            version
        })
    }

    /// Shared with the event connection, so that there is one warning.
    #[cfg(feature = "events")]
    pub(crate) fn clear_text(&self) -> &ClearText {
        &self.clear_text
    }

    /// The caller's own headers.
    #[cfg(feature = "events")]
    pub(crate) fn headers(&self) -> &Arc<HeaderMap> {
        &self.headers
    }

    pub(crate) fn options(&self) -> &TransportOptions {
        &self.options
    }

    pub(crate) fn token(&self) -> Option<Token> {
        // A poisoned lock means a panic while a token was stored; the token is whole either way.
        self.token.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub(crate) fn set_token(&self, token: Option<Token>) {
        *self.token.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = token;
    }

    /// Sends a request and returns its answer if the status reports success.
    ///
    /// Boxed, because otherwise it would be part of each future that waits for it, and compiled with each.
    pub(crate) fn send<'a>(&'a self, operation: &'a Operation, request: Request) -> BoxFuture<'a, Result<Response>> {
        let span = tracing::debug_span!(
            "invokeai",
            operation = operation.id,
            method = operation.method,
            path = operation.path,
            status = tracing::field::Empty,
            elapsed_ms = tracing::field::Empty,
        );
        let started = Instant::now();
        let recorded = span.clone();
        let sending = async move {
            let used = self.token();
            let answer = self.attempts(operation, request).await;
            if let Ok(response) = &answer {
                recorded.record("status", response.status().as_u16());
            }
            recorded.record("elapsed_ms", started.elapsed().as_millis() as u64);
            let response = answer?;
            if response.status().is_success() {
                self.keep_refreshed_token(used, &response);
                return Ok(response);
            }
            Err(self.refusal(operation, response).await.into())
        };
        Box::pin(sending.instrument(span))
    }

    /// Reads may be sent again; anything else goes out once.
    async fn attempts(&self, operation: &Operation, request: Request) -> Result<Response> {
        let mut request = request;
        let began = Instant::now();
        let repeatable = is_read(&request);
        let mut attempt = 0;
        loop {
            let again = if repeatable && attempt < self.options.retries { request.try_clone() } else { None };
            let answer = self.once(operation, request).await;
            let Some(next) = again else { return answer };
            let pause = match &answer {
                Ok(response) if is_passing(response.status()) => {
                    retry_after(response).unwrap_or_else(|| self.pause(attempt))
                }
                Err(error) if error.is_retryable() && !matches!(error, Error::Timeout { .. }) => self.pause(attempt),
                _ => return answer,
            };
            // Giving up returns the last answer, so a 503 stays a 503.
            if began.elapsed().saturating_add(pause) >= self.options.retry_deadline {
                return answer;
            }
            tracing::debug!(operation = operation.id, attempt = attempt + 1, ?pause, "sending again");
            tokio::time::sleep(pause).await;
            request = next;
            attempt += 1;
        }
    }

    /// Grows with each attempt; jitter keeps clients apart.
    fn pause(&self, attempt: u32) -> Duration {
        let half = self.options.retry_pause.saturating_mul(1 << attempt.min(6)) / 2;
        half + half.mul_f64(fastrand::f64())
    }

    /// Sends a request once. A read follows redirects within the same server.
    async fn once(&self, operation: &Operation, mut request: Request) -> Result<Response> {
        if let Some(token) = self.token() {
            if self.headers.contains_key(header::AUTHORIZATION) {
                return Err(Error::invalid("token", TWO_LOGINS));
            }
            request.headers_mut().insert(header::AUTHORIZATION, bearer(&token)?);
        }
        add_headers(&self.headers, &mut request);
        self.clear_text.notice(&request);
        let mut trail = Trail::of(&request);
        loop {
            let response = self.deliver(operation, request, &trail).await?;
            match trail.next(response) {
                Ok(Step::Arrived(response)) => return Ok(response),
                Ok(Step::Onward(onward)) => request = onward,
                Err(redirect) => return Err(redirect.of(operation)),
            }
        }
    }

    async fn deliver(&self, operation: &Operation, mut request: Request, trail: &Trail) -> Result<Response> {
        let url = secrets::address(request.url());
        if self.uploads.is_some() {
            in_pieces(&mut request).await.map_err(not_a_request)?;
        }
        match &self.uploads {
            Some(uploads) if is_streamed(&request) => self.upload(uploads, operation, request, url).await,
            Some(_) => self.http.execute(request).await.map_err(|error| self.failure(operation.id, url, error)),
            None => {
                // The caller's client may follow redirects.
                if !is_read(&request) {
                    let body = request.body_mut().take();
                    *request.body_mut() = Some(unrepeatable(body));
                }
                self.http.execute(request).await.map_err(|error| match error.is_redirect() {
                    true => trail.refusal(error.url()).of(operation),
                    false => self.failure(operation.id, url, error),
                })
            }
        }
    }

    /// Sends a body that may take any time, as long as it moves.
    async fn upload(
        &self,
        uploads: &reqwest::Client,
        operation: &Operation,
        mut request: Request,
        url: String,
    ) -> Result<Response> {
        let moves = Arc::new(Notify::new());
        let moving = Arc::clone(&moves);
        let body = request.body_mut().take().unwrap_or_default();
        *request.body_mut() = Some(Body::wrap(body.map_frame(move |frame| {
            moving.notify_one();
            frame
        })));
        let mut answer = std::pin::pin!(uploads.execute(request));
        let limit = self.options.read_timeout;
        let mut sent = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error| self.failure(operation.id, url, error)),
                () = moves.notified() => sent = true,
                () = tokio::time::sleep_until(deadline::after(limit)) => {
                    let doing = format!("sending to {} or waiting for its answer", operation.id);
                    return Err(Error::Timeout { doing, limit, sent });
                }
            }
        }
    }

    /// Whether the caller made the HTTP client, and set its limits.
    pub(crate) fn is_callers(&self) -> bool {
        self.uploads.is_none()
    }

    /// Limits the silence while an answer is read, which the client for uploads does not.
    pub(super) async fn in_time<T>(&self, operation: &'static str, read: impl Future<Output = T>) -> Result<T> {
        let limit = self.options.read_timeout;
        match &self.uploads {
            None => Ok(read.await),
            Some(_) => tokio::time::timeout(limit, read).await.map_err(|_| {
                let doing = format!("waiting for the answer to {operation}");
                Error::Timeout { doing, limit, sent: true }
            }),
        }
    }

    /// Turns a failure of the connection into this crate's error.
    pub(crate) fn failure(&self, operation: &'static str, url: String, error: reqwest::Error) -> Error {
        let error = error.without_url();
        if error.is_timeout() {
            let connecting = error.is_connect();
            let (doing, limit) = match connecting {
                true => (format!("connecting to {url}"), self.options.connect_timeout),
                false => (format!("waiting for the answer to {operation}"), self.options.read_timeout),
            };
            return Error::Timeout { doing, limit, sent: !connecting };
        }
        let connecting = error.is_connect();
        let cause: Arc<dyn std::error::Error + Send + Sync> = match diagnosis::explained(&url, &error) {
            Some(explained) => Arc::new(explained),
            None => Arc::new(error),
        };
        match connecting {
            true => Error::Connect { url, cause },
            false => Error::Interrupted { operation, cause },
        }
    }

    /// A server without users sends none; a client without a token has no use for one. A token that was set while the
    /// call went on is newer, or another user's: it stays.
    fn keep_refreshed_token(&self, used: Option<Token>, response: &Response) {
        let fresh = response.headers().get(REFRESHED_TOKEN).and_then(|value| value.to_str().ok());
        // A proxy may blank a header that it does not know.
        if let (Some(fresh), Some(used)) = (fresh.filter(|fresh| !fresh.trim().is_empty()), used) {
            let mut current = self.token.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            if current.as_ref() == Some(&used) {
                *current = Some(Token::new(fresh));
            }
        }
    }

    async fn refusal(&self, operation: &Operation, response: Response) -> Refusal {
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let url = response.url().clone();
        // A text that cannot be read must not hide the error itself.
        let time = self.options.read_timeout.min(self.options.answer_timeout);
        let body = match body_within(self, operation, response, ERROR_BODY_LIMIT, time).await {
            Ok(body) => body,
            Err(error) => error.to_string().into(),
        };
        let body = match diagnosis::wants_https(&url, &body) {
            Some(advice) => advice.into(),
            None => body,
        };
        let mut refusal = Refusal::new(operation, status, &body, retry_after);
        // An answer to HEAD has no body, only its kind.
        refusal.is_own |= operation.method == "HEAD" && is_json;
        refusal
    }
}

/// Whether a request has a body that is a stream.
fn is_streamed(request: &Request) -> bool {
    request.body().is_some_and(|body| body.as_bytes().is_none())
}

/// Turns a body into a stream if it is so long that sending it may take longer than a server may be silent.
async fn in_pieces(request: &mut Request) -> Result<(), reqwest::Error> {
    let length = request.body().and_then(Body::as_bytes).map_or(0, <[u8]>::len);
    if length > upload::PIECE
        && let Some(body) = request.body_mut().take()
    {
        let whole = body.collect().await?.to_bytes();
        *request.body_mut() = Some(Body::wrap_stream(upload::pieces(whole)));
        request.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    Ok(())
}

/// A request that cannot even be built.
pub(crate) fn not_a_request(error: reqwest::Error) -> Error {
    Error::invalid("request", error.without_url().to_string())
}

/// The header that carries a token.
pub(crate) fn bearer(token: &Token) -> Result<HeaderValue> {
    token.header().map_err(|_| Error::invalid("token", "has characters that are not allowed in an HTTP header"))
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
