//! Whether an edge would close a cycle, edge by edge in the order of the file.
//!
//! The editor tests the whole graph anew for every edge. Here the strongly connected components of all edges together
//! are found once; edges between components cannot close a cycle, so an ordinary workflow needs no further work.

use super::wiring::{Ignored, Link, Wiring};
use std::collections::HashSet;

pub(super) struct Cycles {
    /// Component of each node, if any component has more than one node or an edge to itself.
    components: Option<Vec<usize>>,
    /// Whether accepted edges already form a cycle. The editor does not test collapsed edges and edges into connectors,
    /// and once they form a cycle it refuses all others.
    closed: bool,
}

impl Cycles {
    /// Prepares for edges among those given; all edges of the file, accepted or not.
    pub(super) fn new(nodes: usize, links: &[Link<'_>]) -> Self {
        let components = components(nodes, links);
        let mut size = vec![0_usize; nodes];
        for component in &components {
            if let Some(count) = size.get_mut(*component) {
                *count += 1;
            }
        }
        let cyclic = size.iter().any(|count| *count > 1) || links.iter().any(|link| link.source == link.target);
        Cycles { components: cyclic.then_some(components), closed: false }
    }

    /// Whether the accepted edges and this one together contain a cycle.
    pub(super) fn would_close(&self, wiring: &Wiring<'_>, source: usize, target: usize, ignored: &Ignored<'_>) -> bool {
        if self.components.is_none() {
            return false;
        }
        (self.closed && (ignored.is_empty() || has_cycle(wiring, ignored)))
            || self.leads(wiring, target, source, ignored)
    }

    /// Notes an edge that was accepted without a test.
    pub(super) fn accept_untested(&mut self, wiring: &Wiring<'_>, source: usize, target: usize) {
        self.closed = self.closed || self.leads(wiring, target, source, &HashSet::new());
    }

    /// Whether there is a way between two nodes; searched from both ends at once, within their component.
    fn leads(&self, wiring: &Wiring<'_>, from: usize, to: usize, ignored: &Ignored<'_>) -> bool {
        let Some(components) = &self.components else { return false };
        if from == to {
            return true;
        }
        let component = components.get(from);
        if component != components.get(to) {
            return false;
        }
        let (mut reached, mut reaching) = (HashSet::from([from]), HashSet::from([to]));
        let (mut ahead, mut behind) = (vec![from], vec![to]);
        while let (Some(next), Some(previous)) = (ahead.pop(), behind.pop()) {
            for edge in wiring.out_of(next).filter(|edge| !ignored.contains(edge.id)) {
                if reaching.contains(&edge.target) {
                    return true;
                }
                if components.get(edge.target) == component && reached.insert(edge.target) {
                    ahead.push(edge.target);
                }
            }
            for edge in wiring.edges_entering(previous).filter(|edge| !ignored.contains(edge.id)) {
                if reached.contains(&edge.source) {
                    return true;
                }
                if components.get(edge.source) == component && reaching.insert(edge.source) {
                    behind.push(edge.source);
                }
            }
        }
        false
    }
}

fn has_cycle(wiring: &Wiring<'_>, ignored: &Ignored<'_>) -> bool {
    let links: Vec<_> = wiring.links().iter().filter(|link| !ignored.contains(link.id)).copied().collect();
    Cycles::new(wiring.nodes.len(), &links).components.is_some()
}

/// Tarjan's strongly connected components, without recursion: the component number of each node.
fn components(nodes: usize, links: &[Link<'_>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for link in links {
        if let Some(targets) = next.get_mut(link.source) {
            targets.push(link.target);
        }
    }
    let (mut order, mut low, mut component) = (vec![UNSEEN; nodes], vec![0; nodes], vec![UNSEEN; nodes]);
    let (mut counter, mut found) = (0, 0);
    let mut stack = Vec::new();
    for root in 0..nodes {
        if order[root] != UNSEEN {
            continue;
        }
        let mut way = vec![(root, 0_usize)];
        while let Some(&mut (node, ref mut child)) = way.last_mut() {
            if *child == 0 {
                order[node] = counter;
                low[node] = counter;
                counter += 1;
                stack.push(node);
            }
            if let Some(&target) = next[node].get(*child) {
                *child += 1;
                if order[target] == UNSEEN {
                    way.push((target, 0));
                } else if component[target] == UNSEEN {
                    low[node] = low[node].min(order[target]);
                }
                continue;
            }
            // A leaf keeps its counter at 0, but it is never looked at again.
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
    component
}
