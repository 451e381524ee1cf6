//! What a batch asks for, and the pieces of it that a queue has room for.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{error::Result, queue::FieldValue};

/// Most items in one request. Keeps requests, and what the server does at once, short.
const PIECE: usize = 500;

/// What to do if the server's queue has no room for all items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenFull {
    /// Take back what was enqueued, and fail with [`Error::QueueFull`](crate::Error::QueueFull), or
    /// [`Error::NotTakenBack`](crate::Error::NotTakenBack) where that fails.
    #[default]
    Fail,
    /// Keep what was enqueued; [`Submission::requested`](crate::Submission::requested) says how many there should be.
    Keep,
    /// Enqueue the rest in the background, as room becomes available, while the [`Submission`](crate::Submission)
    /// lives. Nothing more is enqueued once it is not certain what the queue took.
    Feed,
}

/// A batch that can be sent whole, or in pieces cut anywhere.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The whole batch, but without its data: that may be large, and is rarely sent as it is.
    body: Value,
    data: Value,
    sessions: u64,
    /// Fields with a different seed in each item: node ids and names.
    seeds: Vec<(String, String)>,
    /// Most items in one request.
    at_once: usize,
}

/// The values of one field, item by item. Items come in the server's order: runs outermost, the last group varying
/// fastest.
struct Column<'a> {
    node_path: &'a str,
    field_name: &'a str,
    cells: Cells<'a>,
}

enum Cells<'a> {
    /// Each value for `stride` items, then again from the beginning.
    Given { values: &'a [Value], stride: usize },
    /// A different seed in each item.
    Random,
}

/// One request.
pub(crate) struct Piece<'a> {
    pub(crate) body: Body<'a>,
    pub(crate) sessions: u64,
}

/// The body of a request. All pieces share what is large in it: the graph and the workflow.
pub(crate) struct Body<'a> {
    plan: &'a Value,
    data: Cow<'a, Value>,
    /// In place of the whole batch's.
    runs: Option<u64>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.plan.as_object().into_iter().flatten();
        serializer.collect_map(members.map(|(name, value)| (name, Member { body: self, name, value })))
    }
}

/// A member of a body, or of its batch.
struct Member<'a> {
    body: &'a Body<'a>,
    name: &'a str,
    value: &'a Value,
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { body, value, .. } = self;
        match (self.name, value) {
            ("batch", Value::Object(batch)) => serializer.collect_map(batch.iter().map(|(name, value)| {
                let value = match name.as_str() {
                    "data" => InBatch::Given(&body.data),
                    "runs" => body.runs.map_or(InBatch::Given(value), InBatch::Runs),
                    _ => InBatch::Given(value),
                };
                (name, value)
            })),
            _ => value.serialize(serializer),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum InBatch<'a> {
    Given(&'a Value),
    Runs(u64),
}

impl Plan {
    /// A batch goes as the editor would send it, unless seeds differ from item to item or it has to be cut.
    pub(crate) fn new(mut body: Value, seeds: &[(String, String)], when_full: WhenFull) -> Self {
        let data = body.pointer_mut("/batch/data").map(Value::take).unwrap_or_else(|| json!([]));
        let runs = body.pointer("/batch/runs").and_then(Value::as_u64).unwrap_or(1);
        let lengths = groups(&data).map(|group| group_length(group) as u64);
        let sessions = lengths.fold(runs, u64::saturating_mul);
        // A batch that is not fed is sent at once, so that the server's answer covers all of it.
        let at_once = if when_full == WhenFull::Feed { PIECE } else { usize::MAX };
        Self { body, data, sessions, seeds: seeds.to_vec(), at_once }
    }

    /// How many items the whole batch has.
    pub(crate) fn requested(&self) -> u64 {
        self.sessions
    }

    /// The request for what comes after the first `placed` items.
    pub(crate) fn piece(&self, placed: usize) -> Piece<'_> {
        let length = usize::try_from(self.sessions).unwrap_or(usize::MAX);
        if placed == 0 && self.seeds.is_empty() && length <= self.at_once {
            return Piece { body: self.body_with(Cow::Borrowed(&self.data), None), sessions: self.sessions };
        }
        let rest = placed..placed.saturating_add(self.at_once).min(length);
        let sessions = rest.len() as u64;
        let zipped = self.columns().into_iter().map(|Column { node_path, field_name, cells }| {
            let items: Vec<Value> = rest.clone().map(|row| cells.at(row)).collect();
            json!({"node_path": node_path, "field_name": field_name, "items": items})
        });
        let zipped: Vec<Value> = zipped.collect();
        let body = if zipped.is_empty() {
            // Only their number distinguishes the items.
            self.body_with(Cow::Owned(json!([])), Some(sessions))
        } else {
            self.body_with(Cow::Owned(json!([zipped])), Some(1))
        };
        Piece { body, sessions }
    }

    fn body_with<'a>(&'a self, data: Cow<'a, Value>, runs: Option<u64>) -> Body<'a> {
        Body { plan: &self.body, data, runs }
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns = columns_of(&self.data);
        let seeds = self.seeds.iter();
        columns.extend(seeds.map(|(node_path, field_name)| Column { node_path, field_name, cells: Cells::Random }));
        columns
    }
}

