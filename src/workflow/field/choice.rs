//! Texts, booleans and choices.

use super::bounds::{admits_count, describe_count, in_force};
use super::input_value::Refused;
use super::json_schema;
use super::rules::{FieldKind, sealed::Rules};
use crate::schema::InputTemplate;
use serde_json::{Value, json};

/// A text; only strings are accepted. Lengths count characters.
pub struct Text;

/// True or false. The texts `"true"` and `"false"` are converted.
pub struct Boolean;

/// One of the template's options, a string or an integer. A text that spells an integer option (`"256"`) is converted.
pub struct Choice;

/// The name of a scheduler, one of those that the node's schema lists.
pub struct Scheduler;

/// The id of a workflow in the library. A record of the library (`{workflow_id, …}`) is converted.
pub struct SavedWorkflow;

impl FieldKind for Text {
    type Typed<'a> = &'a str;

    fn read(value: &Value) -> Option<&str> {
        value.as_str()
    }
}

impl Rules for Text {
    fn accepts(template: &InputTemplate) -> String {
        let bounds = in_force(template);
        describe_count("a string", "characters", bounds.min_length, bounds.max_length)
    }

    fn schema(template: &InputTemplate) -> Value {
        json_schema::text(&in_force(template))
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let bounds = in_force(template);
        let length = value.as_str().map(|text| text.chars().count());
        match length {
            Some(length) if admits_count(length, bounds.min_length, bounds.max_length) => Ok(value),
            _ => Err(Refused::new(value)),
        }
    }
}

impl FieldKind for Boolean {
    type Typed<'a> = bool;

    fn read(value: &Value) -> Option<bool> {
        value.as_bool()
    }
}

impl Rules for Boolean {
    fn accepts(_: &InputTemplate) -> String {
        "true or false".into()
    }

    fn schema(_: &InputTemplate) -> Value {
        json!({"type": "boolean"})
    }

    fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
        match &value {
            Value::Bool(_) => Ok(value),
            Value::String(text) => text.trim().parse().map(Value::Bool).map_err(|_| Refused::new(value)),
            _ => Err(Refused::new(value)),
        }
    }
}

impl FieldKind for Choice {
    type Typed<'a> = &'a Value;

    fn read(value: &Value) -> Option<&Value> {
        (value.is_string() || value.is_number()).then_some(value)
    }
}

impl Rules for Choice {
    fn accepts(template: &InputTemplate) -> String {
        describe_options(template)
    }

    fn schema(template: &InputTemplate) -> Value {
        let options: Vec<&Value> = template.options.iter().map(|option| &option.value).collect();
        json!({"enum": options})
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        let mut options = template.options.iter().map(|option| &option.value);
        options.find(|option| is_option(option, &value)).cloned().ok_or(Refused::new(value))
    }
}

impl FieldKind for Scheduler {
    type Typed<'a> = &'a str;

    fn read(value: &Value) -> Option<&str> {
        value.as_str()
    }
}

impl Rules for Scheduler {
    fn accepts(template: &InputTemplate) -> String {
        if template.options.is_empty() { "the name of a scheduler".into() } else { describe_options(template) }
    }

    fn schema(template: &InputTemplate) -> Value {
        if template.options.is_empty() { SavedWorkflow::schema(template) } else { Choice::schema(template) }
    }

    fn convert(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
        if template.options.is_empty() {
            SavedWorkflow::convert(value, template)
        } else {
            Choice::convert(value, template)
        }
    }
}

impl FieldKind for SavedWorkflow {
    type Typed<'a> = &'a str;

    fn read(value: &Value) -> Option<&str> {
        value.as_str()
    }
}

impl Rules for SavedWorkflow {
    fn accepts(_: &InputTemplate) -> String {
        "the id of a workflow in the library, or its record".into()
    }

    fn schema(_: &InputTemplate) -> Value {
        json_schema::reference("invokeai-workflow-id", &["workflow_id"])
    }

    fn convert(value: Value, _: &InputTemplate) -> Result<Value, Refused> {
        let id = value.as_str().or_else(|| value.get("workflow_id")?.as_str()).map(str::trim);
        id.filter(|id| !id.is_empty()).map(Value::from).ok_or(Refused::new(value))
    }
}

/// Equal, as numbers too (`256.0`), or spelled as text.
fn is_option(option: &Value, value: &Value) -> bool {
    match (option, value) {
        (Value::Number(option), Value::Number(number)) => option.as_f64() == number.as_f64(),
        (Value::Number(option), Value::String(text)) => option.to_string() == text.trim(),
        _ => option == value,
    }
}

fn describe_options(template: &InputTemplate) -> String {
    let options: Vec<_> = template.options.iter().map(|option| option.value.to_string()).collect();
    format!("one of {}", options.join(", "))
}
