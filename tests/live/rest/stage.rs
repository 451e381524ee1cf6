//! One test's share of the server: what it made is deleted at the end, even after a failure, and then looked for.

use std::{
    collections::BTreeMap,
    env,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::{Arc, Mutex},
};

use futures::FutureExt as _;
use invokeai_client::{
    Client, Error, Upload,
    api::{self, types},
};
use serde_json::{Value, json};

use crate::common::{
    live::{self, unique},
    skip::skipped,
};

/// Sends a call and returns its answer. A failure fails the test and names the operation.
macro_rules! done {
    ($api:ident . $operation:ident $($rest:tt)*) => {
        match $api.$operation $($rest)* .send().await {
            Ok(answer) => answer.into_inner(),
            Err(error) => panic!("{}: {error}", stringify!($operation)),
        }
    };
}
pub(crate) use done;

/// Something that a test made on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Board(String),
    Image(String),
    Video(String),
    Workflow(String),
    StylePreset(String),
    SystemPrompt(String),
    Model(String),
    User(String),
}

pub(crate) struct Stage {
    pub(crate) client: Client,
    /// A queue of the test's own: any name will do.
    pub(crate) queue: String,
    made: Mutex<Vec<Thing>>,
    /// Files that the server reads where they are.
    pub(crate) folder: tempfile::TempDir,
}

/// Runs a test against the server, if there is one, and checks that it leaves the server as it was.
pub(crate) async fn on_stage<F, Fut>(test: F)
where
    F: FnOnce(Arc<Stage>) -> Fut,
    Fut: Future<Output = ()>,
{
    let Some((client, _turn)) = live::alone().await else { return };
    let before = rows(client.api()).await;
    let stage = Arc::new(Stage {
        queue: format!("rest-test-{}", uuid::Uuid::new_v4()),
        client,
        made: Mutex::new(Vec::new()),
        folder: tempfile::tempdir().expect("a temporary folder"),
    });
    let outcome = AssertUnwindSafe(test(stage.clone())).catch_unwind().await;
    stage.clear().await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
    let after = rows(stage.client.api()).await;
    if env::var_os("INVOKEAI_TEST_SHARED").is_some() {
        skipped(format_args!("comparing all rows: INVOKEAI_TEST_SHARED is set (before {before:?}, after {after:?})"));
    } else {
        assert_eq!(before, after, "rows before and after");
    }
}

/// How many rows there are of each kind.
async fn rows(api: &api::Client) -> BTreeMap<&'static str, i64> {
    BTreeMap::from([
        ("boards", done!(api.list_all_boards().include_archived(true)).len() as i64),
        ("images", done!(api.list_image_dtos().limit(0)).total),
        ("videos", done!(api.list_video_dtos().limit(0)).total),
        ("workflows", done!(api.list_workflows()).total),
        ("style presets", done!(api.list_style_presets()).len() as i64),
        ("system prompts", done!(api.list_system_prompts()).len() as i64),
        ("models", done!(api.list_model_records()).models.len() as i64),
        ("items of the default queue", done!(api.get_queue_item_ids().queue_id("default")).total_count),
    ])
}

impl Stage {
    pub(crate) fn api(&self) -> &api::Client {
        self.client.api()
    }

    pub(crate) fn note(&self, thing: Thing) {
        self.made.lock().unwrap().push(thing);
    }

    pub(crate) async fn board(&self) -> types::BoardDto {
        let api = self.api();
        let board = done!(api.create_board().board_name(unique("board")));
        self.note(Thing::Board(board.board_id.clone()));
        board
    }

    pub(crate) async fn image(&self, upload: Upload) -> types::ImageDto {
        let api = self.api();
        let image = done!(api.upload_image().image_category("user").is_intermediate(false).file(upload));
        self.note(Thing::Image(image.image_name.clone()));
        image
    }

    pub(crate) async fn video(&self) -> types::VideoDto {
        let api = self.api();
        let clip = Upload::path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/clip.mp4"));
        let video = done!(api.upload_video().video_category("user").is_intermediate(false).file(clip));
        self.note(Thing::Video(video.video_name.clone()));
        video
    }

    pub(crate) async fn workflow(&self) -> types::WorkflowRecordDto {
        let api = self.api();
        let body = types::BodyCreateWorkflow::builder().workflow(workflow(&unique("workflow")));
        let workflow = done!(api.create_workflow().body(body));
        self.note(Thing::Workflow(workflow.workflow_id.clone()));
        workflow
    }

    pub(crate) async fn style_preset(&self) -> types::StylePresetRecordWithImage {
        let api = self.api();
        let data =
            json!({"name": unique("preset"), "positive_prompt": "a {prompt}", "negative_prompt": "", "type": "user"});
        let preset = done!(api.create_style_preset().data(data.to_string()).image(Upload::bytes("preset.png", dot())));
        self.note(Thing::StylePreset(preset.id.clone()));
        preset
    }

