//! A workflow being worked on: a definition read with a node catalog, whose inputs can be set.

use super::definition::WorkflowDefinition;
use super::document::{Document, FieldInstance, Invocation};
use super::field::{FromField, InkField, InputValue, ValueError};
use super::input::{self, Input, InputError, InputKey};
use super::load;
use super::names::Names;
use super::options::WorkflowOptions;
use super::text::Text;
use super::warning::Warning;
use crate::schema::NodeCatalog;
use indexmap::IndexMap;
use serde_json::{Map, Value};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// A node catalog that a workflow keeps: the embedded one, or a shared one from a server.
#[derive(Clone)]
pub struct SharedCatalog(Held);

crate::base::debug::short_debug! { SharedCatalog(value) }

#[derive(Debug, Clone)]
enum Held {
    Static(&'static NodeCatalog),
    Shared(Arc<NodeCatalog>),
}

impl SharedCatalog {
    /// Whether it is this same catalog.
    pub(crate) fn is(&self, other: &Arc<NodeCatalog>) -> bool {
        matches!(&self.0, Held::Shared(own) if Arc::ptr_eq(own, other))
    }

    /// Whether it is this crate's own, and not a server's.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.0, Held::Static(_))
    }
}

impl Deref for SharedCatalog {
    type Target = NodeCatalog;

    fn deref(&self) -> &NodeCatalog {
        match &self.0 {
            Held::Static(catalog) => catalog,
            Held::Shared(catalog) => catalog,
        }
    }
}

impl From<&'static NodeCatalog> for SharedCatalog {
    fn from(catalog: &'static NodeCatalog) -> Self {
        SharedCatalog(Held::Static(catalog))
    }
}

impl From<Arc<NodeCatalog>> for SharedCatalog {
    fn from(catalog: Arc<NodeCatalog>) -> Self {
        SharedCatalog(Held::Shared(catalog))
    }
}

impl From<NodeCatalog> for SharedCatalog {
    fn from(catalog: NodeCatalog) -> Self {
        SharedCatalog(Held::Shared(Arc::new(catalog)))
    }
}

impl From<&SharedCatalog> for SharedCatalog {
    fn from(catalog: &SharedCatalog) -> Self {
        catalog.clone()
    }
}

crate::base::debug::short_debug! { Workflow { definition, inputs, warnings; .. } }

/// A workflow with its inputs, ready to be filled in and run.
///
/// It is made from a definition and the node catalog of a server. Setting inputs changes only this copy, never the
/// definition.
///
/// ```
/// use invokeai_client::schema::NodeCatalog;
/// use invokeai_client::workflow::{EnqueueOptions, Workflow, WorkflowDefinition};
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
///
/// let definition = WorkflowDefinition::from_path(path)?;
/// let mut workflow = Workflow::new(definition, NodeCatalog::embedded());
/// for input in workflow.inputs() {
///     println!("{} ({})", input.user_name, input.field.ink_type());
/// }
/// assert_eq!(workflow.problems()[0].message, "Positive -> prompt: a value is required");
///
/// workflow.set_input("prompt", "a lighthouse at dusk")?;
/// workflow.set_input("image", "sketch.png")?;
/// workflow.set_input("num_steps", "30")?;
/// let refused = workflow.set_input("num_steps", -5).unwrap_err();
/// assert_eq!(workflow.get_input::<i64>("num_steps")?, Some(30), "refused values change nothing: {refused}");
///
/// assert!(workflow.problems().is_empty());
/// let body = workflow.enqueue_body(&EnqueueOptions::default().runs(2))?;
/// let nodes = &body["batch"]["graph"]["nodes"];
/// assert_eq!(nodes["9c773392-5647-4f2b-958e-9da1707b6e6a"]["num_steps"], 30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Workflow {
    definition: Arc<WorkflowDefinition>,
    catalog: SharedCatalog,
    document: Document,
    inputs: Vec<Input>,
    warnings: Vec<Warning>,
    /// Names of nodes and inputs, once somebody asks for them.
    names: OnceLock<Arc<Names>>,
}

