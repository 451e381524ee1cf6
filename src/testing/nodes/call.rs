//! One run of a node: its inputs by name, and its output.

use super::tensors::Tensor;
use super::{Context, NewImage, NodeError};
use crate::testing::session::Prepared;
use image::DynamicImage;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Fields of an output.
pub(super) type Fields = Result<Map<String, Value>, NodeError>;

/// Runs a node and returns the fields of its output.
pub(super) type Run = fn(&mut Call<'_>) -> Fields;

/// The fields of an output, written as a JSON object.
pub(super) fn fields(object: Value) -> Fields {
    match object {
        Value::Object(members) => Ok(members),
        other => Err(NodeError::new("TypeError", format!("an output is an object, not {other}"))),
    }
}

pub(super) fn value_error(message: impl Into<String>) -> NodeError {
    NodeError::new("ValueError", message)
}

/// The node that runs, and the server around it.
pub(super) struct Call<'a> {
    prepared: &'a Prepared,
    pub(super) context: &'a mut dyn Context,
}

impl<'a> Call<'a> {
    pub(super) fn new(prepared: &'a Prepared, context: &'a mut dyn Context) -> Self {
        Call { prepared, context }
    }

    pub(super) fn node_type(&self) -> &'a str {
        &self.prepared.node_type
    }

    pub(super) fn node(&self) -> &'a Map<String, Value> {
        &self.prepared.node
    }

    /// The value of an input; null if it has none.
    pub(super) fn value(&self, field: &str) -> &'a Value {
        self.prepared.node.get(field).unwrap_or(&Value::Null)
    }

    /// The same; `None` for null.
    pub(super) fn given(&self, field: &str) -> Option<&'a Value> {
        Some(self.value(field)).filter(|value| !value.is_null())
    }

    fn wrong(&self, field: &str, expected: &str) -> NodeError {
        value_error(format!("{}.{field} must be {expected}, not {}", self.node_type(), self.value(field)))
    }

    pub(super) fn int(&self, field: &str) -> Result<i64, NodeError> {
        self.value(field).as_i64().ok_or_else(|| self.wrong(field, "an integer of 64 bits"))
    }

    pub(super) fn float(&self, field: &str) -> Result<f64, NodeError> {
        self.value(field).as_f64().ok_or_else(|| self.wrong(field, "a number"))
    }

    pub(super) fn boolean(&self, field: &str) -> Result<bool, NodeError> {
        self.value(field).as_bool().ok_or_else(|| self.wrong(field, "a boolean"))
    }

    pub(super) fn text(&self, field: &str) -> Result<&'a str, NodeError> {
        self.value(field).as_str().ok_or_else(|| self.wrong(field, "a string"))
    }

    pub(super) fn list(&self, field: &str) -> Result<&'a [Value], NodeError> {
        self.value(field).as_array().map(Vec::as_slice).ok_or_else(|| self.wrong(field, "a list"))
    }

    /// A number of pixels, at most what the server is willing to keep in memory.
    pub(super) fn pixels(&self, field: &str) -> Result<u32, NodeError> {
        pixels(self.int(field)?)
    }

    /// Four bytes of a color.
    pub(super) fn color(&self, field: &str) -> [u8; 4] {
        let color = self.value(field);
        ["r", "g", "b", "a"].map(|channel| color[channel].as_u64().unwrap_or_default().min(255) as u8)
    }

    /// An input image.
    pub(super) fn image(&mut self, field: &str) -> Result<Arc<DynamicImage>, NodeError> {
        let name = self.value(field)["image_name"].as_str().ok_or_else(|| self.wrong(field, "an image"))?;
        self.image_named(name)
    }

    /// An input image that may be left out.
    pub(super) fn optional_image(&mut self, field: &str) -> Result<Option<Arc<DynamicImage>>, NodeError> {
        self.given(field).is_some().then(|| self.image(field)).transpose()
    }

    pub(super) fn image_named(&mut self, name: &str) -> Result<Arc<DynamicImage>, NodeError> {
        let missing = || NodeError::new("ImageRecordNotFoundException", "Image record not found");
        self.context.load_image(name).ok_or_else(missing)
    }

    /// Stores an image and returns the fields of an `image_output`.
    pub(super) fn save(&mut self, image: impl Into<DynamicImage>) -> Fields {
        self.save_as(image, "general")
    }

    pub(super) fn save_as(&mut self, image: impl Into<DynamicImage>, category: &'static str) -> Fields {
        if self.context.is_canceled() {
            return Err(NodeError::canceled());
        }
        let saved = self.context.save_image(NewImage {
            image: image.into(),
            category,
            is_intermediate: self.value("is_intermediate") == true,
            board_id: self.value("board")["board_id"].as_str().map(str::to_owned),
            metadata: self.given("metadata").cloned(),
        })?;
        let image = json!({"image_name": saved.image_name});
        fields(json!({"image": image, "width": saved.width, "height": saved.height}))
    }

    /// The tensor that a field names under `member`, for example `latents.latents_name`.
    pub(super) fn tensor(&mut self, field: &str, member: &str) -> Result<Tensor, NodeError> {
        let name = self.value(field)[member].as_str().ok_or_else(|| self.wrong(field, "a tensor"))?;
        let missing = || NodeError::new("ObjectNotFoundError", format!("Object with name {name} not found"));
        self.context.tensors().load(name).ok_or_else(missing)
    }

    /// Stores a tensor and returns its name.
    pub(super) fn keep(&mut self, tensor: Tensor) -> String {
        self.context.tensors().save(tensor)
    }

    /// Stores latents and returns the fields of a `latents_output`.
    pub(super) fn keep_latents(&mut self, tensor: Tensor, seed: &Value) -> Fields {
        let (width, height) = tensor.size();
        let latents = json!({"latents_name": self.keep(tensor), "seed": seed});
        fields(json!({"latents": latents, "width": width, "height": height}))
    }

    /// The record of a model that must exist.
    pub(super) fn record(&mut self, model: &Value) -> Result<Value, NodeError> {
        let key = model["key"].as_str().unwrap_or_default();
        let missing = || NodeError::new("UnknownModelException", format!("No config found for model {key}"));
        self.context.model(key).ok_or_else(missing)
    }

    /// Simulates loading a part of a model, as the real server announces it.
    pub(super) fn load_model(&mut self, model: &Value) -> Result<Value, NodeError> {
        let record = self.record(model)?;
        let name = record["name"].as_str().unwrap_or_default();
        let submodel = model["submodel_type"].as_str();
        let message = match submodel {
            Some(submodel) => format!("Loading model {name} ({submodel})"),
            None => format!("Loading model {name}"),
        };
        self.context.progress(&message, None, None);
        self.context.model_loaded(&record, submodel);
        Ok(record)
    }
}

/// A side of an image. Larger ones would only exhaust the memory of the program under test.
pub(super) fn pixels(side: i64) -> Result<u32, NodeError> {
    const MOST: i64 = 16_384;
    match u32::try_from(side) {
        Ok(pixels) if (1..=MOST).contains(&side) => Ok(pixels),
        _ => Err(value_error(format!("an image side of {side} pixels; the embedded server makes 1 to {MOST}"))),
    }
}
