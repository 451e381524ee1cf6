//! Outputs and clean-up on a real server: what runs give, what they leave, and that nothing is left after clean-up.
//!
//! Run with `INVOKEAI_TEST_URL=http://127.0.0.1:9090 cargo test --test live outputs`. With `INVOKEAI_TEST_ROOT` (the root
//! directory of that server) files on its disk are counted, too. Where other programs use the server at the same time,
//! set `INVOKEAI_TEST_SHARED=1`: then only what the tests themselves made is looked for.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, Error, FinishedJob, OutputBoard, Submission, Upload,
    assets::Asset,
    cleanup::{CleanupReport, KeptBecause},
    outputs::{FileSource, OutputValue},
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::{Value, json};

use crate::common::{live, skip};

const WORKFLOW: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/resize-and-blur.json");
pub(crate) const DEADLINE: Duration = Duration::from_secs(180);

/// Everything on the server that a run can add to.
#[derive(Debug, PartialEq, Eq)]
struct Rows {
    images: BTreeSet<String>,
    videos: BTreeSet<String>,
    boards: BTreeSet<String>,
    items: BTreeSet<i64>,
    files: BTreeSet<PathBuf>,
}

/// A test's share of the server.
pub(crate) struct Stage {
    url: String,
    pub(crate) queue: String,
    folder: tempfile::TempDir,
}

impl Stage {
    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    /// A client as a new process would create it.
    pub(crate) fn client(&self) -> Client {
        let mut builder = Client::builder(&self.url).ledger(self.ledger());
        if let Ok(token) = env::var("INVOKEAI_TEST_TOKEN") {
            builder = builder.token(token);
        }
        builder.build().unwrap()
    }

    async fn rows(&self, client: &Client) -> Rows {
        let images: Vec<_> = client.images().list().limit(1000).stream().try_collect().await.unwrap();
        let videos = match client.videos().list().limit(1000).stream().try_collect::<Vec<_>>().await {
            // Servers before 6.14 have none.
            Err(error) if error.is_unsupported() => Vec::new(),
            videos => videos.unwrap(),
        };
        let boards: Vec<_> = client.boards().list().include_archived(true).stream().try_collect().await.unwrap();
        let mut items: BTreeSet<i64> = client.queue(&self.queue).item_ids().await.unwrap().into_iter().collect();
        items.extend(client.queue("default").item_ids().await.unwrap());
        let mut files = BTreeSet::new();
        if let Some(root) = env::var_os("INVOKEAI_TEST_ROOT") {
            let outputs = Path::new(&root).join("outputs");
            for kind in ["images", "videos"] {
                list_files(&outputs.join(kind), &mut files);
            }
        }
        Rows {
            images: images.into_iter().map(|image| image.image_name).collect(),
            videos: videos.into_iter().map(|video| video.video_name).collect(),
            boards: boards.into_iter().map(|board| board.board_id).collect(),
            items,
            files,
        }
    }

    pub(crate) async fn upload(&self, client: &Client) -> String {
        // Never the same picture twice: the cache must not know it.
        let pixel = uuid::Uuid::new_v4().into_bytes();
        let picture = image::RgbImage::from_fn(40, 30, |x, y| {
            image::Rgb([(x as u8 * 6) ^ pixel[0], (y as u8 * 8) ^ pixel[1], pixel[(x % 16) as usize]])
        });
        let mut file = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut file, image::ImageFormat::Png).unwrap();
        client.images().upload(Upload::bytes("in.png", file.into_inner())).await.unwrap().image_name
    }

    pub(crate) async fn workflow(&self, client: &Client, image: &str) -> Workflow {
        let mut workflow = client.workflow(WorkflowDefinition::from_path(WORKFLOW).unwrap()).await.unwrap();
        workflow.set_input("source.image", image).unwrap();
        workflow
    }

    async fn run(&self, client: &Client, workflow: &Workflow) -> (Submission, FinishedJob) {
        let submission = client.submit(workflow).queue(&self.queue).await.unwrap();
        let finished = submission.job().unwrap().wait().timeout(DEADLINE).await.unwrap();
        (submission, finished)
    }
}

fn list_files(directory: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => list_files(&entry.path(), files),
            false => drop(files.insert(entry.path())),
        }
    }
}

