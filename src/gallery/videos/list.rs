//! Lists of videos.

use super::Video;
use crate::{
    Client,
    api::enums,
    client::lists::paged,
    error::Result,
    images::{ImageCategory, ImageOrigin},
    transport::page::{Direction, Page, RawPage},
};

/// A list of videos under construction, from [`Videos::list`](super::Videos::list). Default: newest first, intermediate
/// ones included.
#[derive(Clone)]
#[must_use = "nothing is sent before `.await`, `stream` or `names`"]
pub struct ListVideos {
    client: Client,
    filter: Filter,
    direction: Direction,
    starred_first: bool,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! { ListVideos { client, filter, direction, starred_first, offset, limit } }

#[derive(Debug, Clone, Default)]
struct Filter {
    categories: Option<Vec<enums::ImageCategory>>,
    is_intermediate: Option<bool>,
    board_id: Option<String>,
    origin: Option<ImageOrigin>,
    search: Option<String>,
}

/// Names of the videos of a list.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct VideoNames {
    /// All names, in the list's order.
    pub video_names: Vec<String>,
    /// How many of them are starred. If the list has starred ones first, these are the first names.
    pub starred_count: u64,
    /// Number of names.
    pub total_count: u64,
}

crate::json::record::readable! { VideoNames { 0 video_names, 1 starred_count default, 2 total_count default } }

crate::base::debug::short_debug! { VideoNames { video_names, starred_count, total_count } }

impl ListVideos {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            filter: Filter::default(),
            direction: Direction::Descending,
            starred_first: false,
            offset: 0,
            limit: 100,
        }
    }

    /// Only videos of these categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = ImageCategory>) -> Self {
        self.filter.categories = Some(categories.into_iter().map(|category| category.as_str().into()).collect());
        self
    }

    /// Only intermediate videos, or only others.
    pub fn intermediate(mut self, is_intermediate: bool) -> Self {
        self.filter.is_intermediate = Some(is_intermediate);
        self
    }

    /// Only videos on this board; `none` for those on no board.
    pub fn board(mut self, board_id: impl Into<String>) -> Self {
        self.filter.board_id = Some(board_id.into());
        self
    }

    /// Only videos of this origin.
    pub fn origin(mut self, origin: ImageOrigin) -> Self {
        self.filter.origin = Some(origin);
        self
    }

    /// Only videos whose metadata or date contains this text.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.filter.search = Some(text.into());
        self
    }

    /// Sets the sort direction, by age. Default: newest first.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Whether starred videos come before all others, as in the gallery. Off by default.
    pub fn starred_first(mut self, starred_first: bool) -> Self {
        self.starred_first = starred_first;
        self
    }

    /// Fetches the names of all videos of the list in one call. Offset and limit do not apply.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn names(self) -> Result<VideoNames> {
        let api = self.client.api();
        let Filter { categories, is_intermediate, board_id, origin, search } = self.filter;
        let call = api
            .get_video_names()
            .maybe_categories(categories)
            .maybe_is_intermediate(is_intermediate)
            .maybe_board_id(board_id)
            .maybe_video_origin(origin.as_ref().map(ImageOrigin::as_str))
            .maybe_search_term(search)
            .order_dir(self.direction.as_str())
            .starred_first(self.starred_first)
            .send_as();
        call.await
    }

    async fn fetch(self) -> Result<Page<Video>> {
        let api = self.client.api();
        let Filter { categories, is_intermediate, board_id, origin, search } = self.filter;
        let call = api
            .list_video_dtos()
            .maybe_categories(categories)
            .maybe_is_intermediate(is_intermediate)
            .maybe_board_id(board_id)
            .maybe_video_origin(origin.as_ref().map(ImageOrigin::as_str))
            .maybe_search_term(search)
            .order_dir(self.direction.as_str())
            .starred_first(self.starred_first)
            .offset(self.offset)
            .limit(self.limit)
            .send_as::<RawPage>();
        call.await?.read("list_video_dtos", self.offset)
    }
}

paged! { ListVideos => Video, pages, "At most 1000. Default: 100." }
