//! Readers that no public function reaches alone, for the fuzz targets in `fuzz/`. Not part of the API.

use reqwest::{Method, Request, Url, header::HeaderValue};

use crate::{
    assets::{self, Assets},
    download,
    transport::redirect::Trail,
};

/// Reads the bytes of a ledger: what it adds up to, and its server.
pub fn ledger(bytes: &[u8]) -> (Assets, Option<String>) {
    let (records, server) = assets::read_ledger(bytes);
    (records.assets(), server)
}

/// Whether a name from a server is accepted as the name of a local file.
pub fn is_file_name(name: &str) -> bool {
    ["image/", "video/"].iter().any(|label| download::checked_file_name(name, label).is_ok())
}

/// Where a call of `asked` goes on after an answer with this `Location`, or the message if it does not.
pub fn redirect(method: Method, asked: Url, location: &HeaderValue) -> Result<Url, String> {
    let trail = Trail::of(&Request::new(method, asked.clone()));
    trail.target(&asked, location).map_err(|refused| format!("{} to {}, {}", refused.from, refused.to, refused.problem))
}
