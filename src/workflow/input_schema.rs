//! The inputs of a workflow as a JSON schema, for forms, other languages, and services that check a request before
//! passing it on.

use super::input::Input;
use super::working_copy::Workflow;
use serde_json::{Map, Value, json};
use std::collections::HashSet;

impl Workflow {
    /// The JSON schema (2020-12) of an object from system names to values, as
    /// [`set_inputs_json`](Self::set_inputs_json) takes it and [`values`](Self::values) returns it. Inputs that need a
    /// value and have none are `required`, and so are those whose value is a [problem](Self::problems); any other value
    /// that is set is the `default`.
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
        let refused = self.refused_fields();
        let is_refused = |input: &Input| refused.contains(&(input.node_id.clone(), input.field_name.clone()));
        let property = |(name, input): (&&str, &&Input)| ((*name).to_owned(), property(input, is_refused(input)));
        let properties: Map<String, Value> = inputs.iter().map(property).collect();
        let missing = self.missing_required_inputs();
        let needs = |name: &str, input: &Input| missing.contains(&name) || (!input.connected && is_refused(input));
        let required = inputs.iter().filter(|(name, input)| needs(name, input));
        let required: Vec<Value> = required.map(|(name, _)| Value::from(*name)).collect();
        let mut schema = json!({"$schema": "https://json-schema.org/draft/2020-12/schema"});
        let (name, description) = (self.definition().name(), self.definition().description());
        for (key, text) in [("title", name), ("description", description)] {
            if !text.is_empty() {
                schema[key] = text.into();
            }
        }
        schema["type"] = "object".into();
        schema["properties"] = properties.into();
        schema["required"] = required.into();
        schema["additionalProperties"] = false.into();
        schema
    }
}

impl Workflow {
    /// Fields whose stored value is a problem: node and field.
    fn refused_fields(&self) -> HashSet<(String, String)> {
        let problems = self.problems().into_iter();
        problems.filter_map(|problem| Some((problem.node?.id, problem.field?))).collect()
    }
}

/// What the value may be, with what the form says about it.
fn property(input: &Input, is_refused: bool) -> Value {
    let mut schema = input.field.json_schema();
    schema["title"] = input.user_name.as_str().into();
    if !input.description.is_empty() {
        schema["description"] = input.description.as_str().into();
    }
    if let Some(value) = input.value().filter(|_| !is_refused) {
        schema["default"] = value.clone();
    }
    schema
}
