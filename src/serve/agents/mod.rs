//! Tools for agents, by the Model Context Protocol: each workflow is one.
//!
//! What a tool gives is a picture small enough for a model, and a link to the whole. Models and boards can be listed,
//! images read; nothing can be changed or deleted.

mod input;
mod picture;
mod resources;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        Tool, ToolAnnotations,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
    },
};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{
    backend::Backend,
    inputs::{fill, model_names, of_object},
    limits::Limits,
    offer::Offer,
    outputs,
    problem::Problem,
    runs::Runs,
    schemas,
    state::{Shown, What},
};
use crate::media::FileKind;

/// Most pictures in one answer; all others are links.
const PICTURES: usize = 4;

/// The tools besides the workflows.
const MODELS: &str = "list_models";
const BOARDS: &str = "list_boards";

const INSTRUCTIONS: &str = "Each tool that is not a list runs a workflow of InvokeAI, which makes pictures. An input that \
                            takes an image takes the name of one on the server, such as a tool gave, or a data URL. \
                            Pictures come small; `invokeai://images/NAME` is the whole, and `invokeai://videos/NAME` a \
                            video.";

/// What answers agents.
#[derive(Debug, Clone)]
pub(super) struct Agents {
    pub(super) backend: Arc<Backend>,
    pub(super) offers: Arc<Vec<Offer>>,
    pub(super) runs: Runs,
}

/// The same over HTTP. No sessions are kept: whoever opens many takes up no room.
pub(super) type OverHttp = StreamableHttpService<Agents, NeverSessionManager>;

impl Agents {
    pub(super) fn over_http(self, limits: &Limits) -> OverHttp {
        // Host and origin were checked before, by the rules of this service.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .disable_allowed_hosts()
            .with_max_request_body_bytes(limits.body);
        StreamableHttpService::new(move || Ok(self.clone()), Arc::default(), config)
    }

    /// Answers on standard input and output until the input ends.
    pub(super) async fn over_stdio(self, limits: &Limits) -> Result<(), String> {
        let (input, output) = rmcp::transport::io::stdio();
        let talking = self.serve(input::Checked::new(input, output, limits.body));
        let talking = talking.await.map_err(|error| error.to_string())?;
        talking.waiting().await.map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn tools(&self) -> Vec<Tool> {
        let models = self.backend.models_or_none().await;
        let workflow = |offer: &Offer| {
            let schema = offer.schema(&|input| model_names(input, &models));
            let text = [offer.title(), offer.description()].join("\n\n");
            let mut tool = tool(&offer.name, text.trim().to_owned(), schema).with_title(offer.title());
            if let Value::Object(result) = schemas::run_of(offer) {
                tool.output_schema = Some(Arc::new(result));
            }
            tool.with_annotations(
                ToolAnnotations::new().read_only(false).destructive(false).idempotent(false).open_world(false),
            )
        };
        let text = |about: &str| json!({ "type": "string", "description": about });
        let filter = json!({ "type": "object", "additionalProperties": false, "properties": {
            "type": text("Only models of this type: main, lora, vae, t5_encoder, …"),
            "base": text("Only models of this base: flux, sdxl, sd-1, …"),
        } });
        let none = json!({ "type": "object", "additionalProperties": false, "properties": {} });
        let reads = || ToolAnnotations::new().read_only(true).open_world(false);
        let mut tools: Vec<Tool> = self.offers.iter().map(workflow).collect();
        tools.push(tool(MODELS, "Lists the models on the server.".into(), filter).with_annotations(reads()));
        if self.backend.has_boards() {
            tools.push(tool(BOARDS, "Lists the boards on the server.".into(), none).with_annotations(reads()));
        }
        tools
    }

    /// Runs a workflow to its end.
    async fn run(
        &self,
        offer: usize,
        arguments: Map<String, Value>,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResult, Problem> {
        let filled = fill(&self.offers[offer], &self.backend, of_object(arguments)?).await?;
        let mut run = self.runs.take(offer, filled, None).await?.run;
        let id = run.borrow().record.id;
        tokio::select! {
            () = told(&mut run, context) => {}
            () = context.ct.cancelled() => {
                // A failure is in the log; the run is asked to stop all the same.
                _ = self.runs.cancel(id).await;
                let canceled = Problem::new(axum::http::StatusCode::CONFLICT, "canceled", "the run was canceled");
                return Err(canceled);
            }
        }
        let shown = run.borrow().clone();
        let mut content = Vec::new();
        let outputs = shown.record.ended().map(|ended| ended.outputs.clone()).unwrap_or_default();
        let told = shown.to_json();
        content.push(ContentBlock::text(told.to_string()));
        for (n, output) in outputs.iter().enumerate() {
            let What::File { kind, name, .. } = &output.what else { continue };
            if *kind == FileKind::Image && n < PICTURES {
                let shown = match outputs::bytes(*kind, name, &self.backend).await {
                    Ok((bytes, _)) => picture::content(bytes).await,
                    Err(problem) => Err(problem),
                };
                // The run went well all the same.
                let note = |problem: Problem| format!("output {n} cannot be shown now: {}", problem.detail);
                content.push(shown.unwrap_or_else(|problem| ContentBlock::text(note(problem))));
            }
            content.push(ContentBlock::resource_link(resources::file(*kind, name)));
        }
        let mut result = match told["state"].as_str() {
            Some("completed") => CallToolResult::success(content),
            _ => CallToolResult::error(content),
        };
        result.structured_content = Some(told);
        Ok(result)
    }

    async fn models(&self, arguments: &Map<String, Value>) -> Result<CallToolResult, Problem> {
        Self::known(arguments, &["type", "base"])?;
        let wanted = |name: &str| arguments.get(name).and_then(Value::as_str);
        let models = self.backend.models().await?;
        let fits = |wanted: Option<&str>, is: &str| wanted.is_none_or(|wanted| wanted == is);
        let models: Vec<Value> = models
            .iter()
            .filter(|model| fits(wanted("type"), &model.model_type) && fits(wanted("base"), &model.base))
            .map(|model| json!({ "key": model.key, "name": model.name, "base": model.base, "type": model.model_type }))
            .collect();
        Ok(listed(json!({ "models": models })))
    }

    /// Refuses arguments that a list does not take.
    fn known(arguments: &Map<String, Value>, taken: &[&str]) -> Result<(), Problem> {
        match arguments.iter().find(|(name, value)| !taken.contains(&name.as_str()) || !value.is_string()) {
            None => Ok(()),
            Some((name, value)) if taken.contains(&name.as_str()) => {
                Err(Problem::input(name.as_str(), Some(value.to_string()), "a text"))
            }
            Some((name, _)) if taken.is_empty() => Err(Problem::input(name.as_str(), None, "this tool has no inputs")),
            Some((name, _)) => {
                let accepted = format!("there is no such input; there are {}", taken.join(", "));
                Err(Problem::input(name.as_str(), None, accepted))
            }
        }
    }

    async fn boards(&self, arguments: &Map<String, Value>) -> Result<CallToolResult, Problem> {
        Self::known(arguments, &[])?;
        let boards = self.backend.boards().await.map_err(|error| Problem::of_error(&error))?;
        let board = |board: &crate::boards::Board| json!({ "board_id": board.board_id, "name": board.board_name, "images": board.image_count });
        Ok(listed(json!({ "boards": boards.iter().map(board).collect::<Vec<_>>() })))
    }
}

fn tool(name: &str, description: String, schema: Value) -> Tool {
    let schema = match schema {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    Tool::new(name.to_owned(), description, schema)
}

fn listed(value: Value) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(value.to_string())]);
    result.structured_content = Some(value);
    result
}

