//! The library of workflows.

use super::{Answer, Call, Outcome, not_found};
use crate::testing::{
    png,
    store::{Store, new_id, now, page, workflows::SavedWorkflow},
};
use serde_json::{Map, Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "create_workflow" => create(call),
        "get_workflow" => get(call),
        "update_workflow" => update(call),
        "delete_workflow" => delete(call),
        "list_workflows" => list(call),
        "update_workflow_is_public" => publish(call),
        "update_opened_at" => opened(call),
        "get_all_tags" => tags(call),
        "get_counts_by_tag" => counts_by_tag(call),
        "counts_by_category" => counts_by_category(call),
        "set_workflow_thumbnail" => set_thumbnail(call),
        "delete_workflow_thumbnail" => delete_thumbnail(call),
        "get_workflow_thumbnail" => thumbnail(call),
        _ => return None,
    })
}

fn find<'a>(store: &'a Store, id: &str) -> Result<&'a SavedWorkflow, Answer> {
    store.workflows.get(id).ok_or_else(|| Answer::refusal(404, "Workflow not found"))
}

fn owned<'a>(call: &Call<'_>, store: &'a mut Store, id: &str, what: &str) -> Result<&'a mut SavedWorkflow, Answer> {
    let workflow = store.workflows.get_mut(id).ok_or_else(|| Answer::refusal(404, "Workflow not found"))?;
    if !call.caller.is_admin && workflow.user_id != call.caller.user_id {
        return Err(Answer::refusal(403, format!("Not authorized to {what} this workflow")));
    }
    Ok(workflow)
}

/// The workflow of a body, with all members that the server stores, under an id.
fn complete(sent: &Value, id: &str) -> Value {
    let mut workflow = sent.as_object().cloned().unwrap_or_default();
    workflow.shift_remove("id");
    workflow.entry("form").or_insert(Value::Null);
    workflow.insert("id".into(), id.into());
    workflow.into()
}

fn create(call: &Call<'_>) -> Outcome {
    let sent = call.member("workflow");
    if sent["meta"]["category"] == "default" {
        // The server does not catch that.
        return Err(Answer::crash());
    }
    let id = new_id();
    let created_at = now();
    let workflow = SavedWorkflow {
        workflow: complete(sent, &id),
        id: id.clone(),
        updated_at: created_at.clone(),
        created_at,
        opened_at: None,
        user_id: call.caller.user_id.clone(),
        is_public: !call.world.settings.multiuser,
        thumbnail: None,
    };
    let dto = workflow.dto();
    let is_public = workflow.is_public;
    call.world.store().workflows.insert(id.clone(), workflow);
    let data = json!({"workflow_id": id, "user_id": call.caller.user_id, "is_public": is_public});
    call.world.announce_workflow("workflow_created", data, &call.caller.user_id, is_public);
    Ok(Answer::json(dto))
}

fn get(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let workflow = find(&store, call.text("workflow_id"))?;
    if !store.may_see(workflow, &call.caller.user_id, call.caller.is_admin) {
        return Err(Answer::refusal(403, "Not authorized to access this workflow"));
    }
    Ok(Answer::json(workflow.full_dto()))
}

/// Announces a change.
fn announce_update(call: &Call<'_>, workflow: &SavedWorkflow, old_is_public: bool) {
    let data = json!({"workflow_id": workflow.id, "user_id": workflow.user_id,
        "old_is_public": old_is_public, "new_is_public": workflow.is_public});
    call.world.announce_workflow("workflow_updated", data, &workflow.user_id, workflow.is_public);
    if old_is_public && !workflow.is_public {
        call.world.announce_workflow_revoked(&workflow.id, &workflow.user_id);
    }
}

fn update(call: &Call<'_>) -> Outcome {
    // The id in the body decides, not that of the path.
    let sent = call.member("workflow");
    let id = sent["id"].as_str().unwrap_or_default();
    let mut store = call.world.store();
    let workflow = owned(call, &mut store, id, "update")?;
    workflow.workflow = complete(sent, id);
    workflow.updated_at = now();
    let workflow = workflow.clone();
    drop(store);
    announce_update(call, &workflow, workflow.is_public);
    Ok(Answer::json(workflow.dto()))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let id = call.text("workflow_id");
    let workflow = owned(call, &mut store, id, "delete")?.clone();
    store.workflows.shift_remove(id);
    drop(store);
    let data = json!({"workflow_id": id, "user_id": workflow.user_id, "is_public": workflow.is_public});
    call.world.announce_workflow("workflow_deleted", data, &workflow.user_id, workflow.is_public);
    Ok(Answer::json(Value::Null))
}

fn publish(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let workflow = owned(call, &mut store, call.text("workflow_id"), "update")?;
    let old = workflow.is_public;
    workflow.is_public = call.member("is_public").as_bool().unwrap_or(old);
    workflow.updated_at = now();
    let workflow = workflow.clone();
    drop(store);
    announce_update(call, &workflow, old);
    Ok(Answer::json(workflow.dto()))
}

fn opened(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    owned(call, &mut store, call.text("workflow_id"), "update")?.opened_at = Some(now());
    Ok(Answer::json(Value::Null))
}

