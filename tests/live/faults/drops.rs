//! Every future that changes something, dropped at many points: a record leads to everything on the server, nothing is
//! there twice, and clean-up leaves the rows as they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    future::IntoFuture as _,
    io::Cursor,
    path::PathBuf,
    pin::{Pin, pin},
    time::{Duration, Instant},
};

use invokeai_client::{
    Client, Error, OutputBoard, Sweep, Upload, WhenFull,
    assets::{Asset, Assets},
};
use serde_json::{Value, json};

use super::{rows::Rows, server::Server, setting, turn, workflow};
use crate::common::{
    dropped::{polled, without_parts},
    workflows,
};

/// Items that may wait on the server: a larger batch is fed to it.
const ROOM: usize = 8;

/// Items of a batch that is fed.
const FED: i64 = 30;

#[tokio::test]
async fn futures_dropped_anywhere_leave_nothing_unknown() {
    let Some(_turn) = turn("dropped futures").await else { return };
    let Some(server) = Server::start(&["--multiuser", "--set", &format!("max_queue_size={ROOM}")]) else { return };
    strangers(&server).await;
    let ground = Ground { points: setting("INVOKEAI_TEST_POINTS", 8), folder: tempfile::tempdir().unwrap(), server };
    for (what, test) in [
        ("submit", Box::pin(submit(&ground)) as Pin<Box<dyn Future<Output = ()>>>),
        ("submit and feed", Box::pin(feed(&ground))),
        ("upload", Box::pin(upload(&ground))),
        ("create a board", Box::pin(board(&ground))),
        ("clean up", Box::pin(clean_up(&ground))),
        ("download", Box::pin(download(&ground))),
        ("log in", Box::pin(login(&ground))),
    ] {
        let (began, before) = (Instant::now(), ground.server.rows());
        test.await;
        ground.server.rows().assert_as(&before, what);
        eprintln!("{what}: dropped at {} points, {:?}", ground.points, began.elapsed());
    }
}

/// What all of these tests use.
struct Ground {
    server: Server,
    /// The folder of the ledgers.
    folder: tempfile::TempDir,
    points: usize,
}

/// The point where a future is dropped.
#[derive(Debug, Clone, Copy)]
enum Point {
    /// After this many polls, kept this long.
    Polls(usize, Duration),
    /// This long after its first poll.
    After(Duration),
}

impl Point {
    async fn drop<T>(self, future: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
        match self {
            Self::Polls(polls, hold) => polled(polls, hold, future).await,
            Self::After(time) => tokio::time::timeout(time, future).await.ok(),
        }
    }
}

impl Ground {
    fn ledger(&self, what: &str, point: usize) -> PathBuf {
        self.folder.path().join(format!("{what}-{point}"))
    }

    /// Half of the points by polls, half by time, over the whole course of a future like the one given.
    async fn points<T>(&self, whole: impl Future<Output = T>) -> Vec<Point> {
        let (mut polls, began) = (0, Instant::now());
        let mut whole = pin!(whole);
        std::future::poll_fn(|context| {
            polls += 1;
            whole.as_mut().poll(context).map(drop)
        })
        .await;
        let time = began.elapsed().mul_f64(1.1);
        // Held for a moment: what was on its way arrives while nobody asks for it.
        let hold = |i: usize| Duration::from_millis([0, 3, 30][i % 3]);
        let half = self.points / 2;
        let by_polls = (0..half).map(|i| Point::Polls((polls + 1) * i / half.max(1), hold(i)));
        let by_time = (0..self.points - half).map(|i| Point::After(time.mul_f64(i as f64 / half.max(1) as f64)));
        eprintln!("  {polls} polls, {time:?}");
        by_polls.chain(by_time).collect()
    }

    /// What later processes know from their ledgers alone.
    fn known(&self, what: &str, points: usize) -> Vec<Assets> {
        (0..points).map(|i| self.server.client(&self.ledger(what, i)).assets()).collect()
    }

    /// Waits until nothing is on its way, and nothing runs.
    async fn settled(&self) -> Rows {
        let mut last = self.server.rows();
        loop {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            let rows = self.server.rows();
            if rows.items.iter().all(|item| item.has_ended()) && rows.counts == last.counts {
                return rows;
            }
            last = rows;
        }
    }

    /// Later processes clean up after all points, and then know of nothing any more.
    async fn clean_up(&self, what: &str, points: usize) {
        for i in 0..points {
            let client = self.server.client(&self.ledger(what, i));
            let report = client.cleanup().everything().await.unwrap();
            assert!(report.is_success() && report.kept.is_empty(), "{what} {i}: {report}");
            assert!(client.assets().is_empty(), "{what} {i}: {:?}", client.assets());
        }
    }
}

