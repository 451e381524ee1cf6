//! A workflow as it was exported: the original JSON, kept whole, and what the editor reads in it.

pub use super::definition_error::DefinitionError;
use super::document::{CURRENT_VERSION, Document, NodeData};
use super::json::{At, MAX_DEPTH, MAX_FILE, is_deeper_than, is_version};
use super::table::Set;
use super::text::{Source, Text};
use super::warning::Warning;
use super::wrapped::{self, Found};
use super::{json, migrate, png_text, read};
use crate::base::debug::Short;
use crate::base::local_file;
use crate::schema::NodeCatalog;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// A workflow exported from the InvokeAI web editor, in any version from 1.0.0 (InvokeAI 3.1) to 4.0.0 (6.13 or later).
///
/// Reading is lossless: the original JSON is kept with unknown members and member order, and serializing gives back the
/// same JSON. What the editor refuses to load is refused here, with the place of the fault.
///
/// A definition never changes. To see and set its inputs, make a [`Workflow`](super::Workflow) from it.
///
/// ```
/// use invokeai_client::workflow::WorkflowDefinition;
///
/// let definition: WorkflowDefinition = r#"{
///     "name": "Adder", "author": "", "description": "Adds", "version": "1.2.0", "contact": "", "tags": "math, demo",
///     "notes": "", "nodes": [], "edges": [], "exposedFields": [], "meta": {"version": "3.0.0"}
/// }"#
/// .parse()?;
/// assert_eq!(definition.name(), "Adder");
/// assert_eq!(definition.meta_version(), "3.0.0");
/// assert_eq!(definition.tags().collect::<Vec<_>>(), ["math", "demo"]);
/// # Ok::<(), invokeai_client::workflow::DefinitionError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct WorkflowDefinition {
    original: Original,
    meta_version: Text,
    document: Document,
    /// Nodes of a graph that are not in the document.
    left_out: Arc<[Warning]>,
}

/// Shows its name and a few counts: a workflow may be a megabyte.
impl fmt::Debug for WorkflowDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            f.debug_struct("WorkflowDefinition")
                .field("name", &Short(&self.name()))
                .field("meta_version", &Short(&self.meta_version))
                .field("nodes", &self.document.nodes.len())
                .field("edges", &self.document.edges.len())
                .finish_non_exhaustive()
        })
    }
}

/// The JSON as it was read.
#[derive(Clone)]
enum Original {
    /// Its text, and the tree that is made from it when one is asked for.
    Text(Arc<Source>, OnceLock<Value>),
    Tree(Value),
}

impl Original {
    fn tree(&self) -> &Value {
        match self {
            // The text was read before, by a reader that accepts only what makes a tree.
            Original::Text(text, tree) => tree.get_or_init(|| serde_json::from_str(text.as_str()).unwrap_or_default()),
            Original::Tree(tree) => tree,
        }
    }
}

impl PartialEq for Original {
    fn eq(&self, other: &Self) -> bool {
        self.tree() == other.tree()
    }
}

