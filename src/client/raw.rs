//! Requests that the caller makes up, for anything that no method of this crate covers.

use bytes::Bytes;
use reqwest::{Method, header};
use serde_json::Value;

use crate::{
    Client,
    api::{OPERATIONS, Operation, runtime},
    error::{Error, Result},
    transport::{
        not_a_request,
        upload::{Form, Upload, attach},
    },
};

/// A request to any path of the server, for [`Client::request`].
///
/// ```
/// use invokeai_client::RawRequest;
///
/// let request = RawRequest::new("GET", "/api/v1/images/").query("limit", "5").query("is_intermediate", "false");
/// # drop(request);
/// ```
#[must_use]
pub struct RawRequest {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    body: Body,
}

crate::base::debug::short_debug! { RawRequest { method, path, query, body } }

#[derive(Debug, Default)]
enum Body {
    #[default]
    None,
    Json(Value),
    Form(Form),
}

/// What the server answered to a [`RawRequest`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawAnswer {
    /// HTTP status; a success.
    pub status: u16,
    /// Content type, as it came; empty if there was none.
    pub content_type: String,
    /// The body, whatever it is.
    pub body: Bytes,
}

/// Without the body, which may hold a token.
impl std::fmt::Debug for RawAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        crate::base::debug::whole(f, |f| {
            let mut out = f.debug_struct("RawAnswer");
            out.field("status", &self.status).field("content_type", &self.content_type);
            out.field("bytes", &self.body.len()).finish_non_exhaustive()
        })
    }
}

/// For a path that the document of this crate does not have.
const UNKNOWN: &str = "request";

impl RawRequest {
    /// A request with this method to this path of the server: `/api/v1/…`, after any prefix of a proxy.
    pub fn new(method: impl Into<String>, path: impl Into<String>) -> Self {
        let (method, path) = (method.into(), path.into());
        Self { method, path, query: Vec::new(), body: Body::None }
    }

    /// Adds a parameter to the query. A parameter may occur more than once.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sends this as the body.
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    /// Sends a text as a field of a multipart body.
    pub fn form_text(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let mut form = self.form();
        form.text(name.into(), value.into());
        self.body = Body::Form(form);
        self
    }

    /// Sends a file as a field of a multipart body.
    pub fn form_file(mut self, name: impl Into<String>, file: Upload) -> Self {
        let mut form = self.form();
        form.file(name.into(), file);
        self.body = Body::Form(form);
        self
    }

    /// The form so far. A body of another kind is dropped.
    fn form(&mut self) -> Form {
        match std::mem::take(&mut self.body) {
            Body::Form(form) => form,
            Body::None | Body::Json(_) => Form::default(),
        }
    }
}

impl Client {
    /// Sends a request as it is, with the token, headers, time limits and rules of this client: a read is retried after
    /// a transient failure, and follows redirects within the server's origin.
    ///
    /// What it leaves on the server is not [recorded](crate::assets).
    ///
    /// # Errors
    /// [`Error::InvalidInput`] if method or path cannot be sent; any error of a call.
    pub async fn request(&self, request: RawRequest) -> Result<RawAnswer> {
        let RawRequest { method, path, query, body } = request;
        if !is_plain(&path) {
            return Err(Error::invalid(
                "path",
                format!("`{}` must begin with `/`, without query, `.`, `..` and `\\`", path.escape_debug()),
            ));
        }
        let upper = method.to_ascii_uppercase();
        let known = Method::from_bytes(upper.as_bytes()).ok();
        let Some(method) = known.filter(|method| METHODS.contains(&method.as_str())) else {
            return Err(Error::invalid("method", format!("`{method}` is not one of {}", METHODS.join(", "))));
        };
        let operation = operation(&method, &path);
        let api = self.api();
        let built = api.client.request(method, format!("{}{path}", api.baseurl)).query(&query);
        let built = built.header(header::ACCEPT, "*/*");
        let request = match body {
            Body::None => built.build().map_err(not_a_request),
            Body::Json(value) => built.json(&value).build().map_err(not_a_request),
            Body::Form(form) => attach(Ok((built, form))).await,
        };
        let (status, content_type, body) = runtime::raw(api, &operation, request).await?;
        Ok(RawAnswer { status, content_type, body })
    }
}

/// Whether a path stays as it is, and so within the server's prefix, when it becomes a part of an address: there, `%2e` is
/// a dot, `\` is a slash, and control characters are nothing.
fn is_plain(path: &str) -> bool {
    let is_dots = |part: &str| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.starts_with('/')
        && !path.contains(|c: char| matches!(c, '?' | '#' | '\\') || c.is_control())
        && !path.split('/').any(is_dots)
}

const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// The operation of the document that has this path, for messages and for the rules that know operations.
fn operation(method: &Method, path: &str) -> Operation {
    let fits = |operation: &&Operation| operation.method == method.as_str() && operation.matches(path);
    // A path without parameters wins over one with.
    let found = OPERATIONS.iter().filter(fits).min_by_key(|operation| operation.path.matches('{').count());
    let method = METHODS.iter().find(|known| **known == method.as_str()).copied().unwrap_or("GET");
    found.copied().unwrap_or(Operation { id: UNKNOWN, method, path: "not in the API document" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_the_prefix_of_the_server() {
        let base = "http://127.0.0.1:9090/invoke";
        for path in ["/api/v1/boards/", "/api/v1/images/i/a..b.png", "/a%2eb", "/.../x", "/%2e%2ex", "/a b/\u{e9}"] {
            assert!(is_plain(path), "{path}");
            let url = url::Url::parse(&format!("{base}{path}")).unwrap();
            assert!(url.path().starts_with("/invoke/"), "{url}");
            assert_eq!(url.path().split('/').count(), path.split('/').count() + 1, "{url}");
        }
        for path in [
            "/../admin",
            "/./admin",
            "/%2e%2e/admin",
            "/.%2E/admin",
            "/%2e",
            "/api/..\\..\\admin",
            "/.\t./admin",
            "/a\n",
            "/a/..",
            "api",
            "",
            "/a?b",
            "/a#b",
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn paths_are_recognized() {
        for (method, path, id) in [
            (Method::GET, "/api/v1/images/", "list_image_dtos"),
            (Method::GET, "/api/v1/images/i/a.png", "get_image_dto"),
            (Method::GET, "/api/v1/app/version", "app_version"),
            (Method::GET, "/api/v1/app/nothing", UNKNOWN),
            (Method::DELETE, "/api/v1/app/version", UNKNOWN),
        ] {
            assert_eq!(operation(&method, path).id, id, "{method} {path}");
        }
    }
}
