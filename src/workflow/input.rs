//! The inputs of a workflow: the fields that its author put into the form.

use super::document::{Edge, FieldIdentifier, FieldInstance, Invocation};
use super::field::{InkField, ValueError};
use super::form::{Form, MAX_ELEMENTS, NodeField};
use super::table::{Map, Set};
use crate::base::similar;
use crate::schema::{Constraints, FieldType, InputKind, InputTemplate, NodeTemplate, UiHints};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// One input of a workflow, in the order of its form.
///
/// A form may show a field more than once; then there are several inputs with the same system name, which share one
/// value.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Input {
    /// Place among the inputs, from 0.
    pub index: usize,
    /// The name that a user sees: the label given in the editor, or the title of the field if there is none. Often not
    /// unique.
    pub user_name: String,
    /// `{node_id}.{field_name}`; identifies the field, whatever its label.
    pub system_name: String,
    /// Id of the node that the field belongs to.
    pub node_id: String,
    /// Name of the field on its node.
    pub field_name: String,
    /// The node's label, or the title of its type if it has none.
    pub node_title: String,
    /// Title of the field in the node catalog; the field's name if the catalog does not have it.
    pub field_title: String,
    /// The author's description, or the catalog's if there is none.
    pub description: String,
    /// Whether the form shows the description.
    pub shows_description: bool,
    /// Whether a run needs a value, or an edge.
    pub required: bool,
    /// Whether an edge ends at the field. If so, the value is ignored, unless the edge comes from a batch node.
    pub connected: bool,
    /// How the form shows the field, as stored: component, and for numbers the ends of a slider. Never enforced.
    pub settings: Option<Value>,
    /// Whether the server's node catalog has the field. An unknown field takes no value and blocks a run.
    pub known: bool,
    /// The value, typed by the catalog.
    pub field: InkField,
}

crate::base::debug::short_debug! { Input { system_name, user_name, required, connected, field; .. } }

impl Input {
    /// Type of the field; `None` if the catalog does not have it.
    pub fn field_type(&self) -> Option<&FieldType> {
        self.known.then(|| &self.field.template().field_type)
    }

    /// Whether the value may be given directly, by an edge, or both; `None` if the catalog does not have the field.
    pub fn input_kind(&self) -> Option<InputKind> {
        self.known.then(|| self.field.template().input)
    }

    /// All bounds of the value, including those that only the server enforces.
    pub fn bounds(&self) -> &Constraints {
        &self.field.template().server_constraints
    }

    /// The value in the form that workflows store, if one is set.
    pub fn value(&self) -> Option<&Value> {
        self.field.value()
    }
}

/// The nodes that can have inputs, with the templates of their types.
pub(super) type ById<'a> = Map<&'a str, (&'a Invocation, Option<&'a NodeTemplate>)>;

/// The inputs that have an edge: node and field.
pub(super) fn connected_inputs(edges: &[Edge]) -> Set<(&str, &str)> {
    edges.iter().filter_map(|edge| Some((&*edge.target, &*edge.handles.as_ref()?.target))).collect()
}

/// The inputs of a loaded document, in form order.
pub(super) fn list(by_id: &ById<'_>, edges: &[Edge], form: &Form) -> Vec<Input> {
    let connected = connected_inputs(edges);
    // Definitions whose form unfolds beyond the limit have been refused before.
    let fields = form.fields(MAX_ELEMENTS).unwrap_or_default();
    let inputs = fields.into_iter().filter_map(|element| {
        let FieldIdentifier { node_id, field_name } = &element.field;
        let (node, template) = by_id.get(&**node_id)?;
        let stored = node.inputs.get(&**field_name)?;
        let is_connected = connected.contains(&(&**node_id, &**field_name));
        Some((element, *node, *template, stored, is_connected))
    });
    let build = |(index, (element, node, template, stored, connected))| {
        build(index, element, node, template, stored, connected)
    };
    inputs.enumerate().map(build).collect()
}

