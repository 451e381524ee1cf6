//! The printed form of an item: a line of JSON for programs, a few lines for people.

use std::collections::HashMap;

use invokeai_client::{
    FinishedJob, Job,
    outputs::{OutputFile, Outputs},
    queue::{FieldValue, ItemStatus},
    workflow::Workflow,
};
use serde_json::{Map, Value, json};

use super::{results::Here, uploads::Uploads};
use crate::{
    failure::with_causes,
    print::{Text, paint},
    style,
};

/// How an item ended, as far as that was reported.
pub(super) struct Told<'a> {
    pub(super) item_id: i64,
    pub(super) batch_id: &'a str,
    /// Its number among the items of the run, from 1.
    pub(super) index: Option<usize>,
    pub(super) status: &'a ItemStatus,
    pub(super) error: Option<String>,
    /// The values that the batch put into it.
    pub(super) values: Map<String, Value>,
    pub(super) outputs: Vec<Value>,
    pub(super) files: Value,
}

impl Told<'_> {
    pub(super) fn json(self) -> Value {
        json!({
            "item_id": self.item_id,
            "batch_id": self.batch_id,
            "index": self.index,
            "status": self.status,
            "error": self.error,
            "values": self.values,
            "outputs": self.outputs,
            "files": self.files,
        })
    }
}

/// An item that has ended, and its results.
pub(super) struct Ended<'a> {
    pub(super) job: &'a Job,
    pub(super) end: &'a invokeai_client::Result<FinishedJob>,
    /// Its number among the items of the run, from 1.
    pub(super) index: Option<usize>,
    /// The values that the batch put into it.
    pub(super) values: &'a Map<String, Value>,
    pub(super) outputs: Option<&'a Outputs>,
    /// The results that are on this machine.
    pub(super) here: &'a HashMap<String, Here>,
}

impl Ended<'_> {
    fn status(&self) -> ItemStatus {
        self.job.status().unwrap_or_else(|| ItemStatus::from("gone"))
    }

    /// The line for programs. `trouble` is what went wrong with the results.
    pub(super) fn json(&self, trouble: &[String]) -> Value {
        let error = self.end.as_ref().err().map(|error| with_causes(error));
        Told {
            item_id: self.job.item_id(),
            batch_id: self.job.submission().batch_id(),
            index: self.index,
            status: &self.status(),
            error: error.or_else(|| (!trouble.is_empty()).then(|| trouble.join("; "))),
            values: self.values.clone(),
            outputs: self.outputs.map(|found| outputs(found, self.here)).unwrap_or_default(),
            files: self.outputs.map(|found| files(found, self.here)).unwrap_or_default().into(),
        }
        .json()
    }
}

/// The files of the results, in their order.
fn files(outputs: &Outputs, here: &HashMap<String, Here>) -> Vec<Value> {
    let results = outputs.final_images().into_iter().chain(outputs.final_videos());
    results.filter_map(|file| here.get(&file.name)).map(|here| json!(here.path)).collect()
}

/// The values that the batch put into an item, by the names of the inputs.
pub(super) fn values(workflow: &Workflow, uploads: &Uploads, values: &[FieldValue]) -> Map<String, Value> {
    let named = values.iter().map(|value| {
        let name = workflow.name_of_field(&value.node_path, &value.field_name);
        (name, uploads.shown(&value.value))
    });
    named.collect()
}

/// Every output of every node: an image or video with its name and size, or the value.
pub(super) fn outputs(outputs: &Outputs, here: &HashMap<String, Here>) -> Vec<Value> {
    let mut lines = Vec::new();
    for node in outputs.nodes() {
        let Some(members) = node.raw().as_object() else { continue };
        let output_type = members.get("type");
        for (field, value) in members.iter().filter(|(name, _)| *name != "type") {
            let is_in = |file: &&OutputFile| {
                let rest = file.field.strip_prefix(field.as_str());
                let is_part = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
                is_part
                    && (&file.node.id, &file.iteration, file.item_id) == (&node.node.id, &node.iteration, node.item_id)
            };
            let files: Vec<&OutputFile> = outputs.files().iter().filter(is_in).collect();
            let head = |field: &str| {
                json!({
                    "node_id": node.node.id,
                    "label": node.node.name(),
                    "type": output_type,
                    "field": field,
                })
            };
            if files.is_empty() {
                let mut line = head(field);
                line["value"] = value.clone();
                lines.push(line);
            }
            for file in files {
                let mut line = head(&file.field);
                let name = if file.kind == invokeai_client::outputs::FileKind::Video { "video" } else { "image" };
                line[name] = json!(file.name);
                line["width"] = json!(file.width);
                line["height"] = json!(file.height);
                line["board"] = json!(file.board_id);
                line["intermediate"] = json!(file.is_intermediate);
                if let Some(here) = here.get(&file.name) {
                    line["file"] = json!(here.path);
                    line["existed"] = json!(here.existed);
                }
                lines.push(line);
            }
        }
    }
    lines
}

impl Ended<'_> {
    /// The lines for people: the images, or the values if there are no images.
    pub(super) fn lines(&self) -> Vec<Text> {
        let Self { job, end, outputs, here, .. } = self;
        let status = self.status();
        let first = match end {
            Ok(_) => {
                Text::from(format!("item {} ", job.item_id())).then(paint(style::of_status(status.as_str()), status))
            }
            Err(error) if error.is_retryable() => {
                format!("item {} may still run: {}", job.item_id(), with_causes(error)).into()
            }
            Err(error) => with_causes(error).into(),
        };
        let mut lines = vec![first];
        let Some(outputs) = *outputs else { return lines };
        let results: Vec<&OutputFile> = outputs.final_images().into_iter().chain(outputs.final_videos()).collect();
        for file in &results {
            lines.push(match here.get(&file.name) {
                Some(Here { path, existed: false }) => format!("  {}", path.display()).into(),
                Some(Here { path, existed: true }) => format!("  {} (already existed)", path.display()).into(),
                None => format!("  {}", file.name).into(),
            });
        }
        if results.is_empty() {
            for node in outputs.nodes() {
                let members = node.raw().as_object().into_iter().flatten().filter(|(name, _)| *name != "type");
                for (field, value) in members.filter(|(_, value)| !value.is_object()) {
                    lines.push(format!("  {}, {field}: {value}", node.node.name()).into());
                }
            }
        }
        lines
    }
}
