//! Lists of saved workflows.

use super::{SavedWorkflow, WorkflowCategory, to_sent};
use crate::{
    Client,
    client::lists::paged,
    error::Result,
    transport::page::{Direction, Page, RawPage},
};

/// Sort key of a list of saved workflows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WorkflowOrder {
    /// Name.
    #[default]
    Name,
    /// When they were first saved.
    CreatedAt,
    /// When they were last saved.
    UpdatedAt,
    /// When somebody last opened them.
    OpenedAt,
}

/// A list of saved workflows under construction, from [`Library::list`](super::Library::list). Default: by name, the
/// user's and the shipped ones together.
#[derive(Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListWorkflows {
    client: Client,
    search: Option<String>,
    categories: Vec<WorkflowCategory>,
    tags: Vec<String>,
    opened: Option<bool>,
    public: Option<bool>,
    callable: Option<bool>,
    order: WorkflowOrder,
    direction: Direction,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! {
    ListWorkflows {
        client, search, categories, tags, opened, public, callable, order, direction, offset, limit
    }
}

impl ListWorkflows {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            search: None,
            categories: Vec::new(),
            tags: Vec::new(),
            opened: None,
            public: None,
            callable: None,
            order: WorkflowOrder::Name,
            direction: Direction::Ascending,
            offset: 0,
            limit: 100,
        }
    }

    /// Only workflows with this text in name, description or tags.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.search = Some(text.into());
        self
    }

    /// Only workflows of these categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = WorkflowCategory>) -> Self {
        self.categories = categories.into_iter().collect();
        self
    }

    /// Only workflows with one of these texts in their tags. The server looks for the text inside of tags: `art` also
    /// finds `smart`.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Only workflows that have been opened, or only those that never were.
    pub fn opened(mut self, opened: bool) -> Self {
        self.opened = Some(opened);
        self
    }

    /// Only workflows that all users see, or only the others. Since 6.13.
    pub fn public(mut self, public: bool) -> Self {
        self.public = Some(public);
        self
    }

    /// Only workflows that another workflow can call, or only the others. Since 6.14.
    pub fn callable(mut self, callable: bool) -> Self {
        self.callable = Some(callable);
        self
    }

    /// Sets the sort key. Default: name.
    pub fn order_by(mut self, order: WorkflowOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets the sort direction. Default: ascending.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// The server counts in pages. A part that does not begin with a page lies on two of them.
    async fn fetch(self) -> Result<Page<SavedWorkflow>> {
        let Self { offset, limit, .. } = self;
        // A limit of 0 stands for all.
        let number = offset.checked_div(limit).unwrap_or(0);
        let skipped = offset - number * limit;
        let mut page = self.clone().page(number).await?;
        let left = usize::try_from(skipped).unwrap_or(usize::MAX);
        page.items.drain(..left.min(page.items.len()));
        if limit != 0 && skipped != 0 && page.total > (number + 1).saturating_mul(limit) {
            let next = self.page(number + 1).await?.items;
            page.items.extend(next.into_iter().take(left));
        }
        page.offset = offset;
        Ok(page)
    }

    async fn page(self, number: u64) -> Result<Page<SavedWorkflow>> {
        let api = self.client.api();
        let order = match self.order {
            WorkflowOrder::Name => "name",
            WorkflowOrder::CreatedAt => "created_at",
            WorkflowOrder::UpdatedAt => "updated_at",
            WorkflowOrder::OpenedAt => "opened_at",
        };
        let call = api
            .list_workflows()
            .maybe_query(self.search)
            .maybe_categories(to_sent(&self.categories))
            .maybe_tags(Some(self.tags).filter(|tags| !tags.is_empty()))
            .maybe_has_been_opened(self.opened)
            .maybe_is_public(self.public)
            .maybe_callable(self.callable)
            .order_by(order)
            .direction(self.direction.as_str())
            .page(number)
            .per_page(self.limit)
            .send_as::<RawPage>();
        call.await?.read("list_workflows", self.offset)
    }
}

paged! { ListWorkflows => SavedWorkflow, pages, "0 stands for all. Default: 100." }
