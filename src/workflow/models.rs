//! Models of a workflow, on the server that it is to run on.
//!
//! Exported workflows name models by the key that they had on another server. The same model is found again by its
//! hash, which is the same everywhere, or by name, base and type.

use super::document::{FieldInstance, Invocation, Node};
use super::working_copy::Workflow;
use crate::schema::{InputTemplate, ModelFilter, ModelRecord};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

/// A place in a workflow that names a model, or should.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelUse {
    /// The node.
    pub node_id: String,
    /// The field of the node.
    pub field: String,
    /// Place in the list, if the field holds a list of models or LoRAs.
    pub index: Option<usize>,
    /// `{node} -> {field}`, with labels where there are any.
    pub title: String,
    /// Which models the editor offers for the field.
    pub filter: ModelFilter,
    /// Whether a run needs a model here.
    pub required: bool,
    /// The model named, as far as the file says; `None` if the field is unset.
    pub wanted: Option<WantedModel>,
}

crate::base::debug::short_debug! { ModelUse { node_id, field, index, title, filter, required, wanted } }

/// How a file names a model. Old files say less.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WantedModel {
    /// Key on the server that the file comes from.
    pub key: Option<String>,
    /// Content hash.
    pub hash: Option<String>,
    /// Name.
    pub name: String,
    /// Base architecture.
    pub base: Option<String>,
    /// Kind of model.
    pub model_type: Option<String>,
}

crate::base::debug::short_debug! { WantedModel { key, hash, name, base, model_type } }

/// How a model was recognized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MatchedBy {
    /// By its key: this is the same server that the file comes from.
    Key,
    /// By its hash: it is the same file.
    Hash,
    /// By name, base and type: it is most likely the same model.
    Name,
}

/// A model that the server has.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ResolvedModel {
    /// Where it is used.
    pub usage: ModelUse,
    /// The server's record.
    pub model: ModelRecord,
    /// How it was recognized.
    pub by: MatchedBy,
}

crate::base::debug::short_debug! { ResolvedModel { usage, model, by } }

/// A model that the server does not have, or that is not chosen although a run needs one.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct MissingModel {
    /// Where it is used.
    pub usage: ModelUse,
    /// Installed models that the editor would offer instead.
    pub fitting: Vec<ModelRecord>,
}

crate::base::debug::short_debug! { MissingModel { usage, fitting; .. } }

/// The models of a workflow, looked up on a server.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client, mut workflow: invokeai_client::workflow::Workflow)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let report = workflow.use_models(&client.models().records().await?);
/// println!("{report}");
/// for missing in &report.missing {
///     let instead = missing.fitting.first().ok_or_else(|| format!("no model for {}", missing.usage.title))?;
///     workflow.set_node_field(&missing.usage.node_id, &missing.usage.field, instead)?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ModelReport {
    /// Models that were found.
    pub resolved: Vec<ResolvedModel>,
    /// Models that were not found.
    pub missing: Vec<MissingModel>,
}

crate::base::debug::short_debug! { ModelReport { missing, resolved; .. } }

/// One line for each place that names a model, missing ones first.
impl fmt::Display for ModelReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} models found", self.resolved.len(), self.resolved.len() + self.missing.len())?;
        for MissingModel { usage, fitting } in &self.missing {
            match &usage.wanted {
                Some(wanted) => write!(f, "\n{}: {wanted} is not on the server", usage.title)?,
                None => write!(f, "\n{}: no model is chosen", usage.title)?,
            }
            let mut names = fitting.iter().map(|model| model.name.as_str());
            let shown: Vec<_> = names.by_ref().take(5).collect();
            match (shown.is_empty(), names.count()) {
                (true, _) => f.write_str("; no installed model fits")?,
                (false, 0) => write!(f, "; these fit: {}", shown.join(", "))?,
                (false, more) => write!(f, "; these fit: {} and {more} more", shown.join(", "))?,
            }
        }
        for ResolvedModel { usage, model, by } in &self.resolved {
            let by = match by {
                MatchedBy::Key => "key",
                MatchedBy::Hash => "hash",
                MatchedBy::Name => "name",
            };
            write!(f, "\n{}: {} ({} {}), found by its {by}", usage.title, model.name, model.base, model.model_type)?;
        }
        Ok(())
    }
}

