//! Listings that are committed and checked: what changes in them is seen in review.

use std::{env, fs, path::Path};

/// Compares a listing with the committed one; with `UPDATE_LISTINGS=1` writes it.
pub(crate) fn check(file: &str, listing: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if env::var_os("UPDATE_LISTINGS").is_some() {
        fs::write(&path, listing).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let advice =
        format!("{file} differs; if that is meant, run the test again with UPDATE_LISTINGS=1 and commit the file");
    for (line, (now, then)) in listing.lines().zip(committed.lines()).enumerate() {
        assert_eq!(now, then, "line {} of {advice}", line + 1);
    }
    assert_eq!(listing.lines().count(), committed.lines().count(), "number of lines: {advice}");
}
