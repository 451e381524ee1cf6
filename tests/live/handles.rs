//! Handles against a real server. Every test removes what it made; at the end the numbers of rows are compared.

use std::{fs, path::Path, time::Duration};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, Direction, Error, Upload,
    boards::Board,
    images::{ImageCategory, ImageOrigin},
    library::{WorkflowCategory, WorkflowOrder},
    models::{InstallOutcome, ModelSource},
    server::LogLevel,
    style_presets::StylePresetData,
    workflow::WorkflowDefinition,
};
use serde_json::{Map, json};

use crate::common::live;

/// Numbers of rows that tests of this file change. Other tests run at the same time, so only growth by this file's own
/// names is counted.
async fn own_rows(client: &Client, mark: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let boards: Vec<Board> = client.boards().list().include_archived(true).stream().try_collect().await.unwrap();
    rows.extend(boards.into_iter().map(|board| board.board_name));
    let workflows: Vec<_> = client.library().list().stream().try_collect().await.unwrap();
    rows.extend(workflows.into_iter().map(|workflow| workflow.name));
    let presets = client.style_presets().list().await.unwrap();
    rows.extend(presets.items.into_iter().map(|preset| preset.unwrap().name));
    if let Ok(prompts) = client.system_prompts().list().await {
        rows.extend(prompts.items.into_iter().map(|prompt| prompt.unwrap().name));
    }
    rows.extend(client.models().records().await.unwrap().into_iter().map(|model| model.name));
    rows.retain(|name| name.contains(mark));
    rows
}

