//! System prompts.

use super::{Answer, Call, Outcome};
use crate::testing::store::{new_id, now_with_t};
use serde_json::{Value, json};

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    Some(match call.operation.id.as_str() {
        "list_system_prompts" => {
            let store = call.world.store();
            let seen = store.system_prompts.values().filter(|prompt| may_see(call, prompt)).cloned();
            Ok(Answer::json(seen.collect::<Vec<_>>()))
        }
        "create_system_prompt" => create(call),
        "get_system_prompt" => get(call),
        "update_system_prompt" => update(call),
        "delete_system_prompt" => delete(call),
        _ => return None,
    })
}

fn may_see(call: &Call<'_>, prompt: &Value) -> bool {
    call.caller.is_admin || prompt["is_public"] == true || prompt["user_id"] == call.caller.user_id.as_str()
}

fn unknown() -> Answer {
    Answer::refusal(404, "System prompt not found")
}

fn create(call: &Call<'_>) -> Outcome {
    let created_at = now_with_t();
    let multiuser = call.world.settings.multiuser;
    let prompt = json!({
        "name": call.member("name"),
        "content": call.member("content"),
        "id": new_id(),
        "user_id": call.caller.user_id,
        "is_public": call.member("is_public").as_bool().unwrap_or_default() || !multiuser,
        "created_at": created_at,
        "updated_at": created_at,
    });
    let id = prompt["id"].as_str().unwrap_or_default().to_owned();
    call.world.store().system_prompts.insert(id, prompt.clone());
    Ok(Answer::json(prompt))
}

fn get(call: &Call<'_>) -> Outcome {
    let store = call.world.store();
    let prompt = store.system_prompts.get(call.text("system_prompt_id")).ok_or_else(unknown)?;
    if !may_see(call, prompt) {
        return Err(Answer::refusal(403, "Not authorized to access this system prompt"));
    }
    Ok(Answer::json(prompt.clone()))
}

fn own<'a>(call: &Call<'_>, prompt: Option<&'a mut Value>, what: &str) -> Result<&'a mut Value, Answer> {
    let prompt = prompt.ok_or_else(unknown)?;
    if !call.caller.is_admin && prompt["user_id"] != call.caller.user_id.as_str() {
        return Err(Answer::refusal(403, format!("Not authorized to {what} this system prompt")));
    }
    Ok(prompt)
}

fn update(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let prompt = own(call, store.system_prompts.get_mut(call.text("system_prompt_id")), "update")?;
    for name in ["name", "content", "is_public"] {
        if !call.member(name).is_null() {
            prompt[name] = call.member(name).clone();
        }
    }
    prompt["updated_at"] = now_with_t().into();
    Ok(Answer::json(prompt.clone()))
}

fn delete(call: &Call<'_>) -> Outcome {
    let mut store = call.world.store();
    let id = call.text("system_prompt_id");
    own(call, store.system_prompts.get_mut(id), "delete")?;
    store.system_prompts.shift_remove(id);
    Ok(Answer::json(Value::Null))
}
