//! Fetching the outputs of an item.

use std::{
    collections::{HashMap, HashSet},
    future::{Future, IntoFuture},
    pin::Pin,
};

use super::{
    FileKind, FileSource, NodeOutput, OutputFile, OutputValue, Outputs,
    session::{Execution, Session},
};
use crate::{
    Client, FinishedJob, Job,
    error::{Error, Result},
    media::scan,
    queue::QueueItem,
    schema::{NodeCatalog, node_ref::NodeRef},
    workflow::{Workflow, WorkflowDefinition, labels_of},
};

/// The node that runs a saved workflow, as an item of its own.
const CALL: &str = "call_saved_workflow";

/// A request for outputs, from [`Job::outputs`]; `.await` fetches them.
#[derive(Clone)]
#[must_use = "nothing is fetched before `.await`"]
pub struct GetOutputs {
    job: Job,
    include_children: bool,
}

crate::base::debug::short_debug! { GetOutputs { job, include_children } }

impl Job {
    /// The outputs of the nodes, once the item has ended. For an item that failed or was canceled: the outputs until
    /// then.
    ///
    /// # Errors (when awaited)
    /// [`Error::NotFound`] if the item was deleted, pruned or cleared: its results are lost then, though not its
    /// images; [`Error::WrongState`] if it has not ended; [`Error::Decode`] if it has no session; any error of a call.
    pub fn outputs(&self) -> GetOutputs {
        GetOutputs { job: self.clone(), include_children: false }
    }
}

impl FinishedJob {
    /// The outputs of the nodes. See [`Job::outputs`].
    ///
    /// # Errors (when awaited)
    /// The same as for [`Job::outputs`].
    pub fn outputs(&self) -> GetOutputs {
        self.job().outputs()
    }
}

impl GetOutputs {
    /// Whether to add the outputs of the workflows that `call_saved_workflow` nodes ran, after the others. Off by
    /// default.
    pub fn include_children(mut self, include: bool) -> Self {
        self.include_children = include;
        self
    }

    async fn run(self) -> Result<Outputs> {
        let Self { job, include_children } = self;
        let (client, queue) = (job.run().client().clone(), job.run().queue());
        let item = job.item().await?;
        let mut items = vec![item];
        if session_of(&items[0])?.has_node_of_type(CALL) {
            for id in job.children().await? {
                items.push(queue.item(id).await?);
            }
        }
        let catalog = client.catalog().await?;
        let listed = if include_children { &items[..] } else { &items[..1] };
        let mut gathered = Vec::new();
        for item in listed {
            gathered.extend(nodes_of(item, &catalog)?);
        }
        let files = files_of(&client, &items, listed, &gathered).await?;
        let field_values = items.swap_remove(0).field_values.unwrap_or_default();
        Ok(Outputs { client, item_id: job.item_id(), field_values, nodes: gathered, files })
    }
}

impl IntoFuture for GetOutputs {
    type Output = Result<Outputs>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

fn session_of(item: &QueueItem) -> Result<Session<'_>> {
    if !item.status.is_final() {
        return Err(Error::WrongState {
            what: format!("item {}", item.item_id),
            state: format!("is {}", item.status),
            needed: "its results can be read once it has ended",
            advice: "wait for its end first",
            passes: true,
        });
    }
    Session::of(&item.session).ok_or_else(|| {
        let problem = format!("item {} has no session with results", item.item_id);
        Error::decode("get_queue_item", "session.results", problem, &item.session.to_string())
    })
}

/// The outputs of the nodes of an item, in order.
fn nodes_of(item: &QueueItem, catalog: &std::sync::Arc<NodeCatalog>) -> Result<Vec<NodeOutput>> {
    let session = session_of(item)?;
    let labels: HashMap<String, Option<String>> =
        item.workflow.as_ref().map(labels_of).unwrap_or_default().into_iter().collect();
    let exposed = exposed_boards(item, catalog);
    let node = |Execution { prepared_id, node_id, result }: Execution<'_>| {
        let node_type = session.node_type(node_id).unwrap_or_default();
        let title = labels.get(node_id).cloned().flatten();
        let title = title.or_else(|| Some(catalog.get(node_type)?.title.clone()));
        NodeOutput {
            node: NodeRef::new(node_id, node_type, title).prepared(prepared_id),
            iteration: session.iteration(prepared_id),
            item_id: item.item_id,
            exposed: exposed.iter().any(|id| id == node_id),
            value: OutputValue::read(result),
            raw: result.clone(),
        }
    };
    let mut nodes: Vec<NodeOutput> = session.executions().into_iter().map(node).collect();
    // Stable: what is equal keeps its order.
    nodes.sort_by_key(|node| exposed.iter().position(|id| *id == node.node.id).unwrap_or(usize::MAX));
    Ok(nodes)
}

/// Nodes whose board the form shows, in the order of the form.
fn exposed_boards(item: &QueueItem, catalog: &std::sync::Arc<NodeCatalog>) -> Vec<String> {
    let Some(document) = item.workflow.clone() else { return Vec::new() };
    match WorkflowDefinition::from_value(document) {
        Ok(definition) => {
            let workflow = Workflow::new(definition, catalog.clone());
            let boards = workflow.inputs().iter();
            let boards = boards.filter(|input| input.field_type().is_some_and(|kind| kind.name == "BoardField"));
            boards.map(|input| input.node_id.clone()).collect()
        }
        Err(error) => {
            // Other programs may send workflows that the editor would not load. Only the order depends on them.
            tracing::debug!(item_id = item.item_id, %error, "the item's workflow cannot be read");
            Vec::new()
        }
    }
}

