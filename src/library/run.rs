//! Submitting saved workflows.

use serde_json::Value;

use crate::{
    Client, Submission,
    error::{Error, Result},
    workflow::Workflow,
};

impl Client {
    /// Submits a workflow of the library: loads it by its name or id, sets inputs from a JSON object, and submits it to
    /// the queue `default`.
    ///
    /// The members of the object are names of inputs: the label in the form, where only one has it, or
    /// `{node_id}.{field_name}`. Inputs that are not named keep the saved value. For other settings use
    /// [`open_saved_workflow`](Self::open_saved_workflow) and [`submit`](Self::submit).
    ///
    /// ```no_run
    /// # async fn example(client: invokeai_client::Client) -> invokeai_client::Result<()> {
    /// use serde_json::json;
    ///
    /// let inputs = json!({"prompt": "a lighthouse at dusk", "num_steps": 30});
    /// let submission = client.submit_saved_workflow("FLUX Image to Image", inputs).await?;
    /// let finished = submission.job()?.wait().await?;
    /// finished.outputs().await?.download_to("pictures").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuch`] if there is no such workflow, with similar names; [`Error::Ambiguous`] if several have this
    /// name, with their ids; [`Error::Input`] if an input does not exist or does not take its value,
    /// [`Error::NotReady`] if one is missing: nothing has been submitted then; any error of a call.
    ///
    /// # Cancel safety
    /// As [`submit`](Self::submit): if dropped late, it may leave items on the queue. Clean-up finds them.
    pub async fn submit_saved_workflow(&self, name_or_id: &str, inputs: impl Into<Value>) -> Result<Submission> {
        let mut workflow = self.open_saved_workflow(name_or_id).await?;
        workflow.set_inputs_json(&inputs.into())?;
        self.submit(&workflow).await
    }

    /// Loads a workflow of the library by its name or id, to set inputs and submit it.
    ///
    /// # Errors
    /// As [`submit_saved_workflow`](Self::submit_saved_workflow), as far as loading goes; [`Error::Decode`] if the
    /// editor would not load what is stored.
    pub async fn open_saved_workflow(&self, name_or_id: &str) -> Result<Workflow> {
        let library = self.library();
        let Some(saved) = library.find(name_or_id).await? else {
            let near = library.suggest(name_or_id).await?;
            return Err(Error::no_such("saved workflow", name_or_id, near));
        };
        let definition = self.saved_workflow(saved.workflow_id).definition().await?;
        self.workflow(definition).await
    }
}
