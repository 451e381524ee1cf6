//! `invokeai-client watch`: the server's events, line by line.

use clap::Args;
use futures::StreamExt as _;
use invokeai_client::{
    Client,
    events::{EventFilter, EventItem},
};
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    print::{Out, note},
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

/// Until it is stopped: that is how one ends it, and no failure.
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
    note(format!("watching {}; Ctrl-C ends it", client.base_url()));
    loop {
        match events.next().await {
            Some(Ok(EventItem::Event(event))) if args.json => {
                out.json(&json!({"event": event.name(), "data": event.data()}))?;
            }
            Some(Ok(EventItem::Event(event))) => {
                let item = event.item_id().map_or(String::new(), |id| format!(" item {id}"));
                let node = event
                    .invocation()
                    .map_or(String::new(), |node| format!(" {} ({})", node.node_type, node.source_id));
                let part = event.data().get("percentage").and_then(|part| part.as_f64());
                let part = part.map_or(String::new(), |part| format!(" {:.0} %", part * 100.0));
                let text =
                    |key: &str| event.data().get(key).and_then(|text| text.as_str()).map(|text| format!(" {text}"));
                let said = text("status").or_else(|| text("message")).unwrap_or_default();
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
