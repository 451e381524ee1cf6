//! The language of the cases, a line each:
//!
//! ```text
//! # a comment
//! GET /api/v1/app/version
//! POST /api/v1/boards/?board_name=a -> board=/board_id        the answer's member is {board} from here on
//! PATCH /api/v1/boards/{board} {"archived": true}             with a JSON body
//! POST /api/v1/images/upload?… @picture file=8x6 metadata={}  with a form: a PNG of this size, other parts as text
//! PUT /… @text plain words                                    with a body that is not JSON
//! as name                                                     from here on with the token {name}; `as nobody`: none
//! ended {item}                                                waits for the item's end and records its events
//! event queue_cleared                                         waits for the next such event and records it
//! sleep 300                                                   milliseconds
//! ```
//!
//! A line that begins with `-` is done, but not recorded.

use crate::{http, shape::shape, socket::Socket};
use reqwest::{Client, Method, Response, multipart};
use serde_json::{Value, json};
use std::{io::Cursor, time::Duration};

struct Player<'a> {
    url: &'a str,
    http: Client,
    socket: Socket,
    /// Events before this one have been looked at.
    looked: usize,
    token: Option<String>,
    known: Vec<(String, String)>,
    recording: Vec<String>,
}

/// Creates the first administrator of a server and returns the token.
pub(crate) async fn administrator(url: &str) -> String {
    let http = http::client();
    let user = json!({"email": "admin@example.com", "display_name": "Admin", "password": "Contract-1234"});
    let setup = http.post(format!("{url}/api/v1/auth/setup")).json(&user).send().await.expect("an answer");
    assert_eq!(setup.status(), 200);
    let login = http.post(format!("{url}/api/v1/auth/login")).json(&user).send().await.expect("an answer");
    let answer: Value = login.json().await.expect("JSON");
    answer["token"].as_str().expect("a token").to_owned()
}

/// Runs all lines against a server, and returns what came of them.
pub(crate) async fn play(script: &str, url: &str, token: Option<String>) -> String {
    let mut player = Player {
        url,
        http: http::builder().timeout(Duration::from_secs(60)).pool_max_idle_per_host(0).build().expect("a client"),
        socket: Socket::connect(url, token.as_deref()).await,
        looked: 0,
        known: token.iter().map(|token| ("admin".to_owned(), token.clone())).collect(),
        token,
        recording: Vec::new(),
    };
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        player.line(line).await;
    }
    player.recording.join("\n\n") + "\n"
}

impl Player<'_> {
    async fn line(&mut self, line: &str) {
        let quiet = line.starts_with('-');
        let line = line.trim_start_matches('-').trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = self.filled(rest);
        let recorded = match word {
            "as" => return self.token = if rest == "nobody" { None } else { Some(self.value(&rest)) },
            "sleep" => return tokio::time::sleep(Duration::from_millis(rest.parse().expect("a time"))).await,
            "ended" => self.ended(&rest).await,
            "event" => self.event(&rest).await,
            _ => self.request(line, word, &rest).await,
        };
        if !quiet {
            self.recording.push(format!("{line}\n{recorded}"));
        }
    }

    fn value(&self, name: &str) -> String {
        let found = self.known.iter().rev().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("nothing is known as {name}")).1.clone()
    }

    /// The text, with values for names in braces.
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.known.iter().rev() {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    async fn request(&mut self, line: &str, method: &str, rest: &str) -> String {
        let (rest, saved) = rest.split_once(" -> ").map_or((rest, None), |(rest, saved)| (rest, Some(saved)));
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let method: Method = method.parse().unwrap_or_else(|_| panic!("no method: {line}"));
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let body = body.trim();
        request = if let Some(form) = body.strip_prefix("@picture ") {
            request.multipart(form_of(form))
        } else if let Some(text) = body.strip_prefix("@text ") {
            request.header("content-type", "text/plain").body(text.to_owned())
        } else if body.is_empty() {
            request
        } else {
            request.header("content-type", "application/json").body(body.to_owned())
        };
        let response = request.send().await.unwrap_or_else(|error| panic!("{line}: {error}"));
        let (recorded, answer) = self.recorded(response).await;
        for saved in saved.into_iter().flat_map(|saved| saved.split(',')) {
            let (name, pointer) = saved.trim().split_once('=').expect("name=/pointer");
            let value = answer.pointer(pointer).unwrap_or_else(|| panic!("{line}: no {pointer} in {answer}"));
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.known.push((name.to_owned(), value));
        }
        recorded
    }

    async fn recorded(&self, response: Response) -> (String, Value) {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let kind = header("content-type").unwrap_or_default();
        let location = if header("location").is_some() { " with location" } else { "" };
        let bytes = response.bytes().await.expect("a body");
        let head = format!("{status} {kind}{location}");
        if kind.starts_with("application/json") {
            let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            return (format!("{head}\n{}", pretty(&shape(&answer, &self.known))), answer);
        }
        let what = match &bytes[..] {
            [] => "nothing".to_owned(),
            [b'P', b'K', ..] => "a zip".to_owned(),
            _ if image::guess_format(&bytes).is_ok() => {
                let image = image::load_from_memory(&bytes).expect("a picture");
                let format = image::guess_format(&bytes).expect("a format");
                format!("{format:?} {}x{}", image.width(), image.height())
            }
            _ if kind.starts_with("text/html") => "a page".to_owned(),
            _ => String::from_utf8_lossy(&bytes).into_owned(),
        };
        (format!("{head}\n{what}"), Value::Null)
    }

    /// The events of an item, up to its end and what comes with it.
    async fn ended(&mut self, item: &str) -> String {
        let id: i64 = item.parse().expect("an item");
        let is_end = |name: &str, data: &Value| {
            let ended = ["completed", "failed", "canceled"].contains(&data["status"].as_str().unwrap_or_default());
            name == "queue_item_status_changed" && data["item_id"] == id && ended
        };
        self.socket.wait("end of the item", is_end).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        let events: Vec<_> = self.socket.heard().into_iter().filter(|(_, data)| data["item_id"] == id).collect();
        let mut lines: Vec<String> = Vec::new();
        for (name, data) in events {
            let line = format!("{name} {}", shape(&data, &self.known));
            // Progress may be reported any number of times.
            if name != "invocation_progress" || lines.last() != Some(&line) {
                lines.push(line);
            }
        }
        lines.join("\n")
    }

    async fn event(&mut self, wanted: &str) -> String {
        let looked = self.looked;
        let began = std::time::Instant::now();
        loop {
            let heard = self.socket.heard();
            if let Some(index) = heard.iter().skip(looked).position(|(name, _)| name == wanted) {
                self.looked = looked + index + 1;
                return pretty(&shape(&heard[looked + index].1, &self.known));
            }
            assert!(began.elapsed() < Duration::from_secs(60), "no {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

/// A form: `name=WIDTHxHEIGHT` is a picture, `name=words` a text.
fn form_of(parts: &str) -> multipart::Form {
    let mut form = multipart::Form::new();
    for part in parts.split(' ') {
        let (name, value) = part.split_once('=').expect("name=value");
        let size = value.split_once('x').and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
        form = match size {
            Some((width, height)) => {
                let mut png = Cursor::new(Vec::new());
                let picture = image::RgbImage::from_pixel(width, height, image::Rgb([200, 100, 50]));
                picture.write_to(&mut png, image::ImageFormat::Png).expect("a PNG");
                let part = multipart::Part::bytes(png.into_inner()).file_name("picture.png");
                form.part(name.to_owned(), part.mime_str("image/png").expect("a type"))
            }
            None => form.text(name.to_owned(), value.to_owned()),
        };
    }
    form
}
