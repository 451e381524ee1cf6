//! The blocking API wherever it may be called from, and what it does there.
#![cfg(all(feature = "blocking", feature = "events"))]

#[allow(dead_code, reason = "much of it is for the tests of faults")]
use std::{
    io::Read,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use fake_invokeai::FakeInvokeAi;
use invokeai_client::{
    Error, Sweep, Upload,
    blocking::{Client, Job},
    events::EventItem,
    queue::ItemStatus,
    schema::NodeCatalog,
    workflow::{Workflow, WorkflowDefinition},
};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use crate::common::{fake_invokeai, workflows};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// Runs the servers of the tests, away from the threads that block.
static SERVERS: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Something that was started on the servers' runtime.
fn started<T: Send + 'static>(start: impl Future<Output = T> + Send + 'static) -> T {
    let (send, receive) = mpsc::channel();
    SERVERS.spawn(async move { send.send(start.await).ok() });
    receive.recv_timeout(LONG).expect("the server starts")
}

/// A server that has a version, and images in pages of two.
struct Pages(MockServer);

impl Deref for Pages {
    type Target = MockServer;

    fn deref(&self) -> &MockServer {
        &self.0
    }
}

impl Pages {
    fn start() -> Self {
        Self(started(async {
            let server = MockServer::start().await;
            let version = ResponseTemplate::new(200).set_body_json(json!({"version": "6.14.2"}));
            Mock::given(method("GET")).and(path("/api/v1/app/version")).respond_with(version).mount(&server).await;
            let page = |request: &Request| {
                let query = |name| request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value);
                let offset: u64 = query("offset").unwrap().parse().unwrap();
                let image = |n: u64| {
                    json!({"image_name": format!("{n}.png"), "image_origin": "internal", "image_category": "general",
                        "width": 8, "height": 8})
                };
                let items: Vec<_> = (offset..(offset + 2).min(5)).map(image).collect();
                ResponseTemplate::new(200)
                    .set_body_json(json!({"items": items, "offset": offset, "limit": 2, "total": 5}))
            };
            Mock::given(method("GET")).and(path("/api/v1/images/")).respond_with(page).mount(&server).await;
            server
        }))
    }

    fn client(&self) -> Client {
        Client::new(self.uri()).unwrap()
    }

    /// How many requests came.
    fn requests(&self) -> usize {
        SERVERS.block_on(self.received_requests()).unwrap().len()
    }
}

/// Makes more requests than the 128 steps that a task of Tokio may make at a time; each list takes three.
fn use_it(client: &Client) {
    for _ in 0..45 {
        let names: Vec<_> = client.images().list().limit(2).stream().map(|image| image.unwrap().image_name).collect();
        assert_eq!(names, ["0.png", "1.png", "2.png", "3.png", "4.png"]);
    }
}

/// Fails the test if the body does not end: nothing here may hang.
fn within(body: impl FnOnce() + Send + 'static) {
    let (send, receive) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        send.send(()).ok();
    });
    match receive.recv_timeout(LONG) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        _ => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
    }
}

#[test]
fn outside_of_async_code() {
    within(|| use_it(&Pages::start().client()));
}

#[test]
fn in_a_task_of_any_runtime() {
    within(|| {
        let server = Pages::start();
        for runtime in [
            Builder::new_current_thread().build().unwrap(),
            Builder::new_current_thread().enable_all().build().unwrap(),
            Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
            Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
        ] {
            let client = server.client();
            // In the outermost future, in a task, in `spawn_blocking`, in `block_in_place` where there is one.
            runtime.block_on(async { use_it(&client) });
            let other = client.clone();
            runtime.block_on(async move { tokio::spawn(async move { use_it(&other) }).await }).unwrap();
            let other = client.clone();
            runtime.block_on(async move { tokio::task::spawn_blocking(move || use_it(&other)).await }).unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                let other = client.clone();
                tokio::task::spawn_local(async move { use_it(&other) }).await.unwrap();
            });
            // Created and dropped inside.
            let url = server.uri();
            runtime.block_on(async move { use_it(&Client::new(url).unwrap()) });
            // The runtime ends before the client does.
            drop(runtime);
            use_it(&client);
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_place_for_blocking() {
    tokio::task::block_in_place(|| use_it(&Pages::start().client()));
}

#[test]
fn in_another_executor() {
    within(|| {
        let server = Pages::start();
        futures::executor::block_on(async { use_it(&server.client()) });
    });
}

#[test]
fn in_a_future_that_it_runs_itself() {
    within(|| {
        let server = Pages::start();
        let client = server.client();
        client.block_on(async { use_it(&client) });
        let other = client.clone();
        client.block_on(async move { tokio::spawn(async move { use_it(&other) }).await.unwrap() });
    });
}

#[test]
fn many_threads_at_once() {
    within(|| {
        let server = Pages::start();
        let client = server.client();
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| use_it(&client));
            }
        });
    });
}

