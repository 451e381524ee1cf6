//! The caller's own headers, for proxies in front of a server.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{
    Request,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};

use crate::error::{Error, Result};

/// Headers that are sent with every request to the server, including the one that opens the event socket, and never to
/// anybody else. Their values may be secrets, so they are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ExtraHeaders(Vec<(String, String)>);

/// They belong to the connection or to the content of one request, and would break every call.
const OWN: [HeaderName; 9] = [
    // InvokeAI answers 500 to some calls when compression is accepted.
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::RANGE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

impl ExtraHeaders {
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn basic_auth(&mut self, user: &str, password: &str) {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.push(header::AUTHORIZATION.as_str(), &format!("Basic {pair}"));
    }

    /// As HTTP takes them. `keeps_origin` is false for a client of the caller, which may follow redirects by itself and
    /// then takes along all headers except the well-known secret ones.
    pub(crate) fn into_map(self, keeps_origin: bool) -> Result<HeaderMap> {
        let mut map = HeaderMap::new();
        for (text, value) in self.0 {
            let field = format!("header {text}");
            let invalid = |problem: &str| Error::invalid(&field, problem);
            let name = HeaderName::from_bytes(text.trim().as_bytes())
                .map_err(|_| invalid("is not the name of an HTTP header; expected letters, digits and `-`"))?;
            if OWN.contains(&name) || name.as_str().starts_with("sec-websocket-") {
                return Err(invalid("is set for each call by this crate"));
            }
            if !keeps_origin && name != header::AUTHORIZATION && name != header::COOKIE {
                let advice = "may be taken to another server by a client that follows redirects by itself; set it as a \
                              default header of the client given to `http_client`";
                return Err(invalid(advice));
            }
            let mut value = HeaderValue::from_str(value.trim())
                .map_err(|_| invalid("has a value with characters that are not allowed in an HTTP header"))?;
            value.set_sensitive(true);
            if name == header::AUTHORIZATION && map.contains_key(&name) {
                return Err(invalid("is given twice"));
            }
            map.append(name, value);
        }
        Ok(map)
    }
}

/// Adds the headers that the request does not have.
pub(crate) fn add(headers: &HeaderMap, request: &mut Request) {
    for name in headers.keys() {
        if !request.headers().contains_key(name) {
            for value in headers.get_all(name) {
                request.headers_mut().append(name, value.clone());
            }
        }
    }
}

/// Names only.
impl fmt::Debug for ExtraHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_and_their_values_never_shown() {
        for (name, value, problem) in [
            ("X Key", "hush", "not the name"),
            ("", "hush", "not the name"),
            ("X-Key", "hu\nsh", "characters"),
            ("Content-Length", "hush", "set for each call"),
            ("sec-websocket-key", "hush", "set for each call"),
        ] {
            let mut headers = ExtraHeaders::default();
            headers.push(name, value);
            assert!(!format!("{headers:?}").contains("sh"), "{headers:?}");
            let error = headers.into_map(true).unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(name) && !error.contains("hush"), "{error}");
        }
        let mut headers = ExtraHeaders::default();
        headers.push("X-Key", "hush");
        headers.basic_auth("anna", "hush");
        assert!(headers.clone().into_map(false).unwrap_err().to_string().contains("http_client"));
        let map = headers.into_map(true).unwrap();
        assert_eq!(map["authorization"], "Basic YW5uYTpodXNo");
        assert!(!format!("{map:?}").contains("hush"), "{map:?}");
    }
}
