//! Where the node catalogue comes from: this program, a file, or a server.

use clap::Args;
use invokeai_client::Client;
use invokeai_client::schema::{CatalogueError, NodeCatalogue};
use invokeai_client::workflow::{SharedCatalogue, Workflow};
use std::path::{Path, PathBuf};

use crate::{failure::Failure, server::ServerArgs, session, source::Source};

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

    /// Reads one workflow.
    pub(crate) fn workflow(&self, source: &Source, server: &ServerArgs) -> Result<Workflow, Failure> {
        self.read_with(server, async |reader| reader.workflow(source).await)
    }

    /// Reads workflows in one session, because connections do not outlive it.
    pub(crate) fn read_with<T>(
        &self,
        server: &ServerArgs,
        work: impl AsyncFnOnce(&Reader) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let Some(client) = self.client(server)? else {
            let reader = Reader { catalogue: self.load(server)?, client: None };
            return session::block_on(work(&reader));
        };
        session::run(&client, async {
            let reader = Reader { catalogue: catalogue_of(&client).await?, client: Some(client.clone()) };
            work(&reader).await
        })
    }
}

/// Reads workflows with one catalogue, from one server if there is one.
#[derive(Debug)]
pub(crate) struct Reader {
    catalogue: SharedCatalogue,
    client: Option<Client>,
}

impl Reader {
    pub(crate) async fn workflow(&self, source: &Source) -> Result<Workflow, Failure> {
        let definition = match &self.client {
            Some(client) => source.load(client, &self.catalogue).await?,
            None => source.read(&self.catalogue)?,
        };
        Ok(Workflow::new(definition, &self.catalogue))
    }
}

fn read(path: &Path) -> Result<NodeCatalogue, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| SourceError::File { path: path.into(), source })?;
    NodeCatalogue::from_openapi_text(&text).map_err(|source| SourceError::Catalogue { path: path.into(), source })
}

fn fetch(client: &Client) -> Result<SharedCatalogue, Failure> {
    session::run(client, catalogue_of(client))
}

async fn catalogue_of(client: &Client) -> Result<SharedCatalogue, Failure> {
    let url = client.base_url().to_string();
    let failed = |source| Failure::other(SourceError::Server { url, source: Box::new(source) });
    Ok(client.catalogue().await.map_err(failed)?.into())
}
