//! What a clean-up removes, what it leaves, and what it reports when it cannot know.

use std::{
    collections::BTreeSet,
    fs,
    future::IntoFuture as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use invokeai_client::{
    Client, Submission, TransportOptions, Upload, WhenFull,
    assets::Asset,
    cleanup::{CleanupReport, KeptBecause, UndeterminedBecause},
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::json;

use crate::{
    fake_gallery::{FakeGallery, Item, Lost},
    workflow, workflows,
};

/// How long lost answers are looked for here.
const PATIENCE: Duration = Duration::from_millis(700);

fn client(server: &FakeGallery) -> Client {
    let mut options = TransportOptions::default();
    options.lost_answer_patience = PATIENCE;
    Client::builder(server.url()).transport(options).build().unwrap()
}

async fn submit(client: &Client, batch_id: &str) -> Submission {
    client.submit(&workflow()).batch_id(batch_id).subscribe_events(false).await.unwrap()
}

async fn upload(client: &Client) -> String {
    client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap().image_name
}

/// A workflow that reads this image.
fn showing(name: &str) -> Workflow {
    let mut document = workflows::additions();
    document["exposedFields"] = json!([]);
    document["edges"] = json!([]);
    let mut node = document["nodes"][0].clone();
    node["data"]["type"] = json!("show_image");
    node["data"]["inputs"] =
        json!({"image": {"name": "image", "label": "", "description": "", "value": {"image_name": name}}});
    document["nodes"] = json!([node]);
    Workflow::new(WorkflowDefinition::from_value(document).unwrap(), NodeCatalog::embedded())
}

fn image(name: &str) -> Asset {
    Asset::Image(name.into())
}

fn item(item_id: i64) -> Asset {
    Asset::Item { queue_id: "default".into(), item_id }
}

/// Nothing failed, nothing is unclear, and nothing is kept.
fn clean(report: &CleanupReport) {
    assert!(report.is_success() && report.kept.is_empty(), "{report}");
    assert!(report.to_string().ends_with(", 0 failed"), "{report}");
}

/// Ends the items of a batch.
fn end(server: &FakeGallery, batch: &str, status: &'static str) -> Vec<i64> {
    let mut world = server.world();
    let of_batch = world.items.iter_mut().filter(|(_, item)| item.batch == batch);
    of_batch
        .map(|(id, item)| {
            (item.status, item.started) = (status, true);
            *id
        })
        .collect()
}

#[tokio::test]
async fn an_upload_that_an_item_of_another_queue_reads_is_kept() {
    let server = FakeGallery::start().await;
    let (one, other) = (client(&server), client(&server));
    let names = [upload(&one).await, upload(&one).await, upload(&one).await, upload(&one).await, upload(&one).await];
    // On another queue: a batch of this client, one of another client of this process, and one of another program.
    one.submit(&workflow()).batch_id("own").queue("q2").subscribe_events(false).await.unwrap();
    other.submit(&workflow()).batch_id("other").queue("q3").subscribe_events(false).await.unwrap();
    let statuses = ["pending", "in_progress", "waiting"];
    for ((batch, name), status) in ["own", "other"].into_iter().zip(&names).zip(statuses) {
        let mut world = server.world();
        let item = world.items.values_mut().find(|item| item.batch == batch).unwrap();
        *item = item.clone().reading(name);
        item.status = status;
    }
    server.world().add(Item::new("foreign", "waiting").on("q4").reading(&names[2]));
    server.world().add(Item::new("ended", "completed").on("q2").reading(&names[3]));
    submit(&one, "here").await;
    end(&server, "here", "completed");

    let clean_up = |client: &Client| client.cleanup().batch("here").look_at_queues(["q4"]);
    clean(&clean_up(&one).await.unwrap());
    let report = one.cleanup().cancel(false).look_at_queues(["q4"]).await.unwrap();
    for name in &names[..3] {
        assert!(matches!(report.why_kept(&image(name)), Some(KeptBecause::NeededBy(_))), "{report}");
    }
    let left: BTreeSet<String> = server.world().pictures.keys().cloned().collect();
    assert_eq!(left, names[..3].iter().cloned().collect(), "{report}");
}

#[tokio::test]
async fn an_upload_that_is_about_to_be_read_is_kept() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let name = upload(&client).await;
    let workflow = showing(&name);
    // The server is slow, and shows no item yet.
    server.world().lose.push_back(("POST", "queue/default/enqueue_batch", Lost::Late(Duration::from_millis(500))));
    let other = client.clone();
    let submission = tokio::spawn(async move { other.submit(&workflow).batch_id("b").subscribe_events(false).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let report = client.cleanup().everything().await.unwrap();
    let needed = KeptBecause::NeededBy(Asset::Batch("b".into()));
    assert_eq!(report.why_kept(&image(&name)), Some(&needed), "{report}");
    assert_eq!(report.why_kept(&Asset::Batch("b".into())), Some(&KeptBecause::UnderWay), "{report}");
    submission.await.unwrap().unwrap();
    assert!(server.world().pictures.contains_key(&name));
}

/// Items are enqueued while there is room, long after the first ones were.
#[tokio::test]
async fn a_batch_that_is_still_being_enqueued_is_not_forgotten() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    server.world().room = Some(1);
    let workflow = workflow();
    let submit = client.submit(&workflow).batch_id("b").runs(3).subscribe_events(false);
    let submission = submit.when_full(WhenFull::Feed).await.unwrap();
    client.cleanup().everything().await.unwrap();
    end(&server, "b", "completed");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let known = client.assets().batches.iter().any(|batch| batch.batch_id == "b");
    assert!(known, "{} items are on the server", server.world().items.len());
    // Its own clean-up stops it first.
    clean(&submission.cleanup().everything().await.unwrap());
    assert!(server.world().items.is_empty() && client.assets().is_empty());
}

/// The server's clock was set back after the items were enqueued: their files are older than they are.
#[tokio::test]
async fn files_are_found_whatever_the_clocks_say() {
    for status in ["completed", "failed", "canceled"] {
        let server = FakeGallery::start().await;
        let client = client(&server);
        submit(&client, "b").await;
        let id = end(&server, "b", status)[0];
        for (name, time) in [("back", "2020-01-01 00:00:00.000"), ("forth", "2099-01-01 00:00:00.000")] {
            server.world().made_by(id, name);
            server.world().pictures.get_mut(name).unwrap().created_at = time.into();
        }
        server.world().items.get_mut(&id).unwrap().results = vec!["back".into(), "forth".into()];
        if status != "completed" {
            // The node that failed gave no result, but saved.
            server.world().items.get_mut(&id).unwrap().results.clear();
        }
        server.world().stranger("stranger");
        clean(&client.cleanup().everything().await.unwrap());
        assert_eq!(server.world().pictures.keys().collect::<Vec<_>>(), ["stranger"], "{status}");
        assert!(client.assets().is_empty());
    }
}

/// Every time that a list has been read, somebody deletes its first image, and all others move up.
#[tokio::test]
async fn files_are_found_while_others_delete_theirs() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    submit(&client, "b").await;
    let id = end(&server, "b", "failed")[0];
    for number in 0..1200 {
        let name = format!("picture-{number:04}");
        // The newest ones are theirs.
        match number >= 1100 {
            true => server.world().stranger(&name),
            false => server.world().made_by(id, &name),
        }
        server.world().pictures.get_mut(&name).unwrap().created_at = format!("2026-02-02 00:00:{number:06}");
    }
    server.world().after = Some(Box::new(|world, call| {
        if call.starts_with("GET images/") || call.ends_with("images_by_names") {
            let theirs =
                world.pictures.iter().rev().find(|(_, picture)| picture.session.as_deref() == Some("session--1"));
            let name = theirs.unwrap().0.clone();
            world.pictures.remove(&name);
        }
    }));
    let report = client.cleanup().everything().await.unwrap();
    clean(&report);
    assert_eq!(report.deleted.len(), 1100 + 1, "{report}");
    assert!(server.world().pictures.values().all(|picture| picture.session.as_deref() == Some("session--1")));
}

/// A gallery is only searched for files that may be in it without being named in a result.
#[tokio::test]
async fn a_large_gallery_is_searched_only_if_need_be() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    for number in 0..5000 {
        server.world().stranger(&format!("stranger-{number}"));
    }
    let completed: Vec<i64> = (0..20).map(|_| server.world().add(Item::new("done", "completed"))).collect();
    for id in &completed {
        let name = format!("result-{id}");
        server.world().made_by(*id, &name);
        server.world().items.get_mut(id).unwrap().results = vec![name];
    }
    // It never ran.
    let waiting = server.world().add(Item::new("done", "pending"));
    clean(&client.cleanup().batch("done").everything().await.unwrap());
    let searches = |server: &FakeGallery| {
        let world = server.world();
        (world.count("GET images/"), world.count("POST images/images_by_names"))
    };
    assert_eq!(searches(&server), (0, 1), "{waiting}");

    let failed = server.world().add(Item::new("failed", "failed"));
    server.world().made_by(failed, "saved before it failed");
    server.world().calls.clear();
    clean(&client.cleanup().batch("failed").everything().await.unwrap());
    assert_eq!(searches(&server), (1, 6), "one call for the names, one for each 1000");

    // A node of another pack may save what it does not return.
    let mut foreign = Item::new("foreign", "completed");
    foreign.nodes["n"]["type"] = json!("node_of_a_pack");
    let foreign = server.world().add(foreign);
    server.world().made_by(foreign, "kept to itself");
    clean(&client.cleanup().batch("foreign").everything().await.unwrap());
    let world = server.world();
    assert_eq!((world.pictures.len(), world.items.len()), (5000, 0));
}

