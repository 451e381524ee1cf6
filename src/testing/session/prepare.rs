//! Makes executions of the nodes whose inputs are prepared.

use super::Session;
use super::execution::{Execution, Input, State};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Which execution of each parent one execution of a node is fed from.
type Parents = Vec<(String, usize)>;

impl Session {
    /// Prepares whatever can be prepared and returns the first execution that can run.
    pub(super) fn prepare_until_ready(&mut self) -> Option<usize> {
        let mut first = None;
        let mut prepared = self.prepare_one();
        while prepared {
            prepared = self.prepare_one();
            first = first.or_else(|| self.next_ready());
        }
        first
    }

    /// Prepares one node; false if there is none.
    fn prepare_one(&mut self) -> bool {
        let Some(next) = self.next_preparable() else { return false };
        let made = if self.graph.is(&next, "collect") {
            let groups = self.collect_groups(&next);
            groups.into_iter().map(|(path, parents)| self.make(&next, &parents, Some(path))).sum()
        } else {
            self.make_all(&next)
        };
        // No iteration at all: nothing to run here or below.
        if made == 0_usize {
            self.prepared.insert(next.clone(), Vec::new());
            self.executed.insert(next.clone());
            self.history.push(next);
        }
        true
    }

    /// The first node in the order of dependence whose inputs are prepared and whose iterations are known.
    fn next_preparable(&self) -> Option<String> {
        let order = self.graph.topological()?;
        let runs = |id: &&str| self.executed.contains(*id);
        let next = order.into_iter().find(|&id| {
            !self.prepared.contains_key(id)
                && (!self.graph.is(id, "iterate") || self.graph.parents(id).iter().all(runs))
                && self.graph.ancestors(id, true).iter().all(|before| !self.graph.is(before, "iterate") || runs(before))
        });
        next.map(str::to_owned)
    }

    fn make_all(&mut self, source_id: &str) -> usize {
        let iterators = self.iterators_before(source_id);
        let combinations =
            if iterators.is_empty() { self.by_path(source_id) } else { self.by_iterators(source_id, &iterators) };
        let fixed = iterators.is_empty();
        let path = |session: &Self, parents: &Parents| {
            let paths = parents.iter().map(|&(_, index)| session.executions[index].path.clone());
            fixed.then(|| paths.max_by_key(|path| (path.len(), path.clone())).unwrap_or_default())
        };
        combinations
            .into_iter()
            .map(|parents| {
                let path = path(self, &parents);
                self.make(source_id, &parents, path)
            })
            .sum()
    }

    /// The `iterate` nodes whose iterations a node belongs to, in the order of dependence. Collectors end iterations.
    pub(super) fn iterators_before(&self, source_id: &str) -> Vec<String> {
        let before = self.graph.ancestors(source_id, false);
        let order = self.graph.topological().unwrap_or_default();
        order.into_iter().filter(|id| before.contains(id) && self.graph.is(id, "iterate")).map(str::to_owned).collect()
    }

    /// Below no iteration: by the iteration paths that collectors kept.
    fn by_path(&self, source_id: &str) -> Vec<Parents> {
        let parents: Vec<String> = self.graph.parents(source_id).into_iter().map(str::to_owned).collect();
        let all: BTreeSet<&Vec<usize>> = parents
            .iter()
            .flat_map(|parent| self.executions_of(parent))
            .map(|index| &self.executions[index].path)
            .filter(|path| !path.is_empty())
            .collect();
        let innermost = |path: &&&Vec<usize>| !all.iter().any(|other| other != *path && other.starts_with(path));
        let mut paths: Vec<Vec<usize>> = all.iter().filter(innermost).map(|path| (*path).clone()).collect();
        if paths.is_empty() {
            paths.push(Vec::new());
        }
        let feeding = |path: &[usize], parent: &str| {
            let fitting = self.executions_of(parent).into_iter();
            let fitting = fitting.filter(|&index| path.starts_with(&self.executions[index].path));
            fitting.max_by_key(|&index| (self.executions[index].path.len(), std::cmp::Reverse(index)))
        };
        let combination = |path: &Vec<usize>| {
            parents.iter().map(|parent| Some((parent.clone(), feeding(path, parent)?))).collect::<Option<Parents>>()
        };
        paths.iter().filter_map(combination).collect()
    }

