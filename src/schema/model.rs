//! Model records of a server and the filters that fields put on them.

use crate::json::borrowed::{Json, Members};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// Which models the editor's picker offers for a field. Empty lists mean "any".
///
/// The lists are the schema's `ui_model_*` members; servers before 6.8 express the same with a `ui_type` such as
/// `FluxMainModelField`, which is translated as InvokeAI itself does (`migrate_model_ui_type` in
/// `invokeai/app/invocations/fields.py`).
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelFilter {
    /// Base architectures, for example `flux`.
    pub base: Vec<String>,
    /// Kinds, for example `main`, `vae`, `lora`.
    pub model_type: Vec<String>,
    /// Variants, for example `inpaint`. A model without a variant passes.
    pub variant: Vec<String>,
    /// File formats, for example `diffusers`.
    pub format: Vec<String>,
    /// External providers; a model without one does not pass.
    pub provider_id: Vec<String>,
}

crate::base::debug::short_debug! { ModelFilter { base, model_type, variant, format, provider_id } }

impl ModelFilter {
    /// Whether every model passes.
    pub fn is_empty(&self) -> bool {
        *self == ModelFilter::default()
    }

    /// Whether the picker would offer this model (`ModelIdentifierFieldInputComponent.tsx`). As there, variant and
    /// format alone filter nothing.
    ///
    /// ```
    /// use invokeai_client::schema::{ModelRecord, NodeCatalog};
    ///
    /// let vae = ModelRecord::new("key", "flux vae", "flux", "vae");
    /// let inputs = &NodeCatalog::embedded().get("flux_model_loader").expect("known").inputs;
    /// assert!(inputs["vae_model"].model_filter.matches(&vae));
    /// assert!(!inputs["model"].model_filter.matches(&vae));
    /// ```
    pub fn matches(&self, model: &ModelRecord) -> bool {
        let named = |list: &[String], value: &str| list.is_empty() || list.iter().any(|entry| entry == value);
        if self.base.is_empty() && self.model_type.is_empty() && self.provider_id.is_empty() {
            return true;
        }
        named(&self.base, &model.base)
            && named(&self.model_type, &model.model_type)
            && model.variant.as_deref().filter(|variant| !variant.is_empty()).is_none_or(|v| named(&self.variant, v))
            && named(&self.format, model.format.as_deref().unwrap_or_default())
            && named(&self.provider_id, model.provider_id.as_deref().unwrap_or_default())
    }

    /// Reads the `ui_model_*` members, or the `ui_type` of older servers.
    pub(super) fn from_schema(schema: &Members<'_>) -> Self {
        let list = |key: &str| match schema.get(key) {
            Some(Json::String(one)) => vec![one.clone().into_owned()],
            Some(Json::Array(many)) => many.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        let filter = ModelFilter {
            base: list("ui_model_base"),
            model_type: list("ui_model_type"),
            variant: list("ui_model_variant"),
            format: list("ui_model_format"),
            provider_id: list("ui_model_provider_id"),
        };
        match schema.get("ui_type").and_then(Json::as_str).and_then(legacy_kind) {
            Some(legacy) if filter.is_empty() => legacy,
            _ => filter,
        }
    }
}

/// For messages: `base flux, type vae`.
impl fmt::Display for ModelFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("type", &self.model_type),
            ("base", &self.base),
            ("variant", &self.variant),
            ("format", &self.format),
            ("provider", &self.provider_id),
        ];
        let mut separator = "";
        for (what, list) in parts.into_iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, "{separator}{what} {}", list.join(" or "))?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("any model") } else { Ok(()) }
    }
}

/// Whether a `ui_type` is one of the retired ones that 6.8 and later ignore or turn into filters.
pub(super) fn is_retired_ui_type(ui_type: &str) -> bool {
    ui_type.starts_with("DEPRECATED_") || ui_type.ends_with("ModelField")
}

/// The filter behind a model `ui_type` of servers before 6.8.
fn legacy_kind(ui_type: &str) -> Option<ModelFilter> {
    let (base, model_type, variant): (&[&str], &str, &[&str]) = match ui_type.trim_start_matches("DEPRECATED_") {
        "MainModelField" => (&["sd-1", "sd-2"], "main", &[]),
        "CogView4MainModelField" => (&["cogview4"], "main", &[]),
        "FluxMainModelField" => (&["flux"], "main", &[]),
        "SD3MainModelField" => (&["sd-3"], "main", &[]),
        "SDXLMainModelField" => (&["sdxl"], "main", &[]),
        "SDXLRefinerModelField" => (&["sdxl-refiner"], "main", &[]),
        "VAEModelField" => (&[], "vae", &[]),
        "FluxVAEModelField" => (&["flux", "flux2"], "vae", &[]),
        "LoRAModelField" => (&[], "lora", &[]),
        "ControlNetModelField" => (&[], "controlnet", &[]),
        "IPAdapterModelField" => (&[], "ip_adapter", &[]),
        "T2IAdapterModelField" => (&[], "t2i_adapter", &[]),
        "T5EncoderModelField" => (&[], "t5_encoder", &[]),
        "CLIPEmbedModelField" => (&[], "clip_embed", &[]),
        "CLIPLEmbedModelField" => (&[], "clip_embed", &["large"]),
        "CLIPGEmbedModelField" => (&[], "clip_embed", &["gigantic"]),
        "SpandrelImageToImageModelField" => (&[], "spandrel_image_to_image", &[]),
        "ControlLoRAModelField" => (&[], "control_lora", &[]),
        "SigLipModelField" => (&[], "siglip", &[]),
        "FluxReduxModelField" => (&[], "flux_redux", &[]),
        "LLaVAModelField" => (&[], "llava_onevision", &[]),
        _ => return None,
    };
    let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
    Some(ModelFilter {
        base: owned(base),
        model_type: owned(&[model_type]),
        variant: owned(variant),
        ..ModelFilter::default()
    })
}

