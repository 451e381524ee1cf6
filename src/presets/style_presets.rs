//! Style presets: prompts with a place for the user's own words (`{prompt}`).
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
//! use invokeai_client::style_presets::StylePresetData;
//!
//! let ink = StylePresetData::new("Ink", "{prompt}, ink drawing", "color");
//! let preset = client.style_presets().create(&ink, None).await?;
//! client.style_preset(&preset.id).delete().await?;
//! # Ok(())
//! # }
//! ```

use bytes::Bytes;
use serde_json::json;

use crate::{
    Client, Upload,
    base::open_enum::open_enum,
    client::lists::whole_list,
    download::{Download, Source},
    error::Result,
    transport::page::found,
};

open_enum! {
    /// Whether a style preset is a user's or InvokeAI's own.
    StylePresetType {
        /// Created by a user.
        User = "user",
        /// Shipped with InvokeAI.
        Default = "default",
    }
}

/// A style preset, as `GET /api/v1/style_presets/i/{id}` describes it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StylePreset {
    /// Id on this server.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its prompts.
    pub preset_data: PresetPrompts,
    /// Whether it is a user's or InvokeAI's own.
    pub preset_type: StylePresetType,
    /// Address of its image, relative to the server's, if it has one.
    pub image: Option<String>,
    /// Whether all users see it. Since 6.13.
    pub is_public: Option<bool>,
    /// Its owner. Since 6.13.
    pub user_id: Option<String>,
}

crate::json::record::readable! {
    StylePreset {
        0 id, 1 name, 2 preset_data, 3 preset_type "type", 4 image nullable, 5 is_public nullable, 6 user_id nullable,
    }
}

crate::base::debug::short_debug! { StylePreset { id, name, preset_data, preset_type, image, is_public, user_id } }

/// The two prompts of a style preset; `{prompt}` stands for the user's own words.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PresetPrompts {
    /// What to draw.
    pub positive_prompt: String,
    /// What not to draw.
    pub negative_prompt: String,
}

crate::json::record::record! { PresetPrompts { 0 positive_prompt default, 1 negative_prompt default } }

crate::base::debug::short_debug! { PresetPrompts { positive_prompt, negative_prompt } }

/// The contents of a style preset.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StylePresetData {
    /// Its name.
    pub name: String,
    /// Its prompts.
    pub prompts: PresetPrompts,
    /// Whether all users see it.
    pub is_public: bool,
}

crate::base::debug::short_debug! { StylePresetData { name, prompts, is_public } }

impl StylePresetData {
    /// A preset that only its owner sees.
    pub fn new(name: impl Into<String>, positive: impl Into<String>, negative: impl Into<String>) -> Self {
        let prompts = PresetPrompts { positive_prompt: positive.into(), negative_prompt: negative.into() };
        Self { name: name.into(), prompts, is_public: false }
    }

    fn to_text(&self) -> String {
        json!({
            "name": self.name,
            "positive_prompt": self.prompts.positive_prompt,
            "negative_prompt": self.prompts.negative_prompt,
            "type": StylePresetType::User,
            "is_public": self.is_public,
        })
        .to_string()
    }
}

crate::workflow::field::settable! { StylePreset: "style_preset_id" = id }

/// All style presets of a server, from [`Client::style_presets`].
#[derive(Clone)]
pub struct StylePresets {
    client: Client,
}

crate::base::debug::short_debug! { StylePresets { client } }

/// One style preset, from [`Client::style_preset`].
#[derive(Clone)]
pub struct StylePresetHandle {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { StylePresetHandle { client, id } }

impl Client {
    /// The style presets of the server.
    pub fn style_presets(&self) -> StylePresets {
        StylePresets { client: self.clone() }
    }

    /// The style preset with this id. Sends nothing yet.
    pub fn style_preset(&self, id: impl Into<String>) -> StylePresetHandle {
        StylePresetHandle { client: self.clone(), id: id.into() }
    }
}

whole_list! {
    /// A list of style presets under construction, from [`StylePresets::list`].
    ListStylePresets => StylePreset, list_style_presets
}

impl StylePresets {
    /// Lists style presets: `.await` gives all in one page, [`ListStylePresets::stream`] one by one.
    pub fn list(&self) -> ListStylePresets {
        ListStylePresets::new(&self.client)
    }

    /// Creates a style preset, with an image if one is given.
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is not an image; any error of a call.
    pub async fn create(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset> {
        let api = self.client.api();
        api.create_style_preset().data(preset.to_text()).maybe_image(image).send_as().await
    }

    /// Creates the style presets in a CSV or JSON file (columns or members `name`, `prompt`, `negative_prompt`).
    ///
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the file is of another kind; any error of a call.
    pub async fn import(&self, file: impl Into<Upload>) -> Result<()> {
        let api = self.client.api();
        api.import_style_presets().file(file).send().await.map(drop)
    }

    /// Exports the user's own presets as a CSV file.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn export(&self) -> Result<Bytes> {
        let api = self.client.api();
        let answer = api.export_style_presets().send().await?;
        crate::download::collect("export_style_presets", &self.client, answer).await
    }
}

impl StylePresetHandle {
    /// Id of the preset.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the preset.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<StylePreset> {
        let api = self.client.api();
        api.get_style_preset().style_preset_id(&self.id).send_as().await
    }

    /// Fetches the preset, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<StylePreset>> {
        found(self.get().await)
    }

    /// Replaces it. **Without an image the server deletes the one it has.**
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn replace(&self, preset: &StylePresetData, image: Option<Upload>) -> Result<StylePreset> {
        let api = self.client.api();
        let call =
            api.update_style_preset().style_preset_id(&self.id).data(preset.to_text()).maybe_image(image).send_as();
        call.await
    }

    /// Its image. If it has none, the server answers 500.
    pub fn image(&self) -> Download {
        Download::new(&self.client, Source::StylePresetImage(self.id.clone()))
    }

    /// Deletes it.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) if it does not exist; any error of a call.
    pub async fn delete(&self) -> Result<()> {
        let api = self.client.api();
        api.delete_style_preset().style_preset_id(&self.id).send().await.map(drop)
    }
}
