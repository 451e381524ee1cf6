//! One websocket connection: handshakes, ping timeout, acknowledged emits.
//!
//! The websocket is an upgraded request of the same HTTP client that makes the REST calls. So it goes through the same
//! TLS settings, proxies, headers and name resolution, and a server that can be reached can be followed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use reqwest::header::{SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use reqwest::{StatusCode, Upgraded};
use serde_json::{Value, json};
use sha1_smol::Sha1;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_websockets::{ClientBuilder, CloseCode, Error as WebSocketError, Limits, Message, WebSocketStream};
use url::Url;

use super::codec::{self, Open, Packet, ROOT_NAMESPACE, SocketBody, SocketPacket};
use super::paced::Paced;
use super::{Event, EventError, EventsOptions};
use crate::{
    base::secrets,
    transport::{
        ClearText, add_headers,
        redirect::{Step, Trail},
    },
};

/// Longest time a small packet may take to leave; more means that the connection is dead.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time spent on closing politely.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Keeps a server's absurd ping settings from disabling the ping timeout.
const MAX_SILENCE: Duration = Duration::from_secs(600);

/// Where the events come from, and how to get there.
#[derive(Clone)]
pub struct EventEndpoint {
    http: reqwest::Client,
    url: Url,
    token: Option<TokenSource>,
    headers: Arc<HeaderMap>,
    clear_text: ClearText,
}

type TokenSource = Arc<dyn Fn() -> Option<String> + Send + Sync>;

impl EventEndpoint {
    /// The event socket of the server at `base_url`, reached through `http`.
    ///
    /// The base URL is the one the REST calls use: scheme, host, port and, behind some proxies, a path prefix. The
    /// client must speak HTTP/1.1, which is all InvokeAI's own server speaks. Behind a proxy with HTTP/2, and a client
    /// built with that feature, use `http1_only()`. A redirect to another origin is refused, even if the client follows
    /// it by itself: the token is sent only once the websocket is established.
    ///
    /// # Errors
    ///
    /// [`EventError::InvalidUrl`] if it is not an absolute `http` or `https` URL.
    pub fn new(http: reqwest::Client, base_url: &str) -> Result<Self, EventError> {
        let invalid = |reason: String| EventError::InvalidUrl { url: secrets::address_text(base_url), reason };
        let mut url = Url::parse(base_url).map_err(|error| invalid(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!("the scheme is `{}`, not http or https", url.scheme())));
        }
        url.set_path(&format!("{}/ws/socket.io/", url.path().trim_end_matches('/')));
        url.set_query(Some("EIO=4&transport=websocket"));
        url.set_fragment(None);
        Ok(Self { http, url, token: None, headers: Arc::default(), clear_text: ClearText::default() })
    }

    /// Shares the warning of a token that travels unencrypted.
    pub(crate) fn clear_text(mut self, clear_text: ClearText) -> Self {
        self.clear_text = clear_text;
        self
    }

    /// Sends these headers with the request that opens the socket.
    pub(crate) fn headers(mut self, headers: Arc<HeaderMap>) -> Self {
        self.headers = headers;
        self
    }

    /// Sends a token when connecting. The source is asked before each attempt, so that a refreshed token is used.
    #[must_use]
    pub fn token(mut self, source: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.token = Some(Arc::new(source));
        self
    }

    pub(super) fn current_token(&self) -> Option<String> {
        self.token.as_ref().and_then(|source| source())
    }

    /// The address for messages.
    fn shown(&self) -> String {
        secrets::address(&self.url)
    }

    /// Connects, and stays within the time allowed for it.
    pub(super) async fn connect(
        &self,
        token: Option<&str>,
        options: &EventsOptions,
    ) -> Result<Connection<Upgraded>, EventError> {
        let after = options.connect_timeout;
        let attempt = async {
            let stream = self.upgrade().await?;
            if token.is_some() {
                self.clear_text.notice_token(&self.url);
            }
            Connection::establish(stream, token, options.max_message_bytes).await
        };
        timeout(after, attempt)
            .await
            .unwrap_or(Err(EventError::Timeout { what: "the event connection to be established", after }))
    }

    async fn upgrade(&self) -> Result<Upgraded, EventError> {
        let failed =
            |error: reqwest::Error| EventError::Connect { url: self.shown(), cause: Arc::new(error.without_url()) };
        // Any 16 random bytes.
        let key = BASE64_STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
        let request = self.http.get(self.url.clone());
        let request = request.header(CONNECTION, "Upgrade").header(UPGRADE, "websocket");
        let request = request.header(SEC_WEBSOCKET_VERSION, "13").header(SEC_WEBSOCKET_KEY, &key);
        let mut request = request.build().map_err(failed)?;
        add_headers(&self.headers, &mut request);
        self.clear_text.notice(&request);
        let mut trail = Trail::of(&request);
        let answer = loop {
            let answer = self.http.execute(request).await.map_err(|error| match error.is_redirect() {
                true => EventError::redirected(trail.refusal(error.url())),
                false => failed(error),
            })?;
            match trail.next(answer) {
                Ok(Step::Arrived(answer)) => break answer,
                Ok(Step::Onward(onward)) => request = onward,
                Err(redirect) => return Err(EventError::redirected(redirect)),
            }
        };
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (status, content_type) = (answer.status().as_u16(), header(CONTENT_TYPE));
            return Err(EventError::NotWebSocket { url: self.shown(), status, content_type });
        }
        if header(SEC_WEBSOCKET_ACCEPT) != Some(accept_key(&key)) {
            return Err(EventError::protocol("the websocket handshake has a wrong `Sec-WebSocket-Accept`"));
        }
        answer.upgrade().await.map_err(failed)
    }
}

