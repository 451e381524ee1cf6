//! `invokeai-client workflows`: the server's library.

use std::path::PathBuf;

use clap::Subcommand;
use futures::TryStreamExt as _;
use invokeai_client::{Client, library::SavedWorkflow};

use crate::{completion, confirm::Confirm, exit::Exit, failure::Failure, table::Output};

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowsCommand {
    /// List saved workflows
    List {
        /// Only workflows with this text in name, description or tags
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Write a saved workflow to a file
    Get {
        /// Id or name
        #[arg(add = completion::saved())]
        workflow: String,
        /// File
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Save workflow files to the library
    Put {
        /// Files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Delete saved workflows
    Rm {
        /// Ids or names
        #[arg(required = true, add = completion::saved())]
        workflows: Vec<String>,
        #[command(flatten)]
        confirm: Confirm,
    },
}

pub(crate) async fn run(command: WorkflowsCommand, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let library = client.library();
    match command {
        WorkflowsCommand::List { search } => {
            let mut list = library.list();
            if let Some(search) = search {
                list = list.search(search);
            }
            let mut workflows = std::pin::pin!(list.stream());
            while let Some(workflow) = workflows.try_next().await? {
                let cells = [workflow.workflow_id.clone(), workflow.name.clone()];
                output.row(&serde_json::json!({ "workflow_id": cells[0], "name": cells[1] }), [44, 0], cells)?;
            }
        }
        WorkflowsCommand::Get { workflow, out } => {
            let id = find(client, &workflow).await?.workflow_id;
            client.saved_workflow(id).to_file(&out).await?;
            output.done("saved", &out.display().to_string())?;
        }
        WorkflowsCommand::Put { files } => {
            for file in files {
                let saved = library.create_from_file(file).await?;
                output.done("created", &saved.workflow_id)?;
            }
        }
        WorkflowsCommand::Rm { workflows, confirm } => {
            let mut found = Vec::new();
            for workflow in &workflows {
                found.push(find(client, workflow).await?);
            }
            let what: Vec<String> = found
                .iter()
                .map(|workflow| format!("delete the workflow {} ({})", workflow.name, workflow.workflow_id))
                .collect();
            if !confirm.allows(&what).await? {
                return Ok(Exit::Done);
            }
            for workflow in found {
                client.saved_workflow(&workflow.workflow_id).delete().await?;
                output.done("deleted", &workflow.workflow_id)?;
            }
        }
    }
    Ok(Exit::Done)
}

async fn find(client: &Client, workflow: &str) -> Result<SavedWorkflow, Failure> {
    let found = client.library().find(workflow).await?;
    found.ok_or_else(|| Failure::other(format!("there is no saved workflow with the id or name `{workflow}`")))
}
