//! Which edges the editor accepts (`features/nodes/store/util/validateConnection.ts` and its neighbors).

mod collects;
mod connectors;
mod refusal;
mod types;

pub(super) use collects::{COLLECT, COLLECTION, ITEM};
pub(super) use refusal::Refusal;

use super::cycles::Cycles;
use super::document::{Edge, Node};
use super::table::Set;
use super::wiring::{CONNECTOR_IN, CONNECTOR_OUT, Link, Wiring};
use crate::schema::{InputKind, InputTemplate, NodeTemplate, OutputTemplate};
use collects::{Collects, Found, Origin};
use connectors::{Connectors, End};
use std::cell::RefCell;
use std::sync::Arc;
use types::{Typed, connects, related, same};

/// Whether an edge was tested for closing a cycle. Edges into connectors and out of unresolved ones are not.
struct CycleTested(bool);

/// An output, found through connectors.
#[derive(Clone, Copy)]
struct Source<'a> {
    node: usize,
    handle: &'a str,
    template: &'a OutputTemplate,
}

/// A connector that is about to get a source. Its own edges, and those of the connectors below it, are left out while
/// the source is tested against all that it would feed. (The editor goes by the ids of those edges, so it also leaves
/// out any other edge that has one of these ids.)
struct Staged<'a> {
    connector: usize,
    found: RefCell<Found<'a>>,
}

type LeftOut<'s, 'a> = Option<&'s Staged<'a>>;

/// Judges the edges of a workflow in the order of the file, each against those accepted before it.
pub(super) struct EdgeJudge<'a> {
    /// The template of each node's type, if the server knows it.
    templates: &'a [Option<&'a NodeTemplate>],
    wiring: Wiring<'a>,
    cycles: Cycles,
    /// Edges that share their input with one that was accepted before.
    further: Set<(usize, &'a str, usize, &'a str)>,
    /// `None` if there are no connectors.
    connectors: Option<Connectors<'a>>,
    collects: Collects,
    /// Whether a collapsed edge ends at a connector. Otherwise, nothing leads to a connector except what feeds it.
    collapsed_into_connector: bool,
}

