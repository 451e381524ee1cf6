//! Writes: each is done, decoded, seen to have worked, and undone.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, Error, Upload,
    api::{enums, types},
};
use serde_json::json;

use super::stage::{Stage, Thing, done, dot, workflow};
use crate::common::live::unique;

pub(crate) async fn images_and_boards(stage: Arc<Stage>) {
    let api = stage.api();
    let board = stage.board().await;
    let id = &board.board_id;
    let renamed = unique("renamed");
    let changes = types::BoardChanges::builder().board_name(renamed.clone()).archived(true);
    let changed = done!(api.update_board().board_id(id).body(changes));
    assert_eq!((changed.board_name, changed.archived), (renamed, true));

    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(stage.image(Upload::bytes("dot.png", dot())).await.image_name);
    }
    let one = names[0].clone();
    let change = types::ImageRecordChanges::builder().is_intermediate(true).starred(true);
    let changed = done!(api.update_image().image_name(&one).body(change));
    assert!(changed.is_intermediate && changed.starred);
    let change = types::ImageRecordChanges::builder().is_intermediate(false).image_category(enums::ImageCategory::Mask);
    let changed = done!(api.update_image().image_name(&one).body(change));
    assert_eq!((changed.is_intermediate, changed.image_category), (false, enums::ImageCategory::Mask));

    let list = types::BodyStarImagesInList::builder().image_names(names.clone());
    assert_eq!(done!(api.star_images_in_list().body(list)).starred_images.len(), 3);
    let list = types::BodyUnstarImagesInList::builder().image_names(names.clone());
    assert_eq!(done!(api.unstar_images_in_list().body(list)).unstarred_images.len(), 3);
    let list = types::BodyGetImagesByNames::builder().image_names(names.clone());
    assert_eq!(done!(api.get_images_by_names().body(list)).len(), 3);

    let one_on = types::BodyAddImageToBoard::builder().board_id(id.clone()).image_name(one.clone());
    assert_eq!(done!(api.add_image_to_board().body(one_on)).added_images, [one.as_str()]);
    let all_on = types::BodyAddImagesToBoard::builder().board_id(id.clone()).image_names(names.clone());
    assert_eq!(done!(api.add_images_to_board().body(all_on)).added_images.len(), 3);
    // A body on DELETE.
    let one_off = types::BodyRemoveImageFromBoard::builder().image_name(one.clone());
    assert_eq!(done!(api.remove_image_from_board().body(one_off)).removed_images, [one.as_str()]);
    let two_off = types::BodyRemoveImagesFromBoard::builder().image_names(names[1..2].to_vec());
    assert_eq!(done!(api.remove_images_from_board().body(two_off)).removed_images.len(), 1);
    assert_eq!(done!(api.list_all_board_image_names().board_id(id)), names[2..]);

    let gone = done!(api.delete_image().image_name(&one));
    assert_eq!(gone.deleted_images, [one.as_str()]);
    let list = types::BodyDeleteImagesFromList::builder().image_names(names[1..2].to_vec());
    assert_eq!(done!(api.delete_images_from_list().body(list)).deleted_images.len(), 1);
    let gone = done!(api.delete_board().board_id(id).include_images(true));
    assert_eq!(gone.deleted_images, names[2..]);

    let again = api.delete_board().board_id(id).send().await.unwrap_err();
    assert!(matches!(again, Error::NotFound(_)), "{again}");
    let entry = types::BodyCreateImageUploadEntry::builder().width(1).height(1);
    let never = api.create_image_upload_entry().body(entry).send().await.unwrap_err();
    assert_eq!(never.status(), Some(501));
}

pub(crate) async fn videos(stage: Arc<Stage>) {
    let api = stage.api();
    let board = stage.board().await;
    let video = stage.video().await;
    assert_eq!((video.width, video.height), (32, 32));
    let name = video.video_name;
    let list = || types::VideoNamesBatch::builder().video_names(vec![name.clone()]);
    assert_eq!(done!(api.star_videos_in_list().body(list())).starred_videos, [name.as_str()]);
    assert_eq!(done!(api.unstar_videos_in_list().body(list())).unstarred_videos, [name.as_str()]);
    let change = types::VideoRecordChanges::builder().starred(true);
    assert!(done!(api.update_video().video_name(&name).body(change)).starred);
    let on = types::VideoBoardArg::builder().board_id(board.board_id.clone()).video_name(name.clone());
    assert_eq!(done!(api.add_video_to_board().body(on)).added_videos, [name.as_str()]);
    let off = types::BodyRemoveVideoFromBoard::builder().video_name(name.clone());
    assert_eq!(done!(api.remove_video_from_board().body(off)).removed_videos, [name.as_str()]);
    assert_eq!(done!(api.delete_video().video_name(&name)).deleted_videos, [name.as_str()]);
    let other = stage.video().await.video_name;
    let list = types::VideoNamesBatch::builder().video_names(vec![other.clone()]);
    assert_eq!(done!(api.delete_videos_from_list().body(list)).deleted_videos, [other]);
}

