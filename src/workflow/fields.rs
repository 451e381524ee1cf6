//! Naming fields: those of the form, and any other field as `NODE.field`.

use super::field::InkField;
use super::input::{InputError, InputKey};
use super::names::Names;
use super::working_copy::Workflow;

/// A field of a node, in the form or not.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct NamedField {
    /// Id of the node.
    pub node_id: String,
    /// Name of the field on its node.
    pub field_name: String,
    /// Whether an edge ends at the field. If so, the value is ignored, unless the edge comes from a batch node.
    pub connected: bool,
    /// Type and value.
    pub field: InkField,
}

crate::base::debug::short_debug! { NamedField { node_id, field_name, connected, field } }

impl Workflow {
    /// The field that a key names: an [input](Self::input) of the form, or any other field as `NODE.field`, where NODE
    /// is the id of a node, or its label, title or type if only one node with such a field has it.
    ///
    /// ```
    /// # use invokeai_client::{schema::NodeCatalog, workflow::{Workflow, WorkflowDefinition}};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
    /// let workflow = Workflow::new(WorkflowDefinition::from_path(path)?, NodeCatalog::embedded());
    /// let field = workflow.named_field("flux_denoise.seed")?;
    /// assert_eq!(field.node_id, "9c773392-5647-4f2b-958e-9da1707b6e6a");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such field (the error lists similar names), or more than one (the error lists their system
    /// names).
    pub fn named_field(&self, key: impl Into<InputKey>) -> Result<NamedField, InputError> {
        let key = key.into();
        let not_found = match self.input(key.clone()) {
            Ok(input) => {
                return Ok(NamedField {
                    node_id: input.node_id.clone(),
                    field_name: input.field_name.clone(),
                    connected: input.connected,
                    field: input.field.clone(),
                });
            }
            Err(error @ InputError::NotFound { .. }) => error,
            Err(error) => return Err(error),
        };
        let InputKey::Name(name) = &key else { return Err(not_found) };
        let splits = name.match_indices('.').map(|(at, _)| (&name[..at], &name[at + 1..]));
        let mut known_node = None;
        for (node, field) in splits {
            let found = self.nodes_called(node);
            let with_field: Vec<&str> = found.iter().copied().filter(|id| self.node_field(id, field).is_ok()).collect();
            match with_field[..] {
                [id] => return self.field_at(id, field),
                [] => known_node = found.first().map(|id| ((*id).to_owned(), field.to_owned())).or(known_node),
                _ => {
                    let candidates = with_field.iter().map(|id| format!("{id}.{field}")).collect();
                    return Err(InputError::Ambiguous { name: name.clone(), candidates });
                }
            }
        }
        match known_node {
            Some((node_id, field)) => Err(InputError::NoSuchField { node_id, field }),
            None => Err(not_found),
        }
    }

    /// Sets the field that a key names: see [`named_field`](Self::named_field).
    ///
    /// # Errors
    /// Same as [`named_field`](Self::named_field), or if the field does not accept the value.
    pub fn set_named_field(
        &mut self,
        key: impl Into<InputKey>,
        value: impl Into<super::field::InputValue>,
    ) -> Result<(), InputError> {
        let NamedField { node_id, field_name, mut field, .. } = self.named_field(key)?;
        field.set(value)?;
        self.store_value(&node_id, &field_name, field.value().cloned());
        Ok(())
    }

    /// The shortest name by which [`named_field`](Self::named_field) finds a field.
    pub fn name_of_field(&self, node_id: &str, field_name: &str) -> String {
        let names = self.names();
        let input =
            self.inputs().get(names.inputs.get(&format!("{node_id}.{field_name}")).copied().unwrap_or(usize::MAX));
        let user_name = input.map(|input| &input.user_name).filter(|name| !name.contains('\n'));
        if let Some(name) = user_name.filter(|name| names.of_one_input.contains(*name)) {
            return name.clone();
        }
        let node = names.places.get(node_id).and_then(|place| self.document().nodes.get(*place)?.invocation());
        let by_node = node.into_iter().flat_map(|node| [&node.label, &node.node_type]);
        let mut by_node = by_node.filter(|name| !name.is_empty()).map(|name| format!("{name}.{field_name}"));
        let found = by_node.find(|name| self.finds(names, name) == Some((node_id, field_name)));
        found.unwrap_or_else(|| format!("{node_id}.{field_name}"))
    }

    /// What [`named_field`](Self::named_field) finds by a name: node and field.
    fn finds<'n>(&'n self, names: &Names, name: &'n str) -> Option<(&'n str, &'n str)> {
        if names.of_inputs.contains(&name.to_lowercase()) {
            let input = self.input(name).ok()?;
            return Some((&input.node_id, &input.field_name));
        }
        let nodes = &self.document().nodes;
        for (at, _) in name.match_indices('.') {
            let (node, field) = (&name[..at], &name[at + 1..]);
            let has = |place: &&usize| {
                let found = nodes.get(**place).and_then(|node| node.invocation());
                found.is_some_and(|node| {
                    let template = self.catalog().get(&node.node_type);
                    template.is_some_and(|template| node.template_of(template, field).is_some())
                })
            };
            // Whether there is another one is all that matters here.
            let mut found = names.called(node).iter().filter(has);
            match (found.next(), found.next()) {
                (Some(place), None) => return Some((nodes.get(*place)?.id.as_str(), field)),
                (None, _) => {}
                _ => return None,
            }
        }
        None
    }

    /// The names of all nodes and inputs, looked at once: loading settles them.
    fn names(&self) -> &Names {
        self.names_cell().get_or_init(|| Names::of(&self.document().nodes, self.catalog(), self.inputs()).into())
    }

    /// The fields with this name, of all nodes, in the order of the file.
    pub fn fields_called(&self, field_name: &str) -> Vec<NamedField> {
        let nodes = self.document().nodes.iter().filter(|node| node.invocation().is_some());
        nodes.filter_map(|node| self.field_at(&node.id, field_name).ok()).collect()
    }

    fn field_at(&self, node_id: &str, field_name: &str) -> Result<NamedField, InputError> {
        let field = self.node_field(node_id, field_name)?;
        let wiring = self.wiring();
        let connected = wiring.place(node_id).is_some_and(|place| wiring.is_connected(place, field_name));
        Ok(NamedField { node_id: node_id.to_owned(), field_name: field_name.to_owned(), connected, field })
    }

    /// Ids of the nodes that have this name.
    fn nodes_called(&self, name: &str) -> Vec<&str> {
        let nodes = &self.document().nodes;
        self.names().called(name).iter().filter_map(|place| Some(nodes.get(*place)?.id.as_str())).collect()
    }
}
