//! Where the node catalogue comes from: this program, a file, or a server.

use clap::Args;
use invokeai_client::Client;
use invokeai_client::schema::{CatalogueError, NodeCatalogue};
use invokeai_client::workflow::SharedCatalogue;
use std::path::{Path, PathBuf};

use crate::{failure::Failure, server::ServerArgs, session};

/// Which node catalogue to use; with --server or --profile that server's, else the one of InvokeAI 6.14.2
#[derive(Debug, Args)]
pub(crate) struct CatalogueSource {
    /// Read the nodes from a server's OpenAPI document in a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "profile"])]
    openapi: Option<PathBuf>,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("cannot read {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot take the nodes from {path}")]
    Catalogue { path: PathBuf, source: CatalogueError },
    #[error("cannot get the nodes of {url}")]
    Server { url: String, source: Box<invokeai_client::Error> },
}

impl CatalogueSource {
    /// The server to ask, if one was named.
    pub(crate) fn client(&self, server: &ServerArgs) -> Result<Option<Client>, Failure> {
        if self.openapi.is_none() && server.is_named() { server.client().map(Some) } else { Ok(None) }
    }

    pub(crate) fn load(&self, server: &ServerArgs) -> Result<SharedCatalogue, Failure> {
        match &self.openapi {
            Some(path) => Ok(read(path).map_err(Failure::other)?.into()),
            None if server.is_named() => fetch(&server.client()?),
            None => Ok(NodeCatalogue::embedded().into()),
        }
    }
}

fn read(path: &Path) -> Result<NodeCatalogue, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| SourceError::File { path: path.into(), source })?;
    NodeCatalogue::from_openapi_text(&text).map_err(|source| SourceError::Catalogue { path: path.into(), source })
}

fn fetch(client: &Client) -> Result<SharedCatalogue, Failure> {
    let url = client.base_url().to_string();
    let failed = |source| Failure::other(SourceError::Server { url, source: Box::new(source) });
    session::run(client, async { Ok(client.catalogue().await.map_err(failed)?.into()) })
}