/// Results that were kept are found again without a search, by a later process.
#[tokio::test]
async fn kept_results_are_found_again_by_name() {
    let server = FakeGallery::start().await;
    let folder = tempfile::tempdir().unwrap();
    let client = || Client::builder(server.url()).ledger(folder.path().join("ledger")).build().unwrap();
    let first = client();
    submit(&first, "b").await;
    let id = end(&server, "b", "completed")[0];
    for name in ["result", "passing"] {
        server.world().made_by(id, name);
    }
    server.world().pictures.get_mut("passing").unwrap().is_intermediate = true;
    server.world().items.get_mut(&id).unwrap().results = vec!["result".into(), "passing".into()];
    let report = first.cleanup().await.unwrap();
    assert_eq!(report.why_kept(&image("result")), Some(&KeptBecause::NotAsked), "{report}");
    drop(first);
    assert_eq!(server.world().items.len(), 0);
    server.world().calls.clear();
    let later = client();
    let report = later.cleanup().everything().await.unwrap();
    clean(&report);
    assert_eq!(report.deleted, [image("result")]);
    assert_eq!(server.world().count("GET images/"), 0);
    assert!(later.assets().is_empty());
}

#[tokio::test]
async fn a_node_that_runs_on_after_its_item_was_canceled_is_waited_for() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let submission = submit(&client, "b").await;
    let id = end(&server, "b", "in_progress")[0];
    server.world().items.get_mut(&id).unwrap().written_back = false;
    server.world().is_processing = true;
    submission.cancel().await.unwrap();

    let dry = client.cleanup().everything().dry_run(true).await.unwrap();
    assert_eq!((&dry.undetermined[0].asset, &dry.undetermined[0].because), (&item(id), &UndeterminedBecause::NodeRuns));
    assert!(!dry.is_success() && !dry.to_string().contains("0 failed"), "{dry}");

    // It saves a file at its end.
    let looks = Arc::new(Mutex::new(0));
    server.world().after = Some(Box::new(move |world, call| {
        let is_look = call == "GET queue/default/status";
        *looks.lock().unwrap() += usize::from(is_look);
        if is_look && *looks.lock().unwrap() == 3 {
            world.made_by(id, "late");
            world.items.get_mut(&id).unwrap().written_back = true;
        }
    }));
    clean(&client.cleanup().everything().await.unwrap());
    assert!(server.world().pictures.is_empty() && client.assets().is_empty());
}

