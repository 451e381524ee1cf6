//! Submitting a workflow.

use std::{
    borrow::Cow,
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use futures::future::BoxFuture;
use serde_json::Value;

use super::{Submission, WhenFull, board::OutputBoard, generators};
use crate::{
    Client,
    assets::Asset,
    error::{Error, Result},
    events::Event,
    media::names_in,
    queue::DEFAULT_QUEUE,
    run::{
        Run,
        callbacks::Callbacks,
        enqueue::{self, Enqueued},
        follow::Events,
        plan::Plan,
        state::{Labels, State},
    },
    sweep::Sweep,
    workflow::{BatchDatum, Difference, DifferenceKind, EnqueueOptions, Workflow},
};

/// A submission under construction, from [`Client::submit`]. Await it.
///
/// Cancel safety: dropping it before it has ended may leave items on the queue, if the request was on its way. They
/// have the batch id that [`batch_id`](Self::batch_id) set.
#[must_use = "nothing is submitted unless awaited"]
pub struct Submit<'a> {
    workflow: Source<'a>,
    client: Client,
    queue_id: String,
    board: Option<OutputBoard>,
    options: EnqueueOptions,
    batch_id: String,
    sweep: Option<Sweep>,
    validate: bool,
    events: bool,
    when_full: WhenFull,
    callbacks: Callbacks,
}

crate::base::debug::short_debug! {
    Submit<'a> {
        workflow, client, queue_id, board, options, batch_id, sweep, validate, events, when_full, callbacks
    }
}

/// What is submitted: a workflow, or a function that makes one for the client.
enum Source<'a> {
    Now(&'a Workflow),
    Later(Bind),
}

type Bind = Box<dyn Fn(Client) -> BoxFuture<'static, Result<Workflow>> + Send + Sync>;

impl<'a> Source<'a> {
    async fn workflow(&self, client: &Client) -> Result<Cow<'a, Workflow>> {
        match self {
            Source::Now(workflow) => Ok(Cow::Borrowed(workflow)),
            Source::Later(bind) => bind(client.clone()).await.map(Cow::Owned),
        }
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Now(workflow) => workflow.fmt(f),
            Source::Later(_) => f.write_str("a workflow from a struct"),
        }
    }
}

/// What [`Client::submit`] accepts: a [`Workflow`], or a generated struct
/// ([`TypedWorkflow`](crate::typed::TypedWorkflow)).
///
/// Other types are not meant to implement it.
pub trait Submittable {
    /// Starts a submission. Called by [`Client::submit`].
    #[doc(hidden)]
    fn submit_with(&self, client: &Client) -> Submit<'_>;

    /// The workflow without a server. Called by `Fleet::submit`.
    #[cfg(feature = "fleet")]
    #[doc(hidden)]
    fn offline(&self) -> Cow<'_, Workflow>;
}

impl Submittable for Workflow {
    #[cfg(feature = "fleet")]
    fn offline(&self) -> Cow<'_, Workflow> {
        Cow::Borrowed(self)
    }

    fn submit_with(&self, client: &Client) -> Submit<'_> {
        Submit::new(Source::Now(self), client)
    }
}

impl Client {
    /// Submits a workflow, or a generated struct, as it is now.
    ///
    /// A workflow that was opened with the nodes of another server is compared with the nodes of this one, and refused
    /// if it does not fit them, unless [`validate`](Submit::validate) is off. If it was opened with the nodes built
    /// into this crate, known differences are only logged, as warnings. A struct is [bound](Client::bind) first.
    ///
    /// ```no_run
    /// # async fn example(client: invokeai_client::Client, workflow: invokeai_client::workflow::Workflow)
    /// # -> invokeai_client::Result<()> {
    /// use invokeai_client::OutputBoard;
    ///
    /// let submission = client.submit(&workflow).board(OutputBoard::named_or_new("samples")).await?;
    /// let finished = submission.job()?.wait().await?;
    /// println!("{:?}", finished.item().await?.elapsed());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors (when awaited)
    /// [`Error::NotReady`] if the workflow has problems, [`Error::NodesDiffer`] if the server's nodes differ from those
    /// that it was opened with or its code was generated from, [`Error::QueueFull`] if the queue has no room for all
    /// items ([`Error::NotTakenBack`] if the items that it took cannot be canceled), [`Error::TooOld`] before InvokeAI
    /// 6.0, any error of a call. A lost answer is not an error as long as the batch can be found on the server, and it is
    /// certain which items the queue took.
    pub fn submit<'a>(&self, workflow: &'a (impl Submittable + ?Sized)) -> Submit<'a> {
        workflow.submit_with(self)
    }
}

