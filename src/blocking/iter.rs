//! Streams as iterators.

use std::{fmt, iter::FusedIterator, time::Duration};

use futures::{Stream, StreamExt as _, stream::BoxStream};

use super::runtime::Runtime;
use crate::error::{Error, Result};

/// The items of a stream, one after another. Each call of `next` waits for the next item.
///
/// Nothing is fetched before the first item is asked for, and nothing after the iterator is dropped.
///
/// ```no_run
/// # fn example(client: invokeai_client::blocking::Client) -> invokeai_client::Result<()> {
/// for image in client.images().list().search("portrait").stream().take(10) {
///     println!("{}", image?.image_name);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is fetched before it is read"]
pub struct Iter<T> {
    /// `None` once it has ended.
    stream: Option<BoxStream<'static, T>>,
    runtime: Runtime,
}

impl<T> Iter<T> {
    pub(super) fn new(stream: impl Stream<Item = T> + Send + 'static, runtime: Runtime) -> Self {
        Self { stream: Some(stream.boxed()), runtime }
    }

    /// Waits for the next item, but no longer than this. `None` after the last one.
    ///
    /// Nothing is lost if the item does not come in time: the next call goes on waiting for it.
    ///
    /// # Errors
    /// [`Error::WaitTimeout`] if it does not come in time.
    pub fn next_timeout(&mut self, limit: Duration) -> Result<Option<T>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let next = in_time(self.runtime, stream, limit)?;
        if next.is_none() {
            self.stream = None;
        }
        Ok(next)
    }
}

/// The next item of a stream, if it comes in time.
pub(super) fn in_time<S: Stream + Unpin>(runtime: Runtime, stream: &mut S, limit: Duration) -> Result<Option<S::Item>> {
    let late = || Error::WaitTimeout { waiting_for: "the next item".into(), limit };
    runtime.block_on_at_most(limit, stream.next()).ok_or_else(late)
}

impl<T> Iterator for Iter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let stream = self.stream.as_mut()?;
        let next = self.runtime.block_on(stream.next());
        if next.is_none() {
            self.stream = None;
        }
        next
    }
}

impl<T> FusedIterator for Iter<T> {}

impl<T> fmt::Debug for Iter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("ended", &self.stream.is_none()).finish_non_exhaustive()
    }
}
