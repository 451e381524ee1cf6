//! Rust structs for workflows: code that is generated in a build script, or printed to be committed.
//!
//! A workflow file becomes a struct with one accessor for each input of its form, named after the input's label, with
//! the input's type, default, bounds, choices and description. Needs the feature `bindings`, in `[build-dependencies]`
//! only; the generated code needs no feature.
//!
//! ```no_run
//! // build.rs
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     invokeai_client::bindings::Builder::new().workflow("workflows/flux.json").generate()?;
//!     Ok(())
//! }
//! ```
//!
//! ```text
//! // main.rs
//! mod flux {
//!     invokeai_client::include_bindings!("flux");
//! }
//!
//! let mut flux = flux::Flux::new(flux::Required { prompt: "a lighthouse".into(), model: MainModel::named("FLUX Dev") })?;
//! flux.set_num_steps(30)?;
//! let submission = client.submit(&flux).await?;
//! ```
//!
//! Names: a label becomes snake case (`Num Steps` is `num_steps`). A label without ASCII letters or digits, or with
//! letters of other alphabets, gives way to the field's name. Where several labels give the same name, each is preceded
//! by the title of its node (`positive_prompt`, `negative_prompt`), and numbered if that is not enough. Keywords end in
//! `_`. [`Code::renamed`] and the documentation of the struct list what was renamed.

mod accessors;
mod build;
mod choices;
mod code;
mod docs;
mod error;
mod inputs;
mod literals;
mod names;

pub use build::Builder;
pub use code::{Code, Renamed};
pub use error::BindingsError;

use crate::workflow::Workflow;

/// Generates the code for a workflow. `name` becomes the name of the struct.
///
/// ```
/// use invokeai_client::schema::NodeCatalog;
/// use invokeai_client::workflow::{Workflow, WorkflowDefinition};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
///
/// let workflow = Workflow::new(WorkflowDefinition::from_path(path)?, NodeCatalog::embedded());
/// let code = invokeai_client::bindings::generate(&workflow, "flux")?;
/// assert!(code.text.contains("pub struct Flux {"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the name has no letter, or the generated code is not valid Rust, which is a bug in this crate.
pub fn generate(workflow: &Workflow, name: &str) -> Result<Code, BindingsError> {
    code::generate(workflow, name, true)
}