/// Runs a test, and checks that the server is as it was.
pub(crate) async fn on_stage(test: impl AsyncFnOnce(&Stage, Client)) {
    let Some((probe, _turn)) = live::alone().await else { return };
    let stage = Stage {
        url: probe.base_url().to_string(),
        queue: format!("outputs-test-{}", uuid::Uuid::new_v4()),
        folder: tempfile::tempdir().unwrap(),
    };
    let before = stage.rows(&probe).await;
    tokio::time::timeout(DEADLINE, test(&stage, stage.client())).await.expect("the test ends in time");
    let left = stage.client().assets();
    assert!(left.is_empty(), "the ledger still knows of {left:?}");
    let after = stage.rows(&probe).await;
    assert_eq!(probe.queue(&stage.queue).item_ids().await.unwrap(), [] as [i64; 0]);
    if env::var_os("INVOKEAI_TEST_SHARED").is_some() {
        skip::skipped(format_args!("comparing all rows: INVOKEAI_TEST_SHARED is set"));
    } else {
        assert_eq!(before, after, "rows and files before and after");
    }
}

pub(crate) fn clean(report: &CleanupReport) {
    assert!(report.is_success(), "{report}");
}

fn images(report: &CleanupReport) -> usize {
    report.deleted.iter().filter(|asset| matches!(asset, Asset::Image(_))).count()
}

#[tokio::test]
async fn a_run_is_reported_in_full_and_leaves_nothing() {
    on_stage(async |stage, client| {
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        let board = OutputBoard::named_or_new(live::unique("outputs"));
        let submission = client.submit(&workflow).queue(&stage.queue).board(board).await.unwrap();
        let job = submission.job().unwrap();
        let early = job.outputs().await;
        assert!(matches!(&early, Err(Error::WrongState { needed, .. }) if needed.contains("has ended")), "{early:?}");
        let finished = job.wait().timeout(DEADLINE).await.unwrap();
        let outputs = finished.outputs().await.unwrap();

        // The form shows the board of `save`, which ends last.
        let order: Vec<&str> = outputs.nodes().iter().map(|node| node.node.id.as_str()).collect();
        assert_eq!(order, ["save", "source", "resize", "blur"]);
        let [save, source, resize, blur] = outputs.files() else { panic!("{:?}", outputs.files()) };
        assert_eq!((save.node.name(), save.field.as_str()), ("Result", "image"));
        assert_eq!(resize.node.name(), "Resize Image");
        assert_eq!((save.width, save.height, source.width, source.height), (Some(96), Some(64), Some(40), Some(30)));
        let board_id = client.assets().boards[0].clone();
        assert_eq!(save.board_id.as_ref(), Some(&board_id));
        assert_eq!(
            (save.is_intermediate, blur.is_intermediate, save.exposed, blur.exposed),
            (false, true, true, false)
        );
        assert_eq!((source.source, source.passed_on, &source.name), (FileSource::Input, true, &input));
        assert_eq!((blur.source, blur.passed_on), (FileSource::ThisRun, false));
        assert_eq!(save.session_id, Some(finished.item().await.unwrap().session_id));
        let finals: Vec<&String> = outputs.final_images().into_iter().map(|image| &image.name).collect();
        assert_eq!(finals, [&save.name]);
        let typed = &outputs.of_node("save").next().unwrap().value;
        assert!(
            matches!(typed, OutputValue::Image { image, width: 96, .. } if image.image_name == save.name),
            "{typed:?}"
        );

        let folder = stage.folder.path().join("pictures");
        let downloads = outputs.download_to(&folder).sidecar(true).await.unwrap();
        assert_eq!((downloads.saved.len(), downloads.failed.len()), (1, 0));
        let picture = image::open(&downloads.saved[0].path).unwrap();
        assert_eq!((picture.width(), picture.height()), (96, 64));
        assert_eq!(outputs.download_to(&folder).everything(true).await.unwrap().saved.len(), 3);

        assert_eq!(client.uploaded_assets(), [Asset::Image(input.clone())]);
        let plan = submission.cleanup().everything().dry_run(true).await.unwrap();
        clean(&plan);
        assert!(client.image(&save.name).find().await.unwrap().is_some(), "a dry run deletes nothing");
        let report = submission.cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(
            report.deleted.iter().collect::<BTreeSet<_>>(),
            plan.deleted.iter().collect::<BTreeSet<_>>(),
            "what goes is what was to go"
        );
        assert_eq!((images(&report), report.deleted.len(), report.kept.len()), (4, 6, 0), "{report}");
        assert!(report.deleted.contains(&Asset::Board(board_id)));
        let again = client.cleanup().everything().await.unwrap();
        assert!(again.is_success() && again.deleted.is_empty() && again.kept.is_empty(), "{again}");
        assert!(job.outputs().await.unwrap_err().is_not_found());
    })
    .await;
}

