//! A small InvokeAI with a gallery, boards and queues that a test fills as it likes. It answers what clean-up asks, and
//! misbehaves as a test says. Items are enqueued, but nothing runs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) session: Option<String>,
    pub(crate) created_at: String,
    pub(crate) is_intermediate: bool,
    pub(crate) is_upload: bool,
    pub(crate) starred: bool,
    pub(crate) board: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) queue: String,
    pub(crate) batch: String,
    pub(crate) status: &'static str,
    pub(crate) started: bool,
    pub(crate) parent: Option<i64>,
    /// Nodes by their ids.
    pub(crate) nodes: Value,
    /// Names of the images in its results.
    pub(crate) results: Vec<String>,
    /// Whether its run was written back when it ended.
    pub(crate) written_back: bool,
    /// Whether lists leave it out.
    pub(crate) unlisted: bool,
}

impl Item {
    pub(crate) fn new(batch: &str, status: &'static str) -> Self {
        let nodes = json!({"n": {"id": "n", "type": "blank_image"}});
        let (queue, batch) = ("default".into(), batch.into());
        let started = status != "pending";
        Self {
            queue,
            batch,
            status,
            started,
            parent: None,
            nodes,
            results: Vec::new(),
            written_back: true,
            unlisted: false,
        }
    }

    pub(crate) fn on(mut self, queue: &str) -> Self {
        self.queue = queue.into();
        self
    }

    pub(crate) fn reading(mut self, image: &str) -> Self {
        self.nodes["n"]["image"] = json!({ "image_name": image });
        self
    }

    pub(crate) fn giving(mut self, images: &[&str]) -> Self {
        self.results = images.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    fn session_id(id: i64) -> String {
        format!("session-{id}")
    }
}

/// What happens to a call, instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// It is carried out.
    Answer,
    /// It is not.
    Request,
    /// It is carried out this much later.
    Late(Duration),
}

type Hook = Box<dyn FnMut(&mut World, &str) + Send>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) pictures: BTreeMap<String, Picture>,
    /// Names by ids.
    pub(crate) boards: BTreeMap<String, String>,
    pub(crate) items: BTreeMap<i64, Item>,
    pub(crate) is_processing: bool,
    /// The most items that may wait. `None`: any number.
    pub(crate) room: Option<usize>,
    /// Images that are skipped when they are to be deleted.
    pub(crate) undeletable: BTreeSet<String>,
    /// Calls that are lost, by their verb and the beginning of their path.
    pub(crate) lose: VecDeque<(&'static str, &'static str, Lost)>,
    /// Calls that begin like this are refused.
    pub(crate) refuse: Option<&'static str>,
    /// Calls of this verb are answered this much later.
    pub(crate) slow: Option<(&'static str, Duration)>,
    /// Is called after each answer, with verb and path.
    pub(crate) after: Option<Hook>,
    pub(crate) calls: Vec<String>,
    last: i64,
}

impl World {
    pub(crate) fn add(&mut self, item: Item) -> i64 {
        self.last += 1;
        self.items.insert(self.last, item);
        self.last
    }

    /// A file that the session of an item made.
    pub(crate) fn made_by(&mut self, item_id: i64, name: &str) {
        let picture = Picture {
            session: Some(Item::session_id(item_id)),
            created_at: "2026-01-02 03:04:05.678".into(),
            is_intermediate: false,
            is_upload: false,
            starred: false,
            board: None,
        };
        self.pictures.insert(name.into(), picture);
    }

    pub(crate) fn stranger(&mut self, name: &str) {
        self.made_by(-1, name);
    }

    pub(crate) fn upload(&mut self, name: &str, session: Option<&str>) {
        self.stranger(name);
        let picture = self.pictures.get_mut(name).unwrap();
        (picture.session, picture.is_upload) = (session.map(str::to_owned), true);
    }

    /// How many calls began like this.
    pub(crate) fn count(&self, beginning: &str) -> usize {
        self.calls.iter().filter(|call| call.starts_with(beginning)).count()
    }

