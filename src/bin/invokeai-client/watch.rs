//! `invokeai-client watch`: the server's events, line by line.

use std::borrow::Cow;

use clap::Args;
use futures::StreamExt as _;
use invokeai_client::{
    Client,
    events::{EventFilter, EventItem},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{Out, aside, note},
    stop::Stop,
};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only events of this queue
    #[arg(long, value_name = "ID")]
    queue: Option<String>,
    /// Only events of these items
    #[arg(long = "item", value_name = "ID")]
    items: Vec<i64>,
    /// Print each event whole, as a line of JSON
    #[arg(long)]
    json: bool,
}

/// Prints events until it is stopped. That is the normal end, not a failure.
pub(crate) async fn run(args: WatchArgs, client: &Client, stop: &Stop) -> Result<Exit, Failure> {
    match stop.or(watch(args, client)).await {
        Ok(ended) => ended,
        Err(_) => Ok(Exit::Done),
    }
}

async fn watch(args: WatchArgs, client: &Client) -> Result<Exit, Failure> {
    let mut out = Out::standard();
    let mut filter = EventFilter::all().items(args.items);
    if let Some(queue) = args.queue {
        filter = filter.queue(queue);
    }
    let mut events = client.event_hub().subscribe(filter);
    events.connected().await.map_err(Failure::other)?;
    aside(format!("watching {}; Ctrl-C stops it", client.base_url()));
    loop {
        match events.next().await {
            Some(Ok(EventItem::Event(event))) if args.json => {
                // As text, because a tree of it could take many times the memory.
                let text = one_line(event.json());
                let data: &RawValue = serde_json::from_str(&text).map_err(Failure::other)?;
                out.json(&Line { event: event.name(), data })?;
            }
            Some(Ok(EventItem::Event(event))) => {
                let item = event.item_id().map_or(String::new(), |id| format!(" item {id}"));
                let node =
                    event.invocation().map_or(String::new(), |node| format!(" {} ({})", node.node_type, node.id));
                let part = event.percentage();
                let part = part.map_or(String::new(), |part| format!(" {:.0} %", part * 100.0));
                let said = event.status().map(str::to_owned).or_else(|| event.message());
                let said = said.map_or(String::new(), |said| format!(" {said}"));
                out.line(format!("{}{item}{node}{said}{part}", event.name()))?;
            }
            Some(Ok(EventItem::Gap(gap))) => note(gap.to_string()),
            Some(Ok(EventItem::Disconnected { error })) => note(format!("disconnected: {error}")),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(Failure::other(error)),
            None => return Ok(Exit::Done),
        }
    }
}

/// An event, as it is printed.
#[derive(Serialize)]
struct Line<'a> {
    event: &'a str,
    data: &'a RawValue,
}

/// JSON on one line. In strings, line breaks are escaped; between them they mean nothing.
fn one_line(json: &str) -> Cow<'_, str> {
    const BREAKS: [char; 3] = ['\n', '\r', '\t'];
    if json.contains(BREAKS) { json.replace(BREAKS, " ").into() } else { json.into() }
}
