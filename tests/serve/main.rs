//! The service (feature `serve`): what callers of its API, its page and its tools get, and what hostile ones do not get.

mod access;
mod agents;
mod clients;
mod command;
mod disk;
mod fetch;
#[cfg(feature = "fleet")]
mod fleet;
mod hostile;
mod kills;
mod limits;
mod load;
mod log;
mod page;
mod runs;
mod stage;
mod values;

#[path = "../common/http.rs"]
mod http;
#[path = "../common/mounted.rs"]
mod mounted;
#[cfg(feature = "fleet")]
#[path = "../common/postgres.rs"]
#[expect(dead_code, reason = "restarts and passwords of databases are the matter of fleets")]
mod postgres;
#[path = "../common/skip.rs"]
#[expect(dead_code, reason = "the service does not depend on the document")]
mod skip;
