//! Checks and converts values the way pydantic does in its lax mode, by the JSON schemas of the OpenAPI document.
#![allow(clippy::result_large_err, reason = "refusals are rare and soon in a list")]

use super::Problem;
use crate::testing::openapi::schemas;
use serde_json::{Map, Number, Value, json};

type Checked = Result<Value, Vec<Problem>>;

/// The schema a `$ref` stands for.
pub(super) fn referred(schema: &Value) -> Option<&'static Map<String, Value>> {
    schemas().get(reference(schema)?)?.as_object()
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// What counts as a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// Texts.
    Only,
    /// Numbers, too: nodes have `coerce_numbers_to_str`, the models in their fields do not.
    OrNumbers,
}

/// The value as the server would keep it.
pub(super) fn check(schema: &Value, value: &Value, texts: Texts) -> Checked {
    if let Some(name) = reference(schema) {
        let Some(target) = referred(schema) else { return Ok(value.clone()) };
        return match (target.contains_key("properties"), value) {
            (true, Value::Object(members)) => model(target, members, Texts::Only).map(Value::Object),
            (true, _) => Err(vec![not_a_model(name, value)]),
            // Only enum classes have a name of their own.
            (false, _) => match target.get("enum").and_then(Value::as_array) {
                Some(options) => one_of(options, value, "enum"),
                None => plain(target, value, texts),
            },
        };
    }
    match schema.as_object() {
        Some(schema) => plain(schema, value, texts),
        None => Ok(value.clone()),
    }
}

/// A value of a pydantic model.
pub(super) fn model(
    schema: &Map<String, Value>,
    members: &Map<String, Value>,
    texts: Texts,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let none = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required = schema.get("required").and_then(Value::as_array);
    let (mut read, mut problems) = (Map::new(), Vec::new());
    for (name, property) in properties {
        match (members.get(name), property.get("default")) {
            (Some(value), _) => match check(property, value, texts) {
                Ok(value) => _ = read.insert(name.clone(), value),
                Err(found) => problems.extend(found.into_iter().map(|problem| problem.within(name.as_str()))),
            },
            (None, Some(default)) => _ = read.insert(name.clone(), default.clone()),
            (None, None) if required.is_some_and(|required| required.iter().any(|other| other == name)) => {
                let whole = Value::Object(members.clone());
                problems.push(Problem::new("missing", "Field required", &whole).within(name.as_str()));
            }
            (None, None) => {}
        }
    }
    if schema.get("additionalProperties").is_some_and(|more| more == true) {
        let more = members.iter().filter(|(name, _)| !properties.contains_key(*name));
        read.extend(more.map(|(name, value)| (name.clone(), value.clone())));
    }
    if problems.is_empty() { Ok(read) } else { Err(problems) }
}

pub(super) fn not_a_model(name: &str, value: &Value) -> Problem {
    let message = format!("Input should be a valid dictionary or instance of {name}");
    Problem { ctx: Some(json!({"class_name": name})), ..Problem::new("model_type", message, value) }
}

/// The same for the parts of a request that FastAPI reads itself.
pub(super) fn not_an_object(value: &Value) -> Problem {
    let message = "Input should be a valid dictionary or object to extract fields from";
    Problem::new("model_attributes_type", message, value)
}

fn plain(schema: &Map<String, Value>, value: &Value, texts: Texts) -> Checked {
    if let Some(branches) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        return union(schema, branches, value, texts);
    }
    if let Some(expected) = schema.get("const") {
        return one_of(std::slice::from_ref(expected), value, "literal_error");
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return one_of(options, value, "literal_error");
    }
    let checked = match schema.get("type").and_then(Value::as_str) {
        Some("integer") => integer(value),
        Some("number") => number(value),
        Some("boolean") => boolean(value),
        Some("string") => string(value, texts),
        Some("null") if !value.is_null() => Err(Problem::new("none_required", "Input should be None", value)),
        Some("array") => return list(schema, value, texts),
        Some("object") if !value.is_object() => {
            Err(Problem::new("dict_type", "Input should be a valid dictionary", value))
        }
        _ => Ok(value.clone()),
    };
    checked.and_then(|checked| bounds(schema, &checked).map_or(Ok(checked), Err)).map_err(|problem| vec![problem])
}

