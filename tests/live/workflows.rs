//! The workflows that InvokeAI ships, from a real server's own library, run there with tiny models through this crate
//! alone: as Rust structs, whose requests are those of the workflows themselves.

use std::{
    collections::{BTreeSet, VecDeque},
    io::Write as _,
    sync::Arc,
    time::Duration,
};

use futures::TryStreamExt as _;
use invokeai_client::{
    Client, bindings,
    library::WorkflowCategory,
    schema::{ModelFilter, ModelRecord, NodeCatalog},
    workflow::{MissingModel, Problem, ProblemKind, Workflow, WorkflowDefinition, field::InkField},
};
use serde_json::Value;

use crate::{
    common::{artifacts, live},
    typed_program::{Ran, TypedProgram},
};

/// Longest time for all.
const ALL: Duration = Duration::from_secs(1200);

/// Node types of shipped workflows that later releases no longer have, and what does nearly the same without a model.
const RETIRED: [&str; 2] = ["canny_image_processor", "midas_depth_image_processor"];
const SUCCESSOR: &str = "canny_edge_detection";

/// What the workflows are filled in with.
#[derive(Clone)]
struct Materials {
    models: Arc<[ModelRecord]>,
    small_image: String,
    /// Tiles must overlap, which takes more than the small one has.
    large_image: String,
    /// Of the size that workflows for videos make: one of them made it.
    video: Option<String>,
    prompts: Arc<tempfile::NamedTempFile>,
}

#[tokio::test]
async fn shipped_workflows_run() {
    if let Some((client, _turn)) = live::client().await {
        tokio::time::timeout(ALL, run_all(&client)).await.expect("the workflows end in time");
    }
}

async fn run_all(client: &Client) {
    let library = client.library();
    let saved: Vec<_> = library.list().categories([WorkflowCategory::Default]).stream().try_collect().await.unwrap();
    assert!(!saved.is_empty(), "every release ships workflows");
    let mut materials = Materials::make(client).await;
    let queue = live::unique("queue");
    let (mut shipped, mut codes) = (Vec::new(), Vec::new());
    for (number, saved) in saved.iter().enumerate() {
        let definition = client.saved_workflow(&saved.workflow_id).definition().await.unwrap();
        let one = Shipped::new(client, definition).await;
        // A struct is for one file: its form, with the rest of the file as it will run.
        let workflow = one.with_own_inputs(&materials);
        codes.push(bindings::generate(&workflow, &format!("shipped {number}")).unwrap());
        shipped.push(one);
    }
    let mut program = TypedProgram::start(&codes, &queue);

    let (mut inputs, mut completed, mut faults) = (0, 0, Vec::new());
    eprintln!("{:58} inputs     ms events images videos", "workflow");
    let mut waiting = VecDeque::from_iter(shipped.into_iter().zip(&codes).map(|one| (one, false)));
    while let Some(((shipped, code), put_off)) = waiting.pop_front() {
        let name = shipped.workflow.definition().name().to_owned();
        let mut workflow = shipped.workflow.clone();
        match fill(&mut workflow, &materials) {
            Ok(()) => {}
            // The others make one.
            Err(Lack::Video) if !put_off => {
                waiting.push_back(((shipped, code), true));
                continue;
            }
            Err(lack) => {
                faults.push(format!("{name}: {lack:?}"));
                continue;
            }
        }
        inputs += shipped.inputs;
        let ran = program.run(code, &workflow, !workflow.problems().iter().any(is_leftover));
        let made = match ran.item_id {
            Some(item_id) => Made::by(client, &queue, item_id).await,
            None => Made::default(),
        };
        let Ran { elapsed_ms, events, error, .. } = &ran;
        completed += usize::from(error.is_none());
        let (images, videos, shown) = (made.images.len(), made.videos.len(), error.as_deref().unwrap_or_default());
        eprintln!("{name:58} {:6} {elapsed_ms:6} {events:6} {images:6} {videos:6} {shown}", shipped.inputs);
        if error.is_none() && (images, videos) == (0, 0) {
            faults.push(format!("{name}: no outputs"));
        }
        if error.is_none() && ran.by_label != ran.of_output_nodes {
            faults.push(format!("{name}: {} files by label, not {}", ran.by_label, ran.of_output_nodes));
        }
        faults.extend(error.as_ref().map(|error| format!("{name}: {error}")));
        let mut videos = made.videos;
        if materials.video.is_none() && node_types(&workflow).contains("wan_i2v_ideal_dimensions") {
            materials.video = videos.pop();
        }
        delete(client, made.images, videos).await;
    }
    eprintln!("{} workflows, {inputs} inputs, {completed} completed", saved.len());
    materials.remove(client).await;
    assert_eq!(client.queue(&queue).item_ids().await.unwrap(), Vec::<i64>::new());
    assert_eq!(faults, Vec::<String>::new());
    if client.server_version().await.unwrap() == "6.14.2" {
        assert_eq!((saved.len(), inputs, completed), (26, 278, 26));
    }
}

