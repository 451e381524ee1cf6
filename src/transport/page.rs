//! Lists of a server, page by page.

use std::{fmt, future::Future};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    base::debug,
    error::{BodyFault, Error, Result},
    json::{
        lenient::{self, Misfit},
        weight::{self, Meter},
    },
};

/// One page of a list.
///
/// An entry that cannot be read is an error in its place: one bad entry does not affect the others.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
/// let page = client.images().list().limit(20).await?;
/// println!("{} of {} images", page.items.len(), page.total);
/// for image in page.items {
///     match image {
///         Ok(image) => println!("{}", image.image_name),
///         Err(error) => println!("left out: {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries of this page, in the server's order.
    pub items: Vec<Result<T>>,
    /// How many entries the whole list has.
    pub total: u64,
    /// How many entries come before this page.
    pub offset: u64,
}

impl<T: fmt::Debug> fmt::Debug for Page<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { items, total, offset } = self;
        debug::whole(f, |f| {
            let mut shown = f.debug_struct("Page");
            shown.field("total", total).field("offset", offset).field("items", items).finish()
        })
    }
}

impl<T> Page<T> {
    /// Whether entries come after this page. An empty page is the last one.
    pub fn has_next(&self) -> bool {
        !self.items.is_empty() && self.next_offset() < self.total
    }

    /// Where the next page begins. The server's numbers are not trusted to fit.
    fn next_offset(&self) -> u64 {
        self.offset.saturating_add(self.items.len() as u64)
    }

    /// The entries of this page, or the first error among them.
    ///
    /// # Errors
    /// [`Error::Decode`] if an entry could not be read.
    pub fn into_items(self) -> Result<Vec<T>> {
        self.items.into_iter().collect()
    }
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Smallest first, oldest first, or A to Z.
    Ascending,
    /// Largest first, newest first, or Z to A.
    #[default]
    Descending,
}

impl Direction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ASC",
            Self::Descending => "DESC",
        }
    }
}

/// A page as the server sends it, with its entries unparsed.
#[derive(Debug)]
pub(crate) struct RawPage {
    items: RawList,
    total: u64,
}

crate::json::record::readable! { RawPage { 0 items, 1 total } }

/// A list as the server sends it, with its elements unparsed.
pub(crate) type RawList = Vec<Box<RawValue>>;

impl RawPage {
    pub(crate) fn read<T: DeserializeOwned>(self, operation: &'static str, offset: u64) -> Result<Page<T>> {
        Ok(Page { items: elements(operation, "items", self.items)?, total: self.total, offset })
    }
}

/// A page of a list that the server gives only as a whole.
pub(crate) fn part<T: DeserializeOwned>(
    operation: &'static str,
    list: &'static str,
    all: RawList,
    offset: u64,
    limit: u64,
) -> Result<Page<T>> {
    let total = all.len() as u64;
    let [skipped, taken] = [offset, limit].map(|count| usize::try_from(count).unwrap_or(usize::MAX));
    let items = all.into_iter().skip(skipped).take(taken).collect();
    Ok(Page { items: elements(operation, list, items)?, total, offset })
}

/// Reads each element of a list by itself. The whole list is an error only if it would take too much memory, which a
/// list of nothing but errors may, too.
pub(crate) fn elements<T: DeserializeOwned>(
    operation: &'static str,
    list: &'static str,
    values: RawList,
) -> Result<Vec<Result<T>>> {
    let length = values.iter().map(|value| value.get().len()).sum();
    let meter = Meter::of(length, weight::ALWAYS);
    let too_costly = || too_costly(operation, length, &meter);
    meter.take(values.len().saturating_mul(size_of::<Result<T>>())).map_err(|_| too_costly())?;
    let mut read = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        read.push(match lenient::from_slice(value.get().as_bytes(), &meter) {
            Ok(element) => Ok(element),
            Err(_) if meter.is_exceeded() => return Err(too_costly()),
            Err(misfit) => {
                let error = misfit_at(operation, &format!("{list}[{index}]."), &misfit, &value);
                // The texts of an error may take more memory than the element it is about.
                meter.take(ERROR_TEXTS).map_err(|_| too_costly())?;
                Err(error)
            }
        });
    }
    Ok(read)
}

/// How many bytes the texts of an error about an element take: an excerpt of 300 characters, a place, a problem.
const ERROR_TEXTS: usize = 512;

