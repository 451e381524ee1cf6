//! What comes in takes at most four times its length in memory, whatever its shape. Measured in processes of their own;
//! the servers make their bytes as they send them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use invokeai_client::{Client, Error, workflow::WorkflowDefinition};

use crate::common::{alone::is_alone, skip};

const MB: usize = 1_000_000;

/// A JSON text: a piece, repeated again and again, with something before and after.
#[derive(Clone, Copy)]
struct Shape {
    before: &'static str,
    piece: &'static str,
    after: &'static str,
    length: usize,
    /// How many of these bytes are one long string behind the pieces.
    ///
    /// What takes too much memory is refused within the first pieces. The rest only has to be there, since more is
    /// allowed for a longer text, and a string is looked through in a tenth of the time.
    string: usize,
}

impl Shape {
    fn pieces(&self) -> usize {
        (self.length - self.before.len() - self.string - self.after.len()) / self.piece.len()
    }

    /// The end, with the long string.
    fn end(&self) -> String {
        match self.string {
            0 => self.after.to_owned(),
            length => format!("\"{}\",{}", "x".repeat(length - 3), self.after),
        }
    }

    fn text(&self) -> String {
        format!("{}{}{}", self.before, self.piece.repeat(self.pieces()), self.end())
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut some = [0; 4096];
            match stream.read(&mut some)? {
                0 => return Ok(()),
                read => request.extend_from_slice(&some[..read]),
            }
        }
        let end = self.end();
        let length = self.before.len() + self.pieces() * self.piece.len() + end.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n")?;
        write!(stream, "connection: close\r\n\r\n{}", self.before)?;
        let many = self.piece.repeat(1000);
        for _ in 0..self.pieces() / 1000 {
            stream.write_all(many.as_bytes())?;
        }
        write!(stream, "{}{}", self.piece.repeat(self.pieces() % 1000), end)
    }

    /// A client of a server that answers everything with this.
    fn serve(self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // The client may go away.
                _ = self.answer(stream);
            }
        });
        Client::new(&*url).unwrap()
    }
}

/// Memory in use, in bytes.
fn memory(line: &str) -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let rest = status.lines().find_map(|known| known.strip_prefix(line))?;
    rest.split_whitespace().next()?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Fails if a call takes more memory than this many times the bytes that came.
async fn within<T>(what: &str, times: f64, length: usize, call: impl AsyncFnOnce() -> T) -> T {
    // Forgets the highest use so far, on Linux.
    let forgets = fs::write("/proc/self/clear_refs", "5").is_ok();
    let before = memory("VmRSS:");
    let answer = call().await;
    match (before, memory("VmHWM:").filter(|_| forgets)) {
        (Some(before), Some(highest)) => {
            let taken = highest.saturating_sub(before);
            let measured = taken as f64 / length as f64;
            eprintln!("{what}: {:.1} MB for {:.1} MB, {measured:.2} times", taken as f64 / 1e6, length as f64 / 1e6);
            assert!(measured <= times, "{what}: {measured} times");
        }
        _ => skip::skipped(format_args!("memory of {what}: this system does not report it")),
    }
    answer
}

#[tokio::test]
async fn an_answer_takes_at_most_four_times_its_length() {
    if !is_alone("memory::an_answer_takes_at_most_four_times_its_length") {
        return;
    }
    let length = 30 * MB;
    let shape = |before, piece, after| Shape { before, piece, after, length, string: 20 * MB };
    let refused = |what: &str, error: Error| {
        let text = error.to_string();
        assert!(matches!(error, Error::Body { .. }) && text.contains("bytes of memory"), "{what}: {text}");
    };
    // Each in turn where a list, types, kept JSON or nothing is expected.
    for piece in ["[],", "[0],", "{\"\":0},", "\"\",", "0,"] {
        let client = shape("{\"total\": 1, \"items\": [", piece, "0]}").serve();
        let what = format!("a page of {piece}");
        let page = within(&what, 4.0, length, async || client.images().list().await).await;
        refused(&what, page.unwrap_err());

        let client =
            shape("{\"item_id\": 1, \"status\": \"completed\", \"batch_id\": \"b\", \"session\": [", piece, "0]}");
        let (client, what) = (client.serve(), format!("a session of {piece}"));
        let item = within(&what, 4.0, length, async || client.queue("default").item(1).await).await;
        refused(&what, item.unwrap_err());

        let client = shape("{\"version\": \"6.14.2\", \"unknown\": [", piece, "0]}").serve();
        let what = format!("unexpected JSON of {piece}");
        let version = within(&what, 4.0, length, async || client.api().app_version().send().await).await;
        assert_eq!(version.unwrap().version, "6.14.2");
    }
    let client = shape("{\"image_names\": [", "\"\",", "\"\"]}").serve();
    let names = within("names", 4.0, length, async || client.images().list().names().await).await;
    refused("names", names.unwrap_err());
    let client = shape("{\"paths\": {\"/\": [", "[],", "0]}}").serve();
    let document = within("a document", 4.0, length, async || client.catalog().await).await;
    refused("a document", document.unwrap_err());
}