impl Piece<'_> {
    /// Whether items with these values, in this order and with none between them, can only be the first rows.
    pub(crate) fn begins_with(&self, items: &[&[FieldValue]]) -> bool {
        let columns = columns_of(&self.body.data);
        let fits = |first: usize| {
            items.iter().enumerate().all(|(place, values)| {
                let is_there = |column: &Column<'_>| {
                    let is_it = |value: &&FieldValue| {
                        (&*value.node_path, &*value.field_name) == (column.node_path, column.field_name)
                    };
                    values.iter().find(is_it).map(|found| &found.value) == column.cells.given(first + place)
                };
                values.len() == columns.len() && columns.iter().all(is_there)
            })
        };
        let length = usize::try_from(self.sessions).unwrap_or(usize::MAX);
        length.checked_sub(items.len()).is_some_and(|last| fits(0) && !(1..=last).any(fits))
    }
}

/// What a request gives to each item.
fn columns_of(data: &Value) -> Vec<Column<'_>> {
    let mut columns = Vec::new();
    // How many items pass before the value of this group changes.
    let mut stride: usize = 1;
    for group in groups(data).rev() {
        for datum in group {
            let member = |name| datum.get(name).and_then(Value::as_str).unwrap_or_default();
            let values = datum.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let (node_path, field_name) = (member("node_path"), member("field_name"));
            columns.push(Column { node_path, field_name, cells: Cells::Given { values, stride } });
        }
        stride = stride.saturating_mul(group_length(group).max(1));
    }
    columns
}

impl<'a> Cells<'a> {
    fn at(&self, row: usize) -> Value {
        match self {
            Self::Given { .. } => self.given(row).cloned().unwrap_or_default(),
            Self::Random => json!(fastrand::u32(..)),
        }
    }

    fn given(&self, row: usize) -> Option<&'a Value> {
        match self {
            Self::Given { values, stride } => values.get(row / stride.max(&1) % values.len().max(1)),
            Self::Random => None,
        }
    }
}

fn groups(data: &Value) -> impl DoubleEndedIterator<Item = &Vec<Value>> {
    data.as_array().into_iter().flatten().filter_map(Value::as_array)
}