/// An item that is not canceled goes on, and reads what it and its children have made.
#[tokio::test]
async fn what_a_running_item_has_made_is_kept() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let parent = server.world().add(Item::new("b", "waiting"));
    let mut child = Item::new("b", "completed").giving(&["of the child"]);
    child.parent = Some(parent);
    let child = server.world().add(child);
    server.world().made_by(child, "of the child");
    let report = client.cleanup().batch("b").everything().cancel(false).await.unwrap();
    assert_eq!(report.why_kept(&image("of the child")), Some(&KeptBecause::NeededBy(item(parent))), "{report}");
    assert!(server.world().pictures.contains_key("of the child"));
    end(&server, "b", "completed");
    client.cleanup().batch("b").everything().await.unwrap();
}

/// A run that goes on may have files of an equal run from the invocation cache. Its results are known only at its end.
#[tokio::test]
async fn what_a_run_that_goes_on_may_share_is_kept() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let other_nodes = json!({"n": {"id": "n", "type": "blank_image", "width": 7}});
    for (status, nodes, is_kept) in [
        ("in_progress", None, true),
        ("waiting", None, true),
        // It makes the file again if it is gone.
        ("pending", None, false),
        ("in_progress", Some(other_nodes), false),
    ] {
        let id = server.world().add(Item::new("b", "completed").giving(&["file"]));
        server.world().made_by(id, "file");
        let mut other = Item::new("of another", status).on("q2");
        other.nodes = nodes.unwrap_or(other.nodes);
        let other = server.world().add(other);
        let report = client.cleanup().batch("b").everything().look_at_queues(["q2"]).await.unwrap();
        let by = Asset::Item { queue_id: "q2".into(), item_id: other };
        let needed = KeptBecause::NeededBy(by);
        assert_eq!(report.why_kept(&image("file")), is_kept.then_some(&needed), "{status}: {report}");
        server.world().items.clear();
    }
}

