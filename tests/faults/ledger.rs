//! The ledger as a file: what is opened, who may use it, and who may read it. Programs are real ones: this test again,
//! in a process of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use invokeai_client::{Client, ClientBuilder, Error, Upload, assets::Asset};
use serde_json::json;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

/// Nobody listens there.
const SERVER: &str = "http://127.0.0.1:1/";

/// Names the ledger that a child uses, and how long the child waits for it.
const LEDGER: &str = "INVOKEAI_TEST_LEDGER_OF_CHILD";
const WAIT: &str = "INVOKEAI_TEST_WAIT_OF_CHILD";

fn builder() -> ClientBuilder {
    Client::builder(SERVER)
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    (folder, path)
}

/// What a file is, to the last bit.
fn state(path: &Path) -> (Vec<u8>, SystemTime, u32) {
    let metadata = fs::metadata(path).unwrap();
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    #[cfg(not(unix))]
    let mode = 0;
    (fs::read(path).unwrap(), metadata.modified().unwrap(), mode)
}

fn uploaded(path: &Path, name: &str) {
    let server = json!({"record": "server", "url": SERVER, "version": 1});
    let upload = json!({"record": "uploaded", "id": name, "kind": "image", "name": name});
    fs::write(path, format!("{server}\n{upload}\n")).unwrap();
}

/// Another program that uses the ledger until its input ends. It says whether it could open it.
struct Program(Child);

impl Program {
    fn start(ledger: &Path, wait: Duration) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "ledger::child_that_uses_a_ledger", "--nocapture"]);
        command.env(LEDGER, ledger).env(WAIT, wait.as_millis().to_string());
        Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn says(&mut self) -> String {
        let mut lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines().map(Result::unwrap);
        // The harness writes the name of the test before it.
        lines.find_map(|line| Some(line.split_once("CHILD ")?.1.to_owned())).expect("it says something")
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn child_that_uses_a_ledger() {
    let (Some(path), Ok(wait)) = (std::env::var_os(LEDGER), std::env::var(WAIT)) else { return };
    let wait = Duration::from_millis(wait.parse().unwrap());
    let client = builder().ledger(path).ledger_wait(wait).build();
    match &client {
        Ok(client) => println!("CHILD {:?}", client.uploaded_assets()),
        Err(error) => println!("CHILD {error}"),
    }
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Names the server that a child cleans up.
const SERVER_OF_CHILD: &str = "INVOKEAI_TEST_SERVER_OF_CHILD";

/// Another program that cleans up what a ledger records. Returns what it says.
pub(crate) fn clean_up_in_another_process(server: &str, ledger: &Path) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ledger::child_that_cleans_up", "--nocapture"]);
    let output = command.env(LEDGER, ledger).env(SERVER_OF_CHILD, server).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn child_that_cleans_up() {
    let (Some(path), Ok(server)) = (std::env::var_os(LEDGER), std::env::var(SERVER_OF_CHILD)) else { return };
    match Client::builder(server).existing_ledger(path).build() {
        Ok(client) => println!("{}", client.cleanup().everything().await.unwrap()),
        Err(error) => println!("{error}"),
    }
}

#[test]
fn one_program_at_a_time_uses_a_ledger() {
    let (_folder, path) = folder();
    uploaded(&path, "a.png");
    let mut first = Program::start(&path, Duration::ZERO);
    assert!(first.says().contains("a.png"));

    // This process is the second program.
    let before = state(&path);
    let error = builder().ledger(&path).build().unwrap_err();
    assert!(matches!(&error, Error::LedgerInUse { path: used, .. } if *used == path), "{error:?}");
    assert!(error.is_retryable() && error.to_string().contains(&path.display().to_string()), "{error}");
    let began = Instant::now();
    builder().existing_ledger(&path).ledger_wait(Duration::from_millis(300)).build().unwrap_err();
    assert!(began.elapsed() >= Duration::from_millis(300));
    // Reading is for everybody.
    assert_eq!(builder().read_only_ledger(&path).build().unwrap().uploaded_assets(), [Asset::Image("a.png".into())]);
    assert_eq!(state(&path), before);

    // The third waits until the first ends. A killed program holds nothing any more.
    let mut third = Program::start(&path, Duration::from_secs(60));
    std::thread::sleep(Duration::from_millis(200));
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert!(third.says().contains("a.png"));
    assert!(matches!(builder().ledger(&path).build(), Err(Error::LedgerInUse { .. })));
    third.end();
    assert_eq!(builder().ledger(&path).build().unwrap().uploaded_assets().len(), 1);
}

#[test]
fn programs_that_start_at_once_never_share_a_ledger() {
    let (_folder, path) = folder();
    for _ in 0..5 {
        let mut programs: Vec<_> = (0..4).map(|_| Program::start(&path, Duration::ZERO)).collect();
        let told: Vec<String> = programs.iter_mut().map(Program::says).collect();
        let (opened, refused): (Vec<_>, Vec<_>) = told.iter().partition(|line| line.as_str() == "[]");
        assert_eq!((opened.len(), refused.len()), (1, 3), "{told:?}");
        assert!(refused.iter().all(|line| line.contains("another program is using")), "{told:?}");
        programs.into_iter().for_each(Program::end);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1, "it was begun once");
    }
}

#[tokio::test]
async fn clients_of_one_program_share_a_ledger() {
    let (_folder, path) = folder();
    let server = MockServer::start().await;
    let image = json!({"image_name": "a.png", "image_origin": "external", "image_category": "user", "width": 1,
        "height": 1, "created_at": "2026-01-02 03:04:05.678", "is_intermediate": false, "starred": false,
        "has_workflow": false});
    Mock::given(any()).respond_with(ResponseTemplate::new(201).set_body_json(image)).mount(&server).await;
    let build = || Client::builder(server.uri()).ledger(&path).build().unwrap();
    let (one, other) = (build(), build());
    #[cfg(unix)]
    let other = {
        let alias = path.with_file_name("alias");
        fs::hard_link(&path, &alias).unwrap();
        drop(other);
        Client::builder(server.uri()).ledger(&alias).build().unwrap()
    };
    one.images().upload(Upload::bytes("a.png", &b"\x89PNG"[..])).await.unwrap();
    assert_eq!(other.uploaded_assets(), [Asset::Image("a.png".into())]);
    let error = builder().ledger(&path).build().unwrap_err();
    assert!(matches!(error, Error::UnusableLedger { .. }) && error.to_string().contains(SERVER), "{error}");

    // The last one lets go of it. Clients that come and go at the same time do not hinder each other.
    drop((one, other));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(build().uploaded_assets().len(), 1)));
        }
    });
    let mut program = Program::start(&path, Duration::ZERO);
    assert!(program.says().contains("is about the server"), "this process has let go of it");
    program.end();
}