impl<'a> EdgeJudge<'a> {
    /// Returns the edges that are refused, by their place, with the reason.
    pub(super) fn judge(
        templates: &'a [Option<&'a NodeTemplate>],
        nodes: &'a [Arc<Node>],
        edges: &'a [Edge],
    ) -> Vec<(usize, Refusal)> {
        let wiring = Wiring::new(nodes, edges.len());
        let links: Vec<Option<Link<'a>>> = edges.iter().map(|edge| wiring.link(edge)).collect();
        let has_connectors = nodes.iter().any(|node| node.is_connector());
        let mut judge = EdgeJudge {
            templates,
            cycles: Cycles::new(nodes.len(), links.iter().flatten()),
            further: Set::default(),
            connectors: has_connectors.then(|| Connectors::new(nodes.len())),
            collects: Collects::default(),
            collapsed_into_connector: false,
            wiring,
        };
        let verdicts = edges.iter().zip(links).map(|(edge, link)| judge.accept(edge, link));
        verdicts.enumerate().filter_map(|(place, verdict)| Some((place, verdict.err()?))).collect()
    }

    /// Accepts the edge or says why not.
    fn accept(&mut self, edge: &'a Edge, link: Option<Link<'a>>) -> Result<(), Refusal> {
        let link = self.ends(edge, link)?;
        let tested = self.check(link, None)?;
        if let Some((source, target)) = link.handles
            && self.wiring.is_connected(link.target, target)
        {
            self.further.insert((link.source, source, link.target, target));
        }
        self.note_connector(link);
        self.note_collect(link);
        self.cycles.accept(&self.wiring, link, tested.0);
        self.wiring.push(link);
        Ok(())
    }

    /// Both ends must exist and be known to the server, with the fields the edge names.
    fn ends(&self, edge: &'a Edge, link: Option<Link<'a>>) -> Result<Link<'a>, Refusal> {
        let source = link.map(|link| link.source).or_else(|| self.wiring.place(&edge.source));
        let source = source.ok_or(Refusal::SourceMissing)?;
        if self.wiring.node(source).and_then(|node| node.invocation()).is_some() {
            let template = self.template(source).ok_or(Refusal::SourceUnknown)?;
            let output = edge.handles.as_ref().is_none_or(|handles| template.outputs.contains_key(&handles.source));
            output.then_some(()).ok_or(Refusal::NoSuchOutput)?;
        }
        let link = link.ok_or(Refusal::TargetMissing)?;
        if let Some(node) = self.wiring.node(link.target).and_then(|node| node.invocation()) {
            let template = self.template(link.target).ok_or(Refusal::TargetUnknown)?;
            let input =
                edge.handles.as_ref().is_none_or(|handles| node.template_of(template, &handles.target).is_some());
            input.then_some(()).ok_or(Refusal::NoSuchInput)?;
        }
        Ok(link)
    }

    fn template(&self, place: usize) -> Option<&'a NodeTemplate> {
        self.templates.get(place).copied().flatten()
    }

    /// Whether the same edge was accepted before.
    fn is_duplicate(&self, link: Link<'a>, source: &'a str, target: &'a str) -> bool {
        let first = self.wiring.edges_into(link.target, target).next();
        first.is_some_and(|first| {
            (first.source == link.source && first.handles.is_some_and(|handles| handles.0 == source))
                || self.further.contains(&(link.source, source, link.target, target))
        })
    }

    fn is_connector(&self, place: usize) -> bool {
        self.wiring.node(place).is_some_and(|node| node.is_connector())
    }

    fn node_type(&self, place: usize) -> Option<&'a str> {
        Some(self.wiring.node(place)?.invocation()?.node_type.as_str())
    }

    /// Keeps up to date what connectors pass on.
    fn note_connector(&mut self, link: Link<'a>) {
        let (from, into) = (self.is_connector(link.source), self.is_connector(link.target));
        let Some(connectors) = &mut self.connectors else { return };
        let Some((_, target_handle)) = link.handles else {
            self.collapsed_into_connector |= into;
            return;
        };
        match (from, into) {
            (true, true) => connectors.join(link.source, link.target),
            (false, true) => connectors.feed(link),
            (true, false) => {
                let template = self.templates.get(link.target).copied().flatten();
                let input = template.and_then(|template| template.inputs.get(target_handle));
                let input = input.map(Typed::input);
                connectors.end(link.source, input.map_or(End::Dynamic(link.target, target_handle), End::Typed));
            }
            (false, false) => {}
        }
    }

    /// Keeps up to date which collect nodes add to others.
    fn note_collect(&mut self, link: Link<'a>) {
        let Some((source_handle, target_handle)) = link.handles else { return };
        if !matches!(target_handle, ITEM | COLLECTION) || self.node_type(link.target) != Some(COLLECT) {
            return;
        }
        let has = |handle| self.wiring.is_connected(link.target, handle);
        if target_handle == ITEM {
            self.collects.leave(link.target);
        } else if !has(ITEM) && !has(COLLECTION) && self.adds_to_collect(link.source, source_handle) {
            self.collects.join(link.target, link.source, self.wiring.nodes.len());
        }
    }

    fn adds_to_collect(&self, source: usize, handle: &str) -> bool {
        handle == COLLECTION && self.node_type(source) == Some(COLLECT)
    }

    fn check(&self, link: Link<'a>, left_out: LeftOut<'_, 'a>) -> Result<CycleTested, Refusal> {
        let Some((source_handle, target_handle)) = link.handles else { return Ok(CycleTested(false)) };
        if link.source == link.target {
            return Err(Refusal::ToSelf);
        }
        if self.is_duplicate(link, source_handle, target_handle) {
            return Err(Refusal::Duplicate);
        }
        let source = self.source(link.source, source_handle)?;
        if self.is_connector(link.target) {
            return self.check_into_connector(link, source).map(|()| CycleTested(false));
        }
        let target = self.wiring.node(link.target).and_then(|node| node.invocation()).ok_or(Refusal::NotANode)?;
        let template = self.template(link.target).ok_or(Refusal::TargetUnknown)?;
        let input = target.template_of(template, target_handle).ok_or(Refusal::NoSuchInput)?;
        if input.input == InputKind::Direct {
            return Err(Refusal::DirectInput);
        }
        match source {
            // Neither occupied inputs nor cycles are tested while it is unknown what a connector carries.
            None => self.check_unresolved(link, input).map(|()| CycleTested(false)),
            Some(source) => {
                self.check_collect(link, source, left_out)?;
                self.check_if_branches(link, source, left_out)?;
                let occupied = self.incoming(link.target, target_handle, left_out).next().is_some();
                if occupied && input.field_type.name != "CollectionItemField" {
                    return Err(Refusal::Occupied);
                }
                self.check_types(source, input, left_out)?;
                if self.would_close(link, left_out) { Err(Refusal::Cycle) } else { Ok(CycleTested(true)) }
            }
        }
    }

    fn incoming<'s>(
        &'s self,
        target: usize,
        handle: &'s str,
        left_out: LeftOut<'s, 'a>,
    ) -> impl Iterator<Item = Link<'a>> + 's {
        self.wiring.edges_into(target, handle).filter(move |edge| !self.is_left_out(edge, left_out))
    }

    fn is_left_out(&self, edge: &Link<'_>, left_out: LeftOut<'_, 'a>) -> bool {
        let (Some(staged), Some(connectors)) = (left_out, &self.connectors) else { return false };
        edge.handles.is_some() && self.is_connector(edge.source) && connectors.top(edge.source) == staged.connector
    }

    /// The output behind a handle; `None` behind a connector that has no source yet.
    fn source(&self, place: usize, handle: &'a str) -> Result<Option<Source<'a>>, Refusal> {
        let node = self.wiring.node(place).ok_or(Refusal::SourceMissing)?;
        if node.is_connector() {
            if handle != CONNECTOR_OUT {
                return Err(Refusal::NoSuchOutput);
            }
            return match self.connectors.as_ref().and_then(|connectors| connectors.source(place)) {
                Some((place, handle)) => self.source(place, handle),
                None => Ok(None),
            };
        }
        node.invocation().ok_or(Refusal::NotANode)?;
        let template = self.template(place).ok_or(Refusal::SourceUnknown)?;
        let template = template.outputs.get(handle).ok_or(Refusal::NoSuchOutput)?;
        Ok(Some(Source { node: place, handle, template }))
    }

    /// An edge that gives a connector its source must suit everything that the connector already feeds.
    fn check_into_connector(&self, link: Link<'a>, source: Option<Source<'a>>) -> Result<(), Refusal> {
        let Some((source_handle, target_handle)) = link.handles else { return Ok(()) };
        if target_handle != CONNECTOR_IN {
            return Err(Refusal::NoSuchInput);
        }
        if self.wiring.is_connected(link.target, target_handle) {
            return Err(Refusal::Occupied);
        }
        if source.is_none() {
            return Ok(());
        }
        let staged = Staged { connector: link.target, found: RefCell::default() };
        let mut checked = Set::default();
        self.wiring.try_connector_targets(link.target, |end| {
            let Some((_, target)) = end.handles.filter(|(_, target)| checked.insert((end.target, *target))) else {
                return Ok(());
            };
            let handles = Some((source_handle, target));
            let direct = Link { target: end.target, handles, ..link };
            self.check(direct, Some(&staged)).map(drop)
        })
    }

    /// The inputs behind a connector without a source must suit one another.
    fn check_unresolved(&self, link: Link<'a>, input: &InputTemplate) -> Result<(), Refusal> {
        for end in self.connectors.iter().flat_map(|connectors| connectors.ends(link.source)) {
            match end {
                End::Typed(other) if !related(other, Typed::input(input)) => return Err(Refusal::TypesDiffer),
                End::Typed(_) => {}
                End::Dynamic(node, name) if node == link.target && link.handles.is_some_and(|(_, to)| to == name) => {}
                End::Dynamic(..) => return Err(Refusal::NoSuchInput),
            }
        }
        Ok(())
    }

    fn check_collect(&self, link: Link<'a>, source: Source<'a>, left_out: LeftOut<'_, 'a>) -> Result<(), Refusal> {
        let Some(handle @ (ITEM | COLLECTION)) = link.handles.map(|(_, target)| target) else { return Ok(()) };
        if self.node_type(link.target) != Some(COLLECT) {
            return Ok(());
        }
        let mixed = if handle == ITEM {
            let collected = self.collected_type(link.target, left_out);
            collected.is_some_and(|collected| !same(Typed::output(source.template), collected))
        } else if self.adds_to_collect(source.node, source.handle) {
            match (self.collected_type(source.node, left_out), self.collected_type(link.target, left_out)) {
                (Some(theirs), Some(ours)) => !same(theirs, ours),
                _ => false,
            }
        } else {
            false
        };
        if mixed { Err(Refusal::MixedCollect) } else { Ok(()) }
    }

    /// What a collect node collects, from its first item or from what it adds to. Connectors are not followed.
    fn collected_type(&self, collect: usize, left_out: LeftOut<'_, 'a>) -> Option<Typed<'a>> {
        let origin = |node| self.collect_origin(node, left_out).unwrap_or(Origin::Own(None));
        match left_out {
            Some(staged) => collects::follow(collect, &mut staged.found.borrow_mut(), origin),
            None => match origin(self.collects.origin(collect)) {
                Origin::Own(collected) => collected,
                Origin::Other(_) => None,
            },
        }
    }

    fn collect_origin(&self, collect: usize, left_out: LeftOut<'_, 'a>) -> Option<Origin<'a>> {
        let (edge, is_item) = match self.incoming(collect, ITEM, left_out).next() {
            Some(edge) => (edge, true),
            None => (self.incoming(collect, COLLECTION, left_out).next()?, false),
        };
        let handle = edge.handles?.0;
        if !is_item && self.adds_to_collect(edge.source, handle) {
            return Some(Origin::Other(edge.source));
        }
        let output = self.template(edge.source)?.outputs.get(handle)?;
        Some(Origin::Own(Typed::item(output)))
    }

    fn check_if_branches(&self, link: Link<'a>, source: Source<'a>, left_out: LeftOut<'_, 'a>) -> Result<(), Refusal> {
        let sibling = match link.handles.map(|(_, target)| target) {
            Some("true_input") => "false_input",
            Some("false_input") => "true_input",
            _ => return Ok(()),
        };
        if self.node_type(link.target) != Some("if") {
            return Ok(());
        }
        let Some(edge) = self.incoming(link.target, sibling, left_out).next() else { return Ok(()) };
        let Some((handle, _)) = edge.handles else { return Ok(()) };
        let other = self.source(edge.source, handle)?.ok_or(Refusal::TypesDiffer)?;
        let fits = related(Typed::output(source.template), Typed::output(other.template));
        if fits { Ok(()) } else { Err(Refusal::TypesDiffer) }
    }

    /// The output must suit the input; behind an `if` node both of its branches must.
    fn check_types(&self, source: Source<'a>, input: &InputTemplate, left_out: LeftOut<'_, 'a>) -> Result<(), Refusal> {
        let mut branches = Vec::new();
        if self.node_type(source.node) == Some("if") && source.handle == "value" {
            for handle in ["true_input", "false_input"] {
                // There may be more than one, from connectors without a source.
                let edges = self.incoming(source.node, handle, left_out);
                let outputs = edges.filter_map(|edge| self.source(edge.source, edge.handles?.0).ok()?);
                branches.extend(outputs.map(|branch| branch.template));
            }
        }
        if branches.is_empty() {
            branches.push(source.template);
        }
        let fits = branches.into_iter().all(|output| connects(Typed::output(output), Typed::input(input)));
        if fits { Ok(()) } else { Err(Refusal::TypesDiffer) }
    }

    fn would_close(&self, link: Link<'a>, left_out: LeftOut<'_, 'a>) -> bool {
        // What is left out hangs on a connector that nothing feeds yet, so no path leads through it.
        match left_out.filter(|_| self.collapsed_into_connector) {
            None => self.cycles.would_close(&self.wiring, link),
            left_out => self.cycles.would_close_without(&self.wiring, link, |edge| self.is_left_out(edge, left_out)),
        }
    }
}
