//! Queues: putting batches in, and looking.

use super::{Answer, Call, Outcome};
use crate::testing::{
    nodes,
    session::{Session, batch},
    store::{
        Store, new_id, now,
        queue::{Item, Queues, redact, without_nulls},
    },
};
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "enqueue_batch" => enqueue(call),
        "list_all_queue_items" => list_all(call),
        "get_queue_item_ids" => item_ids(call),
        "get_queue_items_by_item_ids" => by_ids(call, dto),
        "get_queue_item_summaries_by_ids" => {
            by_ids(call, |call, store, item| seen(call, item, store.item_summary(item)))
        }
        "get_current_queue_item" => current(call),
        "get_next_queue_item" => next(call),
        "get_queue_status" => status(call),
        "get_batch_status" => batch_status(call),
        "get_queue_item" => get(call),
        "counts_by_destination" => counts_by_destination(call),
        _ => return None,
    })
}

/// The item as the caller may see it.
fn seen(call: &Call<'_>, item: &Item, mut dto: Value) -> Value {
    if !call.caller.is_admin && item.user_id != call.caller.user_id {
        redact(&mut dto);
    }
    dto
}

pub(super) fn dto(call: &Call<'_>, store: &Store, item: &Item) -> Value {
    let mut dto = store.item_dto(item);
    if item.session.is_null() {
        dto["session"] = first_session(item);
    }
    seen(call, item, dto)
}

/// The session of an item that has not run to its end.
fn first_session(item: &Item) -> Value {
    // The graph was checked when it came.
    let mut session = Session::new(&item.graph).map(|session| session.to_json()).unwrap_or_default();
    session["id"] = item.session_id.as_str().into();
    session
}

/// The user whose items an operation concerns; `None` means all users.
pub(super) fn scope<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    (!call.caller.is_admin).then_some(call.caller.user_id.as_str())
}

fn enqueue(call: &Call<'_>) -> Outcome {
    let sent = call.member("batch");
    let expansion = batch::expand(sent).map_err(|problems| {
        let problems: Vec<Value> = problems.iter().map(|problem| problem.to_json(&["body", "batch"])).collect();
        Answer::refusal(422, problems)
    })?;
    let unsupported = nodes::unsupported(&sent["graph"]);
    if !unsupported.is_empty() {
        let detail = format!("the embedded test server does not support nodes of type {}", unsupported.join(", "));
        return Err(Answer::refusal(501, detail));
    }
    let queue_id = call.text("queue_id").to_owned();
    let user_id = call.caller.user_id.clone();
    let text = |name: &str| sent[name].as_str().map(str::to_owned);
    let batch_id = text("batch_id").unwrap_or_else(new_id);
    let requested = expansion.len();
    let mut store = call.world.store();
    let waiting = store.queues.items.values().filter(|item| item.status == "pending").count();
    let room = call.world.settings.max_queue_size.saturating_sub(waiting);
    let highest = store.queues.of(&queue_id).filter(|item| item.status == "pending").map(|item| item.priority).max();
    let priority = if call.member("prepend") == true { highest.map_or(1, |highest| highest + 1) } else { 0 };
    let created_at = now();
    let mut new_ids = Vec::new();
    for session in expansion.items().take(room) {
        let has_data = !sent["data"].is_null();
        new_ids.push(store.queues.add(Item {
            id: 0,
            queue_id: queue_id.clone(),
            status: "pending",
            status_sequence: 0,
            priority,
            batch_id: batch_id.clone(),
            origin: text("origin"),
            destination: text("destination"),
            session_id: new_id(),
            error: None,
            created_at: created_at.clone(),
            updated_at: created_at.clone(),
            started_at: None,
            completed_at: None,
            user_id: user_id.clone(),
            field_values: if has_data { session.field_values } else { json!([]) },
            retried_from: None,
            graph: session.graph,
            session: Value::Null,
            workflow: sent["workflow"].clone(),
        }));
    }
    // If the batch was known already, the old items count as well.
    let of_batch = |item: &&Item| item.batch_id == batch_id;
    let item_ids: Vec<i64> = if new_ids.is_empty() {
        Vec::new()
    } else {
        store.queues.of(&queue_id).filter(of_batch).map(|item| item.id).rev().collect()
    };
    drop(store);
    call.world.announce_batch(
        &queue_id,
        &user_id,
        json!({"queue_id": queue_id, "batch_id": batch_id, "enqueued": new_ids.len(), "requested": requested,
            "priority": priority, "origin": sent["origin"], "user_id": user_id}),
    );
    call.world.wake.notify_all();
    let echo = json!({
        "batch_id": batch_id,
        "origin": sent["origin"],
        "destination": sent["destination"],
        "data": sent["data"],
        "graph": expansion.graph(),
        "workflow": sent["workflow"],
        "runs": sent["runs"],
    });
    Ok(Answer::json(json!({
        "queue_id": queue_id,
        "enqueued": new_ids.len(),
        "requested": requested,
        "batch": echo,
        "priority": priority,
        "item_ids": item_ids,
    })))
}

