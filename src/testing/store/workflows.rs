//! The library of workflows.

use super::Store;
use bytes::Bytes;
use serde_json::{Value, json};

/// A saved workflow.
#[derive(Debug, Clone)]
pub(crate) struct SavedWorkflow {
    pub(crate) id: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) opened_at: Option<String>,
    pub(crate) user_id: String,
    pub(crate) is_public: bool,
    /// With its id.
    pub(crate) workflow: Value,
    /// WebP, and a number that changes with it.
    pub(crate) thumbnail: Option<(String, Bytes)>,
}

impl SavedWorkflow {
    pub(crate) fn name(&self) -> &str {
        self.workflow["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn category(&self) -> &str {
        self.workflow["meta"]["category"].as_str().unwrap_or_default()
    }

    pub(crate) fn tags(&self) -> &str {
        self.workflow["tags"].as_str().unwrap_or_default()
    }

    /// Members that all its forms have.
    fn head(&self) -> Value {
        json!({
            "workflow_id": self.id,
            "name": self.name(),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "opened_at": self.opened_at,
            "user_id": self.user_id,
            "is_public": self.is_public,
        })
    }

    /// `WorkflowRecordDTO`.
    pub(crate) fn dto(&self) -> Value {
        let mut dto = self.head();
        dto["workflow"] = self.workflow.clone();
        dto
    }

    /// `WorkflowRecordWithThumbnailDTO`.
    pub(crate) fn full_dto(&self) -> Value {
        let mut dto = self.dto();
        self.add_tail(&mut dto);
        dto
    }

    /// `WorkflowRecordListItemWithThumbnailDTO`.
    pub(crate) fn list_item(&self) -> Value {
        let mut dto = self.head();
        dto["description"] = self.workflow["description"].clone();
        dto["category"] = self.category().into();
        dto["tags"] = self.tags().into();
        self.add_tail(&mut dto);
        dto
    }

    fn add_tail(&self, dto: &mut Value) {
        let url = |(number, _): &(String, Bytes)| format!("api/v1/workflows/i/{}/thumbnail?{number}", self.id);
        dto["thumbnail_url"] = self.thumbnail.as_ref().map(url).into();
        let returns = self.workflow["nodes"].as_array().into_iter().flatten();
        let returns = returns.filter(|node| node["data"]["type"] == "workflow_return").count();
        dto["call_saved_workflow_compatibility"] = if returns == 1 {
            json!({"is_callable": true, "reason": "ok", "message": null})
        } else {
            json!({"is_callable": false, "reason": "missing_workflow_return",
                "message": "The workflow must contain exactly one workflow_return node."})
        };
    }
}

impl Store {
    /// Whether this user may see the workflow.
    pub(crate) fn may_see(&self, workflow: &SavedWorkflow, user_id: &str, is_admin: bool) -> bool {
        is_admin
            || !self.users.multiuser
            || workflow.is_public
            || workflow.user_id == user_id
            || workflow.category() == "default"
    }
}
