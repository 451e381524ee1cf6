//! What a shell can complete: inputs of a workflow and their values, and names of things on the server.
//!
//! The shell runs this program to get the candidates (see [`scripts`]). A person is waiting at the keyboard, so the
//! server gets only a moment to answer; if anything goes wrong, nothing is completed and nothing is printed.

mod bash;
mod scripts;

use std::{
    ffi::{OsStr, OsString},
    sync::OnceLock,
    time::Duration,
};

use clap::{ArgMatches, Command, FromArgMatches as _};
use clap_complete::{
    ArgValueCandidates, ArgValueCompleter, CompletionCandidate, PathCompleter, engine::ValueCompleter as _,
};
use futures::TryStreamExt as _;
use invokeai_client::{
    Client,
    schema::NodeCatalog,
    workflow::{NamedField, Workflow, field::InkField},
};
use tokio::time::timeout;

use crate::{failure::Failure, server::ServerArgs, session, source::Source};

pub(crate) use scripts::{CompletionsArgs, complete, print};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What was typed, and the whole command.
struct Line {
    command: fn() -> Command,
    /// Without the word that is being completed.
    words: Vec<OsString>,
}

static LINE: OnceLock<Line> = OnceLock::new();

/// Inputs as `NAME=`, then their values.
pub(crate) fn inputs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| of_inputs(current, |_| true).unwrap_or_default())
}

/// Inputs that take pictures, then files.
pub(crate) fn pictures() -> ArgValueCompleter {
    let takes_pictures = |field: &InkField| matches!(field, InkField::Image(_) | InkField::ImageCollection(_));
    ArgValueCompleter::new(move |current: &OsStr| of_inputs(current, takes_pictures).unwrap_or_default())
}

/// Names of boards.
pub(crate) fn boards() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let named = ask(async |client| {
            Ok(client.boards().list().stream().map_ok(|board| board.board_name).try_collect::<Vec<_>>().await?)
        });
        named.unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Names of models.
pub(crate) fn models() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let models = ask(async |client| Ok(client.models().records().await?)).unwrap_or_default();
        models.into_iter().map(|model| CompletionCandidate::new(model.name)).collect()
    })
}

/// Names of saved workflows.
pub(crate) fn saved() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of_saved().into_iter().map(CompletionCandidate::new).collect())
}

/// Files, and saved workflows after `saved:`.
pub(crate) fn sources() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        const SAVED: &str = "saved:";
        let text = current.to_str().unwrap_or_default();
        if text.starts_with(SAVED) {
            return beginning_with(text, names_of_saved().into_iter().map(|name| format!("{SAVED}{name}")));
        }
        let mut found = PathCompleter::file().complete(current);
        if !text.is_empty() && SAVED.starts_with(text) {
            found.push(CompletionCandidate::new(SAVED));
        }
        found
    })
}

fn names_of_saved() -> Vec<String> {
    let named = ask(async |client| {
        Ok(client.library().list().stream().map_ok(|workflow| workflow.name).try_collect::<Vec<_>>().await?)
    });
    named.unwrap_or_default()
}

/// The texts that begin with `start`, in any case.
fn beginning_with(start: &str, texts: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let start = start.to_lowercase();
    texts.filter(|text| text.to_lowercase().starts_with(&start)).map(CompletionCandidate::new).collect()
}

fn of_inputs(current: &OsStr, fits: impl Fn(&InkField) -> bool) -> Option<Vec<CompletionCandidate>> {
    let text = current.to_str()?;
    let workflow = workflow()?;
    let mut splits = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
    if let Some((name, value)) = splits.find(|(name, _)| workflow.named_field(*name).is_ok()) {
        let field = workflow.named_field(name).ok()?;
        let values = match &field.field {
            InkField::Image(_) | InkField::ImageCollection(_) => PathCompleter::any().complete(OsStr::new(value)),
            _ => beginning_with(value, values(&field).into_iter()),
        };
        return Some(values.into_iter().map(|value| value.add_prefix(format!("{name}="))).collect());
    }
    let inputs = workflow.inputs().iter().filter(|input| !input.connected && fits(&input.field));
    let names = inputs.map(|input| workflow.name_of_field(&input.node_id, &input.field_name) + "=");
    Some(beginning_with(text, names))
}

/// The values that an input takes, if they can be listed.
fn values(NamedField { field, .. }: &NamedField) -> Vec<String> {
    if let Some(filter) = field.model_filter() {
        let models = ask(async |client| Ok(client.models().records().await?)).unwrap_or_default();
        return models.into_iter().filter(|model| filter.matches(model)).map(|model| model.name).collect();
    }
    if let InkField::Boolean(_) = field {
        return vec!["true".into(), "false".into()];
    }
    let options = field.template().options.iter();
    options.filter_map(|option| option.value.as_str().map(str::to_owned)).collect()
}

/// The workflow on the line. A file is read with the nodes of this program, because the names do not depend on them.
fn workflow() -> Option<Workflow> {
    let source = typed()?.try_get_one::<Source>("workflow").ok()??.clone();
    let catalog = NodeCatalog::embedded().into();
    let definition = match &source {
        // The keys come from there.
        Source::Input => return None,
        Source::File(_) => source.read(&catalog).ok()?,
        _ => ask(async |client| source.load(client, &catalog).await)?,
    };
    Some(Workflow::new(definition, &catalog))
}

/// What was typed so far, as far as it can be parsed.
fn typed() -> Option<ArgMatches> {
    let Line { command, words } = LINE.get()?;
    let mut matches = command().ignore_errors(true).try_get_matches_from(words).ok()?;
    while let Some((_, below)) = matches.remove_subcommand() {
        matches = below;
    }
    Some(matches)
}

/// Asks the server that the line, the environment or a profile names.
fn ask<T>(question: impl AsyncFnOnce(&Client) -> Result<T, Failure>) -> Option<T> {
    let server = ServerArgs::from_arg_matches(&typed()?).ok()?;
    let client = server.client().ok()?;
    session::block_on(async { timeout(PATIENCE, question(&client)).await.map_err(Failure::other)? }).ok()
}
