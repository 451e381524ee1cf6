//! String enums that stay open: a value that this document does not know survives a round trip.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values of every string enum of the document, by type name.
pub(crate) fn find(document: &Value) -> BTreeMap<String, Vec<String>> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    schemas
        .into_iter()
        .flatten()
        .filter_map(|(name, schema)| {
            let values = schema.get("enum")?.as_array()?;
            Some((name.clone(), values.iter().filter_map(Value::as_str).map(str::to_owned).collect()))
        })
        .collect()
}

/// One `open_enum!` invocation per enum.
pub(crate) fn source(enums: &BTreeMap<String, Vec<String>>) -> Result<String, String> {
    let mut source = String::new();
    for (name, values) in enums {
        let mut variants: BTreeMap<String, &String> = BTreeMap::new();
        let mut lines = String::new();
        for value in values {
            let variant = variant(value);
            if let Some(other) = variants.insert(variant.clone(), value) {
                return Err(format!("`{other}` and `{value}` of {name} would both be called `{variant}`"));
            }
            lines += &format!("    {variant} = {value:?},\n");
        }
        source += &format!("crate::base::open_enum::open_enum! {{ {name} {{\n{lines}}} }}\n");
    }
    Ok(source)
}

/// A Rust identifier for an enum value: `sd-1` is `Sd1`, `4k` is `V4k`, the empty value is `Empty`.
fn variant(value: &str) -> String {
    let name = heck::AsUpperCamelCase(value).to_string();
    match name.chars().next() {
        None => "Empty".to_owned(),
        // `Unknown` is the open variant; a value of that name keeps its own.
        Some(_) if name == "Unknown" || name == "Self" => format!("{name}Value"),
        Some(first) if first.is_ascii_digit() => format!("V{name}"),
        Some(_) => name,
    }
}
