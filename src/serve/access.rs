//! Who may ask: whoever knows the token, from a page that is allowed to, by a name that is this service's.

use std::{fmt, net::IpAddr};

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::{Host, Url};

use super::problem::Problem;
use crate::error::{Error, Result};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Shortest token. What is shorter can be guessed.
const SHORTEST: usize = 16;

/// What a request must show.
#[derive(Debug, Clone)]
pub(super) struct Access {
    token: Option<Secret>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// A digest of the token: all are of one length, so that comparing them takes the same time for each.
#[derive(Clone)]
struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Access {
    pub(super) fn new(token: Option<&str>, hosts: &[String], origins: &[String]) -> Result<Self> {
        if token.is_some_and(|token| token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            let problem = format!("must be at least {SHORTEST} characters of ASCII, without spaces");
            return Err(Error::invalid("token", problem));
        }
        for origin in origins {
            // As browsers send it, or it never matches: small letters, no port that goes without saying.
            let url = Url::parse(origin).ok().filter(|url| ["http", "https"].contains(&url.scheme()));
            if url.is_none_or(|url| url.origin().ascii_serialization() != *origin) {
                let problem = format!(
                    "`{origin}` is not an origin; one is `https://example.org`, in small letters, without a path and \
                     without the usual port"
                );
                return Err(Error::invalid("origin", problem));
            }
        }
        for host in hosts {
            let host = host.to_ascii_lowercase();
            let is_name = Host::parse(without_port(&host)).is_ok_and(|name| name.to_string() == without_port(&host));
            if !is_name || host.contains('*') {
                let problem = format!("`{host}` is not the name of a host; one is `studio.example.org`");
                return Err(Error::invalid("host", problem));
            }
        }
        Ok(Self {
            token: token.map(|token| Secret(Sha256::digest(token).into())),
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: origins.to_vec(),
        })
    }

    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Lets pages of the origins that are named ask, and no others.
    pub(super) fn cors(&self) -> CorsLayer {
        let origins: Vec<HeaderValue> = self.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                super::IDEMPOTENCY_KEY,
                super::PREFER,
                // What agents in pages send besides.
                SESSION,
                HeaderName::from_static("mcp-protocol-version"),
                HeaderName::from_static("mcp-method"),
                HeaderName::from_static("mcp-name"),
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers([header::LOCATION, header::RETRY_AFTER, PREFERENCE_APPLIED, SESSION])
    }

    /// Refuses a request that may not be answered.
    pub(super) fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let host = host(headers, uri)?;
        if !self.is_own(&host) {
            // A name that somebody made point here, so that a page of that name may ask.
            let detail = "the Host header names another service; names other than localhost have to be allowed first";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail));
        }
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let of_this = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(&host));
            if !of_this && !self.origins.iter().any(|allowed| allowed == origin) {
                let detail = "pages of this origin may not use this service";
                return Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail));
            }
        }
        match &self.token {
            Some(token) if !given(headers).is_some_and(|given| token.is(&given)) => {
                let detail = "this service wants its token: `Authorization: Bearer TOKEN`";
                Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether a name, with or without a port, is one of this service. Addresses of digits cannot be rebound.
    fn is_own(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = without_port(&host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        name == "localhost"
            || address.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(|own| *own == host || own == name)
    }
}

impl Secret {
    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given).into();
        self.0.ct_eq(&given).into()
    }
}

/// The one host that a request names.
fn host(headers: &HeaderMap, uri: &Uri) -> Result<String, Problem> {
    let mut named = headers.get_all(header::HOST).iter();
    let malformed = || Problem::new(StatusCode::BAD_REQUEST, "host", "a request needs one Host header");
    match (uri.authority(), named.next(), named.next()) {
        (_, _, Some(_)) | (None, None, _) => Err(malformed()),
        (Some(authority), _, _) => Ok(authority.as_str().to_owned()),
        (None, Some(host), None) => host.to_str().map(str::to_owned).map_err(|_| malformed()),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// The token of a request: a bearer token, or for browsers the password of a login.
fn given(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    match () {
        () if scheme.eq_ignore_ascii_case("bearer") => Some(rest.trim().to_owned()),
        () if scheme.eq_ignore_ascii_case("basic") => {
            let pair = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
            Some(pair.split_once(':')?.1.to_owned())
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn check(access: &Access, headers: &[(&str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<axum::http::HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        access.check(&map, &Uri::from_static("/")).err().map(|problem| problem.status.as_u16())
    }

    #[test]
    fn only_names_of_this_service_are_answered() {
        let access = Access::new(None, &["Box.Example".into(), "odd.example:81".into()], &[]).expect("access");
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "192.168.0.7",
            "box.example:8080",
            "odd.example:81",
        ] {
            assert_eq!(check(&access, &[("host", host)]), None, "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "odd.example",
            "[::1",
            "x@localhost",
        ] {
            assert_eq!(check(&access, &[("host", host)]), Some(421), "{host}");
        }
        assert_eq!(check(&access, &[]), Some(400));
        assert_eq!(check(&access, &[("host", "localhost"), ("host", "evil.example")]), Some(400));
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_they_are_named() {
        let access = Access::new(None, &[], &["https://app.example".into()]).expect("access");
        let of = |origin| check(&access, &[("host", "127.0.0.1:8080"), ("origin", origin)]);
        assert_eq!(of("http://127.0.0.1:8080"), None);
        assert_eq!(of("https://app.example"), None);
        for origin in
            ["http://127.0.0.1:9999", "http://127.0.0.1", "null", "https://app.example.evil", "http://app.example"]
        {
            assert_eq!(of(origin), Some(403), "{origin}");
        }
        for wrong in [
            "*",
            "app.example",
            "https://app.example/",
            "ftp://x",
            "https://a b",
            "https://App.example",
            "https://app.example:443",
            "https://me@app.example",
        ] {
            assert!(Access::new(None, &[], &[wrong.into()]).is_err(), "{wrong}");
        }
        for wrong in ["", "*", "*.example", "http://box.example", "box.example/x", "a b", "box.example:x"] {
            assert!(Access::new(None, &[wrong.into()], &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_wanted_in_full() {
        let access = Access::new(Some(TOKEN), &[], &[]).expect("access");
        let of = |value: &str| check(&access, &[("host", "localhost"), ("authorization", value)]);
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        for right in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN} "), basic(&format!("me:{TOKEN}"))] {
            assert_eq!(of(&right), None, "{right}");
        }
        let short = &TOKEN[..15];
        for wrong in
            [format!("Bearer {short}"), format!("Bearer {TOKEN}x"), TOKEN.into(), "Bearer ".into(), basic(TOKEN)]
        {
            assert_eq!(of(&wrong), Some(401), "{wrong}");
        }
        assert_eq!(check(&access, &[("host", "localhost")]), Some(401));
        assert!(!format!("{access:?}").contains(TOKEN));
        assert!(Access::new(Some("short"), &[], &[]).is_err());
    }
}
