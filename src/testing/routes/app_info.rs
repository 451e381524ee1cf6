//! Version, settings, cache.

use super::{Answer, Call, Outcome};
use crate::testing::store::{Cache, LogLevel};
use serde_json::{Value, json};

/// The version that this server reports.
const VERSION: &str = "6.14.2";

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    let answer = match call.operation.id.as_str() {
        "app_version" => json!({"version": VERSION}),
        "get_patchmatch_status" => false.into(),
        "get_generation_device_options" => json!([{"device": "cpu", "name": "CPU"}]),
        "get_external_provider_statuses" => ["alibabacloud", "gemini", "openai", "seedream"]
            .map(|provider| json!({"provider_id": provider, "configured": false, "message": null}))
            .into_iter()
            .collect(),
        "get_log_level" => call.world.store().log_level.0.into(),
        "set_log_level" => {
            let level = call.body.as_i64().unwrap_or_default();
            call.world.store().log_level = LogLevel(level);
            level.into()
        }
        "get_invocation_cache_status" => {
            let cache = &call.world.store().cache;
            json!({"size": cache.outputs.len(), "hits": cache.hits, "misses": cache.misses,
                "enabled": cache.enabled, "max_size": Cache::MAX_SIZE})
        }
        "clear_invocation_cache" => {
            let mut store = call.world.store();
            store.cache = Cache { enabled: store.cache.enabled, ..Cache::default() };
            Value::Null
        }
        "enable_invocation_cache" => {
            call.world.store().cache.enabled = true;
            Value::Null
        }
        "disable_invocation_cache" => {
            call.world.store().cache.enabled = false;
            Value::Null
        }
        _ => return None,
    };
    Some(Ok(Answer::json(answer)))
}
