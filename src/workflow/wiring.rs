//! The edges of a workflow by node and handle, and what connector nodes stand for.

use super::document::{Edge, Node};
use std::collections::{HashMap, HashSet};

pub(super) const CONNECTOR_IN: &str = "in";
pub(super) const CONNECTOR_OUT: &str = "out";

/// Edges between known nodes, in the order they were added. Nodes and edges are named by their place.
pub(super) struct Wiring<'a> {
    pub(super) nodes: &'a [Node],
    ids: HashMap<&'a str, usize>,
    edges: Vec<Link<'a>>,
    by_target: HashMap<(usize, &'a str), Vec<usize>>,
    outgoing: Vec<Vec<usize>>,
    incoming: Vec<Vec<usize>>,
}

#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) id: &'a str,
    pub(super) source: usize,
    pub(super) target: usize,
    /// Source and target handle; none for a collapsed edge.
    pub(super) handles: Option<(&'a str, &'a str)>,
}

/// Edges that a question leaves out, by id.
pub(super) type Ignored<'a> = HashSet<&'a str>;

impl<'a> Wiring<'a> {
    pub(super) fn new(nodes: &'a [Node]) -> Self {
        let mut ids = HashMap::with_capacity(nodes.len());
        for (place, node) in nodes.iter().enumerate() {
            // Ids should be unique; the editor finds the first.
            ids.entry(node.id.as_str()).or_insert(place);
        }
        Wiring {
            nodes,
            ids,
            edges: Vec::new(),
            by_target: HashMap::new(),
            outgoing: vec![Vec::new(); nodes.len()],
            incoming: vec![Vec::new(); nodes.len()],
        }
    }

    /// All edges of a loaded workflow.
    pub(super) fn with_edges(nodes: &'a [Node], edges: &'a [Edge]) -> Self {
        let mut wiring = Self::new(nodes);
        for edge in edges {
            if let Some(link) = wiring.link(edge) {
                wiring.push(link);
            }
        }
        wiring
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub(super) fn node(&self, place: usize) -> Option<&'a Node> {
        self.nodes.get(place)
    }

    /// An edge with its nodes looked up; `None` if one is missing.
    pub(super) fn link(&self, edge: &'a Edge) -> Option<Link<'a>> {
        let handles = edge.handles.as_ref().map(|handles| (handles.source.as_str(), handles.target.as_str()));
        Some(Link { id: &edge.id, source: self.place(&edge.source)?, target: self.place(&edge.target)?, handles })
    }

    pub(super) fn push(&mut self, link: Link<'a>) {
        let place = self.edges.len();
        self.edges.push(link);
        if let Some((_, handle)) = link.handles {
            self.by_target.entry((link.target, handle)).or_default().push(place);
        }
        if let Some(edges) = self.outgoing.get_mut(link.source) {
            edges.push(place);
        }
        if let Some(edges) = self.incoming.get_mut(link.target) {
            edges.push(place);
        }
    }

    pub(super) fn links(&self) -> &[Link<'a>] {
        &self.edges
    }

    fn select<'s>(&'s self, places: Option<&'s Vec<usize>>) -> impl Iterator<Item = Link<'a>> + 's {
        places.into_iter().flatten().filter_map(|place| self.edges.get(*place).copied())
    }

    /// Edges into a handle.
    pub(super) fn edges_into<'s>(&'s self, target: usize, handle: &'s str) -> impl Iterator<Item = Link<'a>> + 's {
        self.select(self.by_target.get(&(target, handle)))
    }

    pub(super) fn is_connected(&self, target: usize, handle: &str) -> bool {
        self.by_target.contains_key(&(target, handle))
    }

    /// Edges leaving a node, collapsed ones included.
    pub(super) fn out_of(&self, source: usize) -> impl Iterator<Item = Link<'a>> + '_ {
        self.select(self.outgoing.get(source))
    }

    /// Edges entering a node, collapsed ones included.
    pub(super) fn edges_entering(&self, target: usize) -> impl Iterator<Item = Link<'a>> + '_ {
        self.select(self.incoming.get(target))
    }

    /// The output that a connector passes on: its input edge followed up through further connectors. `None` if that
    /// dangles, loops or ends at a node without outputs.
    pub(super) fn connector_source(&self, connector: usize, ignored: &Ignored<'_>) -> Option<(usize, &'a str)> {
        let mut visited = HashSet::new();
        let mut current = connector;
        while visited.insert(current) {
            let edge = self.edges_into(current, CONNECTOR_IN).find(|edge| !ignored.contains(edge.id))?;
            let source = self.node(edge.source)?;
            if source.invocation().is_some() {
                return Some((edge.source, edge.handles?.0));
            }
            if !source.is_connector() {
                return None;
            }
            current = edge.source;
        }
        None
    }

    /// The edges by which a connector's value finally leaves for nodes that are no connectors, in order.
    pub(super) fn connector_targets(&self, connector: usize, ignored: &Ignored<'_>) -> Vec<Link<'a>> {
        let mut targets = Vec::new();
        self.walk_connectors(connector, ignored, |edge, into_connector| {
            if !into_connector {
                targets.push(edge);
            }
        });
        targets
    }

    /// Ids of all edges that carry a connector's value on, between connectors too.
    pub(super) fn connector_edge_ids(&self, connector: usize, ignored: &Ignored<'_>) -> Ignored<'a> {
        let mut ids = HashSet::new();
        self.walk_connectors(connector, ignored, |edge, _| {
            ids.insert(edge.id);
        });
        ids
    }

    /// Visits the edges downstream of a connector, depth first, each connector once.
    fn walk_connectors(&self, connector: usize, ignored: &Ignored<'_>, mut visit: impl FnMut(Link<'a>, bool)) {
        let carries = |edge: &Link<'_>| {
            !ignored.contains(edge.id) && edge.handles.is_some_and(|(source, _)| source == CONNECTOR_OUT)
        };
        let mut visited = HashSet::from([connector]);
        let mut open: Vec<Link<'a>> = self.out_of(connector).filter(&carries).collect();
        open.reverse();
        while let Some(edge) = open.pop() {
            let into_connector = self.node(edge.target).is_some_and(Node::is_connector);
            visit(edge, into_connector);
            if into_connector && visited.insert(edge.target) {
                let start = open.len();
                open.extend(self.out_of(edge.target).filter(&carries));
                if let Some(added) = open.get_mut(start..) {
                    added.reverse();
                }
            }
        }
    }
}
