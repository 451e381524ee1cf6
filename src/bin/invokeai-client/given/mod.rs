//! The values that the arguments give to the inputs of a workflow: single values, files to upload, and many values for
//! many runs.
//!
//! The inputs are filled in twice: first with a placeholder for each file, to find problems before anything is sent;
//! then with the names of the uploaded images.

mod many;
pub(crate) mod pictures;
mod texts;
mod value;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::Args;
use indexmap::{IndexMap, IndexSet};
use invokeai_client::{
    Sweep,
    schema::ModelRecord,
    workflow::{NamedField, Workflow, WorkflowOptions, field::InkField},
};
use serde_json::{Map, Value};

pub(crate) use many::ManyArgs;
pub(crate) use texts::Texts;

use crate::{completion, distinct::Distinct, failure::Failure};

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct InputArgs {
    /// Set an input, by its label (in any case), its system name or its unique field name; or any field, as NODE.field
    /// with a node's id, label or type. VALUE is plain text for strings, a name or key for models, a local file or a
    /// name on the server for images, and JSON for everything else; @FILE reads it from a file, @@ is a literal @ at
    /// the beginning
    #[arg(long = "set", value_name = "NAME=VALUE", add = completion::inputs())]
    set: Vec<String>,
    /// Set inputs from a JSON or YAML file: an object of names and values
    #[arg(long, value_name = "FILE")]
    set_file: Vec<String>,
    /// Upload images as intermediates, and set an image input to them: a file, a folder, or a pattern such as
    /// 'in/*.png'; repeat it for a list of images
    #[arg(long = "upload", value_name = "NAME=FILE", add = completion::pictures())]
    upload: Vec<String>,
    /// Update nodes of other major versions to the server's, which the editor refuses to do; reports what that changes
    #[arg(long)]
    update_nodes: bool,
    /// Unset images, videos and boards that the server does not have, and remove them from lists
    #[arg(long)]
    pub(crate) drop_missing: bool,
}

impl InputArgs {
    pub(crate) fn options(&self) -> WorkflowOptions {
        WorkflowOptions::default().update_nodes(self.update_nodes)
    }
}

/// A workflow with all values filled in.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    pub(crate) workflow: Workflow,
    /// Many values, if there are any.
    pub(crate) sweep: Option<Sweep>,
    /// The files to upload, each once.
    pub(crate) files: IndexSet<PathBuf>,
}

/// The placeholder for an image that is not uploaded yet.
pub(crate) fn placeholder(path: &Path) -> String {
    format!("<upload:{}>", path.display())
}

/// Whether a name is such a placeholder.
pub(crate) fn is_placeholder(name: &str) -> bool {
    name.starts_with("<upload:") && name.ends_with('>')
}

/// Fills in a workflow. `uploaded` has the names of files that are already uploaded.
pub(crate) fn fill(
    args: &InputArgs,
    many: &ManyArgs,
    texts: &mut Texts,
    workflow: Workflow,
    models: &[ModelRecord],
    uploaded: &HashMap<PathBuf, String>,
) -> Result<Filled, Failure> {
    let mut filler = Filler { workflow, models, texts, uploaded, files: IndexSet::new() };
    for file in &args.set_file {
        let said = |problem: String| Failure::other(format!("--set-file {file}: {problem}"));
        let mut places = HashMap::new();
        for (name, value) in object(file, &filler.texts.file(file, "--set-file").map_err(said)?).map_err(said)? {
            let said = |problem| Failure::other(format!("--set-file {file}: {name}: {problem}"));
            if let Ok(field) = filler.workflow.named_field(&*name)
                && let Some(other) = places.insert((field.node_id, field.field_name), name.clone())
            {
                return Err(said(format!("is given twice: it is also `{other}`")));
            }
            let set = filler.set(&name, value);
            set.map_err(|failure| match failure {
                SetError::Refused(problem) => said(problem),
                SetError::Named(error) => error.in_argument(&format!("--set-file {file}")),
            })?;
        }
    }
    for argument in &args.set {
        filler.set_argument(argument)?;
    }
    filler.upload_arguments(&args.upload)?;
    let sweep = filler.many(many)?;
    if let Some(sweep) = &sweep {
        // Use the first row, so that inputs set by rows do not count as missing.
        for (node, field, value) in sweep.values_at(0) {
            filler.workflow.set_node_field(node, field, value).map_err(invokeai_client::Error::from)?;
        }
    }
    Ok(Filled { workflow: filler.workflow, sweep, files: filler.files })
}

struct Filler<'a> {
    workflow: Workflow,
    models: &'a [ModelRecord],
    texts: &'a mut Texts,
    uploaded: &'a HashMap<PathBuf, String>,
    files: IndexSet<PathBuf>,
}

/// Why an input was not set.
enum SetError {
    Refused(String),
    Named(NamedError),
}

/// There is no such input, or it does not take the value.
struct NamedError(invokeai_client::workflow::InputError);

impl NamedError {
    /// The failure with the argument that it is about, and the library's error as its cause.
    fn in_argument(self, argument: &str) -> Failure {
        #[derive(Debug, thiserror::Error)]
        #[error("{argument}")]
        struct InArgument {
            argument: String,
            source: invokeai_client::workflow::InputError,
        }
        Failure::other(InArgument { argument: argument.to_owned(), source: self.0 })
    }
}