#[tokio::test]
async fn without_a_choice_results_stay_and_can_be_cleaned_up_later() {
    on_stage(async |stage, client| {
        let before = stage.rows(&client).await;
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        let board = OutputBoard::named_or_new(live::unique("outputs"));
        let submission = client.submit(&workflow).queue(&stage.queue).board(board).await.unwrap();
        let finished = submission.job().unwrap().wait().timeout(DEADLINE).await.unwrap();
        let result = finished.outputs().await.unwrap().final_images()[0].clone();
        let report = submission.cleanup().await.unwrap();
        clean(&report);
        let asset = Asset::Image(result.name.clone());
        assert_eq!(report.why_kept(&asset), Some(&KeptBecause::NotAsked));
        let board = result.board_id.clone().unwrap();
        assert_eq!(report.why_kept(&Asset::Board(board.clone())), Some(&KeptBecause::NotAsked));
        assert_eq!((images(&report), report.deleted.len(), report.kept.len()), (3, 4, 2), "{report}");
        if env::var_os("INVOKEAI_TEST_SHARED").is_none() {
            let after = stage.rows(&client).await;
            let more: Vec<_> = after.images.difference(&before.images).collect();
            assert_eq!(more, [&result.name]);
            assert_eq!(after.boards.difference(&before.boards).collect::<Vec<_>>(), [&board]);
            assert_eq!(after.items, before.items);
        }
        // Its item is gone; the record still leads to the result. A file of somebody else keeps the board.
        let (stranger, guest) = (Client::new(&stage.url).unwrap(), "guest.png");
        let guest =
            stranger.board(&board).upload(Upload::bytes(guest, std::fs::read(picture(stage)).unwrap())).await.unwrap();
        let report = stage.client().cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(report.why_kept(&Asset::Board(board.clone())), Some(&KeptBecause::ForeignFiles(1)), "{report}");
        assert_eq!(report.deleted, [asset]);
        clean(&stranger.cleanup().await.unwrap());
        assert!(client.image(&guest.image_name).find().await.unwrap().is_none());
        let report = stage.client().cleanup().everything().await.unwrap();
        assert_eq!(report.deleted, [Asset::Board(board)], "{report}");
    })
    .await;
}

fn picture(stage: &Stage) -> PathBuf {
    let path = stage.folder.path().join("guest.png");
    image::RgbImage::new(8, 8).save(&path).unwrap();
    path
}

pub(crate) fn document(name: &str, nodes: Value, edges: Value) -> Value {
    json!({
        "name": name, "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"}, "exposedFields": [], "nodes": nodes, "edges": edges,
    })
}

pub(crate) fn node(id: &str, kind: &str, inputs: Value) -> Value {
    let mut fields = serde_json::Map::new();
    for (name, value) in inputs.as_object().unwrap() {
        fields.insert(name.clone(), json!({"name": name, "label": "", "description": "", "value": value}));
    }
    json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
        "id": id, "type": kind, "version": "1.0.0", "nodePack": "invokeai", "label": "", "notes": "",
        "isOpen": true, "isIntermediate": true, "useCache": false, "inputs": fields}})
}

fn edge(source: &str, out: &str, target: &str, into: &str) -> Value {
    json!({"id": format!("{source}-{target}"), "type": "default", "source": source, "sourceHandle": out,
           "target": target, "targetHandle": into})
}

