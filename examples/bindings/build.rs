//! Generates a struct from a workflow.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    invokeai_client::bindings::Builder::new().workflow("../workflows/resize-and-blur.json").generate()?;
    Ok(())
}
