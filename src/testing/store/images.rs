//! Images: their records, and their files as PNG.

use super::{Store, new_id, now};
use crate::testing::png;
use bytes::Bytes;
use image::DynamicImage;
use serde_json::{Value, json};

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) name: String,
    /// `internal` or `external`.
    pub(crate) origin: &'static str,
    pub(crate) category: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) is_intermediate: bool,
    pub(crate) session_id: Option<String>,
    pub(crate) node_id: Option<String>,
    pub(crate) starred: bool,
    pub(crate) board_id: Option<String>,
    pub(crate) user_id: String,
    pub(crate) metadata: Option<Value>,
    /// JSON text, as it is in the file.
    pub(crate) workflow: Option<String>,
    pub(crate) graph: Option<String>,
    pub(crate) png: Bytes,
}

/// An image to be created.
pub(crate) struct NewImage {
    pub(crate) pixels: DynamicImage,
    pub(crate) origin: &'static str,
    pub(crate) category: String,
    pub(crate) is_intermediate: bool,
    pub(crate) session_id: Option<String>,
    pub(crate) node_id: Option<String>,
    pub(crate) board_id: Option<String>,
    pub(crate) user_id: String,
    pub(crate) metadata: Option<Value>,
    pub(crate) workflow: Option<String>,
    pub(crate) graph: Option<String>,
}

impl NewImage {
    /// The image with its file. This takes time, so do it outside the lock.
    pub(crate) fn encode(self) -> Result<Image, image::ImageError> {
        let metadata_text = self.metadata.as_ref().map(Value::to_string);
        let texts = [
            ("invokeai_metadata", metadata_text.as_deref()),
            ("invokeai_workflow", self.workflow.as_deref()),
            ("invokeai_graph", self.graph.as_deref()),
        ];
        let png = png::encode(&self.pixels, texts)?;
        let created_at = now();
        Ok(Image {
            name: format!("{}.png", new_id()),
            origin: self.origin,
            category: self.category,
            width: self.pixels.width(),
            height: self.pixels.height(),
            updated_at: created_at.clone(),
            created_at,
            is_intermediate: self.is_intermediate,
            session_id: self.session_id,
            node_id: self.node_id,
            starred: false,
            board_id: self.board_id,
            user_id: self.user_id,
            metadata: self.metadata,
            workflow: self.workflow,
            graph: self.graph,
            png,
        })
    }
}

impl Image {
    /// `ImageDTO`.
    pub(crate) fn dto(&self) -> Value {
        let name = &self.name;
        json!({
            "image_name": name,
            "image_url": self.url(),
            "thumbnail_url": format!("api/v1/images/i/{name}/thumbnail"),
            "image_origin": self.origin,
            "image_category": self.category,
            "width": self.width,
            "height": self.height,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "deleted_at": null,
            "is_intermediate": self.is_intermediate,
            "session_id": self.session_id,
            "node_id": self.node_id,
            "starred": self.starred,
            "has_workflow": self.workflow.is_some() || self.graph.is_some(),
            "image_subfolder": "",
            "board_id": self.board_id,
        })
    }

    /// Where its file is, relative to the server.
    pub(crate) fn url(&self) -> String {
        format!("api/v1/images/i/{}/full", self.name)
    }

    /// Its board, in the words of answers about changes.
    pub(crate) fn board_or_none(&self) -> String {
        self.board_id.clone().unwrap_or_else(|| "none".into())
    }
}

impl Store {
    pub(crate) fn add_image(&mut self, image: Image) -> &Image {
        let entry = self.images.entry(image.name.clone());
        entry.or_insert(image)
    }

    /// Deletes an image, and what the cache knows about it.
    pub(crate) fn delete_image(&mut self, name: &str) -> Option<Image> {
        let image = self.images.shift_remove(name)?;
        self.cache.forget(name);
        Some(image)
    }
}
