//! Live events, read without the client of this crate, so that both ends are judged by a third.

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_tungstenite::{client_async, tungstenite::Message};

/// A socket that keeps what it receives.
pub(crate) struct Socket {
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Connects, and subscribes to the queue and to downloads.
    pub(crate) async fn connect(url: &str, token: Option<&str>) -> Self {
        let address = url.strip_prefix("http://").expect("an address of http");
        let stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("ws://{address}/ws/socket.io/?EIO=4&transport=websocket");
        let (mut socket, _) = client_async(request, stream).await.expect("a websocket");
        let hello = token.map_or_else(|| "40".to_owned(), |token| format!("40{{\"token\":\"{token}\"}}"));
        let mut ready = Vec::new();
        while ready.len() < 4 {
            let message = socket.next().await.expect("an answer").expect("a frame");
            let text = message.to_text().expect("a text").to_owned();
            let answer = match text.as_bytes() {
                [b'0', ..] => Some(hello.clone()),
                [b'4', b'0', ..] => Some("421[\"subscribe_queue\",{\"queue_id\":\"contract\"}]".into()),
                [b'4', b'3', b'1', ..] => {
                    Some("422[\"subscribe_bulk_download\",{\"bulk_download_id\":\"default\"}]".into())
                }
                _ => None,
            };
            if let Some(answer) = answer {
                socket.send(Message::text(answer)).await.expect("to be heard");
                ready.push(text);
            } else if text.starts_with("432") {
                ready.push(text);
            }
        }
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let keep = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let Ok(text) = message.to_text() else { continue };
                if text == "2" {
                    socket.send(Message::text("3")).await.expect("to be heard");
                } else if let Some(event) = text.strip_prefix("42") {
                    let (name, data) = serde_json::from_str(event).expect("an event with one argument");
                    keep.lock().expect("the list").push((name, data));
                }
            }
        });
        Self { heard, task }
    }

    pub(crate) fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().expect("the list").clone()
    }

    /// Waits until something like this was received.
    pub(crate) async fn wait(&self, what: &str, is_it: impl Fn(&str, &Value) -> bool) {
        let began = Instant::now();
        while !self.heard().iter().any(|(name, data)| is_it(name, data)) {
            assert!(began.elapsed() < Duration::from_secs(120), "no {what}; heard: {:?}", self.heard());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}
