//! Checks of the content of a request against the OpenAPI document, with the complaints of FastAPI and pydantic.
//!
//! A model keeps the members it knows, as pydantic's do, and gets its defaults.

use super::openapi;
use serde_json::{Map, Value, json};

/// Schemas that are checked elsewhere, or that the server does not check at this place.
const OPAQUE: [&str; 2] = ["Graph", "AnyModelConfig"];

/// Collects complaints.
#[derive(Default)]
pub(crate) struct Validator {
    /// One entry of `detail` each.
    pub(crate) errors: Vec<Value>,
}

impl Validator {
    /// Records that something required is missing.
    pub(crate) fn missing(&mut self, place: &[Value], input: &Value) {
        self.complain("missing", place, "Field required", input, None);
    }

    fn complain(&mut self, kind: &str, place: &[Value], message: &str, input: &Value, context: Option<Value>) {
        let mut error = json!({"type": kind, "loc": place, "msg": message, "input": input});
        if let Some(context) = context {
            error["ctx"] = context;
        }
        self.errors.push(error);
    }

    /// The value as the schema understands it. A value that does not fit is reported, and returned unchanged.
    pub(crate) fn check(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            return match openapi::schemas().get(name) {
                Some(named) if !OPAQUE.contains(&name) => self.check(named, value, place),
                _ => value.clone(),
            };
        }
        if let Some(members) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            return self.check_union(members, value, place);
        }
        if let Some(accepted) = schema["enum"].as_array() {
            return self.check_choice(accepted, value, place);
        }
        match schema["type"].as_str() {
            Some("string") => self.check_string(schema, value, place),
            Some("integer") => self.check_integer(schema, value, place),
            Some("number") => self.check_number(schema, value, place),
            Some("boolean") => self.check_boolean(value, place),
            Some("array") => self.check_array(schema, value, place),
            Some("object") => self.check_object(schema, value, place),
            _ => value.clone(),
        }
    }

    fn check_union(&mut self, members: &[Value], value: &Value, place: &[Value]) -> Value {
        let nullable = members.iter().any(|member| member["type"] == "null");
        if nullable && value.is_null() {
            return Value::Null;
        }
        let members: Vec<&Value> = members.iter().filter(|member| member["type"] != "null").collect();
        if let [only] = members[..] {
            return self.check(only, value, place);
        }
        // An exact type wins over one that needs a conversion.
        for member in members.iter().filter(|member| is_of_type(member, value)) {
            let mut trial = Validator::default();
            let checked = trial.check(member, value, place);
            if trial.errors.is_empty() {
                return checked;
            }
        }
        let mut complaints = Vec::new();
        for member in members {
            let mut trial = Validator::default();
            let place: Vec<Value> = place.iter().cloned().chain([member_name(member).into()]).collect();
            let checked = trial.check(member, value, &place);
            if trial.errors.is_empty() {
                return checked;
            }
            complaints.append(&mut trial.errors);
        }
        self.errors.append(&mut complaints);
        value.clone()
    }

    fn check_choice(&mut self, accepted: &[Value], value: &Value, place: &[Value]) -> Value {
        if accepted.contains(value) {
            return value.clone();
        }
        let quoted: Vec<String> = accepted
            .iter()
            .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), |text| format!("'{text}'")))
            .collect();
        let expected = match &quoted[..] {
            [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
            all => all.concat(),
        };
        let message = format!("Input should be {expected}");
        self.complain("enum", place, &message, value, Some(json!({"expected": expected})));
        value.clone()
    }

    fn check_string(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let Some(text) = value.as_str() else {
            self.complain("string_type", place, "Input should be a valid string", value, None);
            return value.clone();
        };
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("String should have at most {most} characters");
            self.complain("string_too_long", place, &message, value, Some(json!({"max_length": most})));
        } else if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let message = format!("String should have at least {least} character{}", if least == 1 { "" } else { "s" });
            self.complain("string_too_short", place, &message, value, Some(json!({"min_length": least})));
        }
        value.clone()
    }

    fn check_integer(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let number = match value {
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => number,
                (None, Some(number)) if number.fract() == 0.0 => number as i64,
                _ => {
                    let message = "Input should be a valid integer, got a number with a fractional part";
                    self.complain("int_from_float", place, message, value, None);
                    return value.clone();
                }
            },
            Value::String(text) => match text.trim().parse() {
                Ok(number) => number,
                Err(_) => {
                    let message = "Input should be a valid integer, unable to parse string as an integer";
                    self.complain("int_parsing", place, message, value, None);
                    return value.clone();
                }
            },
            Value::Bool(flag) => i64::from(*flag),
            _ => {
                self.complain("int_type", place, "Input should be a valid integer", value, None);
                return value.clone();
            }
        };
        self.check_bounds(schema, number as f64, value, place);
        number.into()
    }

    fn check_number(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse::<f64>().ok(),
            _ => {
                self.complain("float_type", place, "Input should be a valid number", value, None);
                return value.clone();
            }
        };
        let Some(number) = number else {
            let message = "Input should be a valid number, unable to parse string as a number";
            self.complain("float_parsing", place, message, value, None);
            return value.clone();
        };
        self.check_bounds(schema, number, value, place);
        if value.is_number() { value.clone() } else { number.into() }
    }

    fn check_bounds(&mut self, schema: &Value, number: f64, value: &Value, place: &[Value]) {
        type Holds = fn(&f64, &f64) -> bool;
        let rules: [(&str, &str, &str, &str, Holds); 4] = [
            ("minimum", "greater_than_equal", "ge", "greater than or equal to", f64::ge),
            ("maximum", "less_than_equal", "le", "less than or equal to", f64::le),
            ("exclusiveMinimum", "greater_than", "gt", "greater than", f64::gt),
            ("exclusiveMaximum", "less_than", "lt", "less than", f64::lt),
        ];
        for (keyword, kind, short, words, holds) in rules {
            if let Some(bound) = schema[keyword].as_f64().filter(|bound| !holds(&number, bound)) {
                let shown = if bound.fract() == 0.0 { json!(bound as i64) } else { json!(bound) };
                let message = format!("Input should be {words} {shown}");
                self.complain(kind, place, &message, value, Some(json!({short: shown})));
            }
        }
    }

    fn check_boolean(&mut self, value: &Value, place: &[Value]) -> Value {
        match value {
            Value::Bool(_) => return value.clone(),
            Value::String(text) => match text.to_lowercase().as_str() {
                "true" | "1" | "t" | "y" | "yes" | "on" => return true.into(),
                "false" | "0" | "f" | "n" | "no" | "off" => return false.into(),
                _ => {}
            },
            Value::Number(number) => match number.as_f64() {
                Some(1.0) => return true.into(),
                Some(0.0) => return false.into(),
                _ => {}
            },
            _ => {
                self.complain("bool_type", place, "Input should be a valid boolean", value, None);
                return value.clone();
            }
        }
        let message = "Input should be a valid boolean, unable to interpret input";
        self.complain("bool_parsing", place, message, value, None);
        value.clone()
    }

    fn check_array(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let Some(elements) = value.as_array() else {
            self.complain("list_type", place, "Input should be a valid list", value, None);
            return value.clone();
        };
        if let Some(most) = schema["maxItems"].as_u64().filter(|most| elements.len() as u64 > *most) {
            let length = elements.len();
            let message = format!("List should have at most {most} items after validation, not {length}");
            let context = json!({"field_type": "List", "max_length": most, "actual_length": length});
            self.complain("too_long", place, &message, value, Some(context));
            return value.clone();
        }
        let check = |(index, element)| {
            let place: Vec<Value> = place.iter().cloned().chain([Value::from(index)]).collect();
            self.check(&schema["items"], element, &place)
        };
        elements.iter().enumerate().map(check).collect()
    }

    fn check_object(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let Some(members) = schema["properties"].as_object() else {
            return self.check_map(schema, value, place);
        };
        let Some(given) = value.as_object() else {
            let message = "Input should be a valid dictionary or object to extract fields from";
            self.complain("model_attributes_type", place, message, value, None);
            return value.clone();
        };
        let required = schema["required"].as_array();
        let mut kept = Map::new();
        for (name, member) in members {
            let place: Vec<Value> = place.iter().cloned().chain([Value::from(name.as_str())]).collect();
            match given.get(name) {
                Some(value) => _ = kept.insert(name.clone(), self.check(member, value, &place)),
                // The document calls members with a default required where answers always have them.
                None => match member.get("default") {
                    Some(default) => _ = kept.insert(name.clone(), default.clone()),
                    None if required.is_some_and(|required| required.contains(&Value::from(name.as_str()))) => {
                        self.missing(&place, value);
                    }
                    None => {}
                },
            }
        }
        for (name, extra) in given.iter().filter(|(name, _)| !members.contains_key(*name)) {
            if schema["additionalProperties"] == false {
                let place: Vec<Value> = place.iter().cloned().chain([Value::from(name.as_str())]).collect();
                self.complain("extra_forbidden", &place, "Extra inputs are not permitted", extra, None);
            } else if schema.get("additionalProperties").is_some() {
                kept.insert(name.clone(), extra.clone());
            }
        }
        kept.into()
    }

    fn check_map(&mut self, schema: &Value, value: &Value, place: &[Value]) -> Value {
        let Some(given) = value.as_object() else {
            self.complain("dict_type", place, "Input should be a valid dictionary", value, None);
            return value.clone();
        };
        let element = &schema["additionalProperties"];
        let check = |(name, value): (&String, &Value)| {
            let place: Vec<Value> = place.iter().cloned().chain([Value::from(name.as_str())]).collect();
            (name.clone(), if element.is_object() { self.check(element, value, &place) } else { value.clone() })
        };
        given.iter().map(check).collect::<Map<_, _>>().into()
    }
}

/// Whether no conversion is needed, as far as it can be seen without looking inside.
fn is_of_type(schema: &Value, value: &Value) -> bool {
    match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_f64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        _ => value.is_object() || schema.get("enum").is_some(),
    }
}

/// What pydantic calls a member of a union.
fn member_name(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        return name.into();
    }
    match schema["type"].as_str() {
        Some("string") => "str".into(),
        Some("integer") => "int".into(),
        Some("number") => "float".into(),
        Some("boolean") => "bool".into(),
        Some("array") => {
            let items = &schema["items"];
            let name = match items["anyOf"].as_array() {
                Some(members) => format!("union[{}]", members.iter().map(member_name).collect::<Vec<_>>().join(",")),
                None => member_name(items),
            };
            format!("list[{name}]")
        }
        Some("object") => "dict[str,any]".into(),
        _ => "any".into(),
    }
}
