//! Which function runs which node.

use super::call::Run;
use super::{images, models, values};

pub(super) fn implementation(node_type: &str) -> Option<Run> {
    values::implementation(node_type)
        .or_else(|| images::implementation(node_type))
        .or_else(|| models::implementation(node_type))
}