#[test]
fn any_other_file_is_refused_and_left_as_it_is() {
    let (_folder, path) = folder();
    for other in
        [&b"my notes\n"[..], b"\n", b"{\"record\":\"uploaded\",\"id\":\"1\",\"kind\":\"image\",\"name\":\"a\"}\n"]
    {
        fs::write(&path, other).unwrap();
        fs::File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        let before = state(&path);
        for builder in [builder().ledger(&path), builder().existing_ledger(&path), builder().read_only_ledger(&path)] {
            let error = builder.build().unwrap_err();
            assert!(matches!(error, Error::UnusableLedger { .. }), "{error:?}");
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
        assert_eq!(state(&path), before);
    }
}

#[test]
fn an_empty_file_becomes_a_ledger() {
    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    assert!(builder().read_only_ledger(&path).build().unwrap().assets().is_empty());
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert!(builder().existing_ledger(&path).build().unwrap().assets().is_empty());
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 1);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["record"], "server");
}

#[test]
fn a_ledger_that_is_missing_is_created_only_where_that_is_asked_for() {
    let (folder, path) = folder();
    for builder in [builder().existing_ledger(&path), builder().read_only_ledger(&path)] {
        let error = builder.build().unwrap_err();
        assert!(matches!(&error, Error::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound), "{error:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
    builder().ledger(&path).build().unwrap();
    assert!(path.is_file());
}

#[tokio::test]
async fn nothing_is_sent_that_a_read_only_ledger_cannot_record() {
    let (_folder, path) = folder();
    let server = MockServer::start().await;
    let lines = [
        json!({"record": "server", "url": format!("{}/", server.uri()), "version": 1}),
        json!({"record": "uploaded", "id": "1", "kind": "image", "name": "a.png"}),
    ];
    fs::write(&path, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let before = state(&path);
    let client = Client::builder(server.uri()).read_only_ledger(&path).build().unwrap();
    let upload = client.images().upload(Upload::bytes("b.png", &b"\x89PNG"[..])).await.unwrap_err();
    let board = client.boards().create("samples").await.unwrap_err();
    let cleanup = client.cleanup().everything().await.unwrap_err();
    for error in [upload, board, cleanup] {
        assert!(matches!(error, Error::WrongState { .. }) && error.to_string().contains("read"), "{error:?}");
    }
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.method == "GET"), "{asked:?}");
    assert_eq!(state(&path), before);
}

/// Who can write to a ledger chooses what is deleted.
#[cfg(unix)]
#[test]
fn a_ledger_belongs_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let (_folder, path) = folder();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(builder().ledger(&path).build().unwrap());
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    drop(builder().read_only_ledger(&path).build().unwrap());
    assert_eq!(mode(), 0o666, "reading changes nothing");
    drop(builder().ledger(&path).build().unwrap());
    assert_eq!(mode(), 0o600);
}

/// Opening a pipe waits for its other end forever.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_is_refused_at_once() {
    let (_folder, path) = folder();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    for builder in [builder().ledger(&path), builder().existing_ledger(&path), builder().read_only_ledger(&path)] {
        assert!(matches!(builder.build(), Err(Error::Io { .. })));
    }
}