#[tokio::test]
async fn an_upload_that_arrives_late_is_waited_for() {
    let server = FakeGallery::start().await;
    // This also holds without a ledger.
    let client = client(&server);
    server.world().lose.push_back(("POST", "images/upload", Lost::Late(Duration::from_millis(400))));
    client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap_err();
    server.world().upload("stranger", None);
    let report = client.cleanup().await.unwrap();
    clean(&report);
    assert_eq!(report.deleted.len(), 1, "{report}");
    assert_eq!(server.world().pictures.keys().collect::<Vec<_>>(), ["stranger"]);
    assert!(client.assets().is_empty());

    // One that never arrives is given up after a while.
    server.world().lose.push_back(("POST", "images/upload", Lost::Request));
    client.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap_err();
    clean(&client.cleanup().await.unwrap());
    assert!(client.assets().is_empty());

    // An upload under a session of the caller's cannot be distinguished from others.
    server.world().lose.push_back(("POST", "images/upload", Lost::Answer));
    let upload = client.images().upload(Upload::bytes("b.png", &b"\x89PNG"[..])).session("mine");
    upload.await.unwrap_err();
    let report = client.cleanup().await.unwrap();
    let told = &report.undetermined[0];
    assert_eq!((&told.asset, &told.because), (&Asset::UnfinishedUpload("b.png".into()), &UndeterminedBecause::NoMark));
    assert!(!report.is_success() && !report.to_string().contains("0 failed"), "{report}");
}

