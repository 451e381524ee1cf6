//! The workflow library: workflows saved on a server.
//!
//! [`Client::library`] lists, finds and saves; [`Client::saved_workflow`] works with one.
//!
//! ```no_run
//! # async fn example(client: invokeai_client::Client) -> Result<(), Box<dyn std::error::Error>> {
//! use invokeai_client::workflow::WorkflowDefinition;
//!
//! let definition = WorkflowDefinition::from_path("portrait.json")?;
//! let saved = client.library().create(&definition).await?;
//! client.saved_workflow(&saved.workflow_id).set_public(true).await?;
//!
//! let portrait = client.library().find("Portrait").await?;
//! # Ok(())
//! # }
//! ```
//!
//! The workflows that InvokeAI ships (category `default`) are read-only. The server answers attempts to change them
//! with a bare 500, so this module refuses them first, with a message that says why.

mod list;
mod run;

pub use list::{ListWorkflows, WorkflowOrder};

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
};

use futures::StreamExt as _;
use indexmap::IndexMap;
use serde_json::{Value, json, value::RawValue};

use crate::{
    Client, Timestamp, Upload,
    api::enums,
    base::open_enum::open_enum,
    download::{Download, Source},
    error::{Error, Result},
    json::{lenient, member::member},
    transport::page::{self, found},
    workflow::{DefinitionError, WorkflowDefinition},
};

open_enum! {
    /// Whether a saved workflow is a user's or InvokeAI's own.
    WorkflowCategory {
        /// Saved by a user.
        User = "user",
        /// Shipped with InvokeAI; read-only.
        Default = "default",
    }
}

/// A saved workflow without its content, as in lists.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct SavedWorkflow {
    /// Id on this server. Those of shipped workflows begin with `default_`.
    pub workflow_id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// What it does, in its author's words.
    pub description: String,
    /// Its category. The server's answers to saving do not have it.
    pub category: Option<WorkflowCategory>,
    /// Its tags, comma-separated.
    pub tags: Option<String>,
    /// When it was first saved.
    pub created_at: Option<Timestamp>,
    /// When it was last saved.
    pub updated_at: Option<Timestamp>,
    /// When somebody last opened it.
    pub opened_at: Option<Timestamp>,
    /// Its owner. Since 6.13.
    pub user_id: Option<String>,
    /// Whether all users see it. Since 6.13; on a server with one user, new ones are public.
    pub is_public: Option<bool>,
    /// Address of its thumbnail, relative to the server's, if it has one.
    pub thumbnail_url: Option<String>,
    /// Whether another workflow can call it. Since 6.14.
    pub call_saved_workflow_compatibility: Option<CallCompatibility>,
}

crate::json::record::readable! {
    SavedWorkflow {
        0 workflow_id, 1 name, 2 description default, 3 category nullable, 4 tags nullable, 5 created_at nullable,
        6 updated_at nullable, 7 opened_at nullable, 8 user_id nullable, 9 is_public nullable,
        10 thumbnail_url nullable, 11 call_saved_workflow_compatibility nullable,
    }
}

crate::base::debug::short_debug! {
    SavedWorkflow {
        workflow_id, name, description, category, tags, created_at, updated_at, opened_at, user_id, is_public,
        thumbnail_url, call_saved_workflow_compatibility
    }
}

/// Whether a workflow can be called by another one (node `call_saved_workflow`).
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct CallCompatibility {
    /// Whether it can be called.
    pub is_callable: bool,
    /// The server's code for why not, for example `missing_workflow_return`.
    pub reason: Option<String>,
    /// The reason in words.
    pub message: Option<String>,
}

crate::json::record::readable! { CallCompatibility { 0 is_callable, 1 reason nullable, 2 message nullable } }

crate::base::debug::short_debug! { CallCompatibility { is_callable, reason, message } }

/// The workflow library of a server, from [`Client::library`].
#[derive(Clone)]
pub struct Library {
    client: Client,
}

crate::base::debug::short_debug! { Library { client } }

/// One saved workflow, from [`Client::saved_workflow`].
#[derive(Clone)]
pub struct SavedWorkflowHandle {
    client: Client,
    id: String,
}

crate::base::debug::short_debug! { SavedWorkflowHandle { client, id } }

impl Client {
    /// The workflow library of the server.
    pub fn library(&self) -> Library {
        Library { client: self.clone() }
    }

    /// The saved workflow with this id. Sends nothing yet.
    pub fn saved_workflow(&self, workflow_id: impl Into<String>) -> SavedWorkflowHandle {
        SavedWorkflowHandle { client: self.clone(), id: workflow_id.into() }
    }
}

impl Library {
    /// Lists workflows: `.await` gives a page, [`ListWorkflows::stream`] all of them.
    pub fn list(&self) -> ListWorkflows {
        ListWorkflows::new(&self.client)
    }

