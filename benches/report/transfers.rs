//! Large files against `curl`, in turns, with a server that only moves bytes.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Instant,
};

use invokeai_client::{Client, Upload};
use serde_json::json;

use crate::{Result, page::Page, statistics::median_with_bounds};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 256 * MIB;
const PAIRS: usize = 9;

pub(crate) async fn report(page: &mut Page) -> Result {
    if Command::new("curl").arg("--version").output().is_err() {
        page.skipped("transfers: there is no `curl` to compare with");
        return Ok(());
    }
    let url = serve()?;
    let client = Client::new(&*url)?;
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("source.gif");
    std::fs::write(&source, vec![b'x'; SIZE])?;
    page.heading("Transfers");
    page.line(format!("Files of {} MiB over loopback, {PAIRS} pairs in turns; `curl` does the same work.", SIZE / MIB));
    page.table(&["", "this crate", "curl", "speed against curl", "95 % confidence"]);
    for download in [true, false] {
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..=PAIRS {
            let (mut own, mut other) = (0.0, 0.0);
            // They take turns going first, so that neither finds the caches warmer.
            for turn in [pair % 2 == 0, pair % 2 != 0] {
                match turn {
                    true => own = by_us(&client, download, &source, folder.path()).await?,
                    false => other = by_curl(&url, download, &source, folder.path())?,
                }
            }
            // The first pair warms up.
            if pair > 0 {
                ours.push(own);
                theirs.push(other);
                ratios.push(other / own);
            }
        }
        let name = if download { "download" } else { "upload" };
        let [ratio, from, to] = median_with_bounds(&mut ratios);
        let rate =
            |seconds: &mut [f64]| format!("{:.0} MiB/s", (SIZE / MIB) as f64 / crate::statistics::median(seconds));
        page.row(&[
            name.into(),
            rate(&mut ours),
            rate(&mut theirs),
            format!("{ratio:.3}"),
            format!("{from:.3} to {to:.3}"),
        ]);
        page.promise(
            &format!("{name} against curl"),
            "at least 0.95 of its speed",
            format!("{ratio:.3}"),
            ratio >= 0.95,
        );
    }
    Ok(())
}

async fn by_us(client: &Client, download: bool, source: &Path, folder: &Path) -> Result<f64> {
    let began = Instant::now();
    if download {
        // `curl` does not wait for the disk either.
        let saved =
            client.image(format!("{SIZE}.gif")).download().durable(false).to_file(folder.join("ours.gif")).await?;
        if saved.bytes != SIZE as u64 {
            return Err(format!("{} bytes came", saved.bytes).into());
        }
    } else {
        client.images().upload(Upload::path(source)).await?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn by_curl(url: &str, download: bool, source: &Path, folder: &Path) -> Result<f64> {
    let began = Instant::now();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "-o"]);
    if download {
        curl.arg(folder.join("curl.gif")).arg(format!("{url}/api/v1/images/i/{SIZE}.gif/full"));
    } else {
        curl.arg(folder.join("answer.json")).arg("-F").arg(format!("file=@{};type=image/gif", source.display()));
        curl.arg(format!("{url}/api/v1/images/upload?image_category=user&is_intermediate=false"));
    }
    let status = curl.status()?;
    if !status.success() {
        return Err(format!("curl: {status}").into());
    }
    Ok(began.elapsed().as_secs_f64())
}

fn serve() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away ends its thread; the figures show if one failed.
            std::thread::spawn(move || answer(stream));
        }
    });
    Ok(url)
}

/// Sends as many bytes as a picture's name says, and takes whatever is uploaded.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![b'x'; 256 * 1024];
    loop {
        let mut request = Vec::new();
        let head = loop {
            if let Some(end) = request.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&buffer[..read]),
            }
        };
        let text = String::from_utf8_lossy(&request[..head]).to_lowercase();
        if text.starts_with("get ") {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: image/gif\r\ncontent-length: {SIZE}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            buffer[..6].copy_from_slice(b"GIF89a");
            let mut left = SIZE;
            while left > 0 {
                let part = left.min(buffer.len());
                stream.write_all(&buffer[..part])?;
                left -= part;
            }
            continue;
        }
        if text.contains("expect: 100-continue") {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        let mut taken = request.len() - head;
        let mut tail = request.split_off(head);
        // Without a length the body is in pieces, and the last is empty.
        while length.map_or(!tail.ends_with(b"\r\n0\r\n\r\n"), |length| taken < length) {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            taken += read;
            if length.is_none() {
                tail.extend_from_slice(&buffer[..read]);
                tail.drain(..tail.len().saturating_sub(16));
            }
        }
        let picture = json!({
            "image_name": "x.png", "image_url": "x", "thumbnail_url": "x", "image_origin": "external",
            "image_category": "user", "width": 1, "height": 1, "created_at": "2026-01-01 00:00:00.000",
            "updated_at": "2026-01-01 00:00:00.000", "is_intermediate": false, "starred": false, "has_workflow": false,
        })
        .to_string();
        let head = format!(
            "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            picture.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(picture.as_bytes())?;
    }
}
