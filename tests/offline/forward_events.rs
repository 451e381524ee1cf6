//! Events of a newer (or older) server: every recorded frame, changed at every position.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
};

use document::Document;
use invokeai_client::{
    events::{
        Event, EventFilter, EventPayload,
        codec::{Packet, SocketBody, SocketPacket},
    },
    progress::{Progress, ProgressTracker},
};
use mutation::*;
use serde_json::{Value, json};

use crate::common::{document, mutation};

/// Every recorded event: name and data. Of those that differ only in ids, times and the like, one: what a change does to
/// one, it does to all.
fn recorded() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events");
    let mut events = Vec::new();
    let mut seen = HashSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let recording = fs::read_to_string(entry.unwrap().path()).unwrap();
        let frames = recording.lines().map(|line| Packet::parse(line).unwrap());
        events.extend(frames.filter_map(|frame| match frame {
            Packet::Message(SocketPacket { body: SocketBody::Event { name, mut args, .. }, .. }) => {
                Some((name, args.swap_remove(0)))
            }
            _ => None,
        }));
    }
    events.retain(|(name, data)| seen.insert((name.clone(), data["status"].to_string(), shape(data))));
    events
}

/// An event as the client gets it: through the codec.
fn received(name: &str, data: &Value) -> Event {
    let body = SocketBody::Event { ack: None, name: name.to_owned(), args: vec![data.clone()] };
    match Packet::parse(&Packet::Message(SocketPacket::root(body)).to_string()).unwrap() {
        Packet::Message(SocketPacket { body: SocketBody::Event { name, mut args, .. }, .. }) => {
            Event::new(name, args.swap_remove(0))
        }
        other => panic!("{other:?}"),
    }
}

/// The parts of an event that following a job needs.
fn needed(event: &Event) -> String {
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        event.queue_id(),
        event.batch_id(),
        event.item_id(),
        event.item_ids().collect::<Vec<_>>(),
        event.session_id(),
        event.status(),
        event.status_sequence(),
        event.invocation(),
        event.preview().map(|preview| preview.map(|preview| preview.width)),
    )
}

fn is_decoded(event: &Event) -> bool {
    !matches!(event.payload(), EventPayload::Unknown | EventPayload::Undecodable(_))
}

#[test]
fn every_kind_of_event_that_can_be_made_to_happen_is_recorded() {
    let seen: BTreeSet<String> = recorded().into_iter().map(|(name, _)| name).collect();
    let missing: Vec<_> = EventPayload::NAMES.iter().filter(|name| !seen.contains(**name)).collect();
    // Downloads need the internet, LLM tasks a language model, and these cancellations a large file.
    let excused = ["download_", "llm_task_", "model_install_", "bulk_download_error", "workflow_access_revoked"];
    for name in missing {
        assert!(excused.iter().any(|excuse| name.starts_with(excuse)), "{name} is not recorded");
    }
}

#[test]
fn what_means_nothing_changes_nothing() {
    for (name, data) in recorded() {
        let before = received(&name, &data);
        assert!(is_decoded(&before), "{name}: {:?}", before.payload());
        for (what, changed) in [
            // Its members are the ids of users.
            ("unknown members", with_new_members(&data, &|at| at.ends_with("_by_user"))),
            ("another order", reordered(&data)),
            ("floats", floats(&data)),
        ] {
            let after = received(&name, &changed);
            assert!(is_decoded(&after), "{name}, {what}: {:?}", after.payload());
            assert_eq!(needed(&before), needed(&after), "{name}, {what}");
            assert_eq!(before.timestamp(), after.timestamp(), "{name}, {what}");
        }
    }
}

/// The schema of an event, by its name.
fn schema<'a>(document: &'a Document, name: &str) -> &'a Value {
    let words = name.split('_').map(|word| format!("{}{}", word[..1].to_uppercase(), &word[1..]));
    let schema = document.schema(&format!("{}Event", words.collect::<String>()));
    assert!(schema.is_object(), "{name}");
    schema
}