pub(crate) async fn workflows(stage: Arc<Stage>) {
    let api = stage.api();
    let made = stage.workflow().await;
    let id = &made.workflow_id;
    let mut changed = workflow(&made.name);
    changed["id"] = json!(id);
    changed["notes"] = json!("ünïcode 🎨");
    changed["exposedFields"] = json!([{"nodeId": "n", "fieldName": "f"}]);
    let body = types::BodyUpdateWorkflow::builder().workflow(changed.clone());
    // The path parameter that the document does not declare.
    let updated = done!(api.update_workflow().workflow_id(id).body(body));
    assert_eq!(updated.workflow["notes"], changed["notes"]);
    assert_eq!(updated.workflow["exposedFields"], changed["exposedFields"]);

    let public = |is_public: bool| types::BodyUpdateWorkflowIsPublic::builder().is_public(is_public);
    assert_eq!(done!(api.update_workflow_is_public().workflow_id(id).body(public(false))).is_public, Some(false));
    done!(api.update_opened_at().workflow_id(id));
    assert!(done!(api.get_workflow().workflow_id(id)).opened_at.is_some());
    done!(api.set_workflow_thumbnail().workflow_id(id).image(Upload::bytes("thumb.png", dot())));
    let image = done!(api.get_workflow_thumbnail().workflow_id(id));
    let image = image.into_inner().try_collect::<Vec<_>>().await.unwrap().concat();
    // The server says `image/png` and sends WebP.
    assert!(image.starts_with(b"RIFF") || image.starts_with(b"\x89PNG"));
    done!(api.delete_workflow_thumbnail().workflow_id(id));
    done!(api.delete_workflow().workflow_id(id));
    assert!(api.get_workflow().workflow_id(id).send().await.unwrap_err().is_not_found());
}

pub(crate) async fn presets_and_prompts(stage: Arc<Stage>) {
    let api = stage.api();
    let preset = stage.style_preset().await;
    assert!(preset.image.is_some());
    let name = unique("changed");
    let data = json!({"name": name, "positive_prompt": "{prompt}, oil", "negative_prompt": "", "type": "user"});
    let changed = done!(api.update_style_preset().style_preset_id(&preset.id).data(data.to_string()));
    assert_eq!((changed.name, changed.preset_data.positive_prompt), (name, "{prompt}, oil".to_owned()));

    let export = done!(api.export_style_presets()).into_inner().try_collect::<Vec<_>>().await.unwrap().concat();
    assert!(String::from_utf8(export).unwrap().contains("{prompt}, oil"));
    let imported = unique("imported");
    let csv = format!("name,prompt,negative_prompt\n{imported},\"a {{prompt}}, b\",none\n");
    done!(api.import_style_presets().file(Upload::bytes("presets.csv", csv).content_type("text/csv")));
    let presets = done!(api.list_style_presets());
    let found = presets.into_iter().find(|preset| preset.name == imported).expect("the imported preset");
    stage.note(Thing::StylePreset(found.id));
    assert_eq!(found.preset_data.positive_prompt, "a {prompt}, b");
    done!(api.delete_style_preset().style_preset_id(&preset.id));

    let prompt = stage.system_prompt().await;
    let change = types::SystemPromptChanges::builder().content("Be long.".to_owned());
    let changed = done!(api.update_system_prompt().system_prompt_id(&prompt.id).body(change));
    assert_eq!(changed.content, "Be long.");
    done!(api.delete_system_prompt().system_prompt_id(&prompt.id));

    let prompts = types::BodyParseDynamicprompts::builder().prompt("a {red|green} cat");
    assert_eq!(done!(api.parse_dynamicprompts().body(prompts)).prompts.len(), 2);
}

