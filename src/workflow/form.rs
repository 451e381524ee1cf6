//! The form of a workflow: the elements its author laid out, and the fields among them in order.
//!
//! Shape and structure are judged separately (`features/nodes/types/workflow.ts`): a form of the wrong shape is
//! silently replaced by an empty one, a form of the right shape but broken structure makes the workflow unreadable.

use super::field_identifier::FieldIdentifier;
use super::json::{At, Fit};
use super::shape::{Member, Presence, Shape};
use super::table::{Ordered, Set};
use super::text::Text;
use crate::schema::{Cardinality, FieldType};
use serde_json::{Value, json};
use std::cell::OnceCell;

/// The most elements that a form may unfold to. A container may be listed twice, and its content then counts twice.
pub(super) const MAX_ELEMENTS: usize = 100_000;
const ROOT: Text = Text::fixed("root");

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Form {
    /// By key, which is the element's id in every form the editor writes.
    pub(super) elements: Ordered<Text, Element>,
    pub(super) root: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Element {
    pub(super) id: Text,
    pub(super) parent: Option<Text>,
    pub(super) kind: ElementKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ElementKind {
    Container {
        layout: Text,
        children: Vec<Text>,
    },
    NodeField(NodeField),
    Heading(Text),
    Text(Text),
    Divider,
    /// An element of a kind that this release does not know, kept as it is. Its children are part of the form.
    Other {
        kind: Text,
        data: Option<Value>,
        children: Vec<Text>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct NodeField {
    pub(super) field: FieldIdentifier,
    pub(super) show_description: bool,
    pub(super) settings: Option<Value>,
}

/// How the form shows a field. Where two kinds fit, the first wins, as in the editor: `{}` is a float field's.
pub(super) static SETTINGS: Shape = Shape::Either(&[
    number_settings(&FLOAT_MEMBERS),
    number_settings(&INTEGER_MEMBERS),
    Shape::Object(&[
        Member::text("type", Shape::Literal("string-field-config"), "string-field-config"),
        Member::text("component", Shape::Literal("input"), "input"),
    ]),
    Shape::Object(&[
        Member::text("type", Shape::Literal("string-field-config"), "string-field-config"),
        Member::text("component", Shape::Literal("textarea"), "textarea"),
    ]),
    Shape::Object(&[
        Member::text("type", Shape::Literal("string-field-config"), "string-field-config"),
        Member::text("component", Shape::Literal("dropdown"), "dropdown"),
        Member::required("options", Shape::List(&STRING_OPTION)),
    ]),
]);
static STRING_OPTION: Shape =
    Shape::Object(&[Member::required("label", Shape::String), Member::required("value", Shape::String)]);
static FLOAT_MEMBERS: [Member; 5] = number_members("float-field-config");
static INTEGER_MEMBERS: [Member; 5] = number_members("integer-field-config");

const fn number_settings(members: &'static [Member; 5]) -> Shape {
    Shape::Object(members)
}

const fn number_members(kind: &'static str) -> [Member; 5] {
    [
        Member::text("type", Shape::Literal(kind), kind),
        Member { name: "showShuffle", shape: Shape::Boolean, presence: Presence::DefaultFalse },
        Member::text("component", Shape::OneOf(&["number-input", "slider", "number-input-and-slider"]), "number-input"),
        Member::optional("min", Shape::Number),
        Member::optional("max", Shape::Number),
    ]
}

/// The settings the editor gives a field it adds to a form.
pub(super) fn default_settings(field_type: &FieldType) -> Option<Value> {
    if field_type.cardinality != Cardinality::Single {
        return None;
    }
    let kind = match field_type.name.as_str() {
        "IntegerField" => "integer-field-config",
        "FloatField" => "float-field-config",
        "StringField" => return Some(json!({"type": "string-field-config", "component": "input"})),
        _ => return None,
    };
    Some(json!({"type": kind, "showShuffle": false, "component": "number-input"}))
}

/// What is known of an element while the structure is checked.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Unseen,
    OnWay,
    Seen,
}

impl Form {
    /// A form without fields.
    pub(super) fn empty() -> Self {
        let kind = ElementKind::Container { layout: Text::fixed("column"), children: Vec::new() };
        let root = Element { id: ROOT, parent: None, kind };
        Form { elements: Ordered::from_iter([(ROOT, root)]), root: ROOT }
    }

    /// Whether the form has nothing but its root. A heading alone makes a form.
    pub(super) fn is_empty(&self) -> bool {
        match self.elements.get(&self.root).map(|root| &root.kind) {
            Some(ElementKind::Container { children, .. }) => self.elements.len() == 1 && children.is_empty(),
            _ => true,
        }
    }

    /// Reads a form of the right shape, or returns an empty one.
    pub(super) fn parse(at: Option<At<'_>>) -> Self {
        let form = at.and_then(|at| Self::parse_shape(&at).ok()).unwrap_or_else(Self::empty);
        // What an element of a newer kind means for the structure is unknown, so a form with a fault is dropped. If
        // nothing is left without such elements, the editor does the same: it drops a form that it cannot read.
        let is_odd = || form.structural_fault().is_some() || !form.has_content();
        if form.unknown_elements().next().is_some() && is_odd() { Self::empty() } else { form }
    }

    fn parse_shape(at: &At<'_>) -> Fit<Self> {
        let elements = at.need("elements")?;
        let elements = elements.members()?.map(|(key, at)| Ok((key.into(), Element::parse(&at)?)));
        Ok(Form { elements: elements.collect::<Fit<_>>()?, root: at.need_word("rootElementId")? })
    }

    /// What is wrong with the structure: every element must hang on the root, under the parent it names.
    pub(super) fn structural_fault(&self) -> Option<String> {
        let Some(root) = self.elements.get(&self.root) else {
            return Some(format!("rootElementId {:?} names no element", self.root));
        };
        if !matches!(root.kind, ElementKind::Container { .. }) {
            return Some(format!("the root element {:?} is not a container", self.root));
        }
        let mut states = vec![State::Unseen; self.elements.len()];
        // Elements on the way from the root to here, each with the place of its next child.
        let mut way: Vec<(usize, usize)> = Vec::new();
        let mut next = Some(&self.root);
        let listed = OnceCell::new();
        loop {
            if let Some(key) = next.take() {
                let Some((place, _, element)) = self.elements.get_full(key) else {
                    return Some(format!("element {key:?} does not exist but is named as a child"));
                };
                match states[place] {
                    State::OnWay => return Some(format!("element {key:?} contains itself")),
                    State::Seen => {}
                    State::Unseen => {
                        let container = way.last().and_then(|(container, _)| self.elements.get_index(*container));
                        if let Some(fault) = self.fault_of(key, element, container.map(|(key, _)| key), &listed) {
                            return Some(fault);
                        }
                        states[place] = State::OnWay;
                        way.push((place, 0));
                    }
                }
            }
            let Some((container, place)) = way.last_mut() else { break };
            next = self.elements.get_index(*container).and_then(|(_, element)| element.children().get(*place));
            *place += 1;
            if next.is_none() {
                states[*container] = State::Seen;
                way.pop();
            }
        }
        let lost = self.elements.keys().zip(states).find(|(_, state)| *state == State::Unseen);
        lost.map(|(key, _)| format!("element {key:?} is not reachable from the root"))
    }

    /// What is wrong with an element that was found in this container. `listed` has all containers with their children,
    /// and is only needed if several containers name an element.
    fn fault_of<'a>(
        &'a self,
        key: &str,
        element: &Element,
        container: Option<&Text>,
        listed: &OnceCell<Set<(&'a str, &'a str)>>,
    ) -> Option<String> {
        if element.id == self.root {
            return element.parent.is_some().then(|| "the root element has a parent".into());
        }
        let Some(parent) = &element.parent else {
            return Some(format!("element {key:?} has no parent"));
        };
        if container == Some(parent) {
            return None;
        }
        let all = || {
            let each = |(key, element): (&'a Text, &'a Element)| element.children().iter().map(move |c| (&**key, &**c));
            self.elements.iter().flat_map(each).collect()
        };
        match self.elements.get(parent).map(|parent| &parent.kind) {
            None => Some(format!("the parent {parent:?} of element {key:?} does not exist")),
            Some(ElementKind::Container { .. } | ElementKind::Other { .. })
                if listed.get_or_init(all).contains(&(&**parent, key)) =>
            {
                None
            }
            Some(ElementKind::Container { .. } | ElementKind::Other { .. }) => {
                Some(format!("element {key:?} is not a child of its parent {parent:?}"))
            }
            Some(_) => Some(format!("the parent {parent:?} of element {key:?} is not a container")),
        }
    }

    /// The fields of the form, depth first. A container listed twice counts twice, up to `limit` elements in all;
    /// `None` beyond that. The structure must be sound.
    pub(super) fn fields(&self, limit: usize) -> Option<Vec<&NodeField>> {
        let mut fields = Vec::new();
        let mut visited = 0;
        let mut open = vec![self.root.as_str()];
        while let Some(key) = open.pop() {
            visited += 1;
            if visited > limit {
                return None;
            }
            match self.elements.get(key).map(|element| &element.kind) {
                Some(ElementKind::Container { children, .. } | ElementKind::Other { children, .. }) => {
                    open.extend(children.iter().rev().map(Text::as_str));
                }
                Some(ElementKind::NodeField(field)) => fields.push(field),
                _ => {}
            }
        }
        Some(fields)
    }

    /// Whether the form unfolds to at most this many elements. The structure must be sound.
    pub(super) fn unfolds_within(&self, limit: usize) -> bool {
        // Sound structures name every element but the root, nearly all of them once: then there is nothing to unfold.
        let named: usize = self.elements.values().map(|element| element.children().len()).sum();
        (named < self.elements.len() && named < limit) || self.fields(limit).is_some()
    }

    /// Whether there is something to show, besides containers and elements of unknown kinds.
    fn has_content(&self) -> bool {
        let is_content =
            |kind: &ElementKind| !matches!(kind, ElementKind::Container { .. } | ElementKind::Other { .. });
        self.elements.values().any(|element| is_content(&element.kind))
    }

    /// Id and kind of the elements that this release does not know.
    pub(super) fn unknown_elements(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.elements.values().filter_map(|element| match &element.kind {
            ElementKind::Other { kind, .. } => Some((&element.id, kind)),
            _ => None,
        })
    }

    /// Every node field, in the order of the file.
    pub(super) fn node_fields(&self) -> impl Iterator<Item = &NodeField> {
        self.elements.values().filter_map(|element| match &element.kind {
            ElementKind::NodeField(field) => Some(field),
            _ => None,
        })
    }

    /// The same, mutable.
    pub(super) fn node_fields_mut(&mut self) -> impl Iterator<Item = &mut NodeField> {
        self.elements.values_mut().filter_map(|element| match &mut element.kind {
            ElementKind::NodeField(field) => Some(field),
            _ => None,
        })
    }

    /// Adds a field at the end of the root container.
    pub(super) fn push_field(&mut self, field: FieldIdentifier, field_type: &FieldType) {
        // Ten characters after the type, as in the editor's own ids.
        let random = uuid::Uuid::new_v4().simple().to_string();
        let id: Text = format!("node-field-{}", random.get(..10).unwrap_or(&random)).into();
        let kind = ElementKind::NodeField(NodeField {
            field,
            show_description: false,
            settings: default_settings(field_type),
        });
        if let Some(Element { kind: ElementKind::Container { children, .. }, .. }) = self.elements.get_mut(&self.root) {
            children.push(id.clone());
            self.elements.insert(id.clone(), Element { id, parent: Some(self.root.clone()), kind });
        }
    }

    /// Removes the node fields for which `keep` is false, also from their containers, and returns them.
    pub(super) fn remove_fields(&mut self, keep: impl Fn(&FieldIdentifier) -> bool) -> Vec<FieldIdentifier> {
        let mut removed = Vec::new();
        let mut keys = Set::default();
        self.elements.retain(|key, element| match &element.kind {
            ElementKind::NodeField(node_field) if !keep(&node_field.field) => {
                removed.push(node_field.field.clone());
                keys.insert(key.clone());
                false
            }
            _ => true,
        });
        if !keys.is_empty() {
            for element in self.elements.values_mut() {
                if let ElementKind::Container { children, .. } | ElementKind::Other { children, .. } = &mut element.kind
                {
                    children.retain(|child| !keys.contains(child));
                }
            }
        }
        removed
    }
}

impl Element {
    fn children(&self) -> &[Text] {
        match &self.kind {
            ElementKind::Container { children, .. } | ElementKind::Other { children, .. } => children,
            _ => &[],
        }
    }

    fn parse(at: &At<'_>) -> Fit<Self> {
        let id = at.need_word("id")?;
        let parent = at.get("parentId")?.map(|at| at.word()).transpose()?;
        let kind = match at.need("type")?.string()? {
            "container" => {
                let data = at.need("data")?;
                let layout = data.need_string("layout")?;
                if !matches!(layout.as_str(), "row" | "column") {
                    return data.misfit("layout must be row or column");
                }
                let children = data.need("children")?;
                let children = children.items()?.map(|at| at.word()).collect::<Fit<_>>()?;
                ElementKind::Container { layout, children }
            }
            "node-field" => ElementKind::NodeField(NodeField::parse(&at.need("data")?)?),
            "heading" => ElementKind::Heading(at.need("data")?.need_string("content")?),
            "text" => ElementKind::Text(at.need("data")?.need_string("content")?),
            "divider" if at.get("data")?.is_none() => ElementKind::Divider,
            "divider" => return at.misfit("is not a form element"),
            kind => ElementKind::Other {
                kind: kind.into(),
                data: at.get("data")?.map(|data| data.value.clone()),
                children: children_of_unknown(at.value),
            },
        };
        Ok(Element { id, parent, kind })
    }
}

/// The children of an element of unknown kind, if it has any where containers have them.
fn children_of_unknown(element: &Value) -> Vec<Text> {
    let children = element.pointer("/data/children").and_then(Value::as_array);
    let words: Option<Vec<Text>> = children.and_then(|children| {
        children.iter().map(|child| child.as_str().filter(|child| !child.trim().is_empty()).map(Text::from)).collect()
    });
    words.unwrap_or_default()
}

impl NodeField {
    fn parse(at: &At<'_>) -> Fit<Self> {
        let show_description = at.get("showDescription")?.map_or(Ok(true), |at| at.boolean())?;
        let settings = match at.get("settings")? {
            Some(at) => match SETTINGS.fit(at.value) {
                Some(settings) => Some(settings),
                None => return at.misfit("are not settings of a form field"),
            },
            None => None,
        };
        Ok(NodeField { field: FieldIdentifier::parse(&at.need("fieldIdentifier")?)?, show_description, settings })
    }
}
