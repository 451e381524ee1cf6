//! What the commands say: of what is not there, of what was begun, and of what cannot be written.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use invokeai_client::{
    Client, Error,
    fleet::{Fleet, JobState},
};

use crate::stage::{Stage, TEXT, seeds, servers, workflow};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
    command.arg("fleet").args(arguments).env("XDG_CONFIG_HOME", "/nonexistent");
    command.env_remove("INVOKEAI_FLEET").env_remove("INVOKEAI_URL").stdin(Stdio::null());
    command
}

/// How a command ended, and all that it said.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[test]
fn what_only_looks_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.sqlite");
    let (store, out) = (format!("sqlite:{}", file.display()), folder.path().join("out").display().to_string());
    for verb in [&["wait"][..], &["status"], &["results", "--out", &out], &["cancel", "--all"], &["retry", "--all"]] {
        let (code, said) = said(&[verb, &["--store", &store]].concat());
        assert_eq!(code, Some(1), "{verb:?}: {said}");
        assert!(said.contains("there is no file") && said.contains("none.sqlite"), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{verb:?}");
    }
    // A database of others is not one, either.
    std::fs::write(&file, "").unwrap();
    let (code, said) = said(&["status", "--store", &store]);
    assert!(code == Some(1) && said.contains("no fleet is in this database"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_not_there_are_named_and_no_others_are_meant() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(2, 1).await;
    let out = stage.folder.path().join("out").display().to_string();
    for verb in [&["wait"][..], &["results", "--out", &out], &["cancel"], &["retry"]] {
        for (choice, named) in [
            (&["NOSUCH"][..], "no job NOSUCH"),
            (&[&submission.jobs[0], "NOSUCH"], "no job NOSUCH"),
            (&["--submission", "%"], "of submission %"),
            (&["--submission", "NOSUCH"], "of submission NOSUCH"),
            (&["--label", "kind=none"], "with the label kind=none"),
        ] {
            let (code, said) = said(&[verb, choice, &["--store", &stage.store]].concat());
            assert_eq!(code, Some(1), "{verb:?} {choice:?}: {said}");
            assert!(said.contains(named), "{verb:?} {choice:?}: {said}");
        }
    }
    assert_eq!(stage.state_of(JobState::Waiting).await, 2, "nothing was canceled");
    let (code, said) = said(&["cancel", "--submission", &submission.id, "--store", &stage.store]);
    assert_eq!((code, stage.state_of(JobState::Canceled).await), (Some(0), 2), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_nobody_could_be_told_of_is_named() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let arguments =
        ["submit", TEXT, "--set", "model=tiny-sd1", "--store", &stage.store, "--server", &stage.urls[0], "--quiet"];
    let mut child = command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let jobs = stage.fleet.jobs().await.unwrap();
    assert_eq!(jobs.len(), 1, "{said}");
    let advised = format!("invokeai-client fleet cancel --submission {} --store {}", jobs[0].submission, stage.store);
    assert!(said.contains(&advised), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_one_result_does_not_keep_the_others() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let client = Client::new(&stage.urls[0]).unwrap();
    let mut workflow = workflow(&client).await;
    // Longer than any name of a file, in letters of several bytes.
    workflow.set_named_field("Prompt", "灯台".repeat(100)).unwrap();
    let submission = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).await.unwrap();
    let worker = stage.worker();
    stage.ended(60).await;
    let out = stage.folder.path().join("out");
    let arguments = ["results", "--name", "{prompt}", "--out", &out.display().to_string(), "--store", &stage.store];
    let written = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let (code, all) = said(&arguments);
    assert_eq!((code, written(&out)), (Some(0), 3), "{all}");
    std::fs::remove_dir_all(&out).unwrap();
    let lost = stage.fleet.result(&submission.jobs[1]).await.unwrap().expect("a result");
    std::fs::remove_file(stage.file(&lost.files[0].sha256)).unwrap();
    let (code, all) = said(&arguments);
    assert_eq!((code, written(&out)), (Some(1), 2), "{all}");
    assert!(all.contains(&format!("job {} (row 2) was not written", submission.jobs[1])), "{all}");
    worker.kill();
}

#[tokio::test]
async fn stores_that_are_no_files_are_refused() {
    for store in ["sqlite:", "sqlite://", "sqlite::memory:", "sqlite:?mode=rwc", "sqlite:some?mode=memory"] {
        let refused = Fleet::open(store).await.unwrap_err();
        assert!(matches!(refused, Error::InvalidInput { .. }), "{store}: {refused:?}");
        assert!(refused.to_string().contains("must name a file"), "{store}: {refused}");
    }
    // The files are beside the file that is meant.
    let folder = tempfile::tempdir().unwrap();
    Fleet::open(format!("sqlite:{}", folder.path().join("a%20fleet.sqlite").display())).await.unwrap();
    assert!(folder.path().join("a fleet.sqlite").exists() && folder.path().join("a fleet.sqlite-files").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_jobs_than_fit_into_memory_are_refused() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    let workflow = workflow(&Client::new(&stage.urls[0]).unwrap()).await;
    let refused = stage.fleet.submit(&workflow).runs(u32::MAX).await.unwrap_err().to_string();
    assert!(refused.contains("runs") && refused.contains("4294967295 jobs"), "{refused}");
    let refused = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).runs(u32::MAX).await.unwrap_err();
    assert!(refused.to_string().contains("runs"), "{refused}");
}
