//! A disk that is full, or cannot be written.

use std::{fs, path::Path, process::Command, time::Duration};

use invokeai_client::serve::{Server, ServerBuilder};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    mounted::Mounted,
    skip::skipped,
    stage::{Stage, data_url, flux_inputs, png},
};

async fn with_runs_in(folder: &Path, stage: &Stage) -> ServerBuilder {
    let service = Server::builder(stage.client.clone(), folder.join("runs")).listen("127.0.0.1:0");
    let service = service.workflow("resize", crate::stage::resize(&stage.client).await);
    service.workflow("flux", crate::stage::flux(&stage.client).await)
}

/// Lets it be written (`rw`), or not (`ro`).
fn remount(disk: &Mounted, how: &str) {
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-o", &format!("remount,{how}")]).arg(disk.path()).status().unwrap();
    assert!(mounted.success(), "{how}");
}

#[tokio::test]
async fn a_full_disk_takes_no_run_on_and_loses_none() {
    let Some(disk) = Mounted::new("size=256k") else {
        return skipped(format_args!("a full disk of runs: nothing can be mounted here"));
    };
    let stage = Stage::with(Duration::from_millis(100), |service| service).await;
    let service = with_runs_in(disk.path(), &stage).await.start().unwrap();
    let url = service.url();
    let post = async |workflow: &str, inputs: &Value, key: &str, wait: u32| {
        let post = stage.http.post(format!("{url}/workflows/{workflow}/runs")).header("idempotency-key", key);
        crate::stage::answer(post.header("prefer", format!("wait={wait}")).json(inputs)).await
    };
    let inputs = json!({ "picture": data_url(&png(16, 16)), "width": 8 });
    let (_, first) = post("resize", &inputs, "first", 60).await;
    assert_eq!(first["state"], "completed", "{first:#}");
    let (_, open) = post("flux", &flux_inputs(&data_url(&png(16, 16))), "open", 0).await;
    let ballast = disk.path().join("ballast");
    assert!(fs::write(&ballast, vec![7; 1 << 20]).is_err(), "the disk is full");
    // There is room for a few lines in the last page of the log.
    let (mut kept, mut refused) = (vec![first, open], Vec::new());
    for n in 0..30 {
        let key = format!("full {n}");
        let (status, said) = post("resize", &inputs, &key, 60).await;
        match status {
            StatusCode::CREATED => kept.push(said),
            StatusCode::INTERNAL_SERVER_ERROR => {
                assert_eq!(said["code"], "storage", "{said:#}");
                refused.push(key);
            }
            _ => panic!("{status}: {said:#}"),
        }
    }
    assert!(refused.len() > 5, "{} were refused", refused.len());
    assert_eq!(stage.items().await.len(), kept.len(), "what was refused was not sent");
    let is_known = async |url: &str| {
        for run in &kept {
            let address = format!("{url}{}", run["links"]["self"].as_str().unwrap());
            let end = tokio::time::Instant::now() + Duration::from_secs(60);
            loop {
                let (status, run) = crate::stage::answer(stage.http.get(&address)).await;
                assert_eq!(status, StatusCode::OK, "{run:#}");
                if run["state"] == "completed" {
                    assert_eq!(run["outputs"].as_array().unwrap().len(), 1, "{run:#}");
                    break;
                }
                assert!(tokio::time::Instant::now() < end, "no end: {run:#}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    };
    is_known(&url).await;
    fs::remove_file(&ballast).unwrap();
    // With room again its key is free, as nothing came of it.
    let (status, again) = post("resize", &inputs, &refused[0], 60).await;
    assert_eq!((status, &again["state"]), (StatusCode::CREATED, &json!("completed")), "{again:#}");
    drop(service);
    let service = with_runs_in(disk.path(), &stage).await.start().unwrap();
    is_known(&service.url()).await;
    let (status, known) = {
        let post = stage.http.post(format!("{}/workflows/resize/runs", service.url()));
        crate::stage::answer(post.header("idempotency-key", &refused[0]).json(&inputs)).await
    };
    assert_eq!((status, &known["id"]), (StatusCode::OK, &again["id"]), "{known:#}");
    assert_eq!(stage.items().await.len(), kept.len() + 1);
}

#[tokio::test]
async fn ends_that_a_full_disk_did_not_take_are_written_when_it_does() {
    let Some(disk) = Mounted::new("size=256k") else {
        return skipped(format_args!("a disk that was full: nothing can be mounted here"));
    };
    let stage = Stage::with(Duration::from_millis(20), |service| service).await;
    let service = with_runs_in(disk.path(), &stage).await.start().unwrap();
    // More ends than fit into the last page of the log.
    let mut runs = Vec::new();
    for _ in 0..12 {
        let post = stage.http.post(format!("{}/workflows/flux/runs", service.url()));
        let (status, run) = crate::stage::answer(post.json(&flux_inputs(&data_url(&png(16, 16))))).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{run:#}");
        runs.push(run["links"]["self"].as_str().unwrap().to_owned());
    }
    let ballast = disk.path().join("ballast");
    assert!(fs::write(&ballast, vec![7; 1 << 20]).is_err(), "the disk is full");
    let end = tokio::time::Instant::now() + Duration::from_secs(120);
    let has_ended = async |url: &str, run: &String| {
        let (_, run) = crate::stage::answer(stage.http.get(format!("{url}{run}"))).await;
        assert_ne!(run["state"], "failed", "{run:#}");
        run["state"] == "completed"
    };
    for run in &runs {
        while !has_ended(&service.url(), run).await {
            assert!(tokio::time::Instant::now() < end, "{run} has no end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let log = disk.path().join("runs/runs.log");
    let ends = || fs::read_to_string(&log).unwrap().matches("\"stage\":{\"ended\"").count();
    assert!(ends() < runs.len(), "all fitted");
    fs::remove_file(&ballast).unwrap();
    while ends() < runs.len() {
        assert!(tokio::time::Instant::now() < end, "{} of {} ends", ends(), runs.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(service);
    stage.client.queue("default").clear().await.unwrap();
    let service = with_runs_in(disk.path(), &stage).await.start().unwrap();
    for run in &runs {
        assert!(has_ended(&service.url(), run).await, "{run}");
    }
    assert_eq!(stage.items().await.len(), 0, "none is run again");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_refused_at_the_start() {
    let Some(disk) = Mounted::new("size=1m") else {
        return skipped(format_args!("a folder of runs that cannot be written: nothing can be mounted here"));
    };
    let stage = Stage::new().await;
    for has_runs in [false, true] {
        if has_runs {
            remount(&disk, "rw");
            drop(with_runs_in(disk.path(), &stage).await.start().unwrap());
        }
        remount(&disk, "ro");
        let error = with_runs_in(disk.path(), &stage).await.start().unwrap_err().to_string();
        assert!(error.contains("runs") && error.contains("Read-only"), "{error}");
    }
    assert_eq!(stage.request(Method::GET, "/").send().await.unwrap().status(), StatusCode::OK, "others go on");
}
