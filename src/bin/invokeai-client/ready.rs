//! Checks whether a workflow can run on a server as it is, for `inspect` and `run` alike.

use std::collections::{HashMap, HashSet};

use invokeai_client::{
    Client,
    schema::{InputKind, ModelRecord},
    workflow::{Problem, ProblemKind, Reference, Workflow},
};

use crate::{
    catalog_source::Reader,
    failure::Failure,
    given::{self, Filled, InputArgs, ManyArgs, Texts},
    session::apart,
    source::Source,
};

/// A workflow on a server, with all values filled in.
pub(crate) struct Ready {
    /// The workflow before it was filled in.
    base: Workflow,
    pub(crate) models: Vec<ModelRecord>,
    texts: Texts,
    /// The workflow with placeholders for files that are not uploaded yet.
    pub(crate) filled: Filled,
    /// The problems that keep it from running.
    pub(crate) problems: Vec<Problem>,
}

/// Reads the workflow, fills it in, and checks that everything it names is on the server. Sends only reads.
pub(crate) async fn look(
    client: &Client,
    source: &Source,
    inputs: &InputArgs,
    many: &ManyArgs,
) -> Result<Ready, Failure> {
    let definition = Reader::of(client).await?.definition(source).await?;
    let mut base = client.workflow_with(definition, inputs.options()).await?;
    // Keys in an exported file belong to another machine.
    let models = client.models().records().await?;
    base.use_models(&models);
    let mut missing = HashSet::new();
    if inputs.drop_missing {
        missing = missing_of(client, base.references()).await?;
        base.drop_inaccessible(|reference| !missing.contains(reference));
    }
    let (filled, texts) = {
        let (base, models) = (base.clone(), models.clone());
        let (inputs, many) = (inputs.clone(), many.clone());
        apart(move || {
            let mut texts = Texts::default();
            let filled = given::fill(&inputs, &many, &mut texts, base, &models, &HashMap::new())?;
            Ok((filled, texts))
        })
        .await?
    };
    let named = images_of_rows(&filled);
    let references = filled.workflow.references().into_iter().chain(named.iter().map(|(_, image)| image.clone()));
    missing.extend(missing_of(client, references.collect()).await?);
    let mut problems = filled.workflow.problems();
    // Problems that only the server can rule out are checked when the workflow is sent.
    problems.retain(|problem| problem.kind != ProblemKind::NeedsServer);
    problems.extend(filled.workflow.problems_on(&models, |reference| !missing.contains(reference)));
    let gone = named.iter().find(|(_, image)| missing.contains(image));
    if let Some((row, image)) = gone {
        return Err(Failure::other(format!("row {}: the {image} is neither a local file nor on this server", row + 1)));
    }
    Ok(Ready { base, models, texts, filled, problems })
}

impl Ready {
    /// The same, with the names of the uploaded files.
    pub(crate) async fn with_uploads(
        self,
        inputs: &InputArgs,
        many: &ManyArgs,
        uploaded: HashMap<std::path::PathBuf, String>,
    ) -> Result<Filled, Failure> {
        let (inputs, many) = (inputs.clone(), many.clone());
        let Self { base, models, mut texts, .. } = self;
        apart(move || given::fill(&inputs, &many, &mut texts, base, &models, &uploaded)).await
    }
}

/// A problem in words, with what would solve it.
pub(crate) fn said(workflow: &Workflow, problem: &Problem) -> String {
    let message = &problem.message;
    let (Some(node), Some(field)) = (&problem.node, &problem.field) else { return message.clone() };
    let name = workflow.name_of_field(&node.id, field);
    let quoted = if name.contains(char::is_whitespace) { format!("\"{name}=…\"") } else { format!("{name}=…") };
    match problem.kind {
        ProblemKind::MissingModel => format!("{message} (--set {quoted}, or --force to run it anyway)"),
        ProblemKind::MissingImage => {
            format!("{message} (--upload {quoted}, --drop-missing to run without it, or --force to run it anyway)")
        }
        ProblemKind::MissingVideo | ProblemKind::MissingBoard => {
            format!("{message} (--set {quoted}, --drop-missing to run without it, or --force to run it anyway)")
        }
        ProblemKind::UnusualValue => format!("{message} (--set {quoted}, or --force to run it anyway)"),
        // An input that only an edge can fill cannot be set.
        ProblemKind::MissingInput if takes_values(workflow, &node.id, field) => format!("{message} (--set {quoted})"),
        ProblemKind::MissingFieldTemplate | ProblemKind::MissingNodeTemplate => {
            match workflow.warnings().iter().any(|warning| warning.node_id.as_deref() == Some(node.id.as_str())) {
                true => format!("{message} (--update-nodes updates nodes to the server's versions)"),
                false => message.clone(),
            }
        }
        _ => message.clone(),
    }
}

fn takes_values(workflow: &Workflow, node: &str, field: &str) -> bool {
    workflow.node_field(node, field).is_ok_and(|field| field.template().input != InputKind::Connection)
}

/// Whether `--force` continues in spite of it.
pub(crate) fn can_be_forced(problem: &Problem) -> bool {
    use ProblemKind::{MissingBoard, MissingImage, MissingModel, MissingVideo, UnusualValue};
    matches!(problem.kind, MissingModel | MissingImage | MissingVideo | MissingBoard | UnusualValue)
}

/// The images, videos and boards that the server does not have. Models are looked up separately.
async fn missing_of(client: &Client, references: Vec<Reference>) -> Result<HashSet<Reference>, Failure> {
    let mut missing = HashSet::new();
    let mut images = HashSet::new();
    for reference in references {
        let is_there = match &reference {
            Reference::Image(name) if given::is_placeholder(name) => true,
            Reference::Image(name) => {
                images.insert(name.clone());
                true
            }
            Reference::Video(name) => client.video(name).find().await?.is_some(),
            Reference::Board(id) => client.board(id).find().await?.is_some(),
            _ => true,
        };
        if !is_there {
            missing.insert(reference);
        }
    }
    if !images.is_empty() {
        for image in client.images().get_many(images.clone()).await? {
            images.remove(&image?.image_name);
        }
        missing.extend(images.into_iter().map(Reference::Image));
    }
    Ok(missing)
}

/// The images on the server that rows name, with their rows.
fn images_of_rows(filled: &Filled) -> Vec<(usize, Reference)> {
    let Some(sweep) = &filled.sweep else { return Vec::new() };
    let mut seen = HashSet::new();
    let mut named = Vec::new();
    for row in 0..sweep.len() {
        for (_, _, value) in sweep.values_at(row) {
            let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for name in items.iter().filter_map(|item| item.get("image_name")?.as_str()) {
                if !given::is_placeholder(name) && seen.insert(name.to_owned()) {
                    named.push((row, Reference::Image(name.to_owned())));
                }
            }
        }
    }
    named
}
