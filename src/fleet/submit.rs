//! Making jobs of a workflow.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use ulid::Ulid;

use super::{
    Fleet,
    job::{self, InputOf, Job, Needs},
    store::New,
};
use crate::{
    error::{Error, Result},
    submission::Submittable,
    sweep::Sweep,
    workflow::{ProblemKind, Reference, Workflow},
};

/// How many jobs a submission may have: all of them are made in memory first.
const MOST_JOBS: usize = 1_000_000;

/// How many attempts a job has without [`FleetSubmit::attempts`].
const ATTEMPTS: u32 = 5;

/// A submission to a fleet under construction, from [`Fleet::submit`]. Await it.
#[derive(Clone)]
#[must_use = "nothing is submitted unless awaited"]
pub struct FleetSubmit<'a> {
    fleet: Fleet,
    workflow: Cow<'a, Workflow>,
    sweep: Option<Sweep>,
    runs: u32,
    priority: u32,
    deadline: Option<Duration>,
    attempts: u32,
    labels: BTreeMap<String, String>,
    /// Values of every job, where no sweep gives them. Beside the workflow, so that jobs of all values share a queue.
    pub(super) row: Vec<InputOf>,
    pub(super) id: String,
}

crate::base::debug::short_debug! {
    FleetSubmit<'a> { fleet, workflow, sweep, runs, priority, deadline, attempts, labels, id; .. }
}

/// What was submitted to a fleet.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FleetSubmission {
    /// Names it, for [`Jobs::submission`](super::Jobs::submission).
    pub id: String,
    /// Ids of its jobs, in the order of the rows.
    pub jobs: Vec<String>,
}

crate::base::debug::short_debug! { FleetSubmission { id, jobs } }

impl Fleet {
    /// Makes jobs of a workflow, or of a generated struct: one, or one for each item of a sweep.
    ///
    /// A struct is checked with the nodes of this crate; servers look its models up when they get the jobs. The struct of its
    /// outputs takes what the jobs gave:
    ///
    /// ```
    /// # use invokeai_client::{Result, Sweep, fleet::Fleet, outputs::{OutputFile, Outputs}};
    /// # use invokeai_client::typed::{TypedInput, TypedWorkflow};
    /// # async fn example<W: TypedWorkflow, FluxOutputs: for<'a> From<&'a Outputs>>(fleet: Fleet, flux: W,
    /// # prompt: TypedInput<W, String>, images: fn(&FluxOutputs) -> &[OutputFile]) -> Result<()> {
    /// // `flux` is a `Flux` with its inputs set, `prompt` is `Flux::PROMPT`, and `images` takes a member of its outputs.
    /// let sweep = Sweep::over(prompt, ["a lighthouse", "a windmill"])?;
    /// let submission = fleet.submit(&flux).sweep(sweep).await?;
    /// for job in fleet.jobs().submission(&submission.id).wait().await? {
    ///     let Some(result) = fleet.result(&job.id).await? else { continue };
    ///     let outputs = FluxOutputs::from(&fleet.outputs(&result).await?);
    ///     for image in images(&outputs) {
    ///         // What the server called it, and its content, which the server has no more.
    ///         if let Some(file) = result.file(image) {
    ///             println!("{}: {} bytes", image.name, fleet.file(file).await?.len());
    ///         }
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors (when awaited)
    /// [`Error::NotReady`] if the workflow has problems, or names images or videos of a server: other servers do not have
    /// them, and [`Fleet::image`] makes files of the fleet of them. [`Error::InvalidInput`] for a sweep without items, and
    /// for too many jobs; [`Error::Fleet`].
    pub fn submit<'a>(&self, workflow: &'a (impl Submittable + ?Sized)) -> FleetSubmit<'a> {
        FleetSubmit {
            fleet: self.clone(),
            workflow: workflow.offline(),
            sweep: None,
            runs: 1,
            priority: 0,
            deadline: None,
            attempts: ATTEMPTS,
            labels: BTreeMap::new(),
            row: Vec::new(),
            id: uuid::Uuid::new_v4().to_string(),
        }
    }
}

