//! Whether an edge would close a cycle, edge by edge in the order of the file.
//!
//! The editor tests the whole graph again for every edge. Here the strongly connected components of all edges together
//! are found once; edges between components cannot close a cycle, so an ordinary workflow needs no further work.

use super::forest::Forest;
use super::wiring::{Link, Wiring};
use std::cell::RefCell;

pub(super) struct Cycles {
    /// `None` unless some component has more than one node, or an edge to itself.
    components: Option<Components>,
    /// Whether accepted edges already form a cycle. The editor does not test collapsed edges and edges into connectors,
    /// and once they form a cycle it refuses all others.
    closed: bool,
}

struct Components {
    /// Component of each node.
    of: Vec<usize>,
    /// Accepted edges, one into each node: enough to find most paths at once.
    forest: RefCell<Forest>,
    hangs: Vec<bool>,
    search: RefCell<Search>,
}

/// Which search has last reached a node, and from which end.
struct Search {
    number: u32,
    reached: Vec<[u32; 2]>,
}

impl Cycles {
    /// Prepares for judging these edges: all edges of the file, accepted or not.
    pub(super) fn new<'l, 'a: 'l>(nodes: usize, links: impl Iterator<Item = &'l Link<'a>> + Clone) -> Self {
        let (of, number) = components(nodes, links.clone());
        let cyclic = number < nodes || links.into_iter().any(|link| link.source == link.target);
        let components = cyclic.then(|| Components {
            of,
            forest: RefCell::new(Forest::new(nodes)),
            hangs: vec![false; nodes],
            search: RefCell::new(Search { number: 0, reached: vec![[0; 2]; nodes] }),
        });
        Cycles { components, closed: false }
    }

    /// Whether the accepted edges and this one together contain a cycle.
    pub(super) fn would_close(&self, wiring: &Wiring<'_>, link: Link<'_>) -> bool {
        self.closed || self.leads(wiring, link.target, link.source)
    }

    /// The same, as if some of the accepted edges did not exist.
    pub(super) fn would_close_without(
        &self,
        wiring: &Wiring<'_>,
        link: Link<'_>,
        is_left_out: impl Fn(&Link<'_>) -> bool,
    ) -> bool {
        let Some(components) = &self.components else { return false };
        (self.closed && has_cycle(wiring, &is_left_out))
            || components.search(wiring, link.target, link.source, &is_left_out)
    }

    /// Records an accepted edge, before it is added to the others.
    pub(super) fn accept(&mut self, wiring: &Wiring<'_>, link: Link<'_>, tested: bool) {
        self.closed = self.closed || (!tested && self.leads(wiring, link.target, link.source));
        // A forest has no cycles; once there is a cycle, no path is searched for anymore.
        if let Some(components) = self.components.as_mut().filter(|_| !self.closed) {
            components.hang(link);
        }
    }

    /// Whether there is a path between two nodes.
    fn leads(&self, wiring: &Wiring<'_>, from: usize, to: usize) -> bool {
        let Some(components) = &self.components else { return false };
        components.of.get(from) == components.of.get(to)
            && (components.forest.borrow_mut().is_above(from, to) || components.search(wiring, from, to, |_| false))
    }
}

impl Components {
    fn hang(&mut self, link: Link<'_>) {
        let inside = self.of.get(link.source) == self.of.get(link.target);
        if let Some(hangs) = self.hangs.get_mut(link.target).filter(|hangs| inside && !**hangs) {
            *hangs = true;
            self.forest.get_mut().link(link.target, link.source);
        }
    }

    /// Searches for a path from both ends at once, within their component.
    fn search(&self, wiring: &Wiring<'_>, from: usize, to: usize, is_left_out: impl Fn(&Link<'_>) -> bool) -> bool {
        const FORWARD: usize = 0;
        const BACKWARD: usize = 1;
        if from == to {
            return true;
        }
        let component = self.of.get(from);
        if component != self.of.get(to) {
            return false;
        }
        let mut search = self.search.borrow_mut();
        search.number += 1;
        let Search { number, reached } = &mut *search;
        // Whether the node was reached from the other end. If neither end has reached it, it is marked as reached.
        let mut reach = |node: usize, end: usize, open: &mut Vec<usize>| {
            let Some(reached) = reached.get_mut(node) else { return false };
            if reached[1 - end] == *number {
                return true;
            }
            if reached[end] != *number && self.of.get(node) == component {
                reached[end] = *number;
                open.push(node);
            }
            false
        };
        let (mut ahead, mut behind) = (Vec::new(), Vec::new());
        reach(from, FORWARD, &mut ahead);
        reach(to, BACKWARD, &mut behind);
        while let (Some(next), Some(previous)) = (ahead.pop(), behind.pop()) {
            for edge in wiring.out_of(next).filter(|edge| !is_left_out(edge)) {
                if reach(edge.target, FORWARD, &mut ahead) {
                    return true;
                }
            }
            for edge in wiring.edges_entering(previous).filter(|edge| !is_left_out(edge)) {
                if reach(edge.source, BACKWARD, &mut behind) {
                    return true;
                }
            }
        }
        false
    }
}

fn has_cycle(wiring: &Wiring<'_>, is_left_out: &impl Fn(&Link<'_>) -> bool) -> bool {
    let links = wiring.links().iter().filter(|link| !is_left_out(link));
    Cycles::new(wiring.nodes.len(), links).components.is_some()
}

/// Tarjan's strongly connected components, without recursion: the component number of each node, and their count.
fn components<'l, 'a: 'l>(nodes: usize, links: impl Iterator<Item = &'l Link<'a>>) -> (Vec<usize>, usize) {
    const NONE: usize = usize::MAX;
    // The first edge out of each node; for each edge its end, and the next edge out of the same node.
    let (mut first, mut ends) = (vec![NONE; nodes], Vec::new());
    for link in links {
        if let Some(first) = first.get_mut(link.source) {
            let next = std::mem::replace(first, ends.len());
            ends.push((link.target, next));
        }
    }
    let (mut order, mut low, mut component) = (vec![NONE; nodes], vec![0; nodes], vec![NONE; nodes]);
    let (mut counter, mut found) = (0, 0);
    let (mut stack, mut way) = (Vec::new(), Vec::new());
    for root in 0..nodes {
        if order[root] == NONE {
            way.push((root, first[root]));
        }
        while let Some(&mut (node, ref mut edge)) = way.last_mut() {
            if order[node] == NONE {
                order[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
            }
            if let Some(&(target, next)) = ends.get(*edge) {
                *edge = next;
                if order[target] == NONE {
                    way.push((target, first[target]));
                } else if component[target] == NONE {
                    low[node] = low[node].min(order[target]);
                }
                continue;
            }
            way.pop();
            if low[node] == order[node] {
                while let Some(member) = stack.pop() {
                    component[member] = found;
                    if member == node {
                        break;
                    }
                }
                found += 1;
            }
            if let Some(&(parent, _)) = way.last() {
                low[parent] = low[parent].min(low[node]);
            }
        }
    }
    (component, found)
}