/// What others have on the server, and must keep.
pub(super) async fn strangers(server: &Server) {
    let client = server.builder().build().unwrap();
    client.images().upload(Upload::bytes("strange.png", picture(3, 3))).await.unwrap();
    client.boards().create("strange").await.unwrap();
    for queue in ["default", "drops"] {
        let workflow = workflow(&client, saving(None)).await;
        client.submit(&workflow).queue(queue).await.unwrap().job().unwrap().wait().await.unwrap();
    }
}

fn batches(known: &[Assets]) -> BTreeSet<&str> {
    known.iter().flat_map(|assets| &assets.batches).map(|batch| &*batch.batch_id).collect()
}

/// Asserts that each item belongs to a known batch, and that none is there twice.
fn assert_items_known(rows: &Rows, before: &Rows, queue_id: &str, known: &[Assets]) {
    let old: BTreeSet<i64> = before.items.iter().map(|item| item.item_id).collect();
    let (known, mut numbers) = (batches(known), BTreeSet::new());
    for item in rows.items_of(queue_id).filter(|item| !old.contains(&item.item_id)) {
        assert!(known.contains(&*item.batch_id), "no ledger leads to {item:?}");
        assert!(numbers.insert(item.number()), "enqueued twice: {item:?}");
    }
}

async fn submit(ground: &Ground) {
    let before = ground.server.rows();
    let submitted = async |client: &Client, i: usize| {
        let workflow = workflow(client, workflows::additions()).await;
        let numbers = [2 * i as i64, 2 * i as i64 + 1];
        let sweep = Sweep::new().product(&workflow, "first a", numbers).unwrap();
        let mut submit = client.submit(&workflow).queue("drops").sweep(sweep).subscribe_events(i.is_multiple_of(2));
        if i.is_multiple_of(4) {
            submit = submit.board(OutputBoard::named_or_new(format!("board {i}")));
        }
        submit.await
    };
    let client = ground.server.client(&ground.ledger("submit", 0));
    let points = ground.points(submitted(&client, 0)).await;
    drop(client);
    let mut ended = 0;
    for (i, point) in (1..).zip(&points) {
        let client = ground.server.client(&ground.ledger("submit", i));
        match point.drop(Box::pin(submitted(&client, i))).await {
            Some(Ok(submission)) => {
                ended += 1;
                assert!(batches(&[client.assets()]).contains(submission.batch_id()));
            }
            Some(Err(error)) => assert!(matches!(error, Error::QueueFull { .. }), "{point:?}: {error}"),
            None => {}
        }
    }
    let rows = ground.settled().await;
    let known = ground.known("submit", points.len() + 1);
    assert_items_known(&rows, &before, "drops", &known);
    assert_boards_known(&rows, &before, &known);
    let there: BTreeSet<&str> = rows.items_of("drops").map(|item| &*item.batch_id).collect();
    eprintln!("  {} of {} batches arrived, {ended} ended", there.len() - 1, points.len() + 1);
    assert!(there.len() > ended, "some arrived whose future was dropped");
    ground.clean_up("submit", points.len() + 1).await;
}

async fn feed(ground: &Ground) {
    let before = ground.server.rows();
    let fed = async |client: &Client, i: usize| {
        let workflow = workflow(client, workflows::additions()).await;
        let numbers = FED * i as i64..FED * (i as i64 + 1);
        let sweep = Sweep::new().product(&workflow, "first a", numbers).unwrap();
        let submission = client.submit(&workflow).queue("drops").sweep(sweep).when_full(WhenFull::Feed).await?;
        submission.wait_all().await
    };
    let client = ground.server.client(&ground.ledger("feed", 0));
    let points = ground.points(fed(&client, 0)).await;
    drop(client);
    for (i, point) in (1..).zip(&points) {
        let client = ground.server.client(&ground.ledger("feed", i));
        if let Some(end) = point.drop(Box::pin(fed(&client, i))).await {
            assert_eq!(end.unwrap().len(), FED as usize, "{point:?}");
        }
    }
    let rows = ground.settled().await;
    assert_items_known(&rows, &before, "drops", &ground.known("feed", points.len() + 1));
    let mut sizes: BTreeMap<&str, i64> = BTreeMap::new();
    rows.items_of("drops").for_each(|item| *sizes.entry(&item.batch_id).or_default() += 1);
    let partial = sizes.values().filter(|size| (2..FED).contains(*size)).count();
    eprintln!("  {} batches, {partial} of them in part", sizes.len() - 1);
    assert!(partial > 0, "some were dropped while they were fed");
    ground.clean_up("feed", points.len() + 1).await;
}