impl From<invokeai_client::workflow::InputError> for SetError {
    fn from(error: invokeai_client::workflow::InputError) -> Self {
        Self::Named(NamedError(error))
    }
}

impl Filler<'_> {
    /// `--set NAME=VALUE`.
    fn set_argument(&mut self, argument: &str) -> Result<(), Failure> {
        let shown = format!("--set {}", shown(argument));
        let fail = |problem: String| Failure::other(format!("{shown}: {problem}"));
        let (name, value) = self.split(argument).ok_or_else(|| fail("must be NAME=VALUE".into()))?;
        let text = self.texts.value(value, &format!("--set {name}")).map_err(fail)?;
        self.set(name, Value::from(text)).map_err(|error| match error {
            SetError::Refused(problem) => fail(problem),
            SetError::Named(error) => error.in_argument(&shown),
        })
    }

    /// Sets a field. A text is converted to what the field takes.
    fn set(&mut self, name: &str, value: Value) -> Result<(), SetError> {
        let field = self.workflow.named_field(name)?;
        refuse_connected(&field).map_err(SetError::Refused)?;
        let value = self.convert(&field.field, value).map_err(SetError::Refused)?;
        Ok(self.workflow.set_named_field(name, value)?)
    }

    /// Every `--upload NAME=FILE`. Files for the same list are joined.
    fn upload_arguments(&mut self, arguments: &[String]) -> Result<(), Failure> {
        let mut lists: IndexMap<(String, String), (NamedField, Vec<Value>)> = IndexMap::new();
        for argument in arguments {
            let fail = |problem: String| Failure::other(format!("--upload {argument}: {problem}"));
            let (name, text) = self.split(argument).ok_or_else(|| fail("must be NAME=FILE".into()))?;
            let (name, text) = (name.to_owned(), text.to_owned());
            let field = self
                .workflow
                .named_field(&*name)
                .map_err(|error| NamedError(error).in_argument(&format!("--upload {argument}")))?;
            refuse_connected(&field).map_err(fail)?;
            let is_list = match &field.field {
                InkField::Image(_) => false,
                InkField::ImageCollection(_) => true,
                other => return Err(fail(format!("the input takes {}, not an image", other.accepts()))),
            };
            let files = pictures::named(&text).map_err(fail)?;
            let names: Vec<Value> = files.into_iter().map(|file| Value::from(self.image(file))).collect();
            let key = (field.node_id.clone(), field.field_name.clone());
            let (_, all) = lists.entry(key).or_insert_with(|| (field, Vec::new()));
            all.extend(names);
            if !is_list && all.len() > 1 {
                let each = format!("--each {name}={text}");
                return Err(fail(format!("the input takes one image, but got several; {each} runs once for each")));
            }
        }
        for (_, (field, names)) in lists {
            let value = match &field.field {
                InkField::ImageCollection(_) => Value::from(names),
                _ => names.into_iter().next().unwrap_or_default(),
            };
            let set = self.workflow.set_node_field(&field.node_id, &field.field_name, value);
            set.map_err(|error| NamedError(error).in_argument("--upload"))?;
        }
        Ok(())
    }

    /// The name that a file has on the server, or its placeholder.
    fn image(&mut self, path: PathBuf) -> String {
        let name = self.uploaded.get(&path).cloned().unwrap_or_else(|| placeholder(&path));
        self.files.insert(path);
        name
    }

    /// Name and value of `NAME=VALUE`. Names may contain `=`, so the first split that names a field counts.
    fn split<'t>(&self, argument: &'t str) -> Option<(&'t str, &'t str)> {
        let mut splits = argument.match_indices('=').map(|(at, _)| (&argument[..at], &argument[at + 1..]));
        let first = splits.clone().next()?;
        Some(splits.find(|(name, _)| self.workflow.named_field(*name).is_ok()).unwrap_or(first))
    }
}

/// An edge would override the value.
fn refuse_connected(field: &NamedField) -> Result<(), String> {
    match field.connected {
        true => Err(format!("{}.{} gets its value from an edge", field.node_id, field.field_name)),
        false => Ok(()),
    }
}

/// The members of a JSON or YAML object.
fn object(path: &str, text: &str) -> Result<Map<String, Value>, String> {
    let is_yaml = [".yaml", ".yml"].iter().any(|ending| path.to_lowercase().ends_with(ending));
    let read: Result<Value, String> = match is_yaml {
        true => serde_saphyr::from_str(text).map_err(|error| error.to_string()),
        false => match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map(|Distinct(members)| Value::Object(members)),
            false => serde_json::from_str(text),
        }
        .map_err(|error| error.to_string()),
    };
    match read {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("must be an object of names and values".into()),
        Err(error) => Err(format!("is not {}: {error}", if is_yaml { "YAML" } else { "JSON" })),
    }
}

/// An argument without its value, which may be long or secret.
fn shown(argument: &str) -> String {
    argument.split_once('=').map_or_else(|| argument.to_owned(), |(name, _)| format!("{name}=…"))
}
