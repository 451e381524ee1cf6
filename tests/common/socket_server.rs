//! A scripted event server on loopback, built on the crate's own packet codec.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use invokeai_client::events::codec::{Open, Packet, SocketBody, SocketPacket};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// No test waits longer than this for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Panics instead of hanging.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?}"))
}

pub struct SocketServer {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl SocketServer {
    /// Runs the script for each connection; it gets the connection's number, from 0.
    pub async fn start<F>(script: impl Fn(usize, TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script(count.fetch_add(1, Ordering::SeqCst), stream));
            }
        });
        Self { address, connections, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for SocketServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's end of one websocket.
pub struct Peer {
    pub socket: WebSocketStream<TcpStream>,
    /// The path and query of the request.
    pub path: String,
}

impl Peer {
    /// Answers the websocket handshake.
    #[allow(clippy::result_large_err)] // The callback's type is given.
    pub async fn accept(stream: TcpStream) -> Self {
        let mut path = String::new();
        let socket = tokio_tungstenite::accept_hdr_async(
            stream,
            |request: &tokio_tungstenite::tungstenite::handshake::server::Request, response| {
                path = request.uri().to_string();
                Ok(response)
            },
        )
        .await
        .unwrap();
        Self { socket, path }
    }

    /// Answers all handshakes like InvokeAI, and confirms the first `rooms` subscriptions.
    pub async fn welcome(stream: TcpStream, rooms: usize) -> Self {
        let mut peer = Self::accept(stream).await;
        peer.open(25_000, 20_000).await;
        peer.expect_connect().await;
        peer.grant().await;
        for _ in 0..rooms {
            peer.confirm_subscription().await;
        }
        peer
    }

    pub async fn raw(&mut self, text: &str) {
        // A peer that has gone is the test's business, not the script's.
        let _ = self.socket.send(Message::text(text)).await;
    }

    pub async fn send(&mut self, packet: Packet) {
        self.raw(&packet.to_string()).await;
    }

    pub async fn body(&mut self, body: SocketBody) {
        self.send(Packet::Message(SocketPacket::root(body))).await;
    }

    pub async fn open(&mut self, ping_interval: u64, ping_timeout: u64) {
        let sid = "transport".to_owned();
        self.send(Packet::Open(Open { sid, upgrades: vec![], ping_timeout, ping_interval, max_payload: 1_000_000 }))
            .await;
    }

    pub async fn grant(&mut self) {
        self.body(SocketBody::Connect(Some(json!({"sid": "session"})))).await;
    }

    pub async fn event(&mut self, name: &str, data: Value) {
        self.body(SocketBody::Event { ack: None, name: name.to_owned(), args: vec![data] }).await;
    }

    /// The next packet of the client; `None` when it has gone.
    pub async fn packet(&mut self) -> Option<Packet> {
        loop {
            match within("a packet of the client", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Some(Packet::parse(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Expects the client to join the root namespace; returns its payload.
    pub async fn expect_connect(&mut self) -> Option<Value> {
        match self.packet().await {
            Some(Packet::Message(SocketPacket { body: SocketBody::Connect(payload), .. })) => payload,
            other => panic!("expected CONNECT, got {other:?}"),
        }
    }

    /// Expects an emit; returns its ack id, name and payload.
    pub async fn expect_emit(&mut self) -> (u64, String, Value) {
        match self.packet().await {
            Some(Packet::Message(SocketPacket { body: SocketBody::Event { ack: Some(id), name, args }, .. })) => {
                (id, name, args.into_iter().next().unwrap())
            }
            other => panic!("expected an emit with an ack id, got {other:?}"),
        }
    }

    pub async fn confirm_subscription(&mut self) -> (String, Value) {
        let (id, name, data) = self.expect_emit().await;
        self.body(SocketBody::Ack { id, args: vec![] }).await;
        (name, data)
    }

    /// Reads until the client has gone; true if it said goodbye.
    pub async fn gone(&mut self) -> bool {
        let mut goodbye = false;
        while let Some(packet) = self.packet().await {
            goodbye |= packet == Packet::Message(SocketPacket::root(SocketBody::Disconnect));
        }
        goodbye
    }
}
