//! Where the node catalog comes from: this program, a file, or a server.

use clap::Args;
use invokeai_client::Client;
use invokeai_client::schema::{CatalogError, NodeCatalog};
use invokeai_client::workflow::{SharedCatalog, Workflow, WorkflowDefinition};
use std::path::{Path, PathBuf};

use crate::{failure::Failure, server::ServerArgs, session, source::Source};

/// Which node catalog to use: with --server or --profile, or for a workflow on a server, that server's; otherwise the
/// one of InvokeAI 6.14.2
#[derive(Debug, Args)]
pub(crate) struct CatalogSource {
    /// Read the nodes from a file with a server's OpenAPI document
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "profile"])]
    openapi: Option<PathBuf>,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
enum SourceError {
    #[error("cannot read {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot take the nodes from {path}")]
    Catalog { path: PathBuf, source: CatalogError },
    #[error("cannot get the nodes of {url}")]
    Server { url: String, source: Box<invokeai_client::Error> },
}

impl CatalogSource {
    /// Reads workflows in one session, because connections do not outlive it. Uses the nodes of a server if one is
    /// named or has one of the workflows, and otherwise those of a file or of this program.
    pub(crate) fn read_with<T>(
        &self,
        sources: &[&Source],
        server: &ServerArgs,
        work: impl AsyncFnOnce(&Reader) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let catalog = match &self.openapi {
            Some(path) => read(path).map_err(Failure::other)?.into(),
            None if server.is_named() || sources.iter().any(|source| source.is_on_server()) => {
                let client = server.client()?;
                return session::run(&client, async { work(&Reader::of(&client).await?).await });
            }
            None => NodeCatalog::embedded().into(),
        };
        session::block_on(work(&Reader { catalog, client: None }))
    }

    /// Reads one workflow.
    pub(crate) fn workflow(&self, source: &Source, server: &ServerArgs) -> Result<Workflow, Failure> {
        self.read_with(&[source], server, async |reader| reader.workflow(source).await)
    }
}

/// Reads workflows with one catalog, from one server if there is one.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) catalog: SharedCatalog,
    pub(crate) client: Option<Client>,
}

impl Reader {
    /// With the nodes of a server.
    pub(crate) async fn of(client: &Client) -> Result<Self, Failure> {
        let url = client.base_url().to_string();
        let failed = |source| Failure::other(SourceError::Server { url, source: Box::new(source) });
        let catalog = client.catalog().await.map_err(failed)?.into();
        Ok(Self { catalog, client: Some(client.clone()) })
    }

    pub(crate) async fn definition(&self, source: &Source) -> Result<WorkflowDefinition, Failure> {
        match &self.client {
            Some(client) => source.load(client, &self.catalog).await,
            None => source.read(&self.catalog),
        }
    }

    pub(crate) async fn workflow(&self, source: &Source) -> Result<Workflow, Failure> {
        Ok(Workflow::new(self.definition(source).await?, &self.catalog))
    }
}

fn read(path: &Path) -> Result<NodeCatalog, SourceError> {
    let text = std::fs::read_to_string(path).map_err(|source| SourceError::File { path: path.into(), source })?;
    NodeCatalog::from_openapi_text(&text).map_err(|source| SourceError::Catalog { path: path.into(), source })
}