fn picture(width: u32, height: u32, seed: u8) -> Vec<u8> {
    let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([seed, (x % 256) as u8, (y % 256) as u8]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn names_in(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_board_and_its_images() {
    let Some((client, _turn)) = live::client().await else { return };
    let name = live::unique("board");
    let board = client.boards().create(&name).await.unwrap();
    assert_eq!((&board.board_name, board.archived, board.image_count), (&name, false, 0));
    assert!(board.created_at.as_ref().unwrap().unix_millis().is_some());
    let handle = client.board(&board.board_id);

    // Uploads: plain, and with everything that can be set on one.
    let plain = handle.upload(Upload::bytes("a.png", picture(40, 30, 1))).await.unwrap();
    assert_eq!((plain.width, plain.height, &plain.image_category), (40, 30, &ImageCategory::User));
    assert_eq!(plain.board_id.as_deref(), Some(&*board.board_id));
    let metadata = Map::from_iter([("positive_prompt".to_owned(), json!(name))]);
    let full = handle
        .upload(Upload::bytes("b.png", picture(64, 64, 2)))
        .category(ImageCategory::General)
        .resize_to(32, 16)
        .metadata(metadata.clone())
        .await
        .unwrap();
    assert_eq!((full.width, full.height), (32, 16));
    let passing = handle.upload(Upload::bytes("c.png", picture(8, 8, 3))).intermediate(true).await.unwrap();
    assert!(passing.is_intermediate);

    // Reading.
    let image = client.image(&full.image_name);
    assert_eq!(image.metadata().await.unwrap(), Some(metadata));
    assert_eq!(client.image(&plain.image_name).metadata().await.unwrap(), None);
    assert_eq!(image.embedded().await.unwrap(), Default::default());
    let bytes = image.download().bytes().await.unwrap();
    assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8().dimensions(), (32, 16));
    assert!(image.thumbnail().bytes().await.unwrap().starts_with(b"RIFF"));
    assert_eq!(client.image("no such.png").find().await.unwrap(), None);
    assert!(client.image("no such.png").get().await.unwrap_err().is_not_found());

    // Lists.
    let mut names = handle.image_names().await.unwrap();
    names.sort();
    let mut expected = vec![plain.image_name.clone(), full.image_name.clone(), passing.image_name.clone()];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(handle.image_names_of(&[ImageCategory::General], Some(false)).await.unwrap(), [&*full.image_name]);
    assert_eq!(handle.images().intermediate(true).await.unwrap().into_items().unwrap(), std::slice::from_ref(&passing));
    let paged: Vec<_> = handle.images().limit(2).stream().try_collect().await.unwrap();
    assert_eq!(paged.len(), 3);
    let found = handle.images().search(&name).direction(Direction::Ascending).names().await.unwrap();
    assert_eq!((found.image_names, found.total_count), (vec![full.image_name.clone()], 1));
    let many = client.images().get_many([&plain.image_name, &full.image_name, "no such.png"]).await.unwrap();
    assert_eq!(many.len(), 2);

    // Changes.
    assert!(image.set_starred(true).await.unwrap().starred && !image.set_starred(false).await.unwrap().starred);
    let starred = client.images().star([&*plain.image_name, "no such.png"]).await;
    assert_eq!((starred.done, starred.skipped), (vec![plain.image_name.clone()], vec!["no such.png".to_owned()]));
    assert!(client.images().unstar([&plain.image_name]).await.is_success());
    assert_eq!(image.set_category(ImageCategory::Mask).await.unwrap().image_category, ImageCategory::Mask);
    assert!(image.set_intermediate(true).await.unwrap().is_intermediate);
    assert!(!image.set_intermediate(false).await.unwrap().is_intermediate);
    image.remove_from_board().await.unwrap();
    assert_eq!(image.get().await.unwrap().board_id, None);
    image.move_to(&board.board_id).await.unwrap();
    assert!(matches!(client.image("no such.png").move_to(&board.board_id).await, Err(Error::NoSuch { .. })));
    assert!(image.move_to("no such board").await.unwrap_err().is_not_found());
    let outcome = handle.remove([&*full.image_name, "no such.png"]).await.unwrap();
    assert_eq!((outcome.done, outcome.skipped.len()), (vec![full.image_name.clone()], 1));
    assert_eq!(handle.add([&full.image_name]).await.done, [&*full.image_name]);

    // Downloads.
    let directory = tempfile::tempdir().unwrap();
    let report = handle.download_all(directory.path()).sidecar(true).await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (2, 0), "{report:?}");
    assert_eq!(names_in(directory.path()).len(), 4);
    let report = handle.download_all(directory.path()).await.unwrap();
    assert_eq!((report.saved.len(), report.kept.len()), (0, 2));
    let zip = directory.path().join("all.zip");
    let saved = handle.zip().to_file(&zip).await.unwrap();
    let listed = String::from_utf8_lossy(&fs::read(&zip).unwrap()).into_owned();
    assert!(saved.bytes > 100 && listed.contains(&plain.image_name), "{saved:?}");
    assert!(client.images().zip([&full.image_name]).bytes().await.unwrap().starts_with(b"PK"));

    // The board itself.
    // The server keeps the cover, and still shows the newest of the starred images.
    handle.set_cover(&plain.image_name).await.unwrap();
    assert!(matches!(handle.set_cover("no such.png").await, Err(Error::Server(_))));
    client.image(&plain.image_name).set_starred(true).await.unwrap();
    assert_eq!(handle.get().await.unwrap().cover_image_name, Some(plain.image_name.clone()));
    let renamed = format!("{name} again");
    assert_eq!(handle.rename(&renamed).await.unwrap().board_name, renamed);
    assert!(handle.set_archived(true).await.unwrap().archived);
    let shown: Vec<_> = client.boards().list().stream().try_collect::<Vec<_>>().await.unwrap();
    assert!(shown.iter().all(|other| other.board_id != board.board_id), "archived boards are not listed");
    assert_eq!(client.boards().find(&renamed).await.unwrap().unwrap().board_id, board.board_id);
    assert!(!handle.set_archived(false).await.unwrap().archived);

    client.image(&passing.image_name).delete().await.unwrap();
    assert!(client.image(&passing.image_name).delete().await.unwrap_err().is_not_found());
    let deleted = handle.delete_with_contents().await.unwrap();
    assert_eq!(deleted.deleted_images.len(), 2);
    assert_eq!(handle.find().await.unwrap(), None);
    assert!(handle.delete().await.unwrap_err().is_not_found());
    let gone = client.images().delete([&plain.image_name, &full.image_name]).await;
    assert_eq!((gone.done.len(), gone.skipped.len(), gone.failed.len()), (0, 2, 0));
    assert_eq!(own_rows(&client, &name).await, Vec::<String>::new());
}

#[tokio::test]
async fn many_images_in_parallel_are_whole() {
    let Some((client, _turn)) = live::client().await else { return };
    let board = client.boards().create(live::unique("many")).await.unwrap();
    let handle = client.board(&board.board_id);
    let count = 500;
    let uploads = futures::StreamExt::map(futures::stream::iter(0..count), |number| {
        handle
            .upload(Upload::bytes("x.png", picture(64 + number, 64, 9)))
            .category(ImageCategory::General)
            .into_future()
    });
    let uploaded: Vec<_> = futures::StreamExt::buffer_unordered(uploads, 8).try_collect::<Vec<_>>().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let report = handle.download_all(directory.path()).parallel(16).await.unwrap();
    handle.delete_with_contents().await.unwrap();
    assert_eq!((report.saved.len(), report.failed.len()), (count as usize, 0), "{report:?}");
    for image in uploaded {
        let bytes = fs::read(directory.path().join(&image.image_name)).unwrap();
        let (width, height) = image::load_from_memory(&bytes).unwrap().to_rgb8().dimensions();
        assert_eq!((u64::from(width), u64::from(height)), (image.width, image.height));
    }
}

#[tokio::test]
async fn a_saved_workflow() {
    let Some((client, _turn)) = live::client().await else { return };
    let name = live::unique("workflow");
    let json = json!({ "name": name, "author": "me", "description": "d", "version": "1.0.0", "contact": "",
        "tags": "rest-test-tag, two", "notes": "", "nodes": [], "edges": [], "exposedFields": [],
        "meta": { "version": "3.0.0", "category": "default" }, "id": "not-mine" });
    let definition: WorkflowDefinition = json.try_into().unwrap();
    let library = client.library();
    let saved = library.create(&definition).await.unwrap();
    assert_ne!(saved.workflow_id, "not-mine");
    let handle = client.saved_workflow(&saved.workflow_id);

    let record = handle.get().await.unwrap();
    assert_eq!((&record.name, &record.category), (&name, &Some(WorkflowCategory::User)));
    let read = handle.definition().await.unwrap();
    assert_eq!((read.id(), read.name(), read.author()), (Some(&*saved.workflow_id), &*name, "me"));
    assert_eq!(library.find(&name).await.unwrap().unwrap().workflow_id, saved.workflow_id);
    assert_eq!(library.find(&saved.workflow_id).await.unwrap().unwrap().name, name);
    assert_eq!(library.find("no such workflow").await.unwrap(), None);
    assert_eq!(library.suggest(&name).await.unwrap(), [&*name]);

    // A second one of the same name is reported, not guessed at.
    let twin = library.create(&definition).await.unwrap();
    let error = library.find(&name).await.unwrap_err().to_string();
    assert!(error.contains(&saved.workflow_id) && error.contains(&twin.workflow_id), "{error}");
    client.saved_workflow(&twin.workflow_id).delete().await.unwrap();

    let listed: Vec<_> = library
        .list()
        .tags(["rest-test-tag"])
        .categories([WorkflowCategory::User])
        .order_by(WorkflowOrder::CreatedAt)
        .direction(Direction::Descending)
        .limit(1)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert!(listed.iter().any(|workflow| workflow.workflow_id == saved.workflow_id));
    let all = library.list().limit(7).stream().try_collect::<Vec<_>>().await.unwrap();
    let total = library.list().await.unwrap().total;
    assert!(all.len() as u64 >= 20 && total >= 20, "the shipped ones are there, over several pages");
    assert!(library.tags(&[]).await.unwrap().iter().any(|tag| tag == "rest-test-tag"));
    assert!(library.count_by_tag(["rest-test-tag"], &[]).await.unwrap()["rest-test-tag"] >= 1);
    assert!(library.count_by_category(&[WorkflowCategory::Default]).await.unwrap()["default"] > 0);

    // Through a file and back, as an update.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.json");
    handle.to_file(&path).await.unwrap();
    let text = fs::read_to_string(&path).unwrap().replace("\"author\": \"me\"", "\"author\": \"you\"");
    assert_eq!(handle.update(&text.parse().unwrap()).await.unwrap().workflow_id, saved.workflow_id);
    assert_eq!(handle.definition().await.unwrap().author(), "you");
    let copy = library.create_from_file(&path).await.unwrap();
    assert_ne!(copy.workflow_id, saved.workflow_id);
    client.saved_workflow(&copy.workflow_id).delete().await.unwrap();
    assert!(matches!(library.create_from_file("missing.json").await, Err(Error::Io { .. })));

    handle.mark_opened().await.unwrap();
    assert!(handle.get().await.unwrap().opened_at.is_some());
    assert_eq!(handle.set_public(true).await.unwrap().is_public, Some(true));
    handle.set_thumbnail(Upload::bytes("t.png", picture(300, 300, 4))).await.unwrap();
    assert!(handle.get().await.unwrap().thumbnail_url.is_some());
    assert!(handle.thumbnail().bytes().await.unwrap().starts_with(b"RIFF"));
    handle.delete_thumbnail().await.unwrap();
    handle.delete_thumbnail().await.unwrap();

    handle.delete().await.unwrap();
    assert!(handle.find().await.unwrap().is_none());
    assert!(handle.delete().await.unwrap_err().is_not_found());
    assert_eq!(own_rows(&client, &name).await, Vec::<String>::new());
}

#[tokio::test]
async fn models() {
    let Some((client, _turn)) = live::client().await else { return };
    let all = client.models().list().await.unwrap().into_items().unwrap();
    let Some(first) = all.first() else { panic!("the server has no models") };
    let same =
        client.models().list().base(&*first.base).model_type(&*first.model_type).name(&*first.name).await.unwrap();
    assert!(same.into_items().unwrap().iter().any(|model| model.key == first.key));
    assert_eq!(client.model(&first.key).get().await.unwrap().name, first.name);
    let by_attrs = client.models().find_by_attrs(&first.name, &first.base, &first.model_type).await.unwrap();
    assert_eq!(by_attrs.unwrap().name, first.name);
    let hash = first.hash.as_deref().unwrap();
    assert_eq!(client.models().find_by_hash(hash).await.unwrap().unwrap().hash, first.hash);
    assert_eq!(client.models().find_by_hash("blake3:none").await.unwrap(), None);
    assert_eq!(client.models().find_by_attrs("no such", "sd-1", "main").await.unwrap(), None);
    assert!(client.models().find_by_attrs("x", "no-such-base", "main").await.is_err());
    assert_eq!(client.model("no-such-key").find().await.unwrap(), None);
    assert!(client.models().starter_models().await.unwrap().starter_models.len() > 10);
    assert_eq!(client.models().missing().await.unwrap().total, 0);
    client.models().cache_stats().await.unwrap();
    assert_eq!(client.model(&first.key).related().await.unwrap(), Vec::<String>::new());

    // Not recognized, but installed all the same; in place, so that the file stays where it is.
    let mark = live::unique("model").replace(' ', "-");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{mark}.safetensors"));
    let header = br#"{"nothing.known":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header, &mark.as_bytes()[..4]].concat()).unwrap();
    let install = client.models().install(ModelSource::local_in_place(&path)).description("of a test").await.unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(120), install.wait()).await.unwrap().unwrap();
    let InstallOutcome::UnknownType(model) = outcome else { panic!("{outcome:?}") };
    assert!(path.exists(), "in place");
    assert!(client.models().installs().await.unwrap().items.iter().flatten().any(|job| job.id == install.id()));
    install.cancel().await.unwrap();
    let again = client.models().install(ModelSource::local_in_place(&path)).await;
    match again {
        Ok(install) => {
            let outcome = install.wait().await.unwrap();
            assert!(matches!(outcome, InstallOutcome::Duplicate { .. }), "{outcome:?}");
        }
        Err(error) => assert!(matches!(error, Error::Conflict(_)), "{error:?}"),
    }
    let handle = client.model(&model.key);
    assert_eq!(handle.rename(format!("{mark} renamed")).await.unwrap().name, format!("{mark} renamed"));
    handle.set_image(Upload::bytes("x.png", picture(20, 20, 5))).await.unwrap();
    assert!(!handle.image().bytes().await.unwrap().is_empty());
    handle.delete_image().await.unwrap();
    let deleted = client.models().delete([&*model.key, "no-such-key"]).await;
    assert_eq!((deleted.done.len(), deleted.failed.len() + deleted.skipped.len()), (1, 1), "{deleted:?}");
    assert!(path.exists(), "a model that was installed in place keeps its file");
    assert!(handle.delete().await.unwrap_err().is_not_found());

    let found = client.models().scan_folder(folder.path().to_string_lossy()).await.unwrap();
    assert!(found.iter().all(|model| !model.as_ref().unwrap().is_installed), "{found:?}");
    assert!(client.models().scan_folder("/no/such/folder").await.is_err());
    let missing = client.models().install(ModelSource::local_in_place("/no/such/file.safetensors")).await;
    assert!(matches!(missing, Err(Error::Conflict(_))), "{missing:?}");
    assert_eq!(own_rows(&client, &mark).await, Vec::<String>::new());
}

