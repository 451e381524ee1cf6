//! `iterate`, `collect` and `if`: the session does the work, the nodes pass values on (`graph.py`, `logic.py`).

use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::json;

pub(super) fn iterate(call: &mut Call<'_>) -> Fields {
    let (items, index) = (call.list("collection")?, call.int("index")?);
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    let item = item.ok_or_else(|| value_error("list index out of range"))?;
    fields(json!({"item": item, "index": index, "total": items.len()}))
}

pub(super) fn collect(call: &mut Call<'_>) -> Fields {
    fields(json!({"collection": call.list("collection")?}))
}

pub(super) fn choose(call: &mut Call<'_>) -> Fields {
    let branch = if call.boolean("condition")? { "true_input" } else { "false_input" };
    fields(json!({"value": call.value(branch)}))
}
