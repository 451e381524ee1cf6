//! The edges of a workflow by node and handle, and what connector nodes stand for.

use super::document::{Edge, Node};
use super::table::{Map, Set};
use crate::schema::{NodeCatalog, node_ref::NodeRef};
use std::cell::OnceCell;
use std::convert::Infallible;
use std::sync::Arc;

pub(super) const CONNECTOR_IN: &str = "in";
pub(super) const CONNECTOR_OUT: &str = "out";

/// Edges between known nodes, in the order they were added. Nodes and edges are named by their place.
pub(super) struct Wiring<'a> {
    pub(super) nodes: &'a [Arc<Node>],
    ids: Map<&'a str, usize>,
    edges: Vec<Link<'a>>,
    by_handle: Map<(usize, &'a str), Queue>,
    /// For each edge, the next edges that leave the same node, enter the same node, and enter the same handle.
    next: Vec<[usize; 3]>,
    outgoing: Vec<Queue>,
    incoming: Vec<Queue>,
    /// What reaches each connector; looked up once all edges are added.
    sources: OnceCell<Map<usize, Option<Output<'a>>>>,
}

/// The first and the last of some edges. Each knows the next one, so most nodes need no memory of their own.
#[derive(Clone, Copy)]
struct Queue {
    first: usize,
    last: usize,
}

const NONE: usize = usize::MAX;
const EMPTY: Queue = Queue { first: NONE, last: NONE };

/// What edges are queued by.
#[derive(Clone, Copy)]
enum By {
    Source,
    Target,
    Handle,
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
    /// Makes room for this many edges; there may be more.
    pub(super) fn new(nodes: &'a [Arc<Node>], edges: usize) -> Self {
        let mut ids = Map::with_capacity_and_hasher(nodes.len(), Default::default());
        for (place, node) in nodes.iter().enumerate() {
            // Ids should be unique; the editor finds the first.
            ids.entry(&*node.id).or_insert(place);
        }
        Wiring {
            nodes,
            ids,
            edges: Vec::with_capacity(edges),
            by_handle: Map::with_capacity_and_hasher(edges, Default::default()),
            next: Vec::with_capacity(edges),
            outgoing: vec![EMPTY; nodes.len()],
            incoming: vec![EMPTY; nodes.len()],
            sources: OnceCell::new(),
        }
    }

    /// All edges of a loaded workflow.
    pub(super) fn with_edges(nodes: &'a [Arc<Node>], edges: &'a [Edge]) -> Self {
        let mut wiring = Self::new(nodes, edges.len());
        for edge in edges {
            if let Some(link) = wiring.link(edge) {
                wiring.push(link);
            }
        }
        wiring
    }

    /// Whether several nodes have the same id.
    pub(super) fn has_twins(&self) -> bool {
        self.ids.len() != self.nodes.len()
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        self.ids.get(id).copied()
    }

    pub(super) fn node(&self, place: usize) -> Option<&'a Node> {
        self.nodes.get(place).map(|node| &**node)
    }

    /// How to name a node: by its label, or the title of its type.
    pub(super) fn node_ref(&self, id: &str, catalog: &NodeCatalog) -> NodeRef {
        match self.place(id).and_then(|place| self.node(place)?.invocation()) {
            Some(node) => {
                let title = node.title(catalog.get(&node.node_type)).to_owned();
                NodeRef::new(id, node.node_type.as_str(), Some(title))
            }
            None => NodeRef::new(id, "", None),
        }
    }

    /// An edge with its nodes looked up; `None` if one is missing.
    pub(super) fn link(&self, edge: &'a Edge) -> Option<Link<'a>> {
        let handles = edge.handles.as_ref().map(|handles| (&*handles.source, &*handles.target));
        Some(Link { source: self.place(&edge.source)?, target: self.place(&edge.target)?, handles })
    }

    pub(super) fn push(&mut self, link: Link<'a>) {
        self.sources.take();
        let place = self.edges.len();
        self.edges.push(link);
        self.next.push([NONE; 3]);
        let handle = link.handles.map(|(_, handle)| self.by_handle.entry((link.target, handle)).or_insert(EMPTY));
        let queues = [self.outgoing.get_mut(link.source), self.incoming.get_mut(link.target), handle];
        for (by, queue) in queues.into_iter().enumerate() {
            let Some(queue) = queue else { continue };
            match self.next.get_mut(queue.last) {
                Some(next) => next[by] = place,
                None => queue.first = place,
            }
            queue.last = place;
        }
    }

    pub(super) fn links(&self) -> &[Link<'a>] {
        &self.edges
    }

    fn queued<'s>(&'s self, queue: Option<&Queue>, by: By) -> impl Iterator<Item = Link<'a>> + use<'s, 'a> {
        let mut next = queue.map_or(NONE, |queue| queue.first);
        std::iter::from_fn(move || {
            let link = self.edges.get(next).copied()?;
            next = self.next.get(next).map_or(NONE, |next| next[by as usize]);
            Some(link)
        })
    }

    /// Edges into a handle.
    pub(super) fn edges_into<'s>(
        &'s self,
        target: usize,
        handle: &str,
    ) -> impl Iterator<Item = Link<'a>> + use<'s, 'a> {
        self.queued(self.by_handle.get(&(target, handle)), By::Handle)
    }

    pub(super) fn is_connected(&self, target: usize, handle: &str) -> bool {
        self.by_handle.contains_key(&(target, handle))
    }

    /// Edges leaving a node, collapsed ones included.
    pub(super) fn out_of(&self, source: usize) -> impl Iterator<Item = Link<'a>> + '_ {
        self.queued(self.outgoing.get(source), By::Source)
    }

    /// Edges entering a node, collapsed ones included.
    pub(super) fn edges_entering(&self, target: usize) -> impl Iterator<Item = Link<'a>> + '_ {
        self.queued(self.incoming.get(target), By::Target)
    }

    /// The output that a connector passes on: its input edge followed up through further connectors. `None` if that
    /// edge is missing, loops, or ends at a node without outputs.
    pub(super) fn connector_source(&self, connector: usize) -> Option<Output<'a>> {
        self.sources.get_or_init(|| self.find_sources()).get(&connector).copied().flatten()
    }

    /// Each connector is visited once, however long their chains are.
    fn find_sources(&self) -> Map<usize, Option<Output<'a>>> {
        let mut sources: Map<usize, Option<Output<'a>>> = Map::default();
        let connectors = self.nodes.iter().enumerate().filter(|(_, node)| node.is_connector());
        for (connector, _) in connectors {
            let (mut way, mut next) = (Vec::new(), connector);
            let source = loop {
                if let Some(known) = sources.get(&next) {
                    break *known;
                }
                // A ring of connectors passes on nothing.
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

    /// The edges by which a connector's value finally leaves for nodes that are not connectors, in order.
    pub(super) fn connector_targets(&self, connector: usize) -> Vec<Link<'a>> {
        let mut targets = Vec::new();
        let all: Result<(), Infallible> = self.try_connector_targets(connector, |edge| {
            targets.push(edge);
            Ok(())
        });
        all.unwrap_or_else(|never| match never {});
        targets
    }

    /// Visits the same edges one by one, until the first error: depth first, each connector once.
    pub(super) fn try_connector_targets<E>(
        &self,
        connector: usize,
        mut visit: impl FnMut(Link<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut visited = Set::from_iter([connector]);
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
