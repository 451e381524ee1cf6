//! Use case 2: set the inputs of the workflow of use case 1 and check them. Needs no server.
//!
//! `cargo run --example use_case_2_set_inputs`
//!
//! An error about a refused value names the field, the value and what would be accepted. Models carry their `hash`,
//! which the server demands.

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
use serde_json::json;
use std::error::Error;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

fn main() -> Result<(), Box<dyn Error>> {
    let definition = WorkflowDefinition::from_path(EXAMPLE)?;
    let mut workflow = Workflow::new(definition, NodeCatalog::embedded());

    // Models as JSON: what a server lists (`GET /api/v2/models/`) can be used as it is.
    workflow.set_inputs([
        (
            "f8d9d7c8-9ed7-4bd7-9e42-ab0e89bfac90.model",
            json!({"key": "fe04e4c3-2287-4ba5-8c34-107d3da215ae", "hash": "blake3:01", "name": "FLUX Dev (Quantized)",
                   "base": "flux", "type": "main"}),
        ),
        (
            "f8d9d7c8-9ed7-4bd7-9e42-ab0e89bfac90.t5_encoder_model",
            json!({"key": "t5-encoder-key-123", "hash": "blake3:02", "name": "T5 Encoder FLUX", "base": "any",
                   "type": "t5_encoder"}),
        ),
        (
            "f8d9d7c8-9ed7-4bd7-9e42-ab0e89bfac90.clip_embed_model",
            json!({"key": "clip-embed-key-456", "hash": "blake3:03", "name": "CLIP-L Encoder", "base": "any",
                   "type": "clip_embed"}),
        ),
        (
            "f8d9d7c8-9ed7-4bd7-9e42-ab0e89bfac90.vae_model",
            json!({"key": "vae-model-key-789", "hash": "blake3:04", "name": "FLUX VAE", "base": "flux", "type": "vae"}),
        ),
    ])?;

    // Names that only one input has work as well.
    workflow.set_input("prompt", "A serene mountain landscape at sunset, photorealistic, high detail")?;
    workflow.set_input("image", "mountain.png")?;

    // A text that is a number becomes one.
    let mut steps = workflow.input_mut("num_steps")?;
    steps.set("30")?;
    if let Err(refused) = steps.set(-5) {
        println!("Field validation error: {refused}");
    }
    workflow.set_input("denoising_start", 0.65)?;
    assert_eq!(workflow.get_input::<i64>("num_steps")?, Some(30));

    let errors = workflow.validate_inputs();
    if errors.is_empty() {
        println!("All inputs are valid");
    }
    for (input, problems) in errors {
        println!("  {input}: {}", problems.join(", "));
    }

    let missing = workflow.missing_required_inputs();
    if missing.is_empty() {
        println!("All required inputs are set, workflow ready for submission");
    } else {
        println!("Still missing required inputs: {}", missing.join(", "));
    }

    let body = workflow.enqueue_body(&EnqueueOptions::default())?;
    let nodes = body["batch"]["graph"]["nodes"].as_object().map_or(0, serde_json::Map::len);
    println!("The request that runs it has {nodes} nodes");
    Ok(())
}
