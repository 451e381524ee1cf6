//! What `collect` nodes collect, while edges are still being judged.

use super::types::Typed;
use crate::workflow::forest::Forest;
use crate::workflow::table::Map;
use std::cell::RefCell;

pub(in crate::workflow) const COLLECT: &str = "collect";
pub(in crate::workflow) const ITEM: &str = "item";
pub(in crate::workflow) const COLLECTION: &str = "collection";

/// Collect nodes that add to the list of another one and have no items of their own yet.
#[derive(Default)]
pub(super) struct Collects {
    /// Such a node hangs below the one that it adds to. Most workflows have none.
    forest: Option<RefCell<Forest>>,
}

/// What collect nodes collect if some edges are left out; filled in on demand.
pub(super) type Found<'a> = Map<usize, Option<Typed<'a>>>;

/// Where the type of a collect node's items comes from.
pub(super) enum Origin<'a> {
    /// From an edge of its own, if that determines it.
    Own(Option<Typed<'a>>),
    /// From the collect node that it adds to.
    Other(usize),
}

impl Collects {
    /// The collect node that says what this one collects.
    pub(super) fn origin(&self, collect: usize) -> usize {
        self.forest.as_ref().map_or(collect, |forest| forest.borrow_mut().root(collect))
    }

    /// Records that a node without items adds to the list of another one. `nodes` is the number of all nodes.
    pub(super) fn join(&mut self, collect: usize, to: usize, nodes: usize) {
        self.forest.get_or_insert_with(|| RefCell::new(Forest::new(nodes))).get_mut().link(collect, to);
    }

    /// Records that a node has items of its own.
    pub(super) fn leave(&mut self, collect: usize) {
        if let Some(forest) = &mut self.forest {
            forest.get_mut().cut(collect);
        }
    }
}

/// Follows the origins to the first node that has its own; each node is visited only once, for all lookups together.
pub(super) fn follow<'a>(
    collect: usize,
    found: &mut Found<'a>,
    origin: impl Fn(usize) -> Origin<'a>,
) -> Option<Typed<'a>> {
    let (mut way, mut next) = (Vec::new(), collect);
    let answer = loop {
        if let Some(known) = found.get(&next) {
            break *known;
        }
        // A ring collects nothing.
        found.insert(next, None);
        way.push(next);
        match origin(next) {
            Origin::Own(answer) => break answer,
            Origin::Other(other) => next = other,
        }
    };
    found.extend(way.into_iter().map(|node| (node, answer)));
    answer
}