pub(crate) async fn queue(stage: Arc<Stage>) {
    let api = stage.api();
    let queue = &stage.queue;
    let enqueued = stage.enqueue(3).await;
    assert_eq!((enqueued.enqueued, enqueued.requested, enqueued.item_ids.len()), (3, 3, 3));
    let batch = enqueued.batch["batch_id"].as_str().expect("the server chooses one").to_owned();
    let cancelled = done!(api.cancel_queue_item().queue_id(queue).item_id(enqueued.item_ids[0]));
    assert_eq!(cancelled.item_id, enqueued.item_ids[0]);
    let batches = types::BodyCancelByBatchIds::builder().batch_ids(vec![batch]);
    assert!(done!(api.cancel_by_batch_ids().queue_id(queue).body(batches)).canceled <= 3);
    stage.finished().await;

    let ids = enqueued.item_ids.clone();
    let body = types::BodyGetQueueItemsByItemIds::builder().item_ids(ids.clone());
    let items = done!(api.get_queue_items_by_item_ids().queue_id(queue).body(body));
    assert_eq!(items.len(), 3);
    assert_eq!(items[0].session.graph["nodes"]["sum"]["a"], 1);
    let body = types::BodyGetQueueItemSummariesByIds::builder().item_ids(ids.clone());
    assert_eq!(done!(api.get_queue_item_summaries_by_ids().queue_id(queue).body(body)).len(), 3);

    // A bare array as a body. Only what was canceled or failed runs again.
    let stopped = items.iter().filter(|item| item.status == enums::SessionQueueItemStatus::Canceled).count();
    let retried = done!(api.retry_items_by_id().queue_id(queue).body(ids.clone()));
    assert_eq!(retried.retried_item_ids.len(), stopped);
    stage.finished().await;
    assert_eq!(done!(api.get_queue_item_ids().queue_id(queue)).total_count as usize, 3 + stopped);

    assert_eq!(done!(api.cancel_by_destination().queue_id(queue).destination(queue)).canceled, 0);
    assert_eq!(done!(api.cancel_all_except_current().queue_id(queue)).canceled, 0);
    done!(api.delete_all_except_current().queue_id(queue));
    done!(api.delete_queue_item().queue_id(queue).item_id(ids[0]));
    let gone = api.get_queue_item().queue_id(queue).item_id(ids[0]).send().await.unwrap_err();
    assert!(gone.is_not_found(), "{gone}");
    assert!(done!(api.prune().queue_id(queue)).deleted >= 1);
    stage.enqueue(1).await;
    stage.finished().await;
    assert_eq!(done!(api.delete_by_destination().queue_id(queue).destination(queue)).deleted, 1);
    stage.enqueue(1).await;
    assert_eq!(done!(api.clear().queue_id(queue)).deleted, 1);
}

pub(crate) async fn settings(stage: Arc<Stage>) {
    let api = stage.api();
    let queue = &stage.queue;
    // A bare string as a body.
    let value = r#"{"a": "ü \" b"}"#;
    assert_eq!(done!(api.set_client_state().queue_id(queue).key("a/b c").body(value)), value);
    assert_eq!(done!(api.get_client_state_by_key().queue_id(queue).key("a/b c")).as_deref(), Some(value));
    done!(api.delete_client_state_by_key().queue_id(queue).key("a/b c"));
    assert_eq!(done!(api.get_client_state_by_key().queue_id(queue).key("a/b c")), None);
    done!(api.set_client_state().queue_id(queue).key("other").body("1"));
    done!(api.delete_client_state().queue_id(queue));
    assert!(done!(api.get_client_state_keys_by_prefix().queue_id(queue).prefix("")).is_empty());

    let recall = types::RecallParameter::builder().positive_prompt("a cat".to_owned()).steps(7);
    let answer = done!(api.update_recall_parameters().queue_id(queue).body(recall));
    assert!(serde_json::to_string(&answer).unwrap().contains("a cat"), "{answer:?}");

    let enabled = done!(api.get_invocation_cache_status()).enabled;
    done!(api.disable_invocation_cache());
    assert!(!done!(api.get_invocation_cache_status()).enabled);
    done!(api.clear_invocation_cache());
    done!(api.enable_invocation_cache());
    assert_eq!(done!(api.get_invocation_cache_status()).enabled, enabled);

    let level = done!(api.get_log_level());
    assert_eq!(*done!(api.set_log_level().body(level.clone())), *level);
    done!(api.empty_model_cache());
    done!(api.reload_custom_nodes());
    let status = done!(api.get_queue_status().queue_id(queue)).processor;
    assert!(status.is_started, "the processor of the test server runs");
    assert!(done!(api.resume().queue_id(queue)).is_started);
}