    pub(crate) async fn system_prompt(&self) -> types::SystemPromptRecordDto {
        let api = self.api();
        let body = types::SystemPromptWithoutId::builder().name(unique("prompt")).content("Be brief.");
        let prompt = done!(api.create_system_prompt().body(body));
        self.note(Thing::SystemPrompt(prompt.id.clone()));
        prompt
    }

    /// Enqueues a graph of one addition.
    pub(crate) async fn enqueue(&self, runs: i64) -> types::EnqueueBatchResult {
        let api = self.api();
        let node = json!({"id": "sum", "type": "add", "a": 1, "b": 2, "use_cache": false});
        let batch = json!({
            "graph": {"id": "graph", "nodes": {"sum": node}, "edges": []},
            "destination": self.queue, "origin": "rest-test", "runs": runs,
        });
        done!(api.enqueue_batch().queue_id(&self.queue).body(types::BodyEnqueueBatch::builder().batch(batch)))
    }

    /// Waits until no item of the test's queue is left to do.
    pub(crate) async fn finished(&self) {
        let api = self.api();
        for _ in 0..600 {
            let status = done!(api.get_queue_status().queue_id(&self.queue)).queue;
            if status.pending + status.in_progress == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
        panic!("the queue did not finish in 5 minutes");
    }

    /// The record of an installed model.
    pub(crate) async fn some_model(&self) -> Value {
        let api = self.api();
        let models = done!(api.list_model_records()).models;
        models.into_iter().next().expect("the test server has models")
    }

    async fn clear(&self) {
        let api = self.api();
        done!(api.clear().queue_id(&self.queue));
        done!(api.delete_client_state().queue_id(&self.queue));
        let made = self.made.lock().unwrap().clone();
        for thing in made.iter().rev() {
            self.delete(thing).await;
        }
        for thing in &made {
            let found = self.look_for(thing).await;
            assert!(found.as_ref().is_err_and(Error::is_not_found), "{thing:?} is still there: {found:?}");
        }
        assert_eq!(done!(api.get_queue_item_ids().queue_id(&self.queue)).total_count, 0);
    }

    async fn delete(&self, thing: &Thing) {
        let api = self.api();
        let outcome = match thing {
            Thing::Board(id) => api.delete_board().board_id(id).send().await.map(drop),
            Thing::Image(name) => api.delete_image().image_name(name).send().await.map(drop),
            Thing::Video(name) => api.delete_video().video_name(name).send().await.map(drop),
            Thing::Workflow(id) => api.delete_workflow().workflow_id(id).send().await.map(drop),
            Thing::StylePreset(id) => api.delete_style_preset().style_preset_id(id).send().await.map(drop),
            Thing::SystemPrompt(id) => api.delete_system_prompt().system_prompt_id(id).send().await.map(drop),
            Thing::Model(key) => api.delete_model().key(key).send().await.map(drop),
            Thing::User(id) => api.delete_user().user_id(id).send().await.map(drop),
        };
        match outcome {
            Ok(()) => {}
            // The test itself deleted it.
            Err(error) if error.is_not_found() => {}
            Err(error) => panic!("cannot delete {thing:?}: {error}"),
        }
    }

    async fn look_for(&self, thing: &Thing) -> Result<(), Error> {
        let api = self.api();
        match thing {
            Thing::Board(id) => api.get_board().board_id(id).send().await.map(drop),
            Thing::Image(name) => api.get_image_dto().image_name(name).send().await.map(drop),
            Thing::Video(name) => api.get_video_dto().video_name(name).send().await.map(drop),
            Thing::Workflow(id) => api.get_workflow().workflow_id(id).send().await.map(drop),
            Thing::StylePreset(id) => api.get_style_preset().style_preset_id(id).send().await.map(drop),
            Thing::SystemPrompt(id) => api.get_system_prompt().system_prompt_id(id).send().await.map(drop),
            Thing::Model(key) => api.get_model_record().key(key).send().await.map(drop),
            Thing::User(id) => api.get_user().user_id(id).send().await.map(drop),
        }
    }
}

/// An empty workflow.
pub(crate) fn workflow(name: &str) -> Value {
    json!({
        "name": name, "author": "", "description": "", "version": "1.0.0", "contact": "", "tags": "rest-test", "notes": "",
        "exposedFields": [], "meta": {"version": "3.0.0", "category": "user"}, "nodes": [], "edges": [],
    })
}

/// A small picture as a PNG.
pub(crate) fn dot() -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(8, 6, |x, y| image::Rgb([x as u8 * 30, y as u8 * 40, 200]));
    picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}