    /// Finds the workflow with exactly this name or, failing that, with this id; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Ambiguous`] with their ids if several have this name; any error of a call.
    pub async fn find(&self, name_or_id: &str) -> Result<Option<SavedWorkflow>> {
        // The server looks for the text anywhere in name, description and tags.
        let listed = self.list().search(name_or_id).stream();
        let mut found = page::matching(listed, |workflow: &SavedWorkflow| workflow.name == name_or_id).await?;
        if found.len() > 1 {
            let ids = found.into_iter().map(|workflow| workflow.workflow_id).collect();
            return Err(Error::Ambiguous { what: "workflow", name: name_or_id.to_owned(), ids });
        }
        match found.pop() {
            None if is_id(name_or_id) => self.client.saved_workflow(name_or_id).find().await,
            found => Ok(found),
        }
    }

    /// Suggests names of workflows, for messages: at most 10 with this text in name, description or tags.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn suggest(&self, text: &str) -> Result<Vec<String>> {
        let near: Vec<_> = self.list().search(text).limit(10).stream().take(10).collect().await;
        Ok(near.into_iter().flatten().map(|workflow| workflow.name).collect())
    }

    /// Saves a workflow as a new one of category `user`, whatever id and category it has.
    ///
    /// # Errors
    /// [`Error::NotAccepted`] if it lacks something that the server requires of a workflow; any error of a call.
    pub async fn create(&self, definition: &WorkflowDefinition) -> Result<SavedWorkflow> {
        let api = self.client.api();
        let body = json!({ "workflow": storable(definition, None) });
        api.create_workflow().send_json_as(&body).await
    }

    /// Saves the workflow in a file, or in a PNG image made by InvokeAI.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::InvalidInput`] if it does not contain a workflow; otherwise
    /// as [`create`](Self::create).
    pub async fn create_from_file(&self, path: impl Into<PathBuf>) -> Result<SavedWorkflow> {
        let path = path.into();
        let from = path.clone();
        let read = tokio::task::spawn_blocking(move || WorkflowDefinition::from_path(from)).await;
        let definition = match read {
            Ok(Ok(definition)) => definition,
            Ok(Err(DefinitionError::Io(error))) => return Err(Error::io("read", path, error)),
            Ok(Err(error)) => {
                return Err(Error::invalid("path", format!("`{}` is not a workflow: {error}", path.display())));
            }
            Err(error) => return Err(Error::io("read", path, std::io::Error::other(error))),
        };
        self.create(&definition).await
    }

    /// Lists all tags of the workflows in these categories, or in all categories if none is given. Since 6.13.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn tags(&self, categories: &[WorkflowCategory]) -> Result<Vec<String>> {
        let api = self.client.api();
        api.get_all_tags().maybe_categories(to_sent(categories)).send_as().await
    }

    /// Counts the workflows that have each of these tags.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn count_by_tag(
        &self,
        tags: impl IntoIterator<Item = impl Into<String>>,
        categories: &[WorkflowCategory],
    ) -> Result<IndexMap<String, u64>> {
        let api = self.client.api();
        let tags: Vec<String> = tags.into_iter().map(Into::into).collect();
        api.get_counts_by_tag().tags(tags).maybe_categories(to_sent(categories)).send_as().await
    }

    /// Counts the workflows in each of these categories.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn count_by_category(&self, categories: &[WorkflowCategory]) -> Result<IndexMap<String, u64>> {
        let api = self.client.api();
        let categories = to_sent(categories).unwrap_or_default();
        api.counts_by_category().categories(categories).send_as().await
    }
}

