//! Lists of boards.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use futures::Stream;
use serde_json::value::RawValue;

use super::Board;
use crate::{
    Client,
    error::Result,
    page::{self, Direction, Page, RawList, RawPage},
};

/// By what boards are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BoardOrder {
    /// When they were made.
    #[default]
    CreatedAt,
    /// Their names.
    Name,
}

/// A list of boards under construction, from [`Boards::list`](super::Boards::list).
#[derive(Debug, Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListBoards {
    client: Client,
    order: BoardOrder,
    direction: Direction,
    archived: bool,
    offset: u64,
    limit: u64,
}

impl ListBoards {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            order: BoardOrder::default(),
            direction: Direction::default(),
            archived: false,
            offset: 0,
            limit: 100,
        }
    }

    /// Sets by what to order, and which way. Newest first without.
    pub fn order_by(mut self, order: BoardOrder, direction: Direction) -> Self {
        (self.order, self.direction) = (order, direction);
        self
    }

    /// Whether archived boards are in it. They are not without.
    pub fn include_archived(mut self, archived: bool) -> Self {
        self.archived = archived;
        self
    }

    /// Skips this many boards at the beginning.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets how many boards a page has at most. Default: 100.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// All boards from the offset on. The server is asked once.
    pub fn stream(self) -> impl Stream<Item = Result<Board>> + Send + use<> {
        page::stream(self.offset, move |offset| self.clone().offset(offset).limit(u64::MAX).fetch())
    }

    /// Always asks for all of them. In the server's own pages, `total` is the number of boards on the page, so nobody can
    /// tell whether there are more (`get_many` in `invokeai/app/services/boards/boards_default.py`), and boards that are
    /// created or deleted meanwhile shift them.
    async fn fetch(self) -> Result<Page<Board>> {
        let api = self.client.api();
        let order = match self.order {
            BoardOrder::CreatedAt => "created_at",
            BoardOrder::Name => "board_name",
        };
        let call = api
            .list_all_boards()
            .order_by(order)
            .direction(self.direction.as_str())
            .include_archived(self.archived)
            .send_as::<Box<RawValue>>();
        let answer = call.await?;
        match answer.get().starts_with('[') {
            true => {
                let all: RawList = page::element(OPERATION, "", &answer)?;
                let total = all.len() as u64;
                let [offset, limit] = [self.offset, self.limit].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
                let items = all.into_iter().skip(offset).take(limit).collect();
                Ok(Page { items: page::elements(OPERATION, "boards", items)?, total, offset: self.offset })
            }
            // A server that does not mind being asked for all.
            false => page::element::<RawPage>(OPERATION, "", &answer)?.read(OPERATION, self.offset),
        }
    }
}

const OPERATION: &str = "list_all_boards";

impl IntoFuture for ListBoards {
    type Output = Result<Page<Board>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.fetch())
    }
}