#[tokio::test]
async fn presets_prompts_and_the_server_itself() {
    let Some((client, _turn)) = live::client().await else { return };
    let name = live::unique("preset");
    let data = StylePresetData::new(&name, "{prompt}, ink", "color");
    let image = Upload::bytes("p.png", picture(50, 50, 6));
    let preset = client.style_presets().create(&data, Some(image)).await.unwrap();
    let handle = client.style_preset(&preset.id);
    assert_eq!(handle.get().await.unwrap().preset_data.positive_prompt, "{prompt}, ink");
    assert!(!handle.image().bytes().await.unwrap().is_empty());
    let csv = String::from_utf8(client.style_presets().export().await.unwrap().to_vec()).unwrap();
    assert!(csv.contains(&name), "{csv}");
    let renamed = StylePresetData::new(format!("{name} b"), "x", "");
    assert_eq!(handle.replace(&renamed, None).await.unwrap().name, renamed.name);
    handle.delete().await.unwrap();
    assert_eq!(handle.find().await.unwrap(), None);
    let imported = json!([{ "name": name, "prompt": "a {prompt}", "negative_prompt": "b" }]).to_string();
    client.style_presets().import(Upload::bytes("x.json", imported).content_type("application/json")).await.unwrap();
    for preset in client.style_presets().list().await.unwrap().items.into_iter().flatten().filter(|p| p.name == name) {
        client.style_preset(&preset.id).delete().await.unwrap();
    }

    match client.system_prompts().create(&name, "Be brief.").await {
        Err(error) => assert!(error.is_unsupported(), "{error:?}"),
        Ok(prompt) => {
            let handle = client.system_prompt(&prompt.id);
            assert!(prompt.created_at.unwrap().unix_millis().is_some());
            assert_eq!(handle.set_content("Be briefer.").await.unwrap().content, "Be briefer.");
            assert!(handle.set_public(true).await.unwrap().is_public);
            handle.delete().await.unwrap();
            assert_eq!(handle.find().await.unwrap(), None);
        }
    }

    let app = client.server();
    assert!(app.dependencies().await.unwrap().contains_key("torch"));
    assert!(app.config().await.unwrap().config.contains_key("host"));
    let level = app.log_level().await.unwrap();
    assert!(level >= LogLevel::NotSet);
    assert_eq!(app.set_log_level(level).await.unwrap(), level);
    assert!(app.invocation_cache().await.unwrap().max_size > 0);
    let status = client.auth().status().await.unwrap();
    if !status.multiuser_enabled {
        assert!(matches!(client.auth().me().await, Err(Error::Unauthorized(_))));
        assert!(matches!(client.auth().login("a@example.org", "x", false).await, Err(Error::Forbidden(_))));
    }
    assert_eq!(own_rows(&client, &name).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_video() {
    let Some((client, _turn)) = live::client().await else { return };
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip.mp4");
    let video = match client.videos().upload(&*clip).await {
        // InvokeAI has videos since 6.14.
        Err(error) if error.is_unsupported() => return,
        answer => answer.unwrap(),
    };
    let handle = client.video(&video.video_name);
    assert!(video.duration > 0.0 && video.width > 0);
    assert_eq!(handle.get().await.unwrap(), video);
    assert!(handle.set_starred(true).await.unwrap().starred);
    let listed: Vec<_> = client.videos().list().limit(1).stream().try_collect().await.unwrap();
    assert!(listed.iter().any(|other| other.video_name == video.video_name));
    let board = client.boards().create(live::unique("video")).await.unwrap();
    handle.move_to(&board.board_id).await.unwrap();
    assert_eq!(handle.get().await.unwrap().board_id, Some(board.board_id.clone()));
    handle.remove_from_board().await.unwrap();
    client.board(&board.board_id).delete().await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let report = client.videos().download([&video.video_name], directory.path()).sidecar(true).await.unwrap();
    assert!(report.is_success(), "{report:?}");
    assert_eq!(fs::read(directory.path().join(&video.video_name)).unwrap(), fs::read(&clip).unwrap());
    assert_eq!(names_in(directory.path()).len(), 2);
    assert!(handle.thumbnail().bytes().await.unwrap().starts_with(b"RIFF"));
    handle.embedded().await.unwrap();
    handle.metadata().await.unwrap();
    let deleted = client.videos().delete([&*video.video_name, "no such.mp4"]).await;
    assert_eq!((deleted.done.len(), deleted.failed.len() + deleted.skipped.len()), (1, 1), "{deleted:?}");
    assert_eq!(handle.find().await.unwrap(), None);
}

#[tokio::test]
async fn a_board_gives_and_takes_videos_too() {
    let Some((client, _turn)) = live::client().await else { return };
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip.mp4");
    let made = client.boards().create(live::unique("media")).await.unwrap();
    let board = client.board(&made.board_id);
    let first = match board.upload_video(&*clip).await {
        Err(error) if error.is_unsupported() => return,
        answer => answer.unwrap().video_name,
    };
    let second = client.videos().upload(&*clip).await.unwrap().video_name;
    let image = board.upload(Upload::bytes("x.png", live::png(90))).await.unwrap().image_name;
    let on_it = async || {
        let mut names = board.videos().names().await.unwrap().video_names;
        names.sort();
        names
    };
    assert_eq!(on_it().await, [&*first]);
    let moved = board.add_videos([&second, &second]).await.into_result().unwrap();
    assert_eq!(moved.done, [&*second]);
    assert!(!board.add_videos(["no such.mp4"]).await.is_success());
    let mut both = vec![first.clone(), second.clone()];
    both.sort();
    assert_eq!(on_it().await, both);
    client.video(&second).set_starred(true).await.unwrap();
    let names = board.videos().starred_first(true).names().await.unwrap();
    assert_eq!((&names.video_names[0], names.starred_count, names.total_count), (&second, 1, 2));
    let page = board.videos().origin(ImageOrigin::External).offset(1).limit(5).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, 2));
    let many = client.videos().get_many([&first, "no such.mp4", &second]).await.unwrap();
    let many: Vec<_> = many.into_iter().map(|video| video.unwrap().video_name).collect();
    assert_eq!(many, [first.clone(), second.clone()]);

    let directory = tempfile::tempdir().unwrap();
    let report = board.download_all(directory.path()).await.unwrap();
    assert!(report.is_success(), "{report:?}");
    let mut wanted = vec![first.clone(), second.clone(), image.clone()];
    wanted.sort();
    assert_eq!(names_in(directory.path()), wanted);

    let removed = board.remove_videos([&first, "no such.mp4"]).await.unwrap();
    assert_eq!((removed.done, removed.skipped), (vec![first.clone()], vec!["no such.mp4".to_owned()]));
    assert_eq!(on_it().await, [&*second]);
    assert_eq!(client.videos().remove_from_boards([&second]).await.into_result().unwrap().done, [&*second]);
    board.delete_with_contents().await.unwrap();
    client.videos().delete([first, second]).await.into_result().unwrap();
}
