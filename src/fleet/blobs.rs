//! Files by the hash of their content: workflows, inputs, results. In a folder, or in whatever store a URL names.

use std::{fmt::Write as _, path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, local::LocalFileSystem, path::Path,
};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// A store of files.
#[derive(Clone)]
pub(super) struct Blobs {
    store: Arc<dyn ObjectStore>,
    below: Path,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// A folder, which is made, or a URL.
    pub(super) fn open(place: &str) -> Result<Self> {
        if let Some((scheme, _)) = place.split_once("://") {
            let invalid = |error: &dyn std::fmt::Display| Error::invalid("files", format!("{scheme}: {error}"));
            let url = url::Url::parse(place).map_err(|error| invalid(&error))?;
            // Keys and regions are where the tools of these stores look for them, too.
            let options = std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
            let (store, below) = object_store::parse_url_opts(&url, options).map_err(|error| invalid(&error))?;
            return Ok(Self { store: store.into(), below });
        }
        let folder = FilePath::new(place);
        std::fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, error))?;
        // A file that a power cut could take away would be a result that is told to be there.
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed("open", &error))?.with_fsync(true);
        Ok(Self { store: Arc::new(store), below: Path::default() })
    }

    /// Folders of 256: some file systems are slow with many files in one.
    fn path(&self, hash: &str) -> Path {
        let (folder, _) = hash.split_at_checked(2).unwrap_or(("", hash));
        Path::from_iter(self.below.parts().chain([folder.to_owned().into(), hash.to_owned().into()]))
    }

    /// Stores a file, if there is none of this content, and answers its hash. It is there whole or not at all.
    pub(super) async fn put(&self, bytes: Bytes) -> Result<String> {
        let hash = hash_of(&bytes);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&self.path(&hash), bytes.into(), options).await {
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => Ok(hash),
            Err(error) => Err(failed("store a file", &error)),
        }
    }

    /// The file of a hash, which is checked.
    pub(super) async fn get(&self, hash: &str) -> Result<Bytes> {
        let got = async { self.store.get(&self.path(hash)).await?.bytes().await };
        let bytes = got.await.map_err(|error| failed("read a file", &error))?;
        if hash_of(&bytes) != hash {
            let problem = format!("the file {hash} has another content than its name says");
            return Err(Error::Fleet { doing: "read a file", problem, passes: false });
        }
        Ok(bytes)
    }
}

/// SHA-256, in hexadecimal digits.
pub(super) fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

fn failed(doing: &'static str, error: &StoreError) -> Error {
    // A store of files that is full or out of reach may be neither later on; what is not there stays so.
    let passes = !matches!(error, StoreError::NotFound { .. } | StoreError::InvalidPath { .. });
    Error::Fleet { doing, problem: crate::fleet::with_causes(error), passes }
}