    /// Newest first.
    fn sorted(&self) -> Vec<&String> {
        let mut names: Vec<_> = self.pictures.iter().map(|(name, picture)| (&picture.created_at, name)).collect();
        names.sort();
        names.into_iter().rev().map(|(_, name)| name).collect()
    }

    fn picture(&self, name: &str) -> Option<Value> {
        let picture = self.pictures.get(name)?;
        Some(json!({"image_name": name, "image_origin": if picture.is_upload { "external" } else { "internal" },
            "image_category": "general", "width": 1, "height": 1, "created_at": picture.created_at,
            "is_intermediate": picture.is_intermediate, "starred": picture.starred, "session_id": picture.session,
            "has_workflow": false, "board_id": picture.board}))
    }

    fn board(&self, id: &str) -> Option<Value> {
        let name = self.boards.get(id)?;
        Some(json!({"board_id": id, "board_name": name, "created_at": "2026-01-02 03:04:05.678", "archived": false}))
    }

    fn item(&self, id: i64) -> Option<Value> {
        let item = self.items.get(&id)?;
        let results: serde_json::Map<String, Value> =
            item.results.iter().map(|name| (format!("of {name}"), json!({"image": {"image_name": name}}))).collect();
        let sources: serde_json::Map<String, Value> = results.keys().map(|id| (id.clone(), json!("n"))).collect();
        let ran = item.started && item.written_back;
        let executed = if ran { item.nodes.clone() } else { json!({}) };
        Some(json!({"item_id": id, "status": item.status, "batch_id": item.batch, "queue_id": item.queue,
            "session_id": Item::session_id(id), "created_at": "2026-01-02 03:04:05.678",
            "started_at": item.started.then_some("2026-01-02 03:04:05.678"),
            "parent_item_id": item.parent,
            "session": {"graph": {"nodes": item.nodes}, "execution_graph": {"nodes": executed},
                "results": results, "prepared_source_mapping": sources}}))
    }

    fn enqueue(&mut self, queue: &str, body: &Value) -> Value {
        let batch = &body["batch"];
        let items = batch["data"].pointer("/0/0/items").and_then(Value::as_array).map_or(1, Vec::len);
        let requested = items * batch["runs"].as_u64().unwrap_or(1) as usize;
        let waiting = self.items.values().filter(|item| item.status == "pending").count();
        let taken = self.room.map_or(requested, |room| requested.min(room.saturating_sub(waiting)));
        let batch_id = batch["batch_id"].as_str().unwrap();
        let ids: Vec<i64> = (0..taken)
            .map(|_| {
                let mut item = Item::new(batch_id, "pending").on(queue);
                item.nodes = batch["graph"]["nodes"].clone();
                self.add(item)
            })
            .rev()
            .collect();
        json!({"queue_id": queue, "enqueued": taken, "requested": requested, "priority": 0,
            "batch": {"batch_id": batch_id}, "item_ids": ids})
    }