/// Reads a part of an answer by itself; `place` is where it is in the answer.
pub(crate) fn element<T: DeserializeOwned>(operation: &'static str, place: &str, value: &RawValue) -> Result<T> {
    let meter = Meter::of(value.get().len(), weight::ALWAYS);
    lenient::from_slice(value.get().as_bytes(), &meter).map_err(|misfit| match meter.is_exceeded() {
        true => too_costly(operation, value.get().len(), &meter),
        false => misfit_at(operation, place, &misfit, value),
    })
}

fn misfit_at(operation: &'static str, place: &str, misfit: &Misfit, value: &RawValue) -> Error {
    Error::misfit(operation, place, misfit, value.get())
}

/// The error of an answer whose reading would take too much memory.
pub(crate) fn too_costly(operation: &'static str, length: usize, meter: &Meter) -> Error {
    let problem = format!("would take more than {} bytes of memory, for {length} bytes of JSON", meter.limit());
    Error::body(operation, BodyFault::TooLarge, problem)
}

/// All entries of a list from `offset` on. `fetch` gets the page that begins at an offset.
///
/// A page that cannot be fetched is the last item of the stream.
pub(crate) fn stream<T, F>(offset: u64, fetch: impl Fn(u64) -> F + Send + 'static) -> BoxStream<'static, Result<T>>
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>>> + Send + 'static,
{
    futures::stream::unfold(Some((offset, fetch)), |state| async move {
        let (offset, fetch) = state?;
        Some(match fetch(offset).await {
            Ok(page) => {
                let next = page.has_next().then(|| page.next_offset());
                (page.items, next.map(|next| (next, fetch)))
            }
            Err(error) => (vec![Err(error)], None),
        })
    })
    .flat_map(futures::stream::iter)
    // So that it can be read without being pinned.
    .boxed()
}

/// The entries of a list that are `wanted`. An entry that cannot be read matters only if none is found: it may be the
/// one.
pub(crate) async fn matching<T>(entries: impl Stream<Item = Result<T>>, wanted: impl Fn(&T) -> bool) -> Result<Vec<T>> {
    let mut entries = std::pin::pin!(entries);
    let (mut found, mut unreadable) = (Vec::new(), None);
    while let Some(entry) = entries.next().await {
        match entry {
            Ok(entry) if wanted(&entry) => found.push(entry),
            Ok(_) => {}
            Err(error @ Error::Decode { .. }) => unreadable = unreadable.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    match unreadable {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// An answer of 404 as `None`.
pub(crate) fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Entry {
        name: String,
    }

    #[test]
    fn one_bad_entry_is_one_error() {
        let json = r#"{"items": [{"name": "a"}, {"name": 7}, {"name": "c"}], "total": 3}"#;
        let raw: RawPage = serde_json::from_str(json).unwrap();
        let page = raw.read::<Entry>("list_things", 0).unwrap();
        assert!(!page.has_next());
        let names: Vec<_> = page.items.iter().map(|entry| entry.as_ref().map(|entry| &*entry.name).ok()).collect();
        assert_eq!(names, [Some("a"), None, Some("c")]);
        let error = page.into_items().unwrap_err().to_string();
        assert!(error.contains("items[1].name") && error.contains("integer `7`"), "{error}");
    }

    #[tokio::test]
    async fn the_stream_ends_at_the_total_at_an_empty_page_and_at_an_error() {
        let collect = |pages: Vec<Result<(Vec<i32>, u64)>>| async move {
            let entries = stream(0, move |offset| {
                let page = pages[offset as usize].clone();
                async move {
                    let (items, total) = page?;
                    Ok(Page { items: items.into_iter().map(Ok).collect(), total, offset })
                }
            });
            entries.map(|entry| entry.ok()).collect::<Vec<_>>().await
        };
        let full = vec![Ok((vec![1], 3)), Ok((vec![2, 3], 3))];
        assert_eq!(collect(full).await, [Some(1), Some(2), Some(3)]);
        // The total can shrink while pages are read.
        let shrunk = vec![Ok((vec![1], 9)), Ok((vec![], 9))];
        assert_eq!(collect(shrunk).await, [Some(1)]);
        let broken = vec![Ok((vec![1], 9)), Err(Error::invalid("x", "is wrong"))];
        assert_eq!(collect(broken).await, [Some(1), None]);
    }
}
