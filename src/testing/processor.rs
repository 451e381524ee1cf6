//! Runs queue items, one after the other, on a thread of its own.

use super::{
    events::Invocation,
    nodes::{self, Context, NewImage, NodeError, Preview, SavedImage, Tensors},
    session::{InputError, Prepared, Session},
    store::{
        images,
        queue::{Item, ItemError},
    },
    world::World,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use image::{DynamicImage, ImageFormat};
use serde_json::{Value, json};
use std::{
    io::Cursor,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How often it checks whether it should stop, if nobody wakes it.
const PATIENCE: Duration = Duration::from_millis(500);

/// Works until the server stops.
pub(crate) fn run(world: &World) {
    // Names outlive a run in the invocation cache.
    let mut tensors = Tensors::default();
    while let Some((item, epoch)) = take(world) {
        Run { world, item, epoch, tensors: &mut tensors, graph: None, has_models: false }.run();
        // Between items nobody uses any.
        let gone = tensors.prune();
        if !gone.is_empty() {
            world.store().cache.forget_tensors(&gone);
        }
    }
}

/// Waits for an item and starts it; `None` when the server stops.
fn take(world: &World) -> Option<(Item, u64)> {
    let mut store = world.store();
    loop {
        if world.stopping.load(Ordering::SeqCst) {
            return None;
        }
        let next = if store.queues.paused { None } else { store.queues.next(None).map(|item| item.id) };
        if let Some(item) = next.and_then(|id| store.queues.items.get_mut(&id)) {
            item.set_status("in_progress");
            let item = item.clone();
            store.queues.last_user = Some(item.user_id.clone());
            world.announce_status(&store, &item);
            return Some((item, store.queues.epoch));
        }
        store = world.wait_for_work(store, PATIENCE);
    }
}

/// One item on its way.
struct Run<'a> {
    world: &'a World,
    item: Item,
    /// The server's epoch when the run began.
    epoch: u64,
    tensors: &'a mut Tensors,
    /// The graph as text, for the files of images.
    graph: Option<String>,
    /// Whether it has loaded a model.
    has_models: bool,
}

/// The node that failed, and how.
struct Failure {
    prepared: Prepared,
    error: NodeError,
}

impl Run<'_> {
    fn run(mut self) {
        let mut session = match Session::new(&self.item.graph) {
            Ok(session) => session,
            Err(problems) => {
                // It was checked when it came.
                let message = problems.first().map(|problem| problem.msg.clone()).unwrap_or_default();
                return self.end(Value::Null, Err((NodeError::new("ValueError", message), None)));
            }
        };
        self.graph = Some(session.to_json()["graph"].to_string());
        let failure = self.run_nodes(&mut session);
        let mut state = session.to_json();
        state["id"] = self.item.session_id.as_str().into();
        match failure {
            None => self.end(state, Ok(())),
            Some(Failure { prepared, error }) => self.end(state, Err((error, Some(prepared)))),
        }
    }

    fn run_nodes(&mut self, session: &mut Session) -> Option<Failure> {
        loop {
            if session.is_complete() || self.is_canceled() {
                return None;
            }
            let prepared = match session.next() {
                Ok(None) => return None,
                Ok(Some(prepared)) => prepared,
                Err(wrong) => {
                    let InputError { prepared, error } = *wrong;
                    return Some(Failure { prepared, error });
                }
            };
            self.announce("invocation_started", &prepared, json!({}));
            match self.invoke(&prepared) {
                Ok(output) => {
                    session.complete(&prepared.id, output.clone());
                    self.announce("invocation_complete", &prepared, json!({"result": output}));
                }
                Err(error) if error.is_canceled() => return None,
                Err(error) => {
                    session.fail(&prepared.id, &error);
                    return Some(Failure { prepared, error });
                }
            }
        }
    }

    /// Returns the output from the cache, or runs the node.
    fn invoke(&mut self, prepared: &Prepared) -> Result<Value, NodeError> {
        let key = nodes::cache_key(prepared);
        if let Some(output) = key.as_deref().and_then(|key| self.world.store().cache.get(key)) {
            return Ok(output);
        }
        let output = nodes::invoke(prepared, &mut NodeContext { run: self, prepared })?;
        if let Some(key) = key {
            self.world.store().cache.put(key, output.clone());
        }
        Ok(output)
    }

    fn announce(&self, name: &'static str, prepared: &Prepared, more: Value) {
        let node = Value::Object(prepared.event_node());
        let invocation = Invocation { node: &node, source_id: &prepared.source_id };
        self.world.announce_invocation(name, &self.item, &invocation, more);
    }

    /// Whether somebody canceled or deleted the item, or the server is stopping.
    fn is_canceled(&self) -> bool {
        let store = self.world.store();
        let running = store.queues.items.get(&self.item.id).is_some_and(|item| item.status == "in_progress");
        !running || store.queues.epoch != self.epoch || self.world.stopping.load(Ordering::SeqCst)
    }

    /// Records how it ended, unless somebody else has.
    fn end(self, session: Value, outcome: Result<(), (NodeError, Option<Prepared>)>) {
        let mut store = self.world.store();
        if store.queues.epoch != self.epoch {
            return;
        }
        let Some(item) = store.queues.items.get_mut(&self.item.id) else { return };
        item.session = session;
        if item.status != "in_progress" {
            return;
        }
        let Err((error, prepared)) = outcome else {
            item.set_status("completed");
            let item = item.clone();
            return self.world.announce_status(&store, &item);
        };
        let NodeError { error_type: kind, message } = error;
        let traceback = format!("Traceback (most recent call last):\n{kind}: {message}\n");
        let told = json!({"error_type": kind, "error_message": message, "error_traceback": traceback});
        item.error = Some(ItemError { kind, message, traceback });
        item.set_status("failed");
        let item = item.clone();
        // In this order.
        self.world.announce_status(&store, &item);
        drop(store);
        if let Some(prepared) = prepared {
            self.announce("invocation_error", &prepared, told);
        }
    }
}

