//! The fast way to read a workflow: from the text into the document, without a tree of JSON between the two.
//!
//! It accepts only what needs no explanation: workflows of the current structure without faults. Everything else is odd
//! here, and [`Document::parse`] then either reads it or says what is wrong, and where. Both give the same result.

use super::document::{
    Document, Edge, FieldIdentifier, FieldInstance, Handles, Invocation, Node, NodeData, OWN_NODE_PACK, Position, Texts,
};
use super::dynamic_inputs;
use super::form::{Element, ElementKind, Form, MAX_ELEMENTS, NodeField, SETTINGS};
use super::json::{At, is_version, trim};
use super::parse::returns_twice;
use super::read_json::{Flag, Lenient, List, Members, Odd, Read, Tree, read_object};
use super::table::Ordered;
use super::text::{Source, Text};
use serde_json::Number;
use std::sync::Arc;

/// The document and the version of its schema; `None` if the text must be read the other way.
pub(super) fn read(source: &Arc<Source>) -> Option<(Document, &'static str)> {
    super::read_json::read::<Workflow>(source)?.document()
}

read_object!(Workflow {
    id: Text = "id",
    name: Text = "name",
    author: Text = "author",
    description: Text = "description",
    version: Text = "version",
    contact: Text = "contact",
    tags: Text = "tags",
    notes: Text = "notes",
    nodes: List<AnyNode> = "nodes",
    edges: List<AnyEdge> = "edges",
    exposed_fields: List<Identifier> = "exposedFields",
    meta: Meta = "meta",
    form: AnyForm = "form",
});

read_object!(Meta { version: Text = "version", category: Text = "category" });

impl Workflow {
    fn document(self) -> Option<(Document, &'static str)> {
        let meta = self.meta?;
        let version = match meta.version?.as_str() {
            "3.0.0" => "3.0.0",
            "4.0.0" => "4.0.0",
            _ => return None,
        };
        let category = match meta.category.as_deref() {
            None | Some("user") => Text::fixed("user"),
            Some("default") => Text::fixed("default"),
            _ => return None,
        };
        let texts = Texts {
            name: self.name?,
            author: self.author?,
            description: self.description?,
            version: self.version?,
            contact: self.contact?,
            tags: self.tags?,
            notes: self.notes?,
        };
        let nodes = self.nodes?.0;
        let form = self.form.unwrap_or_default().0;
        if returns_twice(&nodes) || form.structural_fault().is_some() || !form.unfolds_within(MAX_ELEMENTS) {
            return None;
        }
        let document = Document {
            id: self.id.map(|id| filled(id).ok_or(())).transpose().ok()?,
            texts: texts.into(),
            category,
            nodes,
            edges: self.edges?.0.into(),
            exposed_fields: self.exposed_fields?.0.into(),
            form: form.into(),
        };
        Some((document, version))
    }
}

/// A text that is not blank, without the blanks around it.
#[inline]
fn word(text: Text) -> Option<Text> {
    // Nearly all are plain at both ends, so there is nothing to trim.
    let bytes = text.as_bytes();
    if let (Some(first), Some(last)) = (bytes.first(), bytes.last())
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return Some(text);
    }
    Some(text.shortened(trim)).filter(|word| !word.is_empty())
}

fn filled(text: Text) -> Option<Text> {
    Some(text).filter(|text| !text.is_empty())
}

/// A member that may be absent, but must be right if it is present.
fn if_there<T, U>(member: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match member {
        None => Some(None),
        Some(member) => read(member).map(Some),
    }
}

read_object!(NodeMembers {
    id: Text = "id",
    kind: Text = "type",
    data: DataMembers = "data",
    position: PositionMembers = "position",
});

read_object!(PositionMembers { x: Number = "x", y: Number = "y" });

read_object!(DataMembers {
    id: Text = "id",
    kind: Text = "type",
    version: Text = "version",
    node_pack: Text = "nodePack",
    label: Text = "label",
    notes: Text = "notes",
    inputs: Members<Field> = "inputs",
    dynamic_inputs: Tree = "dynamicInputTemplates",
    is_open: Flag = "isOpen",
    is_intermediate: Flag = "isIntermediate",
    use_cache: Flag = "useCache",
});

struct AnyNode;

impl Odd for AnyNode {
    type From = NodeMembers;
    type Into = Arc<Node>;

    #[inline]
    fn accept(NodeMembers { id, kind, data, position }: NodeMembers) -> Option<Arc<Node>> {
        let data = data?;
        let position = if_there(position, |at| Some(Position { x: at.x?, y: at.y? }))?.unwrap_or_default();
        let (id, data_id) = (word(id?)?, word(data.id?)?);
        let data = match kind?.as_str() {
            "invocation" => NodeData::Invocation(Invocation {
                node_type: word(data.kind?)?,
                version: data.version.filter(|version| is_version(version, false))?,
                node_pack: Some(if_there(data.node_pack, filled)?.unwrap_or(Text::fixed(OWN_NODE_PACK))),
                label: data.label?,
                notes: data.notes?,
                inputs: data.inputs?.0,
                dynamic_inputs: match data.dynamic_inputs {
                    None => Ordered::default(),
                    Some(Tree(templates)) => dynamic_inputs::parse(Some(At::root(&templates))).ok()?,
                },
                is_open: data.is_open?.0,
                is_intermediate: data.is_intermediate?.0,
                use_cache: data.use_cache?.0,
            }),
            "notes" if data.kind.as_deref() == Some("notes") => {
                NodeData::Notes { label: data.label?, is_open: data.is_open?.0, notes: data.notes? }
            }
            "connector" if data.kind.as_deref() == Some("connector") => {
                NodeData::Connector { label: data.label?, is_open: data.is_open?.0 }
            }
            _ => return None,
        };
        Some(Arc::new(Node { id, data_id, data, position }))
    }
}

