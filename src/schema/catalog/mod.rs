//! The catalog itself.

mod described;
mod embedded;

use super::NodeTemplate;
use super::read::read_node;
use crate::base::debug::Short;
use crate::json::borrowed::{Json, Members};
use crate::json::weight::{self, Meter};
use described::Described;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Every node type that a server offers, by invocation type, in the order of the document.
///
/// ```
/// use invokeai_client::schema::NodeCatalog;
///
/// let catalog = NodeCatalog::embedded();
/// let noise = catalog.get("noise").expect("a node of InvokeAI itself");
/// assert_eq!(noise.inputs["width"].constraints.multiple_of, Some(8.0));
/// assert!(catalog.get("no_such_node").is_none());
/// ```
#[derive(Clone)]
pub struct NodeCatalog(Source);

#[derive(Clone)]
enum Source {
    /// The embedded nodes, each read when it is asked for.
    Embedded,
    /// The same, for a document that came as text.
    Described(Arc<Described>),
    Read(Nodes),
}

/// All nodes of a document.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Nodes {
    pub(super) templates: IndexMap<String, NodeTemplate>,
    pub(super) unreadable: Vec<UnreadableSchema>,
}

/// A node or field of the document that could not be read and is therefore not in the catalog. The editor leaves
/// the same ones out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableSchema {
    /// Name in `components.schemas`.
    pub schema: String,
    /// The field, if the rest of the node could be read.
    pub field: Option<String>,
    /// What could not be read.
    pub reason: String,
}

crate::base::debug::short_debug! { UnreadableSchema { schema, field, reason } }

/// Why a catalog cannot be read from a document.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The document is not JSON.
    #[error("not JSON that can be read: {0}")]
    NotJson(String),
    /// The document has a shape that would take far more memory than its length.
    #[error("the document would take more than {limit} bytes of memory")]
    #[non_exhaustive]
    TooCostly {
        /// The most memory that may be taken, in bytes.
        limit: usize,
    },
    /// The document is not an OpenAPI document.
    #[error("not an OpenAPI document: `components.schemas` is not an object")]
    NotOpenApi,
    /// The document is an OpenAPI document, but not InvokeAI's.
    #[error("the OpenAPI document describes no nodes: no schema has `\"class\": \"invocation\"`")]
    NoNodes,
}

crate::base::debug::short_debug! { enum CatalogError { NotJson(value), TooCostly { limit }, NotOpenApi, NoNodes } }

impl NodeCatalog {
    /// Reads the catalog from an OpenAPI document, as `GET /openapi.json` of an InvokeAI server returns it.
    ///
    /// # Errors
    /// If the document is not an OpenAPI document or describes no node. A single node or field that cannot be read is
    /// left out instead and listed by [`unreadable`](Self::unreadable).
    pub fn from_openapi(document: &Value) -> Result<Self, CatalogError> {
        let mut nodes = Nodes::default();
        nodes.read(document)?;
        if nodes.templates.is_empty() { Err(CatalogError::NoNodes) } else { Ok(NodeCatalog(Source::Read(nodes))) }
    }

    /// Reads the catalog from the text of the document: many times faster, because a node is read when it is first
    /// asked for. [`iter`](Self::iter), [`len`](Self::len), [`unreadable`](Self::unreadable) and comparisons read all.
    ///
    /// # Errors
    /// Same as [`from_openapi`](Self::from_openapi), and if the text is not JSON.
    pub fn from_openapi_text(text: &str) -> Result<Self, CatalogError> {
        if let Some(described) = Described::index(text) {
            return Ok(NodeCatalog(Source::Described(Arc::new(described))));
        }
        let not_json = |error: serde_json::Error| CatalogError::NotJson(error.to_string());
        let meter = Meter::of(text.len(), weight::ALWAYS);
        weight::weigh(text, &meter).map_err(|error| match meter.is_exceeded() {
            true => CatalogError::TooCostly { limit: meter.limit() },
            false => not_json(error),
        })?;
        Self::from_openapi(&serde_json::from_str(text).map_err(not_json)?)
    }

    /// The catalog of a bare InvokeAI 6.14.2, or of the document that `INVOKEAI_OPENAPI` named when the crate was
    /// built.
    ///
    /// A node is read when it is first asked for, and kept for the life of the program. [`iter`](Self::iter),
    /// [`len`](Self::len), [`unreadable`](Self::unreadable) and comparisons read all.
    pub fn embedded() -> &'static Self {
        const { &NodeCatalog(Source::Embedded) }
    }

    fn all(&self) -> &Nodes {
        match &self.0 {
            Source::Embedded => embedded::all(),
            Source::Described(described) => described.all(),
            Source::Read(nodes) => nodes,
        }
    }

    /// The node with this invocation type.
    pub fn get(&self, node_type: &str) -> Option<&NodeTemplate> {
        match &self.0 {
            Source::Embedded => embedded::node(node_type),
            Source::Described(described) => described.node(node_type),
            Source::Read(nodes) => nodes.templates.get(node_type),
        }
    }

    /// All nodes, in the order of the document.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &NodeTemplate> {
        self.all().templates.values()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.all().templates.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.all().templates.is_empty()
    }

    /// Nodes and fields that could not be read, in the order of the document.
    pub fn unreadable(&self) -> &[UnreadableSchema] {
        &self.all().unreadable
    }
}

/// A catalog without nodes.
impl Default for NodeCatalog {
    fn default() -> Self {
        NodeCatalog(Source::Read(Nodes::default()))
    }
}

impl PartialEq for NodeCatalog {
    fn eq(&self, other: &Self) -> bool {
        matches!((&self.0, &other.0), (Source::Embedded, Source::Embedded)) || self.all() == other.all()
    }
}

/// Shows the number of nodes, of which a server has hundreds.
impl fmt::Debug for NodeCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let Nodes { templates, unreadable } = self.all();
            f.debug_struct("NodeCatalog")
                .field("nodes", &templates.len())
                .field("unreadable", &Short(unreadable))
                .finish()
        })
    }
}

impl Nodes {
    /// Adds the nodes of a document.
    pub(super) fn read(&mut self, document: &Value) -> Result<(), CatalogError> {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        let schemas = schemas.ok_or(CatalogError::NotOpenApi)?;
        for (name, schema) in schemas.iter().filter(|(_, schema)| schema["class"] == "invocation") {
            self.read_schema(name, Json::deserialize(schema), |output| Json::deserialize(schemas.get(output)?).ok());
        }
        Ok(())
    }

    /// Adds the node that a schema describes, if it describes one. `other` returns the schema of its output.
    pub(super) fn read_schema<'a>(
        &mut self,
        name: &str,
        schema: serde_json::Result<Json<'_>>,
        other: impl FnOnce(&str) -> Option<Json<'a>>,
    ) {
        let unreadable = &mut self.unreadable;
        let mut report = |field: Option<&str>, reason| {
            let field = field.map(str::to_owned);
            unreadable.push(UnreadableSchema { schema: name.to_owned(), field, reason });
        };
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => return report(None, format!("not JSON that can be read: {error}")),
        };
        let class = |schema: &&Members<'_>| schema.get("class").is_some_and(|class| *class == *"invocation");
        let Some(schema) = schema.as_object().filter(class) else {
            return;
        };
        match read_node(schema, other, &mut |field, reason| report(Some(field), reason)) {
            Ok(Some(node)) => _ = self.templates.insert(node.node_type.clone(), node),
            Ok(None) => {}
            Err(reason) => report(None, reason),
        }
    }
}

#[cfg(test)]
mod tests;
