//! The edges of a workflow by node and handle, and what connector nodes stand for.

use super::document::{Edge, Node};
use std::cell::OnceCell;
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
    /// What reaches each connector; looked up once all edges are there.
    sources: OnceCell<HashMap<usize, Option<Output<'a>>>>,
}

/// An output: node and handle.
pub(super) type Output<'a> = (usize, &'a str);

#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) source: usize,
    pub(super) target: usize,
    /// Source and target handle; none for a collapsed edge.
    pub(super) handles: Option<(&'a str, &'a str)>,
}

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
            sources: OnceCell::new(),
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
        Some(Link { source: self.place(&edge.source)?, target: self.place(&edge.target)?, handles })
    }

    pub(super) fn push(&mut self, link: Link<'a>) {
        self.sources.take();
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
    pub(super) fn connector_source(&self, connector: usize) -> Option<Output<'a>> {
        self.sources.get_or_init(|| self.find_sources()).get(&connector).copied().flatten()
    }

    /// Each connector is visited once, however long their chains are.
    fn find_sources(&self) -> HashMap<usize, Option<Output<'a>>> {
        let mut sources: HashMap<usize, Option<Output<'a>>> = HashMap::new();
        let connectors = self.nodes.iter().enumerate().filter(|(_, node)| node.is_connector());
        for (connector, _) in connectors {
            let (mut way, mut next) = (Vec::new(), connector);
            let source = loop {
                if let Some(known) = sources.get(&next) {
                    break *known;
                }
                // What a ring of connectors passes on.
                sources.insert(next, None);
                way.push(next);
                let Some(edge) = self.edges_into(next, CONNECTOR_IN).next() else { break None };
                match self.node(edge.source) {
                    Some(source) if source.invocation().is_some() => {
                        break edge.handles.map(|(output, _)| (edge.source, output));
                    }
                    Some(source) if source.is_connector() => next = edge.source,
                    _ => break None,
                }
            };
            sources.extend(way.into_iter().map(|connector| (connector, source)));
        }
        sources
    }

    /// The edges by which a connector's value finally leaves for nodes that are no connectors, in order.
    pub(super) fn connector_targets(&self, connector: usize) -> Vec<Link<'a>> {
        let mut targets = Vec::new();
        let all: Result<(), std::convert::Infallible> = self.try_connector_targets(connector, |edge| {
            targets.push(edge);
            Ok(())
        });
        all.unwrap_or_else(|never| match never {});
        targets
    }

    /// The same one by one, until the first error: depth first, each connector once.
    pub(super) fn try_connector_targets<E>(
        &self,
        connector: usize,
        mut visit: impl FnMut(Link<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut visited = HashSet::from([connector]);
        // Connectors on the way to here, each with its edges that are still to be followed.
        let mut open = vec![self.out_of(connector)];
        while let Some(edges) = open.last_mut() {
            let carries = |edge: &Link<'_>| edge.handles.is_some_and(|(source, _)| source == CONNECTOR_OUT);
            match edges.find(carries) {
                None => drop(open.pop()),
                Some(edge) if !self.node(edge.target).is_some_and(Node::is_connector) => visit(edge)?,
                Some(edge) if visited.insert(edge.target) => open.push(self.out_of(edge.target)),
                Some(_) => {}
            }
        }
        Ok(())
    }
}
