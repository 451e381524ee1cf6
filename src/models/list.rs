//! Lists of models.

use super::{ModelRecord, RawModels};
use crate::{
    Client,
    api::enums,
    client::lists::paged,
    error::Result,
    transport::page::{self, Direction, Page},
};

/// Sort key of a list of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelOrder {
    /// Kind, then name.
    Default,
    /// Kind.
    Type,
    /// Base architecture.
    Base,
    /// Name.
    Name,
    /// File format.
    Format,
    /// Size of the files.
    Size,
    /// When they were installed.
    CreatedAt,
    /// When their records last changed.
    UpdatedAt,
}

/// A list of models under construction, from [`Models::list`](super::Models::list).
#[derive(Clone)]
#[must_use = "nothing is sent before `.await` or `stream`"]
pub struct ListModels {
    client: Client,
    bases: Vec<String>,
    model_type: Option<String>,
    name: Option<String>,
    format: Option<String>,
    order: Option<ModelOrder>,
    direction: Option<Direction>,
    offset: u64,
    limit: u64,
}

crate::base::debug::short_debug! { ListModels { client, bases, model_type, name, format, order, direction, offset, limit } }

impl ListModels {
    pub(super) fn new(client: &Client) -> Self {
        Self {
            client: client.clone(),
            bases: Vec::new(),
            model_type: None,
            name: None,
            format: None,
            order: None,
            direction: None,
            offset: 0,
            limit: u64::MAX,
        }
    }

    /// Only models of this base architecture, for example `flux`; may be called for several.
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.bases.push(base.into());
        self
    }

    /// Only models of this kind, for example `main`, `vae`, `lora`.
    pub fn model_type(mut self, model_type: impl Into<String>) -> Self {
        self.model_type = Some(model_type.into());
        self
    }

    /// Only models of exactly this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only models of this file format, for example `diffusers`.
    pub fn format(mut self, format: impl Into<String>) -> Self {
        self.format = Some(format.into());
        self
    }

    /// Sets the sort key. Since 6.13.
    pub fn order_by(mut self, order: ModelOrder) -> Self {
        self.order = Some(order);
        self
    }

    /// Sets the sort direction. Default: ascending. Since 6.13.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    async fn fetch(self) -> Result<Page<ModelRecord>> {
        let api = self.client.api();
        let bases: Vec<enums::BaseModelType> = self.bases.iter().map(|base| base.as_str().into()).collect();
        let order = self.order.map(|order| match order {
            ModelOrder::Default => "default",
            ModelOrder::Type => "type",
            ModelOrder::Base => "base",
            ModelOrder::Name => "name",
            ModelOrder::Format => "format",
            ModelOrder::Size => "size",
            ModelOrder::CreatedAt => "created_at",
            ModelOrder::UpdatedAt => "updated_at",
        });
        let call = api
            .list_model_records()
            .maybe_base_models(Some(bases).filter(|bases| !bases.is_empty()))
            .maybe_model_type(self.model_type)
            .maybe_model_name(self.name)
            .maybe_model_format(self.format)
            .maybe_order_by(order)
            .maybe_direction(self.direction.map(Direction::as_str))
            .send_as::<RawModels>();
        page::part("list_model_records", "models", call.await?.models, self.offset, self.limit)
    }
}

paged! {
    /// # Errors
    /// [`Error::NotAccepted`](crate::Error::NotAccepted) if the server does not know a base, kind or format; any error
    /// of a call.
    ListModels => ModelRecord, whole, "Default: all."
}
