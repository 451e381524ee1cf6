//! Where results go.

use futures::TryStreamExt as _;

use crate::{
    Client,
    base::similar::nearest,
    error::{Error, Result},
};

/// A board for the results of a run, for [`Submit::board`](super::Submit::board). A plain string is a board id.
///
/// Several boards may share a name. Such a name is refused, with an error that lists their ids.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client, workflow: invokeai_client::workflow::Workflow)
/// # -> invokeai_client::Result<()> {
/// use invokeai_client::OutputBoard;
///
/// let submission = client.submit(&workflow).board(OutputBoard::named_or_new("samples")).await?;
/// # drop(submission);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputBoard {
    /// The board with this id.
    Id(String),
    /// The only board with this name.
    Named(String),
    /// The only board with this name; it is created if there is none.
    NamedOrNew(String),
}

crate::base::debug::short_debug! { enum OutputBoard { Id(value), Named(value), NamedOrNew(value) } }

impl OutputBoard {
    /// The board with this id.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(id.into())
    }

    /// The only board with this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self::Named(name.into())
    }

    /// The only board with this name; it is created if there is none.
    pub fn named_or_new(name: impl Into<String>) -> Self {
        Self::NamedOrNew(name.into())
    }

    /// The board's id, on this server; `None` if it has to be created first.
    pub(crate) async fn find(&self, client: &Client) -> Result<Option<String>> {
        match self {
            Self::NamedOrNew(name) => Ok(client.boards().find(name).await?.map(|board| board.board_id)),
            Self::Id(_) | Self::Named(_) => self.resolve(client).await.map(Some),
        }
    }

    /// The board's id, on this server.
    pub(crate) async fn resolve(&self, client: &Client) -> Result<String> {
        let (name, create) = match self {
            Self::Id(id) => return Ok(client.board(id).get().await?.board_id),
            Self::Named(name) => (name, false),
            Self::NamedOrNew(name) => (name, true),
        };
        let boards = client.boards();
        match boards.find(name).await? {
            Some(board) => Ok(board.board_id),
            None if create => Ok(boards.create(name).await?.board_id),
            None => {
                let all: Vec<_> = boards.list().include_archived(true).stream().try_collect().await?;
                Err(Error::no_such("board", name, nearest(name, all.into_iter().map(|board| board.board_name))))
            }
        }
    }
}

impl From<&str> for OutputBoard {
    /// A board id.
    fn from(id: &str) -> Self {
        Self::id(id)
    }
}

impl From<String> for OutputBoard {
    /// A board id.
    fn from(id: String) -> Self {
        Self::id(id)
    }
}
