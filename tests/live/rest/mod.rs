//! Every read, and a useful set of writes, against a real server: every answer must decode, and nothing may stay behind.
//!
//! Run with `INVOKEAI_TEST_URL=http://127.0.0.1:9090 cargo test --test live rest -- --nocapture`. Where other programs use
//! the server at the same time, set `INVOKEAI_TEST_SHARED=1`: then the test looks for its own rows only, not for all.
//! Where the server has users, `INVOKEAI_TEST_TOKEN` is an administrator's token, and users are tested, too.

mod pictures;
mod reads;
mod stage;
mod writes;

use stage::on_stage;

#[tokio::test(flavor = "multi_thread")]
async fn every_read_decodes() {
    on_stage(reads::sweep).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_boards() {
    on_stage(writes::images_and_boards).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn videos() {
    on_stage(writes::videos).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workflows() {
    on_stage(writes::workflows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presets_and_prompts() {
    on_stage(writes::presets_and_prompts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queue() {
    on_stage(writes::queue).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings() {
    on_stage(writes::settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users() {
    on_stage(writes::users).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models() {
    on_stage(writes::models).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploaded_pictures_come_back_with_identical_pixels() {
    on_stage(pictures::round_trips).await;
}
