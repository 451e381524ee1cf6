//! A proxy before a server, which does to single requests what a server would never do.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// It is passed on, and so is the answer.
    Pass,
    /// It is passed on, but there is no answer for this long.
    HoldAnswer(Duration),
    /// It is passed on after this long, whether or not anybody still waits for the answer.
    Late(Duration),
    /// It is passed on, but only this many bytes of the answer come back, and then nothing.
    Stall(usize),
    /// It is not passed on, and there is no answer.
    Silence,
    /// It is accepted as a websocket, on which these bytes come without end.
    Flood(&'static [u8]),
}

struct Rule {
    method: &'static str,
    part: String,
    acts: VecDeque<Act>,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: String,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    /// Starts a proxy before a server.
    pub(crate) fn before(url: &str) -> Self {
        let server = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let shared = Arc::new(Shared { server, rules: Mutex::default(), seen: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A client that goes away is the test's business.
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, shared }
    }

    /// What happens to the next requests with this method and this in their path. The last act stays.
    pub(crate) fn on(&self, method: &'static str, part: &str, acts: impl Into<VecDeque<Act>>) -> &Self {
        let rule = Rule { method, part: part.to_owned(), acts: acts.into() };
        self.shared.rules.lock().unwrap().push(rule);
        self
    }

    /// How many requests with this method and this in their path have come.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().filter(|line| line.starts_with(method) && line.contains(part)).count()
    }
}

impl Shared {
    fn act(&self, line: &str) -> Act {
        self.seen.lock().unwrap().push(line.to_owned());
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| line.starts_with(rule.method) && line.contains(&rule.part));
        match rule {
            Some(Rule { acts, .. }) if acts.len() > 1 => acts.pop_front().unwrap(),
            Some(Rule { acts, .. }) => acts.front().cloned().unwrap_or(Act::Pass),
            None => Act::Pass,
        }
    }
}

/// Serves one request of a connection.
fn serve(mut client: TcpStream, shared: &Shared) -> io::Result<()> {
    let (head, body) = request(&mut client)?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    let act = shared.act(&line);
    if let Act::Silence = act {
        return wait_for_end(&mut client);
    }
    if let Act::Late(time) = act {
        thread::sleep(time);
    }
    let mut server = TcpStream::connect(&shared.server)?;
    if line.contains(" /ws/") {
        server.write_all(format!("{head}\r\n\r\n").as_bytes())?;
        if let Act::Flood(bytes) = act {
            let (head, _) = request(&mut server)?;
            client.write_all(format!("{head}\r\n\r\n").as_bytes())?;
            let many = bytes.repeat(1000);
            loop {
                client.write_all(&many)?;
            }
        }
        return splice(client, server);
    }
    // One request for each connection: where an answer ends is then plain.
    let mut lines: Vec<&str> =
        head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    lines.push("connection: close");
    server.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    match act {
        Act::HoldAnswer(time) => thread::sleep(time),
        Act::Stall(bytes) => {
            client.write_all(&answer[..bytes.min(answer.len())])?;
            return wait_for_end(&mut client);
        }
        _ => {}
    }
    client.write_all(&answer)
}

/// Head and body of a request, or the head of an answer.
fn request(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    io::copy(stream, &mut io::sink()).map(|_| ())
}

fn splice(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let (mut to_client, mut from_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_client, mut to_server) = (client, server);
    thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let _ = io::copy(&mut from_client, &mut to_server);
    to_server.shutdown(Shutdown::Both)
}
