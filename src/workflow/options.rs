//! What loading a workflow may need.

use super::definition::WorkflowDefinition;
use std::collections::HashMap;

/// What loading a workflow may need besides the definition and the catalog.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct WorkflowOptions {
    /// Definitions of the workflows that `call_saved_workflow` nodes call, by library id. Without them those nodes keep
    /// the inputs of their last save. [`WorkflowDefinition::called_workflow_ids`] lists the ids.
    pub saved_workflows: HashMap<String, WorkflowDefinition>,
    /// Whether to update nodes of another major version to the server's, which the editor refuses. What that changed is
    /// reported by [`WarningKind::NodeUpdated`](super::WarningKind::NodeUpdated) and
    /// [`WarningKind::ValueLost`](super::WarningKind::ValueLost).
    pub update_nodes: bool,
}

crate::base::debug::short_debug! { WorkflowOptions { saved_workflows, update_nodes } }

impl WorkflowOptions {
    /// Sets [`update_nodes`](Self::update_nodes).
    pub fn update_nodes(mut self, update: bool) -> Self {
        self.update_nodes = update;
        self
    }
}
