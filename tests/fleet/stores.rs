//! Stores that cannot be opened, or not yet.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use invokeai_client::{Client, Error, fleet::Fleet};

use crate::{
    postgres::{PASSWORD, Postgres},
    stage::{Stage, servers},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_no_password_is_shown() {
    let Some(postgres) = Postgres::start_asking("a_wrong_password_is_said_and_no_password_is_shown") else { return };
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files").display().to_string();
    let wrong = postgres.url_with("wrong-horse");
    let refused = Fleet::open(&wrong).files(&files).await.unwrap_err();
    assert!(matches!(refused, Error::Fleet { passes: false, .. }), "{refused:?}");
    assert!(refused.to_string().contains("password authentication failed"), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("horse"), "{refused:?}");
    assert!(!format!("{:?}", Fleet::open(&wrong)).contains("horse"));
    let right = postgres.url_with(PASSWORD);
    let fleet = Fleet::open(&right).files(&files).await.unwrap();
    assert!(!format!("{fleet:?}").contains("horse"), "{fleet:?}");
    // Whatever a command says, and however much it is asked to say.
    let run = |store: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.arg("fleet").args(arguments).env("INVOKEAI_FLEET", store).env("RUST_LOG", "trace");
        command.env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!said.contains("horse"), "{said}");
        (output.status.code(), said)
    };
    for arguments in [&["status", "-vvv"][..], &["worker", "--server", "http://127.0.0.1:9", "-vvv"], &["wait"]] {
        let (code, said) = run(&wrong, arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("password authentication failed"), "{said}");
    }
    let (code, said) = run(&right, &["status", "-vvv"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn with_sqlite_half_of_a_stack_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    in_half_of_a_stack(&format!("sqlite:{}", folder.path().join("fleet.sqlite").display()));
}

#[test]
fn with_postgres_half_of_a_stack_is_enough() {
    let Some(postgres) = Postgres::start("with_postgres_half_of_a_stack_is_enough") else { return };
    in_half_of_a_stack(&postgres.url());
}

/// From the submission to the results, all of it in one thread that has half of what tokio gives one. What overflows it
/// ends the whole process.
fn in_half_of_a_stack(store: &str) {
    let whole = async || {
        let servers = servers(1, 0);
        let (folder, url) = (tempfile::tempdir().unwrap(), servers[0].url().to_owned());
        let stage = Stage::with(folder, store.to_owned(), vec![url.clone()]).await;
        let submission = stage.submit(2, 1).await;
        let worker = stage.fleet.worker().server(Client::new(&url).unwrap()).at_once(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let working = tokio::spawn(worker.run(async { _ = stopped.await }));
        stage.ended(60).await;
        stage.is_complete(&submission).await;
        stop.send(()).unwrap();
        working.await.unwrap().unwrap();
    };
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(whole());
    std::thread::scope(|threads| {
        std::thread::Builder::new().stack_size(1 << 20).spawn_scoped(threads, run).unwrap().join().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_a_store_that_comes_up_after_it() {
    let Some(mut postgres) = Postgres::start("a_worker_waits_for_a_store_that_comes_up_after_it") else { return };
    let servers = servers(1, 1);
    let urls = vec![servers[0].url().to_owned()];
    let stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    let submission = stage.submit(3, 1).await;
    postgres.kill();
    let (worker, hopeless) = (stage.worker(), stage.worker());
    // Longer than a connection may take.
    tokio::time::sleep(Duration::from_secs(17)).await;
    assert_eq!(hopeless.stop(), Some(143), "who waits for a store can be asked to stop");
    postgres.start_again();
    // Connections of this process were cut.
    while stage.fleet.status().await.is_err() {}
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(worker.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_postgres_hear_of_every_job_whenever_it_is_put_in() {
    let Some(postgres) = Postgres::start("workers_of_postgres_hear_of_every_job_whenever_it_is_put_in") else { return };
    let servers = servers(1, 1);
    let urls = vec![servers[0].url().to_owned()];
    let stage = Stage::with(tempfile::tempdir().unwrap(), postgres.url(), urls).await;
    let mut listener = sqlx::postgres::PgListener::connect(&postgres.url()).await.unwrap();
    // What the engine calls it.
    listener.listen("apalis::job::insert").await.unwrap();
    // At moments all over a second: the engine counts whole ones.
    for moment in 0..8 {
        let submission = stage.submit(1, 1).await;
        let heard = tokio::time::timeout(Duration::from_secs(5), listener.recv()).await;
        let heard = heard.unwrap_or_else(|_| panic!("nobody hears of job {moment}")).unwrap();
        assert!(heard.payload().contains(&submission.jobs[0]), "{heard:?}");
        tokio::time::sleep(Duration::from_millis(130)).await;
    }
}

#[tokio::test]
async fn a_store_that_a_newer_version_made_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, change) in [
        ("form", "UPDATE invokeai_fleet_settings SET value = '2' WHERE name = 'form'"),
        (
            "migration",
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES \
             (29990101000000, 'newer', 1, x'00', 1)",
        ),
    ] {
        let file = folder.path().join(format!("{name}.sqlite"));
        let store = format!("sqlite:{}", file.display());
        drop(Fleet::open(&store).await.unwrap());
        let pool = sqlx::SqlitePool::connect(&store).await.unwrap();
        let changed = sqlx::query(change).execute(&pool).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{name}");
        let refused = Fleet::open(&store).await.unwrap_err();
        assert!(matches!(refused, Error::Fleet { passes: false, .. }), "{refused:?}");
        let said = refused.to_string();
        assert!(said.contains("newer version") && said.contains(name), "{said}");
        // And an older program finds it as it was.
        let undo = match name {
            "form" => "UPDATE invokeai_fleet_settings SET value = '1' WHERE name = 'form' AND value = '2'",
            _ => "DELETE FROM _sqlx_migrations WHERE version = 29990101000000",
        };
        assert_eq!(sqlx::query(undo).execute(&pool).await.unwrap().rows_affected(), 1, "{name}");
        Fleet::open(&store).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waited_too_long_is_told_to_look_at_the_fleet() {
    let servers = servers(1, 1);
    let stage = Stage::new(&servers).await;
    stage.submit(1, 1).await;
    for json in [false, true] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_invokeai-client"));
        command.args(["fleet", "wait", "--timeout", "1", "--store", &stage.store]).args(json.then_some("--json"));
        command.env("XDG_CONFIG_HOME", "/nonexistent").env_remove("INVOKEAI_FLEET").stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        // The advice can be followed as it is.
        let advised = format!("invokeai-client fleet status --store {}", stage.store);
        assert!(said.contains(&advised) && !said.contains("queue list"), "{said}");
    }
}
