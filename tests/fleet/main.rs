//! Fleets with real processes: workers and servers that are killed and stopped, databases that are restarted, full disks.

mod command;
mod disk;
mod faults;
mod files;
mod left;
mod lost;
mod memory;
mod proxy;
mod s3;
mod signals;
mod soak;
mod stage;
mod stores;
mod typed;
mod work;

#[path = "../common/http.rs"]
mod http;
#[path = "../common/mounted.rs"]
mod mounted;
#[path = "../common/postgres.rs"]
mod postgres;
#[path = "../common/skip.rs"]
#[expect(dead_code, reason = "fleets do not depend on the document")]
mod skip;
