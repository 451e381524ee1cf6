//! Python's types of node fields, and which may be joined by an edge (`are_connection_types_compatible` in
//! `invokeai/app/services/shared/graph.py`).

use serde_json::Value;

/// A type annotation, as far as the JSON schema shows it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    None,
    Bool,
    Int,
    Float,
    Str,
    /// A class, by name.
    Class(String),
    /// One literal among several.
    Word(String),
    Literal(Vec<Type>),
    List(Box<Type>),
    Union(Vec<Type>),
    /// Anything else, equal only to itself.
    Other(String),
}

impl Type {
    /// Reads the type of a property.
    pub(super) fn of(schema: &Value) -> Self {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return Type::Class(reference.rsplit('/').next().unwrap_or_default().to_owned());
        }
        if let Some(branches) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            // Python flattens unions of unions.
            let flat = branches.iter().map(Type::of).flat_map(|branch| match branch {
                Type::Union(inner) => inner,
                other => vec![other],
            });
            return Type::Union(flat.collect());
        }
        let words = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
        if let Some(words) = words.or_else(|| schema.get("const").map(std::slice::from_ref)) {
            return Type::Literal(words.iter().map(|word| Type::Word(word.to_string())).collect());
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Type::Bool,
            Some("integer") => Type::Int,
            Some("number") => Type::Float,
            Some("string") => Type::Str,
            Some("null") => Type::None,
            Some("array") => match schema.get("items") {
                Some(items) => Type::List(Box::new(Type::of(items))),
                None => Type::Other(schema.to_string()),
            },
            Some(kind) => Type::Other(kind.to_owned()),
            None => Type::Any,
        }
    }

    /// Python's `get_args`.
    pub(super) fn args(&self) -> &[Type] {
        match self {
            Type::Union(args) | Type::Literal(args) => args,
            Type::List(item) => std::slice::from_ref(item),
            _ => &[],
        }
    }

    /// Python's `get_origin` is None.
    pub(super) fn is_simple(&self) -> bool {
        !matches!(self, Type::Union(_) | Type::Literal(_) | Type::List(_))
    }

    pub(super) fn is_any(&self) -> bool {
        *self == Type::Any || self.args().contains(&Type::Any)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Type::List(_))
    }

    pub(super) fn is_or_contains_list(&self) -> bool {
        self.is_list() || self.args().iter().any(Type::is_list)
    }

    /// Python's `issubclass`; the document does not show the bases of models.
    pub(super) fn is_subclass_of(&self, other: &Type) -> bool {
        self.is_simple() && (self == other || matches!((self, other), (Type::Bool, Type::Int)))
    }

    /// Whether the other type names this one, or all of its members.
    pub(super) fn is_union_subtype_of(&self, other: &Type) -> bool {
        match self.args() {
            [] => other.args().contains(self),
            args => args.iter().all(|arg| other.args().contains(arg)),
        }
    }

    /// The types of the items of a list, or of the lists in a union.
    pub(super) fn item_types(&self) -> Vec<Type> {
        if self.is_any() {
            return vec![Type::Any];
        }
        let lists = if self.is_list() { std::slice::from_ref(self) } else { self.args() };
        let items = lists.iter().filter(|list| list.is_list()).flat_map(|list| list.args().iter().cloned());
        items.filter(|item| *item != Type::None).collect()
    }

    /// Whether an edge may go from an output of this type to an input of the other.
    pub(super) fn fits(&self, input: &Type) -> bool {
        if self == input || self.is_any() || input.is_any() {
            return true;
        }
        if input.args().contains(self) || self.args().contains(input) {
            return true;
        }
        match (self, input) {
            (Type::Int, Type::Float) | (Type::Int | Type::Float, Type::Str) => true,
            _ if self.is_simple() && input.is_simple() => self.is_subclass_of(input),
            _ => self.is_union_subtype_of(input),
        }
    }
}