/// What the gallery knows about a file.
struct Known {
    width: u64,
    height: u64,
    board_id: Option<String>,
    is_intermediate: bool,
    starred: bool,
    session_id: Option<String>,
    node_id: Option<String>,
}

/// Every image and video in these outputs.
async fn files_of(
    client: &Client,
    family: &[QueueItem],
    listed: &[QueueItem],
    nodes: &[NodeOutput],
) -> Result<Vec<OutputFile>> {
    let mut places: Vec<(&NodeOutput, String, FileKind, &str)> = Vec::new();
    for node in nodes {
        scan(&node.raw, &mut String::new(), &mut |path, kind, name| {
            places.push((node, path.to_owned(), kind, name));
        });
    }
    let known = known_files(client, places.iter().map(|(_, _, kind, name)| (*kind, *name))).await?;

    let sessions: HashSet<&str> = family.iter().map(|item| item.session_id.as_str()).collect();
    let given: HashSet<&str> =
        family.iter().filter_map(|item| Session::of(&item.session)).flat_map(|s| s.given()).collect();
    let makers = makers(listed, &places, &known);
    let file = |(node, field, kind, name): (&NodeOutput, String, FileKind, &str)| {
        let known = known.get(&(kind, name.to_owned()));
        let source = match known {
            None => FileSource::Unknown,
            Some(known) if known.session_id.as_deref().is_some_and(|id| sessions.contains(id)) => FileSource::ThisRun,
            Some(_) if given.contains(name) => FileSource::Input,
            Some(_) => FileSource::EarlierRun,
        };
        let made_here = makers.get(&(kind, name)).is_some_and(|maker| Some(*maker) == node.node.prepared_id.as_deref());
        OutputFile {
            kind,
            name: name.to_owned(),
            node: node.node.clone(),
            field,
            iteration: node.iteration.clone(),
            item_id: node.item_id,
            exposed: node.exposed,
            source,
            passed_on: source == FileSource::Input || !made_here,
            width: known.map(|known| known.width),
            height: known.map(|known| known.height),
            board_id: known.and_then(|known| known.board_id.clone()),
            is_intermediate: known.is_some_and(|known| known.is_intermediate),
            starred: known.is_some_and(|known| known.starred),
            session_id: known.and_then(|known| known.session_id.clone()),
        }
    };
    Ok(places.iter().map(|(node, field, kind, name)| file((*node, field.clone(), *kind, *name))).collect())
}

/// The first execution that returned each file: the one that made it, if it is listed; otherwise (the cache or a called
/// workflow made it) the first that ended.
fn makers<'a>(
    listed: &'a [QueueItem],
    places: &[(&'a NodeOutput, String, FileKind, &'a str)],
    known: &'a HashMap<(FileKind, String), Known>,
) -> HashMap<(FileKind, &'a str), &'a str> {
    let ended = listed.iter().filter_map(|item| Session::of(&item.session)).flat_map(|session| session.completion());
    let ended: HashMap<&str, usize> = ended.enumerate().map(|(place, prepared)| (prepared, place)).collect();
    let mut makers: HashMap<(FileKind, &str), &str> = HashMap::new();
    for (node, _, kind, name) in places {
        let maker = known.get(&(*kind, (*name).to_owned())).and_then(|known| known.node_id.as_deref());
        let candidate = match maker {
            Some(maker) if ended.contains_key(maker) => maker,
            _ => node.node.prepared_id.as_deref().unwrap_or_default(),
        };
        let first = makers.entry((*kind, *name)).or_insert(candidate);
        if ended.get(candidate) < ended.get(*first) {
            *first = candidate;
        }
    }
    makers
}

/// What the gallery knows about these files. Files that it does not have are left out.
async fn known_files(
    client: &Client,
    files: impl Iterator<Item = (FileKind, &str)>,
) -> Result<HashMap<(FileKind, String), Known>> {
    let (images, videos): (Vec<_>, Vec<_>) = files.partition(|(kind, _)| *kind == FileKind::Image);
    let mut known = HashMap::new();
    if !images.is_empty() {
        for image in client.images().get_many(images.into_iter().map(|(_, name)| name)).await? {
            let image = image?;
            known.insert(
                (FileKind::Image, image.image_name),
                Known {
                    width: image.width,
                    height: image.height,
                    board_id: image.board_id,
                    is_intermediate: image.is_intermediate,
                    starred: image.starred,
                    session_id: image.session_id,
                    node_id: image.node_id,
                },
            );
        }
    }
    // There is no call for many videos.
    for name in crate::transport::bulk::distinct(videos.into_iter().map(|(_, name)| name)) {
        if let Some(video) = client.video(&name).find().await? {
            known.insert(
                (FileKind::Video, name),
                Known {
                    width: video.width,
                    height: video.height,
                    board_id: video.board_id,
                    is_intermediate: video.is_intermediate,
                    starred: video.starred,
                    session_id: video.session_id,
                    node_id: video.node_id,
                },
            );
        }
    }
    Ok(known)
}
