//! The workflow and graph that an image or video carries.

use serde_json::Value;

use crate::{
    error::{Error, Result},
    json::{
        lenient,
        weight::{self, Meter},
    },
    workflow::{DefinitionError, WorkflowDefinition},
};

/// Workflow and graph that an image or video carries, each as the JSON text that was stored.
///
/// InvokeAI embeds the *source* graph, with batch values in it and unset fields as null.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Embedded {
    /// The workflow as the editor exported it.
    pub workflow: Option<String>,
    /// The graph that was run.
    pub graph: Option<String>,
}

crate::json::record::readable! { Embedded { 0 workflow nullable, 1 graph nullable } }

crate::base::debug::short_debug! { Embedded { workflow, graph } }

impl Embedded {
    /// The workflow, parsed; `None` if there is none.
    ///
    /// # Errors
    /// If the editor would not load it.
    pub fn definition(&self) -> Option<Result<WorkflowDefinition, DefinitionError>> {
        self.workflow.as_ref().map(|text| text.parse())
    }

    /// The graph as JSON; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Decode`] if it is not JSON.
    pub fn graph_json(&self) -> Result<Option<Value>> {
        let read = |text: &String| {
            let meter = Meter::of(text.len(), weight::ALWAYS);
            lenient::from_slice(text.as_bytes(), &meter)
                .map_err(|misfit| Error::decode("get_image_workflow", "graph", misfit.problem(), text))
        };
        self.graph.as_ref().map(read).transpose()
    }
}
