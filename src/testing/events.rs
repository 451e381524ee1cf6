//! What the server announces: the events, with the members that InvokeAI gives them, and who receives them.

use super::{
    outgoing::{Announcement, Outgoing},
    store::{Store, now_in_seconds, queue::Item},
    world::World,
};
use serde_json::{Map, Value, json};

/// The room of a user's sockets.
pub(crate) fn user_room(user_id: &str) -> String {
    format!("user:{user_id}")
}

/// The room of administrators.
pub(crate) const ADMINS: &str = "admin";

/// The room of those who may see shared workflows: everybody.
pub(crate) const SHARED_WORKFLOWS: &str = "workflows:shared";

impl World {
    fn announce(&self, name: &'static str, data: Value, rooms: Vec<String>, except: Vec<String>) {
        let mut members = Map::new();
        members.insert("timestamp".into(), now_in_seconds().into());
        if let Value::Object(mut data) = data {
            members.append(&mut data);
        }
        // When the server stops, nobody listens any more.
        let announcement = Announcement { name, data: members.into(), rooms, except };
        _ = self.outgoing.send(Outgoing::Event(announcement));
    }

    /// Ends the sockets of a user whose tokens are no longer good.
    pub(crate) fn disconnect(&self, user_id: &str) {
        _ = self.outgoing.send(Outgoing::Disconnect(user_id.to_owned()));
    }

    /// To a user and the administrators.
    fn announce_private(&self, name: &'static str, data: Value, user_id: &str) {
        self.announce(name, data, vec![user_room(user_id), ADMINS.into()], vec![]);
    }

    /// To administrators.
    pub(crate) fn announce_to_admins(&self, name: &'static str, data: Value) {
        self.announce(name, data, vec![ADMINS.into()], vec![]);
    }

    /// To everybody who subscribed to the queue.
    pub(crate) fn announce_to_queue(&self, name: &'static str, data: Value, queue_id: &str) {
        self.announce(name, data, vec![queue_id.into()], vec![]);
    }

    /// A reduced copy for those who look at the queue of others.
    fn announce_redacted(&self, name: &'static str, data: Value, queue_id: &str, user_id: &str) {
        self.announce(name, data, vec![queue_id.into()], vec![user_room(user_id), ADMINS.into()]);
    }

    pub(crate) fn announce_batch(&self, queue_id: &str, user_id: &str, data: Value) {
        let mut redacted = data.clone();
        redacted["user_id"] = "redacted".into();
        redacted["batch_id"] = "redacted".into();
        redacted["origin"] = Value::Null;
        self.announce_private("batch_enqueued", data, user_id);
        self.announce_redacted("batch_enqueued", redacted, queue_id, user_id);
    }

    /// `queue_item_status_changed`, with the current state of the item.
    pub(crate) fn announce_status(&self, store: &Store, item: &Item) {
        let error = item.error.as_ref();
        let mut data = item_members(item);
        let more = json!({
            "status": item.status,
            "status_sequence": item.status_sequence,
            "error_type": error.map(|error| &error.kind),
            "error_message": error.map(|error| &error.message),
            "error_traceback": error.map(|error| &error.traceback),
            "created_at": item.created_at,
            "updated_at": item.updated_at,
            "started_at": item.started_at,
            "completed_at": item.completed_at,
            "batch_status": store.queues.batch_status(&item.queue_id, &item.batch_id, None),
            "queue_status": store.queues.status(&item.queue_id, &item.user_id, false),
            "session_id": item.session_id,
        });
        extend(&mut data, more);
        let mut redacted = data.clone();
        for name in ["user_id", "batch_id", "session_id"] {
            redacted[name] = "redacted".into();
        }
        for name in ["origin", "destination", "error_type", "error_message", "error_traceback"] {
            redacted[name] = Value::Null;
        }
        redacted["batch_status"]["batch_id"] = "redacted".into();
        for name in ["origin", "destination"] {
            redacted["batch_status"][name] = Value::Null;
        }
        for name in ["item_id", "session_id", "batch_id", "user_pending", "user_in_progress"] {
            redacted["queue_status"][name] = Value::Null;
        }
        self.announce_private("queue_item_status_changed", data, &item.user_id);
        self.announce_redacted("queue_item_status_changed", redacted, &item.queue_id, &item.user_id);
    }

