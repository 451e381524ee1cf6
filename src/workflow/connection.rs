//! Which edges the editor accepts (`features/nodes/store/util/validateConnection.ts` and its neighbours).

use super::cycles::Cycles;
use super::document::Edge;
use super::wiring::{CONNECTOR_IN, CONNECTOR_OUT, Ignored, Link, Wiring};
use crate::schema::{Cardinality, FieldType, InputKind, InputTemplate, NodeCatalogue, OutputTemplate};
use std::collections::HashSet;

/// Why an edge is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    SourceMissing,
    TargetMissing,
    SourceUnknown,
    TargetUnknown,
    NoSuchOutput,
    NoSuchInput,
    NotANode,
    ToSelf,
    Duplicate,
    DirectInput,
    Occupied,
    TypesDiffer,
    MixedCollect,
    Cycle,
}

impl Refusal {
    pub(super) fn message(self) -> &'static str {
        match self {
            Refusal::SourceMissing => "the source node does not exist",
            Refusal::TargetMissing => "the target node does not exist",
            Refusal::SourceUnknown => "the source node is of a type this server does not know",
            Refusal::TargetUnknown => "the target node is of a type this server does not know",
            Refusal::NoSuchOutput => "the source node has no such output",
            Refusal::NoSuchInput => "the target node has no such input",
            Refusal::NotANode => "one end is a note",
            Refusal::ToSelf => "a node cannot be connected to itself",
            Refusal::Duplicate => "the same connection exists already",
            Refusal::DirectInput => "the input takes no connection",
            Refusal::Occupied => "the input has a connection already",
            Refusal::TypesDiffer => "the types of the fields do not match",
            Refusal::MixedCollect => "a collect node takes items of one type only",
            Refusal::Cycle => "the connection would close a cycle",
        }
    }
}

/// Whether an edge was tested for closing a cycle. Edges into connectors and out of unresolved ones are not.
struct CycleTested(bool);

/// An output, found through connectors.
#[derive(Clone, Copy)]
struct Source<'a> {
    node: usize,
    handle: &'a str,
    template: &'a OutputTemplate,
}

/// Judges the edges of a workflow in the order of the file, each against those accepted before it.
pub(super) struct EdgeJudge<'a> {
    catalogue: &'a NodeCatalogue,
    wiring: Wiring<'a>,
    cycles: Cycles,
    accepted: HashSet<(usize, &'a str, usize, &'a str)>,
}

impl<'a> EdgeJudge<'a> {
    pub(super) fn new(catalogue: &'a NodeCatalogue, wiring: Wiring<'a>, edges: &'a [Edge]) -> Self {
        let links: Vec<_> = edges.iter().filter_map(|edge| wiring.link(edge)).collect();
        let cycles = Cycles::new(wiring.nodes.len(), &links);
        EdgeJudge { catalogue, wiring, cycles, accepted: HashSet::new() }
    }

    /// Accepts the edge or says why not.
    pub(super) fn judge(&mut self, edge: &'a Edge) -> Result<(), Refusal> {
        let link = self.ends(edge)?;
        let mut tested = CycleTested(false);
        if let Some((source, target)) = link.handles {
            tested = self.check(link, &HashSet::new())?;
            self.accepted.insert((link.source, source, link.target, target));
        }
        if !tested.0 {
            self.cycles.accept_untested(&self.wiring, link.source, link.target);
        }
        self.wiring.push(link);
        Ok(())
    }

