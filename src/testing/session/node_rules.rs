//! The rules that InvokeAI checks in code of single node classes.

use super::Problem;
use serde_json::{Map, Value};

/// What node classes change before they look at a value.
pub(super) fn before(node_type: &str, node: &Map<String, Value>) -> Map<String, Value> {
    let mut node = node.clone();
    if node_type == "noise"
        && let Some(seed) = node.get("seed").and_then(Value::as_i64)
    {
        node.insert("seed".into(), seed.rem_euclid(1 << 32).into());
    }
    node
}

/// Rules that node classes have beside their schema.
pub(super) fn fields(node_type: &str, node: &Map<String, Value>) -> Result<(), Vec<Problem>> {
    let number = |field: &str| node.get(field).and_then(Value::as_f64).unwrap_or_default();
    let broken = |field: &str, message: &str| {
        let value = node.get(field).cloned().unwrap_or_default();
        Err(vec![Problem::rule(message, &value).within(field)])
    };
    let operation = node.get("operation").and_then(Value::as_str).unwrap_or_default();
    match (node_type, operation) {
        ("range", _) if number("stop") <= number("start") => broken("stop", "stop must be greater than start"),
        ("integer_math", "DIV" | "MOD") | ("float_math", "DIV") if number("b") == 0.0 => {
            broken("b", "Cannot divide by zero")
        }
        ("integer_math", "EXP") if number("b") < 0.0 => broken("b", "Result of exponentiation is not an integer"),
        ("float_math", "EXP") if number("a") == 0.0 && number("b") < 0.0 => {
            broken("b", "Cannot raise zero to a negative power")
        }
        ("float_math", "EXP") if number("a") < 0.0 && number("b").fract() != 0.0 => {
            broken("b", "Root operation resulted in a complex number")
        }
        ("prompt_from_file", _) if !node.get("file_path").is_some_and(is_existing_path) => {
            broken("file_path", "<class 'FileNotFoundError'>")
        }
        ("image_panel_layout", _) => {
            for (index, count) in [("panel_col_idx", "num_cols"), ("panel_row_idx", "num_rows")] {
                if number(index) >= number(count) {
                    return broken(index, &format!("{index} must be between 0 and {}", number(count) - 1.0));
                }
            }
            Ok(())
        }
        ("denoise_latents" | "tiled_multi_diffusion_denoise_latents", _) => {
            let scale = node.get("cfg_scale").unwrap_or(&Value::Null);
            let scales = scale.as_array().map_or(std::slice::from_ref(scale), Vec::as_slice);
            match scales.iter().filter_map(Value::as_f64).all(|scale| scale >= 1.0) {
                true => Ok(()),
                false => broken("cfg_scale", "cfg_scale must be greater than 1"),
            }
        }
        _ => Ok(()),
    }
}

fn is_existing_path(path: &Value) -> bool {
    path.is_null() || path.as_str().is_some_and(|path| std::path::Path::new(path).exists())
}