impl<'a> Submit<'a> {
    /// Submits the workflow that `bind` returns for the client, when awaited.
    pub(crate) fn later(
        client: &Client,
        bind: impl Fn(Client) -> BoxFuture<'static, Result<Workflow>> + Send + Sync + 'static,
    ) -> Self {
        Submit::new(Source::Later(Box::new(bind)), client)
    }

    fn new(workflow: Source<'a>, client: &Client) -> Self {
        Submit {
            workflow,
            client: client.clone(),
            queue_id: DEFAULT_QUEUE.to_owned(),
            board: None,
            options: EnqueueOptions::default(),
            batch_id: uuid::Uuid::new_v4().to_string(),
            sweep: None,
            validate: true,
            events: true,
            when_full: WhenFull::default(),
            callbacks: Callbacks::default(),
        }
    }
}

impl Submit<'_> {
    /// Submits to this queue instead of `default`.
    pub fn queue(mut self, queue_id: impl Into<String>) -> Self {
        self.queue_id = queue_id.into();
        self
    }

    /// Sends images whose node leaves the board open (`auto`) to this board.
    pub fn board(mut self, board: impl Into<OutputBoard>) -> Self {
        self.board = Some(board.into());
        self
    }

    /// Runs everything this many times, at least once. The runs do not vary: for that, see [`sweep`](Self::sweep).
    pub fn runs(mut self, runs: u32) -> Self {
        self.options.runs = runs;
        self
    }

    /// Whether to run before the items that are already waiting. Off by default.
    pub fn prepend(mut self, prepend: bool) -> Self {
        self.options.prepend = prepend;
        self
    }

    /// Sets where the batch comes from. The editor uses `workflows`.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.options.origin = Some(origin.into());
        self
    }

    /// Sets what the batch is for. The editor uses `gallery`.
    pub fn destination(mut self, destination: impl Into<String>) -> Self {
        self.options.destination = Some(destination.into());
        self
    }

    /// Uses this batch id instead of a random one. It must be new: the server merges batches with equal ids.
    pub fn batch_id(mut self, batch_id: impl Into<String>) -> Self {
        self.batch_id = batch_id.into();
        self
    }

    /// Varies inputs: one item for each combination.
    pub fn sweep(mut self, sweep: Sweep) -> Self {
        self.sweep = Some(sweep);
        self
    }

    /// Whether to refuse a workflow that has problems. On by default.
    pub fn validate(mut self, validate: bool) -> Self {
        self.validate = validate;
        self
    }

    /// Whether to follow the items by events. On by default. Where events are off or unavailable, items are polled.
    pub fn subscribe_events(mut self, events: bool) -> Self {
        self.events = events;
        self
    }

    /// What to do if the queue has no room for all items.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Calls back when a node starts (event `invocation_started`).
    pub fn on_invocation_started(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on("invocation_started", call)
    }

    /// Calls back when a node reports progress (event `invocation_progress`).
    pub fn on_invocation_progress(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on("invocation_progress", call)
    }

    /// Calls back when a node has finished (event `invocation_complete`).
    pub fn on_invocation_complete(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on("invocation_complete", call)
    }

    /// Calls back when a node fails (event `invocation_error`).
    pub fn on_invocation_error(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on("invocation_error", call)
    }

    /// Calls back when an item changes its status (event `queue_item_status_changed`).
    pub fn on_status_changed(self, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.on("queue_item_status_changed", call)
    }

    /// Callbacks run on the task that follows the submission, and hold it up: keep them short. They are a convenience;
    /// code that depends on every event should read [`Submission::events`](super::Submission::events), which marks
    /// gaps.
    fn on(mut self, event: &'static str, call: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.callbacks.on(event, call);
        self
    }

    /// The request that this would send first, with its random seeds drawn. Only reads from the server: a board that
    /// would have to be created is left out.
    ///
    /// # Errors
    /// The same as for submitting, up to the point where the request would be sent.
    pub async fn body(&self) -> Result<Value> {
        let workflow = self.workflow.workflow(&self.client).await?;
        let seeds = seeds_of(self.sweep.as_ref());
        let workflow = supplied(&workflow, &seeds);
        let options = self.options.clone();
        let mut options = checked(&workflow, &self.client, options, self.sweep.as_ref(), self.validate).await?;
        options.batch_id = Some(self.batch_id.clone());
        if let Some(board) = &self.board {
            options.auto_add_board = board.find(&self.client).await?;
        }
        let body = workflow.enqueue_body(&options)?;
        let plan = Plan::new(body, &seeds, self.when_full);
        // JSON always serializes.
        Ok(serde_json::to_value(plan.piece(0).body).unwrap_or_default())
    }

    async fn run(self) -> Result<Submission> {
        let Self { workflow, client, queue_id, options, batch_id, .. } = self;
        client.must_run().await?;
        let workflow = workflow.workflow(&client).await?;
        let seeds = seeds_of(self.sweep.as_ref());
        let supplied = supplied(&workflow, &seeds);
        let workflow = &*supplied;
        let mut options = checked(workflow, &client, options, self.sweep.as_ref(), self.validate).await?;
        options.batch_id = Some(batch_id.clone());
        if let Some(board) = &self.board {
            options.auto_add_board = Some(board.resolve(&client).await?);
        }
        let body = workflow.enqueue_body(&options)?;
        // From now on, no clean-up of this program deletes what the items are going to read.
        let what = Asset::Batch(batch_id.clone());
        let mut under_way = client.asset_log().begin(&batch_id, what, names_in(&body));
        let plan = Plan::new(body, &seeds, self.when_full);

        // Connected before anything can happen.
        let events = if self.events { Events::of_batch(&client, &queue_id, &batch_id).await } else { Events::None };

        let first = plan.piece(0);
        let requested = plan.requested();
        let send = enqueue::enqueue(&client, &queue_id, &batch_id, &first, &[]);
        let log = client.asset_log();
        let done = log.enqueue(&queue_id, &batch_id, &mut under_way, send, |done| done.item_ids.clone()).await?;
        let take_back = async || {
            let taken_back = client.queue(&queue_id).cancel_batches([&batch_id]).await;
            taken_back.map_err(|cause| Error::NotTakenBack { enqueued: done.placed, requested, cause: Box::new(cause) })
        };
        if let Some(error) = done.doubt() {
            if self.when_full == WhenFull::Fail {
                take_back().await?;
            }
            return Err(error);
        }
        let state = State::new(done.item_ids.iter().copied(), labels(workflow));
        let Enqueued { placed, .. } = done;
        let trouble = done.trouble();
        // Set before anybody follows, because following ends when no more items are to come. Nothing is added to a
        // batch whose items are in doubt.
        let feeds = placed < requested && self.when_full == WhenFull::Feed && trouble.is_none();
        state.set_feeding(feeds);
        if let Some(error) = trouble {
            state.set_feed_error(error);
        }
        let run = Run::follow(&client, &queue_id, &batch_id, requested, state, events, self.callbacks);
        if placed < first.sessions && self.when_full == WhenFull::Fail {
            take_back().await?;
            return Err(Error::QueueFull { enqueued: placed, requested });
        }
        if feeds {
            run.feed(plan, placed, under_way);
        }
        Ok(Submission { run })
    }
}

