//! Whether a server can do a job, and if not, why not.
//!
//! The rules are those that a workflow is checked by anywhere in this crate: it is opened with the nodes of the server, its
//! models are looked up among those of the server, and what its editor or this crate would complain of is the reason.

use std::{collections::HashSet, sync::Arc};

use super::{
    blobs::Blobs,
    job::{self, Needs},
};
use crate::{
    Client,
    error::Result,
    schema::ModelRecord,
    workflow::{ProblemKind, Reference, SharedCatalogue, Workflow, WorkflowDefinition},
};

/// How many reasons are kept for a kind of job.
const REASONS: usize = 5;

/// What a server has.
#[derive(Clone)]
pub(super) struct Abilities {
    catalogue: SharedCatalogue,
    models: Arc<Vec<ModelRecord>>,
    /// Why it can do nothing at all.
    refusal: Option<String>,
    pub(super) version: String,
}

impl Abilities {
    /// Asks a server. Nodes are read with a client of its own: a client reads them once, and a server that was started again
    /// may have others.
    pub(super) async fn of(client: &Client) -> Result<Self> {
        let compatibility = client.compatibility().await?;
        let refusal = (!compatibility.can_run()).then(|| compatibility.to_string());
        let catalogue = SharedCatalogue::from(client.catalogue().await?);
        let models = Arc::new(client.models().records().await?);
        Ok(Self { catalogue, models, refusal, version: client.server_version().await? })
    }

    /// The workflow of a job as it is on this server, with the server's models.
    pub(super) async fn open(
        &self,
        client: &Client,
        definition: serde_json::Value,
        inputs: &[job::InputOf],
    ) -> Result<Workflow> {
        let definition = WorkflowDefinition::from_value_with(definition, &self.catalogue)?;
        let mut workflow = client.workflow(definition).await?;
        job::apply(&mut workflow, inputs)?;
        workflow.use_models(&self.models);
        Ok(workflow)
    }

    /// Why the server cannot do jobs with these needs, which is nothing if it can; and keys of the models that they use there.
    pub(super) async fn reasons(
        &self,
        client: &Client,
        blobs: &Blobs,
        needs: &Needs,
    ) -> Result<(Vec<String>, HashSet<String>)> {
        if let Some(refusal) = &self.refusal {
            return Ok((vec![refusal.clone()], HashSet::new()));
        }
        let definition = job::from_bytes(&blobs.get(&needs.workflow).await?)?;
        let workflow = match self.open(client, definition, &needs.models).await {
            Ok(workflow) => workflow,
            // Bad input, not a bad server.
            Err(error @ (crate::Error::Definition(_) | crate::Error::Input(_))) => {
                return Ok((vec![error.to_string()], HashSet::new()));
            }
            Err(error) => return Err(error),
        };
        let mut problems = workflow.problems();
        // Values come with each job; what is left is what a server has or lacks.
        problems.retain(|problem| {
            matches!(problem.kind, ProblemKind::MissingNodeTemplate | ProblemKind::MissingFieldTemplate)
        });
        problems.extend(workflow.problems_on(&self.models, |reference| match reference {
            Reference::Image(name) => job::file_of(name).is_some(),
            _ => false,
        }));
        let mut reasons: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
        reasons.dedup();
        reasons.truncate(REASONS);
        let models = workflow.model_uses().into_iter().filter_map(|usage| usage.wanted?.key).collect();
        Ok((reasons, models))
    }
}
