//! The log of runs: torn, damaged, of another version, in use.

use std::{
    fs,
    process::{Command, Output},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    command::serve_with,
    stage::{Stage, answer, data_url, png, text},
};

/// A stage that is stopped, with a log of one line for each of two runs, and its service's answers. The runs have the keys
/// `one` and `two`.
async fn two_runs() -> (Stage, Vec<u8>, [Value; 2]) {
    let mut stage = Stage::new().await;
    let [mut one, mut two] = [Value::Null, Value::Null];
    for (key, run) in [("one", &mut one), ("two", &mut two)] {
        *run = stage.post("resize", &inputs(), &[("idempotency-key", key), ("prefer", "wait=60")]).await.1;
        assert_eq!(run["state"], "completed", "{run:#}");
    }
    stage.stop();
    // The next start leaves the lines that count.
    stage.start(|service| service).await;
    stage.stop();
    let log = fs::read(stage.log()).unwrap();
    assert_eq!(log.iter().filter(|byte| **byte == b'\n').count(), 3, "{}", String::from_utf8_lossy(&log));
    (stage, log, [one, two])
}

fn inputs() -> Value {
    json!({ "picture": data_url(&png(16, 16)), "width": 8 })
}

async fn get(stage: &Stage, run: &Value) -> (StatusCode, Value) {
    answer(stage.request(Method::GET, run["links"]["self"].as_str().unwrap())).await
}

#[tokio::test]
async fn a_line_that_cannot_be_read_takes_no_other_along_and_its_key_is_not_run_again() {
    let (mut stage, log, [one, two]) = two_runs().await;
    let begins: Vec<usize> = (0..log.len()).filter(|at| *at > 0 && log[at - 1] == b'\n').collect();
    let (first, second) = (begins[0], begins[1]);
    // Its mark, its checksum, its last bytes, and where it ended.
    for at in [first, first + 1, first + 4, second - 3, second - 2, second - 1] {
        let mut damaged = log.clone();
        damaged[at] = b'x';
        fs::write(stage.log(), &damaged).unwrap();
        stage.start(|service| service).await;
        assert_eq!(get(&stage, &two).await, (StatusCode::OK, two.clone()), "{at}");
        let (status, problem) = get(&stage, &one).await;
        assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("storage")), "{problem:#}");
        let (status, problem) = stage.post("resize", &inputs(), &[("idempotency-key", "one")]).await;
        assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &json!("storage")), "{problem:#}");
        let (_, again) = stage.post("resize", &inputs(), &[("idempotency-key", "two")]).await;
        assert_eq!(again["id"], two["id"], "{at}");
        stage.stop();
        let kept = fs::read(stage.log()).unwrap();
        let line = &damaged[first..second - 1];
        assert!(kept.windows(line.len()).any(|window| window == line), "it stays for somebody to look at: {at}");
    }
    // What is not even known to be a run.
    for broken in [&b"\n"[..], b"\0\0\0\0\n", b"{}\n", b"+ 0123456789abcdef {}\n", &[0xff; 100_000]] {
        fs::write(stage.log(), [&log[..first], broken, b"\n", &log[first..]].concat()).unwrap();
        stage.start(|service| service).await;
        for run in [&one, &two] {
            assert_eq!(get(&stage, run).await, (StatusCode::OK, run.clone()));
        }
        stage.stop();
    }
    assert_eq!(stage.items().await.len(), 2);
}

#[tokio::test]
async fn a_last_line_that_was_not_finished_is_dropped_and_written_over() {
    let (mut stage, log, [one, two]) = two_runs().await;
    let last = log[..log.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for torn in [last + 1, last + 30, log.len() - 1] {
        // The beginning of a line of a run that no caller knows.
        fs::write(stage.log(), [&log[..], &log[last..torn]].concat()).unwrap();
        stage.start(|service| service).await;
        for run in [&one, &two] {
            assert_eq!(get(&stage, run).await, (StatusCode::OK, run.clone()), "{torn}");
        }
        let more = stage.run("resize", &inputs()).await;
        stage.stop();
        stage.start(|service| service).await;
        for run in [&one, &two, &more] {
            assert_eq!(get(&stage, run).await, (StatusCode::OK, run.clone()), "{torn}");
        }
        stage.stop();
    }
}

#[tokio::test]
async fn a_log_that_is_not_understood_is_refused_and_left_as_it_is() {
    let (stage, log, _) = two_runs().await;
    let newer =
        [b"invokeai-client runs, format 2\n", &log[log.iter().position(|byte| *byte == b'\n').unwrap()..]].concat();
    for (text, said) in [
        (&newer[..], "format 2"),
        (b"", "not a log of runs"),
        (b"\0\0\0\0", "not a log of runs"),
        (b"# notes\n", "not a log of runs"),
        (b"invokeai-client runs, format ", "not a log of runs"),
    ] {
        fs::write(stage.log(), text).unwrap();
        let service = invokeai_client::serve::Server::builder(stage.client.clone(), stage.runs_folder());
        let service = service.listen("127.0.0.1:0").workflow("resize", crate::stage::resize(&stage.client).await);
        let error = service.start().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("runs.log"), "{error}");
        assert_eq!(fs::read(stage.log()).unwrap(), text);
    }
}

#[tokio::test]
async fn a_second_process_is_told_that_the_folder_is_in_use() {
    let stage = Stage::new().await;
    let file = stage.folder.path().join("resize.json");
    fs::write(&file, text("resize-and-blur")).unwrap();
    let workflow = format!("resize={}", file.display());
    let serving = serve_with(&stage.invokeai, stage.folder.path(), &workflow, &[]);
    let second = || -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.args(["serve", &workflow, "--listen", "127.0.0.1:0", "--server", stage.invokeai.url(), "--runs"]);
        command.arg(stage.folder.path().join("runs-of-the-command")).env("XDG_CONFIG_HOME", "/nonexistent");
        command.output().unwrap()
    };
    let output = second();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another service uses this folder") && said.contains("runs-of-the-command"), "{said}");
    // The first goes on, and what it writes is whole.
    let post = stage.http.post(format!("{}/workflows/resize/runs", serving.url)).header("prefer", "wait=60");
    let (status, run) = answer(post.json(&inputs())).await;
    assert_eq!((status, &run["state"]), (StatusCode::CREATED, &json!("completed")), "{run:#}");
}
