//! The basis of generated code: workflows as Rust structs.
//!
//! The feature `bindings` generates a struct from a workflow file, in a build script or with the command
//! `invokeai-client bindings`; see the guide's page on bindings. This module has what such code uses, and what works
//! for every such struct:
//!
//! - [`TypedWorkflow`]: the struct itself. It becomes a [`Workflow`] and is made from one.
//! - [`TypedInput`]: one input, as a constant of the struct; for [`Sweep::over`](crate::Sweep::over), and for checks.
//! - [`InputType`]: the values that an input holds: numbers, texts, [`ImageRef`], [`BoardRef`], [`ModelRef`] and so on.

#[cfg(feature = "client")]
mod bind;
mod embedded;
mod input;
mod models;
mod references;
mod source;
mod structs;
mod sweep;
mod value;

pub use embedded::Embedded;
pub use input::{InputInfo, TypedInput};
pub use models::{
    AnyModel, ClipEmbed, ClipVision, ControlLora, ControlNet, ExternalImageGenerator, FluxRedux, Gemma2Encoder,
    IpAdapter, LlavaOnevision, Lora, LoraModel, MainModel, MistralEncoder, ModelKind, ModelRef, PidDecoder,
    Qwen3Encoder, Qwen3VlEncoder, QwenVlEncoder, SigLip, SpandrelImageToImage, T2iAdapter, T5Encoder, TextLlm,
    VaeModel, WanT5Encoder, kinds,
};
pub use references::{BoardRef, ImageRef, StylePresetRef, SystemPromptRef, VideoRef, WorkflowRef};
pub use source::{InputSource, TypedError};
pub use structs::{debug, deserialize, equal, from_text, serialize, to_text, to_workflow, try_from_workflow};
pub use value::{InputType, Json, OneOrMany, choice_from_json, choice_to_json, stored};

#[doc(hidden)]
pub use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
#[doc(hidden)]
pub use serde_json::Value;

pub use crate::workflow::field::ColorChannels as Color;
pub use crate::workflow::generator::Generator;

use crate::workflow::{Difference, Workflow};

/// A workflow as a struct with a typed accessor for every input. Implemented by generated code.
pub trait TypedWorkflow: Clone + Send + Sync + Sized + 'static {
    /// The inputs, in the order of the form.
    const INPUTS: &'static [InputInfo];

    /// The workflow that the code was generated from.
    fn embedded() -> &'static Embedded;

    /// The values of [`INPUTS`](Self::INPUTS), in the same order; `None` is unset.
    fn input_values(&self) -> Vec<Option<Value>>;

    /// The struct with values from elsewhere.
    ///
    /// # Errors
    /// If a value that the struct needs is missing, or a value is not of the input's type.
    fn from_inputs(inputs: &InputSource<'_, Self>) -> Result<Self, TypedError>;

    /// How the nodes of this workflow differ from those that the code was generated for. Submitting checks this first,
    /// and refuses what [cannot fit](Difference::is_breaking).
    fn differences(workflow: &Workflow) -> Vec<Difference> {
        Self::embedded().interface().differences(&workflow.interface())
    }
}
