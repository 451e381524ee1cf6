//! Workflows of the InvokeAI web editor: reading them, filling in their inputs, and building the request that runs them.
//!
//! A [`WorkflowDefinition`] is the exported JSON, kept whole. With a node catalog it becomes a [`Workflow`], whose
//! [`Input`]s can be listed, set and checked. [`Workflow::enqueue_body`] builds what the editor itself would send.
//!
//! Data flows one way: definition -> inputs -> graph. Nothing here talks to a server; [`Client::submit`] does.
//!
//! [`Client::submit`]: crate::Client::submit
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use invokeai_client::workflow::WorkflowDefinition;
//!
//! let definition = WorkflowDefinition::from_path("flux-image-to-image.json")?;
//! let mut workflow = client.workflow(definition).await?; // with the nodes of this server
//! workflow.set_input("prompt", "a lighthouse at dusk")?;
//! for problem in workflow.problems() {
//!     println!("{problem}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Rules and words are those of InvokeAI's web editor (`invokeai/frontend/web/src/features/nodes`).

pub mod field;
pub mod generator;

mod batch;
mod connection;
mod cycles;
mod definition;
mod definition_error;
mod diff;
mod document;
mod document_json;
mod dynamic_inputs;
mod enqueue;
mod field_identifier;
mod fields;
mod forest;
mod form;
mod from_graph;
mod graph;
mod input;
mod input_schema;
mod interface;
mod json;
mod labels;
mod legacy_values;
mod load;
mod migrate;
mod models;
mod names;
mod options;
mod outputs;
mod parse;
pub(crate) mod png_text;
mod presence;
mod problem;
mod read;
mod read_json;
mod readiness;
mod references;
mod renamed;
mod server_rules;
mod shape;
mod table;
mod text;
mod update;
mod value;
mod warning;
mod wiring;
mod working_copy;
mod wrapped;

pub use definition::{DefinitionError, WorkflowDefinition};
pub use diff::{WorkflowChange, WorkflowDiff};
pub(crate) use dynamic_inputs::is_of_called_workflow;
pub use enqueue::{BatchDatum, EnqueueError, EnqueueOptions};
pub use fields::NamedField;
pub use input::{Input, InputError, InputKey};
pub use interface::{Difference, DifferenceKind, Interface};
pub(crate) use labels::labels_of;
pub use models::{MatchedBy, MissingModel, ModelReport, ModelUse, ResolvedModel, WantedModel};
pub use options::WorkflowOptions;
pub use outputs::OutputNode;
#[cfg(feature = "serve")]
pub(crate) use outputs::PlainOutput;
pub use problem::{Problem, ProblemKind, ProblemSource};
pub use references::Reference;
pub use warning::{Warning, WarningKind};
pub use working_copy::{InputMut, SharedCatalog, Workflow};