/// `range` -> `iterate` -> `add` -> `collect`.
fn iterating() -> Value {
    let nodes = json!([
        node("range", "range", json!({"start": 0, "stop": 12, "step": 1})),
        node("each", "iterate", json!({})),
        node("sum", "add", json!({"b": 100})),
        node("all", "collect", json!({})),
    ]);
    let edges = json!([
        edge("range", "collection", "each", "collection"),
        edge("each", "item", "sum", "a"),
        edge("sum", "value", "all", "item"),
    ]);
    document("iterating", nodes, edges)
}

#[tokio::test]
async fn iterations_come_in_order() {
    on_stage(async |stage, client| {
        let workflow = client.workflow(WorkflowDefinition::from_value(iterating()).unwrap()).await.unwrap();
        let (submission, finished) = stage.run(&client, &workflow).await;
        let outputs = finished.outputs().await.unwrap();
        let sums: Vec<&OutputValue> = outputs.of_node("sum").map(|node| &node.value).collect();
        assert_eq!(sums.len(), 12);
        for (place, (sum, node)) in sums.iter().zip(outputs.of_node("sum")).enumerate() {
            assert!(matches!(sum, OutputValue::Integer { value } if *value == 100 + place as i64), "{place}: {sum:?}");
            if !node.iteration.is_empty() {
                assert_eq!(node.iteration, [place as u64]);
            }
        }
        let all = outputs.of_node("all").next().unwrap();
        assert!(
            matches!(&all.value, OutputValue::Collection { collection } if collection.len() == 12),
            "{:?}",
            all.raw()
        );
        clean(&submission.cleanup().everything().await.unwrap());
    })
    .await;
}

/// A workflow that can be called: it makes a picture and returns it.
fn callee(name: &str) -> Value {
    let nodes = json!([
        node("blank", "blank_image", json!({"width": 32, "height": 16})),
        node("named", "workflow_return_value", json!({"key": "picture"})),
        node("back", "workflow_return", json!({})),
    ]);
    let edges = json!([edge("blank", "image", "named", "value"), edge("named", "value", "back", "values")]);
    document(name, nodes, edges)
}

#[tokio::test]
async fn outputs_of_called_workflows_are_reported_on_request() {
    on_stage(async |stage, client| {
        if client.catalog().await.unwrap().get("call_saved_workflow").is_none() {
            return skip::skipped(format_args!("called workflows: the server is older than 6.14"));
        }
        let definition = WorkflowDefinition::from_value(callee(&live::unique("callee"))).unwrap();
        let saved = client.library().create(&definition).await.unwrap();
        let caller = document(
            "caller",
            json!([node("call", "call_saved_workflow", json!({"workflow_id": saved.workflow_id}))]),
            json!([]),
        );
        let workflow = client.workflow(WorkflowDefinition::from_value(caller).unwrap()).await.unwrap();
        let submission = client.submit(&workflow).queue(&stage.queue).await.unwrap();
        let end = submission.job().unwrap().wait().timeout(DEADLINE).await;
        client.saved_workflow(&saved.workflow_id).delete().await.unwrap();
        let job = end.unwrap().job().clone();

        let outputs = job.outputs().await.unwrap();
        let [file] = outputs.files() else { panic!("{:?}", outputs.files()) };
        assert_eq!((file.node.id.as_str(), file.source, file.passed_on), ("call", FileSource::ThisRun, false));
        assert!(file.field.contains("picture"), "{}", file.field);
        let all = job.outputs().include_children(true).await.unwrap();
        let blank = all.of_node("blank").next().unwrap();
        assert_ne!(blank.item_id, job.item_id());
        let made: Vec<&str> =
            all.files().iter().filter(|file| !file.passed_on).map(|file| file.node.id.as_str()).collect();
        assert_eq!(made, ["blank"]);
        let report = submission.cleanup().everything().await.unwrap();
        clean(&report);
        // The server deletes a child with its parent.
        assert_eq!(images(&report), 1, "{report}");
    })
    .await;
}