#[test]
fn what_may_be_missing_null_or_new_is_read() {
    let document = Document::load();
    let (mut nulls, mut choices, mut removed) = (0, 0, 0);
    for (name, data) in recorded() {
        let roots = [schema(&document, &name)];
        for at in positions(&data).into_iter().skip(1) {
            let may = document.latitude(&roots, &at);
            let mut changes = Vec::new();
            if may.nullable {
                nulls += 1;
                changes.push(("null", with(&data, &at, Value::Null)));
            }
            if let (true, Some(changed)) = (may.optional || may.nullable, without(&data, &at)) {
                removed += 1;
                changes.push(("missing", changed));
            }
            if may.choice && data.pointer(&at).is_some_and(Value::is_string) {
                choices += 1;
                changes.push(("a new value", with(&data, &at, json!(NEWS))));
            }
            for (what, changed) in changes {
                let event = received(&name, &changed);
                assert!(is_decoded(&event), "{name}{at}, {what}: {:?}", event.payload());
            }
        }
    }
    assert!(nulls > 300 && removed > 300 && choices > 20, "{nulls} nulls, {removed} removed, {choices} new values");
}

#[test]
fn whatever_comes_is_kept_and_never_stops_anything() {
    let filters = [EventFilter::all(), EventFilter::all().queue("default").batch("b").item(1)];
    for (name, data) in recorded() {
        for at in positions(&data) {
            let value = data.pointer(&at).unwrap();
            let missing = without(&data, &at).unwrap_or_default();
            for changed in [missing, with(&data, &at, of_another_kind(value)), with(&data, &at, json!(1e300))] {
                let event = received(&name, &changed);
                assert_eq!(event.data(), &changed, "{name}{at}");
                needed(&event);
                let _ = (filters.each_ref().map(|filter| filter.matches(&event)), format!("{event:?}"));
                if let EventPayload::Undecodable(error) = event.payload() {
                    assert!(error.to_string().contains(&name), "{error}");
                }
                let mut tracker = ProgressTracker::new(event.item_id().unwrap_or(1), [("n", None::<&str>)]);
                tracker.apply(&event);
                let fraction = tracker.progress().fraction();
                assert!((0.0..=1.0).contains(&fraction), "{name}{at}: {fraction}");
            }
        }
        let unknown = received(&format!("{name}_{NEWS}"), &data);
        assert!(matches!(unknown.payload(), EventPayload::Unknown));
        assert_eq!(needed(&unknown), needed(&received(&name, &data)));
    }
}

/// The whole of a recorded run, followed to its end.
fn followed(change: impl Fn(&str, &Value) -> (String, Value)) -> Vec<Progress> {
    let recording = include_str!("../fixtures/events/iterate-6.14.2.txt");
    let mut events = Vec::new();
    for line in recording.lines() {
        if let Packet::Message(SocketPacket { body: SocketBody::Event { name, args, .. }, .. }) =
            Packet::parse(line).unwrap()
        {
            let (name, data) = change(&name, &args[0]);
            events.push(received(&name, &data));
        }
    }
    let item = events.iter().find_map(Event::item_id).unwrap();
    let mut tracker = ProgressTracker::new(item, [("a", None::<&str>)]);
    let mut seen = Vec::new();
    for event in events {
        if tracker.apply(&event) {
            seen.push(tracker.progress().clone());
        }
    }
    seen
}

#[test]
fn a_run_is_followed_alike() {
    let before = followed(|name, data| (name.to_owned(), data.clone()));
    assert!(before.last().unwrap().is_finished());
    assert_eq!(followed(|name, data| (name.to_owned(), floats(data))), before);
    assert_eq!(followed(|name, data| (name.to_owned(), reordered(data))), before);
    assert_eq!(followed(|name, data| (name.to_owned(), with_new_members(data, &|_| false))), before);

    // Nodes and outputs that nobody knows change names only.
    let renamed = |name: &str, data: &Value| {
        let mut data = data.clone();
        for at in ["/invocation/type", "/result/type"] {
            if let Some(kind) = data.pointer_mut(at) {
                *kind = json!(NEWS);
            }
        }
        (name.to_owned(), data)
    };
    let after = followed(renamed);
    assert_eq!(after.len(), before.len());
    assert!(after.iter().flat_map(|progress| &progress.node).all(|node| node.node_type == NEWS));
    assert_eq!(after.last(), before.last());

    // A status that nobody knows is not an end.
    let paused = |name: &str, data: &Value| {
        let mut data = data.clone();
        if data["status"] == "in_progress" {
            data["status"] = json!(NEWS);
        }
        (name.to_owned(), data)
    };
    let after = followed(paused);
    assert_eq!(after[0].status.as_str(), NEWS);
    assert!(!after[0].is_finished());
    assert_eq!(after.last().map(|progress| &progress.status), before.last().map(|progress| &progress.status));
}