impl Workflow {
    /// Reads a definition with a catalog: removes bad edges, updates nodes to the server's versions, and puts the
    /// form in order. [`warnings`](Self::warnings) has what was changed.
    pub fn new(definition: impl Into<Arc<WorkflowDefinition>>, catalog: impl Into<SharedCatalog>) -> Self {
        Self::with_options(definition, catalog, &WorkflowOptions::default())
    }

    /// Like [`new`](Self::new), with options, such as the definitions of called workflows.
    pub fn with_options(
        definition: impl Into<Arc<WorkflowDefinition>>,
        catalog: impl Into<SharedCatalog>,
        options: &WorkflowOptions,
    ) -> Self {
        let (definition, catalog) = (definition.into(), catalog.into());
        let (document, inputs, warnings) = load::load(&definition, &catalog, options);
        Workflow { definition, catalog, document, inputs, warnings, names: OnceLock::new() }
    }

    /// The definition that this was made from, unchanged.
    pub fn definition(&self) -> &WorkflowDefinition {
        &self.definition
    }

    /// The node catalog that it was read with.
    pub fn catalog(&self) -> &SharedCatalog {
        &self.catalog
    }

    /// What was changed or could not be done on loading.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    pub(super) fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    pub(super) fn names_cell(&self) -> &OnceLock<Arc<Names>> {
        &self.names
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// The workflow as the editor would save it now: version 4.0.0, with the current values.
    pub fn to_definition(&self) -> WorkflowDefinition {
        WorkflowDefinition::from_document(self.document.clone())
    }

    /// The workflow as it is embedded into images: version 4.0.0, with the current values, without its library id.
    pub fn to_embedded(&self) -> Value {
        self.document.to_embedded()
    }

    /// Ids of the nodes that can run, with the labels that users gave them.
    pub(crate) fn node_labels(&self) -> Vec<(String, Option<String>)> {
        let nodes = self.document.nodes.iter().filter_map(|node| Some((node, node.invocation()?)));
        let label = |invocation: &Invocation| Some(invocation.label.to_string()).filter(|label| !label.is_empty());
        nodes.map(|(node, invocation)| (node.id.to_string(), label(invocation))).collect()
    }

    /// Ids and types of the nodes that can have inputs.
    pub(crate) fn node_types(&self) -> impl Iterator<Item = (&str, &str)> {
        self.document.nodes.iter().filter_map(|node| Some((node.id.as_str(), node.invocation()?.node_type.as_str())))
    }

    /// Sets the input with this system name, without any check.
    pub(crate) fn place(&mut self, system_name: &str, value: Option<Value>) {
        if let Some(input) = self.inputs.iter().find(|input| input.system_name == system_name) {
            self.store(input.index, value);
        }
    }

    /// All inputs, in the order of the form. If the form is empty, these are the fields exposed in the older way.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The inputs by system name. A field that the form shows twice appears once.
    pub fn inputs_by_system_name(&self) -> IndexMap<&str, &Input> {
        let mut inputs = IndexMap::with_capacity(self.inputs.len());
        for input in &self.inputs {
            inputs.entry(input.system_name.as_str()).or_insert(input);
        }
        inputs
    }

    /// The inputs by user name.
    ///
    /// # Errors
    /// If several fields share a name; the error names each such name and every node concerned.
    pub fn inputs_by_user_name(&self) -> Result<IndexMap<&str, &Input>, InputError> {
        let mut groups: IndexMap<&str, Vec<&Input>> = IndexMap::new();
        for input in self.inputs_by_system_name().into_values() {
            groups.entry(input.user_name.as_str()).or_default().push(input);
        }
        let collisions: Vec<_> = groups
            .iter()
            .filter(|(_, inputs)| inputs.len() > 1)
            .map(|(name, inputs)| {
                let mut nodes: Vec<String> = inputs.iter().map(|input| input.node_id.clone()).collect();
                nodes.dedup();
                ((*name).to_owned(), nodes)
            })
            .collect();
        if !collisions.is_empty() {
            return Err(InputError::NamesCollide { collisions });
        }
        Ok(groups.into_iter().filter_map(|(name, inputs)| Some((name, *inputs.first()?))).collect())
    }

