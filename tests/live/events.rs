//! Live events of a real server, named by `INVOKEAI_TEST_URL`. Leaves no queue items behind.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use invokeai_client::events::{
    ConnectionState, Event, EventEndpoint, EventError, EventFilter, EventHub, EventItem, EventPayload, EventStream,
    EventsOptions, Gap,
};
use invokeai_client::progress::ProgressTracker;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::common::{http, live};

/// A busy shared server may keep an item waiting.
const DEADLINE: Duration = Duration::from_secs(90);

async fn server() -> Option<(String, live::Turn)> {
    let (client, turn) = live::client().await?;
    Some((client.base_url().as_str().trim_end_matches('/').to_owned(), turn))
}

fn hub(url: &str) -> EventHub {
    let mut options = EventsOptions::default();
    options.backoff_min = Duration::from_millis(20);
    EventHub::new(EventEndpoint::new(http::client(), url).unwrap(), options)
}

/// A batch whose id was chosen before it was sent, so that its events can be recognized from the first one on.
struct Batch {
    url: String,
    id: String,
    items: Vec<i64>,
}

impl Batch {
    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), id: uuid::Uuid::new_v4().to_string(), items: vec![] }
    }

    fn filter(&self) -> EventFilter {
        EventFilter::all().queue("default").batch(&self.id)
    }

    /// Enqueues a chain of additions.
    async fn enqueue(&mut self, nodes: usize) {
        let id = |n: usize| format!("n{n}");
        // A fresh number keeps the server from answering out of its cache.
        let seed = i64::from(rand::random::<u32>() >> 1);
        let add = |n: usize| (id(n), json!({"id": id(n), "type": "add", "a": seed, "b": n}));
        let edge = |n: usize| json!({"source": {"node_id": id(n), "field": "value"}, "destination": {"node_id": id(n + 1), "field": "a"}});
        let edges: Vec<_> = (0..nodes.saturating_sub(1)).map(edge).collect();
        let nodes: serde_json::Map<_, _> = (0..nodes).map(add).collect();
        let batch = json!({"batch_id": self.id, "graph": {"nodes": nodes, "edges": edges}, "runs": 1});
        let request = http::client().post(format!("{}/api/v1/queue/default/enqueue_batch", self.url));
        let answer = request.json(&json!({ "batch": batch })).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        let answer: Value = answer.json().await.unwrap();
        self.items = answer["item_ids"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    }

    async fn status(&self) -> String {
        let url = format!("{}/api/v1/queue/default/i/{}", self.url, self.items[0]);
        let item: Value = http::client().get(url).send().await.unwrap().json().await.unwrap();
        item["status"].as_str().unwrap().to_owned()
    }

    async fn remove(self) {
        for item in &self.items {
            let url = format!("{}/api/v1/queue/default/i/{item}", self.url);
            let answer = http::client().delete(url).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
        }
    }

    /// The batch's events up to the end of its item, and the gaps between them.
    async fn follow(&self, events: &mut EventStream) -> (Vec<Event>, Vec<Gap>) {
        let (mut seen, mut gaps) = (Vec::new(), Vec::new());
        let following = async {
            while let Some(item) = events.next().await {
                match item.unwrap() {
                    EventItem::Event(event) if event.batch_id() == Some(&self.id) => {
                        let end = matches!(event.status(), Some("completed" | "failed" | "canceled"));
                        seen.push(event);
                        if end {
                            return;
                        }
                    }
                    EventItem::Gap(gap) => gaps.push(gap),
                    _ => {}
                }
            }
        };
        timeout(DEADLINE, following).await.unwrap_or_else(|_| panic!("no end: {seen:?}"));
        (seen, gaps)
    }
}

async fn connected(events: &EventStream) {
    timeout(DEADLINE, events.connected()).await.unwrap().unwrap();
}

