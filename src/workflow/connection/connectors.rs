//! What connectors pass on, and to what, while edges are still being judged.

use crate::workflow::forest::Forest;
use crate::workflow::table::Map;
use crate::workflow::wiring::Link;
use std::cell::RefCell;
use std::collections::BTreeSet;

use super::types::Typed;

/// An input behind a connector.
#[derive(Clone, Copy)]
pub(super) enum End<'a> {
    /// An input that the type of its node has.
    Typed(Typed<'a>),
    /// An input that only this node has; node and name.
    Dynamic(usize, &'a str),
}

/// The connectors of a workflow by their place among the nodes.
pub(super) struct Connectors<'a> {
    /// A connector hangs below the one that feeds it.
    forest: RefCell<Forest>,
    above: Map<usize, usize>,
    /// What feeds a connector that no other connector feeds: node and output.
    fed_by: Map<usize, (usize, &'a str)>,
    below: Map<usize, Below<'a>>,
    types: Vec<Typed<'a>>,
    type_numbers: Map<Typed<'a>, usize>,
}

/// What a connector feeds, directly and through others. Kept up to date, because searching for it at every edge would
/// take time that grows with the square of the workflow.
#[derive(Default)]
struct Below<'a> {
    /// Numbers of the types, each once.
    types: BTreeSet<usize>,
    /// Dynamic inputs. Two are enough to know for any input whether there is another one.
    dynamic: Vec<(usize, &'a str)>,
}

impl<'a> Connectors<'a> {
    pub(super) fn new(nodes: usize) -> Self {
        Connectors {
            forest: RefCell::new(Forest::new(nodes)),
            above: Map::default(),
            fed_by: Map::default(),
            below: Map::default(),
            types: Vec::new(),
            type_numbers: Map::default(),
        }
    }

    /// The topmost of the connectors above this one, which may be this one itself.
    pub(super) fn top(&self, connector: usize) -> usize {
        self.forest.borrow_mut().root(connector)
    }

    /// The output that reaches this connector through those above it. `None` if there is none, or they form a ring.
    pub(super) fn source(&self, connector: usize) -> Option<(usize, &'a str)> {
        self.fed_by.get(&self.top(connector)).copied()
    }

    /// Types of the inputs that a connector feeds, and its dynamic inputs.
    pub(super) fn ends(&self, connector: usize) -> impl Iterator<Item = End<'a>> + '_ {
        let below = self.below.get(&connector);
        let types = below.into_iter().flat_map(|below| &below.types).filter_map(|number| self.types.get(*number));
        let dynamic = below.into_iter().flat_map(|below| &below.dynamic).map(|(node, name)| End::Dynamic(*node, name));
        types.copied().map(End::Typed).chain(dynamic)
    }

    /// Records that an output of a node feeds a connector.
    pub(super) fn feed(&mut self, link: Link<'a>) {
        if let Some((output, _)) = link.handles {
            self.fed_by.insert(link.target, (link.source, output));
        }
    }

    /// Records that a connector feeds another one.
    pub(super) fn join(&mut self, source: usize, target: usize) {
        self.forest.get_mut().link(target, source);
        self.above.insert(target, source);
        if let Some(Below { types, dynamic }) = self.below.get(&target) {
            let (types, dynamic) = (types.clone(), dynamic.clone());
            self.add_below(source, &types, &dynamic);
        }
    }

    /// Records that a connector feeds an input.
    pub(super) fn end(&mut self, connector: usize, end: End<'a>) {
        match end {
            End::Typed(input) => {
                let next = self.types.len();
                let number = *self.type_numbers.entry(input).or_insert(next);
                if number == next {
                    self.types.push(input);
                }
                self.add_below(connector, &BTreeSet::from([number]), &[]);
            }
            End::Dynamic(node, name) => self.add_below(connector, &BTreeSet::new(), &[(node, name)]),
        }
    }

    /// Adds to a connector and all above it. What one of them already has, those above it have too.
    fn add_below(&mut self, connector: usize, types: &BTreeSet<usize>, dynamic: &[(usize, &'a str)]) {
        let mut next = Some(connector);
        while let Some(connector) = next {
            let below = self.below.entry(connector).or_default();
            let before = below.types.len() + below.dynamic.len();
            below.types.extend(types);
            for input in dynamic {
                if below.dynamic.len() < 2 && !below.dynamic.contains(input) {
                    below.dynamic.push(*input);
                }
            }
            let added = below.types.len() + below.dynamic.len() > before;
            next = self.above.get(&connector).copied().filter(|_| added);
        }
    }
}
