//! The inputs of a workflow as a JSON schema, for forms, other languages, and services that check a request before
//! passing it on.

use super::input::Input;
use super::working_copy::Workflow;
use serde_json::{Map, Value, json};

impl Workflow {
    /// The JSON schema (2020-12) of an object from system names to values, as
    /// [`set_inputs_json`](Self::set_inputs_json) takes it and [`values`](Self::values) returns it. Inputs that need a
    /// value and have none are `required`; a value that is set is the `default`.
    ///
    /// For each input it accepts what [`set_input`](Self::set_input) accepts, except for the texts that
    /// [`InkField::json_schema`](super::field::InkField::json_schema) leaves out. Images, videos, boards, models and
    /// similar things have a `format` (`invokeai-image-name`, `invokeai-model`, …) by which a form can choose a picker.
    ///
    /// ```
    /// use invokeai_client::schema::NodeCatalog;
    /// use invokeai_client::workflow::{Workflow, WorkflowDefinition};
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/workflows/flux-image-to-image.json");
    ///
    /// let workflow = Workflow::new(WorkflowDefinition::from_path(path)?, NodeCatalog::embedded());
    /// let schema = workflow.input_schema();
    /// let steps = &schema["properties"]["9c773392-5647-4f2b-958e-9da1707b6e6a.num_steps"];
    /// assert_eq!((&steps["type"], &steps["exclusiveMinimum"]), (&"integer".into(), &0.into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn input_schema(&self) -> Value {
        let inputs = self.inputs_by_system_name();
        let properties: Map<String, Value> =
            inputs.into_iter().map(|(name, input)| (name.to_owned(), property(input))).collect();
        let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
        let (name, description) = (self.definition().name(), self.definition().description());
        for (key, text) in [("title", name), ("description", description)] {
            if !text.is_empty() {
                schema[key] = text.into();
            }
        }
        schema["type"] = "object".into();
        schema["properties"] = properties.into();
        schema["required"] = self.missing_required_inputs().into();
        schema["additionalProperties"] = false.into();
        schema
    }
}

/// What the value may be, with what the form says about it.
fn property(input: &Input) -> Value {
    let mut schema = input.field.json_schema();
    schema["title"] = input.user_name.as_str().into();
    if !input.description.is_empty() {
        schema["description"] = input.description.as_str().into();
    }
    if let Some(value) = input.value() {
        schema["default"] = value.clone();
    }
    schema
}