#[tokio::test]
async fn long_answers_of_a_server_are_read_in_four_times_their_length() {
    if !is_alone("memory::long_answers_of_a_server_are_read_in_four_times_their_length") {
        return;
    }
    // Shorter ones may take a fixed amount.
    let length = 27 * MB;
    let shape = |before, piece, after| Shape { before, piece, after, length, string: 0 };
    // As the server writes them, and as another release may: floats, and null for what is missing.
    let image = |size: &str, starred: &str| -> &'static str {
        let json = format!(
            r#"{{"image_name":"0b1f8a52-6c1d-4f0e-9b39-2f4c3a5f1c11.png","image_url":"api/v1/images/i/0b1f8a52-6c1d-4f0e-9b39-2f4c3a5f1c11.png/full","thumbnail_url":"api/v1/images/i/0b1f8a52-6c1d-4f0e-9b39-2f4c3a5f1c11.png/thumbnail","image_origin":"internal","image_category":"general","width":{size},"height":{size},"created_at":"2026-01-02 03:04:05.678","updated_at":"2026-01-02 03:04:05.678","deleted_at":null,"is_intermediate":false,"session_id":"6f7a6c63-6d3b-41d5-8cb0-f4f0d2f0a3a1","node_id":"b1f3bba6-3b0e-44a8-a4bb-03fd3c4b9c57","starred":{starred},"has_workflow":true,"board_id":null}},"#
        );
        json.leak()
    };
    let last =
        r#"{"image_name":"last.png","image_origin":"internal","image_category":"general","width":8,"height":8}]}"#;
    for (what, image) in [("images", image("1024", "false")), ("images of another release", image("1024.0", "null"))] {
        let shape = shape("{\"total\": 1, \"items\": [", image, last);
        let (client, count) = (shape.serve(), shape.pieces() + 1);
        let page = within(what, 4.0, length, async || client.images().list().await).await.unwrap();
        assert_eq!((page.items.len(), page.items.iter().filter(|image| image.is_err()).count()), (count, 0));
    }
    let shape = shape(
        "{\"image_names\": [",
        "\"0b1f8a52-6c1d-4f0e-9b39-2f4c3a5f1c11.png\",",
        "\"last.png\"], \"starred_count\": 0, \"total_count\": 1}",
    );
    let (client, count) = (shape.serve(), shape.pieces() + 1);
    let names = within("names", 4.0, length, async || client.images().list().names().await).await.unwrap();
    assert_eq!(names.image_names.len(), count);
    // Servers before 6.14 give whole items where only their beginnings are wanted.
    let shape = Shape {
        before: "[",
        piece: r#"{"item_id":1,"status":"completed","batch_id":"b","session":{"id":"s","results":{"a":{"type":"integer_output","value":7},"b":{"type":"integer_output","value":7}},"graph":{"nodes":{"a":{"type":"add","a":1,"b":2}},"edges":[]}}},"#,
        after: r#"{"item_id":1,"status":"completed","batch_id":"b"}]"#,
        length,
        string: 0,
    };
    let client = shape.serve();
    let items = within("summaries", 4.0, length, async || client.queue("default").summaries(&[1]).await).await;
    assert_eq!(items.unwrap().len(), shape.pieces() + 1);
}

/// A PNG image with this text packed in it.
fn packed(text: &[u8]) -> Vec<u8> {
    let data = [&b"invokeai_workflow\0\0"[..], &miniz_oxide::deflate::compress_to_vec_zlib(text, 6)].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [b"\x89PNG\r\n\x1a\n", &length[..], b"zTXt", &data, &[0; 4]].concat()
}

#[tokio::test]
async fn a_workflow_takes_at_most_four_times_its_text() {
    if !is_alone("memory::a_workflow_takes_at_most_four_times_its_text") {
        return;
    }
    // In an image of some kilobytes: one text too long to be read, and one at the limit.
    for (length, longest, says) in
        [(57 * MB, 8 * MB, "its text is longer than 8388608 bytes"), (8 * MB, 8 * MB, "bytes of memory")]
    {
        let image = packed(Shape { before: "[", piece: "[],", after: "[]]", length, string: 0 }.text().as_bytes());
        assert!(image.len() < 60_000, "{}", image.len());
        let what = format!("a text of {} MB in an image", length / MB);
        let read = within(&what, 4.0, longest, async || WorkflowDefinition::from_png(&image)).await;
        let error = read.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    for piece in ["[],", "[0],", "{\"\":0},", "\"\","] {
        let shape = Shape { before: "{\"nodes\": [", piece, after: "0]}", length: 15 * MB, string: 0 };
        let text = shape.text();
        let what = format!("a workflow of {piece}");
        // The text itself is the fourth time.
        let read = within(&what, 3.0, text.len(), async || text.parse::<WorkflowDefinition>()).await;
        let error = read.unwrap_err().to_string();
        assert!(error.contains("would take more than"), "{error}");
    }
    let long = Shape { before: "[", piece: "[],", after: "[]]", length: 68 * MB, string: 0 }.text();
    let error = long.parse::<WorkflowDefinition>().unwrap_err().to_string();
    assert!(error.contains("larger than 67108864 bytes"), "{error}");
}
