//! Large downloads: how fast, against `curl` in the same run, and in how much memory.
//!
//! Speed is judged in release builds only: `cargo test --release --test offline transfers -- --nocapture`.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Instant,
};

use invokeai_client::Client;

use crate::common::{alone::is_alone, skip};

const MIB: usize = 1024 * 1024;

/// Whether speed is judged. Otherwise each file comes once, to see how much memory that takes.
const TIMED: bool = cfg!(not(debug_assertions));

/// Serves `/api/v1/images/i/<bytes>.gif/full`: that many bytes, as fast as they are taken, from one buffer.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    url
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![b'x'; 256 * 1024];
    buffer[..6].copy_from_slice(b"GIF89a");
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&piece[..read]),
            }
        }
        let line = String::from_utf8_lossy(&request).into_owned();
        let name = line.split('/').find(|part| part.ends_with(".gif")).unwrap_or_default();
        let length: usize = name.trim_end_matches(".gif").split('-').next_back().unwrap_or_default().parse().unwrap();
        request.clear();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut left = length;
        while left > 0 {
            let part = left.min(buffer.len());
            stream.write_all(&buffer[..part])?;
            left -= part;
        }
    }
}

/// Memory in use, in KiB, now and at its highest. Linux only.
fn memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    Some((line("VmRSS:")?, line("VmHWM:")?))
}

/// Seconds that `curl` takes for these files, in one run of it.
fn curl(url: &str, names: &[String], directory: &Path) -> Option<f64> {
    let mut command = Command::new("curl");
    command.arg("--silent").arg("--fail");
    for name in names {
        command.arg(format!("{url}/api/v1/images/i/{name}/full")).arg("-o").arg(directory.join(name));
    }
    let began = Instant::now();
    let status = command.status().ok()?;
    assert!(status.success());
    Some(began.elapsed().as_secs_f64())
}

async fn ours(client: &Client, names: &[String], directory: &Path, durable: bool) -> f64 {
    let began = Instant::now();
    for name in names {
        let target = directory.join(name);
        let saved = client.image(name).download().durable(durable).to_file(&target).await.unwrap();
        assert_eq!(saved.bytes, std::fs::metadata(&target).unwrap().len());
    }
    began.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_come_as_fast_as_with_curl_and_in_little_memory() {
    if !is_alone("transfers::large_files_come_as_fast_as_with_curl_and_in_little_memory") {
        return;
    }
    let url = serve();
    let client = Client::new(&*url).unwrap();
    for (length, count) in [(5 * MIB, 40), (1024 * MIB, 1)] {
        let names: Vec<_> = (0..count).map(|number| format!("{number}-{length}.gif")).collect();
        let directory = tempfile::tempdir().unwrap();
        // Once beforehand, for connections, buffers and the disk's cache; with a large file only where that is timed.
        let first = if TIMED { names[..1].to_vec() } else { vec![format!("first-{MIB}.gif")] };
        let warm = ours(&client, &first, directory.path(), false).await;
        let before = memory();
        // In turns, and the best of each: other work on the machine slows both.
        let (mut best, mut reference) = (if TIMED { warm * count as f64 } else { f64::MAX }, f64::MAX);
        for _ in 0..if TIMED { 3 } else { 1 } {
            best = best.min(ours(&client, &names, directory.path(), false).await);
            if TIMED {
                reference = reference.min(curl(&url, &names, directory.path()).unwrap_or(f64::MAX));
            }
        }
        let after = memory();
        let synced = ours(&client, if TIMED { &names } else { &first }, directory.path(), true).await;
        let rate = |seconds: f64| (length * count) as f64 / MIB as f64 / seconds;
        eprintln!("{count} x {} MiB: {:.0} MiB/s; memory {before:?} -> {after:?} KiB", length / MIB, rate(best));
        if let (Some((now, _)), Some((_, highest))) = (before, after) {
            assert!(highest.saturating_sub(now) < 16 * 1024, "{before:?} -> {after:?}");
        }
        if !TIMED || reference == f64::MAX {
            skip::skipped(format_args!("speed of downloads: wants a release build, and curl"));
        } else {
            eprintln!("synced {:.0} MiB/s, curl {:.0} MiB/s", rate(synced), rate(reference));
            assert!(best < reference / 0.95, "{best} s, curl {reference} s");
        }
    }
}
