//! Servers, logins and the verbs around workflows: profiles, `api`, `graph`, `diff`, and the habits that all verbs share.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use invokeai_client::{Client, testing::TestServer};
use serde_json::Value;

use super::{NOWHERE, WORKFLOW, program, program::run, stage::Stage, stderr, stdout};

const FLUX: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

/// The command with a home of its own.
fn at(home: &Path, arguments: &[&str]) -> Command {
    let mut command = program::command(arguments);
    command.env("XDG_CONFIG_HOME", home).env("HOME", home).env("APPDATA", home).stdin(Stdio::null());
    command
}

fn run_at(home: &Path, arguments: &[&str]) -> Output {
    at(home, arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}{}", stdout(output), stderr(output));
}

#[test]
fn options_work_before_and_after_verbs() {
    let server = TestServer::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    for arguments in [
        ["--server", url, "--json", "models", "list"],
        ["models", "--server", url, "--json", "list"],
        ["models", "list", "--json", "--server", url],
        ["models", "--json", "list", "--server", url],
    ] {
        let output = run_at(home.path(), &arguments);
        assert_done(&output);
        for line in stdout(&output).lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }
    }
    let output = run_at(home.path(), &["--json", "inspect", WORKFLOW]);
    assert!(json(&output)["inputs"].is_array(), "{output:?}");
}