/// Workflows that the caller may see and that match the given categories and other filters.
fn selected<'a>(call: &Call<'_>, store: &'a Store) -> Vec<&'a SavedWorkflow> {
    let categories = call.list("categories");
    let own_only = call.world.settings.multiuser
        && !call.caller.is_admin
        && call.flag("is_public") != Some(true)
        && categories.as_ref().is_none_or(|categories| categories.contains(&"user"));
    let matches = |workflow: &&SavedWorkflow| {
        categories.as_ref().is_none_or(|categories| categories.contains(&workflow.category()))
            && call.flag("is_public").is_none_or(|wanted| workflow.is_public == wanted)
            && call.flag("has_been_opened").is_none_or(|wanted| workflow.opened_at.is_some() == wanted)
            && (!own_only || workflow.user_id == call.caller.user_id || workflow.category() == "default")
    };
    store.workflows.values().filter(matches).collect()
}

fn list(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let tags = call.list("tags");
    let query = call.find("query").unwrap_or_default().trim().to_lowercase();
    let mut found = selected(call, &store);
    found.retain(|workflow| {
        let text = || format!("{}\n{}\n{}", workflow.name(), workflow.workflow["description"], workflow.tags());
        // Tags are looked for as parts of the text.
        tags.as_ref().is_none_or(|tags| tags.iter().any(|tag| workflow.tags().contains(tag)))
            && (query.is_empty() || text().to_lowercase().contains(&query))
    });
    if let Some(callable) = call.flag("callable") {
        found.retain(|workflow| workflow.list_item()["call_saved_workflow_compatibility"]["is_callable"] == callable);
    }
    match call.text("order_by") {
        "created_at" => found.sort_by_key(|workflow| workflow.created_at.clone()),
        "updated_at" => found.sort_by_key(|workflow| workflow.updated_at.clone()),
        "opened_at" => found.sort_by_key(|workflow| workflow.opened_at.clone()),
        "is_public" => found.sort_by_key(|workflow| workflow.is_public),
        _ => found.sort_by_key(|workflow| workflow.name().to_lowercase()),
    }
    if call.text("direction") == "DESC" {
        found.reverse();
    }
    let total = found.len();
    let per_page = call.number("per_page").filter(|size| *size > 0);
    let (number, items) = match per_page {
        Some(size) => {
            let number = call.number("page").unwrap_or_default();
            (number, page(found, Some(number * size), Some(size)))
        }
        None => (0, found),
    };
    let pages = per_page.map_or(1, |size| (total as i64).div_euclid(size) + i64::from(total as i64 % size != 0));
    let items: Vec<Value> = items.into_iter().map(SavedWorkflow::list_item).collect();
    let per_page = per_page.unwrap_or(total as i64);
    Ok(Answer::json(json!({"page": number, "pages": pages, "per_page": per_page, "total": total, "items": items})))
}

fn tags_of(workflow: &SavedWorkflow) -> impl Iterator<Item = String> + '_ {
    workflow.tags().split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty())
}

fn tags(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let mut tags: Vec<String> = selected(call, &store).into_iter().flat_map(tags_of).collect();
    tags.sort_by_key(|tag| tag.to_lowercase());
    tags.dedup();
    Ok(Answer::json(tags))
}

fn counts_by_tag(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let found = selected(call, &store);
    let count = |tag: &str| found.iter().filter(|workflow| workflow.tags().contains(tag)).count();
    let tags = call.list("tags").unwrap_or_default();
    let counts: Map<String, Value> = tags.into_iter().map(|tag| (tag.to_owned(), count(tag).into())).collect();
    Ok(Answer::json(counts))
}

fn counts_by_category(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let found = selected(call, &store);
    let count = |category: &str| found.iter().filter(|workflow| workflow.category() == category).count();
    let categories = call.list("categories").unwrap_or_default();
    let counts: Map<String, Value> = categories.into_iter().map(|name| (name.to_owned(), count(name).into())).collect();
    Ok(Answer::json(counts))
}

fn set_thumbnail(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let workflow = owned(call, &mut store, call.text("workflow_id"), "update")?;
    let file = call.part("image").ok_or_else(not_found)?;
    if !file.content_type.as_deref().is_some_and(|kind| kind.starts_with("image")) {
        return Err(Answer::refusal(415, "Not an image"));
    }
    let small = png::thumbnail(&file.bytes).map_err(|_| Answer::refusal(415, "Failed to read image"))?;
    workflow.thumbnail = Some((new_id(), small));
    Ok(Answer::json(Value::Null))
}

fn delete_thumbnail(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let workflow = owned(call, &mut store, call.text("workflow_id"), "update")?;
    // The server does not catch the error if there is none.
    workflow.thumbnail.take().ok_or_else(Answer::crash)?;
    Ok(Answer::json(Value::Null))
}

fn thumbnail(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let workflow = store.workflows.get(call.text("workflow_id"));
    // The server does not catch the error if there is none.
    let (_, small) = workflow.and_then(|workflow| workflow.thumbnail.clone()).ok_or_else(Answer::crash)?;
    // It is WebP, whatever the server calls it.
    Ok(Answer::bytes("image/png", small))
}
