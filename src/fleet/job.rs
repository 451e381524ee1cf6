//! Jobs: what is to run, without the workflow itself, which is a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{blobs::hash_of, store::QUEUE};
use crate::{
    error::{Error, Result},
    workflow::Workflow,
};

/// What an image that is a file of the fleet is called in workflows and inputs: this, and the hash.
const FILE: &str = "fleet-file:";

/// What the store has of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) submission: String,
    /// Which row of the submission it is, counted from 0.
    pub(super) place: u64,
    /// Hash of the workflow.
    pub(super) workflow: String,
    /// Values for this job alone.
    #[serde(default)]
    pub(super) inputs: Vec<InputOf>,
    /// Seconds since 1970, by the store's clock.
    #[serde(default)]
    pub(super) deadline: Option<i64>,
    /// How many attempts it was submitted with: the engine knows only how many it may have by now.
    pub(super) attempts: u32,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

/// A value for a field of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct InputOf {
    pub(super) node: String,
    pub(super) field: String,
    pub(super) value: Value,
}

/// What a server must be able to do for a job: to run this workflow, with these models.
///
/// Jobs with the same needs share a queue of the engine, named by the hash of this; so a worker asks for jobs of those
/// queues only that its server can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Needs {
    /// Hash of the workflow.
    pub(super) workflow: String,
    /// Inputs that name models, where they are not those of the workflow.
    pub(super) models: Vec<InputOf>,
}

impl Needs {
    /// JSON, always the same for the same needs.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        to_bytes(self)
    }

    /// The queue of jobs with these needs, whose description has this hash.
    pub(super) fn queue(hash: &str) -> String {
        format!("{QUEUE}{hash}")
    }

    /// The hash that a queue is named by.
    pub(super) fn hash_of_queue(queue: &str) -> &str {
        queue.strip_prefix(QUEUE).unwrap_or(queue)
    }

    pub(super) fn hash(&self) -> Result<String> {
        Ok(hash_of(&self.to_bytes()?))
    }
}

pub(super) fn to_bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| unwritten(&error))
}

pub(super) fn unwritten(error: &serde_json::Error) -> Error {
    Error::Fleet { doing: "write a description", problem: error.to_string(), passes: false }
}

pub(super) fn from_bytes<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| unread(&error))
}

pub(super) fn unread(error: &serde_json::Error) -> Error {
    let problem = format!("{error}; a newer version of this program may have written it");
    Error::Fleet { doing: "read a description", problem, passes: false }
}

/// The batch of an attempt. It follows from job and attempt, so that whoever comes later finds it.
pub(super) fn batch_id(job: &str, attempt: u32) -> String {
    let name = format!("invokeai-client fleet {job} {attempt}");
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
}

/// The name that stands for a file of the fleet: its hash, what it was called if that says something, and the ending, which
/// tells servers what it is.
pub(super) fn file_name(hash: &str, stem: &str, ending: &str) -> String {
    if stem.is_empty() { format!("{FILE}{hash}.{ending}") } else { format!("{FILE}{hash}.{stem}.{ending}") }
}

/// The hash of the file that a name stands for.
pub(super) fn file_of(name: &str) -> Option<&str> {
    name.strip_prefix(FILE)?.split('.').next()
}

/// What the file was called that a name stands for, without its ending.
pub(super) fn stem_of(name: &str) -> Option<&str> {
    let (_, file) = name.strip_prefix(FILE)?.split_once('.')?;
    Some(file.rsplit_once('.')?.0)
}

/// All files of the fleet that a value names as images.
pub(super) fn files_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "image_name" && file_of(text).is_some() => {
                        if !found.contains(text) {
                            found.push(text.clone());
                        }
                    }
                    value => files_in(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| files_in(item, found)),
        _ => {}
    }
}

/// The same value with the names that the files have got on a server.
pub(super) fn with_names(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members.iter_mut() {
                match value {
                    Value::String(text) if member == "image_name" => {
                        if let Some(name) = names.get(text) {
                            name.clone_into(text);
                        }
                    }
                    value => with_names(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| with_names(item, names)),
        _ => {}
    }
}

/// Sets the inputs of a job.
pub(super) fn apply(workflow: &mut Workflow, inputs: &[InputOf]) -> Result<()> {
    for InputOf { node, field, value } in inputs {
        workflow.set_node_field(node, field, value.clone())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_follows_from_job_and_attempt() {
        assert_eq!(batch_id("a", 0), batch_id("a", 0));
        assert_ne!(batch_id("a", 0), batch_id("a", 1));
        assert_ne!(batch_id("a", 1), batch_id("b", 1));
    }

    #[test]
    fn files_are_found_and_named_wherever_they_are() {
        let name = file_name("abc", "my. picture", "png");
        let mut value = serde_json::json!({
            "nodes": [{"image_name": name, "other": name}, [{"image_name": "mine.png"}, {"image_name": name}]],
        });
        let mut found = Vec::new();
        files_in(&value, &mut found);
        assert_eq!(found, [name.as_str()]);
        assert_eq!((file_of(&name), stem_of(&name)), (Some("abc"), Some("my. picture")));
        assert_eq!((file_of("fleet-file:abc.png"), stem_of("fleet-file:abc.png")), (Some("abc"), None));
        with_names(&mut value, &BTreeMap::from([(name.clone(), "on-server.png".to_owned())]));
        assert_eq!(value["nodes"][0]["image_name"], "on-server.png");
        assert_eq!(value["nodes"][0]["other"], name.as_str());
        assert_eq!(value["nodes"][1][1]["image_name"], "on-server.png");
    }
}