fn build(
    index: usize,
    element: &NodeField,
    node: &Invocation,
    node_template: Option<&NodeTemplate>,
    stored: &FieldInstance,
    connected: bool,
) -> Input {
    let FieldIdentifier { node_id, field_name } = &element.field;
    let template = node_template.and_then(|template| node.template_of(template, field_name));
    let system_name = format!("{node_id}.{field_name}");
    let either = |own: &str, fallback: &str| if own.is_empty() { fallback.to_owned() } else { own.to_owned() };
    let (user_name, known, template) = match template {
        Some(template) => (either(&stored.label, &template.title), true, template.clone()),
        None => (either(&stored.label, field_name), false, Arc::new(unknown_template(field_name))),
    };
    Input {
        index,
        user_name,
        node_id: node_id.to_string(),
        field_name: field_name.to_string(),
        node_title: node.title(node_template).to_owned(),
        field_title: template.title.clone(),
        description: either(&stored.description, &template.description),
        shows_description: element.show_description,
        required: template.required,
        connected,
        settings: element.settings.clone(),
        known,
        field: InkField::shared(system_name.as_str(), template, stored.value.clone()),
        system_name,
    }
}

/// A stand-in for a field that the catalog does not have.
fn unknown_template(name: &str) -> InputTemplate {
    InputTemplate {
        name: name.to_owned(),
        title: name.to_owned(),
        description: String::new(),
        field_type: FieldType::new("unknown", crate::schema::Cardinality::Single),
        original_type: None,
        required: false,
        nullable: false,
        input: InputKind::Connection,
        default: None,
        constraints: Constraints::default(),
        server_constraints: Constraints::default(),
        options: Vec::new(),
        model_filter: crate::schema::ModelFilter::default(),
        ui: UiHints::default(),
    }
}

/// How an input is named: by its place, or by a system name, user name or field name.
///
/// System names win over user names, user names over field names, and an exact spelling over one that differs only by
/// case. A name that several fields have is refused.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputKey {
    /// Place among the inputs, from 0.
    Index(usize),
    /// System name, user name or field name.
    Name(String),
}

crate::base::debug::short_debug! { enum InputKey { Index(value), Name(value) } }

impl From<usize> for InputKey {
    fn from(index: usize) -> Self {
        InputKey::Index(index)
    }
}

impl From<&str> for InputKey {
    fn from(name: &str) -> Self {
        InputKey::Name(name.to_owned())
    }
}

impl From<String> for InputKey {
    fn from(name: String) -> Self {
        InputKey::Name(name)
    }
}

impl From<&String> for InputKey {
    fn from(name: &String) -> Self {
        InputKey::Name(name.clone())
    }
}

impl From<&Input> for InputKey {
    fn from(input: &Input) -> Self {
        InputKey::Index(input.index)
    }
}

impl fmt::Display for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputKey::Index(index) => write!(f, "#{index}"),
            InputKey::Name(name) => write!(f, "{name:?}"),
        }
    }
}

impl Input {
    /// How to name it to a caller who used this key.
    pub(crate) fn name_by<'a>(&'a self, key: &'a InputKey) -> &'a str {
        match key {
            InputKey::Name(name) => name,
            InputKey::Index(_) => &self.user_name,
        }
    }
}

/// Why an input cannot be found or set.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// No input has this name or place.
    #[error("no input {key}{}", suggest(suggestions))]
    NotFound {
        /// What was asked for.
        key: InputKey,
        /// Names that are close, best first, or all names if there are few.
        suggestions: Vec<String>,
    },
    /// Several inputs have this name.
    #[error("several inputs are called {name:?}: {}; use a system name", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// System names of the inputs that have it.
        candidates: Vec<String>,
    },
    /// Several inputs share user names, so these names do not identify inputs.
    #[error("user names are not unique: {}", list_collisions(collisions))]
    NamesCollide {
        /// Each such name, with the ids of all nodes that have an input of this name.
        collisions: Vec<(String, Vec<String>)>,
    },
    /// The node or the field does not exist.
    #[error("no field {field:?} on node {node_id:?}")]
    NoSuchField {
        /// The node asked for.
        node_id: String,
        /// The field asked for.
        field: String,
    },
    /// Inputs were not given as a JSON object.
    #[error("inputs must be a JSON object of names and values, got {found}")]
    NotAnObject {
        /// What was given.
        found: String,
    },
    /// The field does not accept the value.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Several inputs were refused; nothing was set.
    #[error("nothing was set: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several {
        /// Each refusal.
        errors: Vec<InputError>,
    },
}