fn list_all(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let destination = call.find("destination");
    let wanted = |item: &&Item| destination.is_none_or(|wanted| item.destination.as_deref() == Some(wanted));
    let items = store.queues.of(call.text("queue_id")).filter(wanted);
    Ok(Answer::json(items.map(|item| dto(call, &store, item)).collect::<Vec<_>>()))
}

fn item_ids(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let mut ids: Vec<i64> = store.queues.of(call.text("queue_id")).map(|item| item.id).collect();
    if call.text("order_dir") != "ASC" {
        ids.reverse();
    }
    Ok(Answer::json(json!({"item_ids": ids, "total_count": ids.len()})))
}

fn by_ids(call: &Call<'_>, show: fn(&Call<'_>, &Store, &Item) -> Value) -> Outcome {
    let store = call.world.store();
    let queue_id = call.text("queue_id");
    let ids = call.member("item_ids").as_array().into_iter().flatten().filter_map(Value::as_i64);
    let items = ids.filter_map(|id| store.queues.items.get(&id)).filter(|item| item.queue_id == queue_id);
    Ok(Answer::json(items.map(|item| show(call, &store, item)).collect::<Vec<_>>()))
}

fn current(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let current = store.queues.of(call.text("queue_id")).find(|item| item.status == "in_progress");
    Ok(Answer::json(current.map(|item| dto(call, &store, item)).unwrap_or_default()))
}

fn next(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let next = store.queues.next(Some(call.text("queue_id")));
    Ok(Answer::json(next.map(|item| dto(call, &store, item)).unwrap_or_default()))
}

/// `SessionProcessorStatus`.
pub(super) fn processor_status(store: &Store) -> Value {
    let processing = store.queues.items.values().any(|item| item.status == "in_progress");
    json!({"is_started": !store.queues.paused, "is_processing": processing})
}

fn status(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let queue = store.queues.status(call.text("queue_id"), &call.caller.user_id, call.caller.is_admin);
    Ok(Answer::json(json!({"queue": queue, "processor": processor_status(&store)})))
}

fn batch_status(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let status = store.queues.batch_status(call.text("queue_id"), call.text("batch_id"), scope(call));
    Ok(Answer::json(status))
}

fn get(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let (queue_id, id) = (call.text("queue_id"), call.number("item_id").unwrap_or_default());
    let missing = format!("Queue item with id {id} not found in queue {queue_id}");
    match store.queues.items.get(&id) {
        None => Err(Answer::refusal(404, missing)),
        // The server catches its own refusal here.
        Some(item) if item.queue_id != queue_id => {
            Err(Answer::refusal(500, format!("Unexpected error while fetching queue item: 404: {missing}")))
        }
        Some(item) => Ok(Answer::json(without_nulls(dto(call, &store, item)))),
    }
}

fn counts_by_destination(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let (queue_id, destination) = (call.text("queue_id"), call.text("destination"));
    let items = store.queues.of(queue_id).filter(|item| {
        item.destination.as_deref() == Some(destination) && scope(call).is_none_or(|user| item.user_id == user)
    });
    let mut counts = Queues::counts(items);
    counts.insert("queue_id".into(), queue_id.into());
    counts.insert("destination".into(), destination.into());
    Ok(Answer::json(counts))
}
