//! The warning that a secret travels unencrypted.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest::{
    Request,
    header::{AUTHORIZATION, HeaderValue},
};
use url::{Host, Url};

use crate::base::secrets::{is_secret, without_secrets};

/// Warns once in the life of a client. Clones count as one.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClearText {
    warned: Arc<AtomicBool>,
}

impl ClearText {
    /// Looks at a request that is about to be sent.
    pub(crate) fn notice(&self, request: &Request) {
        if is_exposed(request.url()) && !self.warned.load(Ordering::Relaxed) {
            if request.headers().contains_key(AUTHORIZATION) {
                self.notice_token(request.url());
            } else if request.headers().values().any(HeaderValue::is_sensitive) {
                self.warn(request.url(), "a header that may be secret");
            } else if holds_secret(request) {
                self.warn(request.url(), "a password or key");
            }
        }
    }

    /// A token is about to be sent there.
    pub(crate) fn notice_token(&self, url: &Url) {
        self.warn(url, "the token");
    }

    fn warn(&self, url: &Url, what: &str) {
        if is_exposed(url) && !self.warned.swap(true, Ordering::Relaxed) {
            let host = url.host_str().unwrap_or_default();
            tracing::warn!(host, "{what} goes to {host} unencrypted, and can be read on the way: use an https address");
        }
    }
}

/// Whether what is sent there crosses a network in clear text.
fn is_exposed(url: &Url) -> bool {
    url.scheme() == "http"
        && match url.host() {
            Some(Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                // RFC 6761, section 6.3: these names mean this machine.
                name != "localhost" && !name.ends_with(".localhost")
            }
            Some(Host::Ipv4(address)) => !address.is_loopback(),
            Some(Host::Ipv6(address)) => !address.to_canonical().is_loopback(),
            None => false,
        }
}

fn holds_secret(request: &Request) -> bool {
    let body = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    request.url().query_pairs().any(|(name, _)| is_secret(&name)) || {
        let text = String::from_utf8_lossy(body);
        without_secrets(&text) != text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    #[test]
    fn loopback_is_no_network() {
        for (url, exposed) in [
            ("http://example.org/", true),
            ("http://192.168.1.7:9090/", true),
            ("http://[fe80::1]/", true),
            ("http://localhost.example.org/", true),
            ("http://localhost:9090/", false),
            ("http://LOCALHOST./", false),
            ("http://invoke.localhost/", false),
            ("http://127.0.0.1/", false),
            ("http://127.9.9.9/", false),
            ("http://[::1]/", false),
            ("http://[::ffff:127.0.0.1]/", false),
            ("https://example.org/", false),
        ] {
            assert_eq!(is_exposed(&Url::parse(url).unwrap()), exposed, "{url}");
        }
    }

    #[test]
    fn secrets_are_noticed_wherever_they_are() {
        let request = |url: &str, body: &'static str| {
            let mut request = Request::new(Method::POST, Url::parse(url).unwrap());
            *request.body_mut() = Some(body.into());
            request
        };
        for (request, noticed) in [
            (request("http://a/login", r#"{"email": "x", "password": "p"}"#), true),
            (request("http://a/install?source=x&access_token=t", "{}"), true),
            (request("http://a/boards?board_name=password", r#"{"name": "password", "token": null}"#), false),
        ] {
            let clear_text = ClearText::default();
            clear_text.notice(&request);
            assert_eq!(clear_text.warned.load(Ordering::Relaxed), noticed, "{request:?}");
        }
    }
}
