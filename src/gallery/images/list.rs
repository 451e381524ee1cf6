//! Lists of images.

use super::{Image, ImageCategory, ImageOrigin};
use crate::{
    Client,
    api::enums,
    client::lists::paged,
    error::Result,
    transport::page::{Direction, Page, RawPage},
};

/// A list of images under construction, from [`Images::list`](super::Images::list).
///
/// Default: newest first, with intermediate images and all categories. While a stream is read, images that are created
/// or deleted shift the pages; where that matters, fetch the [`names`](Self::names) first.
#[derive(Clone)]
#[must_use = "nothing is sent before `.await`, `stream` or `names`"]
pub struct ListImages {
    client: Client,
    filter: Filter,
    direction: Direction,
    starred_first: bool,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! { ListImages { client, filter, direction, starred_first, offset, limit } }

#[derive(Debug, Clone, Default)]
struct Filter {
    categories: Option<Vec<enums::ImageCategory>>,
    is_intermediate: Option<bool>,
    board_id: Option<String>,
    origin: Option<ImageOrigin>,
    search: Option<String>,
}

/// Names of the images of a list.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ImageNames {
    /// All names, in the list's order.
    pub image_names: Vec<String>,
    /// How many of them are starred. If the list has starred ones first, these are the first names.
    pub starred_count: u64,
    /// Number of names.
    pub total_count: u64,
}

crate::json::record::readable! { ImageNames { 0 image_names, 1 starred_count default, 2 total_count default } }

crate::base::debug::short_debug! { ImageNames { image_names, starred_count, total_count } }

impl ListImages {
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

    /// Only images of these categories.
    pub fn categories(mut self, categories: impl IntoIterator<Item = ImageCategory>) -> Self {
        let categories = categories.into_iter().map(|category| category.as_str().into());
        self.filter.categories = Some(categories.collect());
        self
    }

    /// Only intermediate images, or only others.
    pub fn intermediate(mut self, is_intermediate: bool) -> Self {
        self.filter.is_intermediate = Some(is_intermediate);
        self
    }

    /// Only images on this board; `none` for those on no board. An unknown board gives an empty list.
    pub fn board(mut self, board_id: impl Into<String>) -> Self {
        self.filter.board_id = Some(board_id.into());
        self
    }

    /// Only images of this origin.
    pub fn origin(mut self, origin: ImageOrigin) -> Self {
        self.filter.origin = Some(origin);
        self
    }

    /// Only images whose metadata or date contains this text.
    pub fn search(mut self, text: impl Into<String>) -> Self {
        self.filter.search = Some(text.into());
        self
    }

    /// Sets the sort direction, by age. Default: newest first.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Whether starred images come before all others, as in the gallery. Off by default.
    pub fn starred_first(mut self, starred_first: bool) -> Self {
        self.starred_first = starred_first;
        self
    }

    /// Fetches the names of all images of the list in one call. Offset and limit do not apply.
    ///
    /// # Errors
    /// Any error of a call.
    pub async fn names(self) -> Result<ImageNames> {
        let api = self.client.api();
        let Filter { categories, is_intermediate, board_id, origin, search } = self.filter;
        let call = api
            .get_image_names()
            .maybe_categories(categories)
            .maybe_is_intermediate(is_intermediate)
            .maybe_board_id(board_id)
            .maybe_image_origin(origin.as_ref().map(ImageOrigin::as_str))
            .maybe_search_term(search)
            .order_dir(self.direction.as_str())
            .starred_first(self.starred_first)
            .send_as();
        call.await
    }

    async fn fetch(self) -> Result<Page<Image>> {
        let api = self.client.api();
        let Filter { categories, is_intermediate, board_id, origin, search } = self.filter;
        let call = api
            .list_image_dtos()
            .maybe_categories(categories)
            .maybe_is_intermediate(is_intermediate)
            .maybe_board_id(board_id)
            .maybe_image_origin(origin.as_ref().map(ImageOrigin::as_str))
            .maybe_search_term(search)
            .order_dir(self.direction.as_str())
            .starred_first(self.starred_first)
            .offset(self.offset)
            .limit(self.limit)
            .send_as::<RawPage>();
        call.await?.read("list_image_dtos", self.offset)
    }
}

paged! { ListImages => Image, pages, "At most 1000. Default: 100." }