#[tokio::test]
async fn a_batch_that_arrives_late_is_waited_for() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let late = Lost::Late(Duration::from_millis(400));
    server.world().lose.push_back(("POST", "queue/default/enqueue_batch", late));
    {
        // Dropped while the request is on its way.
        let submission = workflow();
        let submission = client.submit(&submission).batch_id("b").subscribe_events(false);
        tokio::time::timeout(Duration::from_millis(150), submission.into_future()).await.unwrap_err();
    }
    let report = client.cleanup().everything().await.unwrap();
    clean(&report);
    assert_eq!(report.deleted.len(), 1, "{report}");
    assert!(server.world().items.is_empty() && client.assets().is_empty());
}

#[tokio::test]
async fn what_the_server_skips_does_not_count_as_deleted() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let name = upload(&client).await;
    let gone = upload(&client).await;
    server.world().undeletable.insert(name.clone());
    server.world().after = Some(Box::new(move |world, call| {
        // Somebody else deletes the other one just before.
        if call.ends_with("images_by_names") {
            world.pictures.remove(&gone);
        }
    }));
    let report = client.cleanup().await.unwrap();
    assert_eq!(report.failed.len(), 1, "{report}");
    assert_eq!(report.failed[0].asset, image(&name));
    assert_eq!(client.uploaded_assets(), [image(&name)], "the next clean-up tries again");
}

/// What led to the file must not be deleted before it: another program knows only the batch.
#[tokio::test]
async fn an_item_stays_as_long_as_a_file_of_it_cannot_be_deleted() {
    let server = FakeGallery::start().await;
    let first = client(&server);
    first.submit(&workflow()).batch_id("b").runs(2).subscribe_events(false).await.unwrap();
    let ids = end(&server, "b", "completed");
    for (id, name) in ids.iter().zip(["one.png", "two.png"]) {
        server.world().made_by(*id, name);
        server.world().items.get_mut(id).unwrap().results = vec![name.into()];
    }
    server.world().undeletable.insert("two.png".into());
    let report = first.cleanup().everything().await.unwrap();
    assert_eq!(report.deleted, [image("one.png"), item(ids[0])], "{report}");
    assert_eq!((&report.failed[0].asset, report.failed.len()), (&image("two.png"), 1), "{report}");
    let [kept] = &report.kept[..] else { panic!("{report}") };
    assert_eq!((&kept.asset, &kept.because), (&item(ids[1]), &KeptBecause::LeadsTo(image("two.png"))));

    server.world().undeletable.clear();
    let report = client(&server).cleanup().batch("b").outputs(true).await.unwrap();
    assert_eq!(report.deleted, [image("two.png"), item(ids[1])], "{report}");
    assert!(server.world().items.is_empty() && server.world().pictures.is_empty());
}

#[tokio::test]
async fn items_that_others_deleted_are_reported() {
    let server = FakeGallery::start().await;
    let folder = tempfile::tempdir().unwrap();
    let client = Client::builder(server.url()).ledger(folder.path().join("ledger")).build().unwrap();
    client.submit(&workflow()).batch_id("b").runs(3).subscribe_events(false).await.unwrap();
    let ids = end(&server, "b", "completed");
    for id in &ids {
        server.world().made_by(*id, &format!("of {id}"));
        server.world().items.get_mut(id).unwrap().results = vec![format!("of {id}")];
    }
    // Somebody prunes the queue.
    server.world().items.remove(&ids[0]);
    server.world().items.remove(&ids[1]);
    let report = client.cleanup().everything().await.unwrap();
    assert_eq!((&report.deleted[..], report.kept.len()), (&[image("of 3"), item(3)][..], 0), "{report}");
    let [told] = &report.undetermined[..] else { panic!("{report}") };
    assert_eq!((&told.asset, &told.because), (&Asset::Batch("b".into()), &UndeterminedBecause::ItemsGone(2)));
    assert!(!report.is_success(), "{report}");
    // Nothing more can be done about it.
    clean(&client.cleanup().everything().await.unwrap());

    // Those that clean-up itself deleted are not missed.
    client.submit(&workflow()).batch_id("c").runs(2).subscribe_events(false).await.unwrap();
    let ids = end(&server, "c", "completed");
    server.world().made_by(ids[0], "kept");
    server.world().items.get_mut(&ids[0]).unwrap().results = vec!["kept".into()];
    assert!(client.cleanup().await.unwrap().is_success());
    clean(&client.cleanup().everything().await.unwrap());
}