    /// The input that a key names: an index, a system name, a user name or a field name that only one field has.
    ///
    /// # Errors
    /// If there is no such input (the error lists similar names), or more than one (the error lists their system
    /// names).
    pub fn input(&self, key: impl Into<InputKey>) -> Result<&Input, InputError> {
        let key = key.into();
        let index = input::find(&self.inputs, &key)?;
        self.inputs.get(index).ok_or(InputError::NotFound { key, suggestions: Vec::new() })
    }

    /// The input that a key names, for setting it: `workflow.input_mut("Steps")?.set(30)?`.
    ///
    /// # Errors
    /// Same as [`input`](Self::input).
    pub fn input_mut(&mut self, key: impl Into<InputKey>) -> Result<InputMut<'_>, InputError> {
        let key = key.into();
        let index = self.input(key.clone())?.index;
        Ok(InputMut { workflow: self, index, key })
    }

    /// The value of an input as a Rust type; `None` if it is unset or of another type.
    ///
    /// # Errors
    /// Same as [`input`](Self::input).
    pub fn get_input<T: FromField>(&self, key: impl Into<InputKey>) -> Result<Option<T>, InputError> {
        Ok(self.input(key)?.field.get())
    }

    /// Sets an input. The value is checked and converted at once; if it is refused nothing changes.
    ///
    /// # Errors
    /// Same as [`input`](Self::input), or if the field does not accept the value.
    pub fn set_input(&mut self, key: impl Into<InputKey>, value: impl Into<InputValue>) -> Result<(), InputError> {
        Ok(self.input_mut(key)?.set(value)?)
    }

    /// Sets an input and returns the workflow: [`set_input`](Self::set_input) for chaining.
    ///
    /// # Errors
    /// Same as `set_input`.
    pub fn with_input(mut self, key: impl Into<InputKey>, value: impl Into<InputValue>) -> Result<Self, InputError> {
        self.set_input(key, value)?;
        Ok(self)
    }

    /// Unsets an input.
    ///
    /// # Errors
    /// Same as [`input`](Self::input).
    pub fn clear_input(&mut self, key: impl Into<InputKey>) -> Result<(), InputError> {
        self.input_mut(key)?.clear();
        Ok(())
    }

    /// Sets many inputs, all or none.
    ///
    /// # Errors
    /// If any value is refused; the error has every refusal, and nothing has changed.
    pub fn set_inputs<K, V>(&mut self, values: impl IntoIterator<Item = (K, V)>) -> Result<(), InputError>
    where
        K: Into<InputKey>,
        V: Into<InputValue>,
    {
        let mut accepted = Vec::new();
        let mut errors = Vec::new();
        for (key, value) in values {
            let key = key.into();
            let checked = self.input(key.clone()).and_then(|input| {
                let mut field = input.field.clone();
                field.set(value).map_err(|error| error.of_input(input.name_by(&key), &input.system_name))?;
                Ok((input.index, field.value().cloned()))
            });
            match checked {
                Ok(input) => accepted.push(input),
                Err(error) => errors.push(error),
            }
        }
        match errors.pop() {
            None => {
                for (index, value) in accepted {
                    self.store(index, value);
                }
                Ok(())
            }
            Some(only) if errors.is_empty() => Err(only),
            Some(last) => {
                errors.push(last);
                Err(InputError::Several { errors })
            }
        }
    }

    /// Sets many inputs from a JSON object of names and values, all or none.
    ///
    /// # Errors
    /// Same as [`set_inputs`](Self::set_inputs), or if this is not an object.
    pub fn set_inputs_json(&mut self, values: &Value) -> Result<(), InputError> {
        match values.as_object() {
            Some(values) => self.set_inputs(values),
            None => Err(InputError::NotAnObject { found: super::json::describe(values) }),
        }
    }

    /// The current values of all inputs that have one, by system name, in the form that
    /// [`set_inputs_json`](Self::set_inputs_json) takes.
    pub fn values(&self) -> Map<String, Value> {
        let values = self.inputs.iter().filter_map(|input| Some((input.system_name.clone(), input.value()?.clone())));
        values.collect()
    }

    /// A field of any node, in the form or not.
    ///
    /// # Errors
    /// If the node or the field does not exist, or the catalog does not have it.
    pub fn node_field(&self, node_id: &str, field: &str) -> Result<InkField, InputError> {
        let found = self.invocation(node_id).and_then(|node| {
            let template = node.template_of(self.catalog.get(&node.node_type)?, field)?;
            let stored = node.inputs.get(field).and_then(|field| field.value.clone());
            Some(InkField::shared(format!("{node_id}.{field}"), template.clone(), stored))
        });
        found.ok_or_else(|| InputError::NoSuchField { node_id: node_id.to_owned(), field: field.to_owned() })
    }

    /// Sets a field of any node, in the form or not. A field that the node type has but the file does not is added.
    ///
    /// # Errors
    /// Same as [`node_field`](Self::node_field), or if the field does not accept the value.
    pub fn set_node_field(
        &mut self,
        node_id: &str,
        field: &str,
        value: impl Into<InputValue>,
    ) -> Result<(), InputError> {
        let mut typed = self.node_field(node_id, field)?;
        typed.set(value)?;
        self.store_value(node_id, field, typed.value().cloned());
        Ok(())
    }

    fn invocation(&self, node_id: &str) -> Option<&Invocation> {
        self.document.nodes.iter().find(|node| node.id == node_id)?.invocation()
    }

    fn store(&mut self, index: usize, value: Option<Value>) {
        if let Some(input) = self.inputs.get(index) {
            let (node_id, field) = (input.node_id.clone(), input.field_name.clone());
            self.store_value(&node_id, &field, value);
        }
    }

    /// Puts a checked value into the node and into every input that shows it.
    pub(super) fn store_value(&mut self, node_id: &str, field: &str, value: Option<Value>) {
        for input in &mut self.inputs {
            if input.node_id == node_id && input.field_name == field {
                input.field.load(value.clone());
            }
        }
        let node = self.document.nodes.iter_mut().find(|node| node.id == node_id);
        if let Some(node) = node.and_then(|node| Arc::make_mut(node).invocation_mut()) {
            match node.inputs.get_mut(field) {
                Some(instance) => instance.value = value,
                None => {
                    let name = Text::from(field);
                    node.inputs.insert(name.clone(), FieldInstance::new(&name, value));
                }
            }
        }
    }
}

/// An input that can be set, borrowed from its workflow. It derefs to [`Input`] for reading.
pub struct InputMut<'a> {
    workflow: &'a mut Workflow,
    index: usize,
    /// How the caller named it.
    key: InputKey,
}

crate::base::debug::short_debug! { InputMut<'a> { workflow, index, key } }

impl Deref for InputMut<'_> {
    type Target = Input;

    fn deref(&self) -> &Input {
        // The index was found among the inputs, and inputs are never removed.
        &self.workflow.inputs[self.index]
    }
}

impl InputMut<'_> {
    /// Checks, converts and stores a value.
    ///
    /// # Errors
    /// If the field does not accept the value; the old value stays.
    pub fn set(&mut self, value: impl Into<InputValue>) -> Result<(), ValueError> {
        let mut field = self.field.clone();
        field.set(value).map_err(|error| error.of_input(self.name_by(&self.key), &self.system_name))?;
        self.workflow.store(self.index, field.value().cloned());
        Ok(())
    }

    /// Unsets the value.
    pub fn clear(&mut self) {
        self.workflow.store(self.index, None);
    }
}