    /// Status and body of an answer.
    fn answer(&mut self, verb: &str, path: &str, query: &BTreeMap<String, String>, body: &Value) -> (u16, Value) {
        let missing = (404, json!({"detail": "Not Found"}));
        let parts: Vec<&str> = path.split('/').collect();
        let names = |member: &str| -> Vec<String> { serde_json::from_value(body[member].clone()).unwrap_or_default() };
        let number = |name: &str, default: usize| query.get(name).map_or(default, |text| text.parse().unwrap());
        let answer = match (verb, &parts[..]) {
            ("GET", ["app", "version"]) => json!({"version": "6.14.2"}),
            ("GET", ["images", ""]) => {
                let all = self.sorted();
                let (offset, limit) = (number("offset", 0), number("limit", 10));
                let page = all.iter().skip(offset).take(limit).filter_map(|name| self.picture(name));
                json!({"total": all.len(), "offset": offset, "limit": limit, "items": page.collect::<Vec<_>>()})
            }
            ("GET", ["images", "names"]) => {
                let origin = query.get("image_origin");
                let wanted = |name: &&String| origin.is_none() || self.pictures[*name].is_upload;
                let all: Vec<_> = self.sorted().into_iter().filter(wanted).collect();
                json!({"image_names": all, "starred_count": 0, "total_count": all.len()})
            }
            ("POST", ["images", "images_by_names"]) => {
                names("image_names").iter().filter_map(|name| self.picture(name)).collect()
            }
            ("GET", ["images", "i", name]) => match self.picture(name) {
                Some(picture) => picture,
                None => return missing,
            },
            ("POST", ["images", "delete"]) => {
                let gone = names("image_names")
                    .into_iter()
                    .filter(|name| !self.undeletable.contains(name) && self.pictures.remove(name).is_some());
                json!({"deleted_images": gone.collect::<Vec<_>>(), "failed_images": [], "affected_boards": []})
            }
            ("POST", ["images", "upload"]) => {
                let name = format!("upload-{}.png", self.pictures.len());
                self.upload(&name, query.get("session_id").map(String::as_str));
                self.pictures.get_mut(&name).unwrap().board = query.get("board_id").cloned();
                return (201, self.picture(&name).unwrap());
            }
            ("GET", ["videos", ""]) => json!({"total": 0, "offset": 0, "limit": 10, "items": []}),
            ("GET", ["videos", "names"]) => json!({"video_names": [], "starred_count": 0, "total_count": 0}),
            ("GET", ["boards", ""]) => {
                let all: Vec<Value> = self.boards.keys().filter_map(|id| self.board(id)).collect();
                match query.contains_key("all") {
                    true => json!(all),
                    // As on the real server, the total is that of the page.
                    false => {
                        let (offset, limit) = (number("offset", 0), number("limit", 10));
                        let page: Vec<_> = all.into_iter().skip(offset).take(limit).collect();
                        json!({"total": page.len(), "offset": offset, "limit": limit, "items": page})
                    }
                }
            }
            ("POST", ["boards", ""]) => {
                self.last += 1;
                let id = format!("board-{}", self.last);
                self.boards.insert(id.clone(), query["board_name"].clone());
                return (201, self.board(&id).unwrap());
            }
            ("GET", ["boards", id, "image_names"]) if self.boards.contains_key(*id) => {
                let on_it = self.pictures.iter().filter(|(_, picture)| picture.board.as_deref() == Some(*id));
                on_it.map(|(name, _)| name.clone()).collect()
            }
            (_, ["boards", id]) if self.boards.contains_key(*id) => match verb {
                "PATCH" => {
                    let name = body["board_name"].as_str().unwrap();
                    if name.chars().count() > 300 {
                        return (422, json!({"detail": "too long"}));
                    }
                    self.boards.insert((*id).to_owned(), name.to_owned());
                    return (201, self.board(id).unwrap());
                }
                "DELETE" => {
                    self.boards.remove(*id);
                    json!({"board_id": id, "deleted_board_images": [], "deleted_images": []})
                }
                _ => self.board(id).unwrap(),
            },
            (_, ["queue", queue, rest @ ..]) => return self.queue(verb, queue, rest, body),
            _ => return missing,
        };
        (200, answer)
    }