read_object!(FieldMembers {
    name: Text = "name",
    label: Lenient = "label",
    description: Lenient = "description",
    value: Tree = "value",
});

struct Field;

impl Odd for Field {
    type From = FieldMembers;
    type Into = FieldInstance;

    const USUAL: usize = 4;

    #[inline]
    fn accept(FieldMembers { name, label, description, value }: FieldMembers) -> Option<FieldInstance> {
        Some(FieldInstance {
            name: word(name?)?,
            label: label.unwrap_or_default().0,
            description: description.unwrap_or_default().0,
            value: value.map(|Tree(value)| value),
        })
    }
}

read_object!(EdgeMembers {
    id: Text = "id",
    kind: Text = "type",
    source: Text = "source",
    target: Text = "target",
    source_handle: Text = "sourceHandle",
    target_handle: Text = "targetHandle",
    hidden: Flag = "hidden",
});

struct AnyEdge;

impl Odd for AnyEdge {
    type From = EdgeMembers;
    type Into = Edge;

    #[inline]
    fn accept(edge: EdgeMembers) -> Option<Edge> {
        let handles = match edge.kind?.as_str() {
            "default" => Some(Handles {
                source: word(edge.source_handle?)?,
                target: word(edge.target_handle?)?,
                hidden: edge.hidden.map(|Flag(hidden)| hidden),
            }),
            "collapsed" => None,
            _ => return None,
        };
        Some(Edge { id: word(edge.id?)?, source: word(edge.source?)?, target: word(edge.target?)?, handles })
    }
}

read_object!(IdentifierMembers { node_id: Text = "nodeId", field_name: Text = "fieldName" });

struct Identifier;

impl Odd for Identifier {
    type From = IdentifierMembers;
    type Into = FieldIdentifier;

    #[inline]
    fn accept(IdentifierMembers { node_id, field_name }: IdentifierMembers) -> Option<FieldIdentifier> {
        Some(FieldIdentifier { node_id: word(node_id?)?, field_name: word(field_name?)? })
    }
}

read_object!(FormMembers { elements: Members<AnyElement> = "elements", root: Text = "rootElementId" });

struct AnyForm(Form);

impl Default for AnyForm {
    fn default() -> Self {
        AnyForm(Form::empty())
    }
}

impl<'de> Read<'de> for AnyForm {
    fn read<D: serde::Deserializer<'de>>(source: &Arc<Source>, deserializer: D) -> Result<Self, D::Error> {
        let FormMembers { elements, root } = FormMembers::read(source, deserializer)?;
        let form = || Some(Form { elements: elements?.0, root: word(root?)? });
        form().map(AnyForm).ok_or_else(super::read_json::odd)
    }
}

read_object!(ElementMembers {
    id: Text = "id",
    parent: Text = "parentId",
    kind: Text = "type",
    data: ElementData = "data",
});

read_object!(ElementData {
    layout: Text = "layout",
    children: List<Word> = "children",
    content: Text = "content",
    field: IdentifierMembers = "fieldIdentifier",
    show_description: Flag = "showDescription",
    settings: Tree = "settings",
});

struct Word;

impl Odd for Word {
    type From = Text;
    type Into = Text;

    #[inline]
    fn accept(text: Text) -> Option<Text> {
        word(text)
    }
}

struct AnyElement;

impl Odd for AnyElement {
    type From = ElementMembers;
    type Into = Element;

    const USUAL: usize = 14;

    #[inline]
    fn accept(ElementMembers { id, parent, kind, data }: ElementMembers) -> Option<Element> {
        let kind = match (kind?.as_str(), data) {
            ("divider", None) => ElementKind::Divider,
            ("container", Some(ElementData { layout, children, .. })) => ElementKind::Container {
                layout: layout.filter(|layout| matches!(layout.as_str(), "row" | "column"))?,
                children: children?.0,
            },
            ("node-field", Some(ElementData { field, show_description, settings, .. })) => {
                ElementKind::NodeField(NodeField {
                    field: Identifier::accept(field?)?,
                    show_description: show_description.is_none_or(|Flag(shown)| shown),
                    settings: if_there(settings, |Tree(settings)| SETTINGS.fit_own(settings))?,
                })
            }
            ("heading", Some(data)) => ElementKind::Heading(data.content?),
            ("text", Some(data)) => ElementKind::Text(data.content?),
            _ => return None,
        };
        Some(Element { id: word(id?)?, parent: if_there(parent, word)?, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLUX: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json"));

    #[test]
    fn ordinary_workflows_are_read_this_way_and_odd_ones_are_not() {
        let (document, version) = read(&Source::new(FLUX)).expect("it is ordinary");
        assert_eq!((document.nodes.len(), version), (7, "4.0.0"));
        let twice = FLUX.replacen('{', "{\"name\": \"twice\",", 1);
        let wordless = FLUX.replacen("\"nodeId\": \"", "\"nodeId\": \" \", \"was\": \"", 1);
        let unknown = FLUX.replacen("\"4.0.0\"", "\"4.0.1\"", 1);
        for odd in [&twice, &wordless, &unknown, &FLUX[1..], &format!("{FLUX} {{}}")] {
            assert_ne!(odd, FLUX);
            assert!(read(&Source::new(odd)).is_none());
        }
    }
}
