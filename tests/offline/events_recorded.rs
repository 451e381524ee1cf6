//! Codec, payloads and progress, from frames recorded on a real server and from generated ones.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Mutex,
};

use invokeai_client::events::codec::{Open, Packet, SocketBody, SocketPacket};
use invokeai_client::events::{Event, EventPayload};
use invokeai_client::progress::{ItemStatus, PreviewImage, Progress, ProgressTracker};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::mutation::shape;

const ITERATE: &str = include_str!("../fixtures/events/iterate-6.14.2.txt");
const FAILURE: &str = include_str!("../fixtures/events/failure-6.14.2.txt");
const SD1: &str = include_str!("../fixtures/events/sd1-6.14.2.txt");

fn frames() -> impl Iterator<Item = &'static str> {
    [ITERATE, FAILURE, SD1].into_iter().flat_map(str::lines)
}

fn events(recording: &'static str) -> Vec<Event> {
    // Properties ask for them hundreds of times.
    static READ: Mutex<BTreeMap<&str, Vec<Event>>> = Mutex::new(BTreeMap::new());
    READ.lock().unwrap().entry(recording).or_insert_with(|| read(recording)).clone()
}

fn read(recording: &str) -> Vec<Event> {
    let event = |line| match Packet::parse(line).unwrap() {
        Packet::Message(SocketPacket { body: SocketBody::Event { name, args, .. }, .. }) => {
            Some(Event::new(name, args.into_iter().next().unwrap()))
        }
        _ => None,
    };
    recording.lines().filter_map(event).collect()
}

#[test]
fn recorded_frames_survive_a_round_trip() {
    let mut count = 0;
    for frame in frames() {
        let packet = Packet::parse(frame).unwrap();
        assert_eq!(Packet::parse(&packet.to_string()).unwrap(), packet, "{frame}");
        count += 1;
    }
    assert!(count > 80, "{count}");
}

#[test]
fn cut_and_damaged_frames_are_errors_or_packets_but_no_panics() {
    // Of frames that differ only in ids, times and the like, one: where it is cut is what matters.
    let mut seen = HashSet::new();
    let kind = |frame: &str| match Packet::parse(frame).unwrap() {
        Packet::Message(SocketPacket { body: SocketBody::Event { name, args, .. }, .. }) => name + &shape(&args[0]),
        _ => frame.to_owned(),
    };
    for frame in frames().filter(|frame| frame.len() < 1500 && seen.insert(kind(frame))) {
        // A stride that is not a power of two meets every kind of place.
        for (at, _) in frame.char_indices().step_by(5) {
            let _ = Packet::parse(&frame[..at]);
            for damage in ["", "\"", "{", "[", "9", ",", "\u{1F600}", "\0"] {
                let _ = Packet::parse(&format!("{}{damage}{}", &frame[..at], frame[at..].get(1..).unwrap_or_default()));
            }
        }
    }
    assert!(seen.len() > 20, "{} kinds of frames", seen.len());
    let deep = format!("42[\"x\",{}", "[".repeat(1_000_000));
    assert!(Packet::parse(&deep).is_err());
}

