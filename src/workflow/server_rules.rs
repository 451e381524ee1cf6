//! What a server refuses in a graph although the editor lets it pass: the rules of
//! `invokeai/app/services/shared/graph.py` (`validate_self`) beyond those of the editor, and a validator of nodes that
//! no document shows.
//!
//! Where it is not certain what the server compares, as for types of other packages, nothing is said.

use super::connection::{COLLECT, COLLECTION, ITEM};
use super::document::{Invocation, Node};
use super::problem::ProblemKind;
use super::wiring::{Output, Wiring};
use crate::schema::{Cardinality, FieldType, InputTemplate, NodeCatalog, NodeTemplate, OutputTemplate};

const ITERATE: &str = "iterate";
/// The label that asks for another one (`invokeai/app/invocations/metadata_linked.py`).
const CUSTOM_LABEL: &str = "* CUSTOM LABEL *";

/// What the server would refuse: field, kind, and the reason in words.
pub(super) type Fault<'a> = (&'a str, ProblemKind, String);

/// Looks at a workflow as the server does.
pub(super) struct Rules<'w, 'a> {
    pub(super) wiring: &'w Wiring<'a>,
    pub(super) catalog: &'a NodeCatalog,
}

impl<'a> Rules<'_, 'a> {
    /// What is wrong with a node that the server treats in its own way.
    pub(super) fn special(&self, place: usize, node: &'a Invocation, template: &'a NodeTemplate) -> Vec<Fault<'a>> {
        match node.node_type.as_str() {
            ITERATE => self.iterate(place, template).into_iter().collect(),
            COLLECT => self.collect(place, template).into_iter().collect(),
            _ => Self::custom_label(node, template).into_iter().collect(),
        }
    }

    fn iterate(&self, place: usize, template: &'a NodeTemplate) -> Option<Fault<'a>> {
        let list = template.inputs.get(COLLECTION)?.name.as_str();
        let Some((source, handle)) = self.sources(place, COLLECTION).next() else {
            let message = "the server takes its list from an edge only".to_owned();
            return Some((list, ProblemKind::MissingInput, message));
        };
        let output = self.output(source, handle)?;
        if self.node_type(source) == Some("if") {
            let message = "the server takes no list from an `if` node here, but from a node whose output is a list";
            return Some((list, ProblemKind::RefusedEdge, message.to_owned()));
        }
        let item = match self.node_type(source) == Some(COLLECT) && handle == COLLECTION {
            true => self.collected(source)?,
            false => known(declared(&output.field_type, output.original_type.as_ref()))?,
        };
        let target = self.targets(place, ITEM).find(|(_, input)| !takes(item, input))?;
        Some((list, ProblemKind::RefusedEdge, self.misfit(item, target)))
    }

    fn collect(&self, place: usize, template: &'a NodeTemplate) -> Option<Fault<'a>> {
        let list = template.inputs.get(ITEM)?.name.as_str();
        if self.sources(place, ITEM).next().is_none() && self.sources(place, COLLECTION).next().is_none() {
            let message = "the server needs at least one edge that brings an item or a list".to_owned();
            return Some((list, ProblemKind::MissingInput, message));
        }
        let item = self.collected(place)?;
        let mut targets = self.targets(place, COLLECTION);
        let target = targets.find(|(target, input)| {
            let other = self.node_type(*target) == Some(COLLECT);
            !other && !takes_list_of(item, declared(&input.field_type, input.original_type.as_ref()))
        })?;
        Some((list, ProblemKind::RefusedEdge, self.misfit(item, target)))
    }

    /// A blank label is refused where another label says that it counts. Edges cannot bring either of them.
    fn custom_label(node: &'a Invocation, template: &'a NodeTemplate) -> Option<Fault<'a>> {
        let custom = template.inputs.get("custom_label")?;
        let text = |name: &str| node.inputs.get(name).and_then(|field| field.value.as_ref()?.as_str());
        let blank = text("custom_label").is_none_or(|text| text.trim().is_empty());
        let message = format!("a value is required, because the label is {CUSTOM_LABEL:?}");
        let asks = blank && text("label") == Some(CUSTOM_LABEL);
        asks.then_some((&*custom.name, ProblemKind::MissingInput, message))
    }

    /// Whether the server refuses the edges into an input because of their types, although the editor converts them.
    pub(super) fn conversion(&self, place: usize, input: &InputTemplate) -> Option<String> {
        let to = declared(&input.field_type, input.original_type.as_ref());
        let converts = matches!(to.name.as_str(), "FloatField" | "StringField");
        if !converts || (to.cardinality == Cardinality::Single && !input.nullable) {
            return None;
        }
        self.sources(place, &input.name).find_map(|(source, handle)| {
            let output = self.output(source, handle)?;
            let from = declared(&output.field_type, output.original_type.as_ref());
            let is_converted = matches!(
                (from.name.as_str(), to.name.as_str()),
                ("IntegerField", "FloatField") | ("IntegerField" | "FloatField", "StringField")
            );
            is_converted.then(|| {
                let from_node = self.title(source);
                format!("{from_node} brings {from}, which the server does not convert here; it accepts {to}")
            })
        })
    }

    /// What a `collect` node collects, if the server knows that for certain. All that it collects is of one type:
    /// loading has removed other edges.
    fn collected(&self, place: usize) -> Option<&'a str> {
        let (source, handle) = self.sources(place, ITEM).next().or_else(|| self.sources(place, COLLECTION).next())?;
        let output = self.output(source, handle).filter(|_| self.node_type(source) != Some(COLLECT))?;
        known(declared(&output.field_type, output.original_type.as_ref()))
    }

    /// The outputs behind the edges into an input, found through connectors.
    fn sources(&self, place: usize, input: &str) -> impl Iterator<Item = Output<'a>> + use<'_, 'a> {
        self.wiring.edges_into(place, input).filter_map(|edge| {
            let source = self.wiring.node(edge.source)?;
            if source.is_connector() {
                return self.wiring.connector_source(edge.source);
            }
            Some((edge.source, edge.handles?.0))
        })
    }

    /// The inputs that an output feeds, found through connectors.
    fn targets(&self, place: usize, output: &str) -> impl Iterator<Item = (usize, &'a InputTemplate)> + use<'_, 'a> {
        let leaving = self.wiring.out_of(place).filter(|edge| edge.handles.is_some_and(|(from, _)| from == output));
        let mut ends = Vec::new();
        for edge in leaving {
            match self.wiring.node(edge.target).is_some_and(Node::is_connector) {
                true => ends.extend(self.wiring.connector_targets(edge.target)),
                false => ends.push(edge),
            }
        }
        ends.into_iter().filter_map(|end| {
            let template = self.catalog.get(self.node_type(end.target)?)?;
            Some((end.target, template.inputs.get(end.handles?.1)?))
        })
    }

    fn output(&self, place: usize, handle: &str) -> Option<&'a OutputTemplate> {
        self.catalog.get(self.node_type(place)?)?.outputs.get(handle)
    }

    fn node_type(&self, place: usize) -> Option<&'a str> {
        Some(self.wiring.node(place)?.invocation()?.node_type.as_str())
    }

    fn title(&self, place: usize) -> &'a str {
        let node = self.wiring.node(place).and_then(Node::invocation);
        node.map_or("", |node| node.title(self.catalog.get(&node.node_type)))
    }

    fn misfit(&self, item: &str, (place, input): (usize, &InputTemplate)) -> String {
        let to = declared(&input.field_type, input.original_type.as_ref());
        let (node, field) = (self.title(place), &input.title);
        format!("the server does not accept its items, each {item}, in {node} -> {field}, which accepts {to}")
    }
}