#[test]
fn in_a_static_that_is_never_dropped() {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    within(|| {
        // The server stays, too: what still exists at the end of the process must not matter.
        let server: &Pages = Box::leak(Box::new(Pages::start()));
        use_it(CLIENT.get_or_init(|| server.client()));
    });
}

#[test]
fn an_iterator_fetches_what_is_read_and_no_more() {
    within(|| {
        let server = Pages::start();
        let mut images = server.client().images().list().limit(2).stream();
        assert_eq!(server.requests(), 0);
        assert_eq!(images.next().unwrap().unwrap().image_name, "0.png");
        assert_eq!(images.next_timeout(LONG).unwrap().unwrap().unwrap().image_name, "1.png");
        drop(images);
        assert_eq!(server.requests(), 1);
        // Dropped inside async code, and read there.
        let mut images = server.client().images().list().limit(2).offset(4).stream();
        Builder::new_current_thread().build().unwrap().block_on(async move {
            assert_eq!(images.by_ref().count(), 1);
            assert!(images.next().is_none() && images.next_timeout(LONG).unwrap().is_none());
        });
    });
}

#[test]
fn endpoints_and_any_future() {
    within(|| {
        let server = Pages::start();
        let client = server.client();
        let version = client.block_on(client.api().app_version().send()).unwrap().into_inner().version;
        assert_eq!((version, client.server_version().unwrap()), ("6.14.2".to_owned(), "6.14.2".to_owned()));
        // Borrows, is not `Send`, sets timers and spawns.
        let mut seen = std::rc::Rc::new(0);
        client.block_on(async {
            *std::rc::Rc::get_mut(&mut seen).unwrap() += tokio::spawn(async { 7 }).await.unwrap();
            let late = tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
            assert!(late.is_err());
        });
        assert_eq!(*seen, 7);
        // Async work goes on beside it.
        let again = Client::from_async(client.as_async().clone()).unwrap();
        assert_eq!(again.server_version().unwrap(), "6.14.2");
        assert!(!format!("{again:?}").is_empty());
    });
}

#[test]
fn a_reader_is_uploaded_whole() {
    /// Gives a few bytes at a time.
    struct Slow(usize);

    impl Read for Slow {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let some = self.0.min(into.len()).min(70_000);
            into[..some].fill(b'x');
            self.0 -= some;
            Ok(some)
        }
    }

    within(|| {
        let server = Pages::start();
        let client = server.client();
        let image = json!({"image_name": "new.png", "image_origin": "external", "image_category": "user",
            "width": 8, "height": 8});
        let answer = Mock::given(method("POST"))
            .and(path("/api/v1/images/upload"))
            .respond_with(ResponseTemplate::new(201).set_body_json(image));
        SERVERS.block_on(answer.mount(&server));
        let upload = Upload::blocking_reader("slow.png", Slow(1_000_000), None);
        assert_eq!(client.images().upload(upload).call().unwrap().image_name, "new.png");
        let requests = SERVERS.block_on(server.received_requests()).unwrap();
        let sent = requests.last().unwrap().body.iter().filter(|byte| **byte == b'x').count();
        assert!((1_000_000..1_000_100).contains(&sent), "{sent}");

        // A reader that fails or panics is an error and leaves no gap.
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is gone"))
            }
        }
        let error = client.images().upload(Upload::blocking_reader("x.png", Broken, None)).call().unwrap_err();
        assert!(matches!(&error, Error::Io { .. }), "{error:?}");
    });
}

/// A submission of additions to a fake server, whose one item has begun.
fn begun() -> (FakeInvokeAi, Job) {
    let server = started(FakeInvokeAi::start());
    let job = Client::new(&server.url).unwrap().submit(&workflow()).call().unwrap().job().unwrap();
    server.change(job.item_id(), "in_progress");
    // Reported to those who listen now, so that it is not reported to those who listen later.
    assert!(job.progress_updates().any(|progress| progress.status == ItemStatus::InProgress));
    (server, job)
}

fn workflow() -> Workflow {
    Workflow::new(WorkflowDefinition::from_value(workflows::additions()).unwrap(), NodeCatalog::embedded())
}

#[test]
fn a_job_is_followed_to_its_end() {
    within(|| {
        let (server, job) = begun();
        let mut told = Vec::new();
        let mut updates = job.progress_updates();
        assert_eq!(job.submission().batch_id(), server.world().items[&41].batch_id);
        let ending = thread::spawn({
            let job = job.clone();
            move || {
                thread::sleep(Duration::from_millis(200));
                server.change(job.item_id(), "completed");
                server
            }
        });
        let finished =
            job.wait().timeout(LONG).on_progress(|progress| told.push(progress.status.clone())).call().unwrap();
        assert_eq!((finished.job().item_id(), told.last()), (41, Some(&ItemStatus::Completed)), "{told:?}");
        assert_eq!(finished.item().unwrap().item_id, 41);
        assert_eq!(updates.by_ref().last().unwrap().status, ItemStatus::Completed);
        drop(ending.join().unwrap());
    });
}

