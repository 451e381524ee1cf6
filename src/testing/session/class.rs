//! The node classes of the OpenAPI document: what pydantic knows about them on the real server.

use super::types::Type;
use super::values::{self, Texts, model};
use super::{Problem, node_rules};
use crate::testing::openapi::schemas;
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// One invocation class.
#[derive(Debug)]
pub(crate) struct Class {
    /// Name of the Python class; nodes that are ready run in the order of these names.
    pub(crate) name: String,
    /// Invocation type.
    pub(crate) node_type: String,
    /// `properties` of the schema.
    pub(crate) properties: &'static Map<String, Value>,
    /// `properties` of the output's schema.
    output: &'static Map<String, Value>,
    schema: &'static Map<String, Value>,
}

/// All classes by invocation type, in the order of the document.
pub(crate) fn classes() -> &'static IndexMap<String, Class> {
    static CLASSES: LazyLock<IndexMap<String, Class>> = LazyLock::new(|| {
        let invocations = schemas().iter().filter_map(|(name, schema)| {
            let schema = schema.as_object().filter(|schema| schema.get("class").is_some_and(|c| c == "invocation"))?;
            let properties = schema.get("properties")?.as_object()?;
            let node_type = properties.get("type")?.get("default")?.as_str()?.to_owned();
            let output = values::referred(schema.get("output")?)?.get("properties")?.as_object()?;
            let class = Class { name: name.clone(), node_type: node_type.clone(), properties, output, schema };
            Some((node_type, class))
        });
        invocations.collect()
    });
    &CLASSES
}

/// The class of an invocation type.
pub(crate) fn class(node_type: &str) -> Option<&'static Class> {
    classes().get(node_type)
}

impl Class {
    /// The declared type of an input; `None` if there is no such field.
    pub(super) fn input_type(&self, field: &str) -> Option<Type> {
        self.properties.get(field).map(Type::of)
    }

    /// The declared type of an output; `None` if there is no such field.
    pub(super) fn output_type(&self, field: &str) -> Option<Type> {
        if field == "output_meta" {
            return Some(Type::Other("output_meta".into()));
        }
        self.output.get(field).map(Type::of)
    }

    /// A node of this class as the server keeps it: defaults filled in, values converted, unknown members dropped.
    fn read(&self, node: &Map<String, Value>) -> Result<Map<String, Value>, Vec<Problem>> {
        let node = node_rules::before(&self.node_type, node);
        let read = model(self.schema, &node, Texts::OrNumbers)?;
        node_rules::fields(&self.node_type, &read)?;
        Ok(read)
    }

    /// A value for one input, converted as an assignment does.
    ///
    /// # Errors
    /// The dotted place of the first thing that does not fit.
    pub(super) fn assign(&self, node: &mut Map<String, Value>, field: &str, value: &Value) -> Result<(), String> {
        if let Some(schema) = self.properties.get(field) {
            let value = values::check(schema, value, Texts::OrNumbers).map_err(|problems| dotted(field, &problems))?;
            node.insert(field.to_owned(), value);
            node_rules::fields(&self.node_type, node).map_err(|_| field.to_owned())?;
        }
        Ok(())
    }

    /// The whole output object from the fields that a node returns: converted, with defaults, `output_meta` and `type`.
    ///
    /// # Errors
    /// The field that has no valid value.
    pub(crate) fn output(&self, mut fields: Map<String, Value>) -> Result<Value, String> {
        let mut output = Map::new();
        output.insert("output_meta".into(), Value::Null);
        for (name, schema) in self.output {
            let given = if name == "type" { None } else { fields.remove(name) };
            let value = match given {
                Some(value) => {
                    values::check(schema, &value, Texts::Only).map_err(|problems| dotted(name, &problems))?
                }
                None => schema.get("default").cloned().ok_or_else(|| name.clone())?,
            };
            output.insert(name.clone(), value);
        }
        Ok(Value::Object(output))
    }

    /// The first missing input that the node cannot run without, and whether only an edge can give it.
    pub(crate) fn missing_input(&self, node: &Map<String, Value>) -> Option<(&str, bool)> {
        self.properties.iter().find_map(|(name, schema)| {
            let required = schema.get("orig_required").is_some_and(|required| required == true);
            let input = schema.get("input").and_then(Value::as_str);
            let empty = node.get(name).is_none_or(Value::is_null);
            let needed = required && schema.get("orig_default").is_none() && empty;
            match input {
                Some("connection") if needed => Some((name.as_str(), true)),
                Some("any") if needed => Some((name.as_str(), false)),
                _ => None,
            }
        })
    }
}

/// The place of the first problem: `items[0].label`.
fn dotted(field: &str, problems: &[Problem]) -> String {
    let steps = problems.first().map(|problem| problem.loc.as_slice()).unwrap_or_default();
    steps.iter().fold(field.to_owned(), |path, step| match step.as_str() {
        Some(member) => format!("{path}.{member}"),
        None => format!("{path}[{step}]"),
    })
}

/// A node of a graph, by its own `type`.
pub(super) fn read_node(node: &Value) -> Result<Map<String, Value>, Vec<Problem>> {
    let Value::Object(members) = node else {
        return Err(vec![values::not_a_model("", node)]);
    };
    let discriminator = json!({"discriminator": "'type'"});
    let Some(node_type) = members.get("type") else {
        let message = "Unable to extract tag using discriminator 'type'";
        return Err(vec![Problem { ctx: Some(discriminator), ..Problem::new("union_tag_not_found", message, node) }]);
    };
    let tag = node_type.as_str().map_or_else(|| node_type.to_string(), str::to_owned);
    let Some(class) = class(&tag) else {
        let mut known: Vec<_> = classes().keys().map(|known| format!("'{known}'")).collect();
        known.sort();
        let known = known.join(", ");
        let message = format!("Input tag '{tag}' found using 'type' does not match any of the expected tags: {known}");
        let ctx = json!({"discriminator": "'type'", "tag": tag, "expected_tags": known});
        return Err(vec![Problem { ctx: Some(ctx), ..Problem::new("union_tag_invalid", message, node) }]);
    };
    let within = |problem: Problem| problem.within(tag.as_str());
    class.read(members).map_err(|problems| problems.into_iter().map(within).collect())
}
