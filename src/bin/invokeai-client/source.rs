//! Where a workflow comes from: a file, standard input, or the library, an image or a queue item of a server.

use std::{fmt, io::ErrorKind, path::PathBuf, str::FromStr};

use invokeai_client::{
    Client,
    queue::DEFAULT_QUEUE,
    workflow::{DefinitionError, SharedCatalog, WorkflowDefinition},
};
use serde_json::json;

use crate::{failure::Failure, session::apart, standard_input};

/// Its help text.
pub(crate) const HELP: &str = "A workflow: a file (exported workflow, image made by InvokeAI, queue item, enqueue body \
                               or graph), `-` for standard input, saved:NAME_OR_ID, image:NAME or item:ID";

/// Where a workflow comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Input,
    File(PathBuf),
    /// A saved workflow in the library, by name or id.
    Saved(String),
    /// An image on the server, by name.
    Image(String),
    /// A queue item, by id.
    Item(i64),
}

/// A workflow that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot load {from}")]
struct Unreadable {
    from: Source,
    source: DefinitionError,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = "saved:NAME_OR_ID, image:NAME or item:ID";
        // `./saved:x` is a file, too.
        Ok(match text.split_once(':') {
            _ if text == "-" => Self::Input,
            Some(("saved" | "image" | "item", "")) => return Err(format!("nothing after the colon; expected {kinds}")),
            Some(("saved", name)) => Self::Saved(name.to_owned()),
            Some(("image", name)) => Self::Image(name.to_owned()),
            Some(("item", id)) => {
                Self::Item(id.parse().map_err(|_| format!("`{id}` is not the number of a queue item"))?)
            }
            _ => Self::File(text.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input => f.write_str("standard input"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Saved(name) => write!(f, "saved:{name}"),
            Self::Image(name) => write!(f, "image:{name}"),
            Self::Item(id) => write!(f, "item:{id}"),
        }
    }
}

impl Source {
    /// The name of the file without its extension, or the name of another source.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            other => other.to_string(),
        }
    }

    /// Whether it is on a server.
    pub(crate) fn is_on_server(&self) -> bool {
        !matches!(self, Self::Input | Self::File(_))
    }

    /// Reads it without a server.
    pub(crate) fn read(&self, catalog: &SharedCatalog) -> Result<WorkflowDefinition, Failure> {
        let read = match self {
            Self::Input => standard_input::take("a workflow")
                .map_err(DefinitionError::from)
                .and_then(|input| WorkflowDefinition::from_reader_with(input, catalog)),
            Self::File(path) => WorkflowDefinition::from_path_with(path, catalog),
            _ => {
                return Err(Failure::other(format!(
                    "{self} is on a server, and is read with that server's nodes: leave out --openapi"
                )));
            }
        };
        read.map_err(|source| self.unreadable(source))
    }

    /// Reads it, from the server if need be.
    pub(crate) async fn load(&self, client: &Client, catalog: &SharedCatalog) -> Result<WorkflowDefinition, Failure> {
        let wrapped = match self {
            Self::Saved(name) => {
                let saved = client.library().find(name).await?;
                let Some(saved) = saved else {
                    let near = client.library().suggest(name).await?;
                    let near = match near.is_empty() {
                        true => "no name contains this text".to_owned(),
                        false => format!("did you mean: {}", near.join(", ")),
                    };
                    return Err(Failure::other(format!("there is no saved workflow `{name}`; {near}")));
                };
                return Ok(client.saved_workflow(saved.workflow_id).definition().await?);
            }
            Self::Image(name) => {
                let embedded = client.image(name).embedded().await.map_err(|error| self.not_there(error))?;
                if embedded.workflow.is_none() && embedded.graph.is_none() {
                    return Err(Failure::other(format!("the image {name} contains neither a workflow nor a graph")));
                }
                json!({ "workflow": embedded.workflow, "graph": embedded.graph })
            }
            Self::Item(id) => return of_item(client, DEFAULT_QUEUE, *id, catalog).await,
            Self::Input | Self::File(_) => return self.load_here(client, catalog).await,
        };
        WorkflowDefinition::from_value_with(wrapped, catalog).map_err(|source| self.unreadable(source))
    }

    async fn load_here(&self, client: &Client, catalog: &SharedCatalog) -> Result<WorkflowDefinition, Failure> {
        let (this, catalog) = (self.clone(), catalog.clone());
        let read = apart(move || this.read(&catalog)).await;
        let (Self::File(path), Err(failure)) = (self, &read) else { return read };
        let name = path.to_string_lossy();
        // If several have this name, the hint is just as useful.
        if is_missing(failure) && client.library().find(&name).await.is_ok_and(|found| found.is_some()) {
            let said = format!("there is no file {name}, but a saved workflow of this name: saved:{name}");
            return Err(Failure::other(said));
        }
        read
    }

    fn not_there(&self, error: invokeai_client::Error) -> Failure {
        match error.is_not_found() {
            true => Failure::other(format!("there is no {self} on this server")),
            false => error.into(),
        }
    }

    fn unreadable(&self, source: DefinitionError) -> Failure {
        Failure::other(Unreadable { from: self.clone(), source })
    }
}

/// The workflow of a queue item.
pub(crate) async fn of_item(
    client: &Client,
    queue: &str,
    id: i64,
    catalog: &SharedCatalog,
) -> Result<WorkflowDefinition, Failure> {
    let source = Source::Item(id);
    let item = client.queue(queue).item(id).await.map_err(|error| source.not_there(error))?;
    let wrapped = json!({ "workflow": item.workflow, "session": item.session });
    WorkflowDefinition::from_value_with(wrapped, catalog).map_err(|error| source.unreadable(error))
}

fn is_missing(failure: &Failure) -> bool {
    let Failure::Other(error) = failure else { return false };
    let unreadable = error.downcast_ref::<Unreadable>();
    unreadable.is_some_and(|it| matches!(&it.source, DefinitionError::Io(error) if error.kind() == ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_by_what_is_before_the_colon() {
        for (text, source) in [
            ("-", Source::Input),
            ("saved:My: workflow", Source::Saved("My: workflow".into())),
            ("image:a.png", Source::Image("a.png".into())),
            ("item:7", Source::Item(7)),
            ("./saved:x", Source::File("./saved:x".into())),
            ("C:\\flux.json", Source::File("C:\\flux.json".into())),
        ] {
            assert_eq!(text.parse(), Ok(source), "{text}");
        }
        for wrong in ["saved:", "item:seven", "image:"] {
            assert!(wrong.parse::<Source>().is_err(), "{wrong}");
        }
    }
}
