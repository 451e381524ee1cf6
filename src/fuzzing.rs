//! Readers that no public function reaches alone, for the fuzz targets in `fuzz/`. Not part of the API.

use crate::{
    assets::{self, Assets},
    download,
};

/// Reads the bytes of a ledger: what it adds up to, and its server.
pub fn ledger(bytes: &[u8]) -> (Assets, Option<String>) {
    assets::read_ledger(bytes)
}

/// Whether a server's name is taken as the name of a local file.
pub fn is_file_name(name: &str) -> bool {
    download::checked_file_name(name).is_ok()
}