crate::base::debug::short_debug! {
    enum InputError {
        NotFound { key, suggestions },
        Ambiguous { name, candidates },
        NamesCollide { collisions },
        NoSuchField { node_id, field },
        NotAnObject { found },
        Value(value),
        Several { errors },
    }
}

impl InputError {
    /// What usually helps, in a few words, for a person to read.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Value(_) => "give a value that the input takes",
            Self::Ambiguous { .. } | Self::NamesCollide { .. } => "use the system names of the inputs",
            _ => "list the inputs of the workflow: each shows its names and the values that it takes",
        }
    }
}

fn suggest(names: &[String]) -> String {
    match names {
        [] => "; the workflow has no inputs".to_owned(),
        names => {
            let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("; did you mean {}?", quoted.join(" or "))
        }
    }
}

fn list_collisions(collisions: &[(String, Vec<String>)]) -> String {
    let each = |(name, nodes): &(String, Vec<String>)| format!("{name:?} (nodes {})", nodes.join(", "));
    collisions.iter().map(each).collect::<Vec<_>>().join("; ")
}

/// Finds the input that a key names.
pub(super) fn find(inputs: &[Input], key: &InputKey) -> Result<usize, InputError> {
    let name = match key {
        InputKey::Index(index) if *index < inputs.len() => return Ok(*index),
        InputKey::Index(_) => return Err(not_found(inputs, key)),
        InputKey::Name(name) => name,
    };
    let names: [fn(&Input) -> &str; 3] = [|i| &i.system_name, |i| &i.user_name, |i| &i.field_name];
    let wanted = name.to_lowercase();
    let tiers =
        names.into_iter().map(|name_of| (name_of, true)).chain(names.into_iter().map(|name_of| (name_of, false)));
    let mut ambiguous = None;
    for (tier, (name_of, exact)) in tiers.enumerate() {
        let is = |input: &&Input| if exact { name_of(input) == name } else { name_of(input).to_lowercase() == wanted };
        let mut found: Vec<&Input> = inputs.iter().filter(is).collect();
        // A field shown twice is still one field.
        found.dedup_by(|a, b| a.system_name == b.system_name);
        if let Some(first) = found.first() {
            if found.iter().all(|input| input.system_name == first.system_name) {
                return Ok(first.index);
            }
            let candidates = found.iter().map(|input| input.system_name.clone()).collect();
            let error = InputError::Ambiguous { name: name.clone(), candidates };
            // A label, in whatever case, says more than a field name that several have: `prompt` is "Prompt", not
            // "Negative prompt".
            if tier != 2 {
                return Err(ambiguous.unwrap_or(error));
            }
            ambiguous = Some(error);
        }
    }
    Err(ambiguous.unwrap_or_else(|| not_found(inputs, key)))
}

fn not_found(inputs: &[Input], key: &InputKey) -> InputError {
    const MOST: usize = 3;
    let wanted = match key {
        InputKey::Name(name) => name.to_lowercase(),
        InputKey::Index(_) => String::new(),
    };
    let node_of_wanted = wanted.rsplit_once('.').map(|(node, _)| node);
    let mut names: Vec<(usize, &str)> = Vec::new();
    for input in inputs {
        if node_of_wanted == Some(input.node_id.to_lowercase().as_str()) {
            names.push((similar::distance(&wanted, &input.system_name.to_lowercase()), &input.system_name));
        } else {
            let [user, field] = [&input.user_name, &input.field_name]
                .map(|name| (similar::distance(&wanted, &name.to_lowercase()), name));
            let (far, name) = user.min(field);
            names.push((far, name));
        }
    }
    names.sort();
    names.dedup_by(|a, b| a.1 == b.1);
    let suggestions = names.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect();
    InputError::NotFound { key: key.clone(), suggestions }
}
