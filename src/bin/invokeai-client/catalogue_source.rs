//! Where the node catalogue comes from: this program, a file, or a server.

use clap::Args;
use invokeai_client::Client;
use invokeai_client::schema::{CatalogueError, NodeCatalogue};
use invokeai_client::workflow::SharedCatalogue;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Which node catalogue to use; without options the one of InvokeAI 6.14.2
#[derive(Debug, Args)]
pub(crate) struct CatalogueSource {
    /// Read the nodes from a server's OpenAPI document in a file
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    openapi: Option<PathBuf>,
    /// Ask a server for its nodes, for example http://127.0.0.1:9090
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("cannot read {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path} is not JSON")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("cannot get the nodes of {url}")]
    Server { url: String, source: Box<invokeai_client::Error> },
    #[error("cannot start")]
    Runtime(#[source] std::io::Error),
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}

impl CatalogueSource {
    pub(crate) fn load(&self) -> Result<SharedCatalogue, SourceError> {
        match (&self.openapi, &self.server) {
            (Some(path), _) => Ok(NodeCatalogue::from_openapi(&read(path)?)?.into()),
            (None, Some(url)) => fetch(url),
            (None, None) => Ok(NodeCatalogue::embedded().into()),
        }
    }
}

fn read(path: &Path) -> Result<Value, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| SourceError::File { path: path.into(), source })?;
    serde_json::from_str(&text).map_err(|source| SourceError::Json { path: path.into(), source })
}

fn fetch(url: &str) -> Result<SharedCatalogue, SourceError> {
    let failed = |source| SourceError::Server { url: url.to_owned(), source: Box::new(source) };
    let client = Client::new(url).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SourceError::Runtime)?;
    Ok(runtime.block_on(client.catalogue()).map_err(failed)?.into())
}