/// Null where null is allowed; otherwise the branch that takes the value as it is, or else the first that can convert
/// it.
fn union(schema: &Map<String, Value>, branches: &[Value], value: &Value, texts: Texts) -> Checked {
    let is_null = |branch: &Value| branch.get("type").is_some_and(|kind| kind == "null");
    if value.is_null() && branches.iter().any(is_null) {
        return Ok(Value::Null);
    }
    let branches: Vec<&Value> = branches.iter().filter(|branch| !is_null(branch)).collect();
    if let [only] = branches.as_slice() {
        let checked = check(only, value, texts)?;
        return bounds(schema, &checked).map_or(Ok(checked), |problem| Err(vec![problem]));
    }
    let (mut converted, mut problems) = (None, Vec::new());
    for branch in branches {
        match check(branch, value, texts) {
            Ok(checked) if checked == *value => {
                return bounds(schema, &checked).map_or(Ok(checked), |problem| Err(vec![problem]));
            }
            Ok(checked) => _ = converted.get_or_insert(checked),
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.within(label(branch)))),
        }
    }
    let checked = converted.ok_or(problems)?;
    bounds(schema, &checked).map_or(Ok(checked), |problem| Err(vec![problem]))
}

/// pydantic's name of a branch in the place of an error.
fn label(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return name.to_owned();
    }
    if let Some(branches) = schema.get("anyOf").and_then(Value::as_array) {
        return format!("union[{}]", branches.iter().map(label).collect::<Vec<_>>().join(","));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("integer") => "int".into(),
        Some("number") => "float".into(),
        Some("boolean") => "bool".into(),
        Some("string") => "str".into(),
        Some("array") => format!("list[{}]", schema.get("items").map_or_else(|| "any".into(), label)),
        Some(other) => other.into(),
        None => "any".into(),
    }
}

fn one_of(options: &[Value], value: &Value, kind: &'static str) -> Checked {
    if options.contains(value) {
        return Ok(value.clone());
    }
    let quoted: Vec<_> = options.iter().map(|option| option.to_string().replace('"', "'")).collect();
    let expected = match quoted.as_slice() {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    };
    let problem = Problem::new(kind, format!("Input should be {expected}"), value);
    Err(vec![Problem { ctx: Some(json!({"expected": expected})), ..problem }])
}

fn list(schema: &Map<String, Value>, value: &Value, texts: Texts) -> Checked {
    let Value::Array(items) = value else {
        return Err(vec![Problem::new("list_type", "Input should be a valid list", value)]);
    };
    let (mut read, mut problems) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.iter().enumerate() {
        match schema.get("items").map_or_else(|| Ok(item.clone()), |schema| check(schema, item, texts)) {
            Ok(item) => read.push(item),
            Err(found) => problems.extend(found.into_iter().map(|problem| problem.within(index))),
        }
    }
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    if let Some(least) = bound("minItems").filter(|&least| (items.len() as u64) < least) {
        let message =
            format!("List should have at least {least} item{} after validation, not {}", plural(least), items.len());
        let ctx = json!({"field_type": "List", "min_length": least, "actual_length": items.len()});
        problems.push(Problem { ctx: Some(ctx), ..Problem::new("too_short", message, value) });
    }
    if let Some(most) = bound("maxItems").filter(|&most| items.len() as u64 > most) {
        let message =
            format!("List should have at most {most} item{} after validation, not {}", plural(most), items.len());
        let ctx = json!({"field_type": "List", "max_length": most, "actual_length": items.len()});
        problems.push(Problem { ctx: Some(ctx), ..Problem::new("too_long", message, value) });
    }
    if problems.is_empty() { Ok(Value::Array(read)) } else { Err(problems) }
}