/// How many items a group has: all of its lists are of one length.
fn group_length(group: &[Value]) -> usize {
    group.first().and_then(|datum| datum.get("items")?.as_array()).map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(runs: u64, groups: Value) -> Value {
        json!({"prepend": false, "batch": {"graph": {}, "runs": runs, "data": groups}})
    }

    fn sent(plan: &Plan, placed: usize) -> Value {
        serde_json::to_value(&plan.piece(placed).body).unwrap()
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
        let batch = sent(&plan, 0)["batch"].clone();
        assert_eq!(batch["runs"], 1);
        let columns = batch["data"][0].as_array().unwrap();
        let of = |node: &str| {
            let column = columns.iter().find(|column| column["node_path"] == node).unwrap();
            column["items"].as_array().unwrap().clone()
        };
        assert_eq!(of("a")[..7], [1, 1, 1, 1, 1, 2, 2].map(|n| json!(n)));
        assert_eq!(of("c")[..7], [7, 8, 9, 10, 11, 7, 8].map(|n| json!(n)));
        assert_eq!(of("a")[10], json!(1), "the second run begins anew");
        assert_eq!(of("s").len() as u64, length);
    }

    #[test]
    fn pieces_cover_every_row_once() {
        let items: Vec<u64> = (0..1234).collect();
        let plan = Plan::new(body(1, json!([[datum("a", json!(items))]])), &[], WhenFull::Feed);
        let (mut placed, mut seen) = (0, Vec::new());
        while (placed as u64) < plan.requested() {
            let piece = plan.piece(placed);
            seen.extend(sent(&plan, placed)["batch"]["data"][0][0]["items"].as_array().unwrap().clone());
            placed += piece.sessions as usize;
        }
        assert_eq!(Value::Array(seen), json!(items));
    }

    #[test]
    fn items_are_the_first_rows_only_if_they_can_be_no_others() {
        let value = |node: &str, value: Value| FieldValue { node_path: node.into(), field_name: "value".into(), value };
        let body = body(1, json!([[datum("a", json!([1, 2]))], [datum("b", json!(["x", "y", "x"]))]]));
        let plan = Plan::new(body.clone(), &[], WhenFull::Fail);
        let rows = [(1, "x"), (1, "y"), (1, "x"), (2, "x"), (2, "y"), (2, "x")];
        let items = rows.map(|(a, b)| vec![value("b", json!(b)), value("a", json!(a))]);
        let begins = |of: std::ops::Range<usize>| {
            plan.piece(0).begins_with(&items[of].iter().map(Vec::as_slice).collect::<Vec<_>>())
        };
        assert!(begins(0..2) && begins(0..6));
        assert!(!begins(0..1), "the third is just the same");
        assert!(!begins(1..3) && !begins(2..6) && !begins(5..6));
        assert!(!plan.piece(0).begins_with(&[&[]]) && !plan.piece(0).begins_with(&[&items[0][..1]]));
        // Without values, any could be any.
        let plan = Plan::new(self::body(3, json!([])), &[], WhenFull::Feed);
        assert!(!plan.piece(0).begins_with(&[&[], &[]]) && plan.piece(0).begins_with(&[&[], &[], &[]]));
        // What is drawn is known once it has been sent.
        let plan = Plan::new(body, &[("s".to_owned(), "value".to_owned())], WhenFull::Feed);
        let piece = plan.piece(2);
        let sent = serde_json::to_value(&piece.body).unwrap();
        let drawn = |row: usize| {
            let columns = sent["batch"]["data"][0].as_array().unwrap();
            columns
                .iter()
                .map(|of| value(of["node_path"].as_str().unwrap(), of["items"][row].clone()))
                .collect::<Vec<_>>()
        };
        assert!(piece.begins_with(&[&drawn(0), &drawn(1)]) && !piece.begins_with(&[&drawn(1), &drawn(2)]));
    }

    #[test]
    fn runs_without_data_are_cut_by_number() {
        let plan = Plan::new(body(1200, json!([])), &[], WhenFull::Feed);
        assert_eq!(sent(&plan, 1000)["batch"]["runs"], 200);
    }

    #[test]
    fn what_is_not_fed_goes_at_once() {
        let seeds = [("s".to_owned(), "seed".to_owned())];
        assert_eq!(Plan::new(body(1200, json!([])), &seeds, WhenFull::Fail).piece(0).sessions, 1200);
    }

    #[test]
    fn a_small_batch_goes_as_it_is_and_its_rest_in_rows() {
        let body = body(2, json!([[datum("a", json!([1, 2, 3]))]]));
        let plan = Plan::new(body.clone(), &[], WhenFull::Feed);
        assert_eq!(sent(&plan, 0), body);
        assert_eq!(sent(&plan, 4)["batch"]["data"][0][0]["items"], json!([2, 3]));
    }
}
