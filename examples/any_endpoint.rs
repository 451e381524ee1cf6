//! Calls endpoints of the REST API directly: each operation is a method of `client.api()`, named by its `operationId`.
//!
//! `cargo run --features testing --example any_endpoint -- [--server URL]`

#[path = "common/server.rs"]
mod server;

use std::error::Error;

use invokeai_client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = server::Server::find()?;
    let client = Client::new(&server.url)?;
    let api = client.api();

    // Answers are typed. Name only the parameters that you set.
    let version = api.app_version().send().await?;
    let status = api.get_queue_status().queue_id("default").send().await?;
    println!("InvokeAI {}, {} items wait", version.version, status.queue.pending);

    let board = api.create_board().board_name("any endpoint").send().await?;
    let page = api.list_image_dtos().board_id(&board.board_id).limit(5).is_intermediate(false).send().await?;
    println!("Board {} has {} images", board.board_id, page.total);
    api.delete_board().board_id(&board.board_id).send().await?;

    // A refusal of the server is an error with the server's own words, sorted by meaning.
    match api.get_board().board_id(&board.board_id).send().await {
        Err(error) if error.is_not_found() => println!("Gone, as it should be: {error}"),
        Err(error) => return Err(error.into()),
        Ok(_) => return Err("the board is still there".into()),
    }
    Ok(())
}