/// A shipped workflow, with successors in place of retired nodes.
struct Shipped {
    workflow: Workflow,
    /// How many inputs the form of the file has.
    inputs: usize,
}

impl Shipped {
    async fn new(client: &Client, definition: WorkflowDefinition) -> Self {
        let mut workflow = client.workflow(definition.clone()).await.unwrap();
        let inputs = workflow.inputs().len();
        if let Some(modern) = without_retired_nodes(definition.as_value(), workflow.catalog()) {
            workflow = client.workflow(WorkflowDefinition::from_value(modern).unwrap()).await.unwrap();
        }
        Self { workflow, inputs }
    }

    /// The workflow filled in, except for the inputs of the form, which keep their values from the file.
    fn with_own_inputs(&self, materials: &Materials) -> Workflow {
        let mut filled = self.workflow.clone();
        let video = Some("to be made.mp4".to_owned());
        fill(&mut filled, &Materials { video, ..materials.clone() }).unwrap();
        let mut document = filled.to_definition().into_value();
        let of_field = |document: &Value, node: &str, field: &str| {
            let nodes = document["nodes"].as_array().unwrap();
            let place = nodes.iter().position(|one| one["id"] == node).unwrap();
            format!("/nodes/{place}/data/inputs/{field}")
        };
        for input in self.workflow.inputs() {
            let place = of_field(&document, &input.node_id, &input.field_name);
            let original = self.workflow.definition().as_value();
            let value = original.pointer(&of_field(original, &input.node_id, &input.field_name)).cloned();
            if let (Some(filled), Some(value)) = (document.pointer_mut(&place), value) {
                *filled = value;
            }
        }
        Workflow::new(WorkflowDefinition::from_value(document).unwrap(), self.workflow.catalog().clone())
    }
}

/// What a run made. The item goes; what it made stays.
#[derive(Default)]
struct Made {
    images: Vec<String>,
    videos: Vec<String>,
}

impl Made {
    async fn by(client: &Client, queue: &str, item_id: i64) -> Self {
        let queue = client.queue(queue);
        let item = queue.item(item_id).await.unwrap();
        queue.delete_item(item_id).await.unwrap();
        // What went in is among the results of the nodes that passed it on.
        let given = item.session["graph"].to_string();
        let made = |kind| {
            let mut names = artifacts::results(&item, kind);
            names.retain(|name| !given.contains(name.as_str()));
            names
        };
        Self { images: made("image_name"), videos: made("video_name") }
    }
}

impl Materials {
    async fn make(client: &Client) -> Self {
        let mut prompts = tempfile::NamedTempFile::new().unwrap();
        writeln!(prompts, "a red cube\na blue ball\na green cone").unwrap();
        Self {
            models: client.models().records().await.unwrap().into(),
            small_image: artifacts::picture(client, 128).await,
            large_image: artifacts::picture(client, 256).await,
            video: None,
            prompts: Arc::new(prompts),
        }
    }

    async fn remove(self, client: &Client) {
        let images = vec![self.small_image, self.large_image];
        delete(client, images, self.video.into_iter().collect()).await;
    }
}

