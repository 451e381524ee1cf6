//! `if` is lazy: what only the branch not taken needs does not run.

use super::Session;
use super::execution::State;
use std::collections::HashSet;

const BRANCHES: [&str; 2] = ["true_input", "false_input"];

impl Session {
    /// Nodes that nothing but this branch of this `if` uses.
    fn exclusive_to(&self, if_id: &str, branch: &str) -> HashSet<String> {
        let mut nodes: HashSet<String> = HashSet::new();
        for edge in self.graph.inputs(if_id).filter(|edge| edge.destination.field == branch) {
            nodes.insert(edge.source.node_id.clone());
            nodes.extend(self.graph.ancestors(&edge.source.node_id, true).into_iter().map(str::to_owned));
        }
        loop {
            let stays = |node: &String| {
                self.graph.outputs(node).all(|edge| {
                    let (target, field) = (&edge.destination.node_id, &edge.destination.field);
                    nodes.contains(target) || (target == if_id && field == branch)
                })
            };
            let kept: HashSet<String> = nodes.iter().filter(|node| stays(node)).cloned().collect();
            if kept.len() == nodes.len() {
                return kept;
            }
            nodes = kept;
        }
    }

    /// Whether an `if` that is not decided yet may make this execution unnecessary.
    pub(super) fn waits_for_branch(&self, index: usize) -> bool {
        let execution = &self.executions[index];
        let ifs = self.graph.nodes.keys().filter(|id| self.graph.is(id, "if"));
        let concerned =
            ifs.filter(|id| BRANCHES.iter().any(|branch| self.exclusive_to(id, branch).contains(&execution.source_id)));
        concerned.into_iter().any(|id| {
            let same: Vec<_> =
                self.prepared.get(id).into_iter().flatten().map(|&other| &self.executions[other]).collect();
            let same: Vec<_> = same.into_iter().filter(|other| other.path == execution.path).collect();
            same.is_empty() || same.iter().any(|other| other.taken.is_none())
        })
    }

    /// Decides an `if` whose condition is known, lets its branch run and skips the other.
    pub(super) fn resolve_branch(&mut self, index: usize) {
        let execution = &self.executions[index];
        if !execution.is("if") || execution.taken.is_some() {
            return;
        }
        let condition = execution.inputs.iter().filter(|input| input.field == "condition");
        let edges: Vec<_> = condition.map(|input| (input.from, input.output.clone())).collect();
        if edges.iter().any(|&(from, _)| !self.is_executed(from)) {
            return;
        }
        for (from, output) in edges {
            let value = self.value(from, &output);
            self.executions[index].node.insert("condition".into(), value);
        }
        let execution = &self.executions[index];
        let condition = execution.node.get("condition").is_some_and(|condition| condition == true);
        let (taken, other) = if condition { (BRANCHES[0], BRANCHES[1]) } else { (BRANCHES[1], BRANCHES[0]) };
        let (source_id, path) = (execution.source_id.clone(), execution.path.clone());
        self.drop_inputs(index, other);
        self.executions[index].taken = Some(taken);
        let (needed, needless) = (self.exclusive_to(&source_id, taken), self.exclusive_to(&source_id, other));
        for other in 0..self.executions.len() {
            if self.is_executed(other) || self.executions[other].path != path {
                continue;
            }
            if needed.contains(&self.executions[other].source_id) {
                self.enqueue_if_ready(other);
            } else if needless.contains(&self.executions[other].source_id) {
                self.skip(other);
            }
        }
        self.enqueue_if_ready(index);
    }

    /// Removes the edges into one field, so that nothing waits there.
    fn drop_inputs(&mut self, index: usize, field: &str) {
        let inputs = std::mem::take(&mut self.executions[index].inputs);
        let (dropped, kept) = inputs.into_iter().partition::<Vec<_>, _>(|input| input.field == field);
        for input in dropped {
            if !self.is_executed(input.from) {
                let waiting_for = &mut self.executions[index].waiting_for;
                *waiting_for = waiting_for.saturating_sub(1);
            }
            let children = &mut self.executions[input.from].children;
            if let Some(place) = children.iter().position(|&child| child == index) {
                children.remove(place);
            }
        }
        self.executions[index].inputs = kept;
    }

    fn skip(&mut self, index: usize) {
        self.unready(index);
        self.executions[index].state = State::Skipped;
        self.executed.insert(self.executions[index].id.clone());
        self.finish_source(index);
    }
}
