//! Inputs that InvokeAI has renamed since a workflow was saved. The editor drops their values and edges; here they are
//! carried over.

use super::document::Document;
use super::text::Text;
use crate::schema::NodeTemplate;
use std::sync::Arc;

/// Node type, old name of the input, current name of the input.
///
/// - `flux_text_encoder`: 1.0.0 to 1.1.0 (`invokeai/app/invocations/flux_text_encoder.py`).
const RENAMED: [(&str, &str, &str); 1] = [("flux_text_encoder", "positive_prompt", "prompt")];

/// Gives inputs their current names: on nodes, on edges, and in the form. `templates` are those of the nodes.
pub(super) fn rename(document: &mut Document, templates: &[Option<&NodeTemplate>]) {
    let mut renamed: Vec<(Text, &str, &'static str)> = Vec::new();
    for (node, template) in document.nodes.iter_mut().zip(templates) {
        let (Some(invocation), Some(template)) = (node.invocation(), template) else { continue };
        let node_type = invocation.node_type.as_str();
        for (_, old, new) in RENAMED.into_iter().filter(|(of, ..)| *of == node_type) {
            let is_renamed = !template.inputs.contains_key(old) && template.inputs.contains_key(new);
            if !is_renamed || !invocation.inputs.contains_key(old) || invocation.inputs.contains_key(new) {
                continue;
            }
            renamed.push((node.id.clone(), old, new));
        }
        let id = node.id.clone();
        for (_, old, new) in renamed.iter().filter(|(of, ..)| *of == id) {
            let Some(invocation) = Arc::make_mut(node).invocation_mut() else { continue };
            let inputs = std::mem::take(&mut invocation.inputs);
            let each = inputs.into_iter().map(|(name, mut field)| match name.as_str() == *old {
                true => {
                    field.name = Text::fixed(new);
                    (Text::fixed(new), field)
                }
                false => (name, field),
            });
            invocation.inputs = each.collect();
        }
    }
    if renamed.is_empty() {
        return;
    }
    let new_name = |node: &Text, field: &Text| {
        let found = renamed.iter().find(|(id, old, _)| id == node && field.as_str() == *old);
        found.map(|(_, _, new)| Text::fixed(new))
    };
    for edge in Arc::make_mut(&mut document.edges) {
        let new = edge.handles.as_ref().and_then(|handles| new_name(&edge.target, &handles.target));
        if let (Some(new), Some(handles)) = (new, &mut edge.handles) {
            handles.target = new;
        }
    }
    let in_form = Arc::make_mut(&mut document.form).node_fields_mut().map(|field| &mut field.field);
    for identifier in Arc::make_mut(&mut document.exposed_fields).iter_mut().chain(in_form) {
        if let Some(new) = new_name(&identifier.node_id, &identifier.field_name) {
            identifier.field_name = new;
        }
    }
}