async fn delete(client: &Client, images: Vec<String>, videos: Vec<String>) {
    let images = client.images().delete(images).await;
    assert!(images.is_success(), "{images:?}");
    // Older releases have none, and no call to delete them.
    if !videos.is_empty() {
        let videos = client.videos().delete(videos).await;
        assert!(videos.is_success(), "{videos:?}");
    }
}

/// The document with successors in place of retired nodes; `None` if it has no nodes that this server lacks.
fn without_retired_nodes(document: &Value, catalog: &NodeCatalog) -> Option<Value> {
    let mut document = document.clone();
    let successor = catalog.get(SUCCESSOR)?;
    let mut replaced = BTreeSet::new();
    for node in document["nodes"].as_array_mut()? {
        let node_type = node["data"]["type"].as_str().unwrap_or_default();
        if RETIRED.contains(&node_type) && catalog.get(node_type).is_none() {
            node["data"]["type"] = SUCCESSOR.into();
            node["data"]["version"] = successor.version.as_str().into();
            let inputs = node["data"]["inputs"].as_object_mut()?;
            inputs.retain(|name, _| successor.inputs.contains_key(name));
            replaced.insert(node["id"].as_str()?.to_owned());
        }
    }
    let leads_nowhere = |edge: &Value| {
        let (target, field) = (edge["target"].as_str(), edge["targetHandle"].as_str());
        target.is_some_and(|target| replaced.contains(target))
            && field.is_some_and(|field| !successor.inputs.contains_key(field))
    };
    document["edges"].as_array_mut()?.retain(|edge| !leads_nowhere(edge));
    (!replaced.is_empty()).then_some(document)
}