async fn upload(ground: &Ground) {
    let file = |i: usize| match i.is_multiple_of(3) {
        true => {
            let path = ground.folder.path().join(format!("{i}.png"));
            fs::write(&path, picture(100 + i as u32, 300)).unwrap();
            Upload::path(path)
        }
        false => Upload::bytes(format!("{i}.png"), picture(100 + i as u32, 300)),
    };
    let client = ground.server.client(&ground.ledger("upload", 0));
    let points = ground.points(client.images().upload(file(0)).into_future()).await;
    drop(client);
    let mut ended = 0;
    for (i, point) in (1..).zip(&points) {
        let client = ground.server.client(&ground.ledger("upload", i));
        if let Some(end) = point.drop(client.images().upload(file(i)).into_future()).await {
            assert!(client.assets().uploads.contains(&Asset::Image(end.unwrap().image_name)), "{point:?}");
            ended += 1;
        }
    }
    let rows = ground.settled().await;
    let known = ground.known("upload", points.len() + 1);
    let mut arrived = 0;
    for (i, known) in known.iter().enumerate() {
        let there: Vec<_> = rows.uploads().filter(|image| image.width == 100 + i as u64).collect();
        assert!(there.len() <= 1, "uploaded twice: {there:?}");
        for image in there {
            arrived += 1;
            let by_session = known.unfinished_uploads.iter().any(|upload| upload.session_id == image.session_id);
            let by_name = known.uploads.contains(&Asset::Image(image.image_name.clone()));
            assert!(by_name || by_session, "no ledger leads to {image:?}: {known:?}");
        }
    }
    eprintln!("  {arrived} of {} arrived, {ended} ended", points.len() + 1);
    assert!(arrived > ended + 1, "some arrived whose future was dropped");
    ground.clean_up("upload", points.len() + 1).await;
}

/// Asserts that each new board is known, and that none is there twice. An unfinished one has a suffix in its name.
fn assert_boards_known(rows: &Rows, before: &Rows, known: &[Assets]) {
    let old: BTreeSet<&str> = before.boards.iter().map(|board| &*board.board_id).collect();
    let mut names = BTreeSet::new();
    for board in rows.boards.iter().filter(|board| !old.contains(&*board.board_id)) {
        let name = board.board_name.split(" (").next().unwrap_or_default();
        let by_id = known.iter().any(|assets| assets.boards.contains(&board.board_id));
        let mut unfinished = known.iter().flat_map(|assets| &assets.unfinished_boards);
        assert!(by_id || unfinished.any(|made| made.name == name), "no ledger leads to {board:?}");
        assert!(names.insert(name), "made twice: {board:?}");
    }
}

async fn board(ground: &Ground) {
    let before = ground.server.rows();
    let client = ground.server.client(&ground.ledger("board", 0));
    let points = ground.points(client.boards().create("board 0")).await;
    drop(client);
    for (i, point) in (1..).zip(&points) {
        let client = ground.server.client(&ground.ledger("board", i));
        let boards = client.boards();
        if let Some(end) = point.drop(Box::pin(boards.create(format!("board {i}")))).await {
            assert_eq!(client.assets().boards, [end.unwrap().board_id], "{point:?}");
        }
    }
    let rows = ground.settled().await;
    assert_boards_known(&rows, &before, &ground.known("board", points.len() + 1));
    eprintln!("  {} of {} arrived", rows.boards.len() - before.boards.len(), points.len() + 1);
    ground.clean_up("board", points.len() + 1).await;
}

