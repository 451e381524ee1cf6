//! Naming fields: those of the form, and any other field as `NODE.field`.

use super::document::Invocation;
use super::field::InkField;
use super::input::{InputError, InputKey};
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
        let is_it = |name: &String| {
            self.named_field(name).is_ok_and(|found| found.node_id == node_id && found.field_name == field_name)
        };
        let input = self.inputs().iter().find(|input| input.node_id == node_id && input.field_name == field_name);
        let user_name = input.map(|input| input.user_name.clone()).filter(|name| !name.contains('\n'));
        let node = self.document().nodes.iter().find(|node| node.id == node_id).and_then(|node| node.invocation());
        let by_node = node.into_iter().flat_map(|node| [&node.label, &node.node_type]);
        let by_node = by_node.filter(|name| !name.is_empty()).map(|name| format!("{name}.{field_name}"));
        let mut names = user_name.into_iter().chain(by_node);
        names.find(is_it).unwrap_or_else(|| format!("{node_id}.{field_name}"))
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

    /// Ids of the nodes with this id; if there are none, with this label; then with this title or type, ignoring case.
    fn nodes_called(&self, name: &str) -> Vec<&str> {
        let nodes = || self.document().nodes.iter().filter_map(|node| Some((node.id.as_str(), node.invocation()?)));
        let wanted = name.to_lowercase();
        let is = |text: &str| text.to_lowercase() == wanted;
        let title = |node: &Invocation| self.catalog().get(&node.node_type).map(|template| template.title.clone());
        type Names<'a> = &'a dyn Fn(&str, &Invocation) -> bool;
        let tiers: [Names<'_>; 3] =
            [&|id, _| id == name, &|_, node| !node.label.is_empty() && is(&node.label), &|_, node| {
                is(&node.node_type) || title(node).is_some_and(|title| is(&title))
            }];
        for tier in tiers {
            let found: Vec<&str> = nodes().filter(|(id, node)| tier(id, node)).map(|(id, _)| id).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}
