//! What a node asks of the server that runs it.

use super::{NodeError, Tensors};
use image::{DynamicImage, RgbImage};
use serde_json::Value;
use std::sync::Arc;

/// An image that a node creates.
#[derive(Debug, Clone)]
pub(crate) struct NewImage {
    pub(crate) image: DynamicImage,
    /// `general`, `mask`, `control`, `user` or `other`.
    pub(crate) category: &'static str,
    /// The node's `is_intermediate`.
    pub(crate) is_intermediate: bool,
    /// The node's `board`; if it does not exist, the image has no board; that is not an error.
    pub(crate) board_id: Option<String>,
    /// The metadata object to keep with it.
    pub(crate) metadata: Option<Value>,
}

/// An image the server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedImage {
    pub(crate) image_name: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The picture of a progress event.
#[derive(Debug, Clone)]
pub(crate) struct Preview {
    /// A small picture, sent as `data:image/jpeg;base64,...`.
    pub(crate) image: RgbImage,
    /// Width of the picture in the making, which is also the event's `width`.
    pub(crate) width: u32,
    /// Its height.
    pub(crate) height: u32,
}

/// The server, as the node that runs sees it.
pub(crate) trait Context {
    /// The pixels of an image; `None` if there is no such image.
    fn load_image(&mut self, image_name: &str) -> Option<Arc<DynamicImage>>;

    /// The metadata of an image; `None` if there is no image or no metadata.
    fn image_metadata(&mut self, image_name: &str) -> Option<Value>;

    /// Stores a new image, with the workflow and graph of the queue item. Announces `Saving image` before.
    fn save_image(&mut self, image: NewImage) -> Result<SavedImage, NodeError>;

    /// The record of an installed model, as `GET /api/v2/models/i/{key}` returns it.
    fn model(&mut self, key: &str) -> Option<Value>;

    /// All records.
    fn models(&mut self) -> Vec<Value>;

    /// The named tensors: one store for all sessions of a server, as names outlive a run in the invocation cache.
    fn tensors(&mut self) -> &mut Tensors;

    /// Announces progress. A server that wants denoising to take its time pauses here.
    fn progress(&mut self, message: &str, percentage: Option<f64>, preview: Option<Preview>);

    /// Announces that a model is being loaded and has been loaded: `model_load_started` and `model_load_complete`.
    fn model_loaded(&mut self, record: &Value, submodel_type: Option<&str>);

    /// Whether the queue item was canceled.
    fn is_canceled(&self) -> bool;
}