    /// Both ends must exist and be known to the server, with the fields the edge names.
    fn ends(&self, edge: &'a Edge) -> Result<Link<'a>, Refusal> {
        let source = self.wiring.place(&edge.source).ok_or(Refusal::SourceMissing)?;
        if let Some(node) = self.wiring.node(source).and_then(|node| node.invocation()) {
            let template = self.catalogue.get(&node.node_type).ok_or(Refusal::SourceUnknown)?;
            let output = edge.handles.as_ref().is_none_or(|handles| template.outputs.contains_key(&handles.source));
            output.then_some(()).ok_or(Refusal::NoSuchOutput)?;
        }
        let target = self.wiring.place(&edge.target).ok_or(Refusal::TargetMissing)?;
        if let Some(node) = self.wiring.node(target).and_then(|node| node.invocation()) {
            let template = self.catalogue.get(&node.node_type).ok_or(Refusal::TargetUnknown)?;
            let input =
                edge.handles.as_ref().is_none_or(|handles| node.template_of(template, &handles.target).is_some());
            input.then_some(()).ok_or(Refusal::NoSuchInput)?;
        }
        self.wiring.link(edge).ok_or(Refusal::TargetMissing)
    }

    fn is_connector(&self, place: usize) -> bool {
        self.wiring.node(place).is_some_and(|node| node.is_connector())
    }

    fn node_type(&self, place: usize) -> Option<&'a str> {
        Some(self.wiring.node(place)?.invocation()?.node_type.as_str())
    }

    fn check(&self, link: Link<'a>, ignored: &Ignored<'a>) -> Result<CycleTested, Refusal> {
        let Some((source_handle, target_handle)) = link.handles else { return Ok(CycleTested(false)) };
        if link.source == link.target {
            return Err(Refusal::ToSelf);
        }
        let same = (link.source, source_handle, link.target, target_handle);
        if self.accepted.contains(&same)
            && self.incoming(link.target, target_handle, ignored).any(|edge| {
                edge.source == link.source && edge.handles.is_some_and(|handles| handles.0 == source_handle)
            })
        {
            return Err(Refusal::Duplicate);
        }
        let source = self.source(link.source, source_handle, ignored)?;
        if self.is_connector(link.target) {
            return self.check_into_connector(link, source, ignored).map(|()| CycleTested(false));
        }
        let target = self.wiring.node(link.target).and_then(|node| node.invocation()).ok_or(Refusal::NotANode)?;
        let template = self.catalogue.get(&target.node_type).ok_or(Refusal::TargetUnknown)?;
        let input = target.template_of(template, target_handle).ok_or(Refusal::NoSuchInput)?;
        if input.input == InputKind::Direct {
            return Err(Refusal::DirectInput);
        }
        match source {
            // Neither occupation nor cycles are tested while it is open what a connector carries.
            None => self.check_unresolved(link, input, ignored).map(|()| CycleTested(false)),
            Some(source) => {
                self.check_collect(link, source, ignored)?;
                self.check_if_branches(link, source, ignored)?;
                let occupied = self.incoming(link.target, target_handle, ignored).next().is_some();
                if occupied && input.field_type.name != "CollectionItemField" {
                    return Err(Refusal::Occupied);
                }
                self.check_types(source, input, ignored)?;
                let closes = self.cycles.would_close(&self.wiring, link.source, link.target, ignored);
                if closes { Err(Refusal::Cycle) } else { Ok(CycleTested(true)) }
            }
        }
    }

