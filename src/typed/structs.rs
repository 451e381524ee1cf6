//! What every generated struct can do. Generated code calls these functions from its trait implementations, which only
//! the crate of the struct may have.

use super::{InputInfo, InputSource, TypedError, TypedWorkflow};
use crate::workflow::Workflow;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::fmt;

/// Inputs whose values are not those of the file, with their values.
pub(super) fn changed<W: TypedWorkflow>(typed: &W, workflow: &Workflow) -> Vec<(InputInfo, Option<Value>)> {
    let inputs = workflow.inputs_by_system_name();
    let values = W::INPUTS.iter().copied().zip(typed.input_values());
    values
        .filter(|(info, value)| {
            let stored = inputs.get(info.system_name()).and_then(|input| input.value());
            // Unchanged values stay in the form that they have in the file.
            stored.and_then(|stored| info.normal(stored)) != *value
        })
        .collect()
}

/// The workflow with the nodes of this crate and the values of the struct.
///
/// Values are set as they are. What the nodes do not accept is a [problem](Workflow::problems), which keeps the
/// workflow from being submitted.
pub fn to_workflow<W: TypedWorkflow>(typed: &W) -> Workflow {
    let mut workflow = W::embedded().workflow().clone();
    for (info, value) in changed(typed, &workflow) {
        workflow.place(info.system_name(), value);
    }
    workflow
}

/// The struct with the values of a workflow. A model that the workflow only names is in the struct as it was given there.
///
/// # Errors
/// If the workflow lacks an input, or a value is not of the input's type.
pub fn try_from_workflow<W: TypedWorkflow>(workflow: &Workflow) -> Result<W, TypedError> {
    let inputs = workflow.inputs_by_system_name();
    let mut values = Vec::new();
    for info in W::INPUTS {
        let (input, system_name) = (info.name(), info.system_name());
        let found = inputs.get(system_name).ok_or(TypedError::NotInWorkflow { input, system_name })?;
        // A workflow that was read from a definition holds no model that is not whole.
        let named = || {
            let value = workflow.defined_value(&found.node_id, &found.field_name)?;
            (info.normal(value).is_some() && !info.is_complete(value)).then_some(value)
        };
        values.extend(found.value().or_else(named).map(|value| (*info, value)));
    }
    W::from_inputs(&InputSource::new(values))
}

/// Whether both have the same values.
pub fn equal<W: TypedWorkflow>(one: &W, other: &W) -> bool {
    one.input_values() == other.input_values()
}

/// Writes the values by name, for `Debug`.
///
/// # Errors
/// If writing fails.
pub fn debug<W: TypedWorkflow>(typed: &W, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    for (info, value) in values(typed) {
        shown.field(info.name(), &format_args!("{value}"));
    }
    shown.finish()
}

/// Writes an object from names to values; what is unset is left out.
///
/// # Errors
/// If the serializer fails.
pub fn serialize<W: TypedWorkflow, S: Serializer>(typed: &W, serializer: S) -> Result<S::Ok, S::Error> {
    let values = values(typed).map(|(info, value)| (info.name().to_owned(), value));
    values.collect::<Map<_, _>>().serialize(serializer)
}

/// Reads an object from names to values. Inputs that are left out get the value of the file; `null` unsets. Every value
/// is checked by the rules from when the code was generated.
///
/// # Errors
/// If a name is unknown, a value is not accepted, or a value is missing that the file does not have.
pub fn deserialize<'de, W: TypedWorkflow, D: Deserializer<'de>>(deserializer: D) -> Result<W, D::Error> {
    let given = Map::deserialize(deserializer)?;
    from_object(given).map_err(D::Error::custom)
}

fn from_object<W: TypedWorkflow>(mut given: Map<String, Value>) -> Result<W, TypedError> {
    const MOST: usize = 20;
    let embedded = W::embedded();
    let stored = embedded.workflow().inputs_by_system_name();
    let mut values = Vec::new();
    for info in W::INPUTS {
        match given.remove(info.name()) {
            Some(Value::Null) => {}
            Some(value) => {
                // A model given only by name, or a new choice, is left to the server.
                let is_left = info.normal(&value).is_some() && !info.is_complete(&value);
                values.push((*info, if is_left { value } else { info.check(embedded, value)? }));
            }
            None => {
                let value = stored.get(info.system_name()).and_then(|input| input.value());
                values.extend(value.filter(|value| info.normal(value).is_some()).map(|value| (*info, value.clone())));
            }
        }
    }
    if let Some(name) = given.keys().next() {
        let known = W::INPUTS.iter().take(MOST).map(InputInfo::name).collect();
        return Err(TypedError::NoSuchInput { name: name.clone(), known });
    }
    W::from_inputs(&InputSource::new(values.iter().map(|(info, value)| (*info, value))))
}

fn values<W: TypedWorkflow>(typed: &W) -> impl Iterator<Item = (InputInfo, Value)> {
    W::INPUTS.iter().copied().zip(typed.input_values()).filter_map(|(info, value)| Some((info, value?)))
}

/// Reads JSON text.
///
/// # Errors
/// If it is not JSON of this type.
pub fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}

/// Writes JSON text.
///
/// # Errors
/// If the value cannot be written.
pub fn to_text<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}
