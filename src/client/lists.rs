//! The mechanics that all lists under construction share. Each list's own file has its facts.

/// Gives a list under construction `offset`, `limit` and `stream`, and lets it be awaited. The list needs members
/// `offset` and `limit`, and `async fn fetch(self)`. A `whole` list has no pages on the server: a stream of it asks
/// once.
macro_rules! paged {
    (@asked pages $list:expr) => {
        $list
    };
    (@asked whole $list:expr) => {
        $list.limit(u64::MAX)
    };
    ($(#[$meta:meta])* $list:ident => $item:ty, $how:ident, $limit:literal) => {
        impl $list {
            /// Skips this many entries at the beginning.
            pub fn offset(mut self, offset: u64) -> Self {
                self.offset = offset;
                self
            }

            /// Sets how many entries a page has at most.
            #[doc = $limit]
            pub fn limit(mut self, limit: u64) -> Self {
                self.limit = limit;
                self
            }

            /// All entries from the offset on, fetched page by page as the stream is read. A list that the server gives
            /// only as a whole is fetched once.
            pub fn stream(
                self,
            ) -> impl ::futures::Stream<Item = $crate::error::Result<$item>> + Send + Unpin + use<> {
                $crate::transport::page::stream(self.offset, move |offset| {
                    $crate::client::lists::paged!(@asked $how self.clone().offset(offset)).fetch()
                })
            }
        }

        $crate::client::lists::awaits! { $(#[$meta])* $list => $crate::transport::page::Page<$item>, fetch }
    };
}
pub(crate) use paged;

/// Lets something under construction be awaited, which runs this method.
macro_rules! awaits {
    ($(#[$meta:meta])* $builder:ident => $output:ty, $run:ident) => {
        $(#[$meta])*
        impl ::std::future::IntoFuture for $builder {
            type Output = $crate::error::Result<$output>;
            type IntoFuture = ::std::pin::Pin<Box<dyn ::std::future::Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.$run())
            }
        }
    };
}
pub(crate) use awaits;

/// A list that the server gives only as a whole, by one call without options.
macro_rules! whole_list {
    ($(#[$meta:meta])* $list:ident => $item:ty, $operation:ident) => {
        $(#[$meta])*
        #[derive(Clone)]
        #[must_use = "nothing is sent before `.await` or `stream`"]
        pub struct $list {
            client: $crate::Client,
            offset: u64,
            limit: u64,
        }

        $crate::base::debug::short_debug! { $list { client, offset, limit } }

        impl $list {
            fn new(client: &$crate::Client) -> Self {
                Self { client: client.clone(), offset: 0, limit: u64::MAX }
            }

            async fn fetch(self) -> $crate::error::Result<$crate::transport::page::Page<$item>> {
                let api = self.client.api();
                let all = api.$operation().send_as().await?;
                $crate::transport::page::part(stringify!($operation), "items", all, self.offset, self.limit)
            }
        }

        $crate::client::lists::paged! { $list => $item, whole, "Default: all." }
    };
}
pub(crate) use whole_list;
