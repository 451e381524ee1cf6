//! Checks that find problems before anything is sent.

use invokeai_client::{Client, workflow::Workflow};

use super::{RunArgs, name::Template, sheet};
use crate::{
    failure::Failure,
    folder,
    ready::{self, Ready},
    session::apart,
};

/// The longest name that InvokeAI takes for a board (`board_name` in `api/routers/boards.py`).
const LONGEST_BOARD: usize = 300;

/// Checks everything that can be checked. Sends only reads.
pub(super) async fn check(args: &RunArgs, client: &Client) -> Result<Ready, Failure> {
    // Folders first: they are local.
    for folder in args.results.folders() {
        apart(move || folder::check(&folder)).await?;
    }
    if let Some(path) = args.results.sheet.clone() {
        apart(move || sheet::check(&path)).await?;
    }
    let ready = ready::look(client, &args.workflow, &args.inputs, &args.many).await?;
    let server = client.compatibility().await?;
    if !server.can_run() {
        return Err(Failure::other(format!("{server}: it is too old for this program to run workflows on it")));
    }
    let workflow = &ready.filled.workflow;
    let problems = ready.problems.iter().filter(|problem| !(args.force && ready::can_be_forced(problem)));
    let problems: Vec<String> = problems.map(|problem| ready::said(workflow, problem)).collect();
    if !problems.is_empty() {
        return Err(Failure::NotReady(problems));
    }
    if let Some(template) = &args.results.name {
        check_name(template, workflow)?;
    }
    if let Some(board) = &args.board {
        check_board(client, board).await?;
    }
    Ok(ready)
}

/// Checks that everything in the template of file names exists.
pub(super) fn check_name(template: &Template, workflow: &Workflow) -> Result<(), Failure> {
    match template.unknown(&super::name::KEYS, workflow) {
        None => Ok(()),
        Some(key) => {
            let known = super::name::KEYS.join(", ");
            Err(Failure::other(format!("--name: there is no input `{key}`; expected an input or one of {known}")))
        }
    }
}

/// Checks that there can be such a board. It is created when the workflow is sent.
async fn check_board(client: &Client, name: &str) -> Result<(), Failure> {
    let length = name.chars().count();
    if !(1..=LONGEST_BOARD).contains(&length) {
        let problem = format!("--board: a name has 1 to {LONGEST_BOARD} characters, but this one has {length}");
        return Err(Failure::other(problem));
    }
    // An error if several boards have the name.
    client.boards().find(name).await?;
    Ok(())
}
