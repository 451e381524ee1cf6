//! What all fields share.

use super::input_value::{InputValue, Refused, ValueError};
use super::list::Many;
use super::rules::{FieldKind, sealed::Rules as _};
use crate::schema::InputTemplate;
use serde_json::{Value, json};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A field whose values are of one kind: see the `Ink…Field` types.
pub struct TypedField<K> {
    name: Arc<str>,
    template: Arc<InputTemplate>,
    value: Option<Value>,
    kind: PhantomData<fn() -> K>,
}

impl<K> TypedField<K> {
    pub(super) fn new(name: Arc<str>, template: Arc<InputTemplate>) -> Self {
        TypedField { name, template, value: None, kind: PhantomData }
    }

    /// The name given at creation, `{node_id}.{field}`.
    pub fn system_name(&self) -> &str {
        &self.name
    }

    /// The template of the field, from its node.
    pub fn template(&self) -> &InputTemplate {
        &self.template
    }

    /// The value in the JSON form that workflows store and graphs send.
    pub fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    /// Unsets the value.
    pub fn clear(&mut self) {
        self.value = None;
    }
}

impl<K: FieldKind> TypedField<K> {
    /// The value as a Rust type; `None` if it is unset, or comes from a file and has another shape.
    pub fn get(&self) -> Option<K::Typed<'_>> {
        self.value.as_ref().and_then(K::read)
    }

    /// Checks, converts and stores a value.
    ///
    /// # Errors
    /// If the field does not accept the value; the old value stays.
    pub fn set(&mut self, value: impl Into<InputValue>) -> Result<(), ValueError> {
        self.value = Some(self.convert(value.into())?);
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
        &self.name
    }

    fn template(&self) -> &InputTemplate {
        &self.template
    }

    fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    fn convert(&self, value: InputValue) -> Result<Value, ValueError> {
        convert::<K>(value.into(), &self.template)
            .map_err(|refused| refused.error(&self.name, accepts::<K>(&self.template)))
    }

    fn store(&mut self, value: Option<Value>) {
        self.value = value;
    }
}

/// What a field of this kind accepts, in words.
pub(super) fn accepts<K: FieldKind>(template: &InputTemplate) -> String {
    let one = K::accepts(template);
    if K::takes_list(template) { format!("{one}, or a list of such") } else { one }
}

/// The JSON schema of what a field of this kind accepts.
pub(super) fn schema<K: FieldKind>(template: &InputTemplate) -> Value {
    let one = K::schema(template);
    if K::takes_list(template) { json!({"anyOf": [one, Many::<K>::schema(template)]}) } else { one }
}

/// Whether a stored value has the kind's shape and could be set.
pub(super) fn check<K: FieldKind>(value: &Value, template: &InputTemplate) -> Result<(), Refused> {
    let has_shape = match value {
        Value::Array(items) if K::takes_list(template) => items.iter().all(|item| K::read(item).is_some()),
        value => K::read(value).is_some(),
    };
    let value = value.clone();
    if has_shape { convert::<K>(value, template).map(drop) } else { Err(Refused::new(value)) }
}

fn convert<K: FieldKind>(value: Value, template: &InputTemplate) -> Result<Value, Refused> {
    match value {
        Value::Array(_) if K::takes_list(template) => Many::<K>::convert(value, template),
        value => K::convert(value, template),
    }
}

// Derives would ask the same of `K`, which holds no data.
impl<K> Clone for TypedField<K> {
    fn clone(&self) -> Self {
        let (name, template, value) = (self.name.clone(), self.template.clone(), self.value.clone());
        TypedField { name, template, value, kind: PhantomData }
    }
}

impl<K> PartialEq for TypedField<K> {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.template, &self.value) == (&other.name, &other.template, &other.value)
    }
}

impl<K> fmt::Debug for TypedField<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::debug::whole(f, |f| {
            let mut shown = f.debug_struct("TypedField");
            shown
                .field("name", &self.name)
                .field("type", &self.template.field_type)
                .field("value", &self.value)
                .finish()
        })
    }
}