/// Nothing but the id of a batch is known, and the server knows no more of items that were deleted.
#[tokio::test]
async fn a_batch_that_is_not_recorded_is_not_said_to_be_clean() {
    let server = FakeGallery::start().await;
    let because = async |client: &Client, dry_run| {
        let report = client.cleanup().batch("b").everything().dry_run(dry_run).await.unwrap();
        assert_eq!(report.is_success(), report.to_string().ends_with(" 0 failed"), "{report}");
        report.undetermined.into_iter().map(|told| (told.asset, told.because)).next()
    };
    let told = |because| Some((Asset::Batch("b".into()), because));
    let one = client(&server);
    for dry_run in [true, false, false] {
        assert_eq!(because(&one, dry_run).await, told(UndeterminedBecause::NoItems), "a name that was mistyped");
    }

    for gone in [0, 1, 2] {
        let submission = one.submit(&workflow()).batch_id("b").runs(3).subscribe_events(false).await.unwrap();
        let (ids, ticket) = (end(&server, "b", "completed"), submission.ticket());
        // Items of others leave no gap.
        server.world().items.get_mut(&ids[1]).unwrap().batch = "other".into();
        let other = client(&server);
        assert_eq!(because(&other, true).await, None);
        server.world().items.get_mut(&ids[1]).unwrap().batch = "b".into();
        let later = [1, 0, 2].map(|place| ids[place]);
        for id in &later[..gone] {
            server.world().items.remove(id);
        }
        let expected = match gone {
            1 => told(UndeterminedBecause::Gaps(1)),
            // The others may never have been.
            _ => None,
        };
        assert_eq!(because(&other, true).await, expected, "{gone} are gone");
        // A ticket knows better.
        let followed = Submission::attach(&client(&server), &ticket).await.unwrap();
        let report = followed.cleanup().everything().dry_run(true).await.unwrap();
        let missing: Vec<_> = report.undetermined.iter().map(|told| told.because.clone()).collect();
        assert_eq!(missing, Vec::from_iter((gone > 0).then_some(UndeterminedBecause::ItemsGone(gone))), "{report}");

        assert_eq!(because(&other, false).await, expected, "{gone} are gone");
        assert!(server.world().items.is_empty());
        assert_eq!(because(&other, false).await, None, "all of it was reported, or deleted");
        assert_eq!(because(&client(&server), false).await, told(UndeterminedBecause::NoItems));
        one.cleanup().everything().await.unwrap();
    }

    // Somebody deletes one between two calls.
    let id = server.world().add(Item::new("b", "completed"));
    server.world().add(Item::new("b", "completed"));
    server.world().after = Some(Box::new(move |world, call| {
        if call.ends_with("item_summaries_by_ids") {
            world.items.remove(&id);
        }
    }));
    assert_eq!(because(&client(&server), false).await, told(UndeterminedBecause::ItemsGone(1)));
}

