//! Which node something is about: an event, a failure, a problem, an output.

use std::fmt;

/// A node, with what is known about it: its id, type and title.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "fleet", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NodeRef {
    /// Id in the workflow. A node inside an iteration is executed several times under one id.
    pub id: String,
    /// Id of one execution of the node, random and unique in its session; `None` where no single execution is meant.
    pub prepared_id: Option<String>,
    /// Type, for example `denoise_latents`.
    pub node_type: String,
    /// The label that the user gave it, or the title of its type if there is none; `None` where neither is known.
    pub title: Option<String>,
}

crate::base::debug::short_debug! { NodeRef { id, prepared_id, node_type, title } }

impl NodeRef {
    pub(crate) fn new(id: impl Into<String>, node_type: impl Into<String>, title: Option<String>) -> Self {
        Self { id: id.into(), prepared_id: None, node_type: node_type.into(), title }
    }

    /// The same, for one execution.
    pub(crate) fn prepared(mut self, id: impl Into<String>) -> Self {
        self.prepared_id = Some(id.into());
        self
    }

    /// How to name it: its title, or its type if there is none.
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.node_type)
    }
}

/// `Upscale (esrgan, 4c1b…)`: name, type and id.
impl fmt::Display for NodeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.name(), self.node_type, self.id)
    }
}