/// Whether this may be an id: ids are UUIDs, with or without `default_` in front.
fn is_id(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn to_sent(categories: &[WorkflowCategory]) -> Option<Vec<enums::WorkflowCategory>> {
    let categories: Vec<_> = categories.iter().map(|category| category.as_str().into()).collect();
    Some(categories).filter(|list| !list.is_empty())
}

/// A workflow as the server takes it: of category `user`, with the id that decides what an update replaces.
fn storable(definition: &WorkflowDefinition, id: Option<&str>) -> Value {
    let mut workflow = definition.as_value().clone();
    if let Some(workflow) = workflow.as_object_mut() {
        match id {
            Some(id) => workflow.insert("id".into(), id.into()),
            None => workflow.shift_remove("id"),
        };
        if let Some(meta) = workflow.get_mut("meta").and_then(Value::as_object_mut) {
            meta.insert("category".into(), WorkflowCategory::User.as_str().into());
        }
    }
    workflow
}

impl SavedWorkflowHandle {
    /// Id of the workflow.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Fetches the workflow's record, without its content.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; any error of a call.
    pub async fn get(&self) -> Result<SavedWorkflow> {
        let mut record = self.record().await?;
        // Here these three are members of the content only.
        for member in ["description", "tags", "category"] {
            let content = &record["workflow"];
            let value = if member == "category" { &content["meta"][member] } else { &content[member] };
            if let (None, false) = (record.get(member), value.is_null()) {
                record[member] = value.clone();
            }
        }
        decode("get_workflow", record)
    }

    /// Fetches the workflow's record, or `None` if it does not exist.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn find(&self) -> Result<Option<SavedWorkflow>> {
        found(self.get().await)
    }

    /// Fetches the workflow itself, with its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it does not exist; [`Error::Decode`] if the editor would not load what is stored (the
    /// server checks little of it); any error of a call.
    pub async fn definition(&self) -> Result<WorkflowDefinition> {
        let api = self.client.api();
        let record = api.get_workflow().workflow_id(&self.id).send_as::<Box<RawValue>>().await?;
        // The content is read straight from its text. If it is not an object, the record itself is read, for the error.
        let content = member(record.get(), &["workflow"], PhantomData::<&RawValue>).map(RawValue::get);
        let text = content.ok().filter(|content| content.starts_with('{')).unwrap_or(record.get());
        text.parse().map_err(|error: DefinitionError| {
            Error::decode("get_workflow", "workflow", error.to_string(), record.get())
        })
    }

    async fn record(&self) -> Result<Value> {
        let api = self.client.api();
        api.get_workflow().workflow_id(&self.id).send_as().await
    }

    /// Writes the workflow to a file, as the editor's download does: JSON, indented by two spaces.
    ///
    /// # Errors
    /// As [`definition`](Self::definition), and [`Error::Io`] if the file cannot be written.
    pub async fn to_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let definition = self.definition().await?;
        let text = format!("{:#}\n", definition.as_value());
        crate::download::write_file_at(path.as_ref(), text.into()).await
    }

    /// Replaces the workflow's content. Its id stays.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is one that InvokeAI ships; [`Error::NotFound`] if it does not exist;
    /// [`Error::NotAccepted`] if the content lacks something that the server requires; any error of a call.
    pub async fn update(&self, definition: &WorkflowDefinition) -> Result<SavedWorkflow> {
        self.can_be_changed()?;
        let api = self.client.api();
        // The id in the body decides, not the one in the path.
        let body = json!({ "workflow": storable(definition, Some(&self.id)) });
        api.update_workflow().workflow_id(&self.id).send_json_as(&body).await
    }

    /// Deletes the workflow and its thumbnail.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is one that InvokeAI ships; [`Error::NotFound`] if it does not exist; any error of
    /// a call.
    pub async fn delete(&self) -> Result<()> {
        self.can_be_changed()?;
        let api = self.client.api();
        api.delete_workflow().workflow_id(&self.id).send().await.map(drop)
    }

    /// Shows it to all users, or only to its owner. Since 6.13.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn set_public(&self, is_public: bool) -> Result<SavedWorkflow> {
        self.can_be_changed()?;
        let api = self.client.api();
        let body = json!({ "is_public": is_public });
        api.update_workflow_is_public().workflow_id(&self.id).send_json_as(&body).await
    }

    /// Records that it was opened just now, as the editor does after loading it. Reading alone records nothing.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn mark_opened(&self) -> Result<()> {
        let api = self.client.api();
        api.update_opened_at().workflow_id(&self.id).send().await.map(drop)
    }

    /// Its thumbnail, a WebP image of 256 pixels. The server labels it PNG.
    pub fn thumbnail(&self) -> Download {
        Download::new(&self.client, Source::WorkflowThumbnail(self.id.clone()))
    }

    /// Sets its thumbnail, from any image that InvokeAI reads.
    ///
    /// # Errors
    /// As [`delete`](Self::delete), and [`Error::NotAccepted`] if the file is not an image.
    pub async fn set_thumbnail(&self, image: impl Into<Upload>) -> Result<()> {
        self.can_be_changed()?;
        let api = self.client.api();
        api.set_workflow_thumbnail().workflow_id(&self.id).image(image).send().await.map(drop)
    }

    /// Deletes its thumbnail, if it has one.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn delete_thumbnail(&self) -> Result<()> {
        self.can_be_changed()?;
        // The server answers a bare 500 if there is none.
        if self.get().await?.thumbnail_url.is_none() {
            return Ok(());
        }
        let api = self.client.api();
        api.delete_workflow_thumbnail().workflow_id(&self.id).send().await.map(drop)
    }

    fn can_be_changed(&self) -> Result<()> {
        match self.id.starts_with("default_") {
            true => Err(Error::WrongState {
                what: format!("the workflow `{}`", self.id),
                state: "is one that InvokeAI ships".into(),
                needed: "these can only be read",
                advice: "save a copy of it, and change that",
                passes: false,
            }),
            false => Ok(()),
        }
    }
}

fn decode(operation: &'static str, value: Value) -> Result<SavedWorkflow> {
    lenient::from_value(&value).map_err(|misfit| Error::misfit(operation, "", &misfit, &value.to_string()))
}
