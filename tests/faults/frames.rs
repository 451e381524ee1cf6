//! Memory that large frames take: at most four times what came.

use std::{fs, io::Write as _, net::TcpStream};

use futures::StreamExt as _;
use invokeai_client::events::{EventFilter, EventItem};

use crate::{
    common::{alone::is_alone, socket_server::within},
    floods::{Flood, attached},
};

/// The largest frame that is taken.
const LARGE: usize = 16 << 20;

/// A frame: how it begins, what is repeated in the middle, how it ends.
type Pieces = (&'static str, &'static str, &'static str);

/// What takes long to read. What it takes in memory grows with its length, so a quarter of the largest frame shows it.
const SLOW: &[Pieces] = &[
    ("42[\"x\",{\"queue_id\":\"default\",\"a\":[", "[],", "0]}]"),
    ("42[\"x\",{\"queue_id\":\"default\",\"a\":[", "{},", "0]}]"),
    ("42[\"x\",{\"queue_id\":\"default\",\"a\":[", "1,", "0]}]"),
    ("42[\"x\",{\"queue_id\":\"default\"", ",\"\":[]", "}]"),
    ("42[", "[],", "0]"),
    ("42[\"x\",{\"queue_id\":\"", "\\n", "\"}]"),
    ("42[\"queue_items_canceled\",{\"queue_id\":\"default\",\"canceled_item_ids\":[", "1,", "7]}]"),
    (
        "42[\"invocation_progress\",{\"queue_id\":\"default\",\"batch_id\":\"b\",\"item_id\":7,\"invocation_source_id\":\"n\",\
      \"invocation\":{\"id\":\"p\",\"type\":\"add\"},\"image\":{\"width\":8,\"height\":8,\"more\":[",
        "[],",
        "0]}}]",
    ),
    (
        "42[\"invocation_progress\",{\"queue_id\":\"default\",\"batch_id\":\"b\",\"item_id\":7,\"invocation_source_id\":\"n\",\
      \"invocation\":{\"id\":\"p\",\"type\":\"add\"},\"message\":\"",
        "\\u00e4",
        "\"}]",
    ),
    ("42[\"x\",", "[", ""),
];

/// What is quick to read, and the list that takes the most memory: frames as large as they may be.
const LARGEST: &[Pieces] = &[
    ("42[\"x\"", ",[]", "]"),
    ("42[\"", "x", "\",{\"queue_id\":\"default\"}]"),
    ("43[", "[],", "0]"),
    ("43", "9", "[]"),
    ("2", "[],", ""),
    ("40{\"a\":[", "[],", "0]}"),
    ("45", "[],", ""),
];

/// Each frame with its length. The highest use of memory only rises, so the largest ones are last.
fn frames() -> impl Iterator<Item = (usize, &'static Pieces)> {
    SLOW.iter().map(|pieces| (LARGE / 4, pieces)).chain(LARGEST.iter().map(|pieces| (LARGE, pieces)))
}

fn send(stream: &mut TcpStream) -> std::io::Result<()> {
    for (length, (begin, middle, end)) in frames() {
        let times = (length - begin.len() - end.len()) / middle.len();
        let length = (begin.len() + times * middle.len() + end.len()) as u64;
        // Final text frame with a length of eight bytes.
        stream.write_all(&[0x81, 127])?;
        stream.write_all(&length.to_be_bytes())?;
        stream.write_all(begin.as_bytes())?;
        let piece = middle.repeat(1000);
        for _ in 0..times / 1000 {
            stream.write_all(piece.as_bytes())?;
        }
        stream.write_all(middle.repeat(times % 1000).as_bytes())?;
        stream.write_all(end.as_bytes())?;
        let mark = b"42[\"mark\",{\"queue_id\":\"default\"}]";
        stream.write_all(&[0x81, mark.len() as u8])?;
        stream.write_all(mark)?;
    }
    Ok(())
}

/// Largest amount of memory that this process has taken, in bytes.
fn most() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn a_large_frame_takes_at_most_four_times_its_length() {
    if !is_alone("frames::a_large_frame_takes_at_most_four_times_its_length") {
        return;
    }
    let server = Flood::of(|stream, _| {
        // A client that goes away is the test's business.
        let _ = send(stream);
        std::thread::park();
    });
    let client = server.client();
    let submission = attached(&client).await;
    let mut events = client.event_hub().subscribe(EventFilter::all().queue("default"));
    let before = most();
    for (length, (begin, middle, _)) in frames() {
        loop {
            match within("the mark", events.next()).await.unwrap().unwrap() {
                EventItem::Event(event) if event.name() == "mark" => break,
                EventItem::Disconnected { error } => panic!("{begin}{middle}: {error}"),
                _ => {}
            }
        }
        let taken = most() - before;
        println!("{:>6.1} MiB after {begin}{middle}", taken as f64 / (1 << 20) as f64);
        assert!(taken <= 4 * length, "{begin}{middle}: {} MiB", taken >> 20);
    }
    drop(submission);
}
