//! Field types and how they are read from a property's schema (`features/nodes/util/schema/parseFieldType.ts`).

use crate::json::borrowed::{Json, Members};
use serde_json::{Value, json};
use std::fmt;

/// Type of a field: InvokeAI's type name and how many values it holds.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FieldType {
    /// For example `IntegerField`, `ImageField`, `ModelIdentifierField`.
    pub name: String,
    /// How many values the field holds.
    pub cardinality: Cardinality,
    /// Whether the field feeds or is fed by the batch engine.
    pub batch: bool,
}

crate::base::debug::short_debug! { FieldType { name, cardinality, batch } }

/// How many values a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cardinality {
    /// One value.
    Single,
    /// A list of values.
    Collection,
    /// One value, or a list by edge.
    SingleOrCollection,
}

impl Cardinality {
    /// The editor's word: `SINGLE`, `COLLECTION` or `SINGLE_OR_COLLECTION`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cardinality::Single => "SINGLE",
            Cardinality::Collection => "COLLECTION",
            Cardinality::SingleOrCollection => "SINGLE_OR_COLLECTION",
        }
    }
}

impl fmt::Display for Cardinality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Types whose direct values the editor stores (`zStatefulFieldType` in `features/nodes/types/field.ts`).
const STATEFUL: [&str; 24] = [
    "IntegerField",
    "FloatField",
    "StringField",
    "BooleanField",
    "EnumField",
    "ImageField",
    "VideoField",
    "BoardField",
    "StylePresetField",
    "SystemPromptField",
    "ModelIdentifierField",
    "LoRAField",
    "ColorField",
    "SchedulerField",
    "SavedWorkflowField",
    "FloatGeneratorField",
    "IntegerGeneratorField",
    "StringGeneratorField",
    "ImageGeneratorField",
    "LoRAMetadataField",
    "ControlNetMetadataField",
    "IPAdapterMetadataField",
    "T2IAdapterMetadataField",
    "MetadataExtraField",
];

impl FieldType {
    /// A type outside the batch engine.
    pub fn new(name: impl Into<String>, cardinality: Cardinality) -> Self {
        FieldType { name: name.into(), cardinality, batch: false }
    }

    /// Whether a field of this type can hold a direct value. All others take edges only.
    pub fn is_stateful(&self) -> bool {
        STATEFUL.contains(&self.name.as_str())
    }

    /// The type in the editor's own form: `{"name", "cardinality", "batch"}`.
    pub fn to_json(&self) -> Value {
        json!({"name": self.name, "cardinality": self.cardinality.as_str(), "batch": self.batch})
    }

    /// The type that a `ui_type` names.
    pub(super) fn from_ui_type(name: &str) -> Self {
        let cardinality = if name == "CollectionField" { Cardinality::Collection } else { Cardinality::Single };
        FieldType::new(name, cardinality)
    }

    /// Reads the type of a property; the error says what cannot be read.
    pub(super) fn from_schema(schema: &Members<'_>) -> Result<Self, String> {
        if schema.contains_key("$ref") {
            return single(ref_name(schema)?);
        }
        if schema.get("const").is_some_and(is_truthy) {
            return single("EnumField");
        }
        let Some(kind) = schema.get("type") else {
            return Self::from_combination(schema);
        };
        if schema.contains_key("enum") {
            return single("EnumField");
        }
        match kind.as_str() {
            Some("array") => {
                let items = schema.get("items").and_then(Json::as_object).ok_or("an array without items")?;
                let name = if items.contains_key("$ref") {
                    ref_name(items)?
                } else {
                    primitive(items.get("type"), "array item")?
                };
                Ok(FieldType::new(name, Cardinality::Collection))
            }
            _ => single(primitive(Some(kind), "type")?),
        }
    }

    /// `allOf` (how older servers write a reference with siblings) and `anyOf` (nullable, or one and many).
    fn from_combination(schema: &Members<'_>) -> Result<Self, String> {
        if let Some(all) = schema.get("allOf").and_then(Json::as_array) {
            return match all.first().and_then(Json::as_object) {
                Some(first) if first.contains_key("$ref") => single(ref_name(first)?),
                _ => Err("`allOf` that does not start with a reference".into()),
            };
        }
        match non_null_branches(schema).as_deref() {
            Some([only]) => Self::from_schema(only),
            Some([a, b]) => {
                let (array, other) = if is_array(a) { (a, b) } else { (b, a) };
                let item = array.get("items").and_then(Json::as_object);
                let name = item.filter(|_| is_array(array) && !is_array(other)).and_then(|item| same_type(item, other));
                name.map(|name| FieldType::new(name, Cardinality::SingleOrCollection))
                    .ok_or_else(|| "a union of two different types".into())
            }
            Some(branches) => Err(format!("a union of {} types", branches.len())),
            None => Err("neither `type`, `$ref`, `allOf` nor `anyOf`".into()),
        }
    }
}

/// For messages: `IntegerField`, `list of ImageField`, `one or more of FloatField`.
impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cardinality {
            Cardinality::Single => f.write_str(&self.name),
            Cardinality::Collection => write!(f, "list of {}", self.name),
            Cardinality::SingleOrCollection => write!(f, "one or more of {}", self.name),
        }
    }
}

/// The members of `anyOf` that are objects and not `{"type": "null"}`.
pub(super) fn non_null_branches<'s, 'a>(schema: &'s Members<'a>) -> Option<Vec<&'s Members<'a>>> {
    let branches = schema.get("anyOf")?.as_array()?;
    let is_null = |branch: &Members<'_>| branch.get("type").is_some_and(|kind| *kind == *"null");
    Some(branches.iter().filter_map(Json::as_object).filter(|branch| !is_null(branch)).collect())
}

/// JavaScript's truth, which the editor applies to `const`.
pub(super) fn is_truthy(value: &Json<'_>) -> bool {
    match value {
        Json::Null | Json::Bool(false) => false,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn single(name: &str) -> Result<FieldType, String> {
    Ok(FieldType::new(name, Cardinality::Single))
}

fn is_array(schema: &Members<'_>) -> bool {
    schema.get("type").is_some_and(|kind| *kind == *"array")
}

/// Last segment of `#/components/schemas/ImageField`.
pub(super) fn ref_name<'s>(schema: &'s Members<'_>) -> Result<&'s str, String> {
    let name = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.rsplit('/').next());
    name.filter(|name| !name.is_empty()).ok_or_else(|| "a reference without a schema name".into())
}

fn primitive(kind: Option<&Json<'_>>, what: &str) -> Result<&'static str, String> {
    match kind.and_then(Json::as_str) {
        Some("integer") => Ok("IntegerField"),
        Some("number") => Ok("FloatField"),
        Some("string") => Ok("StringField"),
        Some("boolean") => Ok("BooleanField"),
        _ => Err(format!("{what} {}", kind.map_or(Value::Null, Json::to_value))),
    }
}

/// Name of the type that both schemas have, by reference or by primitive type.
fn same_type<'a>(a: &'a Members<'_>, b: &Members<'_>) -> Option<&'a str> {
    if a.contains_key("$ref") || b.contains_key("$ref") {
        let name = ref_name(a).ok()?;
        return (ref_name(b).ok()? == name).then_some(name);
    }
    let kind = a.get("type")?;
    (b.get("type")?.as_str() == kind.as_str()).then(|| primitive(Some(kind), "type").ok().or(kind.as_str()))?
}