    fn incoming<'s>(
        &'s self,
        target: usize,
        handle: &'s str,
        ignored: &'s Ignored<'a>,
    ) -> impl Iterator<Item = Link<'a>> + 's {
        self.wiring.edges_into(target, handle).filter(|edge| !ignored.contains(edge.id))
    }

    /// The output behind a handle; `None` behind a connector that leads nowhere yet.
    fn source(&self, place: usize, handle: &'a str, ignored: &Ignored<'a>) -> Result<Option<Source<'a>>, Refusal> {
        let node = self.wiring.node(place).ok_or(Refusal::SourceMissing)?;
        if node.is_connector() {
            if handle != CONNECTOR_OUT {
                return Err(Refusal::NoSuchOutput);
            }
            return match self.wiring.connector_source(place, ignored) {
                Some((place, handle)) => self.source(place, handle, ignored),
                None => Ok(None),
            };
        }
        let invocation = node.invocation().ok_or(Refusal::NotANode)?;
        let template = self.catalogue.get(&invocation.node_type).ok_or(Refusal::SourceUnknown)?;
        let template = template.outputs.get(handle).ok_or(Refusal::NoSuchOutput)?;
        Ok(Some(Source { node: place, handle, template }))
    }

    /// An edge that gives a connector its source must suit everything the connector already feeds.
    fn check_into_connector(
        &self,
        link: Link<'a>,
        source: Option<Source<'a>>,
        ignored: &Ignored<'a>,
    ) -> Result<(), Refusal> {
        let Some((source_handle, target_handle)) = link.handles else { return Ok(()) };
        if target_handle != CONNECTOR_IN {
            return Err(Refusal::NoSuchInput);
        }
        if self.incoming(link.target, target_handle, ignored).next().is_some() {
            return Err(Refusal::Occupied);
        }
        if source.is_some() {
            let mut staged = self.wiring.connector_edge_ids(link.target, ignored);
            staged.extend(ignored);
            for end in self.wiring.connector_targets(link.target, ignored) {
                let handles = end.handles.map(|(_, target)| (source_handle, target));
                self.check(Link { id: link.id, source: link.source, target: end.target, handles }, &staged)?;
            }
        }
        Ok(())
    }

    /// The inputs behind a connector without a source must suit one another.
    fn check_unresolved(&self, link: Link<'a>, input: &InputTemplate, ignored: &Ignored<'a>) -> Result<(), Refusal> {
        for end in self.wiring.connector_targets(link.source, ignored) {
            if end.target == link.target && end.handles.map(|h| h.1) == link.handles.map(|h| h.1) {
                continue;
            }
            let node = self.wiring.node(end.target).and_then(|node| node.invocation()).ok_or(Refusal::NotANode)?;
            let template = self.catalogue.get(&node.node_type).ok_or(Refusal::TargetUnknown)?;
            let other = end.handles.and_then(|(_, handle)| template.inputs.get(handle)).ok_or(Refusal::NoSuchInput)?;
            if !related(Typed::input(other), Typed::input(input)) {
                return Err(Refusal::TypesDiffer);
            }
        }
        Ok(())
    }

    fn check_collect(&self, link: Link<'a>, source: Source<'a>, ignored: &Ignored<'a>) -> Result<(), Refusal> {
        if self.node_type(link.target) != Some("collect") {
            return Ok(());
        }
        let mixed = match link.handles.map(|(_, target)| target) {
            Some("item") => {
                let collected = self.collected_type(link.target, ignored);
                collected.is_some_and(|collected| !same(Typed::output(source.template), collected.as_typed()))
            }
            Some("collection") if self.node_type(source.node) == Some("collect") && source.handle == "collection" => {
                match (self.collected_type(source.node, ignored), self.collected_type(link.target, ignored)) {
                    (Some(theirs), Some(ours)) => !same(theirs.as_typed(), ours.as_typed()),
                    _ => false,
                }
            }
            _ => false,
        };
        if mixed { Err(Refusal::MixedCollect) } else { Ok(()) }
    }

    /// What a collect node collects, from its first item or from what it adds to. Connectors are not looked through.
    fn collected_type(&self, collect: usize, ignored: &Ignored<'a>) -> Option<ItemType> {
        let mut visited = HashSet::new();
        let mut current = collect;
        while visited.insert(current) {
            let (edge, is_item) = match self.incoming(current, "item", ignored).next() {
                Some(edge) => (edge, true),
                None => (self.incoming(current, "collection", ignored).next()?, false),
            };
            let handle = edge.handles?.0;
            let node_type = self.node_type(edge.source)?;
            if !is_item && node_type == "collect" && handle == "collection" {
                current = edge.source;
                continue;
            }
            return ItemType::of(self.catalogue.get(node_type)?.outputs.get(handle)?);
        }
        None
    }

    fn check_if_branches(&self, link: Link<'a>, source: Source<'a>, ignored: &Ignored<'a>) -> Result<(), Refusal> {
        let sibling = match link.handles.map(|(_, target)| target) {
            Some("true_input") => "false_input",
            Some("false_input") => "true_input",
            _ => return Ok(()),
        };
        if self.node_type(link.target) != Some("if") {
            return Ok(());
        }
        let Some(edge) = self.incoming(link.target, sibling, ignored).next() else { return Ok(()) };
        let Some((handle, _)) = edge.handles else { return Ok(()) };
        let other = self.source(edge.source, handle, ignored)?.ok_or(Refusal::TypesDiffer)?;
        let fits = related(Typed::output(source.template), Typed::output(other.template));
        if fits { Ok(()) } else { Err(Refusal::TypesDiffer) }
    }

    /// The output must suit the input; behind an `if` node both of its branches must.
    fn check_types(&self, source: Source<'a>, input: &InputTemplate, ignored: &Ignored<'a>) -> Result<(), Refusal> {
        let mut branches = Vec::new();
        if self.node_type(source.node) == Some("if") && source.handle == "value" {
            for edge in ["true_input", "false_input"].into_iter().flat_map(|h| self.incoming(source.node, h, ignored)) {
                let branch = edge.handles.map(|(handle, _)| self.source(edge.source, handle, ignored));
                if let Some(Ok(Some(branch))) = branch {
                    branches.push(branch.template);
                }
            }
        }
        if branches.is_empty() {
            branches.push(source.template);
        }
        let fits = branches.into_iter().all(|output| connects(Typed::output(output), Typed::input(input)));
        if fits { Ok(()) } else { Err(Refusal::TypesDiffer) }
    }
}

