//! Files of a fleet that are not there any more.

use std::{path::PathBuf, time::Duration};

use invokeai_client::{Client, fleet::JobState};

use crate::{
    faults::picture_workflow,
    stage::{Stage, seeds, servers, workflow},
};

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_picture_has_vanished_fail_with_its_name_and_no_server_is_blamed() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let workflow = picture_workflow(&stage).await;
    let name = stage.fleet.image_name(stage.folder.path().join("picture.png")).await.unwrap();
    let hash = name.trim_start_matches("fleet-file:").split('.').next().unwrap();
    let spoiled = stage.fleet.submit(&workflow).runs(4).attempts(2).await.unwrap();
    std::fs::remove_file(stage.file(hash)).unwrap();
    let worker = stage.worker();
    let jobs = stage.fleet.jobs().submission(&spoiled.id).wait().timeout(Duration::from_secs(60)).await.unwrap();
    for job in &jobs {
        assert_eq!((job.state, job.attempts), (JobState::Failed, 2), "{job:?}");
        assert!(job.problem.as_deref().unwrap().contains(hash), "{job:?}");
    }
    // The jobs may have failed before the worker has reported that the server answered.
    let status = stage.until_status(|status| status.servers.iter().any(|server| server.version.is_some())).await;
    assert_eq!(status.servers[0].problem, None, "eight failures in a row are none of the server's");
    let well = stage.submit(3, 1).await;
    stage.ended(60).await;
    let jobs = stage.fleet.jobs().submission(&well.id).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:?}");
    stage.is_clean().await;
    worker.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_whose_workflow_has_vanished_wait_until_it_is_back_and_hold_up_no_others() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let mut workflow = workflow(&Client::new(&stage.urls[0]).unwrap()).await;
    // The first that a worker looks at.
    let first = stage.fleet.submit(&workflow).priority(9).attempts(1).await.unwrap();
    let (files, aside) = (stage.folder.path().join("files"), stage.folder.path().join("aside"));
    std::fs::rename(&files, &aside).unwrap();
    std::fs::create_dir(&files).unwrap();
    workflow.set_named_field("Prompt", "a windmill").unwrap();
    let second = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).attempts(1).await.unwrap();
    let worker = stage.worker();
    let jobs = stage.fleet.jobs().submission(&second.id).wait().timeout(Duration::from_secs(60)).await.unwrap();
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:?}");
    let status = stage.until_waiting_for("cannot read a file").await;
    assert_eq!(status.jobs.waiting, 1, "{status:?}");
    for folder in std::fs::read_dir(&aside).unwrap().flatten() {
        let to = files.join(folder.file_name());
        std::fs::create_dir_all(&to).unwrap();
        let found: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|it| it.path()).collect();
        found.iter().for_each(|file| std::fs::rename(file, to.join(file.file_name().unwrap())).unwrap());
    }
    let jobs = stage.fleet.jobs().submission(&first.id).wait().timeout(Duration::from_secs(60)).await.unwrap();
    assert_eq!((jobs[0].state, jobs[0].attempts), (JobState::Done, 1), "{jobs:?}");
    worker.kill();
}