/// The type by which the server compares: that of the schema, not the one that the editor shows instead.
fn declared<'t>(shown: &'t FieldType, original: Option<&'t FieldType>) -> &'t FieldType {
    original.unwrap_or(shown)
}

/// The name of a type whose meaning on the server is certain.
fn known(field_type: &FieldType) -> Option<&str> {
    const CERTAIN: [&str; 10] = [
        "IntegerField",
        "FloatField",
        "StringField",
        "BooleanField",
        "ImageField",
        "VideoField",
        "LatentsField",
        "ConditioningField",
        "ModelIdentifierField",
        "ColorField",
    ];
    Some(field_type.name.as_str()).filter(|name| CERTAIN.contains(name))
}

/// Whether an input takes an item of this type (`are_connection_types_compatible`).
fn takes(item: &str, input: &InputTemplate) -> bool {
    let to = declared(&input.field_type, input.original_type.as_ref());
    let Some(wanted) = known(to) else { return true };
    let plain = to.cardinality == Cardinality::Single && !input.nullable;
    match (item, wanted) {
        (item, wanted) if item == wanted => true,
        ("IntegerField", "FloatField" | "StringField") | ("FloatField", "StringField") => plain,
        ("BooleanField", "IntegerField") => plain,
        _ => false,
    }
}

/// Whether an input takes a list of such items. Nothing is converted.
fn takes_list_of(item: &str, to: &FieldType) -> bool {
    known(to).is_none_or(|wanted| item == wanted || (item, wanted) == ("BooleanField", "IntegerField"))
}