impl FleetSubmit<'_> {
    /// Varies inputs: one job for each combination.
    pub fn sweep(mut self, sweep: Sweep) -> Self {
        self.sweep = Some(sweep);
        self
    }

    /// Makes everything this often, at least once. A submission has at most a million jobs.
    pub fn runs(mut self, runs: u32) -> Self {
        self.runs = runs.max(1);
        self
    }

    /// Jobs with a higher one run first. Default: 0.
    pub fn priority(mut self, priority: u32) -> Self {
        self.priority = priority.min(i32::MAX as u32);
        self
    }

    /// Gives jobs up that were not begun within this time. What has begun is tried as often as any other.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// How often a job is tried, at least once. Default: 5. The death of a worker counts as one.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.clamp(1, i32::MAX as u32);
        self
    }

    /// Sets a label, to find the jobs by.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// What will name the submission: known before anything is stored, for whoever is interrupted.
    pub fn id(&self) -> &str {
        &self.id
    }

    async fn run(self) -> Result<FleetSubmission> {
        let Self { fleet, id, .. } = &self;
        let mut workflow = self.workflow.clone().into_owned();
        // Results are fetched and deleted on the server, so no board of it has them.
        workflow.drop_inaccessible(|reference| !matches!(reference, Reference::Board(_)));
        let rows = self.rows(&workflow)?;
        check(&workflow, &rows)?;
        let definition = job::to_bytes(workflow.to_definition().as_value())?;
        let definition = fleet.blobs.put(definition.into()).await?;
        let deadline = match self.deadline {
            Some(within) => {
                Some(fleet.store.now().await?.saturating_add(i64::try_from(within.as_secs()).unwrap_or(i64::MAX)))
            }
            None => None,
        };
        let models: HashSet<(String, String)> =
            workflow.model_uses().into_iter().map(|usage| (usage.node_id, usage.field)).collect();
        let mut next = Ulid::generate();
        let (mut jobs, mut queues) = (Vec::new(), BTreeMap::<String, Vec<New>>::new());
        for (place, inputs) in rows.into_iter().enumerate() {
            let named = |input: &&InputOf| models.contains(&(input.node.clone(), input.field.clone()));
            let models = inputs.iter().filter(named).cloned().collect();
            let needs = Needs { workflow: definition.clone(), models };
            let queue = Needs::queue(&needs.hash()?);
            if !queues.contains_key(&queue) {
                fleet.blobs.put(needs.to_bytes()?.into()).await?;
            }
            let job = Job {
                submission: id.clone(),
                place: place as u64,
                workflow: definition.clone(),
                inputs,
                deadline,
                attempts: self.attempts,
                labels: self.labels.clone(),
            };
            jobs.push(next.to_string());
            queues.entry(queue).or_default().push(New {
                id: next.to_string(),
                key: format!("{id}/{place}"),
                payload: job::to_bytes(&job)?,
                priority: self.priority,
                attempts: self.attempts,
            });
            next = next.increment().unwrap_or_else(|_| Ulid::generate());
        }
        for (queue, jobs) in queues {
            fleet.store.push(&queue, jobs).await.map_err(|error| with_id(error, id))?;
        }
        Ok(FleetSubmission { id: id.clone(), jobs })
    }

    /// The values of each job.
    fn rows(&self, workflow: &Workflow) -> Result<Vec<Vec<InputOf>>> {
        let jobs = self.sweep.as_ref().map_or(1, Sweep::len).saturating_mul(self.runs as usize);
        if jobs > MOST_JOBS {
            let problem = format!("would make {jobs} jobs with what varies, and a submission has at most {MOST_JOBS}");
            return Err(Error::invalid("runs", problem));
        }
        let Some(sweep) = &self.sweep else { return Ok(vec![self.row.clone(); self.runs as usize]) };
        sweep.check(workflow)?;
        let mut rows = Vec::with_capacity(sweep.len());
        for place in 0..sweep.len() {
            let mut row: Vec<InputOf> = sweep
                .values_at(place)
                .into_iter()
                .map(|(node, field, value)| InputOf { node: node.into(), field: field.into(), value: value.clone() })
                .collect();
            row.extend(sweep.seeds().iter().map(|(node, field)| InputOf {
                node: node.clone(),
                field: field.clone(),
                value: fastrand::u32(..).into(),
            }));
            rows.push(row);
        }
        let once = rows.clone();
        for _ in 1..self.runs {
            rows.extend(once.iter().cloned());
        }
        Ok(rows)
    }
}

/// Names the submission in an error of the store, as some of its jobs may be there.
fn with_id(error: Error, id: &str) -> Error {
    match error {
        Error::Fleet { doing, problem, passes } => {
            let problem = format!("{problem}; some of submission {id} may be there");
            Error::Fleet { doing, problem, passes }
        }
        other => other,
    }
}

/// Refuses what can run on no server, or on one only.
fn check(workflow: &Workflow, rows: &[Vec<InputOf>]) -> Result<()> {
    // As if there were only the first row: what rows set does not lack a value.
    let mut filled = workflow.clone();
    if let Some(row) = rows.first() {
        job::apply(&mut filled, row)?;
    }
    let mut problems = filled.problems();
    // Which models there are is the servers' business, and items of generators are asked for when it is sent.
    problems.retain(|problem| problem.kind != ProblemKind::NeedsServer);
    // A model that is only named is looked up there.
    let named: HashSet<(String, String)> = filled
        .model_uses()
        .into_iter()
        .filter(|usage| usage.wanted.is_some())
        .map(|it| (it.node_id, it.field))
        .collect();
    problems.retain(|problem| match (&problem.node, &problem.field) {
        (Some(node), Some(field)) => !named.contains(&(node.id.clone(), field.clone())),
        _ => true,
    });
    // Files of the fleet become images of a server when the job is sent.
    problems.extend(
        filled
            .problems_on(&[], |reference| match reference {
                Reference::Image(name) => job::file_of(name).is_some(),
                _ => false,
            })
            .into_iter()
            .filter(|problem| problem.kind != ProblemKind::MissingModel),
    );
    if problems.is_empty() { Ok(()) } else { Err(Error::NotReady(problems)) }
}

impl<'a> IntoFuture for FleetSubmit<'a> {
    type Output = Result<FleetSubmission>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
