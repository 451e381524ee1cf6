//! A server with several users: logins, renewed tokens, what others may not see.
//!
//! Wants a server started by `tests/server/run start --multiuser`, its address in `INVOKEAI_TEST_MULTIUSER_URL` and its
//! administrator in `INVOKEAI_TEST_EMAIL` and `INVOKEAI_TEST_PASSWORD`.

use std::env;

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, Error, Upload,
    boards::{Board, BoardVisibility},
};

use crate::common::{live, skip};

fn picture() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(8, 8).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn logged_in(url: &str, email: &str, password: &str) -> Client {
    let client = Client::new(url).unwrap();
    client.auth().login(email, password, false).await.unwrap();
    client
}

#[tokio::test]
async fn users_log_in_and_see_what_they_may() {
    let Ok(url) = env::var("INVOKEAI_TEST_MULTIUSER_URL") else {
        skip::skipped(format_args!("users: INVOKEAI_TEST_MULTIUSER_URL is not set"));
        return;
    };
    let _turn = live::turn().await;
    let email = env::var("INVOKEAI_TEST_EMAIL").expect("INVOKEAI_TEST_EMAIL");
    let password = env::var("INVOKEAI_TEST_PASSWORD").expect("INVOKEAI_TEST_PASSWORD");

    // Without a login, and with a wrong one.
    let nobody = Client::new(&*url).unwrap();
    let status = nobody.auth().status().await.unwrap();
    assert!(status.multiuser_enabled && !status.setup_required, "{status:?}");
    assert!(matches!(nobody.boards().list().await, Err(Error::Unauthorized(_))));
    assert!(matches!(nobody.auth().login(&email, "wrong", false).await, Err(Error::Unauthorized(_))));
    assert!(matches!(nobody.auth().login("no address", "x", false).await, Err(Error::NotAccepted(_))));
    assert!(matches!(nobody.auth().set_up(&email, &password, None).await, Err(Error::NotAccepted(_))));
    let forged = Client::builder(&*url).token("forged").build().unwrap();
    assert!(matches!(forged.auth().me().await, Err(Error::Unauthorized(_))));

    // The administrator creates two users.
    let admin = logged_in(&url, &email, &password).await;
    let me = admin.auth().me().await.unwrap();
    assert!(me.is_admin && me.email == email);
    let secret = admin.auth().generate_password().await.unwrap();
    let mut users = Vec::new();
    for name in ["anna", "bert"] {
        let address = format!("{name}-{}@example.org", uuid::Uuid::new_v4());
        let user = admin.auth().create_user(&address, &secret, Some(name), false).await.unwrap();
        assert!(user.created_at.as_ref().unwrap().unix_millis().is_some() && !user.is_admin);
        assert_eq!(admin.user(&user.user_id).get().await.unwrap().email, address);
        users.push(user);
    }
    assert!(admin.auth().users().await.unwrap().items.into_iter().flatten().count() >= 3);
    let anna = logged_in(&url, &users[0].email, &secret).await;
    let bert = logged_in(&url, &users[1].email, &secret).await;
    for refused in [
        anna.auth().users().await.map(drop),
        anna.images().clear_intermediates().await.map(drop),
        anna.user(&users[1].user_id).set_admin(true).await.map(drop),
        anna.models().install(invokeai_client::models::ModelSource::local_in_place("/x")).await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    }

    // What is Anna's is hers, until she shares it.
    let board = anna.boards().create("Anna's").await.unwrap();
    assert_eq!(board.user_id.as_ref(), Some(&users[0].user_id));
    let image = anna.board(&board.board_id).upload(Upload::bytes("x.png", picture())).await.unwrap();
    let foreign = bert.image(&image.image_name);
    assert!(matches!(foreign.get().await, Err(Error::Forbidden(_))));
    assert!(matches!(foreign.download().bytes().await, Err(Error::Forbidden(_))));
    assert!(matches!(foreign.delete().await, Err(Error::Forbidden(_))));
    let outcome = bert.images().delete([&image.image_name]).await;
    assert_eq!(outcome.done, Vec::<String>::new(), "{outcome:?}");
    assert!(anna.image(&image.image_name).find().await.unwrap().is_some());
    assert!(bert.board(&board.board_id).rename("Bert's").await.is_err());
    let seen = || async { bert.boards().list().stream().try_collect::<Vec<Board>>().await.unwrap().len() };
    assert_eq!(seen().await, 0);
    let shared = anna.board(&board.board_id).set_visibility(BoardVisibility::Shared).await.unwrap();
    assert_eq!((shared.board_visibility, seen().await), (Some(BoardVisibility::Shared), 1));
    assert!(anna.board(&board.board_id).zip().bytes().await.unwrap().starts_with(b"PK"));

    // A new password ends other logins; this client goes on with the token in the answer.
    let elsewhere = logged_in(&url, &users[0].email, &secret).await;
    let new = admin.auth().generate_password().await.unwrap();
    assert!(matches!(anna.auth().change_password("wrong", &new).await, Err(Error::NotAccepted(_))));
    anna.auth().change_password(&secret, &new).await.unwrap();
    assert!(matches!(elsewhere.auth().me().await, Err(Error::Unauthorized(_))));
    anna.auth().me().await.expect("the answer held a new token");

    anna.board(&board.board_id).delete_with_contents().await.unwrap();
    anna.auth().logout().await.unwrap();
    assert!(matches!(anna.auth().me().await, Err(Error::Unauthorized(_))));
    assert_eq!(admin.user(&users[1].user_id).set_active(false).await.unwrap().is_active, Some(false));
    assert!(bert.auth().me().await.is_err());
    for user in users {
        admin.user(&user.user_id).delete().await.unwrap();
        assert_eq!(admin.user(&user.user_id).find().await.unwrap(), None);
    }
}
