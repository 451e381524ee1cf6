//! The node catalogue: what every invocation type takes and gives.
//!
//! InvokeAI describes its nodes in its own OpenAPI document. This module reads that description into
//! [`NodeTemplate`]s, the way the web editor does (`features/nodes/util/schema/parseSchema.ts`), from the document
//! embedded at compile time or from a live server, which also knows its custom nodes.

use indexmap::IndexMap;
use serde_json::Value;

/// Every node type a server offers, by invocation type, in the order of the document.
#[derive(Debug, Clone, Default)]
pub struct NodeCatalogue {
    templates: IndexMap<String, NodeTemplate>,
}

/// What one invocation type takes and gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeTemplate {
    /// Invocation type, for example `flux_denoise`.
    pub node_type: String,
    pub title: String,
    pub description: String,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub version: String,
    pub node_pack: String,
    pub classification: String,
    pub use_cache: bool,
    /// `type` of the output object, for example `image_output`.
    pub output_type: String,
    pub inputs: IndexMap<String, InputTemplate>,
    pub outputs: IndexMap<String, OutputTemplate>,
}

/// One input field of a node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct InputTemplate {
    pub name: String,
    pub title: String,
    pub description: String,
    pub field_type: FieldType,
    /// `orig_required` of the schema: the editor's notion of required.
    pub required: bool,
    pub input: InputKind,
    /// Default the editor gives to a new or updated node (schema default or the fallback of the field type).
    pub default: Option<Value>,
    /// Constraints at the top level of the property: those the editor enforces.
    pub constraints: Constraints,
    /// Those, plus the ones hidden inside `anyOf` branches, which only the server enforces.
    pub server_constraints: Constraints,
    /// Options of an enum field, in order; empty otherwise. Integers stay integers.
    pub options: Vec<EnumOption>,
    pub model_filter: ModelFilter,
    pub ui: UiHints,
}

/// One output field of a node.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OutputTemplate {
    pub name: String,
    pub title: String,
    pub description: String,
    pub field_type: FieldType,
}

/// Type of a field: InvokeAI's type name and how many values it holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldType {
    /// For example `IntegerField`, `ImageField`, `ModelIdentifierField`.
    pub name: String,
    pub cardinality: Cardinality,
    /// Whether the field feeds or is fed by the batch engine.
    pub batch: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cardinality {
    Single,
    Collection,
    SingleOrCollection,
}

/// How an input may be given its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    Any,
    Direct,
    Connection,
}

#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Constraints {
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: Option<f64>,
    pub exclusive_maximum: Option<f64>,
    pub multiple_of: Option<f64>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct EnumOption {
    pub value: Value,
    pub label: Option<String>,
}

/// Which models the editor's picker offers for a field. Empty lists mean "any".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelFilter {
    pub base: Vec<String>,
    pub model_type: Vec<String>,
    pub variant: Vec<String>,
    pub format: Vec<String>,
    pub provider_id: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct UiHints {
    pub hidden: bool,
    pub order: Option<i64>,
    pub component: Option<String>,
}

impl NodeCatalogue {
    pub fn get(&self, node_type: &str) -> Option<&NodeTemplate> {
        self.templates.get(node_type)
    }
}
