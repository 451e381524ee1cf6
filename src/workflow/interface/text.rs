//! Interfaces as JSON: short, because generated code carries it, and without the texts that the server has for people.

use super::NodeInterface;
use crate::schema::{Cardinality, Constraints, EnumOption, FieldType, InputKind, InputTemplate, ModelFilter, UiHints};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::sync::Arc;

type Nodes = IndexMap<String, NodeInterface>;

pub(super) fn write(nodes: &Nodes) -> Value {
    let node = |node: &NodeInterface| {
        let inputs: Map<String, Value> =
            node.inputs.iter().map(|(name, input)| (name.clone(), write_input(input))).collect();
        json!({"version": node.version, "inputs": inputs})
    };
    nodes.iter().map(|(name, interface)| (name.clone(), node(interface))).collect::<Map<_, _>>().into()
}

pub(super) fn read(value: &Value) -> Option<Nodes> {
    let node = |value: &Value| {
        let inputs = value.get("inputs")?.as_object()?.iter();
        let inputs = inputs.map(|(name, input)| Some((name.clone(), Arc::new(read_input(name, input)?))));
        let version = value.get("version")?.as_str()?.to_owned();
        Some(NodeInterface { version, inputs: inputs.collect::<Option<_>>()? })
    };
    value.as_object()?.iter().map(|(name, value)| Some((name.clone(), node(value)?))).collect()
}

/// The lists of a model filter, by the names that they have in the schema without `ui_model_`.
const FILTERS: [&str; 5] = ["base", "type", "variant", "format", "provider_id"];

fn write_input(input: &InputTemplate) -> Value {
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
    add("type", input.field_type.name.as_str().into());
    if input.field_type.cardinality != Cardinality::Single {
        add("cardinality", input.field_type.cardinality.as_str().into());
    }
    if input.required {
        add("required", true.into());
    }
    if input.input != InputKind::Any {
        add("input", input.input.as_str().into());
    }
    if let Some(default) = &input.default {
        add("default", default.clone());
    }
    if !input.server_constraints.is_empty() {
        add("bounds", input.server_constraints.to_json().into());
    }
    if !input.options.is_empty() {
        add("options", input.options.iter().map(|option| option.value.clone()).collect());
    }
    let ModelFilter { base, model_type, variant, format, provider_id } = &input.model_filter;
    let lists = [base, model_type, variant, format, provider_id];
    let lists = FILTERS.into_iter().zip(lists).filter(|(_, list)| !list.is_empty());
    let models: Map<String, Value> = lists.map(|(name, list)| (name.to_owned(), json!(list))).collect();
    if !models.is_empty() {
        add("models", models.into());
    }
    members.into()
}

fn read_input(name: &str, value: &Value) -> Option<InputTemplate> {
    let cardinality = match value.get("cardinality").map(Value::as_str) {
        None => Cardinality::Single,
        Some(word) => {
            let all = [Cardinality::Single, Cardinality::Collection, Cardinality::SingleOrCollection];
            all.into_iter().find(|cardinality| Some(cardinality.as_str()) == word)?
        }
    };
    let input = match value.get("input").map(Value::as_str) {
        None => InputKind::Any,
        Some(word) => {
            let all = [InputKind::Any, InputKind::Direct, InputKind::Connection];
            all.into_iter().find(|kind| Some(kind.as_str()) == word)?
        }
    };
    let bounds = match value.get("bounds") {
        None => Constraints::default(),
        Some(bounds) => Constraints::declared(bounds.as_object()?),
    };
    let options = value.get("options").and_then(Value::as_array).into_iter().flatten();
    let list = |name: &str| -> Vec<String> {
        let list = value.get("models").and_then(|models| models.get(name)?.as_array()).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let [base, model_type, variant, format, provider_id] = FILTERS.map(list);
    Some(InputTemplate {
        name: name.to_owned(),
        title: name.to_owned(),
        description: String::new(),
        field_type: FieldType::new(value.get("type")?.as_str()?, cardinality),
        original_type: None,
        required: value.get("required").is_some_and(|required| *required == true),
        nullable: false,
        input,
        default: value.get("default").cloned(),
        constraints: bounds.clone(),
        server_constraints: bounds,
        options: options.map(|value| EnumOption { value: value.clone(), label: None }).collect(),
        model_filter: ModelFilter { base, model_type, variant, format, provider_id },
        ui: UiHints::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::NodeCatalog;
    use crate::workflow::field::InkField;

    #[test]
    fn every_input_of_every_node_is_checked_by_the_same_rules_after_it_was_written_and_read() {
        for (node, input) in
            NodeCatalog::embedded().iter().flat_map(|node| node.inputs.values().map(move |i| (node, i)))
        {
            let written = write_input(input);
            let read = read_input(&input.name, &written).unwrap_or_else(|| panic!("{}: {written}", node.node_type));
            assert_eq!(write_input(&read), written);
            let schema = |template: &InputTemplate| InkField::new("n.f", template).json_schema();
            assert_eq!(schema(&read), schema(input), "{}.{}", node.node_type, input.name);
            assert_eq!(InkField::new("n.f", &read).accepts(), InkField::new("n.f", input).accepts());
        }
    }
}
