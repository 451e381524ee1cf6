//! The workflow inside generated code.

use crate::schema::{InputTemplate, NodeCatalog};
use crate::workflow::{Interface, Workflow, WorkflowDefinition};
use std::collections::HashMap;
use std::sync::Arc;

/// The workflow that code was generated from, and the inputs that its nodes had then.
pub struct Embedded {
    definition: Arc<WorkflowDefinition>,
    workflow: Workflow,
    interface: Interface,
    templates: HashMap<String, Arc<InputTemplate>>,
}

crate::base::debug::short_debug! { Embedded { definition, workflow, interface, templates } }

impl Embedded {
    /// Reads the texts that the generator wrote: the workflow, and its [`Interface`].
    ///
    /// # Panics
    /// If they are not what the generator wrote.
    pub fn read(workflow: &str, interface: &str) -> Self {
        let read = || {
            let definition: WorkflowDefinition = workflow.parse().map_err(|error| format!("{error}"))?;
            let interface = serde_json::from_str(interface).map_err(|error| error.to_string())?;
            let interface = Interface::from_json(&interface).ok_or("it describes no nodes")?;
            Ok::<_, String>((Arc::new(definition), interface))
        };
        // The texts are part of a program, not input of it.
        let (definition, interface) =
            read().unwrap_or_else(|error| panic!("generated code was changed, or is of another version: {error}"));
        let workflow = Workflow::new(definition.clone(), NodeCatalog::embedded());
        let templates =
            workflow.node_types().filter_map(|(id, node_type)| Some((id, interface.node_inputs(node_type)?)));
        let templates = templates
            .flat_map(|(id, inputs)| inputs.map(move |(field, template)| (format!("{id}.{field}"), template.clone())));
        let templates = templates.collect();
        Embedded { definition, workflow, interface, templates }
    }

    /// The definition.
    pub fn definition(&self) -> &Arc<WorkflowDefinition> {
        &self.definition
    }

    /// The workflow with the nodes of this crate, and the values of the file.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The inputs that the nodes had when the code was generated.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The template of an input when the code was generated.
    pub(super) fn template(&self, system_name: &str) -> Option<&Arc<InputTemplate>> {
        self.templates.get(system_name)
    }
}