    /// Below iterations: one combination for each that the parents have in common.
    fn by_iterators(&self, source_id: &str, iterators: &[String]) -> Vec<Parents> {
        let parents: Vec<String> = self.graph.parents(source_id).into_iter().map(str::to_owned).collect();
        let mut product: Vec<Vec<usize>> = vec![Vec::new()];
        for iterator in iterators {
            let mut executions = self.executions_of(iterator);
            executions.sort_by_key(|&index| &self.executions[index].path);
            let extend = |chosen: &Vec<usize>| {
                executions.iter().map(|&index| [chosen.as_slice(), &[index]].concat()).collect::<Vec<_>>()
            };
            product = product.iter().flat_map(extend).collect();
        }
        let feeding = |parent: &str, chosen: &[usize]| {
            let before = self.graph.ancestors(parent, true);
            let relevant: Vec<usize> = chosen
                .iter()
                .copied()
                .filter(|&index| {
                    let iterator = self.executions[index].source_id.as_str();
                    iterator == parent || before.contains(iterator)
                })
                .collect();
            let belongs = |index: usize| {
                relevant
                    .iter()
                    .all(|iterator| *iterator == index || self.executions[index].iterators.contains(iterator))
            };
            self.executions_of(parent).into_iter().find(|&index| belongs(index))
        };
        let combination = |chosen: &Vec<usize>| {
            parents.iter().map(|parent| Some((parent.clone(), feeding(parent, chosen)?))).collect::<Option<Parents>>()
        };
        product.iter().filter_map(combination).collect()
    }

    /// Makes the executions of a node that these parents feed: one, or one for each item of an `iterate`.
    fn make(&mut self, source_id: &str, parents: &Parents, path: Option<Vec<usize>>) -> usize {
        let Some(node) = self.graph.nodes.get(source_id).cloned() else { return 0 };
        let inputs: Vec<Input> = self
            .graph
            .inputs(source_id)
            .flat_map(|edge| {
                let from = parents.iter().filter(|(parent, _)| *parent == edge.source.node_id);
                from.map(|&(_, from)| Input {
                    from,
                    output: edge.source.field.clone(),
                    field: edge.destination.field.clone(),
                })
            })
            .collect();
        let iterates = self.graph.is(source_id, "iterate");
        let items = match inputs.iter().find(|input| iterates && input.field == "collection") {
            Some(input) => self.value(input.from, &input.output).as_array().map_or(0, Vec::len),
            None => 1,
        };
        let mut iterators = BTreeSet::new();
        for input in &inputs {
            iterators.extend(&self.executions[input.from].iterators);
            if self.executions[input.from].is("iterate") {
                iterators.insert(input.from);
            }
        }
        let path = path.unwrap_or_else(|| self.path_of(source_id, parents, &iterators));
        for item in 0..items {
            let mut execution = Execution {
                id: uuid::Uuid::new_v4().to_string(),
                source_id: source_id.to_owned(),
                node: node.clone(),
                inputs: inputs.clone(),
                children: Vec::new(),
                path: path.clone(),
                iterators: iterators.clone(),
                state: State::Pending,
                waiting_for: inputs.iter().filter(|input| !self.is_executed(input.from)).count(),
                taken: None,
            };
            execution.node.insert("id".into(), json!(execution.id));
            if iterates {
                execution.path.push(item);
                execution.node.insert("index".into(), json!(item));
            }
            if iterates || execution.is("collect") {
                execution.node.insert("use_cache".into(), Value::Bool(false));
            }
            self.add(execution);
        }
        items
    }

    fn add(&mut self, execution: Execution) {
        let index = self.executions.len();
        for input in &execution.inputs {
            self.executions[input.from].children.push(index);
        }
        self.by_id.insert(execution.id.clone(), index);
        self.prepared.entry(execution.source_id.clone()).or_default().push(index);
        self.executions.push(execution);
        self.resolve_branch(index);
        self.enqueue_if_ready(index);
    }

    /// The iteration path of an execution, without an `iterate` node's own index.
    fn path_of(&self, source_id: &str, parents: &Parents, iterators: &BTreeSet<usize>) -> Vec<usize> {
        let with_path: Vec<_> = parents.iter().filter(|&&(_, index)| !self.executions[index].path.is_empty()).collect();
        let axes = |parent: &str| {
            let mut axes = self.iterators_before(parent);
            axes.extend(self.graph.is(parent, "iterate").then(|| parent.to_owned()));
            axes
        };
        if let Some((first, rest)) = with_path.split_first() {
            let same = |other: &&(String, usize)| {
                self.executions[other.1].path == self.executions[first.1].path && axes(&other.0) == axes(&first.0)
            };
            if rest.iter().all(same) {
                return self.executions[first.1].path.clone();
            }
        }
        // Parallel iterations meet here: the index of each.
        let index_in = |iterator: String| {
            let execution = self.executions_of(&iterator).into_iter().find(|index| iterators.contains(index))?;
            self.executions[execution].path.last().copied()
        };
        self.iterators_before(source_id).into_iter().filter_map(index_in).collect()
    }
}
