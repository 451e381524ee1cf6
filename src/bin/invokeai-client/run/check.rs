//! What can be known to go wrong is found before anything is sent.

use std::path::{Path, PathBuf};

use invokeai_client::{
    Client, Error,
    schema::ModelRecord,
    workflow::{ProblemKind, Workflow, field::InkField},
};
use serde_json::Value;

use super::RunArgs;
use crate::{failure::Failure, folder, inspect, local_file};

/// A workflow that is ready but for its uploads.
pub(super) struct Checked {
    pub(super) workflow: Workflow,
    pub(super) uploads: Vec<Upload>,
}

/// Files for one input.
pub(super) struct Upload {
    /// The input's system name.
    pub(super) input: String,
    pub(super) files: Vec<PathBuf>,
    /// Whether the input takes a list.
    pub(super) list: bool,
}

/// Stands for an image that is not uploaded yet.
const PLACEHOLDER: &str = "upload.png";

/// The longest name that InvokeAI takes for a board (`board_name` in `api/routers/boards.py`).
const LONGEST_BOARD: usize = 300;

/// Sends nothing but reads.
pub(super) async fn check(args: &RunArgs, client: &Client) -> Result<Checked, Failure> {
    // Files first: they are at hand.
    let given = args.clone();
    let definition = apart(move || {
        if let Some(out) = &given.out {
            folder::check(out)?;
        }
        inspect::definition(&given.workflow).map_err(Failure::other)
    })
    .await?;
    let mut workflow = client.workflow(definition).await?;
    let server = client.compatibility().await?;
    if !server.can_run() {
        return Err(Failure::other(format!("{server}: it is too old to run workflows for this program")));
    }
    // Keys in an exported file are of another machine.
    let models = client.models().records().await?;
    workflow.use_models(&models);
    let given = args.clone();
    let force = args.force;
    let checked = apart(move || {
        let checked = fill_in(&given, workflow, &models)?;
        let problems = problems(&checked.workflow, if force { None } else { Some(&models) });
        if problems.is_empty() { Ok(checked) } else { Err(Failure::NotReady(problems)) }
    })
    .await?;
    if let Some(board) = &args.board {
        check_board(client, board).await?;
    }
    Ok(checked)
}

/// Reads files on a thread of its own: a pipe or a network drive may make it wait for ever.
async fn apart<T: Send + 'static>(read: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(Failure::other(error)))
}

/// Sets the inputs. What is to be uploaded is represented by a placeholder.
fn fill_in(args: &RunArgs, mut workflow: Workflow, models: &[ModelRecord]) -> Result<Checked, Failure> {
    for argument in &args.set {
        inspect::set(&mut workflow, argument, models).map_err(Failure::other)?;
    }
    let mut uploads: Vec<Upload> = Vec::new();
    for argument in &args.upload {
        let fail = |problem: String| Failure::other(format!("--upload {argument}: {problem}"));
        let (name, path) = inspect::split(&workflow, argument).ok_or_else(|| fail("must be NAME=FILE".into()))?;
        let path = PathBuf::from(path);
        check_file(&path).map_err(fail)?;
        let input = workflow.input(name).map_err(Error::from)?;
        let list = match &input.field {
            InkField::Image(_) => false,
            InkField::ImageCollection(_) => true,
            other => return Err(fail(format!("the input takes {}, not an image", other.accepts()))),
        };
        let input = input.system_name.clone();
        match uploads.iter_mut().find(|upload| upload.input == input) {
            Some(upload) if list => upload.files.push(path),
            Some(_) => return Err(fail("the input takes one image, and is given several".into())),
            None => uploads.push(Upload { input, files: vec![path], list }),
        }
    }
    for upload in &uploads {
        let names = vec![PLACEHOLDER.to_owned(); upload.files.len()];
        upload.set(&mut workflow, names)?;
    }
    Ok(Checked { workflow, uploads })
}

impl Upload {
    /// Sets the input to images on the server.
    pub(super) fn set(&self, workflow: &mut Workflow, names: Vec<String>) -> Result<(), Failure> {
        let input = self.input.as_str();
        let set = match names.first().filter(|_| !self.list) {
            Some(name) => workflow.set_input(input, name.as_str()),
            None => workflow.set_input(input, Value::from(names)),
        };
        Ok(set.map_err(Error::from)?)
    }
}

/// Whether a file can be sent.
fn check_file(path: &Path) -> Result<(), String> {
    local_file::open(path).map(drop).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

/// Everything that keeps the workflow from being run.
fn problems(workflow: &Workflow, models: Option<&[ModelRecord]>) -> Vec<String> {
    // Which items a server makes is asked for when the workflow is sent.
    let problems = workflow.problems().into_iter().filter(|problem| problem.kind != ProblemKind::NeedsServer);
    let mut problems: Vec<String> = problems.map(|problem| problem.message).collect();
    for missing in models.map(|models| workflow.resolve_models(models).missing).unwrap_or_default() {
        let Some(wanted) = missing.usage.wanted else { continue };
        let name = [Some(wanted.name).filter(|name| !name.is_empty()), wanted.key].into_iter().flatten().next();
        let title = missing.usage.title;
        let name = name.unwrap_or_default();
        let fitting: Vec<&str> = missing.fitting.iter().map(|model| model.name.as_str()).collect();
        let instead = match fitting[..] {
            [] => "no other that is installed would fit".to_owned(),
            _ => format!("these would fit: {}", fitting.join(", ")),
        };
        problems.push(format!("{title}: the model {name} is not on this server; {instead} (--force runs it anyway)"));
    }
    problems
}

/// Whether there can be such a board. It is made when the workflow is sent.
async fn check_board(client: &Client, name: &str) -> Result<(), Failure> {
    let length = name.chars().count();
    if !(1..=LONGEST_BOARD).contains(&length) {
        let problem = format!("--board: a name has 1 to {LONGEST_BOARD} characters, and this one has {length}");
        return Err(Failure::other(problem));
    }
    // An error if several boards have the name.
    client.boards().find(name).await?;
    Ok(())
}