/// Tells how far a run is, if that was asked for, until it ends.
async fn told(run: &mut watch::Receiver<Shown>, context: &RequestContext<RoleServer>) {
    let token = context.meta.get_progress_token();
    let mut last = -1.0;
    run.mark_changed();
    while run.changed().await.is_ok() {
        let shown = run.borrow_and_update().clone();
        if let (Some(token), Some(fraction)) = (&token, shown.progress["fraction"].as_f64()) {
            // Reported progress has to grow.
            if fraction > last {
                last = fraction;
                let message = ["message", "node"].into_iter().find_map(|name| shown.progress[name].as_str());
                let mut note = ProgressNotificationParam::new(token.clone(), fraction).with_total(1.0);
                if let Some(message) = message {
                    note = note.with_message(message);
                }
                if let Err(error) = context.peer.notify_progress(note).await {
                    tracing::debug!(%error, "an agent does not hear how far its run is");
                }
            }
        }
        if shown.is_ended() {
            return;
        }
    }
}

/// A problem that the agent can do something about is the result of its call.
fn refusal(problem: &Problem) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(problem.detail.clone())]);
    result.structured_content = Some(problem.to_json());
    result
}

impl ServerHandler for Agents {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        info.instructions = Some(INSTRUCTIONS.to_owned());
        info
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tools().await))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let offer = self.offers.iter().position(|offer| offer.name == request.name);
        let done = match (offer, &*request.name) {
            (Some(offer), _) => self.run(offer, arguments, &context).await,
            (None, MODELS) => self.models(&arguments).await,
            (None, BOARDS) if self.backend.has_boards() => self.boards(&arguments).await,
            (None, name) => return Err(ErrorData::invalid_params(format!("there is no tool `{name}`"), None)),
        };
        Ok(done.unwrap_or_else(|problem| refusal(&problem)).into())
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let boards = resources::boards(&self.backend).await;
        boards.map(ListResourcesResult::with_all_items).map_err(|problem| internal(&problem))
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates(&self.backend)))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        match resources::read(&request.uri, &self.backend).await {
            Ok(Some(read)) => Ok(read.into()),
            Ok(None) => Err(ErrorData::resource_not_found(format!("there is no {}", request.uri), None)),
            Err(problem) => Err(internal(&problem)),
        }
    }
}

fn internal(problem: &Problem) -> ErrorData {
    ErrorData::internal_error(problem.detail.clone(), Some(problem.to_json()))
}
