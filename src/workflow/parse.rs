//! Reading version 4.0.0: exactly what the editor's schema accepts (`features/nodes/types/workflow.ts`,
//! `invocation.ts`), with the place of the first thing it refuses.

use super::document::{
    Document, Edge, FieldIdentifier, FieldInstance, Handles, Invocation, Node, NodeData, OWN_NODE_PACK, Position, Texts,
};
use super::dynamic_inputs;
use super::form::{Form, MAX_ELEMENTS};
use super::json::{At, Fit, is_version};
use super::table::Ordered;
use super::text::Text;
use std::sync::Arc;

impl Document {
    /// Reads a workflow of the current structure that calls itself `version`: 3.0.0 has the same structure.
    pub(super) fn parse(at: &At<'_>, version: &str) -> Fit<Self> {
        let id = at.get("id")?.map(|at| at.filled()).transpose()?;
        let texts = Texts::parse(at)?;
        let nodes = at.need("nodes")?;
        let nodes = nodes.items()?.map(|at| Node::parse(&at).map(Arc::new)).collect::<Fit<Vec<_>>>()?;
        let edges = at.need("edges")?;
        let edges = edges.items()?.map(|at| Edge::parse(&at)).collect::<Fit<Vec<_>>>()?;
        let exposed = at.need("exposedFields")?;
        let exposed_fields = exposed.items()?.map(|at| FieldIdentifier::parse(&at)).collect::<Fit<Vec<_>>>()?;
        let meta = at.need("meta")?;
        let category = match meta.get("category")? {
            None => Text::fixed("user"),
            Some(at) => match at.string()? {
                category @ ("user" | "default") => category.into(),
                _ => return at.expected("\"user\" or \"default\""),
            },
        };
        let declared = meta.need("version")?;
        if declared.string()? != version {
            return declared.expected("a known workflow version (1.0.0, 2.0.0, 3.0.0 or 4.0.0)");
        }
        if returns_twice(&nodes) {
            return at.need("nodes")?.misfit("a workflow may have only one workflow_return node");
        }
        let form = Form::parse(at.get("form")?);
        if let Some(fault) = form.structural_fault() {
            return at.need("form")?.misfit(format!("the structure of the form is broken: {fault}"));
        }
        if !form.unfolds_within(MAX_ELEMENTS) {
            return at.need("form")?.misfit(format!("the form unfolds to more than {MAX_ELEMENTS} elements"));
        }
        Ok(Document {
            id,
            texts: texts.into(),
            category,
            nodes,
            edges: edges.into(),
            exposed_fields: exposed_fields.into(),
            form: form.into(),
        })
    }
}

/// Whether more than one node says what the workflow returns.
pub(super) fn returns_twice(nodes: &[Arc<Node>]) -> bool {
    let types = nodes.iter().filter_map(|node| Some(&node.invocation()?.node_type));
    types.filter(|node_type| **node_type == "workflow_return").count() > 1
}

impl Texts {
    fn parse(at: &At<'_>) -> Fit<Self> {
        Ok(Texts {
            name: at.need_string("name")?,
            author: at.need_string("author")?,
            description: at.need_string("description")?,
            version: at.need_string("version")?,
            contact: at.need_string("contact")?,
            tags: at.need_string("tags")?,
            notes: at.need_string("notes")?,
        })
    }
}

impl Node {
    fn parse(at: &At<'_>) -> Fit<Self> {
        let id = at.need_word("id")?;
        let kind = at.need("type")?;
        let data_at = at.need("data")?;
        let data = match kind.string()? {
            "invocation" => NodeData::Invocation(Invocation::parse(&data_at)?),
            "notes" => NodeData::parse_notes(&data_at)?,
            "connector" => {
                expect_type(&data_at, "connector")?;
                NodeData::Connector { label: data_at.need_string("label")?, is_open: data_at.need_boolean("isOpen")? }
            }
            _ => return kind.expected("\"invocation\", \"notes\" or \"connector\""),
        };
        Ok(Node { id, data_id: data_at.need_word("id")?, data, position: Position::parse(at)? })
    }
}

impl NodeData {
    pub(super) fn parse_notes(at: &At<'_>) -> Fit<Self> {
        expect_type(at, "notes")?;
        Ok(NodeData::Notes {
            label: at.need_string("label")?,
            is_open: at.need_boolean("isOpen")?,
            notes: at.need_string("notes")?,
        })
    }
}

fn expect_type(at: &At<'_>, kind: &str) -> Fit<()> {
    let found = at.need("type")?;
    if found.string()? == kind { Ok(()) } else { found.expected(&format!("{kind:?}")) }
}

impl Position {
    /// The position of a node that may have one.
    pub(super) fn parse(at: &At<'_>) -> Fit<Self> {
        match at.get("position")? {
            None => Ok(Position::default()),
            Some(at) => Ok(Position { x: at.need("x")?.number()?, y: at.need("y")?.number()? }),
        }
    }
}

impl Invocation {
    fn parse(at: &At<'_>) -> Fit<Self> {
        let version = at.need("version")?;
        if !is_version(version.string()?, false) {
            return version.expected("a version like 1.2.3");
        }
        let inputs = at.need("inputs")?;
        let inputs = inputs.members()?.map(|(name, at)| Ok((name.into(), FieldInstance::parse(&at)?)));
        Ok(Invocation {
            node_type: at.need_word("type")?,
            version: version.string()?.into(),
            node_pack: Some(at.get("nodePack")?.map_or(Ok(Text::fixed(OWN_NODE_PACK)), |at| at.filled())?),
            label: at.need_string("label")?,
            notes: at.need_string("notes")?,
            inputs: inputs.collect::<Fit<Ordered<_, _>>>()?,
            dynamic_inputs: dynamic_inputs::parse(at.get("dynamicInputTemplates")?)?,
            is_open: at.need_boolean("isOpen")?,
            is_intermediate: at.need_boolean("isIntermediate")?,
            use_cache: at.need_boolean("useCache")?,
        })
    }
}

impl FieldInstance {
    /// The value is accepted as it is: what it may be depends on the template, which is known only later.
    fn parse(at: &At<'_>) -> Fit<Self> {
        let text = |name| -> Fit<Text> { Ok(at.get(name)?.and_then(|at| at.string().ok()).unwrap_or_default().into()) };
        Ok(FieldInstance {
            name: at.need_word("name")?,
            label: text("label")?,
            description: text("description")?,
            value: at.get("value")?.map(|at| at.value.clone()),
        })
    }
}

impl Edge {
    fn parse(at: &At<'_>) -> Fit<Self> {
        let kind = at.need("type")?;
        let handles = match kind.string()? {
            "default" => Some(Handles {
                source: at.need_word("sourceHandle")?,
                target: at.need_word("targetHandle")?,
                hidden: at.get("hidden")?.map(|at| at.boolean()).transpose()?,
            }),
            "collapsed" => None,
            _ => return kind.expected("\"default\" or \"collapsed\""),
        };
        Ok(Edge { id: at.need_word("id")?, source: at.need_word("source")?, target: at.need_word("target")?, handles })
    }
}
