//! How the inputs of a `collect` node fall into groups: one execution of it for each iteration around those it ends.

use super::Session;
use super::graph::Edge;
use std::collections::BTreeSet;

type Path = Vec<usize>;

/// An execution that feeds the collector.
struct Feed<'a> {
    edge: &'a Edge,
    execution: usize,
    path: &'a Path,
}

impl Feed<'_> {
    fn is_item(&self) -> bool {
        self.edge.destination.field == "item"
    }
}

impl Session {
    /// For each execution of the collector its iteration path and what feeds it.
    pub(super) fn collect_groups(&self, collector: &str) -> Vec<(Path, Vec<(String, usize)>)> {
        let mut feeds = Vec::new();
        let mut keys: BTreeSet<Path> = BTreeSet::new();
        for edge in self.graph.inputs(collector) {
            keys.extend(self.possible_groups(edge));
            let mut executions = self.executions_of(&edge.source.node_id);
            executions.sort_by_key(|&index| (&self.executions[index].path, index));
            // An item leaves its innermost iteration; siblings may be less deep than others.
            let depth = executions.iter().map(|&index| self.executions[index].path.len()).max().unwrap_or(0);
            for execution in executions {
                let feed = Feed { edge, execution, path: &self.executions[execution].path };
                let kept = if feed.is_item() { depth.saturating_sub(1) } else { feed.path.len() };
                keys.insert(feed.path[..kept.min(feed.path.len())].to_vec());
                feeds.push(feed);
            }
        }
        if keys.is_empty() {
            keys.insert(Path::new());
        }
        let innermost = |key: &&Path| !keys.iter().any(|other| other != *key && other.starts_with(key));
        let belongs =
            |key: &Path, feed: &Feed<'_>| key.starts_with(feed.path) || (feed.is_item() && feed.path.starts_with(key));
        let group = |key: &Path| {
            let mut members: Vec<(String, usize)> = Vec::new();
            for feed in feeds.iter().filter(|feed| belongs(key, feed)) {
                let member = (feed.edge.source.node_id.clone(), feed.execution);
                // Two edges from one node: the edges are followed later.
                if !members.contains(&member) {
                    members.push(member);
                }
            }
            (key.clone(), members)
        };
        keys.iter().filter(innermost).map(group).collect()
    }

    /// Groups that must exist even if nothing feeds them, because an inner list was empty.
    fn possible_groups(&self, edge: &Edge) -> Vec<Path> {
        let source = edge.source.node_id.as_str();
        let mut iterators = self.iterators_before(source);
        iterators.extend(self.graph.is(source, "iterate").then(|| source.to_owned()));
        let depth = if edge.destination.field == "item" { iterators.len().saturating_sub(1) } else { iterators.len() };
        let mut groups = Vec::new();
        for iterator in &iterators {
            let paths = self.executions_of(iterator).into_iter().map(|index| &self.executions[index].path);
            groups.extend(paths.filter(|path| depth > 0 && path.len() >= depth).map(|path| path[..depth].to_vec()));
            let lists = self.graph.inputs(iterator).filter(|edge| edge.destination.field == "collection");
            let lists = lists.flat_map(|edge| self.executions_of(&edge.source.node_id));
            groups.extend(lists.map(|index| self.executions[index].path.clone()));
        }
        if groups.is_empty() && depth == 0 {
            groups.push(Path::new());
        }
        groups
    }
}
