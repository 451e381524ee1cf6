//! Engine.IO 4 and Socket.IO 5 text packets: pure parse and print, no I/O.
//!
//! InvokeAI speaks the default encoding of both layers over one websocket: an Engine.IO packet per text frame, whose
//! `message` kind carries one Socket.IO packet. Parsing never panics and never guesses: anything that is not a
//! well-formed packet is a [`PacketError`]. Binary attachments are refused, because InvokeAI sends none.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::Event;
use crate::base::secrets::excerpt;

/// The namespace every InvokeAI event lives in.
pub const ROOT_NAMESPACE: &str = "/";

/// Longest packet that is not an event. Such packets are parsed into trees.
const MOST_CONTROL: usize = 64 * 1024;

/// One Engine.IO packet.
#[derive(Clone, PartialEq)]
pub enum Packet {
    /// `0`: the server's first packet, with the rules of this connection.
    Open(Open),
    /// `1`: the sender is about to close the transport.
    Close,
    /// `2`: sent by the server; the client answers with a pong that repeats the text.
    Ping(String),
    /// `3`: the answer to a ping.
    Pong(String),
    /// `4`: a Socket.IO packet.
    Message(SocketPacket),
    /// `5`: the end of a transport upgrade.
    Upgrade,
    /// `6`: nothing.
    Noop,
}

crate::base::debug::short_debug! {
    enum Packet {
        Open(value),
        Close,
        Ping(value),
        Pong(value),
        Message(value),
        Upgrade,
        Noop,
    }
}

/// What the server announces when a connection opens.
#[derive(Clone, PartialEq, Eq)]
pub struct Open {
    /// Session id of the transport.
    pub sid: String,
    /// Other transports the server offers; empty on a websocket.
    pub upgrades: Vec<String>,
    /// Milliseconds the client may wait for traffic beyond `ping_interval` before it gives the connection up.
    pub ping_timeout: u64,
    /// Milliseconds between two pings of the server.
    pub ping_interval: u64,
    /// Largest message in bytes that the *server* accepts.
    pub max_payload: u64,
}

crate::json::record::record! {
    Open {
        0 sid, 1 upgrades default, 2 ping_timeout "pingTimeout" default(default_ping_timeout()),
        3 ping_interval "pingInterval" default(default_ping_interval()), 4 max_payload "maxPayload" default,
    }
}

crate::base::debug::short_debug! { Open { sid, upgrades, ping_timeout, ping_interval, max_payload } }

// The defaults of the Engine.IO protocol, for a server that leaves them out.
fn default_ping_timeout() -> u64 {
    20_000
}
fn default_ping_interval() -> u64 {
    25_000
}

/// One Socket.IO packet.
#[derive(Clone, PartialEq)]
pub struct SocketPacket {
    /// Starts with `/` and holds no comma.
    pub namespace: String,
    /// Content of the packet.
    pub body: SocketBody,
}

crate::base::debug::short_debug! { SocketPacket { namespace, body } }

/// The kinds of Socket.IO packets.
#[derive(Clone, PartialEq)]
pub enum SocketBody {
    /// `0`: asks to join the namespace (client) or grants it (server). The payload is an object, or absent.
    Connect(Option<Value>),
    /// `1`: leaves the namespace.
    Disconnect,
    /// `2`: an event, with an ack id if the sender wants an acknowledgement.
    Event {
        /// Chosen by the sender; repeated in the answer.
        ack: Option<u64>,
        /// Name of the event.
        name: String,
        /// Everything after the name.
        args: Vec<Value>,
    },
    /// `3`: the acknowledgement of the event with that id.
    Ack {
        /// The id of the acknowledged event.
        id: u64,
        /// What the handler returned; InvokeAI's handlers return nothing.
        args: Vec<Value>,
    },
    /// `4`: the server refuses the namespace.
    ConnectError(Option<Value>),
}

crate::base::debug::short_debug! {
    enum SocketBody {
        Connect(value),
        Disconnect,
        Event { ack, name, args },
        Ack { id, args },
        ConnectError(value),
    }
}

impl SocketPacket {
    /// A packet in the root namespace.
    pub fn root(body: SocketBody) -> Self {
        Self { namespace: ROOT_NAMESPACE.to_owned(), body }
    }
}