/// An upload, a board and a run that saves, cleaned up in two pieces.
async fn clean_up(ground: &Ground) {
    let before = ground.server.rows();
    let prepare = async |i: usize| {
        let client = ground.server.client(&ground.ledger("cleanup", i));
        let upload = client.images().upload(Upload::bytes("a.png", picture(9, 9))).await.unwrap();
        let workflow = workflow(&client, saving(Some(&upload.image_name))).await;
        let board = OutputBoard::named_or_new(format!("board {i}"));
        // A queue for each point: clean-up looks at what others have on the same queue, which takes time.
        let submission = client.submit(&workflow).queue(format!("drops {i}")).board(board).await.unwrap();
        submission.job().unwrap().wait().await.unwrap();
    };
    prepare(0).await;
    let client = ground.server.client(&ground.ledger("cleanup", 0));
    let points = ground.points(client.cleanup().everything().into_future()).await;
    drop(client);
    ground.server.rows().assert_as(&before, "a clean-up that is not dropped");
    // Drops at one point, and returns how much was gone then; another process removes the rest.
    let there = |rows: &Rows| rows.images.len() + rows.boards.len() + rows.items.len();
    let drop_at = async |i: usize, point: Point| {
        let full = there(&ground.server.rows());
        let client = ground.server.client(&ground.ledger("cleanup", i));
        let end = point.drop(client.cleanup().everything().into_future()).await;
        drop(client);
        if let Some(report) = end {
            assert!(report.unwrap().is_success(), "{point:?}");
        }
        let gone = full - there(&ground.server.rows());
        let client = ground.server.client(&ground.ledger("cleanup", i));
        let report = client.cleanup().everything().await.unwrap();
        assert!(report.is_success() && report.kept.is_empty(), "{point:?}: {report}");
        assert!(client.assets().is_empty(), "{point:?}: {:?}", client.assets());
        let queue = format!("drops {i}");
        assert!(ground.server.rows().items_of(&queue).next().is_none(), "{point:?}");
        (gone, full - there(&ground.server.rows()))
    };
    let (mut between, mut numbered) = (0, (1..).zip(&points));
    loop {
        let some: Vec<_> = numbered.by_ref().take(ROOM).collect();
        if some.is_empty() {
            break;
        }
        futures::future::join_all(some.iter().map(|(i, _)| prepare(*i))).await;
        for (i, point) in some {
            let (gone, all) = drop_at(i, *point).await;
            between += usize::from(gone > 0 && gone < all);
        }
        ground.settled().await.assert_as(&before, "what was cleaned up twice");
    }
    // Few points may all lie before the first deletion or after the last: then a point between is found by halving.
    let (mut none, mut whole) = (Duration::ZERO, Duration::from_secs(2));
    for i in (points.len() + 1..).take(40) {
        if between > 0 {
            break;
        }
        prepare(i).await;
        let time = (none + whole) / 2;
        let (gone, all) = drop_at(i, Point::After(time)).await;
        match gone {
            0 => none = time,
            gone if gone == all => whole = time,
            _ => between += 1,
        }
        if whole - none < Duration::from_micros(500) {
            (none, whole) = (Duration::ZERO, Duration::from_secs(2));
        }
    }
    eprintln!("  {between} were dropped when a part was gone");
    assert!(between > 0, "some were dropped when a part was gone");
}

async fn download(ground: &Ground) {
    let client = ground.server.builder().build().unwrap();
    let bytes = picture(700, 700);
    let image = client.images().upload(Upload::bytes("large.png", bytes.clone())).await.unwrap();
    let image = client.image(&image.image_name);
    let folder = tempfile::tempdir().unwrap();
    let whole = image.download().bytes().await.unwrap();
    let points = ground.points(image.download().to_directory(folder.path().join("first"))).await;
    for (i, point) in points.iter().enumerate() {
        let directory = folder.path().join(i.to_string());
        fs::create_dir(&directory).unwrap();
        let end = point.drop(Box::pin(image.download().to_directory(&directory))).await;
        let left = without_parts(&directory).await;
        assert!(end.is_none() || left.len() == 1, "{point:?}");
        for name in left {
            assert_eq!(fs::read(directory.join(name)).unwrap(), whole, "{point:?}");
        }
    }
    assert!(client.cleanup().await.unwrap().is_success());
}

async fn login(ground: &Ground) {
    let (email, password) = ground.server.login();
    let new = || Client::new(&ground.server.url).unwrap();
    let client = new();
    let points = ground.points(client.auth().login(email, password, false)).await;
    for point in points {
        let client = new();
        let auth = client.auth();
        let end = point.drop(Box::pin(auth.login(email, password, false))).await;
        match (end, auth.me().await) {
            (Some(end), me) => assert_eq!(end.unwrap().user.user_id, me.unwrap().user_id),
            (None, me) => assert!(matches!(me, Err(Error::Unauthorized(_))), "{point:?}: {me:?}"),
        }
        auth.login(email, password, false).await.unwrap();
        assert_eq!(auth.me().await.unwrap().email, email);
    }
}

/// Noise, which does not compress.
pub(super) fn picture(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut state = 1_u32;
    let image = image::RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        image::Rgb([(state >> 8) as u8, (state >> 16) as u8, (state >> 24) as u8])
    });
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Saves a small picture for good, and an intermediate one made from the given image.
fn saving(image: Option<&str>) -> Value {
    let node = |id: &str, kind: &str, passing: bool, inputs: Value| {
        json!({"id": id, "type": "invocation", "position": {"x": 0, "y": 0}, "data": {
            "id": id, "type": kind, "version": "1.2.2", "nodePack": "invokeai", "label": "", "notes": "",
            "isOpen": true, "isIntermediate": passing, "useCache": false, "inputs": inputs}})
    };
    let input = |name: &str, value: Value| json!({"name": name, "label": "", "description": "", "value": value});
    let size = json!({"width": input("width", json!(64)), "height": input("height", json!(64))});
    let mut nodes = vec![node("blank", "blank_image", false, size)];
    if let Some(name) = image {
        let given = input("image", json!({"image_name": name}));
        nodes.push(node("blur", "img_blur", true, json!({"image": given, "radius": input("radius", json!(1))})));
    }
    json!({"name": "saving", "author": "", "description": "", "version": "", "contact": "", "tags": "", "notes": "",
        "meta": {"version": "4.0.0", "category": "user"}, "exposedFields": [], "nodes": nodes, "edges": []})
}
