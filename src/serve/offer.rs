//! The workflows that a service offers, and what it calls them and their inputs.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{problem::Problem, wording::slug};
use crate::{
    error::{Error, Result},
    workflow::{Input, PlainOutput, Workflow, field::InkField},
};

/// A workflow that is offered.
#[derive(Debug)]
pub(super) struct Offer {
    /// Its name in addresses.
    pub(super) name: String,
    pub(super) workflow: Workflow,
    inputs: Vec<Named>,
    /// Whether pictures are fetched that are named by an address.
    takes_urls: bool,
    /// Texts and numbers that it gives.
    values: Vec<PlainOutput>,
}

/// An input that callers may set: its name for them, and its place in the workflow.
#[derive(Debug)]
struct Named {
    name: String,
    index: usize,
}

impl Offer {
    /// The workflow with these values, by system names.
    pub(super) fn with_values(&self, values: &Map<String, Value>) -> crate::Result<Workflow> {
        let mut workflow = self.workflow.clone();
        for (name, value) in values {
            workflow.set_input(name, value)?;
        }
        Ok(workflow)
    }

    /// A workflow under this name, made fit for addresses.
    pub(super) fn new(name: &str, workflow: Workflow, takes_urls: bool) -> Result<Self> {
        let short = slug(name, '-');
        if short.is_empty() {
            let problem =
                format!("`{name}` has no letter of a to z and no digit, of which a name in addresses is made");
            return Err(Error::invalid("workflow", problem));
        }
        // A form may show a field twice; one with an edge takes no value.
        let mut seen = HashSet::new();
        let settable: Vec<&Input> = workflow
            .inputs()
            .iter()
            .filter(|input| !input.connected && input.known && !matches!(input.field, InkField::Opaque(_)))
            .filter(|input| seen.insert(input.system_name.as_str()))
            .collect();
        let mut taken = HashSet::new();
        let mut inputs = Vec::new();
        for input in settable {
            let own = [&input.user_name, &input.field_name].map(|text| slug(text, '_'));
            let own = own.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "input".into());
            let tries = std::iter::once(own.clone()).chain((2..).map(|number| format!("{own}_{number}")));
            let name = tries.into_iter().find(|name| !taken.contains(name)).unwrap_or(own);
            taken.insert(name.clone());
            inputs.push(Named { name, index: input.index });
        }
        let values = workflow.plain_outputs();
        Ok(Self { name: short, workflow, inputs, takes_urls, values })
    }

    /// What it is called by people.
    pub(super) fn title(&self) -> &str {
        let title = self.workflow.definition().name();
        if title.is_empty() { &self.name } else { title }
    }

    /// What its author says of it.
    pub(super) fn description(&self) -> &str {
        self.workflow.definition().description()
    }

    /// Texts and numbers among the results.
    pub(super) fn values(&self) -> &[PlainOutput] {
        &self.values
    }

    /// The inputs that callers may set, with their names here, in the order of the form.
    pub(super) fn inputs(&self) -> impl Iterator<Item = (&str, &Input)> {
        let all = self.workflow.inputs();
        self.inputs.iter().filter_map(move |named| Some((&*named.name, all.get(named.index)?)))
    }

    /// The name here of the input with this system name.
    pub(super) fn name_of(&self, system_name: &str) -> Option<&str> {
        self.inputs().find(|(_, input)| input.system_name == system_name).map(|(name, _)| name)
    }

    /// The input of this name: that of this service, or any that the workflow itself knows it by.
    pub(super) fn find(&self, name: &str) -> Result<(&str, &Input), Problem> {
        if let Some(found) = self.inputs().find(|(known, _)| *known == name) {
            return Ok(found);
        }
        if let Ok(input) = self.workflow.input(name)
            && let Some(known) = self.name_of(&input.system_name)
        {
            return Ok((known, input));
        }
        let names: Vec<&str> = self.inputs().map(|(name, _)| name).collect();
        let accepted = match names.is_empty() {
            true => "this workflow has no inputs".to_owned(),
            false => format!("there is no such input; there are {}", names.join(", ")),
        };
        Err(Problem::input(name, None, accepted))
    }

    /// The JSON schema of the inputs: as [`Workflow::input_schema`] gives it, by the names of this service, and with the
    /// ways in which a service takes images and models.
    pub(super) fn schema(&self, models: &dyn Fn(&Input) -> Vec<String>) -> Value {
        let mut schema = self.workflow.input_schema();
        let properties: Map<String, Value> = self
            .inputs()
            .map(|(name, input)| {
                let mut property = schema["properties"][&*input.system_name].take();
                widen(&mut property, input, models, self.takes_urls);
                (name.to_owned(), property)
            })
            .collect();
        let required: Vec<Value> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| self.name_of(name.as_str()?))
            .map(Value::from)
            .collect();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
        }
        schema["properties"] = properties.into();
        schema["required"] = required.into();
        schema
    }
}

/// Adds what a service takes beyond the library: data URLs of images, names of models.
fn widen(property: &mut Value, input: &Input, models: &dyn Fn(&Input) -> Vec<String>, takes_urls: bool) {
    let described = |property: &mut Value, more: &str| {
        let own = property["description"].as_str().unwrap_or_default().trim_end();
        let text = if own.is_empty() { more.to_owned() } else { format!("{own}\n\n{more}") };
        property["description"] = text.into();
    };
    const IMAGE: &str =
        "The name of an image on the server, or a `data:image/…;base64,` URL. As multipart/form-data, a file.";
    let image =
        if takes_urls { format!("{IMAGE} Or an http(s) address, of a host that is allowed.") } else { IMAGE.into() };
    match &input.field {
        InkField::Image(_) => described(property, &image),
        InkField::ImageCollection(_) => described(property, &format!("Each: {image}")),
        InkField::Model(_) => {
            let kept: Map<String, Value> = ["title", "description", "default"]
                .into_iter()
                .filter_map(|key| Some((key.to_owned(), property.get(key)?.clone())))
                .collect();
            let names = models(input);
            let by_name = match names.is_empty() {
                true => json!({"type": "string", "minLength": 1}),
                false => json!({"type": "string", "examples": names}),
            };
            let mut by_record = property.take();
            if let Some(members) = by_record.as_object_mut() {
                members.retain(|key, _| !kept.contains_key(key));
            }
            *property = json!({ "anyOf": [by_name, by_record] });
            for (key, value) in kept {
                property[key] = value;
            }
            described(property, "The name or the key of a model on the server.");
        }
        _ => {}
    }
}

/// Offers with different names.
pub(super) fn distinct(offers: Vec<Offer>) -> Result<Vec<Offer>> {
    let mut seen: HashSet<&str> = HashSet::new();
    if let Some(twice) = offers.iter().find(|offer| !seen.insert(&offer.name)) {
        let problem = format!("two workflows would be called `{}`; give one of them another name", twice.name);
        return Err(Error::invalid("workflow", problem));
    }
    match offers.is_empty() {
        true => Err(Error::invalid("workflow", "there is none to offer; name at least one")),
        false => Ok(offers),
    }
}
