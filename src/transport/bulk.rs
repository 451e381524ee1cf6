//! Calls for many names at once.

use std::{collections::BTreeSet, future::Future};

use crate::error::{Error, Result};

/// The server takes at most 1000 names in one call (`MAX_IMAGE_BATCH_SIZE` in `invokeai/app/api/routers/images.py`)
/// and answers 422 above that.
const NAMES_AT_ONCE: usize = 1000;

/// The outcome of a bulk call, name by name.
///
/// Such a call goes on after a failure: every name is in one of the lists.
///
/// ```no_run
/// # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
/// let outcome = client.images().delete(["one.png", "two.png"]).await;
/// for failure in &outcome.failed {
///     println!("{}: {:?}", failure.name, failure.error);
/// }
/// // Or only the first failure, as an error:
/// let done = outcome.into_result()?.done;
/// # drop(done);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct BulkOutcome {
    /// Names for which the call succeeded.
    pub done: Vec<String>,
    /// Names that the server skipped, as it does with names it does not have.
    pub skipped: Vec<String>,
    /// Names for which the call failed.
    pub failed: Vec<BulkFailure>,
    /// Boards whose contents changed; `none` for images on no board.
    pub affected_boards: BTreeSet<String>,
}

crate::base::debug::short_debug! { BulkOutcome { done, skipped, failed, affected_boards } }

/// A name for which a bulk call failed.
#[derive(Clone)]
#[non_exhaustive]
pub struct BulkFailure {
    /// The name.
    pub name: String,
    /// Why it failed; `None` if the server gave no reason.
    pub error: Option<Error>,
}

crate::base::debug::short_debug! { BulkFailure { name, error } }

impl BulkOutcome {
    /// Whether nothing failed. Skipped names do not count as failures.
    pub fn is_success(&self) -> bool {
        self.failed.is_empty()
    }

    /// Returns itself if nothing failed, otherwise the first error.
    ///
    /// # Errors
    /// The first failure's error, or [`Error::Refused`] naming it where the server gave no reason.
    pub fn into_result(self) -> Result<Self> {
        match self.failed.first() {
            None => Ok(self),
            Some(BulkFailure { error: Some(error), .. }) => Err(error.clone()),
            Some(BulkFailure { name, error: None }) => Err(Error::refused(format!("to change `{name}`"), None)),
        }
    }

    /// Records names that all failed for one reason.
    pub(crate) fn fail(&mut self, names: impl IntoIterator<Item = String>, error: Option<&Error>) {
        self.failed.extend(names.into_iter().map(|name| BulkFailure { name, error: error.cloned() }));
    }

    /// The outcome of a call that names nothing beforehand.
    pub(crate) fn of(answer: Answer) -> Self {
        let mut outcome = Self::default();
        outcome.add(&[], answer);
        outcome
    }

    fn add(&mut self, asked: &[String], Answer { done, failed, affected_boards }: Answer) {
        let told: BTreeSet<&String> = done.iter().chain(&failed).collect();
        self.skipped.extend(asked.iter().filter(|name| !told.contains(name)).cloned());
        self.done.extend(done);
        self.fail(failed, None);
        self.affected_boards.extend(affected_boards);
    }
}

/// What a server says about one call for many names.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) done: Vec<String>,
    pub(crate) failed: Vec<String>,
    pub(crate) affected_boards: Vec<String>,
}

/// Defines an answer of this kind: what was done and what was not, each under a name of its own.
macro_rules! answer {
    ($name:ident { $done:literal, $failed:literal }) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            done: Vec<String>,
            failed: Vec<String>,
            affected_boards: Vec<String>,
        }

        $crate::json::record::readable! { $name { 0 done $done, 1 failed $failed default, 2 affected_boards default } }

        impl From<$name> for $crate::transport::bulk::Answer {
            fn from($name { done, failed, affected_boards }: $name) -> Self {
                Self { done, failed, affected_boards }
            }
        }
    };
}
pub(crate) use answer;

/// Calls once for every [`NAMES_AT_ONCE`] names, and goes on after failures. A name that is given twice is sent once.
pub(crate) async fn in_chunks<F: Future<Output = Result<Answer>>>(
    names: impl IntoIterator<Item = impl Into<String>>,
    call: impl Fn(Vec<String>) -> F,
) -> BulkOutcome {
    let mut outcome = BulkOutcome::default();
    for chunk in distinct(names).chunks(NAMES_AT_ONCE) {
        match call(chunk.to_vec()).await {
            Ok(answer) => outcome.add(chunk, answer),
            Err(error) => outcome.fail(chunk.to_vec(), Some(&error)),
        }
    }
    outcome
}

