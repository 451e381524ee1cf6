//! Digests of inputs, the same in every run and on every machine. Simulated pictures are drawn from them.

use super::NodeError;
use super::call::Call;
use serde_json::Value;

/// FNV-1a of 64 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digest(u64);

impl Digest {
    pub(super) fn new() -> Self {
        Digest(0xcbf2_9ce4_8422_2325)
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        // Whole pictures are added, without optimization, too: a loop over places is the quickest then.
        let mut at = 0;
        while at < bytes.len() {
            self.0 = (self.0 ^ u64::from(bytes[at])).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
    }

    pub(super) fn add_number(&mut self, number: u64) {
        self.add(&number.to_le_bytes());
    }

    pub(super) fn finish(self) -> u64 {
        mix(self.0)
    }
}

/// Spreads a number over all 64 bits (the finalizer of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers from a digest.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(digest: u64) -> Self {
        Dice(digest)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 up to, but not including, 1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }
}

/// Members that say where a result goes, not what it is.
const OUTWARD: [&str; 6] = ["id", "is_intermediate", "use_cache", "board", "metadata", "score"];

impl Call<'_> {
    /// The digest of everything the node's result depends on: names stand for what they name.
    pub(super) fn digest(&mut self) -> Result<u64, NodeError> {
        let mut digest = Digest::new();
        for (field, value) in self.node() {
            if !OUTWARD.contains(&field.as_str()) {
                digest.add(field.as_bytes());
                self.add_value(&mut digest, value)?;
            }
        }
        Ok(digest.finish())
    }

    fn add_value(&mut self, digest: &mut Digest, value: &Value) -> Result<(), NodeError> {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    digest.add(name.as_bytes());
                    match value {
                        Value::String(image) if name == "image_name" => {
                            let image = self.image_named(image)?;
                            digest.add_number(u64::from(image.width()));
                            digest.add(image.as_bytes());
                        }
                        Value::String(tensor) => match self.context.tensors().load(tensor) {
                            Some(tensor) => digest.add_number(tensor.digest()),
                            None => digest.add(tensor.as_bytes()),
                        },
                        value => self.add_value(digest, value)?,
                    }
                }
            }
            Value::Array(items) => {
                digest.add_number(items.len() as u64);
                for item in items {
                    self.add_value(digest, item)?;
                }
            }
            plain => digest.add(plain.to_string().as_bytes()),
        }
        Ok(())
    }
}
