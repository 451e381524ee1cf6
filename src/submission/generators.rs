//! Generators that only a server can evaluate.

use serde_json::{Value, json};

use crate::{
    Client,
    error::Result,
    workflow::{
        Workflow,
        generator::{BoardSection, ServerRequest},
    },
};

/// Asks the server for the values of every generator that needs it, by id of the generator node.
pub(super) async fn answers(client: &Client, workflow: &Workflow) -> Result<Vec<(String, Vec<Value>)>> {
    let mut answers = Vec::new();
    for (node, request) in workflow.server_requests() {
        let values = match request {
            ServerRequest::DynamicPrompts { prompt, max_prompts, combinatorial, seed } => {
                dynamic_prompts(client, prompt, max_prompts, combinatorial, seed).await?
            }
            ServerRequest::BoardImages { board_id, category } => board_images(client, board_id, category).await?,
        };
        answers.push((node, values));
    }
    Ok(answers)
}

struct Prompts {
    prompts: Vec<Value>,
}

crate::json::record::readable! { Prompts { 0 prompts } }

async fn dynamic_prompts(
    client: &Client,
    prompt: String,
    max_prompts: i64,
    combinatorial: bool,
    seed: Option<i64>,
) -> Result<Vec<Value>> {
    let api = client.api();
    // Without a seed the server would give the same prompts every time.
    let seed = seed.unwrap_or_else(|| i64::from(fastrand::u32(..)));
    let call = api
        .parse_dynamicprompts()
        .body_map(|body| body.prompt(prompt).max_prompts(max_prompts).combinatorial(combinatorial).seed(seed))
        .send_as::<Prompts>();
    Ok(call.await?.prompts)
}

async fn board_images(client: &Client, board_id: String, category: BoardSection) -> Result<Vec<Value>> {
    let categories: &[&str] = match category {
        BoardSection::Images => &["general"],
        BoardSection::Assets => &["control", "mask", "user", "other"],
    };
    let categories: Vec<_> = categories.iter().map(|name| crate::api::enums::ImageCategory::from(*name)).collect();
    let api = client.api();
    let call = api
        .list_all_board_image_names()
        .board_id(board_id)
        .categories(categories)
        .is_intermediate(false)
        .send_as::<Vec<String>>();
    Ok(call.await?.into_iter().map(|name| json!({ "image_name": name })).collect())
}