/// Shows neither the token nor user information in the URL.
impl fmt::Debug for EventEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("EventEndpoint")
                .field("url", &self.shown())
                .field("has_token", &self.token.is_some())
                .finish()
        })
    }
}

/// An established connection to the root namespace.
pub(super) struct Connection<S> {
    socket: WebSocketStream<Paced<S>>,
    /// Longest silence before the connection counts as dead.
    silence: Duration,
    deadline: Instant,
    next_ack: u64,
    /// The text of a ping still to be answered.
    pong: Option<String>,
}

/// What the server sent.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The event, and the length of its frame.
    Event(Event, usize),
    /// The acknowledgement of the emit with this number.
    Ack(u64),
    /// Something unreadable, which may have been an event.
    Garbled(String),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Joins the root namespace over a fresh websocket. Has no deadline of its own.
    async fn establish(stream: S, token: Option<&str>, max_message_bytes: usize) -> Result<Self, EventError> {
        let limits = Limits::default().max_payload_len(Some(max_message_bytes));
        let socket = ClientBuilder::new().limits(limits).take_over(Paced::new(stream));
        let deadline = Instant::now() + MAX_SILENCE;
        let mut this = Self { socket, silence: MAX_SILENCE, deadline, next_ack: 0, pong: None };
        match this.packet().await? {
            Packet::Open(Open { ping_interval, ping_timeout, .. }) => {
                this.silence = Duration::from_millis(ping_interval.saturating_add(ping_timeout)).min(MAX_SILENCE);
            }
            other => {
                return Err(EventError::protocol(format!("expected an open packet first, got `{other}`")));
            }
        }
        let payload = token.map(|token| json!({ "token": token }));
        this.send(&Packet::Message(SocketPacket::root(SocketBody::Connect(payload)))).await?;
        loop {
            match this.packet().await? {
                Packet::Message(SocketPacket { namespace, body }) if namespace == ROOT_NAMESPACE => match body {
                    SocketBody::Connect(_) => return Ok(this),
                    SocketBody::ConnectError(payload) => {
                        // The server leaves the transport open after a refusal.
                        this.close().await;
                        return Err(refusal(payload));
                    }
                    SocketBody::Disconnect => return Err(session_ended()),
                    SocketBody::Event { .. } | SocketBody::Ack { .. } => {}
                },
                Packet::Ping(text) => this.send(&Packet::Pong(text)).await?,
                Packet::Close => return Err(EventError::Closed { reason: None }),
                _ => {}
            }
        }
    }

    /// Waits for the next thing the server says, answering pings on the way.
    ///
    /// Cancel safe: nothing received is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Incoming, EventError> {
        loop {
            // Sent from here, not where the ping is read: if this future is dropped meanwhile, it is sent again.
            if let Some(text) = self.pong.clone() {
                self.send(&Packet::Pong(text)).await?;
                self.pong = None;
            }
            let message = self.frame().await?;
            let Some(text) = message.as_text() else {
                match message.is_binary() {
                    true => return Ok(Incoming::Garbled("a binary frame".to_owned())),
                    false => continue,
                }
            };
            let size = text.len();
            match codec::Frame::parse(text) {
                Err(error) => return Ok(Incoming::Garbled(error.to_string())),
                Ok(codec::Frame::Event(event)) => return Ok(Incoming::Event(event, size)),
                Ok(codec::Frame::Other(packet)) => match packet {
                    Packet::Ping(text) => self.pong = Some(text),
                    Packet::Close => return Err(EventError::Closed { reason: None }),
                    Packet::Message(SocketPacket { namespace, body }) if namespace == ROOT_NAMESPACE => match body {
                        SocketBody::Ack { id, .. } => return Ok(Incoming::Ack(id)),
                        SocketBody::Disconnect => return Err(session_ended()),
                        SocketBody::ConnectError(payload) => return Err(refusal(payload)),
                        SocketBody::Connect(_) | SocketBody::Event { .. } => {}
                    },
                    _ => {}
                },
            }
        }
    }

    /// Sends an event and asks for its acknowledgement, which arrives as [`Incoming::Ack`] with the number returned.
    pub(super) async fn emit(&mut self, name: &str, data: Value) -> Result<u64, EventError> {
        let id = self.next_ack;
        self.next_ack += 1;
        let body = SocketBody::Event { ack: Some(id), name: name.to_owned(), args: vec![data] };
        self.send(&Packet::Message(SocketPacket::root(body))).await?;
        Ok(id)
    }

    /// Says goodbye. Whether the server hears it does not matter.
    pub(super) async fn close(&mut self) {
        let goodbye = async {
            self.send(&Packet::Message(SocketPacket::root(SocketBody::Disconnect))).await?;
            self.socket.send(Message::close(None, "")).await.map_err(broken)
        };
        match timeout(CLOSE_TIMEOUT, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "event connection closed without a goodbye"),
            Err(_) => tracing::debug!("event connection closed without a goodbye: the server does not read"),
        }
    }

    async fn send(&mut self, packet: &Packet) -> Result<(), EventError> {
        let sending = self.socket.send(Message::text(packet.to_string()));
        let sent = timeout(SEND_TIMEOUT, sending).await;
        sent.map_err(|_| EventError::Timeout { what: "a packet to be sent", after: SEND_TIMEOUT })?.map_err(broken)
    }

    async fn packet(&mut self) -> Result<Packet, EventError> {
        loop {
            if let Some(text) = self.frame().await?.as_text() {
                match codec::Frame::parse(text).map_err(EventError::protocol)? {
                    codec::Frame::Other(packet) => return Ok(packet),
                    // None is due before the namespace is joined.
                    codec::Frame::Event(_) => {}
                }
            }
        }
    }

    /// The next frame that is not a close frame. Any frame is a sign of life.
    async fn frame(&mut self) -> Result<Message, EventError> {
        let message = match timeout_at(self.deadline, self.socket.next()).await {
            Ok(Some(message)) => message.map_err(broken)?,
            // A server that is killed does not say goodbye.
            Ok(None) => {
                return Err(EventError::Closed { reason: Some("without a closing handshake".to_owned()) });
            }
            Err(_) => {
                return Err(EventError::Timeout { what: "the server's ping", after: self.silence });
            }
        };
        self.deadline = Instant::now() + self.silence;
        let Some((code, reason)) = message.as_close() else { return Ok(message) };
        let reason = match (code, reason) {
            (CloseCode::NO_STATUS_RECEIVED, _) => None,
            (code, "") => Some(format!("code {}", u16::from(code))),
            (code, reason) => Some(format!("{reason} ({})", u16::from(code))),
        };
        Err(EventError::Closed { reason })
    }
}

fn refusal(payload: Option<Value>) -> EventError {
    let message = match payload {
        Some(Value::String(message)) => message,
        Some(payload) => {
            payload.get("message").and_then(Value::as_str).map_or_else(|| payload.to_string(), str::to_owned)
        }
        None => "no reason given".to_owned(),
    };
    EventError::Refused { message }
}

fn session_ended() -> EventError {
    EventError::Closed { reason: Some("the server ended the session".to_owned()) }
}

fn broken(error: WebSocketError) -> EventError {
    match error {
        WebSocketError::AlreadyClosed => EventError::Closed { reason: None },
        error @ (WebSocketError::PayloadTooLong { .. } | WebSocketError::Protocol(_)) => EventError::protocol(error),
        error => EventError::Broken { cause: Arc::new(error) },
    }
}

/// What a server that understands the websocket protocol answers to a key (RFC 6455, section 4.2.2).
fn accept_key(key: &str) -> String {
    let joined = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64_STANDARD.encode(Sha1::from(joined).digest().bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_key_of_the_standard_has_the_answer_of_the_standard() {
        assert_eq!(super::accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
