//! Files by the hash of their content: workflows, inputs, results. In a folder, or in S3.

#[cfg(feature = "fleet-s3")]
mod s3;

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
    mode: PutMode,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").field("store", &self.store.to_string()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// A folder, which is made, or a URL.
    pub(super) fn open(place: &str) -> Result<Self> {
        if !place.contains("://") {
            return Self::folder(FilePath::new(place));
        }
        let invalid = |problem: &str| Error::invalid("files", problem);
        let url = url_of(place)?;
        match url.scheme() {
            "file" => {
                let folder = url.to_file_path();
                Self::folder(&folder.map_err(|()| invalid("is not a folder of this machine; expected file:///FOLDER"))?)
            }
            #[cfg(feature = "fleet-s3")]
            "s3" => s3::open(&url),
            #[cfg(not(feature = "fleet-s3"))]
            "s3" => Err(invalid("is in S3, for which this program was built without the feature `fleet-s3`")),
            _ => Err(invalid("must be a folder, file:///FOLDER or s3://BUCKET/PREFIX")),
        }
    }

    fn folder(folder: &FilePath) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::io("make the folder", folder, error))?;
        // A file that a power cut could take away would be a result that is told to be there.
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| failed("open", &error))?.with_fsync(true);
        Ok(Self { store: Arc::new(store), below: Path::default(), mode: PutMode::Create })
    }

    /// Folders of 256: some file systems are slow with many files in one.
    fn path(&self, hash: &str) -> Path {
        let (folder, _) = hash.split_at_checked(2).unwrap_or(("", hash));
        Path::from_iter(self.below.parts().chain([folder.to_owned().into(), hash.to_owned().into()]))
    }

    /// Stores a file, if there is none of this content, and answers its hash. It is there whole or not at all.
    pub(super) async fn put(&self, bytes: Bytes) -> Result<String> {
        let hash = hash_of(&bytes);
        // A folder would write the file and wait for the disk before it says that there is one.
        if self.mode == PutMode::Create && self.store.head(&self.path(&hash)).await.is_ok() {
            return Ok(hash);
        }
        let options = PutOptions { mode: self.mode.clone(), ..PutOptions::default() };
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

/// The address of a store of files, which is kept and shown: so nothing secret may be in it, and nothing is asked by it.
pub(super) fn url_of(place: &str) -> Result<url::Url> {
    let invalid = |problem: &str| Error::invalid("files", problem);
    let url = url::Url::parse(place).map_err(|error| invalid(&format!("is not an address: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "must have no password in it: the store of jobs keeps it; use AWS_ACCESS_KEY_ID and so on",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(
            "must have neither ? nor # in it: options of S3 are in AWS_REGION, AWS_ENDPOINT_URL and so on",
        ));
    }
    Ok(url)
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