    /// `queue_items_canceled` or `queue_items_retried`.
    pub(crate) fn announce_bulk(&self, queue_id: &str, canceled: bool, items: &[(i64, String)]) {
        let (name, ids, by_user) = if canceled {
            ("queue_items_canceled", "canceled_item_ids", "canceled_item_ids_by_user")
        } else {
            ("queue_items_retried", "retried_item_ids", "retried_item_ids_by_user")
        };
        let mut of_users: Map<String, Value> = Map::new();
        for (id, user) in items {
            let entry = of_users.entry(user.clone()).or_insert_with(|| json!([]));
            if let Value::Array(ids) = entry {
                ids.push((*id).into());
            }
        }
        let all: Vec<i64> = items.iter().map(|(id, _)| *id).collect();
        let users: Vec<&String> = of_users.keys().collect();
        let data = json!({"queue_id": queue_id, ids: all, "user_ids": users, by_user: of_users});
        self.announce(name, data.clone(), vec![ADMINS.into()], vec![]);
        for (user, own) in &of_users {
            let mut data = data.clone();
            data[ids] = own.clone();
            data["user_ids"] = json!([user]);
            data[by_user] = json!({user: own});
            self.announce(name, data, vec![user_room(user)], vec![ADMINS.into()]);
        }
        let mut redacted = data;
        redacted["user_ids"] = json!([]);
        redacted[by_user] = json!({});
        let owners = of_users.keys().map(|user| user_room(user)).chain([ADMINS.into()]).collect();
        self.announce(name, redacted, vec![queue_id.into()], owners);
    }

    /// An event about an invocation of an item.
    pub(crate) fn announce_invocation(
        &self,
        name: &'static str,
        item: &Item,
        invocation: &Invocation<'_>,
        more: Value,
    ) {
        let mut data = item_members(item);
        let members = json!({
            "session_id": item.session_id,
            "invocation": invocation.node,
            "invocation_source_id": invocation.source_id,
        });
        extend(&mut data, members);
        extend(&mut data, more);
        if name == "invocation_progress" {
            // It may carry a picture, which nobody else may see.
            self.announce(name, data, vec![user_room(&item.user_id)], vec![]);
        } else {
            self.announce_private(name, data, &item.user_id);
        }
    }

    /// `model_load_started` or `model_load_complete`.
    pub(crate) fn announce_model_load(
        &self,
        name: &'static str,
        config: &Value,
        submodel: Option<&str>,
        user_id: &str,
    ) {
        let data = json!({"config": config, "submodel_type": submodel, "user_id": user_id});
        self.announce(name, data, vec![user_room(user_id)], vec![]);
    }

    /// An event about a workflow of the library; `shared` if others may see it.
    pub(crate) fn announce_workflow(&self, name: &'static str, data: Value, user_id: &str, shared: bool) {
        let mut rooms = vec![user_room(user_id), ADMINS.into()];
        if shared {
            rooms.push(SHARED_WORKFLOWS.into());
        }
        self.announce(name, data, rooms, vec![]);
    }

    /// To those who could see a workflow and no longer may.
    pub(crate) fn announce_workflow_revoked(&self, workflow_id: &str, user_id: &str) {
        let data = json!({"workflow_id": workflow_id, "user_id": user_id});
        self.announce("workflow_access_revoked", data, vec![SHARED_WORKFLOWS.into()], vec![]);
    }

    /// About a bulk download.
    pub(crate) fn announce_download(&self, name: &'static str, item_id: &str, user_id: &str, error: Option<&str>) {
        let mut data = json!({
            "bulk_download_id": "default",
            "bulk_download_item_id": item_id,
            "bulk_download_item_name": format!("{item_id}.zip"),
            "user_id": user_id,
        });
        if let Some(error) = error {
            data["error"] = error.into();
        }
        if user_id == "system" {
            self.announce(name, data, vec!["default".into()], vec![]);
        } else {
            self.announce_private(name, data, user_id);
        }
    }

    /// `queue_cleared`; with a user where only that user's items were deleted.
    pub(crate) fn announce_cleared(&self, queue_id: &str, user_id: Option<&str>) {
        let data = json!({"queue_id": queue_id, "user_id": user_id});
        match user_id {
            None => self.announce_to_queue("queue_cleared", data, queue_id),
            Some(user) => {
                self.announce_private("queue_cleared", data, user);
                let redacted = json!({"queue_id": queue_id, "user_id": "redacted"});
                self.announce_redacted("queue_cleared", redacted, queue_id, user);
            }
        }
    }
}

/// The invocation that an event is about.
pub(crate) struct Invocation<'a> {
    /// The prepared node, whole.
    pub(crate) node: &'a Value,
    /// Id of the node in the graph that was sent.
    pub(crate) source_id: &'a str,
}

/// Members that all events of an item have.
fn item_members(item: &Item) -> Value {
    json!({
        "queue_id": item.queue_id,
        "item_id": item.id,
        "batch_id": item.batch_id,
        "origin": item.origin,
        "destination": item.destination,
        "user_id": item.user_id,
    })
}

fn extend(data: &mut Value, more: Value) {
    if let (Value::Object(data), Value::Object(mut more)) = (data, more) {
        data.append(&mut more);
    }
}