impl WorkflowDefinition {
    /// Reads a file: an exported workflow, or a PNG image made by InvokeAI that carries one. Standard input may be
    /// given by its name, `/dev/stdin`; other pipes and devices are refused, because they might never end.
    ///
    /// # Errors
    /// If the file cannot be read, or holds nothing the editor would load.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, DefinitionError> {
        Self::from_reader(local_file::open_or_inherited(path.as_ref())?)
    }

    /// Reads a stream to its end: a workflow or a PNG image, like [`from_path`](Self::from_path).
    ///
    /// # Errors
    /// Same as `from_path`.
    pub fn from_reader(reader: impl Read) -> Result<Self, DefinitionError> {
        Self::read(reader, None)
    }

    /// Like [`from_path`](Self::from_path), but also accepts a file that holds only a graph, as
    /// [`from_reader_with`](Self::from_reader_with) does.
    ///
    /// # Errors
    /// Same as `from_path`.
    pub fn from_path_with(path: impl AsRef<Path>, catalog: &NodeCatalog) -> Result<Self, DefinitionError> {
        Self::from_reader_with(local_file::open_or_inherited(path.as_ref())?, catalog)
    }

    /// Like [`from_reader`](Self::from_reader), but turns a graph into a workflow where there is no workflow, as the
    /// editor does when it opens an image: see [`from_graph`](Self::from_graph).
    ///
    /// # Errors
    /// Same as `from_reader`.
    pub fn from_reader_with(reader: impl Read, catalog: &NodeCatalog) -> Result<Self, DefinitionError> {
        Self::read(reader, Some(catalog))
    }

    fn read(reader: impl Read, catalog: Option<&NodeCatalog>) -> Result<Self, DefinitionError> {
        let mut bytes = Vec::new();
        reader.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_FILE {
            return Err(DefinitionError::TooLarge { limit: MAX_FILE });
        }
        if png_text::is_png(&bytes) {
            return Self::from_png_with(&bytes, catalog);
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| DefinitionError::Json { message: error.to_string() })?;
        // Some programs put a byte order mark before UTF-8.
        Self::from_text(text.strip_prefix('\u{feff}').unwrap_or(text), catalog)
    }

    fn from_text(text: &str, catalog: Option<&NodeCatalog>) -> Result<Self, DefinitionError> {
        json::check_length(text)?;
        let source = Source::new(text);
        if let Some((document, version)) = read::read(&source) {
            let original = Original::Text(source, OnceLock::new());
            let meta_version = Text::fixed(version);
            return Ok(WorkflowDefinition { original, meta_version, document, left_out: Arc::default() });
        }
        Self::from_json(json::read(text)?, catalog)
    }

    fn from_json(value: Value, catalog: Option<&NodeCatalog>) -> Result<Self, DefinitionError> {
        if is_deeper_than(&value, MAX_DEPTH) {
            return Err(DefinitionError::TooDeep { limit: MAX_DEPTH });
        }
        match (wrapped::unwrap(value)?, catalog) {
            (Found::Workflow(workflow), _) => Self::from_workflow(workflow),
            (Found::Graph(graph), Some(catalog)) => Self::from_graph(&graph, catalog),
            (Found::Graph(_), None) => Err(DefinitionError::OnlyGraph),
        }
    }

    /// Reads a parsed workflow, or JSON that holds one: a record of the workflow library, a queue item, an enqueue
    /// body, an answer to `GET /api/v1/images/i/{name}/workflow`.
    ///
    /// # Errors
    /// If the editor would not load it.
    pub fn from_value(value: Value) -> Result<Self, DefinitionError> {
        Self::from_json(value, None)
    }

    /// Like [`from_value`](Self::from_value), but turns a graph into a workflow where there is no workflow.
    ///
    /// # Errors
    /// Same as `from_value`.
    pub fn from_value_with(value: Value, catalog: &NodeCatalog) -> Result<Self, DefinitionError> {
        Self::from_json(value, Some(catalog))
    }

    fn from_workflow(value: Value) -> Result<Self, DefinitionError> {
        let meta_version = schema_version(&value)?;
        let at = At::root(&value);
        let document = match meta_version.as_str() {
            "1.0.0" => {
                let mut document = Document::parse(&At::root(&migrate::from_v1(&at)?), CURRENT_VERSION)?;
                // That version had no node packs; only the catalog has them.
                for node in &mut document.nodes {
                    if let NodeData::Invocation(invocation) = &mut Arc::make_mut(node).data {
                        invocation.node_pack = None;
                    }
                }
                document
            }
            "2.0.0" => Document::parse(&At::root(&migrate::from_v2(&at)?), CURRENT_VERSION)?,
            "3.0.0" => Document::parse(&at, "3.0.0")?,
            _ => Document::parse(&at, CURRENT_VERSION)?,
        };
        Ok(WorkflowDefinition { original: Original::Tree(value), meta_version, document, left_out: Arc::default() })
    }

    /// Reads the workflow in a PNG image made by InvokeAI: its text chunk `invokeai_workflow`, plain (tEXt), in UTF-8
    /// (iTXt), or compressed.
    ///
    /// # Errors
    /// If the bytes are not a PNG image, carry no workflow, or carry one that the editor would not load.
    pub fn from_png(bytes: &[u8]) -> Result<Self, DefinitionError> {
        Self::from_png_with(bytes, None)
    }

    fn from_png_with(bytes: &[u8], catalog: Option<&NodeCatalog>) -> Result<Self, DefinitionError> {
        let missing = |message: &str| DefinitionError::NoWorkflowInImage { message: message.to_owned() };
        let text = |keyword| png_text::find(bytes, keyword).map_err(|message| missing(&message));
        if let Some(workflow) = text("invokeai_workflow")? {
            return Self::from_text(&workflow, catalog);
        }
        if let Some(graph) = text("invokeai_graph")? {
            return Self::from_text(&graph, catalog);
        }
        for (keyword, program) in wrapped::FOREIGN_TEXTS {
            if text(keyword)?.is_some() {
                return Err(DefinitionError::Foreign { program });
            }
        }
        Err(missing("there is no chunk `invokeai_workflow`"))
    }

    pub(super) fn from_document(document: Document) -> Self {
        let original = Original::Tree(document.to_json());
        let meta_version = Text::fixed(CURRENT_VERSION);
        WorkflowDefinition { original, meta_version, document, left_out: Arc::default() }
    }

    /// The same, without these nodes.
    pub(super) fn without(self, left_out: Vec<Warning>) -> Self {
        WorkflowDefinition { left_out: left_out.into(), ..self }
    }

    pub(super) fn left_out(&self) -> &[Warning] {
        &self.left_out
    }

    /// The JSON as it was read.
    pub fn as_value(&self) -> &Value {
        self.original.tree()
    }

    /// The JSON as it was read.
    pub fn into_value(self) -> Value {
        match self.original {
            Original::Tree(tree) => tree,
            text => text.tree().clone(),
        }
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// Id in the workflow library of the server that it came from.
    pub fn id(&self) -> Option<&str> {
        self.document.id.as_deref()
    }

    /// Name that the author gave.
    pub fn name(&self) -> &str {
        &self.document.texts.name
    }

    /// Author's name; free text.
    pub fn author(&self) -> &str {
        &self.document.texts.author
    }

    /// What the workflow does, in the author's words.
    pub fn description(&self) -> &str {
        &self.document.texts.description
    }

    /// Version that the author gave; free text, often empty.
    pub fn version(&self) -> &str {
        &self.document.texts.version
    }

    /// How to reach the author; free text.
    pub fn contact(&self) -> &str {
        &self.document.texts.contact
    }

    /// Tags, which the file holds as one comma-separated text.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.document.texts.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty())
    }

    /// Notes of the author.
    pub fn notes(&self) -> &str {
        &self.document.texts.notes
    }

    /// `user` or `default` (shipped with InvokeAI).
    pub fn category(&self) -> &str {
        &self.document.category
    }

    /// Version of the workflow schema that the file was written in: `1.0.0`, `2.0.0`, `3.0.0` or `4.0.0`.
    pub fn meta_version(&self) -> &str {
        &self.meta_version
    }

    /// Number of nodes, including notes and connectors.
    pub fn node_count(&self) -> usize {
        self.document.nodes.len()
    }

    /// Ids of the saved workflows that `call_saved_workflow` nodes call, each once. Their definitions are needed to
    /// know the dynamic inputs of those nodes; see [`WorkflowOptions::saved_workflows`](super::WorkflowOptions).
    pub fn called_workflow_ids(&self) -> Vec<&str> {
        let (mut ids, mut known) = (Vec::new(), Set::default());
        for invocation in self.document.nodes.iter().filter_map(|node| node.invocation()) {
            let called = invocation.inputs.get("workflow_id").and_then(|field| field.value.as_ref()?.as_str());
            if let Some(id) = called.filter(|id| invocation.node_type == "call_saved_workflow" && !id.is_empty())
                && known.insert(id)
            {
                ids.push(id);
            }
        }
        ids
    }
}

impl FromStr for WorkflowDefinition {
    type Err = DefinitionError;

    fn from_str(text: &str) -> Result<Self, DefinitionError> {
        Self::from_text(text, None)
    }
}

impl TryFrom<Value> for WorkflowDefinition {
    type Error = DefinitionError;

    fn try_from(value: Value) -> Result<Self, DefinitionError> {
        Self::from_value(value)
    }
}

/// The JSON as it was read.
impl Serialize for WorkflowDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.original.tree().serialize(serializer)
    }
}

fn schema_version(workflow: &Value) -> Result<Text, DefinitionError> {
    let found = workflow.get("meta").and_then(|meta| meta.get("version"));
    match found.and_then(Value::as_str) {
        Some(version) if is_version(version, false) => Ok(version.into()),
        _ => {
            let found = found.map_or_else(|| "nothing".to_owned(), super::json::describe);
            Err(DefinitionError::NoVersion { found })
        }
    }
}