/// The name, with base and kind where the file has them; the key or hash if that is all it has.
impl fmt::Display for WantedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Some(self.name.as_str()).filter(|name| !name.is_empty());
        f.write_str(name.or(self.key.as_deref()).or(self.hash.as_deref()).unwrap_or("a model"))?;
        match (&self.base, &self.model_type) {
            (Some(base), Some(kind)) => write!(f, " ({base} {kind})"),
            (Some(word), None) | (None, Some(word)) => write!(f, " ({word})"),
            (None, None) => Ok(()),
        }
    }
}

impl Workflow {
    /// Every model that the workflow names, including on nodes outside the form, and every required model field that is
    /// unset. Fields fed by an edge are left out.
    pub fn model_uses(&self) -> Vec<ModelUse> {
        let wiring = self.wiring();
        let stored: HashMap<&str, &Invocation> = self
            .definition()
            .document()
            .nodes
            .iter()
            .filter_map(|node| Some((node.id.as_str(), node.invocation()?)))
            .collect();
        let mut uses = Vec::new();
        for (place, node) in self.document().nodes.iter().enumerate() {
            let Some(invocation) = node.invocation() else { continue };
            let Some(template) = self.catalog().get(&invocation.node_type) else { continue };
            for (name, field) in &invocation.inputs {
                let Some(input) = invocation.template_of(template, name).filter(|input| holds_models(input)) else {
                    continue;
                };
                if wiring.is_connected(place, name) {
                    continue;
                }
                // A model from an old file no longer fits any field, but still has a name.
                let old = || stored.get(node.id.as_str()).and_then(|node| node.inputs.get(&**name)?.value.as_ref());
                let value = field.value.as_ref().or_else(old);
                let title = format!("{} -> {}", invocation.title(Some(template)), shown_title(field, input));
                collect(&mut uses, node, input, &title, value);
            }
        }
        uses
    }

    /// What the definition has in a field, which the field itself may not hold: a model that is only named, for example.
    pub(crate) fn defined_value(&self, node_id: &str, field: &str) -> Option<&serde_json::Value> {
        let node = self.definition().document().nodes.iter().find(|node| node.id == node_id)?;
        node.invocation()?.inputs.get(field)?.value.as_ref()
    }

    /// Looks up the workflow's models among those of a server (`GET /api/v2/models/`). Changes nothing.
    pub fn resolve_models(&self, installed: &[ModelRecord]) -> ModelReport {
        let known = Known::new(installed);
        let mut report = ModelReport::default();
        for usage in self.model_uses() {
            let found = usage.wanted.as_ref().and_then(|wanted| known.find(wanted, &usage.filter));
            match found {
                Some((model, by)) => report.resolved.push(ResolvedModel { usage, model: model.clone(), by }),
                None => {
                    let fitting = installed.iter().filter(|model| usage.filter.matches(model)).cloned().collect();
                    report.missing.push(MissingModel { usage, fitting });
                }
            }
        }
        report
    }

    /// Writes the models that were found into the workflow: key, hash, name, base and type as the server has them.
    /// Missing models stay as they are.
    pub fn apply_models(&mut self, report: &ModelReport) {
        for ResolvedModel { usage, model, .. } in &report.resolved {
            let nodes = self.document().nodes.iter();
            let node = nodes.filter(|node| node.id == usage.node_id.as_str()).find_map(|node| node.invocation());
            let Some(field) = node.and_then(|node| node.inputs.get(usage.field.as_str())) else { continue };
            // What no field can hold is not in the field, but its models were looked up all the same.
            let before = field.value.as_ref().or_else(|| self.defined_value(&usage.node_id, &usage.field)).cloned();
            let value = match (usage.index, before) {
                (None, before) => identifier(model, before.as_ref()),
                (Some(index), Some(Value::Array(mut items))) => {
                    match items.get_mut(index) {
                        Some(Value::Object(item)) if item.contains_key("lora") => {
                            let before = item.get("lora").cloned();
                            item.insert("lora".into(), identifier(model, before.as_ref()));
                        }
                        Some(item) => *item = identifier(model, Some(&item.clone())),
                        None => {}
                    }
                    Value::Array(items)
                }
                (Some(_), _) => continue,
            };
            self.store_value(&usage.node_id, &usage.field, Some(value));
        }
    }

