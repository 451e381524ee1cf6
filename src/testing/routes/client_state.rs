//! What a web interface remembers.

use super::{Answer, Call, Outcome};
use serde_json::Value;

pub(super) fn call(call: &Call<'_>) -> Option<Outcome> {
    let mut store = call.world.store();
    let user = call.caller.user_id.clone();
    let key = (user.clone(), call.text("key").to_owned());
    let answer = match call.operation.id.as_str() {
        "get_client_state_by_key" => store.client_state.get(&key).cloned().into(),
        "set_client_state" => {
            let value = call.body.as_str().unwrap_or_default();
            store.client_state.insert(key, value.to_owned());
            value.into()
        }
        "get_client_state_keys_by_prefix" => {
            let prefix = call.text("prefix");
            let own = store.client_state.keys().filter(|(owner, key)| *owner == user && key.starts_with(prefix));
            own.map(|(_, key)| Value::from(key.as_str())).collect()
        }
        "delete_client_state_by_key" => {
            store.client_state.shift_remove(&key);
            Value::Null
        }
        "delete_client_state" => {
            store.client_state.retain(|(owner, _), _| *owner != user);
            Value::Null
        }
        _ => return None,
    };
    Some(Ok(Answer::json(answer)))
}
