//! Socket.IO: who may connect, which rooms there are, and how events get out.

use super::{
    connection::ConnectionHandle,
    events::{ADMINS, SHARED_WORKFLOWS, user_room},
    http::Caller,
    outgoing::{Announcement, Outgoing},
    world::World,
};
use axum::extract::ConnectInfo;
use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{AckSender, SocketRef, TryData},
    layer::SocketIoLayer,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc::UnboundedReceiver;

/// The layer that serves sockets, and the task's half that sends.
pub(crate) fn layer(world: &Arc<World>) -> (SocketIoLayer, SocketIo) {
    let (layer, io) = SocketIo::builder()
        .req_path("/ws/socket.io")
        .ping_interval(Duration::from_secs(25))
        .ping_timeout(Duration::from_secs(20))
        .max_payload(1_000_000)
        .build_layer();
    // Everything is set up before the client learns that it is connected: what it sends then must find its listener.
    let admit = {
        let world = Arc::clone(world);
        move |socket: SocketRef, auth: TryData<Value>| {
            let caller = caller_of(&world, &socket, auth.0.ok().as_ref());
            if let Some(caller) = &caller {
                join_own_rooms(&socket, caller);
                listen(&socket);
            }
            async move { caller.map(drop).ok_or("Connection rejected by server") }
        }
    };
    let welcome = async |_: SocketRef| {};
    use socketioxide::handler::ConnectHandler as _;
    // The name of the namespace is a constant that is valid; anything else would leave the server without sockets.
    io.ns("/", welcome.with(admit));
    (layer, io)
}

/// Who is on the other side; `None` where it may not connect.
fn caller_of(world: &World, socket: &SocketRef, auth: Option<&Value>) -> Option<Caller> {
    let parts = socket.req_parts();
    if let Some(ConnectInfo(connection)) = parts.extensions.get::<ConnectInfo<ConnectionHandle>>() {
        connection.mark_as_socket();
    }
    if !world.settings.multiuser {
        return Some(Caller::system());
    }
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = auth.and_then(|auth| auth["token"].as_str()).filter(|token| !token.is_empty());
    let token = token.or_else(|| header?.strip_prefix("Bearer "))?;
    let (user_id, is_admin, _) = world.user_of(token).ok()?;
    Some(Caller { user_id, is_admin, token: Some(token.to_owned()) })
}

fn join_own_rooms(socket: &SocketRef, caller: &Caller) {
    socket.join(user_room(&caller.user_id));
    socket.join(SHARED_WORKFLOWS);
    if caller.is_admin {
        socket.join(ADMINS);
    }
}

/// Subscriptions. A bad one gets no answer, as on the real server.
fn listen(socket: &SocketRef) {
    for (event, member, join) in [
        ("subscribe_queue", "queue_id", true),
        ("unsubscribe_queue", "queue_id", false),
        ("subscribe_bulk_download", "bulk_download_id", true),
        ("unsubscribe_bulk_download", "bulk_download_id", false),
    ] {
        let handler = move |socket: SocketRef, data: TryData<Value>, ack: AckSender| async move {
            let data = data.0.unwrap_or_default();
            let Some(room) = data[member].as_str().map(str::to_owned) else { return };
            if join {
                socket.join(room);
            } else {
                socket.leave(room);
            }
            // Where no answer was asked for, none is sent.
            _ = ack.send(&());
        };
        socket.on(event, handler);
    }
}

/// Sends what is announced, in order, until the server stops.
pub(crate) async fn send(io: SocketIo, mut outgoing: UnboundedReceiver<Outgoing>) {
    while let Some(outgoing) = outgoing.recv().await {
        // Both fail for sockets that are closing; they miss it, as those of the real server do.
        match outgoing {
            Outgoing::Event(Announcement { name, data, rooms, mut except }) => {
                // One by one: given several rooms, the library sends to a socket once for each that it is in.
                for room in rooms {
                    _ = io.to(room.clone()).except(except.clone()).emit(name, &data).await;
                    except.push(room);
                }
            }
            Outgoing::Disconnect(user_id) => {
                for socket in io.to(user_room(&user_id)).sockets() {
                    _ = socket.disconnect();
                }
            }
        }
    }
}
