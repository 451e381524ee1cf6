//! The catalogue itself.

use super::NodeTemplate;
use super::read::read_node;
use indexmap::IndexMap;
use serde_json::Value;
use std::sync::LazyLock;

/// The parts of the package's OpenAPI document that describe nodes; the build script leaves out the rest.
const EMBEDDED: &str = include_str!(concat!(env!("OUT_DIR"), "/catalogue.json"));

/// Every node type a server offers, by invocation type, in the order of the document.
///
/// ```
/// use invokeai_client::schema::NodeCatalogue;
///
/// let catalogue = NodeCatalogue::embedded();
/// let noise = catalogue.get("noise").expect("a node of InvokeAI itself");
/// assert_eq!(noise.inputs["width"].constraints.multiple_of, Some(8.0));
/// assert!(catalogue.get("no_such_node").is_none());
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeCatalogue {
    templates: IndexMap<String, NodeTemplate>,
    unreadable: Vec<UnreadableSchema>,
}

/// A node or field of the document that could not be read and is therefore not in the catalogue. The editor leaves
/// the same ones out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableSchema {
    /// Name in `components.schemas`.
    pub schema: String,
    /// The field, if the rest of the node could be read.
    pub field: Option<String>,
    /// What could not be read.
    pub reason: String,
}

/// Why a document gives no catalogue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The document is no OpenAPI document.
    #[error("not an OpenAPI document: `components.schemas` is not an object")]
    NotOpenApi,
    /// The document is one, but not InvokeAI's.
    #[error("the OpenAPI document describes no nodes: no schema has `\"class\": \"invocation\"`")]
    NoNodes,
}

impl NodeCatalogue {
    /// Reads the catalogue from an OpenAPI document as `GET /openapi.json` of an InvokeAI server gives it.
    ///
    /// # Errors
    /// If the document is not an OpenAPI document or describes no node. A single node or field that cannot be read is
    /// left out instead and listed by [`unreadable`](Self::unreadable).
    pub fn from_openapi(document: &Value) -> Result<Self, CatalogueError> {
        let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
        let schemas = schemas.ok_or(CatalogueError::NotOpenApi)?;
        let mut catalogue = NodeCatalogue::default();
        for (name, schema) in schemas {
            let Some(schema) = schema.as_object().filter(|s| s.get("class").is_some_and(|class| class == "invocation"))
            else {
                continue;
            };
            let unreadable = &mut catalogue.unreadable;
            let mut report = |field: Option<&str>, reason| {
                let field = field.map(str::to_owned);
                unreadable.push(UnreadableSchema { schema: name.clone(), field, reason });
            };
            match read_node(schema, schemas, &mut |field, reason| report(Some(field), reason)) {
                Ok(Some(node)) => _ = catalogue.templates.insert(node.node_type.clone(), node),
                Ok(None) => {}
                Err(reason) => report(None, reason),
            }
        }
        if catalogue.templates.is_empty() { Err(CatalogueError::NoNodes) } else { Ok(catalogue) }
    }

    /// The catalogue of a bare InvokeAI 6.14.2, or of the document that `INVOKEAI_OPENAPI` named when the crate was
    /// built. It is read on first use and kept for the life of the program.
    pub fn embedded() -> &'static Self {
        static CATALOGUE: LazyLock<NodeCatalogue> = LazyLock::new(|| {
            // The text is made by the build script and read by a test of this crate, so neither step fails; if one
            // ever did, an empty catalogue reports every node as unknown.
            let document = serde_json::from_str(EMBEDDED).unwrap_or_default();
            NodeCatalogue::from_openapi(&document).unwrap_or_default()
        });
        &CATALOGUE
    }

    /// The node of this invocation type.
    pub fn get(&self, node_type: &str) -> Option<&NodeTemplate> {
        self.templates.get(node_type)
    }

    /// All nodes, in the order of the document.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &NodeTemplate> {
        self.templates.values()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Nodes and fields that could not be read, in the order of the document.
    pub fn unreadable(&self) -> &[UnreadableSchema] {
        &self.unreadable
    }
}

#[cfg(test)]
mod tests;
