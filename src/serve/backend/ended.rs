//! How runs end, whoever runs them.

use crate::{Job, serve::problem::Problem};

/// How the wait for a run ended.
pub(in crate::serve) enum Outcome {
    /// It has ended; it may have a problem.
    Ended(Option<Problem>),
    /// Its time was up, so it was canceled.
    TooLong,
}

/// How a part of a run ended.
pub(in crate::serve) enum End {
    Completed(Part),
    Failed,
    Canceled,
}

/// What results are asked of.
pub(in crate::serve) enum Part {
    /// An item of a server's queue.
    Item(Job),
    /// A job of the fleet.
    #[cfg(feature = "fleet")]
    Job(String),
}
