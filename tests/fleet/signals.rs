//! Signals to workers, and servers that fail for a while.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use invokeai_client::{Client, fleet::JobState};

use crate::stage::{Process, Stage, batches, seeds, servers, workflow};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_terminal_closes_finishes_what_it_has() {
    let servers = servers(1, 20);
    let stage = Stage::new(&servers).await;
    stage.submit(6, 3).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 2).await;
    worker.signal("HUP");
    assert_eq!(worker.ended(), Some(0));
    let (done, running) = (stage.state_of(JobState::Done).await, stage.state_of(JobState::Running).await);
    assert!((2..6).contains(&done) && running == 0, "{done} done, {running} running");
    stage.is_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_asked_twice_ends_at_once_and_what_it_sent_is_found() {
    let servers = servers(1, 100);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(3, 3).await;
    let worker = stage.worker();
    stage.until(JobState::Running, 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    worker.signal("TERM");
    // What comes sooner counts as the same request.
    tokio::time::sleep(Duration::from_millis(300)).await;
    worker.signal("TERM");
    assert_eq!(worker.ended(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let second = stage.worker();
    stage.ended(60).await;
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 3, "each job was sent once");
    stage.is_clean().await;
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_for_less_than_its_lease_goes_on() {
    let servers = servers(1, 30);
    let stage = Stage::new(&servers).await;
    let submission = stage.submit(4, 1).await;
    let worker = stage.worker();
    // This one would take what it lost.
    let other = stage.worker();
    for _ in 0..6 {
        worker.signal("STOP");
        tokio::time::sleep(Duration::from_millis(700)).await;
        worker.signal("CONT");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let jobs = stage.ended(60).await;
    assert!(jobs.iter().all(|job| job.attempts == 1), "{jobs:?}");
    stage.is_complete(&submission).await;
    assert_eq!(batches(&servers), 4, "each job was sent once");
    stage.is_clean().await;
    drop((worker, other));
}

/// Answers 500 to whatever comes, as long as it lives.
struct Broken {
    ends: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Broken {
    fn at(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (ends, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, counted) = (Arc::clone(&ends), Arc::clone(&answered));
        let serve = move || {
            while !until.load(Ordering::Relaxed) {
                let Ok((mut connection, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                connection.set_nonblocking(false).unwrap();
                connection.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                let mut request = [0; 4096];
                if connection.read(&mut request).is_ok_and(|read| read > 0) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    // Whoever asked may be gone.
                    _ = connection.write_all(
                        b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 21\r\n\r\nInternal Server Error",
                    );
                }
            }
        };
        Self { ends, answered, thread: Some(std::thread::spawn(serve)) }
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_everything_and_recovers_is_used_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let broken = Broken::at(port);
    let model = servers(1, 1);
    let url = format!("http://127.0.0.1:{port}/");
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("fleet.sqlite").display());
    let stage = Stage::with(folder, store, vec![url]).await;
    let workflow = workflow(&Client::new(model[0].url()).unwrap()).await;
    let submission = stage.fleet.submit(&workflow).sweep(seeds(&workflow, 3)).attempts(1).await.unwrap();
    let worker = stage.worker();
    stage.until_waiting_for("500").await;
    // The reason is still given while it is asked again, and no attempt is used up where nothing can be sent.
    for _ in 0..40 {
        let status = stage.fleet.status().await.unwrap();
        assert_eq!((status.jobs.waiting, status.waiting.len()), (3, 1), "{status:?}");
        assert!(status.waiting[0].reasons[0].contains("500"), "{status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let asked = broken.answered.load(Ordering::Relaxed);
    assert!((1..60).contains(&asked), "it is asked, with pauses: {asked}");
    drop(broken);
    let server = Process::start(&["demo", "--quiet", "--port", &port.to_string()]);
    stage.ended(90).await;
    stage.is_complete(&submission).await;
    stage.is_clean_but_for(1).await;
    drop((worker, server));
}
