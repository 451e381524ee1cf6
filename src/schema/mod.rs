//! The node catalog: the inputs and outputs of every invocation type.
//!
//! InvokeAI describes its nodes in its own OpenAPI document. This module reads that description into [`NodeTemplate`]s,
//! the way the web editor does (`features/nodes/util/schema/parseSchema.ts`), from the document embedded at compile
//! time ([`NodeCatalog::embedded`]) or from a live server's `/openapi.json` ([`NodeCatalog::from_openapi_text`]),
//! which also has its custom nodes.
//!
//! Types and rules always come from the document, never from the name of a field.
//!
//! ```
//! use invokeai_client::schema::NodeCatalog;
//!
//! let denoise = NodeCatalog::embedded().get("flux_denoise").expect("a node of InvokeAI itself");
//! for (name, input) in &denoise.inputs {
//!     println!("{name}: {} ({})", input.field_type.name, input.description);
//! }
//! assert_eq!(denoise.inputs["num_steps"].field_type.name, "IntegerField");
//! ```

mod catalog;
mod constraints;
mod field_type;
mod fields;
mod model;
pub(crate) mod node_ref;
mod read;
mod start_case;
mod template;

pub use catalog::{CatalogError, NodeCatalog, UnreadableSchema};
pub use constraints::Constraints;
pub(crate) use constraints::json_number;
pub use field_type::{Cardinality, FieldType};
pub use fields::{Fields, FieldsIter};
pub use model::{ModelFilter, ModelRecord};
pub use template::{EnumOption, InputKind, InputTemplate, NodeTemplate, OutputTemplate, UiHints};
