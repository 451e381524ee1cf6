//! A way to Postgres on which answers get lost, and which can be cut without a word.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Whose answer is lost: connections are cut when Postgres has answered, and before the client hears of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lost {
    /// That of the `COMMIT` after a statement with these words.
    Commit(&'static str),
    /// That of a statement with these words, the first time that it is carried out on a connection.
    Statement(&'static str),
}

impl Lost {
    fn words(self) -> &'static [u8] {
        let (Self::Commit(words) | Self::Statement(words)) = self;
        words.as_bytes()
    }
}

pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

struct State {
    postgres: SocketAddr,
    /// What is to be lost, the next first.
    to_lose: Mutex<Vec<Lost>>,
    /// How many connections have begun to listen for jobs.
    listens: AtomicUsize,
    /// Connections that were made before this was counted up pass nothing on any more.
    cuts: watch::Sender<usize>,
}

impl Proxy {
    /// To the Postgres of this URL, which has a port.
    pub(crate) async fn to(postgres: &str) -> Self {
        let address = postgres.split(['@', '/']).nth(3).unwrap();
        let state = State {
            postgres: address.parse().unwrap(),
            to_lose: Mutex::default(),
            listens: AtomicUsize::new(0),
            cuts: watch::channel(0).0,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, state) = (listener.local_addr().unwrap(), Arc::new(state));
        let accepting = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(Arc::clone(&accepting), client));
            }
        });
        Self { address, state, listening }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://fleet@{}/postgres", self.address)
    }

    pub(crate) fn lose(&self, lost: impl IntoIterator<Item = Lost>) {
        self.state.to_lose.lock().unwrap().extend(lost);
    }

    /// What was to be lost and is not yet.
    pub(crate) fn still_to_lose(&self) -> usize {
        self.state.to_lose.lock().unwrap().len()
    }

    pub(crate) fn listens(&self) -> usize {
        self.state.listens.load(Ordering::SeqCst)
    }

    /// Passes nothing on any more on the connections that there are, and does not close them. New ones work.
    pub(crate) fn cut_silently(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn has(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

async fn carry(state: Arc<State>, mut client: TcpStream) {
    let Ok(mut server) = TcpStream::connect(state.postgres).await else { return };
    let mut cuts = state.cuts.subscribe();
    let (mut said, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    // Words that were met: the connection is on its way to what is to be lost.
    let mut met: Option<Lost> = None;
    loop {
        tokio::select! {
            _ = cuts.changed() => {
                // Both ends believe that the other is there.
                std::future::pending::<()>().await;
            }
            read = client.read(&mut said) => {
                let Ok(read @ 1..) = read else { return };
                let said = &said[..read];
                if has(said, b"LISTEN \"") && !has(said, b"UNLISTEN") {
                    state.listens.fetch_add(1, Ordering::SeqCst);
                }
                if let Some(lost) = state.to_lose.lock().unwrap().iter().find(|lost| has(said, lost.words())) {
                    met = Some(*lost);
                }
                if server.write_all(said).await.is_err() {
                    return;
                }
                let is_it = match met {
                    Some(Lost::Commit(_)) => has(said, b"COMMIT"),
                    // A statement is prepared first, and then bound to its values.
                    Some(Lost::Statement(_)) => said[0] == b'B',
                    None => false,
                };
                if is_it && is_taken(&state, met) {
                    let answer = server.read(&mut answered).await.unwrap();
                    assert!(answer > 0, "Postgres answers");
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Whether it was to be lost still, which it is only once.
fn is_taken(state: &State, met: Option<Lost>) -> bool {
    let mut to_lose = state.to_lose.lock().unwrap();
    let at = to_lose.iter().position(|lost| met.is_some_and(|met| met.words() == lost.words()));
    at.map(|at| to_lose.remove(at)).is_some()
}