pub(crate) async fn users(stage: Arc<Stage>) {
    let api = stage.api();
    let email = format!("rest-test-{}@example.com", uuid::Uuid::new_v4());
    let password = "Rest-test-1";
    let login = || types::LoginRequest::builder().email(email.clone()).password(password);
    if !done!(api.get_setup_status()).multiuser_enabled {
        let error = api.login().body(login()).send().await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{error}");
        let setup = types::SetupRequest::builder().email(email.clone()).password(password);
        let error = api.setup_admin().body(setup).send().await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{error}");
        return;
    }
    let new = types::AdminUserCreateRequest::builder().email(email.clone()).password(password);
    let user = done!(api.create_user().body(new));
    stage.note(Thing::User(user.user_id.clone()));
    let named = types::AdminUserUpdateRequest::builder().display_name("Somebody".to_owned());
    let changed = done!(api.update_user().user_id(&user.user_id).body(named));
    assert_eq!(changed.display_name.as_deref(), Some("Somebody"));

    let theirs = Client::new(stage.client.base_url().as_str()).unwrap();
    let wrong = types::LoginRequest::builder().email(email.clone()).password("Wrong-password-1");
    let error = theirs.api().login().body(wrong).send().await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized(_)), "{error}");
    assert!(matches!(theirs.api().list_all_boards().send().await, Err(Error::Unauthorized(_))));
    let logged_in = theirs.api().login().body(login()).send().await.unwrap();
    theirs.set_token(Some(&logged_in.token));
    let theirs = theirs.api();
    assert_eq!(done!(theirs.get_current_user_info()).user_id, user.user_id);
    let named = types::UserProfileUpdateRequest::builder().display_name("Me".to_owned());
    assert_eq!(done!(theirs.update_current_user().body(named)).display_name.as_deref(), Some("Me"));
    done!(theirs.refresh_media_cookie());
    let error = theirs.pause().queue_id(&stage.queue).send().await.unwrap_err();
    assert!(matches!(error, Error::Forbidden(_)), "{error}");
    done!(theirs.logout());
    done!(api.delete_user().user_id(&user.user_id));
}

pub(crate) async fn models(stage: Arc<Stage>) {
    let api = stage.api();
    let models = done!(api.list_model_records()).models;
    let text = |i: usize, member: &str| models[i][member].as_str().unwrap_or_default().to_owned();
    let (key, other) = (text(0, "key"), text(1, "key"));
    let described = |note: String| types::ModelRecordChanges::builder().description(note);
    let changed = done!(api.update_model_record().key(&key).body(described("rest-test".into())));
    assert_eq!(changed["description"], "rest-test");
    let back = done!(api.update_model_record().key(&key).body(described(text(0, "description"))));
    assert_eq!(back["name"], models[0]["name"]);

    let pair = || types::ModelRelationshipCreateRequest::builder().model_key_1(key.clone()).model_key_2(other.clone());
    done!(api.add_model_relationship().body(pair()));
    assert_eq!(done!(api.get_related_models().model_key(&key)), [other.as_str()]);
    let batch = types::ModelRelationshipBatchRequest::builder().model_keys(vec![key.clone()]);
    assert_eq!(done!(api.get_related_models_batch().body(batch)), [other.as_str()]);
    done!(api.remove_model_relationship().body(pair()));
    assert!(done!(api.get_related_models().model_key(&key)).is_empty());

    let job = install(&stage).await;
    assert_eq!(job.status, Some(enums::InstallStatus::Completed), "{:?}", job.error);
    // A finished job only changes its status; the model stays.
    done!(api.cancel_model_install_job().id(job.id));
    let model = job.config_out.and_then(|model| model["key"].as_str().map(str::to_owned)).expect("a model");
    assert_eq!(done!(api.reidentify_model().key(&model))["key"], model.as_str());
    let keys = types::BulkReidentifyModelsRequest::builder().keys(vec![model.clone()]);
    assert_eq!(done!(api.bulk_reidentify_models().body(keys)).succeeded, [model.as_str()]);
    let keys = types::BulkDeleteModelsRequest::builder().keys(vec![model.clone(), "nothing".to_owned()]);
    let gone = done!(api.bulk_delete_models().body(keys));
    assert_eq!((gone.deleted.as_slice(), gone.failed.len()), (&[model][..], 1));
    let unknown = api.pause_model_install_job().id(987_654_321).send().await.unwrap_err();
    assert_eq!(unknown.status(), Some(415), "{unknown}");
}

/// Installs a file that is not a model: the server takes it as one of an unknown type.
pub(crate) async fn install(stage: &Stage) -> types::ModelInstallJob {
    let api = stage.api();
    let file = stage.folder.path().join(format!("{}.safetensors", uuid::Uuid::new_v4()));
    std::fs::write(&file, uuid::Uuid::new_v4().as_bytes()).unwrap();
    let source = file.to_str().unwrap();
    // In place, so that nothing of it gets into the server's folder.
    let body = types::ModelRecordChanges::builder().name(unique("model"));
    let mut job = done!(api.install_model().source(source).inplace(true).body(body));
    for _ in 0..300 {
        if let Some(key) = job.config_out.as_ref().and_then(|model| model["key"].as_str()) {
            stage.note(Thing::Model(key.to_owned()));
            break;
        }
        assert!(job.error.is_none(), "{:?}", job.error);
        tokio::time::sleep(Duration::from_millis(200)).await;
        job = done!(api.get_model_install_job().id(job.id));
    }
    job
}
