//! Lists of saved workflows.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use futures::Stream;

use super::{SavedWorkflow, WorkflowCategory, to_sent};
use crate::{
    Client,
    error::Result,
    page::{self, Direction, Page, RawPage},
};

/// By what saved workflows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WorkflowOrder {
    /// Their names.
    #[default]
    Name,
    /// When they were saved first.
    CreatedAt,
    /// When they were saved last.
    UpdatedAt,
    /// When somebody opened them last.
    OpenedAt,
}

/// A list of saved workflows under construction, from [`Library::list`](super::Library::list). By name, the user's and
/// the shipped ones together, unless told otherwise.
#[derive(Debug, Clone)]
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
    page: u64,
    limit: u64,
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
            page: 0,
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

    /// Only workflows with one of these texts in their tags. The server compares parts: `art` finds `smart`, too.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Only workflows that were opened, or that never were.
    pub fn opened(mut self, opened: bool) -> Self {
        self.opened = Some(opened);
        self
    }

    /// Only workflows that all users see, or that they do not. Since 6.13.
    pub fn public(mut self, public: bool) -> Self {
        self.public = Some(public);
        self
    }

    /// Only workflows that others can call, or cannot. Since 6.14.
    pub fn callable(mut self, callable: bool) -> Self {
        self.callable = Some(callable);
        self
    }

    /// Sets by what to order, and which way.
    pub fn order_by(mut self, order: WorkflowOrder, direction: Direction) -> Self {
        (self.order, self.direction) = (order, direction);
        self
    }

    /// Sets which page to get, from 0.
    pub fn page(mut self, page: u64) -> Self {
        self.page = page;
        self
    }

    /// Sets how many workflows a page has; 0 for all. 100 without.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// All workflows, fetched page by page as the stream is read.
    pub fn stream(self) -> impl Stream<Item = Result<SavedWorkflow>> + Send + use<> {
        let limit = self.limit.max(1);
        let first = self.page * self.limit;
        page::stream(first, move |offset| self.clone().page(offset / limit).fetch())
    }

    async fn fetch(self) -> Result<Page<SavedWorkflow>> {
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
            .page(self.page)
            .per_page(self.limit)
            .send_as::<RawPage>();
        call.await?.read("list_workflows", self.page * self.limit)
    }
}

impl IntoFuture for ListWorkflows {
    type Output = Result<Page<SavedWorkflow>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.fetch())
    }
}