#[test]
fn with_json_errors_are_json() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&["--json", "queue", "--server", NOWHERE][..], 1),
        (&["--json", "inspect", "no-such-file.json"], 1),
        (&["--json", "no-such-verb"], 1),
        (&["diff", "--json", WORKFLOW, "no-such-file.json"], 5),
    ] {
        let output = run_at(home.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        assert_eq!(stdout(&output), "");
        let error: Value = serde_json::from_str(stderr(&output).trim()).unwrap();
        assert!(error["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
    }
}

#[test]
fn profiles_keep_servers_and_logins_for_their_owner_alone() {
    let server = TestServer::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let pasted = format!("{}/docs", server.url());
    let output = run_at(home, &["login", "--server", &pasted, "--profile", "home", "--header", "X-Key: hush-5ecret"]);
    assert_done(&output);
    assert_done(&run_at(home, &["queue"]));
    let second = run_at(home, &["login", "--server", server.url(), "--profile", "other"]);
    assert_done(&second);
    let list = run_at(home, &["profile", "list"]);
    let shown = stdout(&list);
    assert!(shown.lines().any(|line| line.starts_with("*  other")), "{shown}");
    assert_done(&run_at(home, &["profile", "use", "home"]));
    let list = run_at(home, &["profile", "list", "--json"]);
    let lines: Vec<Value> = stdout(&list).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["name"], &lines[0]["current"]), (2, &"home".into(), &true.into()));
    for output in [output, second, list] {
        let said = stdout(&output) + &stderr(&output);
        assert!(!said.contains("hush-5ecret"), "{said}");
    }
    let files = program::names_below(home);
    assert_eq!(files, ["invokeai-client", "profiles.json", "profiles.lock"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(home.join("invokeai-client/profiles.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // The environment overrides the profile in use, and the command line overrides both.
    let said = stderr(&at(home, &["queue"]).env("INVOKEAI_URL", NOWHERE).output().unwrap());
    assert!(said.contains("cannot connect to http://127.0.0.1:1/"), "{said}");
    assert_done(&at(home, &["queue", "--profile", "home"]).env("INVOKEAI_URL", NOWHERE).output().unwrap());
    assert_done(&at(home, &["queue"]).env("INVOKEAI_PROFILE", "other").output().unwrap());
    let said = stderr(&at(home, &["queue"]).env("INVOKEAI_PROFILE", "nobody").output().unwrap());
    assert!(said.contains("there is no profile `nobody`; known: home, other"), "{said}");
    assert_done(&run_at(home, &["profile", "rm", "home", "other"]));
    assert_eq!(stdout(&run_at(home, &["profile", "list"])), "");
}

#[test]
fn what_a_profile_holds_goes_to_its_own_server_only() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = TestServer::start().unwrap();
    let login = ["login", "--server", server.url(), "--basic-auth", "anna:hush-5ecret"];
    assert_done(&run_at(home, &login));
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", other.local_addr().unwrap());
    let heard = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = other.accept().unwrap();
        let mut request = [0; 4096];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 5\r\n\r\nlogin").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let said = stderr(&run_at(home, &["queue", "--server", &url]));
    let heard = heard.join().unwrap();
    assert!(heard.starts_with("GET ") && !heard.to_lowercase().contains("authorization"), "{heard}");
    // And it is said what a proxy wants.
    assert!(said.contains("--basic-auth"), "{said}");
}

#[test]
fn a_broken_file_of_profiles_is_an_error_that_shows_no_secret() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("invokeai-client");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("profiles.json");
    let broken = r#"{"profiles": {"a": {"server": 1, "token": "hush-5ecret"}}}"#;
    fs::write(&file, broken).unwrap();
    for arguments in [&["queue"][..], &["profile", "list"], &["login", "--server", NOWHERE]] {
        let output = run_at(home.path(), arguments);
        let said = stderr(&output);
        assert!(output.status.code() == Some(1) && said.contains("profiles.json"), "{said}");
        assert!(!said.contains("hush-5ecret"), "{said}");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), broken, "it is left as it is");
}

#[test]
fn any_operation_can_be_called() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = TestServer::start().unwrap();
    let api = |arguments: &[&str]| run_at(home, &[&["--server", server.url(), "api"], arguments].concat());
    assert!(json(&api(&["app_version"]))["version"].is_string());
    assert!(json(&api(&["/api/v1/app/version"]))["version"].is_string());
    let board = json(&api(&["create_board", "-f", "board_name=tests"]));
    let id = board["board_id"].as_str().unwrap();
    let by_path = json(&api(&["get", &format!("/api/v1/boards/{id}")]));
    assert_eq!(by_path["board_id"], id);
    let change = ["update_board", "-f", &format!("board_id={id}"), "-f", "archived=true", "-f", "board_name=@@x"];
    let changed = json(&api(&change));
    assert_eq!((&changed["archived"], &changed["board_name"]), (&true.into(), &"@x".into()));
    let picture = home.join("a.png");
    image::RgbImage::new(1, 1).save(&picture).unwrap();
    let file = format!("file=@{}", picture.display());
    let upload = ["upload_image", "-f", "image_category=user", "-f", "is_intermediate=false", "-f", &file];
    for _ in 0..3 {
        assert!(json(&api(&upload))["image_name"].is_string());
    }
    let pages = api(&["list_image_dtos", "--paginate", "-f", "limit=2", "-f", "is_intermediate=false"]);
    let pages: Vec<Value> =
        serde_json::Deserializer::from_slice(&pages.stdout).into_iter().map(Result::unwrap).collect();
    let counts: Vec<usize> = pages.iter().map(|page| page["items"].as_array().unwrap().len()).collect();
    assert_eq!(counts, [2, 1]);
    let name = pages[0]["items"][0]["image_name"].as_str().unwrap();
    let full = api(&["get_image_full", "-f", &format!("image_name={name}")]);
    assert!(full.stdout.starts_with(b"\x89PNG"), "{full:?}");
    let would = json(&api(&["create_board", "-f", "board_name=x", "--dry-run"]));
    assert_eq!((&would["method"], &would["query"][0][1]), (&"POST".into(), &"x".into()));
    assert_eq!(
        json(&api(&["list_boards", "-f", "all=true", "-f", "include_archived=true"])).as_array().map(Vec::len),
        Some(1),
        "it was not made"
    );
    let all = run_at(home, &["api"]);
    assert!(stdout(&all).lines().count() >= 191, "{}", stdout(&all));
}

