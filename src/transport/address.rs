//! The address of a server, in the forms that people have at hand.

use url::{Host, Url};

use crate::{
    base::secrets,
    error::{Error, Result},
};

/// The last part of pages that FastAPI and InvokeAI serve beside the API (`invokeai/app/api_app.py`), and of the web
/// interface's own addresses. People copy them from the address bar.
const PAGES: [&str; 6] = ["docs", "redoc", "openapi.json", "index.html", "login", "setup"];

/// What every path of the API and of the event socket has after the path prefix of a proxy.
const ROOTS: [[&str; 2]; 2] = [["api", "v1"], ["ws", "socket.io"]];

/// Reads the address of a server, with or without a scheme, of the server itself or of one of its pages.
///
/// A path that is not InvokeAI's own is the prefix of a proxy, and stays.
pub(crate) fn base_url(text: &str) -> Result<Url> {
    let invalid = |url: String, problem: &str| Error::InvalidUrl { url, problem: problem.into() };
    let given = secrets::address_text(text);
    let mut url = match Url::parse(&with_scheme(text.trim())) {
        Ok(url) => url,
        Err(error) => return Err(invalid(given, &format!("{error}; expected http://host:port"))),
    };
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(invalid(given, "expected http://host:port or https://host"));
    }
    let given = secrets::address(&url);
    if !url.username().is_empty() || url.password().is_some() {
        let advice = "user name and password do not belong in the address: those of a proxy are set on their own (basic \
                      auth), those of InvokeAI are for logging in";
        return Err(invalid(given, advice));
    }
    if !keep_prefix(&mut url) && (url.query().is_some() || url.fragment().is_some()) {
        return Err(invalid(given, "it must not have a query or a fragment"));
    }
    url.set_query(None);
    url.set_fragment(None);
    // A server that listens on all addresses prints this one. Not every system can connect to it.
    let here = match url.host() {
        Some(Host::Ipv4(address)) if address.is_unspecified() => Some("127.0.0.1"),
        Some(Host::Ipv6(address)) if address.is_unspecified() => Some("[::1]"),
        _ => None,
    };
    if let Some(here) = here {
        url.set_host(Some(here)).map_err(|error| invalid(given, &error.to_string()))?;
    }
    Ok(url)
}

/// `localhost:9090` is read by [`Url`] as the scheme `localhost`.
fn with_scheme(text: &str) -> String {
    let Some((before, after)) = text.split_once(':') else {
        return if text.is_empty() { String::new() } else { format!("http://{}", text.trim_start_matches('/')) };
    };
    let port = after.split(['/', '?', '#']).next().unwrap_or_default();
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port && ["http", "https"].iter().any(|scheme| before.eq_ignore_ascii_case(scheme)) {
        // A port without a host, which would be read as the number of a host.
        return format!("http://:{after}");
    }
    if before.starts_with('[') || before.contains('/') || is_port {
        // Everybody who serves this port does so with TLS.
        let scheme = if port == "443" { "https" } else { "http" };
        return format!("{scheme}://{}", text.trim_start_matches('/'));
    }
    text.to_owned()
}

/// Cuts the path down to the prefix of a proxy, with a `/` at its end. Returns whether InvokeAI's own part was cut off.
fn keep_prefix(url: &mut Url) -> bool {
    let path = url.path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let root = segments.windows(2).rposition(|pair| ROOTS.iter().any(|root| root == pair));
    let page = segments.len().checked_sub(1).filter(|last| PAGES.contains(&segments[*last]));
    let end = root.or(page);
    let kept: String = segments[..end.unwrap_or(segments.len())].iter().map(|segment| format!("{segment}/")).collect();
    url.set_path(&format!("/{kept}"));
    end.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_paste_them() {
        for (given, base) in [
            ("http://127.0.0.1:9090", "http://127.0.0.1:9090/"),
            ("localhost:9090", "http://localhost:9090/"),
            ("  LocalHost:9090/ ", "http://localhost:9090/"),
            ("localhost", "http://localhost/"),
            ("192.168.1.7:9090", "http://192.168.1.7:9090/"),
            ("[::1]:9090", "http://[::1]:9090/"),
            ("//pictures.example.org", "http://pictures.example.org/"),
            ("pictures.example.org/invoke", "http://pictures.example.org/invoke/"),
            ("pictures.example.org:443", "https://pictures.example.org/"),
            ("http://0.0.0.0:9090", "http://127.0.0.1:9090/"),
            ("http://[::]:9090/", "http://[::1]:9090/"),
            ("http://localhost:9090/docs", "http://localhost:9090/"),
            ("http://localhost:9090/docs#/images/list_image_dtos", "http://localhost:9090/"),
            ("http://localhost:9090/redoc", "http://localhost:9090/"),
            ("localhost:9090/api/v1", "http://localhost:9090/"),
            ("https://example.org/invoke/api/v1/", "https://example.org/invoke/"),
            ("https://example.org/invoke/api/v1/boards/?all=true", "https://example.org/invoke/"),
            ("https://example.org/api/v1/behind/api/v1/app/version", "https://example.org/api/v1/behind/"),
            ("https://example.org/a//b/openapi.json", "https://example.org/a/b/"),
            ("wss://example.org/ws/socket.io/?EIO=4", ""),
            ("https://example.org/ws/socket.io/?EIO=4", "https://example.org/"),
            ("https://example.org/my%20docs", "https://example.org/my%20docs/"),
        ] {
            let read = base_url(given).map_or_else(|_| String::new(), |url| url.to_string());
            assert_eq!(read, base, "{given}");
        }
    }

    #[test]
    fn unusable_addresses_are_refused_without_showing_secrets() {
        for bad in [
            "",
            "ftp://example.org",
            "http://",
            "http:9090",
            "https:9090/docs",
            "http://a/?q=secret",
            "a:1/?q=secret",
            "http://u:secret@a/",
            "http://u:secret@a/docs",
            "u:secret@a b",
            "u:secret@a",
            "file:///x?secret",
        ] {
            let error = base_url(bad).unwrap_err();
            assert!(matches!(error, Error::InvalidUrl { .. }), "{bad}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
