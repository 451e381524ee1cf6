//! `invokeai-client serve` and `mcp`: workflows as an HTTP API, a page, and tools for agents.

#[cfg(feature = "fleet")]
use std::future::IntoFuture as _;
use std::{fmt, io, path::PathBuf, time::Duration};

use clap::{Args, builder::RangedU64ValueParser};
use etcetera::BaseStrategy as _;
#[cfg(feature = "fleet")]
use invokeai_client::fleet::Fleet;
use invokeai_client::{
    Client, Error,
    serve::{Limits, Server, ServerBuilder},
    workflow::{SharedCatalog, Workflow},
};
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    local_file,
    print::{Text, is_quiet, paint},
    session::apart,
    source::{self, Source},
    stop::Stop,
    style,
    table::Output,
};

/// How many programs on this machine may start their own `mcp` for the same workflows.
const TALKING: usize = 100;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client mcp flux.json upscale=saved:Upscaler

An agent starts it: { \"command\": \"invokeai-client\", \"args\": [\"mcp\", \"flux.json\"] }")]
pub(crate) struct McpArgs {
    #[arg(required = true, value_name = "[NAME=]WORKFLOW", help = source::HELP)]
    workflows: Vec<String>,
    /// Keep the runs in this folder [default: one that no other uses, among the user's data]
    #[arg(long, value_name = "FOLDER")]
    runs: Option<PathBuf>,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: OnFleet,
    #[command(flatten)]
    fetching: Fetching,
}

/// A fleet that runs what is asked for.
#[cfg(feature = "fleet")]
#[derive(Debug, Args)]
struct OnFleet {
    /// Run them on a fleet, whose jobs are in this store, and whose workers `fleet worker` starts: sqlite:FILE, or
    /// postgres://USER@HOST/DATABASE with the password in PGPASSWORD or ~/.pgpass
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Where the files of the fleet are, if its store does not know it yet
    #[arg(long, value_name = "DIR", requires = "store")]
    files: Option<String>,
}

#[cfg(feature = "fleet")]
impl OnFleet {
    /// Opens it, if there is one.
    async fn open(&self, stop: &Stop) -> Result<Option<Fleet>, Failure> {
        let Some(store) = &self.store else { return Ok(None) };
        let fleet = Fleet::open(store);
        let fleet = match &self.files {
            Some(place) => fleet.files(place),
            None => fleet,
        };
        Ok(Some(stop.or(fleet.into_future()).await.map_err(Failure::Stopped)??))
    }
}

/// Which pictures are fetched.
#[derive(Debug, Args)]
struct Fetching {
    /// Fetch pictures that callers name by an address of this host: images.example.org, *.example.org, or * for all. Names
    /// must lead to public addresses; one that is not has to be named itself, as 10.0.0.7. May be repeated
    #[arg(long = "allow-image-urls", value_name = "HOST[:PORT]")]
    image_urls: Vec<String>,
}

impl Fetching {
    fn allow(&self, server: ServerBuilder) -> ServerBuilder {
        self.image_urls.iter().fold(server, |server, host| server.image_urls(host))
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  invokeai-client serve flux.json
  invokeai-client serve upscale=saved:Upscaler flux.json --listen 127.0.0.1:9000
  invokeai-client serve flux.json --listen 0.0.0.0:8080 --token-file token.txt --host studio.example.org

Each workflow is at /workflows/NAME/runs, a page with forms at /, and the description for programs at /openapi.json.")]
pub(crate) struct ServeArgs {
    #[arg(required = true, value_name = "[NAME=]WORKFLOW", help = source::HELP)]
    workflows: Vec<String>,
    /// Where to listen. What other machines can reach needs --token-file
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Answer only who knows the token in this file: its first line, at least 16 characters
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Also answer requests for this host name [default: only localhost and numeric addresses]. May be repeated
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Let pages of this origin use the service, such as https://example.org. May be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    #[command(flatten)]
    fetching: Fetching,
    /// Keep the runs in this folder, so that they survive a restart [default: one for the address and the server, among the user's data]
    #[arg(long, value_name = "FOLDER")]
    runs: Option<PathBuf>,
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    fleet: OnFleet,
    /// Most megabytes of a request
    #[arg(long, value_name = "MB", default_value_t = 32, value_parser = up_to(4096), help_heading = "Limits")]
    max_body: usize,
    /// Most connections
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = up_to(1_000_000), help_heading = "Limits")]
    max_connections: usize,
    /// Most runs that have not ended
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = up_to(1_000_000), help_heading = "Limits")]
    max_runs: usize,
    /// Most seconds that a run may take
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, help_heading = "Limits")]
    max_time: u64,
    /// How many runs that have ended are kept
    #[arg(long, value_name = "N", default_value_t = 10_000, help_heading = "Limits")]
    keep: usize,
}

/// A limit of at least one.
fn up_to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

impl ServeArgs {
    fn limits(&self) -> Limits {
        Limits::default()
            .body(self.max_body.saturating_mul(1 << 20))
            .connections(self.max_connections)
            .open_runs(self.max_runs)
            .run(Duration::from_secs(self.max_time))
            .kept_runs(self.keep)
    }

