//! Lists of boards.

use serde_json::value::RawValue;

use super::Board;
use crate::{
    Client,
    client::lists::paged,
    error::Result,
    transport::page::{self, Direction, Page, RawList, RawPage},
};

/// Sort key of a list of boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum BoardOrder {
    /// Creation time.
    #[default]
    CreatedAt,
    /// Name.
    Name,
}

/// A list of boards under construction, from [`Boards::list`](super::Boards::list).
#[derive(Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListBoards {
    client: Client,
    order: BoardOrder,
    direction: Direction,
    archived: bool,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! { ListBoards { client, order, direction, archived, offset, limit } }

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

    /// Sets the sort key. Default: creation time.
    pub fn order_by(mut self, order: BoardOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets the sort direction. Default: newest first.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Whether to include archived boards. Off by default.
    pub fn include_archived(mut self, archived: bool) -> Self {
        self.archived = archived;
        self
    }

    /// Always asks for all of them. In the server's own pages, `total` is the number of boards on the page, so nobody
    /// can know whether there are more (`get_many` in `invokeai/app/services/boards/boards_default.py`), and boards
    /// that are created or deleted meanwhile shift them.
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
                page::part(OPERATION, "boards", all, self.offset, self.limit)
            }
            // A server that ignores being asked for all of them.
            false => page::element::<RawPage>(OPERATION, "", &answer)?.read(OPERATION, self.offset),
        }
    }
}

const OPERATION: &str = "list_all_boards";

paged! { ListBoards => Board, whole, "Default: 100." }