/// Why a workflow cannot be filled in.
#[derive(Debug)]
enum Lack {
    Video,
    Model(#[expect(dead_code, reason = "shown")] String),
    Other(#[expect(dead_code, reason = "shown")] Vec<Problem>),
}

/// Fills in everything that is missing, and makes everything small.
fn fill(workflow: &mut Workflow, materials: &Materials) -> Result<(), Lack> {
    shrink(workflow);
    choose_models(workflow, &materials.models).map_err(Lack::Model)?;
    let tiled = node_types(workflow).iter().any(|node_type| node_type.contains("_tiles"));
    let image = if tiled { &materials.large_image } else { &materials.small_image };
    for problem in workflow.problems().iter().filter(|problem| problem.kind == ProblemKind::MissingInput) {
        let (node, field) = (&*problem.node.as_ref().unwrap().id, problem.field.as_deref().unwrap());
        let value = match workflow.node_field(node, field).unwrap() {
            InkField::Image(_) => image,
            InkField::Video(_) => materials.video.as_ref().ok_or(Lack::Video)?,
            InkField::String(_) => "a lighthouse at dusk",
            _ => continue,
        };
        workflow.set_node_field(node, field, value).unwrap();
    }
    for node in nodes_of_type(workflow, "prompt_from_file") {
        workflow.set_node_field(&node, "file_path", &*materials.prompts.path().to_string_lossy()).unwrap();
        workflow.set_node_field(&node, "max_prompts", 2).unwrap();
    }
    let mut problems = workflow.problems();
    problems.retain(|problem| !is_leftover(problem));
    if problems.is_empty() { Ok(()) } else { Err(Lack::Other(problems)) }
}

/// The shipped FLUX workflows have values for inputs that their nodes no longer have. The editor makes the user update
/// the nodes first; here they are sent as they are, which `validate(false)` allows.
fn is_leftover(problem: &Problem) -> bool {
    problem.kind == ProblemKind::MissingFieldTemplate
}

/// Sets small pictures, few steps, short videos. This does not affect inputs that an edge feeds.
fn shrink(workflow: &mut Workflow) {
    let nodes = workflow.definition().as_value()["nodes"].clone();
    for node in nodes.as_array().into_iter().flatten() {
        let (Some(id), Some(node_type)) = (node["id"].as_str(), node["data"]["type"].as_str()) else { continue };
        for (field, most) in [("width", 128), ("height", 128), ("steps", 4), ("num_steps", 4), ("num_frames", 5)] {
            lower(workflow, id, field, most);
        }
        // These feed the fields above: a number of frames, or a size.
        if node_type == "integer" {
            let frames = workflow.node_field(id, "value").is_ok_and(|field| field.get::<i64>() == Some(81));
            lower(workflow, id, "value", if frames { 5 } else { 128 });
        }
    }
}

fn lower(workflow: &mut Workflow, node: &str, field: &str, most: i64) {
    let now = workflow.node_field(node, field).ok().and_then(|field| field.get::<i64>());
    if now.is_some_and(|now| now > most) {
        workflow.set_node_field(node, field, most).unwrap();
    }
}

/// Chooses installed models that fit their fields and each other.
fn choose_models(workflow: &mut Workflow, models: &[ModelRecord]) -> Result<(), String> {
    let missing = workflow.resolve_models(models).missing;
    let is_main = |missing: &&MissingModel| missing.usage.filter.model_type.contains(&"main".to_owned());
    let base = missing.iter().find(is_main).and_then(|main| Some(main.fitting.first()?.base.clone()));
    let mut places: Vec<_> = missing.into_iter().map(|missing| (missing.usage.node_id, missing.usage.field)).collect();
    // Optional for its schema, but a transformer from one file comes without them.
    for node in nodes_of_type(workflow, "flux_model_loader") {
        places
            .extend(["t5_encoder_model", "clip_embed_model", "vae_model"].map(|name| (node.clone(), name.to_owned())));
    }
    for (node, name) in places {
        let field = workflow.node_field(&node, &name).unwrap();
        // A node that only passes a model on takes any; the node that gets it does not.
        let own = field.model_filter().filter(|filter| !filter.is_empty()).cloned();
        let filter = own.or_else(|| filter_beyond(workflow, &node)).unwrap_or_default();
        let fits = |model: &&ModelRecord| {
            filter.matches(model) && (model.base == "any" || base.as_ref().is_none_or(|base| *base == model.base))
        };
        let hint = hint(workflow, &node);
        let fitting = || models.iter().filter(fits);
        let model = fitting().find(|model| is_hinted(model, &hint)).or_else(|| fitting().next());
        let model = model.ok_or_else(|| format!("none for {node}.{name} ({filter})"))?;
        workflow.set_node_field(&node, &name, model.to_json()).unwrap();
    }
    Ok(())
}

/// The filter of the field to which the first edge from a node leads.
fn filter_beyond(workflow: &Workflow, node: &str) -> Option<ModelFilter> {
    let document = workflow.definition().as_value();
    let edge = document["edges"].as_array()?.iter().find(|edge| edge["source"] == node)?;
    workflow.node_field(edge["target"].as_str()?, edge["targetHandle"].as_str()?).ok()?.model_filter().cloned()
}

/// Wan has models for one purpose each: a LoRA says which half it is for, the nodes of a workflow what goes in.
fn hint(workflow: &Workflow, node: &str) -> String {
    let types = node_types(workflow);
    let purpose = match () {
        () if types.contains("wan_ti2v_ideal_dimensions") => "ti2v",
        () if types.contains("wan_ref_image_encoder") => "i2v",
        () => "t2v",
    };
    let half = workflow.node_field(node, "target").ok().and_then(|field| field.get::<String>());
    half.unwrap_or_else(|| purpose.to_owned())
}

fn is_hinted(model: &ModelRecord, hint: &str) -> bool {
    let said = |text: &str| text.split(['-', '_']).any(|word| word == hint);
    said(&model.name) || model.variant.as_deref().is_some_and(said)
}

fn node_types(workflow: &Workflow) -> BTreeSet<&str> {
    let nodes = workflow.definition().as_value()["nodes"].as_array();
    nodes.into_iter().flatten().filter_map(|node| node["data"]["type"].as_str()).collect()
}

fn nodes_of_type(workflow: &Workflow, node_type: &str) -> Vec<String> {
    let nodes = workflow.definition().as_value()["nodes"].as_array();
    let nodes = nodes.into_iter().flatten().filter(|node| node["data"]["type"] == node_type);
    nodes.filter_map(|node| node["id"].as_str()).map(str::to_owned).collect()
}
