//! Reference files that are too many for this package, where the environment names their folder.

use std::{env, path::PathBuf};

use super::skip;

/// Golden cases: `INVOKEAI_GOLDEN` names a folder with `cases/SET/NAME.json`, which are workflow files, and
/// `expected/SET/NAME.json`, which say what the web editor makes of each. `None` if it is not set, which is reported.
pub(crate) fn golden(what: &str) -> Option<PathBuf> {
    folder("INVOKEAI_GOLDEN", what)
}

/// OpenAPI documents of other releases: `INVOKEAI_TEST_DOCUMENTS` names a folder of `invokeai-VERSION.json`, as
/// `openapi/fetch VERSION --out FOLDER` writes them.
pub(crate) fn documents(what: &str) -> Option<PathBuf> {
    folder("INVOKEAI_TEST_DOCUMENTS", what)
}

fn folder(variable: &str, what: &str) -> Option<PathBuf> {
    match env::var_os(variable).filter(|value| !value.is_empty()) {
        None => {
            skip::skipped(format_args!("{what}: {variable} names no folder"));
            None
        }
        Some(folder) => {
            let folder = PathBuf::from(folder);
            assert!(folder.is_dir(), "{variable}: {} is not a folder", folder.display());
            Some(folder)
        }
    }
}