/// Why a text is not a packet.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The frame, or the packet inside it, is empty.
    #[error("the packet is empty")]
    Empty,
    /// The first character is not a packet type.
    #[error("`{found}` is not a packet type of {layer}")]
    UnknownType {
        /// `Engine.IO` or `Socket.IO`.
        layer: &'static str,
        /// The character in question.
        found: char,
    },
    /// The packet announces binary attachments.
    #[error("binary attachments are not supported")]
    Binary,
    /// The ack id does not fit 64 bits, or is missing where one is needed.
    #[error("the ack id is missing or too large")]
    AckId,
    /// The payload is not JSON.
    #[error("the payload is not JSON: {0}")]
    Json(String),
    /// The packet is too long for one that is not an event.
    #[error("the packet is not an event, but has {length} bytes; expected at most {MOST_CONTROL}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The payload is JSON of the wrong shape.
    #[error("{kind}: expected {expected}")]
    Shape {
        /// The kind of packet.
        kind: &'static str,
        /// What the payload should be.
        expected: &'static str,
    },
}

crate::base::debug::short_debug! {
    enum PacketError {
        Empty,
        UnknownType { layer, found },
        Binary,
        AckId,
        Json(value),
        TooLong { length },
        Shape { kind, expected },
    }
}

impl Packet {
    /// Reads the text of one websocket frame.
    pub fn parse(text: &str) -> Result<Self, PacketError> {
        let (kind, rest) = split_first(text)?;
        let bare = |packet, name| {
            if rest.is_empty() { Ok(packet) } else { shape(name, "no payload") }
        };
        match kind {
            '0' => Ok(Self::Open(from_json(rest)?)),
            '1' => bare(Self::Close, "close"),
            '2' => Ok(Self::Ping(rest.to_owned())),
            '3' => Ok(Self::Pong(rest.to_owned())),
            '4' => Ok(Self::Message(SocketPacket::parse(rest)?)),
            '5' => bare(Self::Upgrade, "upgrade"),
            '6' => bare(Self::Noop, "noop"),
            found => Err(PacketError::UnknownType { layer: "Engine.IO", found }),
        }
    }
}

impl SocketPacket {
    /// Reads the part of a frame that follows the Engine.IO `4`.
    pub fn parse(text: &str) -> Result<Self, PacketError> {
        let (kind, rest) = split_first(text)?;
        if matches!(kind, '5' | '6') {
            return Err(PacketError::Binary);
        }
        if !('0'..='4').contains(&kind) {
            return Err(PacketError::UnknownType { layer: "Socket.IO", found: kind });
        }
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => (ROOT_NAMESPACE, rest),
        };
        let body = match kind {
            '0' => match optional_json(rest)? {
                None => SocketBody::Connect(None),
                Some(payload @ Value::Object(_)) => SocketBody::Connect(Some(payload)),
                Some(_) => return shape("connect", "an object or nothing"),
            },
            '1' if rest.is_empty() => SocketBody::Disconnect,
            '1' => return shape("disconnect", "no payload"),
            '4' => SocketBody::ConnectError(optional_json(rest)?),
            _ => {
                let (id, json) = split_ack_id(rest)?;
                let args: Vec<Value> = from_json(json)?;
                if kind == '3' {
                    SocketBody::Ack { id: id.ok_or(PacketError::AckId)?, args }
                } else {
                    let mut args = args.into_iter();
                    let Some(Value::String(name)) = args.next() else {
                        return shape("event", "an array that starts with the event's name");
                    };
                    SocketBody::Event { ack: id, name, args: args.collect() }
                }
            }
        };
        Ok(Self { namespace: namespace.to_owned(), body })
    }
}

impl Display for Packet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(open) => write!(f, "0{}", Json(open)),
            Self::Close => f.write_str("1"),
            Self::Ping(text) => write!(f, "2{text}"),
            Self::Pong(text) => write!(f, "3{text}"),
            Self::Message(packet) => write!(f, "4{packet}"),
            Self::Upgrade => f.write_str("5"),
            Self::Noop => f.write_str("6"),
        }
    }
}

