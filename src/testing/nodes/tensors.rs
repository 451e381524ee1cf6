//! Latents, noise, conditionings and masks: what nodes pass on by name.

use image::{GrayImage, RgbImage};
use std::collections::HashMap;
use std::sync::Arc;

/// What stands for a tensor.
#[derive(Debug, Clone)]
pub(super) enum Tensor {
    /// A text, as far as it makes pictures differ.
    Conditioning {
        digest: u64,
    },
    Noise {
        digest: u64,
        width: u32,
        height: u32,
    },
    /// Latents: the picture that decoding them gives.
    Latents {
        digest: u64,
        picture: Arc<RgbImage>,
    },
    /// A mask, 255 where it is set.
    Mask {
        digest: u64,
        mask: Arc<GrayImage>,
    },
}

impl Tensor {
    /// Equal for equal content.
    pub(super) fn digest(&self) -> u64 {
        match self {
            Tensor::Conditioning { digest }
            | Tensor::Noise { digest, .. }
            | Tensor::Latents { digest, .. }
            | Tensor::Mask { digest, .. } => *digest,
        }
    }

    /// Width and height in pixels of the picture it belongs to.
    pub(super) fn size(&self) -> (u32, u32) {
        match self {
            Tensor::Conditioning { .. } => (0, 0),
            Tensor::Noise { width, height, .. } => (*width, *height),
            Tensor::Latents { picture, .. } => picture.dimensions(),
            Tensor::Mask { mask, .. } => mask.dimensions(),
        }
    }
}

/// The named tensors of a server.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    by_name: HashMap<String, Tensor>,
}

impl Tensors {
    pub(super) fn save(&mut self, tensor: Tensor) -> String {
        let class = if matches!(tensor, Tensor::Conditioning { .. }) { "ConditioningFieldData" } else { "Tensor" };
        let name = format!("{class}_{}", uuid::Uuid::new_v4());
        self.by_name.insert(name.clone(), tensor);
        name
    }

    pub(super) fn load(&self, name: &str) -> Option<Tensor> {
        self.by_name.get(name).cloned()
    }
}
