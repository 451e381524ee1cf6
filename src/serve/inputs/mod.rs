//! Inputs of a run: from what a request gives to what the workflow takes.
//!
//! A value is checked before anything is sent anywhere: pictures are put onto the server only when all else fits.

mod body;
mod distinct;
mod given;
mod picture;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

pub(super) use body::Reader;
pub(super) use distinct::check;
use given::Given;
pub(super) use given::{Inputs, distinct, inputs, of_object};
use picture::Picture;

use super::{
    backend::Backend,
    offer::Offer,
    problem::{Fault, Problem},
    wording::without_places,
};
use crate::{
    schema::ModelRecord,
    workflow::{Input, InputError, Workflow, field::InkField},
};

/// Stands for a picture that is not on the server yet.
const PLACEHOLDER: &str = "upload";

/// Inputs that fit.
#[derive(Debug)]
pub(super) struct Filled {
    /// Places among the inputs of the workflow, and what goes there.
    values: Vec<(usize, Filling)>,
}

#[derive(Debug)]
enum Filling {
    Value(Value),
    Image(Image),
    Images(Vec<Image>),
}

#[derive(Debug)]
enum Image {
    /// One that the server has.
    Named(Value),
    New(Picture),
    /// One to be fetched.
    At(Url),
}

/// Takes what was given, if the workflow can be run with it.
pub(super) async fn fill(offer: &Offer, backend: &Backend, given: Inputs) -> Result<Filled, Problem> {
    let mut faults = Vec::new();
    let mut values: Vec<(usize, Filling)> = Vec::new();
    for (name, given) in given {
        let found =
            offer.find(&name).and_then(|(known, input)| match values.iter().any(|(index, _)| *index == input.index) {
                true => Err(Problem::input(&*name, None, format!("is given twice: it is also called `{known}`"))),
                false => Ok((known, input)),
            });
        let filled = match found {
            Ok((known, input)) => filling(known, input, backend, given).await.map(|filling| (input.index, filling)),
            Err(problem) => Err(problem),
        };
        match filled {
            Ok((index, Some(filling))) => values.push((index, filling)),
            Ok((_, None)) => {}
            Err(problem) if problem.faults.is_empty() => return Err(problem),
            Err(problem) => faults.extend(problem.faults),
        }
    }
    if !faults.is_empty() {
        return Err(Problem::inputs(faults));
    }
    let filled = Filled { values };
    filled.check(offer)?;
    Ok(filled)
}

