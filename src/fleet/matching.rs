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
    workflow::{ProblemKind, Reference, SharedCatalog, Workflow, WorkflowDefinition},
};

/// How many reasons are kept for a kind of job.
const REASONS: usize = 5;

/// What a server has.
#[derive(Clone)]
pub(super) struct Abilities {
    catalog: SharedCatalog,
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
        let catalog = SharedCatalog::from(client.catalog().await?);
        let models = Arc::new(client.models().records().await?);
        Ok(Self { catalog, models, refusal, version: client.server_version().await? })
    }

    /// The workflow of a job as it is on this server, with the server's models.
    pub(super) async fn open(
        &self,
        client: &Client,
        definition: serde_json::Value,
        inputs: &[job::InputOf],
    ) -> Result<Workflow> {
        let definition = WorkflowDefinition::from_value_with(definition, &self.catalog)?;
        let mut workflow = client.workflow(definition).await?;
        job::apply(&mut workflow, inputs)?;
        workflow.use_models(&self.models);
        Ok(workflow)
    }

    /// Why the server cannot do jobs with these needs, which is nothing if it can; and the models that they use there, as
    /// [`called`] calls them.
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
        let keys: HashSet<String> = workflow.model_uses().into_iter().filter_map(|usage| usage.wanted?.key).collect();
        let models = self.models.iter().filter(|model| keys.contains(&model.key)).map(called).collect();
        Ok((reasons, models))
    }
}

/// What a model is called where a server says which it has in memory: there are no keys (InvokeAI's `load_default.py`).
fn called(model: &ModelRecord) -> String {
    format!("{}:{}:{}", model.base, model.model_type, model.name)
}

/// The models whose parts these are.
pub(super) fn models_of_parts<'a>(parts: impl Iterator<Item = &'a str>) -> HashSet<String> {
    parts.map(|part| part.rsplit_once(':').map_or(part, |(model, _)| model).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{called, models_of_parts};
    use crate::schema::ModelRecord;

    #[test]
    fn models_in_memory_are_found_by_what_a_server_calls_them() {
        // What InvokeAI 6.14.2 says, and a name with a colon.
        let said = ["sd-1:main:tiny-sd1:text_encoder", "sd-1:main:tiny-sd1:unet", "any:clip_embed:a: b:"];
        let found = models_of_parts(said.into_iter());
        for model in [("sd-1", "main", "tiny-sd1"), ("any", "clip_embed", "a: b")] {
            let record = ModelRecord::new("key", model.2, model.0, model.1);
            assert!(found.contains(&called(&record)), "{model:?} in {found:?}");
        }
        assert_eq!(found.len(), 2);
    }
}
