//! Style presets.

use bytes::Bytes;

use super::{
    Download,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Page, Upload,
    error::Result,
    style_presets::{self, StylePreset, StylePresetData},
};

mirror! {
    /// All style presets of a server, from [`Client::style_presets`](super::Client::style_presets).
    #[derive(Clone)]
    pub struct StylePresets = style_presets::StylePresets;

    /// Lists style presets: `call` gives all in one page, [`ListStylePresets::stream`] one by one.
    open fn list(&self) -> ListStylePresets;
    /// Creates a style preset, with an image if one is given.
    call fn create(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset>;
    /// Creates the style presets in a CSV or JSON file (columns or members `name`, `prompt`, `negative_prompt`).
    call fn import(&self, file: impl Into<Upload>) -> Result<()>;
    /// Exports the user's own presets as a CSV file.
    call fn export(&self) -> Result<Bytes>;
}

mirror! {
    /// One style preset, from [`Client::style_preset`](super::Client::style_preset).
    #[derive(Clone)]
    pub struct StylePresetHandle = style_presets::StylePresetHandle;

    /// Id of the preset.
    get fn id(&self) -> &str;
    /// Fetches the preset.
    call fn get(&self) -> Result<StylePreset>;
    /// Fetches the preset, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<StylePreset>>;
    /// Replaces it. **Without an image the server deletes the one it has.**
    call fn replace(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset>;
    /// Its image. If it has none, the server answers 500.
    open fn image(&self) -> Download;
    /// Deletes it.
    call fn delete(&self) -> Result<()>;
}

mirror! {
    /// A list of style presets under construction, from [`StylePresets::list`].
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListStylePresets = style_presets::ListStylePresets;

    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. Default: all.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<StylePreset>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<StylePreset>>;
}
