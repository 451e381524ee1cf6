//! Use case 1: load a workflow exported from the editor and see what can be set. Needs no server.
//!
//! `cargo run --example use_case_1_list_inputs [WORKFLOW]`
//!
//! Its output differs from that for InvokeAI before 6.8: the T5 encoder, the CLIP embedder and the VAE of a FLUX loader
//! are optional now, so they are neither required nor missing. A model field is named by the kind of model it asks for
//! (`InkMainModelField`). User names are the labels of the form's inputs, so a second `prompt` on a node outside the
//! form does not collide.

use invokeai_client::schema::NodeCatalog;
use invokeai_client::workflow::{Workflow, WorkflowDefinition};
use std::error::Error;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| EXAMPLE.to_owned());
    let definition = WorkflowDefinition::from_path(path)?;
    // The nodes of InvokeAI 6.14.2. With a server at hand, its own catalog knows its custom nodes too.
    let workflow = Workflow::new(definition, NodeCatalog::embedded());

    let definition = workflow.definition();
    println!("Workflow: {}", definition.name());
    println!("Description: {}", definition.description());
    println!("Version: {}", definition.version());
    println!("Author: {}\n", definition.author());

    println!("Total configurable inputs: {}", workflow.inputs().len());
    println!("{}", "=".repeat(60));
    for input in workflow.inputs() {
        println!("\nInput: {}", input.user_name);
        println!("  System Name: {}", input.system_name);
        println!("  Type: {}", input.field.ink_type());
        println!("  Required: {}", if input.required { "True" } else { "False" });
        if let Some(value) = input.value() {
            // A model prints by its name, everything else as it is.
            let name = value.get("name").unwrap_or(value);
            println!("  Current Value: {}", name.as_str().map_or_else(|| name.to_string(), str::to_owned));
        }
    }

    match workflow.inputs_by_user_name() {
        Ok(_) => println!("\nUser-defined names are unique, can use either naming scheme"),
        Err(collision) => {
            println!("\nWarning: {collision}");
            println!("Must use system-defined names for this workflow");
        }
    }
    let missing = workflow.missing_required_inputs();
    if !missing.is_empty() {
        println!("\nRequired inputs still needed: {}", missing.join(", "));
    }
    Ok(())
}
