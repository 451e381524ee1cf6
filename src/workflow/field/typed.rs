//! What all fields share.

use super::input_value::{InputValue, Refused, ValueError};
use super::list::{Convert, Many, convert_list};
use super::rules::{FieldKind, sealed::Rules as _};
use crate::schema::InputTemplate;
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A field whose values are of one kind: see the `Ink…Field` types.
pub struct TypedField<K> {
    stored: Stored,
    kind: PhantomData<fn() -> K>,
}

/// What there is of a field, whatever its kind: there are dozens of kinds, and what is done to all of them in the same
/// way is compiled once.
#[derive(Clone, PartialEq)]
struct Stored {
    name: Arc<str>,
    template: Arc<InputTemplate>,
    value: Option<Value>,
}

impl Stored {
    fn convert(&self, value: Value, takes_list: bool, convert: Convert, accepts: Accepts) -> Result<Value, ValueError> {
        let template = &self.template;
        let refused = |refused: Refused| refused.error(&self.name, in_words(template, takes_list, accepts));
        self::convert(value, template, takes_list, convert).map_err(refused)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TypedField");
        shown.field("name", &self.name).field("type", &self.template.field_type).field("value", &self.value).finish()
    }
}

/// What a kind accepts, in words.
type Accepts = fn(&InputTemplate) -> String;

impl<K> TypedField<K> {
    pub(super) fn new(name: Arc<str>, template: Arc<InputTemplate>) -> Self {
        TypedField { stored: Stored { name, template, value: None }, kind: PhantomData }
    }

    /// The name given at creation, `{node_id}.{field}`.
    pub fn system_name(&self) -> &str {
        &self.stored.name
    }

    /// The template of the field, from its node.
    pub fn template(&self) -> &InputTemplate {
        &self.stored.template
    }

    /// The value in the JSON form that workflows store and graphs send.
    pub fn value(&self) -> Option<&Value> {
        self.stored.value.as_ref()
    }

    /// Unsets the value.
    pub fn clear(&mut self) {
        self.stored.value = None;
    }
}

impl<K: FieldKind> TypedField<K> {
    /// The value as a Rust type; `None` if it is unset, or comes from a file and has another shape.
    pub fn get(&self) -> Option<K::Typed<'_>> {
        self.stored.value.as_ref().and_then(K::read)
    }

    /// Checks, converts and stores a value.
    ///
    /// # Errors
    /// If the field does not accept the value; the old value stays.
    pub fn set(&mut self, value: impl Into<InputValue>) -> Result<(), ValueError> {
        self.stored.value = Some(self.convert(value.into())?);
        Ok(())
    }
}

/// The methods that need no type parameter, so that `InkField` can call them for every variant.
pub(super) trait AnyField {
    fn system_name(&self) -> &str;
    fn template(&self) -> &InputTemplate;
    fn value(&self) -> Option<&Value>;
    fn convert(&self, value: InputValue) -> Result<Value, ValueError>;
    fn store(&mut self, value: Option<Value>);
}

impl<K: FieldKind> AnyField for TypedField<K> {
    fn system_name(&self) -> &str {
        &self.stored.name
    }

    fn template(&self) -> &InputTemplate {
        &self.stored.template
    }

    fn value(&self) -> Option<&Value> {
        self.stored.value.as_ref()
    }

    fn convert(&self, value: InputValue) -> Result<Value, ValueError> {
        self.stored.convert(value.into(), K::takes_list(&self.stored.template), K::convert, K::accepts)
    }

    fn store(&mut self, value: Option<Value>) {
        self.stored.value = value;
    }
}

/// What a field of this kind accepts, in words.
pub(super) fn accepts<K: FieldKind>(template: &InputTemplate) -> String {
    in_words(template, K::takes_list(template), K::accepts)
}

fn in_words(template: &InputTemplate, takes_list: bool, accepts: Accepts) -> String {
    let one = accepts(template);
    if takes_list { format!("{one}, or a list of such") } else { one }
}

/// The JSON schema of what a field of this kind accepts.
pub(super) fn schema<K: FieldKind>(template: &InputTemplate) -> Value {
    let one = K::schema(template);
    if K::takes_list(template) { json!({"anyOf": [one, Many::<K>::schema(template)]}) } else { one }
}

/// Whether a stored value has the kind's shape and could be set.
pub(super) fn check<K: FieldKind>(value: &Value, template: &InputTemplate) -> Result<(), Refused> {
    check_as(value, template, K::takes_list(template), |value| K::read(value).is_some(), K::convert)
}

fn check_as(
    value: &Value,
    template: &InputTemplate,
    takes_list: bool,
    is_shaped: fn(&Value) -> bool,
    convert: Convert,
) -> Result<(), Refused> {
    let has_shape = match value {
        Value::Array(items) if takes_list => items.iter().all(is_shaped),
        value => is_shaped(value),
    };
    if !has_shape {
        return Err(Refused::new(value.clone()));
    }
    let converted = self::convert(value.clone(), template, takes_list, convert)?;
    // A text that spells an option can be set, but the server does not take it for the number.
    if value.is_string() && converted.is_number() { Err(Refused::new(value.clone())) } else { Ok(()) }
}

fn convert(value: Value, template: &InputTemplate, takes_list: bool, convert: Convert) -> Result<Value, Refused> {
    match value {
        Value::Array(_) if takes_list => convert_list(value, template, convert),
        value => convert(value, template),
    }
}

// Derives would ask the same of `K`, which holds no data.
impl<K> Clone for TypedField<K> {
    fn clone(&self) -> Self {
        TypedField { stored: self.stored.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for TypedField<K> {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored
    }
}

impl<K> fmt::Debug for TypedField<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| self.stored.show(f))
    }
}
