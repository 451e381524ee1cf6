//! Calls every GET and HEAD operation of the API, and decodes the answers.

use std::{collections::BTreeSet, fmt::Display, sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use invokeai_client::{
    Error, Upload,
    api::{ByteStream, OPERATIONS, ResponseValue, types},
    events::EventItem,
};

use super::stage::{Stage, done, dot};

/// Reads that are not called, and why.
const NOT_CALLED: &[(&str, &str)] = &[
    ("get_hugging_face_models", "asks the model hub, on the internet"),
    ("install_hugging_face_model", "is not a read: it installs a model from the hub"),
];

/// What was called, and what went wrong.
#[derive(Default)]
struct Reads {
    called: BTreeSet<&'static str>,
    failures: Vec<String>,
}

impl Reads {
    fn answer<T>(&mut self, operation: &'static str, answer: Result<ResponseValue<T>, Error>) -> Option<T> {
        self.called.insert(operation);
        match answer {
            Ok(answer) => Some(answer.into_inner()),
            Err(error) => self.fail(operation, error),
        }
    }

    /// A file must come whole and say what it is.
    async fn file(
        &mut self,
        operation: &'static str,
        kind: &str,
        answer: Result<ResponseValue<ByteStream>, Error>,
    ) -> Vec<u8> {
        let said = answer.as_ref().ok().and_then(|answer| answer.headers().get("content-type")).cloned();
        let Some(stream) = self.answer(operation, answer) else { return Vec::new() };
        if !said.as_ref().is_some_and(|said| said.as_bytes().starts_with(kind.as_bytes())) {
            self.fail::<()>(operation, format!("content type {said:?}, expected {kind}"));
        }
        match stream.into_inner().try_collect::<Vec<_>>().await {
            Ok(chunks) if chunks.iter().any(|chunk| !chunk.is_empty()) => chunks.concat(),
            Ok(_) => self.fail(operation, "no bytes").unwrap_or_default(),
            Err(error) => self.fail(operation, error).unwrap_or_default(),
        }
    }

    /// A refusal is an answer, too, where it is the right one.
    fn refusal<T>(&mut self, operation: &'static str, status: u16, answer: Result<ResponseValue<T>, Error>) {
        self.called.insert(operation);
        match answer {
            Ok(_) => self.fail::<()>(operation, format!("success, expected {status}")),
            Err(error) if error.status() == Some(status) => None,
            Err(error) => self.fail(operation, error),
        };
    }

    fn fail<T>(&mut self, operation: &'static str, problem: impl Display) -> Option<T> {
        self.failures.push(format!("{operation}: {problem}"));
        None
    }
}

macro_rules! read {
    ($reads:ident, $api:ident . $operation:ident $($rest:tt)*) => {
        $reads.answer(stringify!($operation), $api.$operation $($rest)* .send().await)
    };
}

macro_rules! file {
    ($reads:ident, $kind:literal, $api:ident . $operation:ident $($rest:tt)*) => {
        $reads.file(stringify!($operation), $kind, $api.$operation $($rest)* .send().await).await
    };
}

macro_rules! refused {
    ($reads:ident, $status:literal, $api:ident . $operation:ident $($rest:tt)*) => {
        $reads.refusal(stringify!($operation), $status, $api.$operation $($rest)* .send().await)
    };
}

pub(crate) async fn sweep(stage: Arc<Stage>) {
    let mut reads = Reads::default();
    users(&stage, &mut reads).await;
    app(&stage, &mut reads).await;
    images(&stage, &mut reads).await;
    videos_and_gallery(&stage, &mut reads).await;
    models(&stage, &mut reads).await;
    queue(&stage, &mut reads).await;
    workflows(&stage, &mut reads).await;
    presets(&stage, &mut reads).await;

    let all: Vec<_> =
        OPERATIONS.iter().filter(|o| matches!(o.method, "GET" | "HEAD")).map(|operation| operation.id).collect();
    let excluded: Vec<_> = NOT_CALLED.iter().map(|(id, _)| *id).collect();
    for id in &all {
        if reads.called.contains(id) == excluded.contains(id) {
            reads.failures.push(format!("{id}: must be either called here or excluded with a reason"));
        }
    }
    eprintln!("{} of {} reads called", reads.called.len(), all.len());
    assert!(reads.failures.is_empty(), "{} failures:\n{}", reads.failures.len(), reads.failures.join("\n"));
}

async fn users(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let Some(status) = read!(reads, api.get_setup_status()) else { return };
    if status.multiuser_enabled {
        let Some(user) = read!(reads, api.get_current_user_info()) else { return };
        read!(reads, api.list_users());
        read!(reads, api.get_user().user_id(user.user_id));
        read!(reads, api.generate_password());
    } else {
        refused!(reads, 401, api.get_current_user_info());
        refused!(reads, 401, api.list_users());
        refused!(reads, 401, api.get_user().user_id("system"));
        refused!(reads, 401, api.generate_password());
    }
}

async fn app(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    read!(reads, api.app_version());
    read!(reads, api.get_app_deps());
    read!(reads, api.get_patchmatch_status());
    read!(reads, api.get_generation_device_options());
    read!(reads, api.get_runtime_config());
    read!(reads, api.get_external_provider_statuses());
    read!(reads, api.get_external_provider_configs());
    read!(reads, api.get_log_level());
    read!(reads, api.get_invocation_cache_status());
    read!(reads, api.list_custom_node_packs());
    read!(reads, api.get_image_move_status());
    match read!(reads, api.list_user_fonts()).and_then(|answer| answer.fonts.into_iter().next()) {
        Some(_) => panic!("the test server has fonts: read one here"),
        None => refused!(reads, 404, api.get_user_font_file().font_path("no such font.ttf")),
    }
    done!(api.set_client_state().queue_id(&stage.queue).key("rest-test:a b").body("1"));
    let state = read!(reads, api.get_client_state_by_key().queue_id(&stage.queue).key("rest-test:a b"));
    assert_eq!(state.flatten().as_deref(), Some("1"));
    let missing = read!(reads, api.get_client_state_by_key().queue_id(&stage.queue).key("nothing"));
    assert_eq!(missing, Some(None));
    let keys = read!(reads, api.get_client_state_keys_by_prefix().queue_id(&stage.queue).prefix("rest-test:"));
    assert_eq!(keys.as_deref(), Some(&["rest-test:a b".to_owned()][..]));
    read!(reads, api.get_recall_parameters().queue_id(&stage.queue));
}

async fn images(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let board = stage.board().await;
    let image = stage.image(Upload::bytes("dot.png", dot())).await;
    let name = &image.image_name;
    done!(
        api.add_image_to_board()
            .body(types::BodyAddImageToBoard::builder().board_id(board.board_id.clone()).image_name(name.clone()))
    );

    let page =
        read!(reads, api.list_image_dtos().board_id(&board.board_id).categories(vec!["user".into(), "mask".into()]));
    assert_eq!(page.map(|page| page.total), Some(1));
    let found = read!(reads, api.get_image_dto().image_name(name));
    assert_eq!(found.and_then(|image| image.board_id), Some(board.board_id.clone()));
    read!(reads, api.get_intermediates_count());
    assert!(read!(reads, api.get_image_metadata().image_name(name)).is_some_and(|metadata| metadata.is_none()));
    read!(reads, api.get_image_workflow().image_name(name));
    read!(reads, api.get_image_full_head().image_name(name));
    file!(reads, "image/png", api.get_image_full().image_name(name));
    file!(reads, "image/webp", api.get_image_thumbnail().image_name(name));
    read!(reads, api.get_image_urls().image_name(name));
    read!(reads, api.get_image_names().board_id(&board.board_id));

    read!(reads, api.list_boards().offset(0).limit(5));
    let boards = read!(reads, api.list_all_boards().include_archived(true)).unwrap_or_default();
    assert!(boards.iter().any(|listed| listed.board_id == board.board_id));
    read!(reads, api.get_board().board_id(&board.board_id));
    let names = read!(reads, api.list_all_board_image_names().board_id(&board.board_id));
    assert_eq!(names.as_deref(), Some(&[name.clone()][..]));
    let days = read!(reads, api.list_virtual_boards_by_date()).unwrap_or_default();
    let date = &days.first().expect("an image was uploaded today").date;
    read!(reads, api.list_virtual_board_image_names_by_date().date(date));
    read!(reads, api.list_virtual_board_item_names_by_date().date(date));

    // The zip is made after the answer, in place, and can be fetched once: only its event says when it is complete.
    let mut events = stage.client.events();
    events.connected().await.unwrap();
    let body = types::BodyDownloadImagesFromList::builder().image_names(vec![name.clone()]);
    let item = done!(api.download_images_from_list().body(body)).bulk_download_item_name.expect("a name");
    let made = async {
        while let Some(event) = events.try_next().await.unwrap() {
            if let EventItem::Event(event) = event
                && event.name() == "bulk_download_complete"
                && event.data()["bulk_download_item_name"] == item
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), made).await.expect("the zip is made in time");
    let answer = api.get_bulk_download_item().bulk_download_item_name(&item).send().await;
    let zip = reads.file("get_bulk_download_item", "application/zip", answer).await;
    assert!(zip.starts_with(b"PK"), "no zip: {:?}", zip.get(..8));
}

async fn videos_and_gallery(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let video = stage.video().await;
    let name = &video.video_name;
    read!(reads, api.get_video_dto().video_name(name));
    read!(reads, api.get_video_metadata().video_name(name));
    read!(reads, api.get_video_workflow().video_name(name));
    read!(reads, api.get_video_full_head().video_name(name));
    file!(reads, "video/mp4", api.get_video_full().video_name(name));
    file!(reads, "image/webp", api.get_video_thumbnail().video_name(name));
    read!(reads, api.get_video_urls().video_name(name));
    read!(reads, api.list_video_dtos().limit(3));
    read!(reads, api.get_video_names());
    read!(reads, api.list_gallery_items().limit(3));
    read!(reads, api.list_gallery_item_names());
    read!(reads, api.get_gallery_item_names());
}

async fn models(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let model = stage.some_model().await;
    let text = |member: &str| model[member].as_str().unwrap_or_default().to_owned();
    let key = text("key");
    read!(reads, api.list_model_records());
    read!(reads, api.list_missing_models());
    read!(reads, api.get_model_records_by_attrs().name(text("name")).type_(text("type")).base(text("base")));
    read!(reads, api.get_model_records_by_hash().hash(text("hash")));
    let same = read!(reads, api.get_model_record().key(&key)).unwrap_or_default();
    assert_eq!(same["key"], model["key"]);
    read!(reads, api.scan_for_models().scan_path(stage.folder.path().to_str().unwrap()));
    done!(api.update_model_image().key(&key).image(Upload::bytes("cover.png", dot())));
    file!(reads, "image/", api.get_model_image().key(&key));
    done!(api.delete_model_image().key(&key));
    read!(reads, api.get_starter_models());
    read!(reads, api.get_stats());
    read!(reads, api.get_hf_login_status());
    read!(reads, api.get_orphaned_models());
    read!(reads, api.get_related_models().model_key(&key));
    let job = super::writes::install(stage).await;
    read!(reads, api.list_model_installs());
    let found = read!(reads, api.get_model_install_job().id(job.id));
    assert_eq!(found.map(|found| found.id), Some(job.id));
}

async fn queue(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let queue = &stage.queue;
    let enqueued = stage.enqueue(2).await;
    let item = enqueued.item_ids[0];
    read!(reads, api.get_next_queue_item().queue_id(queue));
    read!(reads, api.get_current_queue_item().queue_id(queue));
    read!(reads, api.get_queue_item().queue_id(queue).item_id(item));
    read!(reads, api.list_all_queue_items().queue_id(queue).destination(queue));
    stage.finished().await;
    assert!(read!(reads, api.get_current_queue_item().queue_id(queue)).is_some_and(|item| item.is_none()));
    assert_eq!(read!(reads, api.list_all_queue_items().queue_id(queue)).map(|items| items.len()), Some(2));
    assert_eq!(read!(reads, api.get_queue_item_ids().queue_id(queue)).map(|ids| ids.total_count), Some(2));
    read!(reads, api.get_queue_status().queue_id(queue));
    let batch = enqueued.batch["batch_id"].as_str().expect("the server chooses one");
    let status = read!(reads, api.get_batch_status().queue_id(queue).batch_id(batch));
    assert_eq!(status.map(|status| status.completed), Some(2));
    let item = read!(reads, api.get_queue_item().queue_id(queue).item_id(item));
    assert_eq!(item.map(|item| item.status.to_string()).as_deref(), Some("completed"));
    read!(reads, api.counts_by_destination().queue_id(queue).destination(queue));
}

async fn workflows(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let workflow = stage.workflow().await;
    let id = &workflow.workflow_id;
    done!(api.set_workflow_thumbnail().workflow_id(id).image(Upload::bytes("thumb.png", dot())));
    let found = read!(reads, api.get_workflow().workflow_id(id));
    assert_eq!(found.map(|found| found.workflow["name"].clone()), Some(workflow.name.clone().into()));
    read!(reads, api.list_workflows());
    read!(reads, api.list_workflows().page(0).per_page(2).categories(vec!["default".into()]));
    file!(reads, "image/", api.get_workflow_thumbnail().workflow_id(id));
    read!(reads, api.get_all_tags());
    let tags = vec!["rest-test".to_owned(), "other".to_owned()];
    let counts = read!(reads, api.get_counts_by_tag().tags(tags)).unwrap_or_default();
    assert!(counts["rest-test"] >= 1, "{counts:?}");
    read!(reads, api.counts_by_category().categories(vec!["user".into(), "default".into()]));
}

async fn presets(stage: &Stage, reads: &mut Reads) {
    let api = stage.api();
    let preset = stage.style_preset().await;
    read!(reads, api.get_style_preset().style_preset_id(&preset.id));
    read!(reads, api.list_style_presets());
    file!(reads, "image/", api.get_style_preset_image().style_preset_id(&preset.id));
    file!(reads, "text/csv", api.export_style_presets());
    let prompt = stage.system_prompt().await;
    read!(reads, api.list_system_prompts());
    read!(reads, api.get_system_prompt().system_prompt_id(&prompt.id));
}
