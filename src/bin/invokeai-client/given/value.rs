//! Converts what the user wrote to the value of a field.

use invokeai_client::{schema::ModelRecord, workflow::field::InkField};
use serde_json::Value;

use super::{Filler, pictures};

impl Filler<'_> {
    /// Converts text or JSON to a value that the field takes.
    pub(super) fn convert(&mut self, field: &InkField, given: Value) -> Result<Value, String> {
        let refused = |error: invokeai_client::workflow::field::ValueError| error.to_string();
        let accepted = |value: Value| {
            let mut field = field.clone();
            field.set(value).map_err(refused)?;
            Ok::<_, String>(field.value().cloned().unwrap_or_default())
        };
        match (field, given) {
            (InkField::Image(_), Value::String(text)) => accepted(self.one_image(&text)?),
            (InkField::ImageCollection(_), Value::String(text)) => {
                let names = match serde_json::from_str::<Vec<String>>(&text) {
                    Ok(texts) => texts,
                    Err(_) => vec![text],
                };
                let mut images = Vec::new();
                for name in names {
                    images.extend(self.images(&name)?);
                }
                accepted(images.into())
            }
            (InkField::ImageCollection(_), Value::Array(items)) => {
                let mut images = Vec::new();
                for item in items {
                    match item {
                        Value::String(text) => images.extend(self.images(&text)?),
                        other => images.push(other),
                    }
                }
                accepted(images.into())
            }
            (InkField::String(_), given) => accepted(given),
            (field, Value::String(text)) => {
                let text = text.trim();
                if let Some(model) = model_named(text, field, self.models)? {
                    let mut field = field.clone();
                    field.set(model).map_err(refused)?;
                    return Ok(field.value().cloned().unwrap_or_default());
                }
                // A word that is not JSON, or JSON that the field refuses, may still be the name of a scheduler.
                match serde_json::from_str::<Value>(text).map(accepted) {
                    Ok(Ok(value)) => Ok(value),
                    Ok(Err(error)) => accepted(text.into()).map_err(|_| error),
                    Err(_) => accepted(text.into()),
                }
            }
            (_, given) => accepted(given),
        }
    }

    /// A local file, or the name of an image on the server.
    fn one_image(&mut self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        if !pictures::is_here(text) {
            return Ok(text.into());
        }
        pictures::check(text.as_ref())?;
        Ok(self.image(text.into()).into())
    }

    /// The local files that a text names, or the name of an image on the server.
    pub(super) fn images(&mut self, text: &str) -> Result<Vec<Value>, String> {
        let text = text.trim();
        if !pictures::is_here(text) && !text.contains(['*', '?']) {
            return Ok(vec![text.into()]);
        }
        let files = pictures::named(text)?;
        Ok(files.into_iter().map(|file| self.image(file).into()).collect())
    }
}

/// The model with this name or key that a field takes, if it takes models and there is one.
fn model_named<'a>(text: &str, field: &InkField, models: &'a [ModelRecord]) -> Result<Option<&'a ModelRecord>, String> {
    let (InkField::Model(_), Some(filter)) = (field, field.model_filter()) else { return Ok(None) };
    let fits = |model: &&ModelRecord| filter.matches(model);
    let named: Vec<&ModelRecord> =
        models.iter().filter(|model| model.name == text || model.key == text).filter(fits).collect();
    match named[..] {
        [] if models.is_empty() => Ok(None),
        [] => {
            let fitting: Vec<&str> = models.iter().filter(fits).map(|model| model.name.as_str()).collect();
            match serde_json::from_str::<Value>(text) {
                Ok(Value::Object(_)) => Ok(None),
                _ if fitting.is_empty() => Err(format!("no installed model fits; `{text}` is not installed")),
                _ => Err(format!("there is no fitting model `{text}`; these would fit: {}", fitting.join(", "))),
            }
        }
        [model] => Ok(Some(model)),
        _ => {
            let keys: Vec<&str> = named.iter().map(|model| model.key.as_str()).collect();
            Err(format!("{} models have this name; use a key: {}", keys.len(), keys.join(", ")))
        }
    }
}