/// A type with the one it replaces in the schema.
#[derive(Clone, Copy)]
struct Typed<'a> {
    shown: &'a FieldType,
    original: Option<&'a FieldType>,
}

impl<'a> Typed<'a> {
    fn input(template: &'a InputTemplate) -> Self {
        Typed { shown: &template.field_type, original: template.original_type.as_ref() }
    }

    fn output(template: &'a OutputTemplate) -> Self {
        Typed { shown: &template.field_type, original: template.original_type.as_ref() }
    }
}

/// The type of one item of an output.
struct ItemType {
    shown: FieldType,
    original: Option<FieldType>,
}

impl ItemType {
    fn of(output: &OutputTemplate) -> Option<Self> {
        let mut shown = output.field_type.clone();
        if shown.name == "CollectionField" {
            return None;
        }
        shown.cardinality = Cardinality::Single;
        Some(ItemType { shown, original: output.original_type.clone() })
    }

    fn as_typed(&self) -> Typed<'_> {
        Typed { shown: &self.shown, original: self.original.as_ref() }
    }
}

/// Equal as shown or as in the schema, on either side.
fn same(a: Typed<'_>, b: Typed<'_>) -> bool {
    let originals = |a: Option<&FieldType>, b: &FieldType| a == Some(b);
    a.shown == b.shown
        || originals(b.original, a.shown)
        || originals(a.original, b.shown)
        || (a.original.is_some() && a.original == b.original)
}

/// Whether an output may feed an input (`validateConnectionTypes.ts`).
fn connects(source: Typed<'_>, target: Typed<'_>) -> bool {
    use Cardinality::{Collection, Single, SingleOrCollection};
    if same(source, target) {
        return true;
    }
    let (source, target) = (source.shown, target.shown);
    if source.batch != target.batch {
        return false;
    }
    let (from, to) = (source.cardinality, target.cardinality);
    let cardinality_fits = from == to || to == SingleOrCollection;
    let converts = matches!(
        (source.name.as_str(), target.name.as_str()),
        ("IntegerField", "FloatField") | ("IntegerField", "StringField") | ("FloatField", "StringField")
    );
    (source.name == "CollectionItemField" && to != Collection)
        || (from == Single && target.name == "CollectionItemField")
        || (to == SingleOrCollection && source.name == target.name)
        || (source.name == "CollectionField" && to != Single)
        || (target.name == "CollectionField" && from == Collection)
        || (cardinality_fits && converts)
        || target.name == "AnyField"
        || (source.name == "AnyField" && cardinality_fits)
}

/// Whether two types can stand in for one another: one connects to the other, or one is a list of the other.
fn related(a: Typed<'_>, b: Typed<'_>) -> bool {
    use Cardinality::{Collection, Single};
    let list_of_same = a.shown.name == b.shown.name
        && a.shown.batch == b.shown.batch
        && matches!((a.shown.cardinality, b.shown.cardinality), (Single, Collection) | (Collection, Single));
    connects(a, b) || connects(b, a) || list_of_same
}