    fn queue(&mut self, verb: &str, queue: &str, rest: &[&str], body: &Value) -> (u16, Value) {
        let missing = (404, json!({"detail": "Not Found"}));
        let of_queue = |item: &Item| item.queue == queue;
        let counts = |items: &mut dyn Iterator<Item = &Item>| {
            let mut counts = json!({"pending": 0, "in_progress": 0, "waiting": 0, "completed": 0, "failed": 0,
                "canceled": 0, "total": 0});
            for item in items {
                for name in [item.status, "total"] {
                    counts[name] = json!(counts[name].as_u64().unwrap() + 1);
                }
            }
            counts
        };
        let answer = match (verb, rest) {
            ("GET", ["item_ids"]) => {
                let ids: Vec<_> =
                    self.items.iter().filter(|(_, item)| of_queue(item) && !item.unlisted).map(|(id, _)| id).collect();
                json!({"total_count": ids.len(), "item_ids": ids})
            }
            ("POST", ["item_summaries_by_ids"]) => {
                let ids: Vec<i64> = serde_json::from_value(body["item_ids"].clone()).unwrap();
                ids.into_iter().filter(|id| self.items.get(id).is_some_and(of_queue)).map(|id| self.item(id)).collect()
            }
            ("GET", ["status"]) => {
                let mut of = self.items.values().filter(|item| of_queue(item));
                let mut counts = counts(&mut of);
                counts["queue_id"] = json!(queue);
                let current = self
                    .items
                    .iter()
                    .find(|(_, item)| of_queue(item) && item.status == "in_progress")
                    .map(|(id, _)| id);
                counts["item_id"] = json!(current);
                json!({"queue": counts, "processor": {"is_started": true, "is_processing": self.is_processing}})
            }
            ("GET", ["b", batch, "status"]) => {
                let mut counts = counts(&mut self.items.values().filter(|item| of_queue(item) && item.batch == *batch));
                counts["batch_id"] = json!(batch);
                counts
            }
            ("PUT", ["cancel_by_batch_ids"]) => {
                let batches: Vec<String> = serde_json::from_value(body["batch_ids"].clone()).unwrap();
                let open = |item: &&mut Item| {
                    batches.contains(&item.batch) && matches!(item.status, "pending" | "in_progress" | "waiting")
                };
                json!({"canceled": self.items.values_mut().filter(open).map(|item| item.status = "canceled").count()})
            }
            ("POST", ["enqueue_batch"]) => self.enqueue(queue, body),
            (_, ["i", id]) => {
                let id: i64 = id.parse().unwrap();
                if !self.items.get(&id).is_some_and(of_queue) {
                    return missing;
                }
                match verb {
                    "DELETE" => self.items.remove(&id).map(|_| Value::Null).unwrap(),
                    _ => self.item(id).unwrap(),
                }
            }
            _ => return missing,
        };
        (200, answer)
    }

    fn serve(&mut self, request: &Request) -> (u16, Value) {
        let path = request.url.path().strip_prefix("/api/v1/").unwrap_or_default().to_owned();
        let query = request.url.query_pairs().into_owned().collect();
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let verb = request.method.as_str();
        let answer = self.answer(verb, &path, &query, &body);
        if let Some(mut hook) = self.after.take() {
            hook(self, &format!("{verb} {path}"));
            self.after = Some(hook);
        }
        answer
    }
}

/// The server.
pub(crate) struct FakeGallery {
    server: MockServer,
    world: Arc<Mutex<World>>,
}

struct Serve(Arc<Mutex<World>>);

impl FakeGallery {
    pub(crate) async fn start() -> Self {
        let server = MockServer::builder().disable_request_recording().start().await;
        let world = Arc::default();
        Mock::given(any()).respond_with(Serve(Arc::clone(&world))).mount(&server).await;
        Self { server, world }
    }

    pub(crate) fn url(&self) -> String {
        self.server.uri()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl Respond for Serve {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut world = self.0.lock().unwrap();
        let call = format!("{} {}", request.method, request.url.path().trim_start_matches("/api/v1/"));
        world.calls.push(call.clone());
        let is_it = |(verb, path, _): &(&str, &str, Lost)| call.starts_with(&format!("{verb} {path}"));
        if let Some(at) = world.lose.iter().position(is_it) {
            match world.lose.remove(at).unwrap().2 {
                Lost::Request => {}
                Lost::Answer => drop(world.serve(request)),
                Lost::Late(delay) => {
                    let (world, request) = (Arc::clone(&self.0), request.clone());
                    std::thread::spawn(move || {
                        std::thread::sleep(delay);
                        world.lock().unwrap().serve(&request);
                    });
                }
            }
            return ResponseTemplate::new(504).set_body_json(json!({"detail": "gateway"}));
        }
        if world.refuse.is_some_and(|refused| call.starts_with(refused)) {
            return ResponseTemplate::new(422).set_body_json(json!({"detail": "no"}));
        }
        let (status, body) = world.serve(request);
        let delay = world.slow.filter(|(verb, _)| request.method.as_str() == *verb).map(|(_, delay)| delay);
        ResponseTemplate::new(status).set_body_json(body).set_delay(delay.unwrap_or_default())
    }
}