#[test]
fn waits_end_when_their_time_is_up() {
    within(|| {
        let (server, job) = begun();
        let began = Instant::now();
        let error = job.wait().timeout(Duration::from_millis(100)).call().unwrap_err();
        assert!(matches!(error, Error::WaitTimeout { .. }) && began.elapsed() < Duration::from_secs(20), "{error:?}");
        let mut ends = job.submission().ends();
        for _ in 0..2 {
            let error = ends.next_timeout(Duration::from_millis(50)).unwrap_err();
            assert!(matches!(error, Error::WaitTimeout { .. }), "{error:?}");
        }
        // What was waited for in vain still exists.
        server.change(41, "completed");
        let (ended, end) = ends.next_timeout(LONG).unwrap().unwrap().unwrap();
        assert_eq!((ended.item_id(), end.unwrap().job().item_id()), (41, 41));
        assert!(ends.next().is_none());
    });
}

#[test]
fn a_wait_ends_when_another_thread_cancels() {
    within(|| {
        let (server, job) = begun();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(100));
                server.change(job.item_id(), "canceled");
            });
            assert!(matches!(job.wait().call().unwrap_err(), Error::JobCanceled { item_id: 41, .. }));
        });
    });
}

#[test]
fn a_panic_in_a_callback_reaches_the_caller_and_breaks_nothing() {
    within(|| {
        let (server, job) = begun();
        let panicking = AssertUnwindSafe(|| job.wait().on_progress(|_| panic!("on purpose")).call());
        let panic = catch_unwind(panicking).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
        server.change(41, "completed");
        job.wait().timeout(LONG).call().unwrap();
    });
}

#[test]
fn callbacks_may_block() {
    within(|| {
        // Those of a wait run on the caller's thread, those of a submission on one of a few: more wait than there are.
        let server = started(FakeInvokeAi::start());
        let client = Client::new(&server.url).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let jobs: Vec<Job> = (0..8)
            .map(|_| {
                let calls = Arc::clone(&calls);
                let queue = client.queue("default");
                let submission = client
                    .submit(&workflow())
                    .on_status_changed(move |event| {
                        let item = queue.item(event.item_id().unwrap()).unwrap();
                        assert_eq!(item.queue_id, "default");
                        calls.fetch_add(1, Ordering::SeqCst);
                    })
                    .call();
                submission.unwrap().job().unwrap()
            })
            .collect();
        for job in &jobs {
            server.change(job.item_id(), "in_progress");
            server.change(job.item_id(), "completed");
        }
        for job in &jobs {
            job.wait().timeout(LONG).on_progress(|_| drop(client.queue("default").item_ids().unwrap())).call().unwrap();
        }
        let end = Instant::now() + LONG;
        while calls.load(Ordering::SeqCst) < 16 {
            assert!(Instant::now() < end, "{calls:?}");
            thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn events_are_an_iterator() {
    within(|| {
        let (server, job) = begun();
        let mut events = job.events();
        events.connected().unwrap();
        assert!(matches!(events.next_timeout(Duration::from_millis(50)), Err(Error::WaitTimeout { .. })));
        server.change(41, "completed");
        let next = events.next().unwrap().unwrap();
        let EventItem::Event(event) = next else { panic!("{next:?}") };
        assert_eq!((event.item_id(), event.status()), (Some(41), Some("completed")));
        // Dropped inside async code.
        Builder::new_current_thread().build().unwrap().block_on(async move { drop(events) });
    });
}

#[test]
fn a_sweep_gives_one_end_for_each_item() {
    within(|| {
        let server = started(FakeInvokeAi::start());
        let workflow = workflow();
        let sweep = Sweep::new().product(&workflow, "first a", [1, 2, 3]).unwrap();
        let client = Client::new(&server.url).unwrap();
        let submission = client.submit(&workflow).sweep(sweep).call().unwrap();
        assert_eq!(submission.jobs().iter().map(Job::item_id).collect::<Vec<_>>(), [41, 42, 43]);
        for id in [42, 41, 43] {
            server.change(id, "completed");
        }
        let mut ends: Vec<_> =
            submission.ends().map(|end| end.unwrap()).map(|(job, end)| end.map(|_| job.item_id()).unwrap()).collect();
        ends.sort_unstable();
        assert_eq!(ends, [41, 42, 43]);
        assert_eq!(submission.wait_all().call().unwrap().len(), 3);
        let again = invokeai_client::blocking::Submission::attach(&client, &submission.ticket()).unwrap();
        assert_eq!(again.wait_all().call().unwrap().len(), 3);
    });
}

#[test]
fn blocking_types_can_go_to_other_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn sent<T: Send>() {}
    shared::<Client>();
    shared::<Job>();
    shared::<invokeai_client::blocking::Submission>();
    shared::<invokeai_client::blocking::Outputs>();
    sent::<invokeai_client::blocking::Iter<Mutex<u8>>>();
    sent::<invokeai_client::blocking::EventStream>();
    sent::<invokeai_client::blocking::Wait<'_>>();
}
