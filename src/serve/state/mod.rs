//! What is known of a run: on disk, and while it goes on.

mod record;
mod shown;

pub(super) use record::*;
pub(super) use shown::*;
