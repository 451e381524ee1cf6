//! Model records and their installation.

use super::Store;
use serde_json::{Value, json};

/// The records that InvokeAI 6.14.2 creates for the tiny models of `tests/server`, one for each kind that the workflows
/// it ships ask for.
const SEEDS: &str = include_str!("../models.json");

impl Store {
    /// Adds a model for every picker.
    pub(crate) fn seed_models(&mut self) {
        let seeds: Vec<Value> = serde_json::from_str(SEEDS).unwrap_or_default();
        for model in seeds {
            self.models.insert(model["key"].as_str().unwrap_or_default().into(), model);
        }
    }
}

/// A `ModelInstallJob`.
#[derive(Debug, Clone)]
pub(crate) struct InstallJob {
    pub(crate) id: i64,
    pub(crate) status: &'static str,
    /// `error_reason` and `error`.
    pub(crate) error: Option<(String, String)>,
    pub(crate) config_in: Value,
    pub(crate) config_out: Value,
    pub(crate) inplace: bool,
    pub(crate) source: Value,
    pub(crate) local_path: String,
    pub(crate) bytes: u64,
    pub(crate) total_bytes: u64,
    pub(crate) parts: Value,
}

impl InstallJob {
    /// Whether nothing more will happen.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status, "completed" | "error" | "cancelled")
    }

    pub(crate) fn dto(&self) -> Value {
        let (reason, error) = self.error.clone().unzip();
        json!({
            "id": self.id,
            "status": self.status,
            "error_reason": reason,
            "config_in": self.config_in,
            "config_out": self.config_out,
            "inplace": self.inplace,
            "source": self.source,
            "local_path": self.local_path,
            "bytes": self.bytes,
            "total_bytes": self.total_bytes,
            "source_metadata": null,
            "download_parts": self.parts,
            "error": error,
            "error_traceback": error.as_ref().map(|error| format!("Traceback (most recent call last):\n{error}\n")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_model_for_each_kind() {
        let mut store = Store::default();
        store.seed_models();
        assert_eq!(store.models.len(), 26);
        let has = |base: &str, kind: &str| store.models.values().any(|m| m["base"] == base && m["type"] == kind);
        for (base, kind) in
            [("flux", "main"), ("flux", "vae"), ("any", "t5_encoder"), ("any", "clip_embed"), ("sd-1", "main")]
        {
            assert!(has(base, kind), "{base} {kind}");
        }
    }
}