    /// [`resolve_models`](Self::resolve_models), then [`apply_models`](Self::apply_models).
    pub fn use_models(&mut self, installed: &[ModelRecord]) -> ModelReport {
        let report = self.resolve_models(installed);
        self.apply_models(&report);
        report
    }
}

fn holds_models(input: &InputTemplate) -> bool {
    matches!(input.field_type.name.as_str(), "ModelIdentifierField" | "LoRAField")
}

pub(super) fn shown_title<'a>(field: &'a FieldInstance, input: &'a InputTemplate) -> &'a str {
    if field.label.is_empty() { &input.title } else { &field.label }
}

fn collect(uses: &mut Vec<ModelUse>, node: &Node, input: &InputTemplate, title: &str, value: Option<&Value>) {
    let mut filter = input.model_filter.clone();
    if input.field_type.name == "LoRAField" {
        // The list of LoRAs is filtered by base only, among LoRAs.
        filter = ModelFilter { base: filter.base, model_type: vec!["lora".into()], ..ModelFilter::default() };
    }
    let mut add = |index, wanted: Option<WantedModel>| {
        uses.push(ModelUse {
            node_id: node.id.to_string(),
            field: input.name.clone(),
            index,
            title: title.to_owned(),
            filter: filter.clone(),
            required: input.required,
            wanted,
        });
    };
    match value {
        Some(Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                add(Some(index), WantedModel::read(item.get("lora").unwrap_or(item)));
            }
        }
        Some(value) => match WantedModel::read(value) {
            Some(wanted) => add(None, Some(wanted)),
            None if input.required => add(None, None),
            None => {}
        },
        None if input.required => add(None, None),
        None => {}
    }
}

impl WantedModel {
    /// Reads an identifier, or the pair of name and base of InvokeAI 3.
    fn read(value: &Value) -> Option<Self> {
        let text =
            |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let wanted = WantedModel {
            key: text("key"),
            hash: text("hash"),
            name: text("name").or_else(|| text("model_name")).unwrap_or_default(),
            base: text("base").or_else(|| text("base_model")),
            model_type: text("type").or_else(|| text("model_type")),
        };
        (wanted.key.is_some() || wanted.hash.is_some() || !wanted.name.is_empty()).then_some(wanted)
    }
}

/// The models of a server, indexed by what identifies them.
struct Known<'a> {
    by_key: HashMap<&'a str, &'a ModelRecord>,
    by_hash: HashMap<&'a str, &'a ModelRecord>,
    by_name: HashMap<&'a str, Vec<&'a ModelRecord>>,
}

impl<'a> Known<'a> {
    fn new(installed: &'a [ModelRecord]) -> Self {
        let mut known = Known { by_key: HashMap::new(), by_hash: HashMap::new(), by_name: HashMap::new() };
        for model in installed {
            known.by_key.insert(&model.key, model);
            if let Some(hash) = model.hash.as_deref().filter(|hash| !hash.is_empty()) {
                known.by_hash.entry(hash).or_insert(model);
            }
            known.by_name.entry(&model.name).or_default().push(model);
        }
        known
    }

    fn find(&self, wanted: &WantedModel, filter: &ModelFilter) -> Option<(&'a ModelRecord, MatchedBy)> {
        if let Some(model) = wanted.key.as_deref().and_then(|key| self.by_key.get(key)) {
            return Some((model, MatchedBy::Key));
        }
        if let Some(model) = wanted.hash.as_deref().and_then(|hash| self.by_hash.get(hash)) {
            return Some((model, MatchedBy::Hash));
        }
        let same = |wanted: &Option<String>, has: &str| wanted.as_deref().is_none_or(|wanted| wanted == has);
        let mut named = self.by_name.get(wanted.name.as_str())?.iter().filter(|model| {
            // Old files do not say the type; then the field's filter decides.
            let fits = wanted.model_type.is_some() || filter.matches(model);
            same(&wanted.base, &model.base) && same(&wanted.model_type, &model.model_type) && fits
        });
        named.next().map(|model| (*model, MatchedBy::Name))
    }
}

/// The identifier of a model, with the submodel that was chosen before.
fn identifier(model: &ModelRecord, before: Option<&Value>) -> Value {
    let mut identifier = model.identifier();
    let submodel = before.and_then(|before| before.get("submodel_type"));
    if let (Some(submodel), Value::Object(members)) = (submodel, &mut identifier) {
        members.insert("submodel_type".into(), submodel.clone());
    }
    identifier
}
