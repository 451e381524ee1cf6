//! `invokeai-client api`: any operation of the server, by its name or its path.

mod document;

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;
use invokeai_client::{
    Client, RawAnswer, RawRequest, Upload,
    api::{OPERATIONS, Operation},
};
use serde_json::{Map, Value, json};

use crate::{exit::Exit, failure::Failure, near::near, standard_input, table::Output};
use document::{Described, Place};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client api                                              all operations
  invokeai-client api app_version
  invokeai-client api list_image_dtos -f limit=5 -f is_intermediate=false | jq '.items[].image_name'
  invokeai-client api list_image_dtos --paginate | jq -r '.items[].image_name'
  invokeai-client api GET /api/v1/boards/ -f all=true
  invokeai-client api create_board -f board_name=tests
  invokeai-client api upload_image -f image_category=user -f is_intermediate=false -f file=@photo.jpg
  invokeai-client api update_board -f board_id=ID --input changes.json")]
pub(crate) struct ApiArgs {
    /// Name of an operation, or a method and a path; lists all operations if omitted
    #[arg(value_name = "OPERATION | METHOD PATH", num_args = 0..=2)]
    operation: Vec<String>,
    /// Parameter of the path, the query or the body; @FILE reads the value from a file
    #[arg(short = 'f', long = "field", value_name = "NAME=VALUE")]
    fields: Vec<String>,
    /// Read the body from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Request page after page, and print each
    #[arg(long)]
    paginate: bool,
    /// Only print what would be sent
    #[arg(long)]
    dry_run: bool,
}

/// A call, before it becomes a request.
#[derive(Debug, Default)]
struct Call {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    form: Vec<(String, Part)>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    File(PathBuf),
}

pub(crate) fn list(output: &mut Output<'_>) -> Result<Exit, Failure> {
    for Operation { id, method, path, .. } in OPERATIONS {
        let cells = [(*id).to_owned(), (*method).to_owned(), (*path).to_owned()];
        output.row(&json!({ "operation": id, "method": method, "path": path }), [40, 6, 0], cells)?;
    }
    Ok(Exit::Done)
}

impl ApiArgs {
    /// Whether no operation is named.
    pub(crate) fn is_empty(&self) -> bool {
        self.operation.is_empty()
    }
}

pub(crate) async fn run(args: ApiArgs, client: &Client, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let described = described(&args.operation)?;
    let mut call = call(&args, &described)?;
    if args.dry_run {
        output.out.json_document(&call.shown(client))?;
        return Ok(Exit::Done);
    }
    if !args.paginate {
        let answer = client.request(call.request()).await?;
        return print(&answer, output);
    }
    let pages = described.pages().ok_or_else(|| {
        Failure::other(format!("`{}` has no pages: it takes neither `offset` nor `page`", described.name()))
    })?;
    let mut begin = pages.first(&call.query).map_err(Failure::other)?;
    loop {
        pages.set(&mut call.query, begin);
        let answer = client.request(call.request()).await?;
        let value: Value = serde_json::from_slice(&answer.body).map_err(Failure::other)?;
        let next = pages.next(begin, &value);
        print(&answer, output)?;
        match next {
            Some(next) => begin = next,
            None => return Ok(Exit::Done),
        }
    }
}

/// The operation that is named, with what the document says about it.
fn described(words: &[String]) -> Result<Described, Failure> {
    match words {
        [name] if !name.starts_with('/') => {
            let found = OPERATIONS.iter().find(|operation| operation.id == name);
            let operation = found.ok_or_else(|| {
                let names = OPERATIONS.iter().map(|operation| operation.id);
                Failure::other(format!(
                    "there is no operation `{name}`{}; `invokeai-client api` lists all",
                    near(name, names)
                ))
            })?;
            Described::of(operation)
        }
        [path] => Described::by_path("GET", path),
        [method, path] if path.starts_with('/') => Described::by_path(&method.to_ascii_uppercase(), path),
        _ => Err(Failure::other(
            "name an operation, as `api list_boards`, or a method and a path, as `api GET /api/v1/boards/`",
        )),
    }
}

