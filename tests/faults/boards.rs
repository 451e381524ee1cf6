//! Whose board it is, when the answer to its creation is lost.

use std::{fs, time::Duration};

use invokeai_client::{
    Client, Error, TransportOptions,
    assets::Asset,
    cleanup::{KeptBecause, UndeterminedBecause},
};
use serde_json::json;

use crate::fake_gallery::{FakeGallery, Lost};

/// How often a read is sent if it gets no answer.
const READS: usize = 4;

fn client(server: &FakeGallery) -> Client {
    let mut options = TransportOptions::default();
    options.lost_answer_patience = Duration::from_millis(500);
    Client::builder(server.url()).transport(options).build().unwrap()
}

#[tokio::test]
async fn a_board_of_the_same_name_is_never_taken_for_ours() {
    let server = FakeGallery::start().await;
    server.world().boards.insert("theirs".into(), "precious".into());
    // Nothing arrives, and the client cannot know that.
    server.world().lose.push_back(("POST", "boards/", Lost::Request));
    server.world().lose.extend([("GET", "boards/", Lost::Request); READS]);
    let client = client(&server);
    let error = client.boards().create("precious").await.unwrap_err();
    assert!(error.may_have_been_sent(), "{error:?}");
    assert_eq!(client.assets().unfinished_boards.len(), 1);
    let report = client.cleanup().everything().await.unwrap();
    assert!(report.is_success() && report.deleted.is_empty(), "{report}");
    assert!(client.assets().is_empty());
    assert_eq!(server.world().boards.len(), 1);
}

#[tokio::test]
async fn a_board_whose_answer_was_lost_is_found_by_its_mark() {
    let server = FakeGallery::start().await;
    server.world().boards.insert("theirs".into(), "samples".into());
    // At the same time another program creates one of that name.
    server.world().after = Some(Box::new(|world, call| {
        if call == "POST boards/" {
            world.boards.insert("of another program".into(), "samples".into());
        }
    }));
    let client = client(&server);
    for is_found in [true, false] {
        server.world().lose.push_back(("POST", "boards/", Lost::Answer));
        if !is_found {
            server.world().lose.extend([("GET", "boards/", Lost::Request); READS]);
        }
        let created = client.boards().create("samples").await;
        match is_found {
            true => {
                let board = created.unwrap();
                assert_eq!(server.world().boards[&board.board_id], "samples");
            }
            // It keeps its temporary name, which says what it is.
            false => {
                assert!(created.unwrap_err().may_have_been_sent());
                let left = server.world().boards.values().filter(|name| name.contains("samples (")).count();
                assert_eq!(left, 1, "{:?}", server.world().boards);
            }
        }
    }
    let report = client.cleanup().everything().await.unwrap();
    assert!(report.is_success() && report.deleted.len() == 2, "{report}");
    assert_eq!(server.world().boards.keys().collect::<Vec<_>>(), ["of another program", "theirs"]);
    assert!(client.assets().is_empty());
}

#[tokio::test]
async fn a_board_that_is_created_late_is_waited_for() {
    let server = FakeGallery::start().await;
    server.world().lose.push_back(("POST", "boards/", Lost::Late(Duration::from_millis(300))));
    let client = client(&server);
    client.boards().create("late").await.unwrap_err();
    let dry = client.cleanup().everything().dry_run(true).await.unwrap();
    let told = &dry.undetermined[0];
    assert_eq!(
        (&told.asset, &told.because),
        (&Asset::UnfinishedBoard("late".into()), &UndeterminedBecause::MayStillArrive)
    );
    assert!(!dry.is_success() && !dry.to_string().contains("0 failed"), "{dry}");
    let report = client.cleanup().everything().await.unwrap();
    assert!(report.is_success() && report.deleted.len() == 1, "{report}");
    assert!(server.world().boards.is_empty() && client.assets().is_empty());
}