    /// The token in the file; its last newline is no part of it.
    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(file) = &self.token_file else { return Ok(None) };
        let fail = |problem: &dyn fmt::Display| Failure::other(format!("--token-file {}: {problem}", file.display()));
        let text = local_file::open_or_inherited(file).and_then(io::read_to_string).map_err(|error| fail(&error))?;
        match text.lines().next().map(str::trim) {
            Some(token) if !token.is_empty() => Ok(Some(token.to_owned())),
            _ => Err(fail(&"its first line must be the token, and is empty")),
        }
    }

    /// Where the runs are: services that listen at different addresses, or are for different servers, have different ones.
    fn folder(&self, client: &Client) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.runs {
            return Ok(folder.clone());
        }
        let server = client.base_url().as_str();
        #[cfg(feature = "fleet")]
        let server = self.fleet.store.as_deref().unwrap_or(server);
        // Without a password.
        let server = server.rsplit('@').next().unwrap_or_default();
        let name = format!("{}-for-{}", self.listen, server.trim_end_matches('/'));
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(200).collect();
        Ok(data()?.join(name))
    }
}

/// Where runs are unless somebody says otherwise.
fn data() -> Result<PathBuf, Failure> {
    let folders = etcetera::base_strategy::choose_native_strategy().map_err(Failure::other)?;
    Ok(folders.data_dir().join("invokeai-client").join("serve"))
}

/// Talks with an agent until it has had enough.
pub(crate) async fn talk(args: McpArgs, client: &Client, stop: &Stop) -> Result<Exit, Failure> {
    let opened = match stop.or(open(&args.workflows, client)).await {
        Ok(opened) => opened?,
        Err(why) => return Err(Failure::Stopped(why)),
    };
    let folders = match args.runs {
        Some(folder) => vec![folder],
        None => {
            let data = data()?;
            (1..=TALKING).map(|n| data.join(format!("mcp-{n}"))).collect()
        }
    };
    #[cfg(feature = "fleet")]
    let fleet = args.fleet.open(stop).await?;
    let (client, fetching) = (client.clone(), args.fetching);
    let talking = apart(move || {
        for (n, folder) in folders.iter().enumerate() {
            let server = fetching.allow(Server::builder(client.clone(), folder));
            #[cfg(feature = "fleet")]
            let server = fleet.iter().fold(server, |server, fleet| server.fleet(fleet.clone()));
            let server = opened.iter().fold(server, |server, (name, workflow)| server.workflow(name, workflow.clone()));
            match server.talk() {
                // Another agent's; the next may be free.
                Err(Error::Io { cause, .. })
                    if cause.kind() == io::ErrorKind::ResourceBusy && n + 1 < folders.len() => {}
                talked => return talked.map(|()| Exit::Done).map_err(Failure::from),
            }
        }
        Ok(Exit::Done)
    });
    match stop.or(talking).await {
        Ok(ended) => ended,
        // That is how one ends it.
        Err(_) => Ok(Exit::Done),
    }
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: ServeArgs, client: &Client, out: &mut Output<'_>, stop: &Stop) -> Result<Exit, Failure> {
    let (token, folder) = (args.token()?, args.folder(client)?);
    let server = Server::builder(client.clone(), &folder).listen(&args.listen).limits(args.limits());
    let mut server = args.fetching.allow(server);
    if let Some(token) = token {
        server = server.token(token);
    }
    server = args.hosts.iter().fold(server, |server, host| server.host(host));
    server = args.origins.iter().fold(server, |server, origin| server.origin(origin));
    #[cfg(feature = "fleet")]
    if let Some(fleet) = args.fleet.open(stop).await? {
        server = server.fleet(fleet);
    }
    let opened = match stop.or(open(&args.workflows, client)).await {
        Ok(opened) => opened?,
        Err(why) => return Err(Failure::Stopped(why)),
    };
    let names: Vec<String> = opened.iter().map(|(name, _)| name.clone()).collect();
    for (name, workflow) in opened {
        server = server.workflow(name, workflow);
    }
    let server = server.start()?;
    let url = server.url();
    if out.json {
        out.out.json(&json!({ "url": url, "workflows": names, "runs": folder }))?;
    } else if is_quiet() {
        out.out.line(url.as_str())?;
    } else {
        out.out.line(Text::from("Serving ").then(names.join(", ")).then(" at ").then(paint(style::GOOD, &url)))?;
        out.out.line(format!("for programs: {url}/openapi.json"))?;
        out.out.line("Ctrl-C ends it; runs go on, and are taken up by the next start.")?;
    }
    stop.asked().await;
    // Waits for answers that are under way: not on the thread that everything else runs on.
    apart(move || {
        server.stop();
        Ok(Exit::Done)
    })
    .await
}

/// Every workflow, with the name that it is to have.
async fn open(arguments: &[String], client: &Client) -> Result<Vec<(String, Workflow)>, Failure> {
    let catalog = SharedCatalog::from(client.catalog().await?);
    let mut opened = Vec::new();
    for argument in arguments {
        // `saved:a=b` has no name of its own before the `=`.
        let named = argument.split_once('=').filter(|(name, _)| !name.contains([':', '/', '\\', '.']));
        let (name, source) = named.map_or((None, argument.as_str()), |(name, source)| (Some(name), source));
        let source: Source =
            source.parse().map_err(|problem: String| Failure::other(format!("{argument}: {problem}")))?;
        let definition = source.load(client, &catalog).await?;
        let name = match (name, &source) {
            (Some(name), _) => name.to_owned(),
            (None, Source::Saved(_)) if !definition.name().is_empty() => definition.name().to_owned(),
            (None, source) => source.name(),
        };
        opened.push((name, client.workflow(definition).await?));
    }
    Ok(opened)
}