#[test]
fn wrong_calls_are_reported_with_what_would_be_right() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, said) in [
        (&["list_bords"][..], "did you mean `list_boards`"),
        (&["list_image_dtos", "-f", "limt=1"], "did you mean `limit`"),
        (&["get_image_dto"], "needs `image_name`: -f image_name=VALUE"),
        (&["app_version", "--paginate"], "has no pages"),
        (&["upload_image", "-f", "file=a.png"], "file=@FILE"),
        (&["update_board", "-f", "board_id=x", "-f", "archived=maybe"], "takes JSON"),
        (&["create_board", "-f", "board_name"], "NAME=VALUE"),
        (&["one", "two"], "name an operation"),
        (&["GET", "/api/../secret"], "without query, `.`, `..` and"),
    ] {
        let output = run_at(home.path(), &[&["--server", NOWHERE, "api"], arguments].concat());
        let text = stderr(&output);
        assert!(output.status.code() == Some(1) && text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn destructive_commands_ask_first() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let server = TestServer::start().unwrap();
    let on = |arguments: &[&str]| run_at(home, &[&["--server", server.url()], arguments].concat());
    assert_done(&on(&["boards", "put", "tests"]));
    let refused = on(&["boards", "rm", "tests"]);
    assert!(refused.status.code() == Some(1) && stderr(&refused).contains("--yes"), "{refused:?}");
    let dry = on(&["boards", "rm", "tests", "--dry-run"]);
    assert!(dry.status.success() && stderr(&dry).contains("would delete the board tests"), "{dry:?}");
    assert_eq!(stdout(&on(&["boards", "list"])).lines().count(), 1);
    // With a wrong name among others, all of them are kept.
    let wrong = on(&["boards", "rm", "tests", "nothing", "--yes"]);
    assert!(wrong.status.code() == Some(1) && stderr(&wrong).contains("`nothing`"), "{wrong:?}");
    assert_eq!(stdout(&on(&["boards", "list"])).lines().count(), 1);
    assert_done(&on(&["boards", "rm", "tests", "-y"]));
    assert_eq!(stdout(&on(&["boards", "list"])), "");
    for verb in [&["queue", "clear"][..], &["queue", "prune"]] {
        let refused = on(verb);
        assert!(refused.status.code() == Some(1) && stderr(&refused).contains("--yes"), "{verb:?}: {refused:?}");
    }
    let missing = on(&["images", "rm", "a.png", "--yes"]);
    assert!(missing.status.code() == Some(1), "what does not exist is an error: {missing:?}");
    for (verb, said) in [
        (&["images", "rm", "a.png", "--dry-run"][..], "there is no image a.png"),
        (&["queue", "retry", "99"], "there is no item 99"),
        (&["cancel", "99", "--yes"], "there is no item 99"),
        (&["cancel", "--batch", "none", "--yes"], "there is no batch none"),
        (&["images", "show", "a.png"], "terminals"),
    ] {
        let refused = on(verb);
        assert!(refused.status.code() == Some(1) && stderr(&refused).contains(said), "{verb:?}: {refused:?}");
    }
}

#[test]
fn workflows_are_drawn() {
    let home = tempfile::tempdir().unwrap();
    let svg = stdout(&run_at(home.path(), &["graph", FLUX]));
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    let definition: Value = serde_json::from_str(&fs::read_to_string(FLUX).unwrap()).unwrap();
    let nodes = definition["nodes"].as_array().unwrap().iter().filter(|node| node["type"] == "invocation").count();
    assert_eq!(svg.matches("class=\"box\"").count(), nodes);
    assert!(svg.contains("class=\"given\"") && svg.contains("input of the form"), "{svg}");
    let dot = stdout(&run_at(home.path(), &["graph", FLUX, "--format", "dot"]));
    assert!(dot.starts_with("digraph ") && dot.contains("n0 [label=") && dot.contains(" -> "), "{dot}");
    let mermaid = stdout(&run_at(home.path(), &["graph", FLUX, "--format", "mermaid"]));
    assert!(
        mermaid.starts_with("flowchart LR\n") && mermaid.contains(":::form") && mermaid.contains("-->"),
        "{mermaid}"
    );
}

#[test]
fn differences_are_listed_and_decide_the_exit_code() {
    let home = tempfile::tempdir().unwrap();
    let same = run_at(home.path(), &["diff", WORKFLOW, WORKFLOW]);
    assert_eq!((same.status.code(), stdout(&same)), (Some(0), String::new()));
    let mut changed: Value = serde_json::from_str(&fs::read_to_string(WORKFLOW).unwrap()).unwrap();
    let node = changed["nodes"].as_array_mut().unwrap().iter_mut().find(|node| node["id"] == "resize").unwrap();
    node["data"]["inputs"]["width"]["value"] = 1234.into();
    node["data"]["version"] = "1.2.1".into();
    let other = home.path().join("other.json");
    fs::write(&other, changed.to_string()).unwrap();
    let other = other.to_str().unwrap();
    let differ = run_at(home.path(), &["diff", WORKFLOW, other]);
    let said = stdout(&differ);
    assert_eq!(differ.status.code(), Some(1), "{said}{}", stderr(&differ));
    assert!(said.contains("default") && said.contains("is now 1234"), "{said}");
    assert!(said.contains("~ node resize: img_resize 1.2.2 is now img_resize 1.2.1"), "{said}");
    let report = json(&run_at(home.path(), &["diff", WORKFLOW, other, "--json"]));
    let kinds: Vec<&str> = report["changes"].as_array().unwrap().iter().filter_map(|c| c["change"].as_str()).collect();
    assert_eq!(kinds, ["default_changed", "node_changed"]);
}

#[test]
fn a_request_is_shown_on_demand_and_quiet_prints_only_results() {
    let home = tempfile::tempdir().unwrap();
    let server = TestServer::start().unwrap();
    let on = |arguments: &[&str]| run_at(home.path(), &[&["--server", server.url()], arguments].concat());
    let verbose = on(&["queue", "-v", "--token", "hush-5ecret"]);
    let said = stderr(&verbose);
    assert!(verbose.status.success() && said.contains("get_queue_status"), "{said}");
    assert!(!said.contains("hush-5ecret"), "{said}");
    assert_eq!(stderr(&on(&["queue"])), "");
    let quiet = run_at(home.path(), &["-q", "queue", "--server", NOWHERE]);
    assert!(stderr(&quiet).contains("error:") && !stderr(&quiet).contains("try:"), "{quiet:?}");
}

#[test]
fn a_clean_up_with_a_ledger_deletes_boards_on_request_and_names_what_it_cannot_know() {
    let stage = Stage::new();
    let (url, ledger) = (stage.server.url(), stage.text("run.ledger"));
    let open = || Client::builder(url).ledger(&ledger).build().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = open();
        let board = client.boards().create("pictures").await.unwrap();
        client.images().upload(stage.path("photo.png")).board(board.board_id).await.unwrap();
    });
    let clean_up = |more: &[&str]| run(&[&["cleanup", "--server", url, "--ledger", &ledger][..], more].concat());
    let ended = clean_up(&["--outputs", "--yes"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("kept board ") && ended.stdout.contains("1 deleted, 1 kept"), "{ended:?}");
    assert_eq!(stage.rows().boards.len(), 1);
    let ended = clean_up(&["--everything", "--yes"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("deleted board "), "{ended:?}");
    assert!(stage.rows().is_empty(), "{:?}", stage.rows());

    // The name of this one was lost with the answer, and the caller chose its session.
    let line = r#"{"record":"uploading","id":"1","session_id":null,"kind":"image","file":"secret.png"}"#;
    fs::write(&ledger, fs::read_to_string(&ledger).unwrap() + line + "\n").unwrap();
    for how in ["--dry-run", "--yes"] {
        let ended = clean_up(&[how]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let because = "its name on the server is not known, nor anything to find it by";
        let line = format!("undetermined interrupted upload of secret.png: {because}\n");
        assert!(ended.stdout.contains(&line), "{ended:?}");
        let told: Value = serde_json::from_str(&clean_up(&[how, "--json"]).stdout).unwrap();
        assert_eq!(told["undetermined"][0]["asset"], "interrupted upload of secret.png");
        assert_eq!((&told["undetermined"][0]["because"], &told["success"]), (&because.into(), &false.into()));
    }

    let ended = run(&["cleanup", "--server", url, "--batch", "mistyped", "--outputs", "--yes"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("undetermined batch mistyped: "), "{ended:?}");
}
