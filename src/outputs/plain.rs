//! Texts, numbers and the like among outputs: values that need no file.

use serde_json::Value;

use super::{OutputValue, Outputs};
use crate::schema::node_ref::NodeRef;

/// A text, a number, yes or no, a color, a rectangle, or a list of these.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlainValue {
    pub(crate) node: NodeRef,
    pub(crate) field: String,
    pub(crate) value: Value,
}

impl Outputs {
    /// Every plain value in every output, in the order of the outputs. The size of an image, for
    /// example, does not count as a value.
    pub(crate) fn plain_values(&self) -> Vec<PlainValue> {
        let mut found = Vec::new();
        for output in &self.nodes {
            if is_measure(&output.value) {
                continue;
            }
            let members = output.raw.as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
            for (field, value) in members.filter(|(_, value)| is_plain(&output.value, value)) {
                let (node, field, value) = (output.node.clone(), field.clone(), value.clone());
                found.push(PlainValue { node, field, value });
            }
        }
        found
    }
}

/// Whether the numbers of an output are measures of something else in it.
fn is_measure(value: &OutputValue) -> bool {
    use OutputValue as V;
    matches!(
        value,
        V::Image { .. } | V::Video { .. } | V::Latents { .. } | V::Noise { .. } | V::Mask { .. } | V::Iteration { .. }
    )
}

fn is_plain(output: &OutputValue, value: &Value) -> bool {
    use OutputValue as V;
    let is_scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    match value {
        // Their members are numbers, which mean something together only.
        Value::Object(_) => matches!(output, V::Color { .. } | V::BoundingBox { .. }),
        Value::Array(values) => {
            values.iter().all(is_scalar) || matches!(output, V::Colors { .. } | V::BoundingBoxes { .. })
        }
        value => is_scalar(value),
    }
}