#[tokio::test]
async fn a_board_that_cannot_be_named_is_not_left_behind() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let error = client.boards().create("x".repeat(301)).await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "{error:?}");
    assert!(server.world().boards.is_empty() && client.assets().is_empty());
    // The renaming is carried out, but its answer is lost.
    server.world().lose.push_back(("PATCH", "boards/", Lost::Answer));
    let board = client.boards().create("samples").await.unwrap();
    assert_eq!((board.board_name.as_str(), server.world().boards.len()), ("samples", 1));
    // Neither the renaming nor anything after it can be done: clean-up knows the board by its id.
    for verb in ["PATCH", "GET", "DELETE"] {
        server.world().lose.extend([(verb, "boards/board", Lost::Request); READS]);
    }
    client.boards().create("other").await.unwrap_err();
    server.world().lose.clear();
    assert_eq!((server.world().boards.len(), client.assets().boards.len()), (2, 2));
    client.cleanup().everything().await.unwrap();
    assert!(server.world().boards.is_empty());
}

/// Its own error would say that the server had refused before it did anything.
#[tokio::test]
async fn a_board_that_is_left_without_its_name_may_have_been_sent() {
    let server = FakeGallery::start().await;
    server.world().refuse = Some("PATCH boards/");
    server.world().lose.push_back(("DELETE", "boards/", Lost::Request));
    let client = client(&server);
    let error = client.boards().create("samples").await.unwrap_err();
    assert!(error.may_have_been_sent() && error.to_string().contains("not accepted"), "{error:?}");
    assert_eq!((server.world().boards.len(), client.assets().boards.len()), (1, 1));
    // Without the board it is what it was.
    let error = client.boards().create("samples").await.unwrap_err();
    assert!(matches!(error, Error::NotAccepted(_)), "{error:?}");
    assert_eq!(server.world().boards.len(), 1);
}

/// Such a ledger has only the name, as has a user's board.
#[tokio::test]
async fn a_board_of_which_only_the_name_is_known_stays_and_is_reported() {
    let server = FakeGallery::start().await;
    server.world().boards.insert("somebody's".into(), "results".into());
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let lines = [
        json!({"record": "server", "url": format!("{}/", server.url())}),
        json!({"record": "creating_board", "id": "1", "name": "results"}),
        json!({"record": "creating_board", "id": "2", "name": "nobody's"}),
    ];
    fs::write(&ledger, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let mut options = TransportOptions::default();
    options.lost_answer_patience = Duration::from_millis(1);
    let client = Client::builder(server.url()).transport(options).ledger(&ledger).build().unwrap();
    let report = client.cleanup().everything().await.unwrap();
    let [told] = &report.undetermined[..] else { panic!("{report}") };
    assert_eq!(told.asset, Asset::UnfinishedBoard("results".into()));
    assert_eq!(told.because, UndeterminedBecause::OnlyItsName);
    assert!(!report.is_success() && report.deleted.is_empty(), "{report}");
    assert!(report.to_string().ends_with("0 deleted, 0 kept, 1 could not be determined"), "{report}");
    assert_eq!((server.world().boards.len(), client.assets().unfinished_boards.len()), (1, 1));
}

#[tokio::test]
async fn a_board_that_is_being_created_is_not_cleaned_up() {
    let server = FakeGallery::start().await;
    let client = client(&server);
    let other = client.clone();
    let (send, receive) = tokio::sync::oneshot::channel();
    let mut send = Some(send);
    // Between the creation and the renaming, another task cleans up.
    server.world().after = Some(Box::new(move |_, call| {
        if call == "POST boards/" {
            send.take().unwrap().send(()).unwrap();
        }
    }));
    server.world().slow = Some(("PATCH", Duration::from_millis(400)));
    let creation = tokio::spawn(async move { other.boards().create("mine").await });
    receive.await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let report = client.cleanup().everything().await.unwrap();
    assert_eq!(report.why_kept(&Asset::UnfinishedBoard("mine".into())), Some(&KeptBecause::UnderWay), "{report}");
    creation.await.unwrap().unwrap();
    assert_eq!(server.world().boards.values().collect::<Vec<_>>(), ["mine"]);
}

/// The server's pages of boards say that there are as many boards as are on the page.
#[tokio::test]
async fn boards_beyond_the_first_page_are_found() {
    let server = FakeGallery::start().await;
    for number in 0..250 {
        server.world().boards.insert(format!("id-{number:03}"), format!("name {number}"));
    }
    let boards = client(&server).boards();
    assert_eq!(boards.find("name 240").await.unwrap().unwrap().board_id, "id-240");
    let page = boards.list().offset(200).limit(20).await.unwrap();
    assert_eq!((page.items.len(), page.total, page.has_next()), (20, 250, true));
}
