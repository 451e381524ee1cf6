//! The names of nodes and inputs, indexed, for workflows with thousands of them.

use super::document::Node;
use super::input::Input;
use crate::schema::NodeCatalog;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Names of nodes and inputs. Nodes and inputs are named by their place.
#[derive(Default)]
pub(super) struct Names {
    pub(super) places: HashMap<String, usize>,
    by_id: HashMap<String, Vec<usize>>,
    /// In lower case, as those below.
    by_label: HashMap<String, Vec<usize>>,
    by_kind: HashMap<String, Vec<usize>>,
    /// Inputs by system name.
    pub(super) inputs: HashMap<String, usize>,
    /// System names, user names and field names of inputs, in lower case.
    pub(super) of_inputs: HashSet<String>,
    /// User names that only one input has, and that are not a system name.
    pub(super) of_one_input: HashSet<String>,
}

impl Names {
    pub(super) fn of(nodes: &[Arc<Node>], catalog: &NodeCatalog, inputs: &[Input]) -> Self {
        let mut names = Names::default();
        for (place, node) in nodes.iter().enumerate() {
            names.places.entry(node.id.to_string()).or_insert(place);
            let Some(invocation) = node.invocation() else { continue };
            names.by_id.entry(node.id.to_string()).or_default().push(place);
            if !invocation.label.is_empty() {
                names.by_label.entry(invocation.label.to_lowercase()).or_default().push(place);
            }
            let kind = invocation.node_type.to_lowercase();
            let title = catalog.get(&invocation.node_type).map(|template| template.title.to_lowercase());
            if let Some(title) = title.filter(|title| *title != kind) {
                names.by_kind.entry(title).or_default().push(place);
            }
            names.by_kind.entry(kind).or_default().push(place);
        }
        let mut of_many = HashSet::new();
        let mut first: HashMap<&str, &str> = HashMap::new();
        for (place, input) in inputs.iter().enumerate() {
            names.inputs.entry(input.system_name.clone()).or_insert(place);
            let all = [&input.system_name, &input.user_name, &input.field_name];
            names.of_inputs.extend(all.map(|name| name.to_lowercase()));
            if *first.entry(&input.user_name).or_insert(&input.system_name) != input.system_name {
                of_many.insert(input.user_name.as_str());
            }
        }
        let is_system = |name: &str| names.inputs.contains_key(name);
        let of_one = first.into_keys().filter(|name| !of_many.contains(name) && !is_system(name));
        names.of_one_input = of_one.map(str::to_owned).collect();
        names
    }

    /// Nodes with this id; if there are none, with this label; then with this title or type, ignoring case.
    pub(super) fn called(&self, name: &str) -> &[usize] {
        let lower = name.to_lowercase();
        let found = self.by_id.get(name).or_else(|| self.by_label.get(&lower)).or_else(|| self.by_kind.get(&lower));
        found.map_or(&[], Vec::as_slice)
    }
}