fn call(args: &ApiArgs, described: &Described) -> Result<Call, Failure> {
    let mut call = Call { method: described.method.clone(), query: described.query.clone(), ..Call::default() };
    let mut path = described.path.clone();
    let mut body = Map::new();
    for field in &args.fields {
        let Some((name, text)) = field.split_once('=') else {
            return Err(Failure::other(format!("-f {field}: must be NAME=VALUE")));
        };
        match described.place(name)? {
            Place::Path => {
                let value = value(text, name)?;
                if matches!(value.as_str(), "" | "." | "..") {
                    return Err(Failure::other(format!("-f {name}: `{value}` is not a name")));
                }
                let value = encoded(&value);
                let place = format!("{{{name}}}");
                if !path.contains(&place) {
                    return Err(Failure::other(format!("-f {name}: {path} has a value for it already")));
                }
                path = path.replace(&place, &value);
            }
            Place::Query => call.query.push((name.to_owned(), value(text, name)?)),
            Place::File => match text.strip_prefix('@') {
                Some(file) => call.form.push((name.to_owned(), Part::File(file.into()))),
                None => return Err(Failure::other(format!("-f {name}: is a file: {name}=@FILE"))),
            },
            Place::FormText => call.form.push((name.to_owned(), Part::Text(value(text, name)?))),
            Place::Body { is_text } => {
                let text = value(text, name)?;
                let value = match is_text {
                    true => Value::String(text),
                    false => serde_json::from_str(&text).map_err(|error| {
                        Failure::other(format!("-f {name}: takes JSON, but `{text}` is not JSON: {error}"))
                    })?,
                };
                if body.insert(name.to_owned(), value).is_some() {
                    return Err(Failure::other(format!("-f {name}: is given twice")));
                }
            }
        }
    }
    if let Some((_, rest)) = path.split_once('{') {
        let name = rest.split('}').next().unwrap_or_default();
        return Err(Failure::other(format!("`{}` needs `{name}`: -f {name}=VALUE", described.name())));
    }
    call.path = path;
    call.body = match (&args.input, body.is_empty()) {
        (Some(_), false) => {
            return Err(Failure::other("fields of the body are given with -f or with --input, not with both"));
        }
        (Some(file), true) => Some(read_json(file)?),
        (None, false) => Some(Value::Object(body)),
        (None, true) if described.needs_object() => Some(json!({})),
        (None, true) => None,
    };
    if call.body.is_some() && !call.form.is_empty() {
        return Err(Failure::other(format!("`{}` takes a form, not --input", described.name())));
    }
    Ok(call)
}

impl Call {
    fn request(&self) -> RawRequest {
        let mut request = RawRequest::new(&self.method, &self.path);
        for (name, value) in &self.query {
            request = request.query(name, value);
        }
        for (name, part) in &self.form {
            request = match part {
                Part::Text(text) => request.form_text(name, text),
                Part::File(file) => request.form_file(name, Upload::path(file)),
            };
        }
        match &self.body {
            Some(body) => request.json(body.clone()),
            None => request,
        }
    }

    fn shown(&self, client: &Client) -> Value {
        let form: Map<String, Value> = self
            .form
            .iter()
            .map(|(name, part)| {
                let part = match part {
                    Part::Text(text) => text.clone(),
                    Part::File(file) => format!("<upload:{}>", file.display()),
                };
                (name.clone(), part.into())
            })
            .collect();
        let url = format!("{}{}", client.base_url().as_str().trim_end_matches('/'), self.path);
        json!({
            "method": self.method,
            "url": url,
            "query": self.query,
            "body": self.body,
            "form": (!form.is_empty()).then_some(form),
        })
    }
}

/// Prints JSON as JSON, and everything else as it came, but not to a terminal, which might obey it.
fn print(answer: &RawAnswer, output: &mut Output<'_>) -> Result<Exit, Failure> {
    let is_json = answer.content_type.split(';').next().is_some_and(|kind| kind.trim().ends_with("json"));
    if is_json && !answer.body.is_empty() {
        let value: Value = serde_json::from_slice(&answer.body).map_err(Failure::other)?;
        match output.json {
            true => output.out.json(&value)?,
            false => output.out.json_document(&value)?,
        }
    } else if !answer.body.is_empty() {
        output.out.file(&answer.body)?;
    }
    Ok(Exit::Done)
}

/// A value, or the content of the file that `@FILE` names; `@@` is a plain `@`.
fn value(text: &str, name: &str) -> Result<String, Failure> {
    match text.strip_prefix('@') {
        None => Ok(text.to_owned()),
        Some(rest) if rest.starts_with('@') => Ok(rest.to_owned()),
        Some(file) => String::from_utf8(read(Path::new(file), &format!("-f {name}"))?)
            .map(|text| text.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|error| Failure::other(format!("{file} is not text: {error}"))),
    }
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    serde_json::from_slice(&read(file, "--input")?)
        .map_err(|error| Failure::other(format!("{} is not JSON: {error}", file.display())))
}

fn read(file: &Path, argument: &str) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::other(format!("cannot read {}: {error}", file.display()));
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        standard_input::take(argument).and_then(|mut input| input.read_to_end(&mut bytes)).map_err(failed)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(failed)
}

/// A value as one part of a path.
fn encoded(value: &str) -> String {
    let keep = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let dots = !value.is_empty() && value.bytes().all(|byte| byte == b'.');
    value
        .bytes()
        .map(|byte| match keep(&byte) && !dots {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
