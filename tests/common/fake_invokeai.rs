//! A small InvokeAI on loopback: it takes batches, keeps items and sends events, as a test says and as badly as it says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use invokeai_client::events::codec::{Packet, SocketBody, SocketPacket};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::{JoinHandle, JoinSet},
};

use super::socket_server::Peer;

/// What the server does with an enqueue.
#[derive(Debug, Clone)]
pub(crate) enum OnEnqueue {
    /// Accepts it and answers.
    Answer,
    /// Accepts it after this time; the connection is cut before.
    AcceptUnheard(Duration),
    /// Accepts it, but a gateway before the server answers with this status.
    AcceptBehindGateway(&'static str),
    /// Accepts it, but a proxy before the server answers with this status, kind of content and text.
    AcceptBehindPage(&'static str, &'static str, &'static str),
    /// Accepts it; the connection is cut. Somebody deletes this many of the first items before anybody looks.
    AcceptAndPrune(usize),
    /// Accepts it; the connection is cut. These items, by place, have begun before anybody looks.
    AcceptAndBegin(usize),
    /// Accepts one item after another, with this pause between; the connection is cut before.
    AcceptPiecemeal(Duration),
    /// Accepts it, and says so, but names only this many of the items.
    AcceptNaming(usize),
    /// Accepts it, and says this of its items, oldest first.
    AcceptSaying(fn(&[i64]) -> Value),
    /// Says that it has taken this many items, and names none. It has taken none.
    Pretend(u64),
    /// Loses it, and cuts the connection.
    Lose,
    /// Refuses it with this status.
    Refuse(&'static str),
}

/// What the server does with requests to some paths instead of answering them.
#[derive(Debug, Clone)]
pub(crate) enum OnPath {
    /// Refuses them with this status.
    Refuse(&'static str),
    /// Says nothing.
    Silence,
    /// Begins an answer that never ends: a byte now and then.
    Drip,
}

/// What goes over the wire in place of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Wire {
    /// These bytes; then the connection is closed.
    Bytes(String),
    /// These bytes, and then a space now and then, forever.
    Drip(String),
    /// Nothing; the connection is reset.
    Reset,
    /// Nothing, forever.
    Silence,
}

/// Changes answers: by the line of the request, the status and the body of the true answer.
#[derive(Clone)]
pub(crate) struct Tamper(pub(crate) Arc<TamperFn>);

type TamperFn = dyn Fn(&str, &str, &Value) -> Option<Wire> + Send + Sync;

impl std::fmt::Debug for Tamper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tamper(…)")
    }
}

/// An answer of JSON, with its length.
pub(crate) fn answer_of(status: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json");
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// What the server does with those who want a websocket.
#[derive(Debug, Clone)]
pub(crate) enum OnSocket {
    Welcome,
    /// Answers this instead.
    Refuse(&'static str),
    /// Resets the connection.
    Reset,
}

#[derive(Debug, Clone)]
enum Frame {
    Event(String, Value),
    Raw(String),
    Cut,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) batch_id: String,
    pub(crate) status: &'static str,
    /// What the batch put into the graph.
    pub(crate) value: Value,
    /// Where it put that.
    field: Value,
    /// The item whose workflow called this one.
    pub(crate) parent: Option<i64>,
    /// The item that it runs again.
    pub(crate) retried: Option<i64>,
    /// The server cannot read it any more.
    pub(crate) poisoned: bool,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) items: BTreeMap<i64, Item>,
    last_id: i64,
    /// How many enqueues came.
    pub(crate) enqueues: usize,
    /// What to do with the next ones; then `Answer`.
    pub(crate) on_enqueue: VecDeque<OnEnqueue>,
    pub(crate) on_socket: OnSocket,
    /// What to do with requests whose method and path have this text in them.
    pub(crate) on_path: Vec<(&'static str, OnPath)>,
    /// What happens to answers on their way.
    pub(crate) tamper: Option<Tamper>,
    /// Lines of the requests that came, without enqueues.
    pub(crate) requests: Vec<String>,
    /// The most items that may wait.
    pub(crate) room: usize,
    /// Start and end of every item, by the server's clock.
    pub(crate) clock: [&'static str; 2],
    /// Websockets that were asked for.
    pub(crate) sockets: usize,
    /// How often all ids of the queue were asked for.
    pub(crate) listings: usize,
    /// Items whose summaries were asked for.
    pub(crate) summaries: usize,
    /// Whether it counts the items of a batch.
    pub(crate) counts: bool,
    /// How often others run an item again at the moment when the client does.
    pub(crate) others_retry: usize,
}

pub(crate) struct FakeInvokeAi {
    pub(crate) url: String,
    world: Arc<Mutex<World>>,
    frames: broadcast::Sender<Frame>,
    task: JoinHandle<()>,
}

impl FakeInvokeAi {
    pub(crate) async fn start() -> Self {
        let world = Arc::new(Mutex::new(World {
            items: BTreeMap::new(),
            last_id: 40,
            enqueues: 0,
            on_enqueue: VecDeque::new(),
            on_socket: OnSocket::Welcome,
            on_path: Vec::new(),
            tamper: None,
            requests: Vec::new(),
            room: 10_000,
            clock: ["2026-11-22 17:01:40.305", "2026-11-22 17:01:41.574"],
            sockets: 0,
            listings: 0,
            summaries: 0,
            counts: true,
            others_retry: 0,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let frames = broadcast::Sender::new(256);
        let task = tokio::spawn({
            let (world, frames) = (Arc::clone(&world), frames.clone());
            async move {
                // Connections end with this task.
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve(stream, Arc::clone(&world), frames.clone()));
                }
            }
        });
        Self { url, world, frames, task }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Closes everything. Nothing listens any more.
    pub(crate) async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// Changes the record of an item, and sends no event.
    pub(crate) fn set(&self, item_id: i64, status: &'static str) {
        self.world().items.get_mut(&item_id).expect("an item").status = status;
    }

    /// Changes the record of an item, and sends an event.
    pub(crate) fn change(&self, item_id: i64, status: &'static str) {
        self.set(item_id, status);
        self.tell_status(item_id, status);
    }

    pub(crate) fn tell_status(&self, item_id: i64, status: &str) {
        let sequence = if status == "in_progress" { 1 } else { 2 };
        self.tell("queue_item_status_changed", item_id, json!({"status": status, "status_sequence": sequence}));
    }

    pub(crate) fn tell_node(&self, item_id: i64, event: &str, node: &str) {
        let node =
            json!({"invocation": {"id": format!("prepared {node}"), "type": "add"}, "invocation_source_id": node});
        self.tell(event, item_id, node);
    }

    fn tell(&self, event: &str, item_id: i64, mut members: Value) {
        let batch_id = self.world().items[&item_id].batch_id.clone();
        members["item_id"] = item_id.into();
        members["batch_id"] = batch_id.into();
        members["queue_id"] = "default".into();
        self.event(event, members);
    }

    pub(crate) fn event(&self, event: &str, data: Value) {
        let _ = self.frames.send(Frame::Event(event.to_owned(), data));
    }

    pub(crate) fn raw(&self, text: &str) {
        let _ = self.frames.send(Frame::Raw(text.to_owned()));
    }

    /// Cuts every websocket.
    pub(crate) fn cut(&self) {
        let _ = self.frames.send(Frame::Cut);
    }
}

impl Drop for FakeInvokeAi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    /// What the items of a batch are given, and the id of the batch.
    fn values(body: &Value) -> (Vec<Value>, String) {
        let batch = &body["batch"];
        let runs = batch["runs"].as_u64().unwrap() as usize;
        // One swept field is all that tests use.
        let values = batch["data"].pointer("/0/0/items").and_then(Value::as_array).cloned();
        let values = values.unwrap_or_else(|| vec![Value::Null]);
        (vec![values; runs].concat(), batch["batch_id"].as_str().unwrap().to_owned())
    }

    pub(crate) fn add(&mut self, batch_id: &str, value: Value) -> i64 {
        self.last_id += 1;
        let item = Item {
            batch_id: batch_id.to_owned(),
            status: "pending",
            value,
            field: Value::Null,
            parent: None,
            retried: None,
            poisoned: false,
        };
        self.items.insert(self.last_id, item);
        self.last_id
    }

    /// Takes a batch as far as there is room, and returns the ids of its new items.
    fn accept(&mut self, body: &Value) -> (Vec<i64>, usize) {
        let (values, batch_id) = Self::values(body);
        let field = body["batch"]["data"].pointer("/0/0").cloned().unwrap_or_default();
        let waiting = self.items.values().filter(|item| item.status == "pending").count();
        let room = self.room.saturating_sub(waiting);
        let ids: Vec<i64> = values.iter().take(room).map(|value| self.add(&batch_id, value.clone())).collect();
        ids.iter().for_each(|id| self.items.get_mut(id).unwrap().field = field.clone());
        (ids, values.len())
    }

    fn record(&self, item_id: i64) -> Value {
        let Item { batch_id, status, parent, retried, value, field, .. } = &self.items[&item_id];
        let given = json!({"node_path": field["node_path"], "field_name": field["field_name"], "value": value});
        let given = if field.is_null() { json!([]) } else { json!([given]) };
        let [started, ended] = self.clock;
        json!({"item_id": item_id, "batch_id": batch_id, "status": status, "queue_id": "default", "session_id": "s",
            "created_at": started, "started_at": started, "completed_at": ended, "session": {},
            "parent_item_id": parent, "retried_from_item_id": retried, "field_values": given})
    }

    /// Status line and body of the answer to anything but an enqueue.
    fn answer(&mut self, method: &str, path: &str, body: &Value) -> (&'static str, Value) {
        let missing = ("404 Not Found", json!({"detail": "Not Found"}));
        if path == "/api/v1/app/version" {
            return ("200 OK", json!({"version": "6.14.2"}));
        }
        let Some(path) = path.strip_prefix("/api/v1/queue/default/") else { return missing };
        let parts: Vec<&str> = path.split(['/', '?']).collect();
        let answer = match (method, &parts[..]) {
            ("GET", ["b", batch_id, "status"]) if self.counts => {
                let count = |status: Option<&str>| {
                    let fits = |item: &&Item| item.batch_id == *batch_id && status.is_none_or(|is| item.status == is);
                    self.items.values().filter(fits).count()
                };
                let mut answer = json!({"queue_id": "default", "batch_id": batch_id, "total": count(None)});
                for status in ["pending", "in_progress", "waiting", "completed", "failed", "canceled"] {
                    answer[status] = count(Some(status)).into();
                }
                answer
            }
            ("GET", ["item_ids", ..]) => {
                self.listings += 1;
                let ids: Vec<_> = self.items.keys().rev().collect();
                json!({"item_ids": ids, "total_count": ids.len()})
            }
            ("POST", ["item_summaries_by_ids"]) => {
                let ids = body["item_ids"].as_array().unwrap().iter().filter_map(Value::as_i64);
                self.summaries += ids.clone().count();
                let readable = |id: &i64| self.items.get(id).is_some_and(|item| !item.poisoned);
                ids.filter(readable).map(|id| self.record(id)).collect()
            }
            ("PUT", ["retry_items_by_id"]) => {
                let mut retried: Vec<i64> = body.as_array().unwrap().iter().filter_map(Value::as_i64).collect();
                retried.retain(|id| matches!(self.items[id].status, "failed" | "canceled"));
                for id in retried.repeat(1 + self.others_retry) {
                    let old = self.items[&id].clone();
                    let new = self.add(&old.batch_id, old.value);
                    self.items.get_mut(&new).unwrap().retried = old.retried.or(Some(id));
                }
                json!({"queue_id": "default", "retried_item_ids": retried})
            }
            ("PUT", ["cancel_by_batch_ids"]) => {
                let batches: Vec<_> = body["batch_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
                let open = |item: &&mut Item| {
                    batches.contains(&item.batch_id.as_str()) && matches!(item.status, "pending" | "in_progress")
                };
                json!({"canceled": self.items.values_mut().filter(open).map(|item| item.status = "canceled").count()})
            }
            (_, ["i", id, ..]) => match id.parse().ok().filter(|id| self.items.contains_key(id)) {
                None => return missing,
                Some(id) if self.items[&id].poisoned => {
                    return ("500 Internal Server Error", json!({"detail": "Unexpected error while fetching item"}));
                }
                Some(id) => {
                    let item = self.items.get_mut(&id).unwrap();
                    if method == "PUT" && item.status == "pending" {
                        item.status = "canceled";
                    }
                    self.record(id)
                }
            },
            _ => return missing,
        };
        ("200 OK", answer)
    }
}

async fn serve(stream: TcpStream, world: Arc<Mutex<World>>, frames: broadcast::Sender<Frame>) {
    let mut beginning = [0; 8];
    while matches!(stream.peek(&mut beginning).await, Ok(1..8)) {
        tokio::task::yield_now().await;
    }
    // A client that goes away is the test's business.
    let _ = if &beginning == b"GET /ws/" { socket(stream, &world, &frames).await } else { http(stream, &world).await };
}

async fn socket(mut stream: TcpStream, world: &Mutex<World>, frames: &broadcast::Sender<Frame>) -> std::io::Result<()> {
    let behavior = {
        let mut world = world.lock().unwrap();
        world.sockets += 1;
        world.on_socket.clone()
    };
    match behavior {
        OnSocket::Welcome => {}
        OnSocket::Refuse(answer) => {
            request(&mut stream).await?;
            return stream.write_all(answer.as_bytes()).await;
        }
        OnSocket::Reset => return stream.set_zero_linger(),
    }
    let mut frames = frames.subscribe();
    let mut peer = Peer::welcome(stream, 0).await;
    loop {
        tokio::select! {
            packet = peer.packet() => match packet {
                Some(Packet::Message(SocketPacket { body: SocketBody::Event { ack: Some(id), .. }, .. })) => {
                    peer.body(SocketBody::Ack { id, args: vec![] }).await;
                }
                Some(_) => {}
                None => return Ok(()),
            },
            frame = frames.recv() => match frame {
                Ok(Frame::Event(name, data)) => peer.event(&name, data).await,
                Ok(Frame::Raw(text)) => peer.raw(&text).await,
                Ok(Frame::Cut) | Err(_) => return Ok(()),
            },
        }
    }
}

/// One request per connection: a websocket needs a connection of its own.
async fn http(mut stream: TcpStream, world: &Mutex<World>) -> std::io::Result<()> {
    if let Some((method, path, body)) = request(&mut stream).await? {
        let (status, answer) = if path.ends_with("/enqueue_batch") {
            let behavior = {
                let mut world = world.lock().unwrap();
                world.enqueues += 1;
                world.on_enqueue.pop_front().unwrap_or(OnEnqueue::Answer)
            };
            let accept = || world.lock().unwrap().accept(&body);
            match behavior {
                OnEnqueue::Answer => {
                    let (mut ids, requested) = accept();
                    ids.reverse();
                    let batch = &body["batch"]["batch_id"];
                    let mut known = world.lock().unwrap().items.clone();
                    known.retain(|id, item| item.batch_id == *batch && !ids.contains(id));
                    // Of a batch that exists already the server lists the old ones, too.
                    let all: Vec<i64> = ids.iter().copied().chain(known.into_keys().rev()).collect();
                    (
                        "200 OK",
                        json!({"queue_id": "default", "enqueued": ids.len(), "requested": requested,
                        "priority": 0, "batch": {"batch_id": batch}, "item_ids": all}),
                    )
                }
                OnEnqueue::AcceptUnheard(delay) => {
                    stream.set_zero_linger()?;
                    drop(stream);
                    tokio::time::sleep(delay).await;
                    accept();
                    return Ok(());
                }
                OnEnqueue::AcceptBehindGateway(status) => {
                    accept();
                    (status, json!({"detail": "gateway"}))
                }
                OnEnqueue::AcceptBehindPage(status, kind, text) => {
                    accept();
                    let length = text.len();
                    let page = format!(
                        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{text}"
                    );
                    return stream.write_all(page.as_bytes()).await;
                }
                OnEnqueue::AcceptAndPrune(few) => {
                    let mut world = world.lock().unwrap();
                    let (ids, _) = world.accept(&body);
                    world.items.retain(|id, _| !ids[..few].contains(id));
                    return stream.set_zero_linger();
                }
                OnEnqueue::AcceptAndBegin(few) => {
                    let mut world = world.lock().unwrap();
                    let (ids, _) = world.accept(&body);
                    ids[..few].iter().for_each(|id| world.items.get_mut(id).unwrap().status = "in_progress");
                    return stream.set_zero_linger();
                }
                OnEnqueue::AcceptPiecemeal(pause) => {
                    stream.set_zero_linger()?;
                    drop(stream);
                    let (values, batch_id) = World::values(&body);
                    for value in values {
                        tokio::time::sleep(pause).await;
                        world.lock().unwrap().add(&batch_id, value);
                    }
                    return Ok(());
                }
                OnEnqueue::AcceptNaming(few) => {
                    let (ids, requested) = accept();
                    let named: Vec<_> = ids.iter().rev().take(few).collect();
                    ("200 OK", json!({"enqueued": ids.len(), "requested": requested, "item_ids": named}))
                }
                OnEnqueue::AcceptSaying(answer) => ("200 OK", answer(&accept().0)),
                OnEnqueue::Pretend(enqueued) => {
                    ("200 OK", json!({"enqueued": enqueued, "requested": enqueued, "item_ids": []}))
                }
                OnEnqueue::Lose => return stream.set_zero_linger(),
                OnEnqueue::Refuse(status) => (status, json!({"detail": "refused"})),
            }
        } else {
            let line = format!("{method} {path}");
            let behavior = {
                let mut world = world.lock().unwrap();
                let found = world.on_path.iter().find(|(part, _)| line.contains(part));
                let behavior = found.map(|(_, behavior)| behavior.clone());
                world.requests.push(line);
                behavior
            };
            match behavior {
                None => world.lock().unwrap().answer(&method, &path, &body),
                Some(OnPath::Refuse(status)) => (status, json!({"detail": "refused"})),
                Some(OnPath::Silence) => return std::future::pending().await,
                Some(OnPath::Drip) => {
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n";
                    return drip(&mut stream, head).await;
                }
            }
        };
        let tamper = world.lock().unwrap().tamper.clone();
        let wire = tamper.and_then(|tamper| (tamper.0)(&format!("{method} {path}"), status, &answer));
        match wire.unwrap_or_else(|| Wire::Bytes(answer_of(status, &answer.to_string()))) {
            Wire::Bytes(bytes) => stream.write_all(bytes.as_bytes()).await?,
            Wire::Drip(bytes) => drip(&mut stream, &bytes).await?,
            Wire::Reset => return stream.set_zero_linger(),
            Wire::Silence => return std::future::pending().await,
        }
    }
    Ok(())
}

async fn drip(stream: &mut TcpStream, beginning: &str) -> std::io::Result<()> {
    stream.write_all(beginning.as_bytes()).await?;
    loop {
        stream.write_all(b" ").await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads one request: method, path and JSON body.
async fn request(stream: &mut TcpStream) -> std::io::Result<Option<(String, String, Value)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length")));
            let length: usize = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let mut words = head.split_whitespace().map(str::to_owned);
                let body = serde_json::from_slice(&bytes[end + 4..]).unwrap_or_default();
                return Ok(words.next().zip(words.next()).map(|(method, path)| (method, path, body)));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}
