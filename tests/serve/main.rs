//! The service (feature `serve`): what callers of its API, its page and its tools get, and what hostile ones do not get.

mod access;
mod clients;
mod command;
mod hostile;
mod limits;
mod load;
mod page;
mod runs;
mod stage;

#[path = "../common/skip.rs"]
#[expect(dead_code, reason = "the service does not depend on the document")]
mod skip;