#[test]
fn packets_print_like_the_reference_implementation_writes_them() {
    let root = |body| Packet::Message(SocketPacket::root(body));
    let other = |body| Packet::Message(SocketPacket { namespace: "/foo".to_owned(), body });
    let event = |ack, args| SocketBody::Event { ack, name: "subscribe_queue".to_owned(), args };
    for (packet, text) in [
        (root(SocketBody::Connect(None)), "40"),
        (root(SocketBody::Connect(Some(json!({"token": "t"})))), r#"40{"token":"t"}"#),
        (root(SocketBody::Disconnect), "41"),
        (root(event(None, vec![])), r#"42["subscribe_queue"]"#),
        (
            root(event(Some(1), vec![json!({"queue_id": "default"})])),
            r#"421["subscribe_queue",{"queue_id":"default"}]"#,
        ),
        (root(SocketBody::Ack { id: 1, args: vec![] }), "431[]"),
        (root(SocketBody::ConnectError(Some(json!({"message": "no"})))), r#"44{"message":"no"}"#),
        (other(SocketBody::ConnectError(Some(json!("Unable to connect")))), r#"44/foo,"Unable to connect""#),
        (other(event(Some(12), vec![])), r#"42/foo,12["subscribe_queue"]"#),
        (Packet::Close, "1"),
        (Packet::Ping(String::new()), "2"),
        (Packet::Pong("probe".to_owned()), "3probe"),
        (Packet::Upgrade, "5"),
        (Packet::Noop, "6"),
    ] {
        assert_eq!(packet.to_string(), text);
        assert_eq!(Packet::parse(text).unwrap(), packet);
    }
    // A namespace may come without a comma, and an open packet without the defaults.
    assert_eq!(Packet::parse("41/foo").unwrap(), other(SocketBody::Disconnect));
    let Packet::Open(open) = Packet::parse(r#"0{"sid":"x","new":1}"#).unwrap() else { panic!() };
    assert_eq!((open.ping_interval, open.ping_timeout), (25_000, 20_000));
}

#[test]
fn errors_name_what_is_wrong() {
    for (text, message) in [
        ("", "the packet is empty"),
        ("4", "the packet is empty"),
        ("7", "`7` is not a packet type of Engine.IO"),
        ("4x", "`x` is not a packet type of Socket.IO"),
        ("451-[\"x\",{\"_placeholder\":true,\"num\":0}]", "binary attachments are not supported"),
        ("43[]", "the ack id is missing or too large"),
        ("4299999999999999999999[\"x\"]", "the ack id is missing or too large"),
        ("42[]", "event: expected an array that starts with the event's name"),
        ("42[1]", "event: expected an array that starts with the event's name"),
        ("40[]", "connect: expected an object or nothing"),
        ("41{}", "disconnect: expected no payload"),
        ("6x", "noop: expected no payload"),
    ] {
        assert_eq!(Packet::parse(text).unwrap_err().to_string(), message, "{text}");
    }
    assert!(Packet::parse("42{\"a\":1}").unwrap_err().to_string().starts_with("the payload is not JSON: "));
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no infinities", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let object = || json_value().prop_map(|value| json!({ "member": value }));
    let args = || proptest::collection::vec(json_value(), 0..3);
    let body = prop_oneof![
        proptest::option::of(object()).prop_map(SocketBody::Connect),
        Just(SocketBody::Disconnect),
        (any::<Option<u64>>(), any::<String>(), args()).prop_map(|(ack, name, args)| SocketBody::Event {
            ack,
            name,
            args
        }),
        (any::<u64>(), args()).prop_map(|(id, args)| SocketBody::Ack { id, args }),
        proptest::option::of(json_value()).prop_map(SocketBody::ConnectError),
    ];
    let open = (any::<String>(), proptest::collection::vec(any::<String>(), 0..2), any::<[u64; 3]>());
    prop_oneof![
        open.prop_map(|(sid, upgrades, [ping_timeout, ping_interval, max_payload])| {
            Packet::Open(Open { sid, upgrades, ping_timeout, ping_interval, max_payload })
        }),
        Just(Packet::Close),
        any::<String>().prop_map(Packet::Ping),
        any::<String>().prop_map(Packet::Pong),
        Just(Packet::Upgrade),
        Just(Packet::Noop),
        ("/[^,]*", body).prop_map(|(namespace, body)| Packet::Message(SocketPacket { namespace, body })),
    ]
}

proptest! {
    #[test]
    fn every_packet_survives_a_round_trip(packet in packet()) {
        prop_assert_eq!(Packet::parse(&packet.to_string()).unwrap(), packet);
    }

    #[test]
    fn any_text_is_a_packet_or_an_error(text in any::<String>(), kind in "[0-6]?[0-6]?[/,0-9]{0,3}[\\[{\"]?") {
        let text = kind + &text;
        if let Ok(packet) = Packet::parse(&text) {
            prop_assert_eq!(Packet::parse(&packet.to_string()).unwrap(), packet);
        }
    }

    #[test]
    fn any_payload_is_decoded_or_kept(name in proptest::sample::select(EventPayload::NAMES), data in json_value()) {
        let event = Event::new(name, data.clone());
        let mut tracker = ProgressTracker::new(1, [("n", None::<&str>)]);
        tracker.apply(&event);
        prop_assert!(!matches!(event.payload(), EventPayload::Unknown));
        prop_assert_eq!(event.data(), &data);
    }

    #[test]
    fn order_and_repetition_do_not_change_the_outcome(
        recording in proptest::sample::select(&[ITERATE, FAILURE, SD1][..]),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..80),
    ) {
        let events = events(recording);
        let straight = fold(&events);
        // A random sequence with repetitions, then everything backwards, so that each event occurs at least once.
        let mixed: Vec<_> =
            order.iter().map(|at| at.get(&events)).chain(events.iter().rev()).cloned().collect();
        let mut mixed = fold(&mixed);
        mixed.preview = straight.preview.clone();
        prop_assert_eq!(mixed, straight);
    }
}

fn item_of(events: &[Event]) -> i64 {
    events.iter().find_map(Event::item_id).unwrap()
}

fn nodes_of(recording: &'static str) -> Vec<(String, Option<String>)> {
    let nodes: BTreeMap<_, _> =
        events(recording).iter().filter_map(|event| event.invocation().map(|node| (node.id, node.node_type))).collect();
    nodes.into_iter().map(|(id, node_type)| (id, Some(format!("my {node_type}")))).collect()
}

fn recording_of(events: &[Event]) -> &'static str {
    [ITERATE, FAILURE, SD1]
        .into_iter()
        .find(|text| text.contains(&format!("\"item_id\":{},", item_of(events))))
        .unwrap()
}

fn fold(events: &[Event]) -> Progress {
    let mut tracker = ProgressTracker::new(item_of(events), nodes_of(recording_of(events)));
    for event in events {
        tracker.apply(event);
    }
    tracker.progress().clone()
}

#[test]
fn recorded_events_decode_into_their_types() {
    let mut seen = BTreeMap::<String, usize>::new();
    for event in [ITERATE, FAILURE, SD1].into_iter().flat_map(events) {
        assert!(
            !matches!(event.payload(), EventPayload::Unknown | EventPayload::Undecodable(_)),
            "{event:?}: {:?}",
            event.payload()
        );
        *seen.entry(event.name().to_owned()).or_default() += 1;
    }
    let counts = [
        ("batch_enqueued", 3),
        ("invocation_complete", 17),
        ("invocation_error", 1),
        ("invocation_progress", 17),
        ("invocation_started", 18),
        ("model_load_complete", 7),
        ("model_load_started", 7),
        ("queue_item_status_changed", 6),
    ];
    assert_eq!(seen, counts.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn iterated_nodes_count_once_and_their_executions_each() {
    let events = events(ITERATE);
    let mut tracker = ProgressTracker::new(item_of(&events), nodes_of(ITERATE));
    let mut fractions = Vec::new();
    for event in &events {
        tracker.apply(event);
        fractions.push(tracker.progress().fraction());
    }
    assert!(fractions.is_sorted(), "{fractions:?}");
    let Progress { status, nodes_done, nodes_total, executions_done, node, failure, .. } = tracker.progress().clone();
    assert_eq!(status, ItemStatus::Completed);
    assert_eq!((nodes_done, nodes_total, executions_done), (5, 5, 9));
    assert_eq!((node, failure, tracker.progress().fraction()), (None, None, 1.0));
    for event in &events {
        assert!(!tracker.apply(event), "a repeated event changes nothing: {event:?}");
    }
}

#[test]
fn a_failure_names_its_node() {
    let events = events(FAILURE);
    let failed = events.iter().position(|event| event.status() == Some("failed")).unwrap();
    assert!(events[failed + 1..].iter().any(|event| event.name() == "invocation_error"), "the recording's point");
    let until = fold(&events[..=failed]);
    assert_eq!(until.status, ItemStatus::Failed);
    let early = until.failure.unwrap();
    assert_eq!((early.node, early.message.as_str()), (None, "Image record not found"));
    let failure = fold(&events).failure.unwrap();
    assert_eq!(failure.error_type, "ImageRecordNotFoundException");
    let node = failure.node.unwrap();
    assert_eq!((node.id.as_str(), node.node_type.as_str()), ("bad", "img_lerp"));
    assert_eq!(node.title.as_deref(), Some("my img_lerp"));
}

#[test]
fn percentages_messages_and_previews_of_denoising() {
    let events = events(SD1);
    let mut tracker = ProgressTracker::new(item_of(&events), nodes_of(SD1));
    let mut percentages = Vec::new();
    let mut previews = Vec::new();
    for event in &events {
        tracker.apply(event);
        let progress = tracker.progress();
        let Some(node) = &progress.node else { continue };
        if let (Some(part), "denoise_latents", "invocation_progress") =
            (progress.node_fraction, &*node.node_type, event.name())
        {
            percentages.push(part);
            previews.extend(event.preview().unwrap());
            assert!(progress.message.as_ref().is_some_and(|text| !text.is_empty()));
        }
    }
    assert!(percentages.len() >= 3 && percentages.is_sorted() && percentages.last() == Some(&1.0), "{percentages:?}");
    assert!(previews.len() >= 3, "{previews:?}");
    for preview in &previews {
        assert_eq!((preview.width, preview.height, preview.mime.as_str()), (64, 64, "image/jpeg"));
        assert!(
            preview.bytes.starts_with(&[0xff, 0xd8]) && preview.bytes.ends_with(&[0xff, 0xd9]),
            "a whole JPEG file"
        );
    }
    assert_eq!(tracker.progress().preview, previews.last().cloned());
}

#[test]
fn a_canceled_batch_and_a_status_read_over_http_count() {
    let mut tracker = ProgressTracker::new(7, [("n", None::<&str>)]);
    assert!(!tracker.apply(&Event::new("queue_items_canceled", json!({"canceled_item_ids": [6, 8]}))));
    assert!(tracker.apply(&Event::new("queue_items_canceled", json!({"canceled_item_ids": [6, 7]}))));
    assert!(tracker.progress().is_finished());
    let mut tracker = ProgressTracker::new(7, [("n", None::<&str>)]);
    assert!(tracker.set_status(ItemStatus::InProgress, Some(1)));
    let waiting =
        Event::new("queue_item_status_changed", json!({"item_id": 7, "status": "waiting", "status_sequence": 2}));
    assert!(tracker.apply(&waiting));
    assert!(!tracker.set_status(ItemStatus::InProgress, Some(1)), "late");
    assert!(tracker.set_status(ItemStatus::InProgress, Some(3)));
    assert!(tracker.set_status(ItemStatus::Completed, None), "a server without sequence numbers");
    assert!(!tracker.set_status(ItemStatus::InProgress, Some(9)), "a finished item stays so");
    assert_eq!(tracker.progress().nodes_done, 1);
}

#[test]
fn malformed_previews_are_errors_that_name_the_member() {
    let url = "data:image/png;base64,AAEC";
    let good = PreviewImage::from_value(&json!({"width": 8, "height": 16, "dataURL": url})).unwrap();
    assert_eq!((good.mime.as_str(), &good.bytes[..]), ("image/png", &[0, 1, 2][..]));
    for (image, member) in [
        (json!({"height": 16, "dataURL": url}), "width"),
        (json!({"width": 8, "height": -1, "dataURL": url}), "height"),
        (json!({"width": 8, "height": 1}), "dataURL"),
        (json!({"width": 8, "height": 1, "dataURL": "http://x"}), "dataURL"),
        (json!({"width": 8, "height": 1, "dataURL": "data:image/png,AAEC"}), "dataURL"),
        (json!({"width": 8, "height": 1, "dataURL": "data:image/png;base64,A"}), "dataURL"),
    ] {
        let error = PreviewImage::from_value(&image).unwrap_err().to_string();
        assert!(error.contains(&format!("`{member}`")), "{error}");
    }
}
