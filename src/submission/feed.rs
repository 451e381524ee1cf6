//! Cutting a batch into pieces that a queue has room for, and enqueueing them one after another.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{task::AbortHandle, time::sleep};

use super::{enqueue, submit::WhenFull};
use crate::{Client, error::Result, job::state::State};

/// Most items in one request. Keeps requests, and what the server does at once, short.
const PIECE: usize = 500;

/// How often to look whether there is room again.
const PAUSE: Duration = Duration::from_millis(500);

/// A batch, whole or in rows that can be cut anywhere.
#[derive(Debug)]
pub(super) struct Plan {
    body: Value,
    rows: Option<Rows>,
}

/// Every item of a batch on its own, in the server's order: runs outermost, the last group varying fastest.
#[derive(Debug)]
struct Rows {
    columns: Vec<Column>,
    length: usize,
}

#[derive(Debug)]
struct Column {
    node_path: Value,
    field_name: Value,
    items: Vec<Value>,
}

/// One request.
pub(super) struct Piece {
    pub(super) body: Value,
    pub(super) sessions: u64,
}

impl Plan {
    /// A batch goes as the editor would send it, unless seeds differ from item to item or it may have to be cut.
    pub(super) fn new(body: Value, seeds: &[(String, String)], when_full: WhenFull) -> Self {
        let sessions = sessions(&body);
        let cut = !seeds.is_empty() || (when_full == WhenFull::Feed && sessions > PIECE as u64);
        let rows = cut.then(|| Rows::of(&body, seeds));
        Self { body, rows }
    }

    /// How many items the whole batch has.
    pub(super) fn requested(&self) -> u64 {
        match &self.rows {
            Some(rows) => rows.length as u64,
            None => sessions(&self.body),
        }
    }

    pub(super) fn first(&self) -> Piece {
        match &self.rows {
            Some(rows) => self.piece(rows, 0),
            None => Piece { body: self.body.clone(), sessions: sessions(&self.body) },
        }
    }

    fn piece(&self, rows: &Rows, from: usize) -> Piece {
        let until = (from + PIECE).min(rows.length);
        let mut body = self.body.clone();
        if let Some(batch) = body.get_mut("batch").and_then(Value::as_object_mut) {
            let zipped = rows.columns.iter().map(|Column { node_path, field_name, items }| {
                json!({"node_path": node_path, "field_name": field_name, "items": items[from..until]})
            });
            let zipped: Vec<Value> = zipped.collect();
            // Without columns there is nothing to tell the items apart by but their number.
            let runs = if zipped.is_empty() { until - from } else { 1 };
            batch.insert("data".into(), if zipped.is_empty() { json!([]) } else { json!([zipped]) });
            batch.insert("runs".into(), json!(runs));
        }
        Piece { body, sessions: (until - from) as u64 }
    }
}

fn groups(body: &Value) -> Vec<&Vec<Value>> {
    let data = body.pointer("/batch/data").and_then(Value::as_array);
    data.into_iter().flatten().filter_map(Value::as_array).collect()
}

fn runs(body: &Value) -> u64 {
    body.pointer("/batch/runs").and_then(Value::as_u64).unwrap_or(1)
}

/// How many items a group has: all of its lists are of one length.
fn group_length(group: &[Value]) -> usize {
    group.first().and_then(|datum| datum.get("items")?.as_array()).map_or(0, Vec::len)
}

fn sessions(body: &Value) -> u64 {
    groups(body).iter().map(|group| group_length(group) as u64).product::<u64>() * runs(body)
}

impl Rows {
    fn of(body: &Value, seeds: &[(String, String)]) -> Self {
        let groups = groups(body);
        let length = usize::try_from(sessions(body)).unwrap_or(usize::MAX);
        let mut columns = Vec::new();
        // So many rows pass before the item of this group changes.
        let mut stride: usize = 1;
        for group in groups.iter().rev() {
            let own = group_length(group);
            for datum in group.iter() {
                let values = datum.get("items").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                columns.push(Column {
                    node_path: datum.get("node_path").cloned().unwrap_or_default(),
                    field_name: datum.get("field_name").cloned().unwrap_or_default(),
                    items: (0..length).filter_map(|row| values.get(row / stride % own.max(1)).cloned()).collect(),
                });
            }
            stride *= own.max(1);
        }
        for (node_id, field) in seeds {
            columns.push(Column {
                node_path: json!(node_id),
                field_name: json!(field),
                items: (0..length).map(|_| json!(rand::random::<u32>())).collect(),
            });
        }
        Self { columns, length }
    }
}

