//! Says that something was not tested, past the test harness, which hides what passing tests print.

use std::{io::Write as _, path::Path};

pub(crate) fn skipped(what: std::fmt::Arguments<'_>) {
    // Nobody reads it where it cannot be written.
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}");
}

/// Whether the crate was built from another document than the package's own. If so, reports that `what` was not tested.
pub(crate) fn other_document(what: &str) -> bool {
    let (document, package) = (env!("INVOKEAI_DOCUMENT"), Path::new(env!("CARGO_MANIFEST_DIR")));
    let own = format!("openapi/invokeai-{}.json", include_str!("../../openapi/VERSION").trim());
    let other = Path::new(document) != package.join(own);
    if other {
        skipped(format_args!("{what}: this crate was built from {document}"));
    }
    other
}
