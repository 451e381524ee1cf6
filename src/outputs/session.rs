//! The session of a queue item: the output of each execution of a node, by node of the workflow.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::{json::lenient, media::scan};

/// The session of one item, as the server reports it. Members that are null or that older servers lack count as
/// missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    members: &'a Map<String, Value>,
    results: &'a Map<String, Value>,
}

/// One execution of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Execution<'a> {
    /// Random id of the execution.
    pub(crate) prepared_id: &'a str,
    /// Id of the node.
    pub(crate) node_id: &'a str,
    pub(crate) result: &'a Value,
}

impl<'a> Session<'a> {
    /// `None` if this is not a session.
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        let members = value.as_object()?;
        Some(Self { members, results: members.get("results")?.as_object()? })
    }

    fn member(&self, name: &str) -> Option<&'a Map<String, Value>> {
        self.members.get(name)?.as_object()
    }

    /// Type of a node of the graph that was sent.
    pub(crate) fn node_type(&self, node_id: &str) -> Option<&'a str> {
        self.member("graph")?.get("nodes")?.get(node_id)?.get("type")?.as_str()
    }

    /// Whether a node of this type is in the graph that was sent.
    pub(crate) fn has_node_of_type(&self, node_type: &str) -> bool {
        let nodes = self.member("graph").and_then(|graph| graph.get("nodes")?.as_object());
        nodes.is_some_and(|nodes| nodes.values().any(|node| node.get("type").is_some_and(|own| own == node_type)))
    }

    /// Names of the images and videos that are inputs of the graph.
    pub(crate) fn given(&self) -> HashSet<&'a str> {
        let mut names = HashSet::new();
        if let Some(graph) = self.members.get("graph") {
            scan(graph, &mut String::new(), &mut |_, _, name| {
                names.insert(name);
            });
        }
        names
    }

    /// Where an execution stands among those of its node, outermost iteration first. Since 6.14.
    pub(crate) fn iteration(&self, prepared_id: &str) -> Vec<u64> {
        let path = self.member("prepared_iteration_paths").and_then(|paths| paths.get(prepared_id)?.as_array());
        path.into_iter().flatten().filter_map(|index| u64::try_from(lenient::integer(index)?).ok()).collect()
    }

    /// All executions that have an output. Nodes come in the order of their first outputs, the executions of one node
    /// in the order of its iterations.
    pub(crate) fn executions(&self) -> Vec<Execution<'a>> {
        let sources = self.member("prepared_source_mapping");
        let mut first_seen: HashMap<&str, usize> = HashMap::new();
        let mut keyed = Vec::new();
        // The order of `results` is that of completion.
        for (index, (prepared_id, result)) in self.results.iter().enumerate() {
            let node_id = sources.and_then(|sources| sources.get(prepared_id)?.as_str()).unwrap_or(prepared_id);
            let seen = *first_seen.entry(node_id).or_insert(index);
            keyed.push(((seen, self.iteration(prepared_id), index), Execution { prepared_id, node_id, result }));
        }
        keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
        keyed.into_iter().map(|(_, execution)| execution).collect()
    }

    /// Ids of executions in the order in which they ended.
    pub(crate) fn completion(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.results.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn executions_of_a_node_come_in_the_order_of_its_iterations() {
        let session = json!({
            "results": {"p2": 2, "p9": 9, "p10": 10, "q": 0},
            "prepared_source_mapping": {"p2": "node", "p9": "node", "p10": "node", "q": "other"},
            "prepared_iteration_paths": {"p2": [1, 0], "p9": [0, 10], "p10": [0, 9]},
        });
        let order = |session: &Value| -> Vec<String> {
            let session = Session::of(session).unwrap();
            session.executions().iter().map(|one| format!("{} {}", one.node_id, one.prepared_id)).collect()
        };
        assert_eq!(order(&session), ["node p10", "node p9", "node p2", "other q"]);
        // Servers before 6.14 do not report paths.
        let older =
            json!({"results": session["results"], "prepared_source_mapping": session["prepared_source_mapping"]});
        assert_eq!(order(&older), ["node p2", "node p9", "node p10", "other q"]);
        assert!(Session::of(&json!({})).is_none() && Session::of(&json!(null)).is_none());
    }
}