/// What a node asks the server for.
struct NodeContext<'a, 'run> {
    run: &'a mut Run<'run>,
    prepared: &'a Prepared,
}

impl Context for NodeContext<'_, '_> {
    fn load_image(&mut self, image_name: &str) -> Option<Arc<DynamicImage>> {
        let png = self.run.world.store().images.get(image_name)?.png.clone();
        // The server wrote it itself, so it can be read.
        image::load_from_memory(&png).ok().map(Arc::new)
    }

    fn image_metadata(&mut self, image_name: &str) -> Option<Value> {
        self.run.world.store().images.get(image_name)?.metadata.clone()
    }

    fn save_image(&mut self, image: NewImage) -> Result<SavedImage, NodeError> {
        self.progress("Saving image", None, None);
        let item = &self.run.item;
        let board_id = image.board_id.filter(|id| self.run.world.store().boards.contains_key(id));
        let image = images::NewImage {
            pixels: image.image,
            origin: "internal",
            category: image.category.into(),
            is_intermediate: image.is_intermediate,
            session_id: Some(item.session_id.clone()),
            node_id: Some(self.prepared.id.clone()),
            board_id,
            user_id: item.user_id.clone(),
            metadata: image.metadata,
            workflow: Some(&item.workflow).filter(|workflow| !workflow.is_null()).map(Value::to_string),
            graph: self.run.graph.clone(),
        };
        let image = image.encode().map_err(|error| NodeError::new("ImageFileSaveException", error.to_string()))?;
        let mut store = self.run.world.store();
        let image = store.add_image(image);
        Ok(SavedImage { image_name: image.name.clone(), width: image.width, height: image.height })
    }

    fn model(&mut self, key: &str) -> Option<Value> {
        self.run.world.store().models.get(key).cloned()
    }

    fn models(&mut self) -> Vec<Value> {
        self.run.world.store().models.values().cloned().collect()
    }

    fn tensors(&mut self) -> &mut Tensors {
        self.run.tensors
    }

    fn progress(&mut self, message: &str, percentage: Option<f64>, preview: Option<Preview>) {
        let image = preview.as_ref().and_then(|preview| {
            let mut jpeg = Vec::new();
            preview.image.write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg).ok()?;
            let url = format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
            Some(json!({"width": preview.width, "height": preview.height, "dataURL": url}))
        });
        let more = json!({"message": message, "percentage": percentage, "image": image, "device": null});
        self.run.announce("invocation_progress", self.prepared, more);
        if percentage.is_some() {
            std::thread::sleep(self.run.world.settings.step_time);
        }
    }

    fn model_loaded(&mut self, record: &Value, submodel_type: Option<&str>) {
        // As `load_default.py` does it.
        let text = |member: &str| record[member].as_str().unwrap_or_default();
        let name = [text("base"), text("type"), text("name"), submodel_type.unwrap_or_default()].join(":");
        let is_first = !std::mem::replace(&mut self.run.has_models, true);
        let mut store = self.run.world.store();
        let loaded = store.loaded_models.get_or_insert_default();
        if is_first {
            loaded.clear();
        }
        loaded.insert(name, 0);
        drop(store);
        for name in ["model_load_started", "model_load_complete"] {
            self.run.world.announce_model_load(name, record, submodel_type, &self.run.item.user_id);
        }
    }

    fn is_canceled(&self) -> bool {
        self.run.is_canceled()
    }
}
