//! Using generated structs on a server.

use super::structs::changed;
use super::{InputInfo, TypedWorkflow};
use crate::Client;
use crate::error::{Error, Result};
use crate::schema::ModelRecord;
use crate::submission::{Submit, Submittable};
use crate::workflow::{Difference, DifferenceKind, InputError, ProblemKind, Workflow};
use serde_json::Value;
use std::collections::HashSet;

impl Client {
    /// Creates a workflow from a generated struct, with the nodes of this server. Models given only by name are looked
    /// up.
    ///
    /// ```no_run
    /// # async fn example<W: invokeai_client::typed::TypedWorkflow>(client: invokeai_client::Client, flux: W)
    /// # -> invokeai_client::Result<()> {
    /// let workflow = client.bind(&flux).await?;
    /// println!("{}", workflow.input_schema());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::NodesDiffer`] if the code was generated for other nodes and does not fit those of this server;
    /// [`Error::Input`] if this server does not accept a value; any error of a call.
    pub async fn bind(&self, typed: &impl TypedWorkflow) -> Result<Workflow> {
        bind(self, typed).await
    }
}

/// [`bind`](Client::bind) and submit in one step.
impl<W: TypedWorkflow> Submittable for W {
    #[cfg(feature = "fleet")]
    fn offline(&self) -> std::borrow::Cow<'_, Workflow> {
        std::borrow::Cow::Owned(super::to_workflow(self))
    }

    fn submit_with(&self, client: &Client) -> Submit<'_> {
        let typed = self.clone();
        Submit::later(client, move |client| {
            let typed = typed.clone();
            Box::pin(async move { client.bind(&typed).await })
        })
    }
}

async fn bind<W: TypedWorkflow>(client: &Client, typed: &W) -> Result<Workflow> {
    let mut workflow = client.workflow(W::embedded().definition().clone()).await?;
    let changed = changed(typed, &workflow);
    refuse_differences::<W>(&workflow, &changed)?;
    let (complete, named): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(info, value)| value.as_ref().is_none_or(|value| !names_model(info, value)));
    let mut refused = Vec::new();
    for (info, value) in complete {
        let Some(value) = value else {
            workflow.place(info.system_name(), None);
            continue;
        };
        refused.extend(workflow.set_input(info.system_name(), value).err());
    }
    match refused.pop() {
        None => {}
        Some(only) if refused.is_empty() => return Err(only.into()),
        Some(last) => {
            refused.push(last);
            return Err(InputError::Several { errors: refused }.into());
        }
    }
    if !named.is_empty() {
        look_up(&mut workflow, &named, &client.models().records().await?)?;
    }
    Ok(workflow)
}

/// A difference matters if the code no longer fits. A new input that must be set does not matter if it is set.
fn refuse_differences<W: TypedWorkflow>(workflow: &Workflow, changed: &[(InputInfo, Option<Value>)]) -> Result<()> {
    let differences = W::differences(workflow);
    if !differences.iter().any(Difference::is_breaking) {
        return Ok(());
    }
    let set: HashSet<&str> =
        changed.iter().filter_map(|(info, value)| value.as_ref().map(|_| info.system_name())).collect();
    let problems = workflow.problems();
    let is_missing = |difference: &Difference| {
        problems.iter().any(|problem| {
            let (Some(node), Some(field)) = (&problem.node, &problem.field) else { return false };
            problem.kind == ProblemKind::MissingInput
                && difference.field.as_ref() == Some(field)
                && node.node_type == difference.node_type
                && !set.contains(format!("{}.{field}", node.id).as_str())
        })
    };
    let matters = |difference: &Difference| {
        difference.is_breaking() && (difference.kind != DifferenceKind::NowRequired || is_missing(difference))
    };
    if differences.iter().any(matters) { Err(Error::NodesDiffer(differences)) } else { Ok(()) }
}

/// Whether the value is or holds a model given only by name.
fn names_model(info: &InputInfo, value: &Value) -> bool {
    let is_model = |value: &Value| value.get("name").or_else(|| value.get("key")).is_some_and(Value::is_string);
    let named = match value {
        Value::Array(items) => items.iter().any(|item| is_model(item.get("lora").unwrap_or(item))),
        value => is_model(value),
    };
    named && !info.is_complete(value)
}

fn look_up(workflow: &mut Workflow, named: &[(InputInfo, Option<Value>)], installed: &[ModelRecord]) -> Result<()> {
    const MOST: usize = 10;
    for (info, value) in named {
        workflow.place(info.system_name(), value.clone());
    }
    let mut report = workflow.resolve_models(installed);
    let is_named = |node: &str, field: &str| {
        let system_name = format!("{node}.{field}");
        named.iter().find(|(info, _)| info.system_name() == system_name).map(|(info, _)| *info)
    };
    let missing = report
        .missing
        .iter()
        .find_map(|missing| Some((is_named(&missing.usage.node_id, &missing.usage.field)?, missing)));
    if let Some((info, missing)) = missing {
        let fitting: Vec<&str> = missing.fitting.iter().take(MOST).map(|model| model.name.as_str()).collect();
        let has = if fitting.is_empty() { "none that fits".to_owned() } else { fitting.join(", ") };
        let wanted =
            missing.usage.wanted.as_ref().map(|wanted| wanted.key.clone().unwrap_or_else(|| wanted.name.clone()));
        let problem =
            format!("names the model {:?}, which the server does not have; it has {has}", wanted.unwrap_or_default());
        return Err(Error::invalid(info.name(), problem));
    }
    // The models that the file names are left as they are, as in any other way of submitting.
    report.resolved.retain(|found| is_named(&found.usage.node_id, &found.usage.field).is_some());
    workflow.apply_models(&report);
    for (info, _) in named {
        let input = workflow.input(info.system_name())?;
        input.field.check().map_err(InputError::from)?;
    }
    Ok(())
}