/// What tells these inputs from all others, whatever form they came in and whatever is behind now.
pub(super) fn digest(offer: &Offer, given: &Inputs) -> String {
    let mut all: Vec<(&str, String)> = Vec::new();
    for (name, given) in given {
        let (name, meant) = match offer.find(name) {
            Ok((_, input)) => (&*input.system_name, meant(&input.field, given)),
            // It is going to be refused.
            Err(_) => (&**name, vec![Value::Null]),
        };
        if !meant.is_empty() {
            all.push((name, Value::from(meant).to_string()));
        }
    }
    all.sort();
    let mut digest = Sha256::new();
    digest.update(&offer.name);
    for (name, value) in all {
        for text in [name, &value] {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
    }
    hex(&digest.finalize())
}

/// What a field is given, in one of the ways in which it can be written.
fn meant(field: &InkField, given: &[Given]) -> Vec<Value> {
    let mut all = Vec::new();
    for given in given {
        match (given, field) {
            (Given::File(bytes), _) => all.push(json!({ "file": hex(&Sha256::digest(bytes)) })),
            (Given::Text(text), InkField::String(_)) => all.push(text.as_str().into()),
            (Given::Text(text), _) if text.trim().is_empty() => {}
            (Given::Text(text), InkField::Image(_) | InkField::ImageCollection(_)) => all.push(text.trim().into()),
            (Given::Text(text), InkField::Model(_)) => all.push(of_text(text.trim())),
            (Given::Text(text), field) => all.push(value_of(field, text.trim())),
            // The parts of a form that have one name are a list.
            (Given::Json(Value::Array(items)), _) => all.extend(items.iter().cloned()),
            (Given::Json(value), _) => all.push(value.clone()),
        }
    }
    all.into_iter().map(|value| plain(field, value)).collect()
}

/// A value as it is written in the fewest ways.
fn plain(field: &InkField, value: Value) -> Value {
    /// Up to here each whole number has a number with a point of its own.
    const WHOLE: f64 = 9_007_199_254_740_992.0;
    let member = |value: &Value, name: &str| value.get(name).filter(|member| member.is_string()).cloned();
    match (field, value) {
        (InkField::Image(_) | InkField::ImageCollection(_), Value::String(text)) if text.starts_with("data:") => {
            match Picture::of_data_url("", &text) {
                Ok(picture) => json!({ "file": hex(&Sha256::digest(&picture.bytes)) }),
                Err(_) => text.into(),
            }
        }
        (InkField::Image(_) | InkField::ImageCollection(_), value @ Value::Object(_)) => {
            let named = member(&value, "image_name").or_else(|| member(&value, "url"));
            named.map_or(value, |named| plain(field, named))
        }
        // All else of its record may change.
        (InkField::Model(_), value @ Value::Object(_)) => member(&value, "key").unwrap_or(value),
        (InkField::Integer(_) | InkField::Float(_), Value::String(text)) => match of_text(text.trim()) {
            number @ Value::Number(_) => plain(field, number),
            _ => text.into(),
        },
        (_, Value::Number(number)) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < WHOLE => (float as i64).into(),
            _ => number.into(),
        },
        (field, Value::Array(items)) => items.into_iter().map(|item| plain(field, item)).collect(),
        (field, Value::Object(members)) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, plain(field, value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        (_, value) => value,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What goes into an input; nothing if a form left it empty.
async fn filling(name: &str, input: &Input, backend: &Backend, given: Vec<Given>) -> Result<Option<Filling>, Problem> {
    match &input.field {
        InkField::Image(_) => Ok(image(name, single(name, given)?, backend)?.map(Filling::Image)),
        InkField::ImageCollection(_) => {
            let mut images = Vec::new();
            for given in given {
                match given {
                    Given::Json(Value::Array(items)) => {
                        for item in items {
                            images.extend(image(name, Given::Json(item), backend)?);
                        }
                    }
                    other => images.extend(image(name, other, backend)?),
                }
            }
            Ok(Some(Filling::Images(images)))
        }
        InkField::String(_) => Ok(Some(Filling::Value(match single(name, given)? {
            Given::Json(value) => value,
            Given::Text(text) => text.into(),
            Given::File(_) => return Err(no_file(name, input)),
        }))),
        InkField::Model(_) => {
            let value = match single(name, given)? {
                Given::Json(value) => value,
                Given::Text(text) if text.trim().is_empty() => return Ok(None),
                Given::Text(text) => of_text(text.trim()),
                Given::File(_) => return Err(no_file(name, input)),
            };
            let Value::String(text) = &value else { return Ok(Some(Filling::Value(value))) };
            let models = backend.models().await?;
            model(name, input, text, &models).map(|model| Some(Filling::Value(model)))
        }
        field => {
            let mut values = Vec::new();
            for given in given {
                match given {
                    Given::Json(value) => values.push(value),
                    Given::Text(text) if text.trim().is_empty() => {}
                    Given::Text(text) => values.push(value_of(field, text.trim())),
                    Given::File(_) => return Err(no_file(name, input)),
                }
            }
            Ok(match values.len() {
                0 => None,
                1 => values.pop().map(Filling::Value),
                // The parts of a form that have one name are a list.
                _ => Some(Filling::Value(values.into())),
            })
        }
    }
}

fn single(name: &str, mut given: Vec<Given>) -> Result<Given, Problem> {
    match (given.pop(), given.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Problem::input(name, None, "takes one value, and is given several")),
    }
}

fn no_file(name: &str, input: &Input) -> Problem {
    Problem::input(name, Some("a file".into()), input.field.accepts())
}

/// What somebody wrote into a form: JSON if that fits, else the text itself.
fn value_of(field: &InkField, text: &str) -> Value {
    let value = of_text(text);
    let fits = |value: &Value| field.clone().set(value).is_ok();
    let as_text = Value::from(text);
    if !fits(&value) && fits(&as_text) { as_text } else { value }
}

fn of_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// A picture: a file, a data URL, what the server has under a name, or what is at an address, if that may be fetched.
fn image(name: &str, given: Given, backend: &Backend) -> Result<Option<Image>, Problem> {
    let value = match given {
        Given::File(bytes) => return Picture::read(name, bytes).map(|picture| Some(Image::New(picture))),
        Given::Text(text) if text.trim().is_empty() => return Ok(None),
        Given::Text(text) => Value::String(text.trim().to_owned()),
        Given::Json(value) => value,
    };
    let address = match &value {
        Value::String(text) => Some(text.as_str()),
        Value::Object(members) => members.get("url").and_then(Value::as_str),
        _ => None,
    };
    if let Some(address) = address.filter(|text| text.starts_with("data:")) {
        return Picture::of_data_url(name, address).map(|picture| Some(Image::New(picture)));
    }
    match address {
        Some(address) if address.contains("://") || value.is_object() => {
            backend.fetcher.address(name, address).map(|url| Some(Image::At(url)))
        }
        None if value.get("url").is_some() => backend.fetcher.address(name, "").map(|url| Some(Image::At(url))),
        _ => Ok(Some(Image::Named(value))),
    }
}

/// The one model of this name or key that the input takes.
fn model(name: &str, input: &Input, text: &str, models: &[ModelRecord]) -> Result<Value, Problem> {
    let fits = |model: &&ModelRecord| input.field.model_filter().is_none_or(|filter| filter.matches(model));
    let fitting: Vec<&ModelRecord> = models.iter().filter(fits).collect();
    let named: Vec<&&ModelRecord> = fitting.iter().filter(|model| model.key == text || model.name == text).collect();
    let refused = |accepted: String| Err(Problem::input(name, Some(Value::from(text).to_string()), accepted));
    match named[..] {
        [model] => Ok(model.to_json()),
        [] if fitting.is_empty() => refused("a model, but none that fits is installed".into()),
        [] => {
            let names: Vec<&str> = fitting.iter().map(|model| model.name.as_str()).collect();
            refused(format!("the name or key of one of these models: {}", names.join(", ")))
        }
        ref several => {
            let keys: Vec<&str> = several.iter().map(|model| model.key.as_str()).collect();
            refused(format!("a key, as several models have this name: {}", keys.join(", ")))
        }
    }
}

/// The names of the models that an input takes.
pub(super) fn model_names(input: &Input, models: &[ModelRecord]) -> Vec<String> {
    let fits = |model: &&ModelRecord| input.field.model_filter().is_some_and(|filter| filter.matches(model));
    models.iter().filter(fits).map(|model| model.name.clone()).collect()
}

impl Filled {
    /// Whether the workflow can be run with these, as far as can be known before anything is sent.
    fn check(&self, offer: &Offer) -> Result<(), Problem> {
        let placeholder = |image: &Image| match image {
            Image::Named(value) => value.clone(),
            Image::New(_) | Image::At(_) => PLACEHOLDER.into(),
        };
        let mut workflow = offer.workflow.clone();
        let mut faults = Vec::new();
        for (index, filling) in &self.values {
            let value = match filling {
                Filling::Value(value) => value.clone(),
                Filling::Image(image) => placeholder(image),
                Filling::Images(images) => images.iter().map(placeholder).collect(),
            };
            if let Err(error) = workflow.set_input(*index, value) {
                faults.extend(fault(offer, error));
            }
        }
        if !faults.is_empty() {
            return Err(Problem::inputs(faults));
        }
        ready(offer, &workflow)
    }

    /// Puts the pictures onto the server. Gives the values of all inputs by their system names.
    pub(super) async fn uploaded(self, offer: &Offer, backend: &Backend) -> Result<Map<String, Value>, Problem> {
        let mut values = Map::new();
        for (index, filling) in self.values {
            let Some(input) = offer.workflow.inputs().get(index) else { continue };
            let name = offer.name_of(&input.system_name).unwrap_or(&input.system_name);
            let value = match filling {
                Filling::Value(value) => value,
                Filling::Image(image) => upload(name, image, backend).await?,
                Filling::Images(images) => {
                    let mut names = Vec::new();
                    for image in images {
                        names.push(upload(name, image, backend).await?);
                    }
                    names.into()
                }
            };
            values.insert(input.system_name.clone(), value);
        }
        Ok(values)
    }
}

async fn upload(input: &str, image: Image, backend: &Backend) -> Result<Value, Problem> {
    let picture = match image {
        Image::Named(value) => return backend.named(input, value).await,
        Image::New(picture) => picture,
        Image::At(url) => Picture::read(input, backend.fetcher.fetch(input, url).await?)?,
    };
    let name = backend.upload(picture.ending(), picture.bytes).await;
    Ok(json!({ "image_name": name.map_err(|error| Problem::of_error(&error))? }))
}

/// A refusal, by the name that callers know the input by.
fn fault(offer: &Offer, error: InputError) -> Vec<Fault> {
    match error {
        InputError::Value(error) => {
            let named = offer
                .inputs()
                .find_map(|(name, input)| Some(format!("{name}{}", error.field.strip_prefix(&*input.system_name)?)));
            let field = named.unwrap_or(error.field);
            vec![Fault { field, value: Some(error.value), accepted: error.accepted }]
        }
        InputError::Several { errors } => errors.into_iter().flat_map(|error| fault(offer, error)).collect(),
        other => vec![Fault { field: "inputs".into(), value: None, accepted: other.to_string() }],
    }
}

/// Whether nothing is missing.
fn ready(offer: &Offer, workflow: &Workflow) -> Result<(), Problem> {
    // Some generators are evaluated by the server: what they give is known only when the run is sent, and checked then.
    let problems = if workflow.server_requests().is_empty() { workflow.problems() } else { Vec::new() };
    if problems.is_empty() {
        return Ok(());
    }
    let fault = |problem: &crate::workflow::Problem| {
        let system_name =
            problem.node.as_ref().zip(problem.field.as_ref()).map(|(node, field)| format!("{}.{field}", node.id));
        let name = system_name.and_then(|name| offer.name_of(&name).map(str::to_owned));
        let field = name.or_else(|| problem.field.clone()).unwrap_or_else(|| "workflow".into());
        let takes = offer.inputs().find(|(known, _)| *known == field).map(|(_, input)| input.field.accepts());
        let takes = takes.map_or_else(String::new, |takes| format!("; it accepts {takes}"));
        Fault { field, value: None, accepted: without_places(&problem.message) + &takes }
    };
    Err(Problem::inputs(problems.iter().map(fault).collect()))
}