#[tokio::test]
async fn from_a_cold_start_every_event_of_a_job_arrives_in_order() {
    let Some((url, _turn)) = server().await else { return };
    for _ in 0..5 {
        let mut batch = Batch::new(&url);
        let hub = hub(&url);
        let mut events = hub.subscribe(batch.filter());
        let begin = Instant::now();
        connected(&events).await;
        let connecting = begin.elapsed();
        batch.enqueue(2).await;
        let (seen, gaps) = batch.follow(&mut events).await;
        let item = batch.items[0];
        batch.remove().await;
        let names: Vec<_> = seen
            .iter()
            .map(|event| match (event.status(), event.invocation()) {
                (Some(status), _) => status.to_owned(),
                (_, Some(node)) => format!("{} {}", event.name(), node.id),
                _ => event.name().to_owned(),
            })
            .collect();
        let expected = [
            "batch_enqueued",
            "in_progress",
            "invocation_started n0",
            "invocation_complete n0",
            "invocation_started n1",
            "invocation_complete n1",
            "completed",
        ];
        assert_eq!((names.as_slice(), gaps.as_slice()), (&expected.map(str::to_owned)[..], &[][..]));
        let mut tracker = ProgressTracker::new(item, [("n0", Some("first")), ("n1", None)]);
        for event in &seen {
            tracker.apply(event);
            let payload = event.payload();
            assert!(!matches!(payload, EventPayload::Unknown | EventPayload::Undecodable(_)), "{event:?}: {payload:?}");
        }
        assert_eq!((tracker.progress().executions_done, tracker.progress().fraction()), (2, 1.0));
        eprintln!("connected and subscribed in {connecting:?}");
    }
}

#[tokio::test]
async fn a_killed_connection_is_reopened_and_the_gap_is_marked() {
    let Some((url, _turn)) = server().await else { return };
    let proxy = Proxy::start(&url).await;
    let hub = hub(&proxy.url());
    // The connection goes through the proxy; everything else bypasses it.
    let mut long = Batch::new(&url);
    let mut events = hub.subscribe(long.filter());
    connected(&events).await;
    long.enqueue(150).await;
    let until_running = async {
        while let Some(item) = events.next().await {
            if matches!(item.unwrap(), EventItem::Event(event) if event.name() == "invocation_complete") {
                return;
            }
        }
    };
    timeout(DEADLINE, until_running).await.unwrap();
    proxy.kill();
    let until_back = async {
        let mut down = false;
        while let Some(item) = events.next().await {
            match item.unwrap() {
                EventItem::Disconnected { .. } => down = true,
                EventItem::Gap(Gap::Reconnected) => return down,
                _ => {}
            }
        }
        false
    };
    let begin = Instant::now();
    assert!(timeout(DEADLINE, until_back).await.unwrap(), "first down, then up again");
    eprintln!("noticed, reconnected and subscribed again in {:?}", begin.elapsed());
    assert!(matches!(hub.state(), ConnectionState::Connected));
    // What was missed is read over HTTP; what follows is seen again.
    let until_done = async {
        while long.status().await != "completed" {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(DEADLINE, until_done).await.unwrap();
    let mut short = Batch::new(&url);
    events.set_filter(short.filter());
    connected(&events).await;
    short.enqueue(1).await;
    let (seen, gaps) = short.follow(&mut events).await;
    long.remove().await;
    short.remove().await;
    assert_eq!((seen.len(), gaps), (5, vec![]), "{seen:?}");
}

#[tokio::test]
async fn a_wrong_path_is_not_an_event_socket() {
    let Some((url, _turn)) = server().await else { return };
    let mut events = hub(&format!("{url}/no/such/prefix")).subscribe(EventFilter::all());
    let error = timeout(DEADLINE, events.next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, EventError::NotWebSocket { .. }) && error.is_permanent(), "{error}");
    eprintln!("{error}");
}

/// Forwards connections to the server until it is told to cut them.
struct Proxy {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Proxy {
    async fn start(url: &str) -> Self {
        let target = url.strip_prefix("http://").expect("a plain HTTP server").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = target.clone();
                let forward = async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                };
                list.lock().unwrap().push(tokio::spawn(forward));
            }
        });
        Self { address, connections }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn kill(&self) {
        for connection in self.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }
}
