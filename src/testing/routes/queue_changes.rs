//! Queues: canceling, retrying, deleting, pausing.

use super::{
    Answer, Call, Outcome,
    session_queue::{dto, processor_status, scope},
};
use crate::testing::store::{Store, new_id, now, queue::Item};
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "cancel_queue_item" => cancel(call),
        "cancel_by_batch_ids" => {
            let batches = call.names("batch_ids");
            cancel_all(call, |item| item.is_open() && batches.contains(&item.batch_id))
        }
        "cancel_by_destination" => {
            let destination = call.find("destination");
            cancel_all(call, |item| item.is_open() && item.destination.as_deref() == destination)
        }
        "cancel_all_except_current" => cancel_all(call, |item| item.status == "pending"),
        "delete_all_except_current" => announced_delete(call, |item| item.status == "pending"),
        "delete_by_destination" => {
            let destination = call.find("destination");
            announced_delete(call, |item| item.destination.as_deref() == destination)
        }
        "delete_queue_item" => delete(call),
        "retry_items_by_id" => retry(call),
        "clear" => clear(call),
        "prune" => prune(call),
        "pause" => set_paused(call, true),
        "resume" => set_paused(call, false),
        _ => return None,
    })
}

fn find<'a>(call: &Call<'_>, store: &'a Store) -> Result<&'a Item, Answer> {
    let (queue_id, id) = (call.text("queue_id"), call.number("item_id").unwrap_or_default());
    let item = store.queues.items.get(&id).filter(|item| item.queue_id == queue_id);
    item.ok_or_else(|| Answer::refusal(404, format!("Queue item with id {id} not found in queue {queue_id}")))
}

/// Cancels an open item. Its status event is sent if it is running, or if `tell` is set.
fn cancel_item(call: &Call<'_>, store: &mut Store, id: i64, tell: bool) {
    let Some(item) = store.queues.items.get_mut(&id).filter(|item| item.is_open()) else { return };
    let running = item.status != "pending";
    item.set_status("canceled");
    if running || tell {
        let item = item.clone();
        call.world.announce_status(store, &item);
    }
}

fn cancel(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let item = find(call, &store)?;
    if item.user_id != call.caller.user_id && !call.caller.is_admin {
        return Err(Answer::refusal(403, "You do not have permission to cancel this queue item"));
    }
    let id = item.id;
    cancel_item(call, &mut store, id, true);
    Ok(Answer::json(dto(call, &store, find(call, &store)?)))
}

/// The caller's items that an operation on the queue concerns.
fn hit(call: &Call<'_>, store: &Store, wanted: impl Fn(&Item) -> bool) -> Vec<(i64, String)> {
    let mine = |item: &&Item| scope(call).is_none_or(|user| item.user_id == user) && wanted(item);
    store.queues.of(call.text("queue_id")).filter(mine).map(|item| (item.id, item.user_id.clone())).collect()
}

/// The waiting items. Their cancellation is announced together; running items have their own events.
fn waiting(store: &Store, hit: &[(i64, String)]) -> Vec<(i64, String)> {
    let waits = |(id, _): &&(i64, String)| store.queues.items.get(id).is_some_and(|item| item.status == "pending");
    hit.iter().filter(waits).cloned().collect()
}

fn cancel_all(call: &Call<'_>, wanted: impl Fn(&Item) -> bool) -> Outcome {
    let mut store = call.world.store();
    let hit = hit(call, &store, wanted);
    let waiting = waiting(&store, &hit);
    for (id, _) in &hit {
        cancel_item(call, &mut store, *id, false);
    }
    drop(store);
    if !waiting.is_empty() {
        call.world.announce_bulk(call.text("queue_id"), true, &waiting);
    }
    Ok(Answer::json(json!({"canceled": hit.len()})))
}

fn announced_delete(call: &Call<'_>, wanted: impl Fn(&Item) -> bool) -> Outcome {
    let mut store = call.world.store();
    let hit = hit(call, &store, wanted);
    let waiting = waiting(&store, &hit);
    for (id, _) in &hit {
        cancel_item(call, &mut store, *id, false);
        store.queues.items.remove(id);
    }
    drop(store);
    if !waiting.is_empty() {
        call.world.announce_bulk(call.text("queue_id"), true, &waiting);
    }
    Ok(Answer::json(json!({"deleted": hit.len()})))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let item = find(call, &store)?;
    if item.user_id != call.caller.user_id && !call.caller.is_admin {
        return Err(Answer::refusal(403, "You do not have permission to delete this queue item"));
    }
    let id = item.id;
    cancel_item(call, &mut store, id, true);
    store.queues.items.remove(&id);
    Ok(Answer::json(Value::Null))
}

fn retry(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let queue_id = call.text("queue_id").to_owned();
    let mut retried = Vec::new();
    for id in call.body.as_array().into_iter().flatten().filter_map(Value::as_i64) {
        let Some(item) = store.queues.items.get(&id) else { continue };
        if item.queue_id != queue_id {
            let detail = format!("Queue item with id {id} not found in queue {queue_id}");
            return Err(Answer::refusal(404, detail));
        }
        if item.user_id != call.caller.user_id && !call.caller.is_admin {
            return Err(Answer::refusal(403, format!("You do not have permission to retry queue item {id}")));
        }
        if matches!(item.status, "failed" | "canceled") {
            retried.push((id, item.user_id.clone()));
        }
    }
    for (id, _) in &retried {
        let Some(old) = store.queues.items.get(id).cloned() else { continue };
        let created_at = now();
        store.queues.add(Item {
            status: "pending",
            status_sequence: 0,
            session_id: new_id(),
            error: None,
            updated_at: created_at.clone(),
            created_at,
            started_at: None,
            completed_at: None,
            retried_from: old.retried_from.or(Some(*id)),
            session: Value::Null,
            ..old
        });
    }
    drop(store);
    call.world.announce_bulk(&queue_id, false, &retried);
    call.world.wake.notify_all();
    let ids: Vec<i64> = retried.iter().map(|(id, _)| *id).collect();
    Ok(Answer::json(json!({"queue_id": queue_id, "retried_item_ids": ids})))
}

fn clear(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let hit = hit(call, &store, |_| true);
    for (id, _) in &hit {
        cancel_item(call, &mut store, *id, false);
        store.queues.items.remove(id);
    }
    drop(store);
    call.world.announce_cleared(call.text("queue_id"), scope(call));
    Ok(Answer::json(json!({"deleted": hit.len()})))
}

fn prune(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let hit = hit(call, &store, |item| !item.is_open());
    for (id, _) in &hit {
        store.queues.items.remove(id);
    }
    Ok(Answer::json(json!({"deleted": hit.len()})))
}

fn set_paused(call: &Call<'_>, paused: bool) -> Outcome {
    let mut store = call.world.store();
    store.queues.paused = paused;
    call.world.wake.notify_all();
    Ok(Answer::json(processor_status(&store)))
}