/// As [`in_chunks`], and where the server fails a whole chunk, each of its names is tried alone with `single`: one bad
/// name must not hold up the others.
pub(crate) async fn in_chunks_then_single<F, G>(
    names: impl IntoIterator<Item = impl Into<String>>,
    call: impl Fn(Vec<String>) -> F,
    single: impl Fn(String) -> G,
) -> BulkOutcome
where
    F: Future<Output = Result<Answer>>,
    G: Future<Output = Result<Answer>>,
{
    let mut outcome = BulkOutcome::default();
    for chunk in distinct(names).chunks(NAMES_AT_ONCE) {
        match call(chunk.to_vec()).await {
            Ok(answer) => outcome.add(chunk, answer),
            // Without an answer, or a login, the single calls would fail the same way.
            Err(error) if error.refusal().is_none() || matches!(error, Error::Unauthorized(_)) => {
                outcome.fail(chunk.to_vec(), Some(&error));
            }
            Err(whole) => {
                for name in chunk {
                    match single(name.clone()).await {
                        Ok(answer) => outcome.add(std::slice::from_ref(name), answer),
                        Err(error) if error.is_not_found() => outcome.skipped.push(name.clone()),
                        // The first call may have done it.
                        Err(error) if error.refusal().is_none() && !error.may_have_been_sent() => {
                            outcome.fail([name.clone()], Some(&whole));
                        }
                        Err(error) => outcome.fail([name.clone()], Some(&error)),
                    }
                }
            }
        }
    }
    outcome
}

/// Calls once for each name, where the server takes no lists, and goes on after failures.
pub(crate) async fn one_by_one<F: Future<Output = Result<Answer>>>(
    names: impl IntoIterator<Item = impl Into<String>>,
    call: impl Fn(String) -> F,
) -> BulkOutcome {
    let mut outcome = BulkOutcome::default();
    for name in distinct(names) {
        match call(name.clone()).await {
            Ok(answer) => outcome.add(std::slice::from_ref(&name), answer),
            Err(error) => outcome.fail([name], Some(&error)),
        }
    }
    outcome
}

/// Parts of a list of names that one call may carry.
pub(crate) fn chunks(names: &[String]) -> impl Iterator<Item = &[String]> {
    names.chunks(NAMES_AT_ONCE)
}

pub(crate) fn distinct(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().map(Into::into).filter(|name: &String| seen.insert(name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::error::{Refusal, operation::Operation};

    #[tokio::test]
    async fn names_go_in_parts_once_each_and_failures_do_not_stop() {
        let names: Vec<String> = (0..2500).map(|i| format!("n{i}")).chain(["n0".into()]).collect();
        let calls = RefCell::new(Vec::new());
        let outcome = in_chunks(&names, |chunk| {
            let number = calls.borrow().len();
            calls.borrow_mut().push(chunk.len());
            async move {
                match number {
                    1 => Err(Error::invalid("x", "is wrong")),
                    _ => Ok(Answer {
                        done: chunk[2..].to_vec(),
                        failed: vec![chunk[1].clone()],
                        affected_boards: vec!["b".into()],
                    }),
                }
            }
        })
        .await;
        assert_eq!(*calls.borrow(), [1000, 1000, 500]);
        assert_eq!((outcome.done.len(), outcome.failed.len()), (998 + 498, 1 + 1000 + 1));
        assert_eq!(outcome.skipped, ["n0", "n2000"]);
        assert_eq!(outcome.affected_boards.len(), 1);
        assert!(outcome.into_result().unwrap_err().to_string().contains("n1"));
    }

    #[tokio::test]
    async fn a_name_that_cannot_be_tried_alone_may_have_been_done_with_the_others() {
        let operation = Operation { id: "delete", method: "POST", path: "/" };
        let refused = |_| async { Err(Refusal::new(&operation, 500, b"", None).into()) };
        let single = |_| async { Err(Error::invalid("x", "was not sent")) };
        let outcome = in_chunks_then_single(["a"], refused, single).await;
        assert!(outcome.into_result().unwrap_err().may_have_been_sent());
    }
}