#[tokio::test]
async fn what_the_cache_shares_is_reported_and_kept() {
    on_stage(async |stage, client| {
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        let (first, _) = stage.run(&client, &workflow).await;
        let (second, finished) = stage.run(&client, &workflow).await;
        let outputs = finished.outputs().await.unwrap();
        let of = |node: &str| outputs.files().iter().find(|file| file.node.id == node).unwrap();
        // The file sets `useCache` for all of them, even for `save_image`, which is not cached by default.
        let nodes = ["resize", "blur", "save"];
        for node in nodes {
            assert_eq!((of(node).source, of(node).passed_on), (FileSource::EarlierRun, false), "{node}");
            assert!(of(node).is_shared());
        }
        let shared: Vec<Asset> = nodes.map(|node| Asset::Image(of(node).name.clone())).to_vec();

        // The first run made them; the second shows them.
        let report = first.cleanup().everything().uploads(false).await.unwrap();
        clean(&report);
        let item = Asset::Item { queue_id: stage.queue.clone(), item_id: finished.job().item_id() };
        for asset in &shared {
            assert_eq!(report.why_kept(asset), Some(&KeptBecause::SharedWith(item.clone())), "{report}");
        }
        assert_eq!((images(&report), report.deleted.len()), (0, 1), "{report}");
        // The second did not make them.
        let report = second.cleanup().everything().uploads(false).await.unwrap();
        clean(&report);
        assert_eq!((images(&report), report.deleted.len()), (0, 1), "{report}");
        for asset in &shared {
            let Asset::Image(name) = asset else { panic!() };
            assert!(client.image(name).find().await.unwrap().is_some());
        }
        // Nobody shows them anymore.
        let report = client.cleanup().everything().await.unwrap();
        clean(&report);
        assert_eq!(images(&report), 4, "{report}");
    })
    .await;
}

#[tokio::test]
async fn what_is_starred_stays() {
    on_stage(async |stage, client| {
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        let (submission, finished) = stage.run(&client, &workflow).await;
        let name = finished.outputs().await.unwrap().final_images()[0].name.clone();
        for name in [&name, &input] {
            client.image(name).set_starred(true).await.unwrap();
        }
        let report = submission.cleanup().everything().await.unwrap();
        clean(&report);
        for name in [&name, &input] {
            assert_eq!(report.why_kept(&Asset::Image(name.clone())), Some(&KeptBecause::Starred), "{report}");
            client.image(name).set_starred(false).await.unwrap();
        }
        let report = client.cleanup().everything().await.unwrap();
        assert_eq!((images(&report), report.is_success()), (2, true), "{report}");
    })
    .await;
}