fn integer(value: &Value) -> Result<Value, Problem> {
    let fraction = "Input should be a valid integer, got a number with a fractional part";
    match value {
        Value::Bool(flag) => Ok(json!(i64::from(*flag))),
        Value::Number(number) if !number.is_f64() => Ok(value.clone()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float.fract() == 0.0 && float.abs() < 9.2e18 => Ok(json!(float as i64)),
            _ => Err(Problem::new("int_from_float", fraction, value)),
        },
        Value::String(text) => {
            let text = text.trim();
            let whole =
                text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0')).map_or(text, |(i, _)| i);
            let parsed = whole.parse::<i64>().ok();
            let message = "Input should be a valid integer, unable to parse string as an integer";
            parsed.map(Value::from).ok_or_else(|| Problem::new("int_parsing", message, value))
        }
        _ => Err(Problem::new("int_type", "Input should be a valid integer", value)),
    }
}

fn number(value: &Value) -> Result<Value, Problem> {
    let float = match value {
        Value::Bool(flag) => Some(f64::from(*flag)),
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => return Err(Problem::new("float_type", "Input should be a valid number", value)),
    };
    let message = "Input should be a valid number, unable to parse string as a number";
    let number = float.and_then(Number::from_f64).map(Value::Number);
    number.ok_or_else(|| Problem::new("float_parsing", message, value))
}

fn boolean(value: &Value) -> Result<Value, Problem> {
    let unclear = || Problem::new("bool_parsing", "Input should be a valid boolean, unable to interpret input", value);
    match value {
        Value::Bool(_) => Ok(value.clone()),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Ok(json!(false)),
            Some(1.0) => Ok(json!(true)),
            _ => Err(unclear()),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "0" | "off" | "f" | "false" | "n" | "no" => Ok(json!(false)),
            "1" | "on" | "t" | "true" | "y" | "yes" => Ok(json!(true)),
            _ => Err(unclear()),
        },
        _ => Err(Problem::new("bool_type", "Input should be a valid boolean", value)),
    }
}

fn string(value: &Value, texts: Texts) -> Result<Value, Problem> {
    match value {
        Value::String(_) => Ok(value.clone()),
        Value::Number(number) if texts == Texts::OrNumbers => Ok(json!(number.to_string())),
        _ => Err(Problem::new("string_type", "Input should be a valid string", value)),
    }
}

/// The first bound that the number or the text breaks.
fn bounds(schema: &Map<String, Value>, value: &Value) -> Option<Problem> {
    let bound = |key: &str| schema.get(key).filter(|bound| bound.is_number()).and_then(|b| Some((b, b.as_f64()?)));
    let told = |kind, ctx: &str, words: &str, limit: &Value| {
        let message = format!("Input should be {words} {}", short(limit));
        Some(Problem { ctx: Some(json!({ctx: limit})), ..Problem::new(kind, message, value) })
    };
    if let Some(number) = value.as_f64() {
        if let Some((limit, _)) = bound("multipleOf").filter(|&(_, of)| of != 0.0 && number % of != 0.0) {
            return told("multiple_of", "multiple_of", "a multiple of", limit);
        }
        if let Some((limit, _)) = bound("maximum").filter(|&(_, most)| number > most) {
            return told("less_than_equal", "le", "less than or equal to", limit);
        }
        if let Some((limit, _)) = bound("exclusiveMaximum").filter(|&(_, most)| number >= most) {
            return told("less_than", "lt", "less than", limit);
        }
        if let Some((limit, _)) = bound("minimum").filter(|&(_, least)| number < least) {
            return told("greater_than_equal", "ge", "greater than or equal to", limit);
        }
        if let Some((limit, _)) = bound("exclusiveMinimum").filter(|&(_, least)| number <= least) {
            return told("greater_than", "gt", "greater than", limit);
        }
    }
    None
}

/// `8` for `8.0`.
fn short(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