/// Fields with a different seed in each item: node ids and names.
fn seeds_of(sweep: Option<&Sweep>) -> Vec<(String, String)> {
    sweep.map(Sweep::seeds).unwrap_or_default().to_vec()
}

/// The workflow with values where the seeds go. The seeds themselves are drawn only when a part is sent.
fn supplied<'w>(workflow: &'w Workflow, seeds: &[(String, String)]) -> Cow<'w, Workflow> {
    let any = |(node_id, field): &(String, String)| BatchDatum {
        node_id: node_id.clone(),
        field: field.clone(),
        items: vec![0.into()],
    };
    let seeded: Vec<BatchDatum> = seeds.iter().map(any).collect();
    workflow.supplied(seeded.iter())
}

/// Everything that the body is made of except the board and the batch id, if the workflow can run.
async fn checked(
    workflow: &Workflow,
    client: &Client,
    mut options: EnqueueOptions,
    sweep: Option<&Sweep>,
    validate: bool,
) -> Result<EnqueueOptions> {
    for (node, values) in generators::answers(client, workflow).await? {
        options = options.generated(node, values);
    }
    if let Some(sweep) = sweep {
        sweep.check(workflow)?;
        options.extra_data.extend(sweep.groups().iter().cloned());
    }
    if validate {
        let problems = workflow.problems_with(&options);
        if !problems.is_empty() {
            return Err(Error::NotReady(problems));
        }
        fits_nodes_of(client, workflow).await?;
    }
    Ok(options)
}

/// Refuses a workflow that was opened with the nodes of another server and does not fit those of this one.
async fn fits_nodes_of(client: &Client, workflow: &Workflow) -> Result<()> {
    let Some(nodes) = client.other_nodes(workflow).await? else { return Ok(()) };
    let differences = workflow.differences(&nodes);
    let matters = |difference: &Difference| difference.is_breaking() || difference.kind == DifferenceKind::Version;
    if !workflow.catalog().is_embedded() && differences.iter().any(matters) {
        return Err(Error::NodesDiffer(differences));
    }
    for difference in differences {
        tracing::warn!(%difference, "the workflow was opened with other nodes than the server has");
    }
    Ok(())
}

/// Node ids with the labels users gave them.
fn labels(workflow: &Workflow) -> Labels {
    workflow.node_labels().into()
}

impl<'a> IntoFuture for Submit<'a> {
    type Output = Result<Submission>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
