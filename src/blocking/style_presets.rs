//! Style presets.

use bytes::Bytes;

use super::{
    Download,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Upload,
    error::Result,
    style_presets::{self, StylePreset, StylePresetData},
};

mirror! {
    /// All style presets of a server, from [`Client::style_presets`](super::Client::style_presets).
    #[derive(Clone)]
    pub struct StylePresets = style_presets::StylePresets;

    /// All of them. One that cannot be read is an error in its place.
    call fn list(&self) -> Result<Vec<Result<StylePreset>>>;
    /// Makes one, with an image if there is one.
    call fn create(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset>;
    /// Makes those of a CSV or JSON file (columns or members `name`, `prompt`, `negative_prompt`).
    call fn import(&self, file: impl Into<Upload>) -> Result<()>;
    /// The user's own presets as a CSV file.
    call fn export(&self) -> Result<Bytes>;
}

mirror! {
    /// One style preset, from [`Client::style_preset`](super::Client::style_preset).
    #[derive(Clone)]
    pub struct StylePresetHandle = style_presets::StylePresetHandle;

    /// Id of the preset.
    get fn id(&self) -> &str;
    /// The preset.
    call fn get(&self) -> Result<StylePreset>;
    /// The preset, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<StylePreset>>;
    /// Replaces it. **Without an image the server deletes the one it has.**
    call fn replace(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset>;
    /// Its image. Where it has none, the server answers 500.
    open fn image(&self) -> Download;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
}