#[tokio::test]
async fn a_damaged_line_of_the_ledger_is_reported_and_takes_no_batch_along() {
    let server = FakeGallery::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let open = || Client::builder(server.url()).ledger(&path).build().unwrap();
    open().submit(&workflow()).batch_id("b").queue("q2").runs(3).subscribe_events(false).await.unwrap();
    end(&server, "b", "completed");
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(11).position(|part| part == b"\"enqueuing\"").unwrap();
    bytes[at] = 0xff;
    fs::write(&path, bytes).unwrap();
    for dry_run in [true, false] {
        let client = Client::builder(server.url());
        let client = if dry_run { client.read_only_ledger(&path) } else { client.ledger(&path) }.build().unwrap();
        let report = client.cleanup().everything().dry_run(dry_run).await.unwrap();
        let [told] = &report.undetermined[..] else { panic!("{report}") };
        assert_eq!(told.because, UndeterminedBecause::UnreadableLines(1), "{report}");
        assert_eq!(told.asset, Asset::Ledger(path.display().to_string()));
        assert_eq!((report.deleted.len(), report.is_success()), (3, false), "{report}");
    }
    assert!(server.world().items.is_empty());
    assert!(!open().cleanup().everything().await.unwrap().is_success(), "it is still damaged");

    // What a crash cut off was not sent.
    let damaged = fs::read(&path).unwrap();
    let damaged = String::from_utf8_lossy(&damaged);
    let first = damaged.lines().next().unwrap();
    fs::write(&path, format!("{first}\n{{\"record\":\"enqueu")).unwrap();
    upload(&open()).await;
    clean(&open().cleanup().everything().await.unwrap());
}

#[tokio::test]
async fn items_that_the_server_does_not_list_are_reported() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let mut hidden = Item::new("b", "completed");
    hidden.unlisted = true;
    server.world().add(hidden);
    server.world().add(Item::new("b", "completed"));
    let report = client.cleanup().batch("b").everything().await.unwrap();
    assert_eq!(report.undetermined[0].because, UndeterminedBecause::ItemsNotListed(1), "{report}");
    assert!(!report.is_success() && !report.to_string().contains("0 failed"), "{report}");
}

#[tokio::test]
async fn what_is_to_be_kept_is_kept() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let id = server.world().add(Item::new("b", "completed").giving(&["keep", "go"]));
    server.world().made_by(id, "keep");
    server.world().made_by(id, "go");
    let report = client.cleanup().batch("b").everything().keep([image("keep")]).await.unwrap();
    assert_eq!(report.why_kept(&image("keep")), Some(&KeptBecause::Spared), "{report}");
    assert_eq!(server.world().pictures.keys().collect::<Vec<_>>(), ["keep"]);
}

/// The ids of batches are the caller's choice; two submissions with the same one make one batch.
#[tokio::test]
async fn a_refused_part_of_a_batch_does_not_make_the_rest_forgotten() {
    let server = FakeGallery::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let client = Client::builder(server.url()).ledger(&ledger).build().unwrap();
    submit(&client, "b").await;
    server.world().refuse = Some("POST queue/default/enqueue_batch");
    client.submit(&workflow()).batch_id("b").subscribe_events(false).await.unwrap_err();
    client.submit(&workflow()).batch_id("never enqueued").subscribe_events(false).await.unwrap_err();
    let ids =
        |client: &Client| -> Vec<String> { client.assets().batches.into_iter().map(|one| one.batch_id).collect() };
    assert_eq!(ids(&client), ["b"]);
    assert_eq!(ids(&Client::builder(server.url()).read_only_ledger(&ledger).build().unwrap()), ["b"]);
}

/// What a program with a ledger deletes is not needed by another one, which could not have used the ledger.
#[tokio::test]
async fn a_second_program_cannot_clean_up_what_the_first_is_doing() {
    let server = FakeGallery::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let first = Client::builder(server.url()).ledger(&ledger).build().unwrap();
    let name = upload(&first).await;
    let before = fs::read(&ledger).unwrap();
    let said = crate::ledger::clean_up_in_another_process(&server.url(), &ledger);
    assert!(said.contains("another program is using the ledger"), "{said}");
    assert!(server.world().pictures.contains_key(&name));
    assert_eq!(fs::read(&ledger).unwrap(), before);
    drop(first);
    let said = crate::ledger::clean_up_in_another_process(&server.url(), &ledger);
    assert!(said.contains("1 deleted, 0 kept, 0 failed"), "{said}");
}
