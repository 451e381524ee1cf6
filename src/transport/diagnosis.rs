//! Why there is no connection, in terms that users can act on.

use std::{error::Error as AnyError, fmt};

use url::Url;

use crate::error::reason;

/// A known reason for a failed connection, with advice. It takes the place of its cause.
#[derive(Debug)]
struct Explained(String);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AnyError for Explained {}

/// The cause with the advice that belongs to it; `None` where the cause says all that is known.
///
/// TLS libraries have no kinds that could be looked at here, so their words are.
pub(super) fn explained(url: &str, cause: &reqwest::Error) -> Option<impl AnyError + Send + Sync + 'static> {
    let said = reason(cause);
    let all = format!("{cause:?}").to_ascii_lowercase();
    let has = |text: &str| said.to_ascii_lowercase().contains(text) || all.contains(text);
    let url = Url::parse(url).ok()?;
    let text = if has("tunnel") || has("proxy auth") || has("proxyconnect") {
        let host = url.host_str().unwrap_or_default();
        format!(
            "{said}: the proxy in this machine's settings (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) cannot reach it; \
             NO_PROXY={host} bypasses the proxy"
        )
    } else if url.scheme() == "https" && (has("invalidcontenttype") || has("corrupt message") || has("wrong version")) {
        format!("{said}: the server does not use encryption; its address is {}", with_scheme("http", &url))
    } else if has("unknownissuer") || has("selfsigned") || has("self-signed") || has("unable to get local issuer") {
        format!(
            "{said}: its certificate is not from an authority that this system trusts; add its authority to the \
                 system's certificates"
        )
    } else if has("no ca certificates") {
        "this system has no certificates of authorities, which https needs; install them (on most systems the package \
         ca-certificates), or name a file that has them in SSL_CERT_FILE"
            .to_owned()
    } else if has("notvalidforname") || has("not valid for name") {
        format!("{said}: the certificate is for another name; use the name in the certificate")
    } else if has("expired") && has("certificate") {
        format!("{said}: the server's certificate has expired, or this machine's clock is wrong")
    } else if url.scheme() == "http" && (has("invalid http version") || has("parse(version)")) {
        format!(
            "{said}: the answer is not HTTP; if the server uses encryption, its address is {}",
            with_scheme("https", &url)
        )
    } else {
        return None;
    };
    Some(Explained(text))
}

/// What to say instead of the answer of a web server to an unencrypted request on its encrypted port (nginx, Apache, Go).
pub(super) fn wants_https(url: &Url, body: &[u8]) -> Option<String> {
    const SAID: [&str; 3] = ["to https port", "to an https server", "ssl-enabled server port"];
    let text = String::from_utf8_lossy(body).to_ascii_lowercase();
    let is_meant = url.scheme() == "http" && SAID.iter().any(|said| text.contains(said));
    is_meant.then(|| format!("the server uses encryption; its address is {}", with_scheme("https", url)))
}

/// The address of the server with another scheme.
fn with_scheme(scheme: &str, url: &Url) -> String {
    format!("{scheme}://{}", &url[url::Position::BeforeHost..url::Position::AfterPort])
}