/// The task that enqueues the rest. Ends when dropped.
#[derive(Debug)]
pub(super) struct Feeder {
    task: AbortHandle,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Enqueues what is left of a plan, as room is made.
pub(super) fn feed(
    client: Client,
    queue_id: String,
    batch_id: String,
    plan: Plan,
    placed: u64,
    state: Arc<State>,
) -> Feeder {
    state.set_feeding(true);
    let task = tokio::spawn(async move {
        let mut feeding = Feeding { client, queue_id, batch_id, plan, placed: placed as usize, state };
        while let Some(rows) = feeding.plan.rows.as_ref().filter(|rows| feeding.placed < rows.length) {
            let piece = feeding.plan.piece(rows, feeding.placed);
            match feeding.place(piece).await {
                Ok(0) => sleep(PAUSE).await,
                Ok(some) => feeding.placed += some,
                Err(error) if error.is_retryable() => {
                    tracing::warn!(batch_id = feeding.batch_id, %error, "cannot enqueue the rest yet");
                    feeding.state.set_trouble(Some(error));
                    sleep(PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(batch_id = feeding.batch_id, %error, "cannot enqueue the rest");
                    feeding.state.set_feed_error(error);
                    break;
                }
            }
        }
        feeding.state.set_feeding(false);
    });
    Feeder { task: task.abort_handle() }
}

struct Feeding {
    client: Client,
    queue_id: String,
    batch_id: String,
    plan: Plan,
    placed: usize,
    state: Arc<State>,
}

impl Feeding {
    /// Enqueues a piece and says how much of it the queue took.
    async fn place(&self, piece: Piece) -> Result<usize> {
        let known = self.client.queue(&self.queue_id).batch_status(&self.batch_id).await?.counts.total;
        let done = enqueue::enqueue(
            &self.client,
            &self.queue_id,
            &self.batch_id,
            &piece.body,
            usize::try_from(known).unwrap_or(usize::MAX),
            piece.sessions,
        )
        .await?;
        self.state.add_items(&done.item_ids);
        Ok(done.item_ids.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(runs: u64, groups: Value) -> Value {
        json!({"prepend": false, "batch": {"graph": {}, "runs": runs, "data": groups}})
    }

    fn datum(node: &str, items: Value) -> Value {
        json!({"node_path": node, "field_name": "value", "items": items})
    }

    #[test]
    fn rows_come_in_the_order_of_the_server() {
        // Two groups of 2 and 3, the second zipped with another node, twice.
        let body = body(
            2,
            json!([
                [datum("a", json!([1, 2]))],
                [datum("b", json!("xyz".split("").collect::<Vec<_>>())), datum("c", json!([7, 8, 9, 10, 11]))]
            ]),
        );
        let plan = Plan::new(body, &[("s".into(), "seed".into())], WhenFull::Fail);
        let length = 2 * 2 * 5;
        assert_eq!(plan.requested(), length);
        let rows = plan.rows.as_ref().unwrap();
        let of = |node: &str| rows.columns.iter().find(|column| column.node_path == node).unwrap().items.clone();
        assert_eq!(of("a")[..7], [1, 1, 1, 1, 1, 2, 2].map(|n| json!(n)));
        assert_eq!(of("c")[..7], [7, 8, 9, 10, 11, 7, 8].map(|n| json!(n)));
        assert_eq!(of("a")[10], json!(1), "the second run begins anew");
        assert_eq!(of("s").len() as u64, length);
    }

    #[test]
    fn pieces_cover_every_row_once() {
        let items: Vec<u64> = (0..1234).collect();
        let plan = Plan::new(body(1, json!([[datum("a", json!(items))]])), &[], WhenFull::Feed);
        let rows = plan.rows.as_ref().unwrap();
        let (mut at, mut seen) = (0, Vec::new());
        while at < rows.length {
            let piece = plan.piece(rows, at);
            seen.extend(piece.body["batch"]["data"][0][0]["items"].as_array().unwrap().clone());
            at += piece.sessions as usize;
        }
        assert_eq!(Value::Array(seen), json!(items));
    }

    #[test]
    fn runs_without_data_are_cut_by_number() {
        let plan = Plan::new(body(1200, json!([])), &[], WhenFull::Feed);
        let rows = plan.rows.as_ref().unwrap();
        assert_eq!(plan.piece(rows, 1000).body["batch"]["runs"], 200);
    }
}
