//! Places that a call may be redirected to: each answers as a test says and keeps every byte that it was sent.
#![allow(dead_code, unreachable_pub)] // Each test binary uses its own part.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// The host by its address. The same machine by its name is another origin.
pub const HERE: &str = "127.0.0.1";
/// The host by its name.
pub const THERE: &str = "localhost";

/// A listener on loopback.
pub struct Place {
    port: u16,
    scheme: &'static str,
    heard: Arc<Mutex<Vec<u8>>>,
    lines: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What a place answers to a request, whose first line it is given.
type Answer = dyn Fn(&str) -> String + Send + Sync;

impl Place {
    pub async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::listen("http", None, Arc::new(answer)).await
    }

    /// Speaks TLS with this certificate.
    #[cfg(feature = "rustls")]
    pub async fn start_tls(identity: &Identity, answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::listen("https", Some(identity.acceptor()), Arc::new(answer)).await
    }

    async fn listen(scheme: &'static str, tls: Option<tokio_rustls::TlsAcceptor>, answer: Arc<Answer>) -> Self {
        let listener = TcpListener::bind((HERE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heard, lines) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let seen = (Arc::clone(&heard), Arc::clone(&lines));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer, (heard, lines)) = (tls.clone(), Arc::clone(&answer), seen.clone());
                tokio::spawn(async move {
                    // A client that goes away, or does not like the certificate, is the test's business.
                    let _ = match tls {
                        None => serve(stream, &*answer, &heard, &lines).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, &*answer, &heard, &lines).await,
                            Err(error) => Err(error),
                        },
                    };
                });
            }
        });
        Self { port, scheme, heard, lines, task }
    }

    /// Its address under this name of the host.
    pub fn at(&self, host: &str) -> String {
        format!("{}://{host}:{}", self.scheme, self.port)
    }

    /// All that came, as text.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// The first lines of the requests that came whole.
    pub fn requests(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &Answer,
    heard: &Mutex<Vec<u8>>,
    lines: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        // Kept as it comes: a leak counts, whether or not the request is ever complete.
        heard.lock().unwrap().extend_from_slice(&piece[..length]);
        request.extend_from_slice(&piece[..length]);
        if is_whole(&request) {
            let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
            lines.lock().unwrap().push(line.clone());
            stream.write_all(answer(&line).as_bytes()).await?;
            stream.flush().await?;
            request.clear();
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    // Bytes that are not UTF-8 make the text longer, never shorter.
    body.len() >= length.unwrap_or(0)
}

/// An answer with a body and its length. Each of the `headers` ends in a line break.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

pub fn json(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// A redirect of the kind that `status` names.
pub fn redirect(status: u16, to: &str) -> String {
    answer(&format!("{status} Elsewhere"), &format!("location: {to}\r\n"), "")
}

/// A certificate for both names of the host, and its key.
#[cfg(feature = "rustls")]
pub struct Identity(rcgen::CertifiedKey<rcgen::KeyPair>);

#[cfg(feature = "rustls")]
impl Identity {
    pub fn new() -> Self {
        Self(rcgen::generate_simple_self_signed([HERE.to_owned(), THERE.to_owned()]).unwrap())
    }

    pub fn certificate(&self) -> String {
        self.0.cert.pem()
    }

    fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
        let key = PrivateKeyDer::try_from(self.0.signing_key.serialize_der()).unwrap();
        // Named, because the tests' own HTTP clients bring another one.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let config = config.with_single_cert(vec![self.0.cert.der().clone()], key).unwrap();
        Arc::new(config).into()
    }
}
