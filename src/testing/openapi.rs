//! The OpenAPI document the crate was built from, which the embedded server serves and checks graphs against.

use serde_json::{Map, Value};
use std::sync::LazyLock;

/// The document's text.
pub(crate) const TEXT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// The document, read on first use.
pub(crate) fn document() -> &'static Value {
    // The build script has read the same text, so this does not fail; a test reads it, too.
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(TEXT).unwrap_or_default());
    &DOCUMENT
}

/// `components.schemas` of the document.
pub(crate) fn schemas() -> &'static Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    document().pointer("/components/schemas").and_then(Value::as_object).unwrap_or(&NONE)
}

/// The release of InvokeAI whose behavior the embedded server has, whatever document the crate was built from.
pub(crate) const RELEASE: &str = "6.14.2";