impl Display for SocketPacket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match &self.body {
            SocketBody::Connect(_) => '0',
            SocketBody::Disconnect => '1',
            SocketBody::Event { .. } => '2',
            SocketBody::Ack { .. } => '3',
            SocketBody::ConnectError(_) => '4',
        };
        write!(f, "{kind}")?;
        if self.namespace != ROOT_NAMESPACE {
            write!(f, "{},", self.namespace)?;
        }
        match &self.body {
            SocketBody::Connect(payload) | SocketBody::ConnectError(payload) => match payload {
                Some(payload) => write!(f, "{payload}"),
                None => Ok(()),
            },
            SocketBody::Disconnect => Ok(()),
            SocketBody::Event { ack, name, args } => {
                if let Some(id) = ack {
                    write!(f, "{id}")?;
                }
                write!(f, "[{}", Json(name))?;
                for arg in args {
                    write!(f, ",{arg}")?;
                }
                f.write_str("]")
            }
            SocketBody::Ack { id, args } => write!(f, "{id}{}", Json(args)),
        }
    }
}

/// Prints any serializable value as compact JSON.
struct Json<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Display for Json<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

/// Content of a frame.
#[derive(Debug)]
pub(super) enum Frame {
    /// An event of the root namespace. Its payload is still text, however large it is.
    Event(Event),
    Other(Packet),
}

impl Frame {
    /// Reads the text of one websocket frame.
    pub(super) fn parse(text: &str) -> Result<Self, PacketError> {
        match text.strip_prefix("42").filter(|rest| !rest.starts_with('/')) {
            Some(rest) => event(rest).map(Self::Event),
            None if text.len() > MOST_CONTROL => Err(PacketError::TooLong { length: text.len() }),
            None => Packet::parse(text).map(Self::Other),
        }
    }
}

/// The name of an event, its first argument, and whether there are more.
struct Arguments<'a> {
    name: &'a RawValue,
    first: Option<&'a RawValue>,
    more: bool,
}

impl<'de> Deserialize<'de> for Arguments<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Arguments<'de>;

            fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str("an array that starts with the event's name")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Arguments<'de>, A::Error> {
                let name = list.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
                let (first, mut more) = (list.next_element()?, false);
                while list.next_element::<IgnoredAny>()?.is_some() {
                    more = true;
                }
                Ok(Arguments { name, first, more })
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

/// Reads the part of an event that follows its kind. InvokeAI's events have exactly one argument. Anything else is kept
/// whole, as a list.
fn event(text: &str) -> Result<Event, PacketError> {
    let (_, json) = split_ack_id(text)?;
    let Arguments { name, first, more } = from_json(json)?;
    let Ok(event) = serde_json::from_str::<String>(name.get()) else {
        return shape("event", "an array that starts with the event's name");
    };
    let payload = match first {
        Some(first) if !more => Cow::Borrowed(first.get()),
        // What follows the name and its comma, up to the bracket.
        _ => {
            let rest = json.trim().strip_prefix('[').map_or("", str::trim_start);
            let rest = rest.strip_prefix(name.get()).map_or("", str::trim_start);
            Cow::Owned(format!("[{}", rest.strip_prefix(',').unwrap_or(rest)))
        }
    };
    Event::of_text(event, &payload).map_err(|error| PacketError::Json(error.to_string()))
}

fn split_first(text: &str) -> Result<(char, &str), PacketError> {
    let mut chars = text.chars();
    let first = chars.next().ok_or(PacketError::Empty)?;
    Ok((first, chars.as_str()))
}

fn split_ack_id(text: &str) -> Result<(Option<u64>, &str), PacketError> {
    let json = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(json).unwrap_or_default();
    if digits.is_empty() {
        return Ok((None, json));
    }
    Ok((Some(digits.parse().map_err(|_| PacketError::AckId)?), json))
}

fn optional_json(text: &str) -> Result<Option<Value>, PacketError> {
    if text.is_empty() { Ok(None) } else { from_json(text).map(Some) }
}

fn from_json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, PacketError> {
    // An error may repeat a text of any length.
    serde_json::from_str(text).map_err(|error| PacketError::Json(excerpt(&error.to_string())))
}

fn shape<T>(kind: &'static str, expected: &'static str) -> Result<T, PacketError> {
    Err(PacketError::Shape { kind, expected })
}