/// A model installed on a server, as `GET /api/v2/models/` lists it.
///
/// Only what identifies and filters models is typed; everything else stays in [`other`](Self::other).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelRecord {
    /// Unique key on this server.
    pub key: String,
    /// Content hash, for example `blake3:…`; the same on every server.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Name that the server's owner gave.
    pub name: String,
    /// Base architecture, for example `flux`.
    pub base: String,
    /// Kind, for example `main`, `vae`, `lora`.
    #[serde(rename = "type")]
    pub model_type: String,
    /// Variant, for example `inpaint`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// File format, for example `diffusers`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// External provider of the model, for example `gemini`.
    #[serde(default, deserialize_with = "text", skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Members not named above, as the server sent them.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

crate::base::debug::short_debug! { ModelRecord { key, hash, name, base, model_type, variant, format, provider_id, other } }

impl ModelRecord {
    /// Creates a record with the members that every model has; the rest can be filled in.
    pub fn new(
        key: impl Into<String>,
        name: impl Into<String>,
        base: impl Into<String>,
        model_type: impl Into<String>,
    ) -> Self {
        ModelRecord {
            key: key.into(),
            hash: None,
            name: name.into(),
            base: base.into(),
            model_type: model_type.into(),
            variant: None,
            format: None,
            provider_id: None,
            other: Map::new(),
        }
    }

    /// Reads a record or an identifier; `None` if a member that every model has is missing or of another type.
    pub fn from_json(value: &Value) -> Option<Self> {
        Self::deserialize(value).ok()
    }

    /// The record as the server sends it.
    pub fn to_json(&self) -> Value {
        // Strings and JSON always serialize.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The value that a model field holds: `{key, hash, name, base, type}`. `hash` is empty if the record has none; the
    /// server requires the member but not its content.
    pub fn identifier(&self) -> Value {
        json!({
            "key": self.key,
            "hash": self.hash.as_deref().unwrap_or_default(),
            "name": self.name,
            "base": self.base,
            "type": self.model_type,
        })
    }
}

/// Reads a string; anything else counts as absent, so that an odd record does not spoil a list of models.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(base: &[&str], model_type: &[&str]) -> ModelFilter {
        let owned = |list: &[&str]| list.iter().map(|&entry| entry.to_owned()).collect();
        ModelFilter { base: owned(base), model_type: owned(model_type), ..ModelFilter::default() }
    }

    #[test]
    fn records_are_read_leniently_and_kept_whole() {
        let sent = json!({"key": "k", "name": "n", "base": "flux", "type": "main", "variant": 7, "format": null,
            "hash": "blake3:00", "path": "p", "default_settings": {"weight": 0.5}});
        let record = ModelRecord::from_json(&sent).expect("a record");
        assert_eq!((record.variant.as_deref(), record.format.as_deref()), (None, None));
        assert_eq!(record.other.keys().collect::<Vec<_>>(), ["path", "default_settings"]);
        let identifier = json!({"key": "k", "hash": "blake3:00", "name": "n", "base": "flux", "type": "main"});
        assert_eq!(record.identifier(), identifier);
        assert_eq!(ModelRecord::from_json(&record.to_json()), Some(record));
        assert_eq!(ModelRecord::from_json(&json!({"key": "k", "name": "n", "base": "flux"})), None);
    }

    #[test]
    fn filters_are_those_of_the_picker() {
        let mut model = ModelRecord::new("k", "n", "sdxl", "main");
        assert!(filter(&[], &[]).matches(&model));
        assert!(filter(&["sd-1", "sdxl"], &["main"]).matches(&model));
        assert!(!filter(&["sd-1"], &["main"]).matches(&model));
        assert!(!filter(&["sdxl"], &["vae"]).matches(&model));

        let mut inpaint = filter(&["sdxl"], &[]);
        inpaint.variant = vec!["inpaint".into()];
        assert!(inpaint.matches(&model), "a model without variant passes");
        model.variant = Some("normal".into());
        assert!(!inpaint.matches(&model));

        let variant_only = ModelFilter { variant: vec!["inpaint".into()], ..ModelFilter::default() };
        assert!(variant_only.matches(&model), "alone it filters nothing");

        let provided = ModelFilter { provider_id: vec!["gemini".into()], ..ModelFilter::default() };
        assert!(!provided.matches(&model));
        model.provider_id = Some("gemini".into());
        assert!(provided.matches(&model));
    }

    #[test]
    fn old_servers_name_kinds_by_ui_type() {
        let read = |schema: Value| {
            let schema = Json::deserialize(&schema).expect("JSON");
            ModelFilter::from_schema(schema.as_object().expect("an object"))
        };
        assert_eq!(read(json!({"ui_type": "FluxVAEModelField"})), filter(&["flux", "flux2"], &["vae"]));
        assert_eq!(read(json!({"ui_type": "DEPRECATED_MainModelField"})), filter(&["sd-1", "sd-2"], &["main"]));
        assert_eq!(read(json!({"ui_type": "Imagen4ModelField"})), ModelFilter::default());
        let new = json!({"ui_type": "FluxVAEModelField", "ui_model_type": "lora"});
        assert_eq!(read(new), filter(&[], &["lora"]));
        assert_eq!(read(json!({"ui_type": "FluxVAEModelField"})).to_string(), "type vae, base flux or flux2");
    }
}
