//! Saved workflows.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use super::{
    Download,
    iter::Iter,
    mirror::{Mirror as _, mirror},
};
use crate::{
    Direction, Page, Upload,
    error::Result,
    library::{self, SavedWorkflow, WorkflowCategory, WorkflowOrder},
    workflow::WorkflowDefinition,
};

mirror! {
    /// The workflow library of a server, from [`Client::library`](super::Client::library).
    #[derive(Clone)]
    pub struct Library = library::Library;

    /// Lists workflows: `call` gives a page, [`ListWorkflows::stream`] all of them.
    open fn list(&self) -> ListWorkflows;
    /// Finds the workflow with exactly this name or, failing that, with this id; `None` if there is none.
    call fn find(&self, name_or_id: &str) -> Result<Option<SavedWorkflow>>;
    /// Suggests names of workflows, for messages: at most 10 with this text in name, description or tags.
    call fn suggest(&self, text: &str) -> Result<Vec<String>>;
    /// Saves a workflow as a new one of category `user`, whatever id and category it has.
    call fn create(&self, definition: &WorkflowDefinition) -> Result<SavedWorkflow>;
    /// Saves the workflow in a file, or in a PNG image made by InvokeAI.
    call fn create_from_file(&self, path: impl Into<PathBuf>) -> Result<SavedWorkflow>;
    /// Lists all tags of the workflows in these categories, or in all categories if none is given. Since 6.13.
    call fn tags(&self, categories: &[WorkflowCategory]) -> Result<Vec<String>>;
    /// Counts the workflows that have each of these tags.
    call fn count_by_tag(
        &self,
        tags: impl IntoIterator<Item = impl Into<String>>,
        categories: &[WorkflowCategory],
    ) -> Result<IndexMap<String, u64>>;
    /// Counts the workflows in each of these categories.
    call fn count_by_category(&self, categories: &[WorkflowCategory]) -> Result<IndexMap<String, u64>>;
}

mirror! {
    /// One saved workflow, from [`Client::saved_workflow`](super::Client::saved_workflow).
    #[derive(Clone)]
    pub struct SavedWorkflowHandle = library::SavedWorkflowHandle;

    /// Id of the workflow.
    get fn id(&self) -> &str;
    /// Fetches the workflow's record, without its content.
    call fn get(&self) -> Result<SavedWorkflow>;
    /// Fetches the workflow's record, or `None` if it does not exist.
    call fn find(&self) -> Result<Option<SavedWorkflow>>;
    /// Fetches the workflow itself, with its id.
    call fn definition(&self) -> Result<WorkflowDefinition>;
    /// Writes the workflow to a file, as the editor's download does: JSON, indented by two spaces.
    call fn to_file(&self, path: impl AsRef<Path>) -> Result<()>;
    /// Replaces the workflow's content. Its id stays.
    call fn update(&self, definition: &WorkflowDefinition) -> Result<SavedWorkflow>;
    /// Deletes the workflow and its thumbnail.
    call fn delete(&self) -> Result<()>;
    /// Shows it to all users, or only to its owner. Since 6.13.
    call fn set_public(&self, is_public: bool) -> Result<SavedWorkflow>;
    /// Records that it was opened just now, as the editor does after loading it. Reading alone records nothing.
    call fn mark_opened(&self) -> Result<()>;
    /// Its thumbnail, a WebP image of 256 pixels. The server labels it PNG.
    open fn thumbnail(&self) -> Download;
    /// Sets its thumbnail, from any image that InvokeAI reads.
    call fn set_thumbnail(&self, image: impl Into<Upload>) -> Result<()>;
    /// Deletes its thumbnail, if it has one.
    call fn delete_thumbnail(&self) -> Result<()>;
}

mirror! {
    /// A list of saved workflows under construction, from [`Library::list`](super::Library::list). Default: by name,
    /// the user's and the shipped ones together.
    #[derive(Clone)]
    #[must_use = "nothing is sent before `call`"]
    pub struct ListWorkflows = library::ListWorkflows;

    /// Only workflows with this text in name, description or tags.
    set fn search(self, text: impl Into<String>) -> Self;
    /// Only workflows of these categories.
    set fn categories(self, categories: impl IntoIterator<Item = WorkflowCategory>) -> Self;
    /// Only workflows with one of these texts in their tags. The server looks for the text inside of tags: `art` also
    /// finds `smart`.
    set fn tags(self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self;
    /// Only workflows that have been opened, or only those that never were.
    set fn opened(self, opened: bool) -> Self;
    /// Only workflows that all users see, or only the others. Since 6.13.
    set fn public(self, public: bool) -> Self;
    /// Only workflows that another workflow can call, or only the others. Since 6.14.
    set fn callable(self, callable: bool) -> Self;
    /// Sets the sort key. Default: name.
    set fn order_by(self, order: WorkflowOrder) -> Self;
    /// Sets the sort direction. Default: ascending.
    set fn direction(self, direction: Direction) -> Self;
    /// Skips this many entries at the beginning.
    set fn offset(self, offset: u64) -> Self;
    /// Sets how many entries a page has at most. 0 stands for all. Default: 100.
    set fn limit(self, limit: u64) -> Self;
    /// All entries from the offset on, fetched page by page as the iterator is read. A list that the server gives only
    /// as a whole is fetched once.
    iter fn stream(self) -> Iter<Result<SavedWorkflow>>;
    /// Fetches one page.
    finish fn call(self) -> Result<Page<SavedWorkflow>>;
}
