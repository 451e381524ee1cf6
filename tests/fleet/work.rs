//! What fleets do when nothing goes wrong.

use std::time::{Duration, Instant};

use invokeai_client::{
    Client, Error,
    fleet::{Fleet, JobState},
    testing::Fault,
    workflow::WorkflowDefinition,
};

use crate::{
    http,
    postgres::Postgres,
    stage::{Process, RESIZE, Stage, batches, seeds, servers, workflow},
};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_on_all_servers_and_leave_nothing_there() {
    let servers = servers(2, 5);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(12, 3).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 12);
    for server in &servers {
        assert!(server.faults().calls("enqueue_batch") > 1, "each server has its share");
    }
    assert_eq!(worker.stop(), Some(0));
    stage.is_clean().await;
    assert!(stage.fleet.status().await.unwrap().servers.is_empty(), "a worker that has ended is not listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn priorities_come_first_and_labels_find_jobs() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let workflow = workflow(&client).await;
    let low = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).label("kind", "low").await.unwrap();
    let high = stage.fleet.submit(&workflow).priority(5).label("kind", "high").await.unwrap();
    let found = stage.fleet.jobs().label("kind", "high").await.unwrap();
    assert_eq!(found.iter().map(|job| &job.id).collect::<Vec<_>>(), high.jobs.iter().collect::<Vec<_>>());
    let worker = stage.fleet.worker().server(client).at_once(1);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn(worker.run(async { _ = stopped.await }));
    stage.until(JobState::Done, 1).await;
    let first = stage.fleet.jobs().await.unwrap().into_iter().find(|job| job.state == JobState::Done).unwrap();
    assert_eq!(first.id, high.jobs[0], "the others wait: {low:?}");
    stop.send(()).unwrap();
    assert!(working.await.unwrap().unwrap().done >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_server_can_do_waits_and_says_why() {
    let able = servers(1, 1);
    let unable = invokeai_client::testing::TestServer::builder().seed_models(false).start().unwrap();
    let stage = Stage::new(&able).await;
    stage.submit(2, 3).await;
    assert_eq!(stage.fleet.status().await.unwrap().waiting[0].reasons, ["no worker runs"]);
    let worker = stage.worker_of(&[unable.url().to_owned()]);
    let status = stage.until_waiting_for("tiny-sd1").await;
    assert_eq!((status.jobs.waiting, status.waiting.len()), (2, 1), "{status:?}");
    assert_eq!(unable.faults().calls("enqueue_batch"), 0);
    worker.kill();
    let worker = stage.worker();
    stage.ended(60).await;
    assert!(stage.fleet.jobs().await.unwrap().iter().all(|job| job.state == JobState::Done && job.attempts == 1));
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn canceled_jobs_end_on_their_servers_and_can_be_tried_again() {
    let servers = servers(1, 100);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(4, 3).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 2).await;
    assert_eq!(stage.fleet.jobs().submission(&submission.id).cancel().await.unwrap(), 4);
    assert_eq!(stage.state_of(JobState::Canceled).await, 4);
    stage.is_clean().await;
    assert_eq!(stage.fleet.jobs().ids([&submission.jobs[0]]).retry().await.unwrap(), 1);
    stage.until(JobState::Done, 1).await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn deadlines_end_jobs_that_were_not_begun() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let workflow = workflow(&client).await;
    stage.fleet.submit(&workflow).deadline(Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let worker = stage.worker();
    let jobs = stage.ended(30).await;
    assert_eq!(jobs[0].state, JobState::Failed);
    assert!(jobs[0].problem.as_deref().unwrap().contains("deadline"), "{jobs:?}");
    assert_eq!(batches(&servers), 0);
    assert_eq!(stage.fleet.jobs().retry().await.unwrap(), 1);
    let jobs = stage.ended(30).await;
    assert_eq!(jobs[0].state, JobState::Done, "who wants it again does not want it in time: {jobs:?}");
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_go_along_and_images_of_one_server_are_refused() {
    let servers = servers(2, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let definition = WorkflowDefinition::from_path(RESIZE).unwrap();
    let mut workflow = client.workflow(definition).await.unwrap();
    let picture = stage.folder.path().join("picture.png");
    image::RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3])).save(&picture).unwrap();
    workflow.set_named_field("image", serde_json::json!({"image_name": "of-one-server.png"})).unwrap();
    let refused = stage.fleet.submit(&workflow).await.unwrap_err();
    assert!(matches!(refused, Error::NotReady(_)), "{refused}");
    workflow.set_named_field("image", stage.fleet.image(&picture).await.unwrap()).unwrap();
    let submission = stage.fleet.submit(&workflow).runs(6).await.unwrap();
    let worker = stage.worker();
    stage.ended(60).await;
    for job in &submission.jobs {
        assert_eq!(stage.fleet.result(job).await.unwrap().expect("a result").files.len(), 1);
    }
    stage.is_clean().await;
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_run_in_the_order_of_their_rows() {
    let (sqlite, postgres) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    in_order(format!("sqlite:{}", sqlite.path().join("fleet.sqlite").display()), sqlite).await;
    let Some(database) = Postgres::start("jobs_run_in_the_order_of_their_rows") else { return };
    in_order(database.url(), postgres).await;
}

async fn in_order(store: String, folder: tempfile::TempDir) {
    let servers = servers(1, 1);
    let stage = Stage::with(folder, store, vec![servers[0].url().to_owned()]).await;
    let submitted = [stage.submit(9, 3).await, stage.submit(6, 3).await];
    let worker = stage.fleet.worker().server(Client::new(&stage.urls[0]).unwrap()).at_once(1);
    let working = tokio::spawn(worker.run(std::future::pending::<()>()));
    stage.ended(60).await;
    let mut items = Vec::new();
    for job in submitted.iter().flat_map(|submission| &submission.jobs) {
        items.push(stage.fleet.result(job).await.unwrap().expect("a result").item_id);
    }
    assert!(items.is_sorted(), "{items:?}");
    working.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_to_the_server_that_has_their_models_in_memory() {
    let servers = servers(3, 1);
    let stage = Stage::new(&servers).await;
    let worker = stage.worker();
    let mut places = Vec::new();
    for _ in 0..6 {
        let submission = stage.submit(1, 3).await;
        stage.ended(60).await;
        places.push(stage.fleet.result(&submission.jobs[0]).await.unwrap().expect("a result").server);
    }
    assert!(places.iter().all(|place| *place == places[0]), "all are idle, and one has the models: {places:?}");
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_others_have_warmed_gets_the_first_job() {
    let servers = servers(3, 1);
    let stage = Stage::new(&servers).await;
    let warm = servers[1].client().unwrap();
    let ran = warm.submit(&workflow(&warm).await).await.unwrap();
    ran.wait_all().await.unwrap();
    ran.cleanup().everything().await.unwrap();
    let parts = warm.models().cache_stats().await.unwrap().unwrap().loaded_model_sizes;
    assert!(parts.keys().any(|part| part == "sd-1:main:tiny-sd1:unet"), "as InvokeAI calls them: {parts:?}");
    let asked = || servers.iter().map(|server| server.faults().calls("get_stats")).collect::<Vec<_>>();
    let before = asked();
    let worker = stage.worker();
    // It looks at all of them first.
    stage.until_status(|status| status.servers.iter().filter(|server| server.version.is_some()).count() == 3).await;
    while asked().iter().zip(&before).any(|(asked, before)| asked == before) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What they answered has to be read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let submission = stage.submit(1, 3).await;
    stage.ended(60).await;
    let result = stage.fleet.result(&submission.jobs[0]).await.unwrap().expect("a result");
    assert_eq!(result.server, warm.base_url().to_string());
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_named_after_inputs_as_those_of_a_run_are() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    stage.submit(2, 3).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let mut resize = client.workflow(WorkflowDefinition::from_path(RESIZE).unwrap()).await.unwrap();
    let picture = stage.folder.path().join("my lighthouse.png");
    image::RgbImage::from_pixel(8, 8, image::Rgb([1, 2, 3])).save(&picture).unwrap();
    resize.set_named_field("image", stage.fleet.image(&picture).await.unwrap()).unwrap();
    stage.fleet.submit(&resize).label("kind", "resize").await.unwrap();
    let worker = stage.worker();
    stage.ended(60).await;
    let names = |out: &str, more: &[&str]| {
        let out = stage.folder.path().join(out).display().to_string();
        let mut arguments = vec!["fleet", "results", "--store", &stage.store, "--out", &out];
        arguments.extend(more);
        let code = Process::start(&arguments).ended();
        let mut names: Vec<String> = std::fs::read_dir(&out)
            .map(|found| found.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
            .unwrap_or_default();
        names.sort();
        (code, names)
    };
    let submission = stage.fleet.jobs().await.unwrap()[0].submission.clone();
    let (code, named) = names("a", &["--submission", &submission, "--name", "{index:02}-{Prompt:.6}-{seed}"]);
    assert_eq!((code, named), (Some(0), vec!["01-a ligh-1.png".to_owned(), "02-a ligh-2.png".to_owned()]));
    let (code, named) = names("b", &["--label", "kind=resize", "--name", "{image}-{number}"]);
    assert_eq!((code, named), (Some(0), vec!["my lighthouse-1.png".to_owned()]));
    let (code, named) = names("c", &["--submission", &submission, "--name", "{nothing}"]);
    assert_eq!(named, Vec::<String>::new());
    assert_ne!(code, Some(0), "an input that is not there is refused");
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_there_when_their_server_has_nothing_of_them_any_more() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(1, 3).await;
    let worker = stage.worker();
    stage.ended(60).await;
    stage.is_clean().await;
    let result = stage.fleet.result(&submission.jobs[0]).await.unwrap().expect("a result");
    let outputs = stage.fleet.outputs(&result).await.unwrap();
    assert!(outputs.nodes().len() > 2, "{outputs:?}");
    let images = outputs.final_images();
    assert_eq!(images.len(), 1);
    assert!(images[0].width.is_some(), "{images:?}");
    let file = result.file(images[0]).expect("it is kept");
    assert!(stage.fleet.file(file).await.unwrap().starts_with(b"\x89PNG"));
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_sees_what_a_worker_does() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    stage.submit(3, 3).await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut arguments = stage.arguments_of_a_worker(&stage.urls);
    arguments.extend(["--metrics", &address]);
    let worker = Process::start(&arguments);
    stage.ended(60).await;
    let url = format!("http://{address}/metrics");
    let server = Client::new(&stage.urls[0]).unwrap().base_url().to_string();
    let wanted = [
        format!("invokeai_fleet_results_total{{server=\"{server}\"}} 3"),
        format!("invokeai_fleet_job_seconds_count{{server=\"{server}\"}} 3"),
        format!("invokeai_fleet_server_available{{server=\"{server}\"}} 1"),
        "invokeai_fleet_jobs{state=\"done\"} 3".to_owned(),
        "invokeai_fleet_jobs{state=\"failed\"} 0".to_owned(),
        "# TYPE invokeai_fleet_job_seconds histogram".to_owned(),
    ];
    // Some of it the worker says from time to time only, and the jobs may end before it has.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let scraped = http::client().get(&url).send().await.unwrap().text().await.unwrap();
        let Some(missing) = wanted.iter().find(|line| !scraped.lines().any(|found| found == *line)) else { break };
        assert!(Instant::now() < end, "no `{missing}` in\n{scraped}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.kill();
}

#[tokio::test]
async fn places_of_files_that_mean_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (number, place, said) in [
        (0, "memory:///", "must be a folder"),
        (1, "ftp://somewhere/else", "must be a folder"),
        (2, "s3:///prefix", "bucket"),
        (3, "s3://key:secret@bucket/prefix", "password"),
        (4, "s3://bucket/prefix?key=secret", "neither ? nor #"),
        (5, "file:///folder#secret", "neither ? nor #"),
    ] {
        let store = format!("sqlite:{}", folder.path().join(format!("{number}.sqlite")).display());
        let refused = Fleet::open(&store).files(place).await.unwrap_err().to_string();
        assert!(refused.contains("files") && refused.contains(said) && !refused.contains("secret"), "{refused}");
        assert!(Fleet::open(&store).await.is_ok(), "what was refused is not remembered");
    }
    let file = format!("file://{}", folder.path().join("files").display());
    let fleet = Fleet::open(format!("sqlite:{}", folder.path().join("f.sqlite").display())).files(&file).await.unwrap();
    std::fs::write(folder.path().join("a.png"), b"picture").unwrap();
    fleet.image_name(folder.path().join("a.png")).await.unwrap();
    // Nor is it repeated where the fleet has another place.
    for place in ["s3://key:secret@bucket/prefix", "s3://bucket/prefix?key=secret"] {
        let store = format!("sqlite:{}", folder.path().join("f.sqlite").display());
        let refused = Fleet::open(store).files(place).await.unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
    assert!(folder.path().join("files").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_cleans_up_after_all_jobs() {
    let servers = servers(1, 0);
    let stage = Stage::new(&servers).await;
    // More than the store names at a time, which is 100; none of it can be deleted before all have ended.
    for operation in ["delete_image", "delete_images_from_list"] {
        servers[0].faults().add(operation, Fault::status(503), usize::MAX);
    }
    let mut small = workflow(&servers[0].client().unwrap()).await;
    for (name, value) in [("Steps", 1), ("Width", 64), ("Height", 64)] {
        small.set_named_field(name, value).unwrap();
    }
    let submission = stage.fleet.submit(&small).sweep(seeds(&small, 110)).attempts(1).await.unwrap();
    let worker = stage.worker();
    stage.ended(120).await;
    stage.is_complete(&submission).await;
    servers[0].faults().clear();
    assert_eq!(worker.stop(), Some(0));
    stage.is_clean().await;
}
