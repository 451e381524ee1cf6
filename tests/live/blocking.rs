//! The whole loop on a real server, without `async`: load, list, set, upload, submit, follow, wait, download, clean up.
//!
//! Run with `INVOKEAI_TEST_URL=http://127.0.0.1:9090 cargo test --all-features --test live blocking`.
#![cfg(all(feature = "blocking", feature = "events"))]

use std::{collections::BTreeSet, io::Cursor, time::Duration};

use invokeai_client::{
    Error, OutputBoard, Sweep, Upload,
    blocking::Client,
    events::EventItem,
    images::ImageCategory,
    queue::ItemStatus,
    workflow::{Workflow, WorkflowDefinition},
};

use crate::common::live;

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
const LIMIT: Duration = Duration::from_secs(120);

fn client() -> Option<(Client, live::Turn)> {
    let (client, turn) = futures::executor::block_on(live::client())?;
    Some((Client::from_async(client).unwrap(), turn))
}

fn png() -> Vec<u8> {
    let slope = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 4, y as u8 * 4, 90]));
    let mut bytes = Cursor::new(Vec::new());
    slope.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Everything that a run can add to, as far as it is on this board or this queue, or was made by this test.
fn rows(client: &Client, board: &str, queue: &str, mine: &[String]) -> (usize, Vec<i64>, BTreeSet<String>) {
    let boards = client.boards().list().include_archived(true).stream().map(Result::unwrap);
    let boards = boards.filter(|found| found.board_name == board).count();
    let names = client.images().list().names().unwrap().image_names;
    let images = names.into_iter().filter(|name| mine.contains(name)).collect();
    (boards, client.queue(queue).item_ids().unwrap(), images)
}

fn workflow(client: &Client) -> Workflow {
    client.workflow(WorkflowDefinition::from_path(WORKFLOW).unwrap()).unwrap()
}

#[test]
fn the_whole_loop() {
    let Some((client, _turn)) = client() else { return };
    let (board, queue) = (live::unique("blocking"), live::unique("queue").replace(' ', "-"));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(rows(&client, &board, &queue, &[]), (0, vec![], BTreeSet::new()));

    // Load, list, set, upload.
    let mut workflow = workflow(&client);
    assert!(workflow.inputs().iter().any(|input| input.user_name == "Width"), "{:?}", workflow.inputs());
    let upload = Upload::blocking_reader("slope.png", Cursor::new(png()), None);
    let picture = client.images().upload(upload).category(ImageCategory::User).call().unwrap();
    assert_eq!((picture.width, picture.height), (64, 48));
    workflow.set_input("source.image", picture.image_name.as_str()).unwrap();
    workflow.set_input("Width", 32).unwrap();

    // Submit, follow, wait.
    let mut events = client.events();
    events.connected().unwrap();
    let submit = client.submit(&workflow).queue(&queue).board(OutputBoard::named_or_new(&board));
    let submission = submit.call().unwrap();
    let job = submission.job().unwrap();
    let mut told = Vec::new();
    let finished = job.wait().timeout(LIMIT).on_progress(|progress| told.push(progress.fraction())).call().unwrap();
    assert_eq!(told.last(), Some(&1.0), "{told:?}");
    assert_eq!(finished.item().unwrap().status, ItemStatus::Completed);
    assert_eq!(job.progress_updates().last().unwrap().status, ItemStatus::Completed);
    let completed = |item: Result<EventItem, _>| match item.unwrap() {
        EventItem::Event(event) => event.item_id() == Some(job.item_id()) && event.status() == Some("completed"),
        _ => false,
    };
    while !completed(events.next_timeout(LIMIT).unwrap().unwrap()) {}

    // Outputs and downloads, in each way.
    let outputs = finished.outputs().call().unwrap();
    let results: Vec<String> = outputs.final_images().iter().map(|image| image.name.clone()).collect();
    assert_eq!(results.len(), 1, "{:?}", outputs.files());
    let report = outputs.download_to(folder.path()).sidecar(true).call().unwrap();
    assert!(report.is_success() && report.saved.len() == 1, "{report:?}");
    let shape = image::open(&report.saved[0].path).unwrap();
    assert_eq!(shape.width(), 32);
    let image = client.image(&results[0]);
    let (bytes, mut written) = (image.download().bytes().unwrap(), Vec::new());
    assert_eq!(image.download().write_to(&mut written).unwrap(), bytes.len() as u64);
    assert_eq!((written, std::fs::read(&report.saved[0].path).unwrap()), (bytes.to_vec(), bytes.to_vec()));
    let board_id = client.boards().find(&board).unwrap().unwrap().board_id;
    assert_eq!(client.board(&board_id).images().intermediate(false).names().unwrap().image_names, results);
    let on_board = client.board(&board_id).image_names().unwrap();
    let zip = client.board(&board_id).zip().bytes().unwrap();
    assert!(zip.starts_with(b"PK"), "{} bytes", zip.len());
    let all = client.board(&board_id).download_all(folder.path().join("all")).call().unwrap();
    assert_eq!(all.saved.len(), 1);

    // Clean up: nothing is left.
    let everything = client.cleanup().everything().call().unwrap();
    assert!(everything.is_success(), "{everything:?}");
    let given = outputs.files().iter().map(|file| file.name.clone());
    let mine: Vec<String> = given.chain(on_board).chain([picture.image_name]).collect();
    assert_eq!(rows(&client, &board, &queue, &mine), (0, vec![], BTreeSet::new()));
}

#[test]
fn a_sweep_a_refusal_and_a_time_limit() {
    let Some((client, _turn)) = client() else { return };
    let queue = live::unique("queue").replace(' ', "-");
    let picture = client.images().upload(Upload::bytes("slope.png", png())).call().unwrap();
    let mut workflow = workflow(&client);
    workflow.set_input("source.image", picture.image_name.as_str()).unwrap();
    let sweep = Sweep::new().product(&workflow, "Width", [24, 40]).unwrap();
    let submission = client.submit(&workflow).queue(&queue).sweep(sweep).call().unwrap();
    let error = submission.jobs()[1].wait().timeout(Duration::ZERO).call().unwrap_err();
    assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
    let widths: BTreeSet<Option<u64>> = submission
        .ends()
        .map(|end| end.unwrap().1.unwrap().outputs().call().unwrap().final_images()[0].width)
        .collect();
    assert_eq!(widths, BTreeSet::from([Some(24), Some(40)]));
    let items: Vec<i64> = client.queue(&queue).list().stream().map(|item| item.unwrap().item_id).collect();
    assert_eq!(items, submission.item_ids());
    let error = client.board("no-such-board").get().unwrap_err();
    assert!(error.is_not_found(), "{error:?}");
    assert!(client.cleanup().everything().call().unwrap().is_success());
    assert_eq!(client.queue(&queue).item_ids().unwrap(), Vec::<i64>::new());
    assert!(client.image(picture.image_name).find().unwrap().is_none());
}

#[test]
fn lists_and_settings_can_be_read() {
    let Some((client, _turn)) = client() else { return };
    let version = client.server_version().unwrap();
    assert_eq!(client.block_on(client.api().app_version().send()).unwrap().into_inner().version, version);
    assert_eq!(client.models().list().call().unwrap().items.len(), client.models().records().unwrap().len());
    assert!(!client.server().dependencies().unwrap().is_empty());
    client.library().list().call().unwrap();
    client.style_presets().list().call().unwrap();
    client.auth().status().unwrap();
    client.queue("default").status().unwrap();
}
