//! A store of jobs on a disk that is full.

use std::time::Duration;

use invokeai_client::{
    Client, Error,
    fleet::{Fleet, JobState},
};

use crate::{
    mounted::Mounted,
    skip::skipped,
    stage::{Stage, seeds, servers, workflow},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_on_a_full_disk_takes_nothing_and_goes_on_when_there_is_room() {
    let Some(disk) = Mounted::new("size=4m") else {
        return skipped(format_args!("a full disk of a SQLite store: nothing can be mounted here"));
    };
    let servers = servers(1, 1);
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", disk.path().join("fleet.sqlite").display());
    let files = folder.path().join("files").display().to_string();
    let fleet = Fleet::open(&store).files(files).await.unwrap();
    let stage = Stage { fleet, store, urls: vec![servers[0].url().to_owned()], folder };
    let before = stage.submit(2, 3).await;
    let ballast = disk.path().join("ballast");
    assert!(std::fs::write(&ballast, vec![7; 8 << 20]).is_err(), "the disk is full");
    let workflow = workflow(&Client::new(&stage.urls[0]).unwrap()).await;
    // SQLite has room in its files for a few.
    let refused = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 5000)).await.unwrap_err();
    assert!(matches!(refused, Error::Fleet { passes: true, .. }), "{refused:?}");
    assert!(refused.to_string().contains("full"), "{refused}");
    assert_eq!(stage.fleet.jobs().await.unwrap().len(), before.jobs.len(), "all of a thousand or none");
    let worker = stage.worker();
    tokio::time::sleep(Duration::from_secs(3)).await;
    std::fs::remove_file(&ballast).unwrap();
    let jobs = stage.ended(60).await;
    assert!(jobs.iter().all(|job| job.state == JobState::Done), "{jobs:?}");
    stage.is_complete(&before).await;
    stage.is_clean().await;
    worker.kill();
}
