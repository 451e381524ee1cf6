//! Latents, noise, conditionings and masks: what nodes pass on by name.

use image::{GrayImage, RgbImage};
use indexmap::IndexMap;
use std::collections::HashSet;
use std::sync::Arc;

/// How many bytes of tensors are kept from one item to the next. InvokeAI has room for all: it writes them to its disk, and
/// deletes them when it ends.
const KEPT: usize = 32 << 20;

/// What a tensor takes beside its pixels, and more.
const SMALL: usize = 256;

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

    /// How many bytes it takes.
    fn bytes(&self) -> usize {
        SMALL
            + match self {
                Tensor::Conditioning { .. } | Tensor::Noise { .. } => 0,
                Tensor::Latents { picture, .. } => picture.as_raw().len(),
                Tensor::Mask { mask, .. } => mask.as_raw().len(),
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

/// The named tensors of a server, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    by_name: IndexMap<String, Tensor>,
    bytes: usize,
}

impl Tensors {
    pub(super) fn save(&mut self, tensor: Tensor) -> String {
        let class = if matches!(tensor, Tensor::Conditioning { .. }) { "ConditioningFieldData" } else { "Tensor" };
        let name = format!("{class}_{}", uuid::Uuid::new_v4());
        self.bytes += tensor.bytes();
        self.by_name.insert(name.clone(), tensor);
        name
    }

    /// Drops the oldest, as far as there are too many, and gives their names: the invocation cache has to forget them.
    pub(crate) fn prune(&mut self) -> HashSet<String> {
        let mut kept = self.bytes;
        let old = |tensor: &&Tensor| {
            let is_old = kept > KEPT;
            kept -= if is_old { tensor.bytes() } else { 0 };
            is_old
        };
        let count = self.by_name.values().take_while(old).count();
        self.bytes = kept;
        self.by_name.drain(..count).map(|(name, _)| name).collect()
    }

    pub(super) fn load(&self, name: &str) -> Option<Tensor> {
        self.by_name.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Tensor, Tensors};
    use image::RgbImage;

    #[test]
    fn the_oldest_go_when_there_are_too_many_and_no_others() {
        let mut tensors = Tensors::default();
        let latents = || Tensor::Latents { digest: 1, picture: RgbImage::new(512, 512).into() };
        let each = latents().bytes();
        let mut names: Vec<String> = Vec::new();
        for round in 0..200 {
            names.push(tensors.save(latents()));
            names.push(tensors.save(Tensor::Conditioning { digest: round }));
            let dropped = tensors.prune();
            let first_kept = names.iter().position(|name| tensors.load(name).is_some()).unwrap();
            assert!(names[first_kept..].iter().all(|name| tensors.load(name).is_some()), "one from between is gone");
            assert!(dropped.iter().all(|name| names[..first_kept].contains(name)), "what is kept is said to be gone");
            let bytes: usize = tensors.by_name.values().map(Tensor::bytes).sum();
            assert_eq!(bytes, tensors.bytes);
            assert!(bytes <= KEPT);
        }
        assert!(tensors.bytes > KEPT - 2 * each, "no more than needed goes: {}", tensors.bytes);
    }
}
