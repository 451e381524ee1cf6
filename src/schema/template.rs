//! Templates of nodes and of their fields.

use super::{Constraints, FieldType, Fields, ModelFilter};
use serde_json::{Map, Value};
use std::fmt;

/// The inputs and outputs of one invocation type.
///
/// ```
/// use invokeai_client::schema::NodeCatalog;
///
/// let denoise = NodeCatalog::embedded().get("flux_denoise").expect("a node of InvokeAI itself");
/// assert_eq!(denoise.title, "FLUX Denoise");
/// assert_eq!(denoise.inputs["num_steps"].field_type.name, "IntegerField");
/// assert_eq!(denoise.outputs["latents"].field_type.name, "LatentsField");
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct NodeTemplate {
    /// Invocation type, for example `flux_denoise`.
    pub node_type: String,
    /// Title that the editor shows, for example `FLUX Denoise`.
    pub title: String,
    /// Description; empty if the node has none.
    pub description: String,
    /// Category in the editor's node list; the editor shows `other` if there is none.
    pub category: Option<String>,
    /// Search words of the editor's node list.
    pub tags: Vec<String>,
    /// Version of the node, `major.minor.patch`.
    pub version: String,
    /// Package that the node comes from; `invokeai` for InvokeAI's own.
    pub node_pack: String,
    /// `stable`, `beta`, `prototype`, `deprecated`, `internal` or `special`.
    pub classification: String,
    /// Whether the server may answer from its invocation cache unless the workflow says otherwise.
    pub use_cache: bool,
    /// `type` of the output object, for example `image_output`.
    pub output_type: String,
    /// Input fields by name, in the order of the document.
    pub inputs: Fields<InputTemplate>,
    /// Output fields by name, in the order of the document.
    pub outputs: Fields<OutputTemplate>,
}

crate::base::debug::short_debug! { NodeTemplate { node_type, version, title; .. } }

impl NodeTemplate {
    /// The visible inputs in the order in which the editor draws them: those without `ui_order` first, then by
    /// `ui_order` (`features/nodes/hooks/useInputFieldNamesByStatus.ts`). Hidden ones are left out.
    pub fn editor_inputs(&self) -> Vec<&InputTemplate> {
        let mut inputs: Vec<_> = self.inputs.values().filter(|input| !input.ui.hidden).collect();
        // The sort is stable and `None` sorts before `Some`.
        inputs.sort_by_key(|input| input.ui.order);
        inputs
    }
}

/// One input field of a node.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct InputTemplate {
    /// Name of the field in the graph, for example `num_steps`.
    pub name: String,
    /// Title that the editor shows: the schema's, or the start-cased name if there is none.
    pub title: String,
    /// Description; empty if there is none.
    pub description: String,
    /// Type of the values that the field holds.
    pub field_type: FieldType,
    /// The type that the schema itself has, where a `ui_type` replaced it: a scheduler is an `EnumField`, a saved
    /// workflow a `StringField`. An edge may match either. Only for types that hold direct values.
    pub original_type: Option<FieldType>,
    /// `orig_required` of the schema: the editor's notion of required.
    pub required: bool,
    /// Whether the server takes `null` too. It converts nothing that an edge brings to such an input.
    pub(crate) nullable: bool,
    /// Whether the value may be given directly, by an edge, or both.
    pub input: InputKind,
    /// Default that the editor gives to a new or updated node (schema default or the fallback of the field type).
    pub default: Option<Value>,
    /// Constraints at the top level of the property: those the editor enforces.
    pub constraints: Constraints,
    /// All constraints: those of [`constraints`](Self::constraints), and the ones hidden inside `anyOf` branches, which
    /// only the server enforces.
    pub server_constraints: Constraints,
    /// Options of an enum or scheduler field, in order; empty otherwise. Integers stay integers.
    pub options: Vec<EnumOption>,
    /// Which models fit the field; any model, if it holds none.
    pub model_filter: ModelFilter,
    /// How the editor shows the field.
    pub ui: UiHints,
}

crate::base::debug::short_debug! {
    InputTemplate {
        name, title, description, field_type, original_type, required, nullable, input, default, constraints,
        server_constraints, options, model_filter, ui
    }
}

/// One output field of a node.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OutputTemplate {
    /// Name of the field in the output object, for example `image`.
    pub name: String,
    /// Title that the editor shows: the schema's, or the start-cased name if there is none.
    pub title: String,
    /// Description; empty if there is none.
    pub description: String,
    /// Type of the values that the field produces.
    pub field_type: FieldType,
    /// The type that the schema itself has, where a `ui_type` replaced it; see [`InputTemplate::original_type`].
    pub original_type: Option<FieldType>,
}

crate::base::debug::short_debug! { OutputTemplate { name, title, description, field_type, original_type } }

/// How an input may be given its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// Directly or by an edge.
    Any,
    /// Directly; no edge may end here.
    Direct,
    /// By an edge; a direct value is ignored.
    Connection,
}

impl InputKind {
    /// The word of the schema: `any`, `direct` or `connection`.
    pub fn as_str(self) -> &'static str {
        match self {
            InputKind::Any => "any",
            InputKind::Direct => "direct",
            InputKind::Connection => "connection",
        }
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One choice of an enum field.
#[derive(Clone, PartialEq)]
pub struct EnumOption {
    /// The value to send, a string or an integer.
    pub value: Value,
    /// What the editor shows instead of the value, if the schema says so (`ui_choice_labels`).
    pub label: Option<String>,
}

crate::base::debug::short_debug! { EnumOption { value, label } }

/// How the editor shows a field.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct UiHints {
    /// Whether the editor hides the field.
    pub hidden: bool,
    /// Place among the ordered fields of the node.
    pub order: Option<i64>,
    /// Widget: `textarea`, `slider`, `video-frame-index` or `none`.
    pub component: Option<String>,
    /// Every `ui_*` member of the schema as it is, including those above and `ui_type`, `ui_choice_labels`,
    /// `ui_model_*`.
    pub members: Map<String, Value>,
}

crate::base::debug::short_debug! { UiHints { hidden, order, component, members } }