#[tokio::test]
async fn a_batch_that_still_runs_is_canceled_and_cleaned_up() {
    on_stage(async |stage, client| {
        let input = stage.upload(&client).await;
        let workflow = stage.workflow(&client, &input).await;
        let submission = client.submit(&workflow).queue(&stage.queue).runs(12).await.unwrap();
        submission.jobs()[0].wait().timeout(DEADLINE).await.unwrap();
        let held = submission.cleanup().everything().cancel(false).boards(false).await.unwrap();
        let unended = held.kept.iter().filter(|kept| kept.because == KeptBecause::NotEnded).count();
        assert!(unended > 0, "{held}");
        assert!(matches!(held.why_kept(&Asset::Image(input)), Some(KeptBecause::NeededBy(_))), "{held}");
        // Another process, which knows only the id of the batch.
        let batch = submission.batch_id().to_owned();
        drop(submission);
        let report = client.cleanup().batch(batch).everything().await.unwrap();
        clean(&report);
        clean(&client.cleanup().everything().await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_saved_workflow_runs_by_name_or_id() {
    on_stage(async |stage, client| {
        let mut document = WorkflowDefinition::from_path(WORKFLOW).unwrap().into_value();
        let name = live::unique("saved");
        document["name"] = json!(name);
        let definition = WorkflowDefinition::from_value(document).unwrap();
        let input = stage.upload(&client).await;
        let inputs = json!({"source.image": input, "width": 48});
        let none = client.submit_saved_workflow(&name, inputs.clone()).await.unwrap_err();
        assert!(none.to_string().contains("no saved workflow"), "{none}");

        let saved = client.library().create(&definition).await.unwrap();
        let outcome = async {
            let submission = client.submit_saved_workflow(&name, inputs.clone()).await?;
            let finished = submission.job()?.wait().timeout(DEADLINE).await?;
            let outputs = finished.outputs().await?;
            assert_eq!(outputs.final_images()[0].width, Some(48));
            let refused = client.submit_saved_workflow(&name, json!({"no such": 1})).await.unwrap_err();
            assert!(matches!(refused, Error::Input(_)), "{refused:?}");

            let twin = client.library().create(&definition).await?;
            let ambiguous = client.submit_saved_workflow(&name, inputs.clone()).await;
            let by_id = client.submit_saved_workflow(&twin.workflow_id, inputs.clone()).await;
            client.saved_workflow(&twin.workflow_id).delete().await?;
            let ambiguous = ambiguous.unwrap_err().to_string();
            assert!(ambiguous.contains(&saved.workflow_id) && ambiguous.contains(&twin.workflow_id), "{ambiguous}");
            by_id?.job()?.wait().timeout(DEADLINE).await
        };
        let outcome = outcome.await;
        client.saved_workflow(&saved.workflow_id).delete().await.unwrap();
        outcome.unwrap();
        let report = client.cleanup().everything().await.unwrap();
        clean(&report);
    })
    .await;
}

/// A process that ends after this many steps: what it held in memory is lost.
#[tokio::test]
async fn after_a_crash_the_ledger_leads_to_everything() {
    for steps in 1..=4 {
        on_stage(async |stage, client| {
            let input = stage.upload(&client).await;
            if steps == 1 {
                // The crash comes before the name is on disk.
                let text = std::fs::read_to_string(stage.ledger()).unwrap();
                let (kept, lost) = text.trim_end().rsplit_once('\n').unwrap();
                assert!(lost.contains(&input));
                std::fs::write(stage.ledger(), format!("{kept}\n{}", &lost[..lost.len() / 2])).unwrap();
            }
            if steps >= 3 {
                let workflow = stage.workflow(&client, &input).await;
                let board = OutputBoard::named_or_new(live::unique("outputs"));
                let submission = client.submit(&workflow).queue(&stage.queue).runs(2).board(board).await.unwrap();
                if steps == 4 {
                    submission.wait_all().await.unwrap();
                }
            }
            drop(client);

            let later = stage.client();
            assert!(!later.assets().is_empty());
            let report = later.cleanup().everything().await.unwrap();
            clean(&report);
            assert!(report.kept.is_empty(), "{report}");
            assert!(later.image(&input).find().await.unwrap().is_none());
        })
        .await;
    }
}

/// Names the step that [`crash_child`] goes on to, and the queue it uses.
const CRASH: &str = "OUTPUTS_TEST_CRASH";

/// Not a test: the process that [`a_killed_process_leaves_nothing_that_cannot_be_found`] kills.
#[tokio::test]
async fn crash_child() {
    let Ok(told) = env::var(CRASH) else { return };
    let (folder, queue) = told.split_once('|').unwrap();
    let probe = live::server().unwrap();
    let client = Client::builder(probe.base_url().as_str()).ledger(Path::new(folder).join("ledger")).build().unwrap();
    let stage = Stage { url: String::new(), queue: queue.to_owned(), folder: tempfile::tempdir().unwrap() };
    println!("\nSTEP begun");
    let input = stage.upload(&client).await;
    println!("\nSTEP uploaded");
    let workflow = stage.workflow(&client, &input).await;
    let board = OutputBoard::named_or_new(live::unique("outputs"));
    let submission = client.submit(&workflow).queue(queue).runs(3).board(board).await.unwrap();
    println!("\nSTEP enqueued");
    submission.wait_all().await.unwrap();
    println!("\nSTEP finished");
    tokio::time::sleep(DEADLINE).await;
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_that_cannot_be_found() {
    use std::io::{BufRead as _, BufReader};

    for step in ["begun", "uploaded", "enqueued", "finished"] {
        on_stage(async |stage, client| {
            drop(client);
            let mut child = std::process::Command::new(env::current_exe().unwrap())
                .args(["--exact", "outputs::crash_child", "--nocapture"])
                .env(CRASH, format!("{}|{}", stage.folder.path().display(), stage.queue))
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let wanted = format!("STEP {step}");
            assert!(lines.any(|line| line.unwrap() == wanted), "the process got as far as {wanted}");
            child.kill().unwrap();
            child.wait().unwrap();
            // What was on its way reaches the server all the same.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let report = stage.client().cleanup().everything().await.unwrap();
            clean(&report);
            assert!(report.kept.is_empty(), "{report}");
            assert!(step == "begun" || images(&report) > 0, "{report}");
        })
        .await;
    }
}
