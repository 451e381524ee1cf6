//! What generated operations call: checks of parameters, and the reading of answers.

use std::fmt::Display;

use bytes::Bytes;
use futures::future::BoxFuture;
use progenitor_client::{ByteStream, ResponseValue};
use reqwest::{
    Method, Request, RequestBuilder, Response, StatusCode,
    header::{self, HeaderMap},
};
use serde::de::DeserializeOwned;

use super::{Client, Operation, operations};
pub(super) use crate::transport::not_a_request;
use crate::{
    compatibility::Compatibility,
    error::{BodyFault, Detail, Error, Result},
    json::{lenient, weight::Meter},
    transport::{body, page::too_costly},
};

const JSON: &str = "application/json";

/// An error shows an excerpt of the text that could not be read, which comes from within this many bytes.
const EXCERPTED: usize = 2048;

/// Begins a request that is to be answered with JSON. An error if HTTP has no such method: any other in its place might
/// do what nobody asked for.
pub(crate) fn begin(client: &Client, operation: &Operation, url: String) -> Result<RequestBuilder> {
    let method = operation.method.parse::<Method>().map_err(|error| Error::invalid("method", error.to_string()))?;
    let http = &client.client;
    Ok(http.request(method, url).header(header::ACCEPT, JSON))
}

/// Sends a request and reads its answer as JSON.
pub(crate) fn json<'a, T: DeserializeOwned + 'a>(
    client: &'a Client,
    operation: &'a Operation,
    request: Result<Request>,
) -> BoxFuture<'a, Result<ResponseValue<T>>> {
    let body = json_body(client, operation, request);
    Box::pin(async move {
        let (status, headers, body) = body.await?;
        Ok(ResponseValue::new(decode(operation, &body, client.transport.options().json_memory)?, status, headers))
    })
}

/// Sends a request, reads its answer as JSON, and returns only the value.
pub(crate) fn json_as<'a, T: DeserializeOwned + 'a>(
    client: &'a Client,
    operation: &'a Operation,
    request: Result<Request>,
) -> BoxFuture<'a, Result<T>> {
    let body = json_body(client, operation, request);
    Box::pin(async move {
        let (_, _, body) = body.await?;
        decode(operation, &body, client.transport.options().json_memory)
    })
}

/// The part of `json` that does not depend on the answer's type: boxed, so that it is compiled once instead of once per
/// type.
fn json_body<'a>(
    client: &'a Client,
    operation: &'a Operation,
    request: Result<Request>,
) -> BoxFuture<'a, Result<(StatusCode, HeaderMap, Bytes)>> {
    Box::pin(async move {
        let response = send(client, operation, request).await?;
        let content_type = content_type(&response);
        if is_web_page(&content_type) {
            return Err(lacking(client, operation, not_the_api(operation, content_type, JSON)).await);
        }
        if !is_json(&content_type) {
            return Err(not_the_api(operation, content_type, JSON));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body(&client.transport, operation, response, client.transport.options().json_limit).await?;
        Ok((status, headers, body))
    })
}

/// Sends a request whose answer has no content.
pub(crate) fn empty<'a>(
    client: &'a Client,
    operation: &'a Operation,
    request: Result<Request>,
) -> BoxFuture<'a, Result<ResponseValue<()>>> {
    Box::pin(async move {
        let response = send(client, operation, request).await?;
        refuse_web_page(client, operation, &response).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        // Read to its end, so that the connection can serve the next call.
        body(&client.transport, operation, response, client.transport.options().json_limit).await?;
        Ok(ResponseValue::new((), status, headers))
    })
}

/// Sends a request whose answer is a file. Its content type is in the answer's headers.
pub(crate) fn stream<'a>(
    client: &'a Client,
    operation: &'a Operation,
    request: Result<Request>,
) -> BoxFuture<'a, Result<ResponseValue<ByteStream>>> {
    Box::pin(async move {
        let response = send(client, operation, request).await?;
        // One operation really answers with a web page.
        if operation.id != "install_hugging_face_model" {
            refuse_web_page(client, operation, &response).await?;
        }
        Ok(ResponseValue::stream(response))
    })
}

/// Sends the caller's own request, and reads its answer whatever it is: status, content type and body.
pub(crate) async fn raw(
    client: &Client,
    operation: &Operation,
    request: Result<Request>,
) -> Result<(u16, String, Bytes)> {
    let response = send(client, operation, request).await?;
    if operation.id != "install_hugging_face_model" {
        refuse_web_page(client, operation, &response).await?;
    }
    let (status, content_type) = (response.status().as_u16(), content_type(&response));
    let body = body(&client.transport, operation, response, client.transport.options().json_limit).await?;
    Ok((status, content_type, body))
}

/// Version of the server: asked once, then remembered.
pub(crate) async fn server_version(client: &Client) -> Result<String> {
    const OPERATION: Operation = Operation { id: "app_version", method: "GET", path: "/api/v1/app/version" };
    struct AppVersion {
        version: String,
    }

    crate::json::record::readable! { AppVersion { 0 version } }
    if let Some(version) = client.transport.version() {
        return Ok(version.to_owned());
    }
    let request = client.client.get(format!("{}{}", client.baseurl, OPERATION.path)).build().map_err(not_a_request)?;
    let body = fixed_body(client, &OPERATION, request).await?;
    let AppVersion { version } = decode(&OPERATION, &body, client.transport.options().json_memory)?;
    Ok(client.transport.learn_version(version).to_owned())
}

/// Sends a request. The server answers 405 to anything but a GET on a path that it does not have. To a GET it answers
/// with its web page, or, before 6.12, with a 404 that has the text of any other.
async fn send(client: &Client, operation: &Operation, request: Result<Request>) -> Result<Response> {
    match client.transport.send(operation, request?).await {
        Err(error) if error.status() == Some(405) => Err(lacking(client, operation, error).await),
        Err(error) if error.is_not_found() && error.detail() == Some(&Detail::Text("Not Found".into())) => {
            Err(lacking(client, operation, error).await)
        }
        outcome => outcome,
    }
}

/// The text of the server's own OpenAPI document, whose operations are remembered.
pub(crate) async fn openapi(client: &Client) -> Result<String> {
    let request = client.client.get(format!("{}{}", client.baseurl, DOCUMENT.path)).build().map_err(not_a_request)?;
    let body = fixed_body(client, &DOCUMENT, request).await?;
    let document = String::from_utf8(body.into()).map_err(|error| not_a_document(&error, error.as_bytes()))?;
    client.transport.learn_operations(|| operations::listed(&document));
    Ok(document)
}

const DOCUMENT: Operation = Operation { id: "openapi", method: "GET", path: "/openapi.json" };

/// The server's OpenAPI document would take too much memory.
pub(crate) fn costly_document(problem: &dyn std::error::Error) -> Error {
    Error::body(DOCUMENT.id, BodyFault::TooLarge, problem.to_string())
}

/// The server's answer is not an OpenAPI document.
pub(crate) fn not_a_document(problem: &dyn std::error::Error, document: &[u8]) -> Error {
    let shown = String::from_utf8_lossy(&document[..document.len().min(EXCERPTED)]);
    Error::decode(DOCUMENT.id, ".", problem.to_string(), &shown)
}

/// A read that every version has. Not by way of `json`, which comes here where an operation is missing.
fn fixed_body<'a>(client: &'a Client, operation: &'a Operation, request: Request) -> BoxFuture<'a, Result<Bytes>> {
    Box::pin(async move {
        let response = client.transport.send(operation, request).await?;
        let content_type = content_type(&response);
        if !is_json(&content_type) {
            return Err(not_the_api(operation, content_type, JSON));
        }
        body(&client.transport, operation, response, client.transport.options().json_limit).await
    })
}

/// Whether the thing that an operation is about may be missing. A queue never is: every name is one.
fn names_a_thing(path: &str) -> bool {
    path.replace("{queue_id}", "").contains('{')
}

/// Distinguishes a server that lacks an operation from an address that is not InvokeAI's: the former has a version.
///
/// Boxed, because it is rarely needed and would make the future of every call larger.
fn lacking<'a>(client: &'a Client, operation: &Operation, otherwise: Error) -> BoxFuture<'a, Error> {
    let operation = *operation;
    Box::pin(async move {
        // InvokeAI's own web page is for reads of unknown paths. If a write is answered with one, it comes from
        // somebody in between, and InvokeAI may have carried the write out.
        if matches!(otherwise, Error::NotTheApi { .. }) && !matches!(operation.method, "GET" | "HEAD") {
            return otherwise;
        }
        let version = match server_version(client).await {
            Ok(version) => version,
            // Every InvokeAI has a version, so this is something else that answers as FastAPI does. Where the path names a
            // thing, that may be what is missing.
            Err(error) if error.is_not_found() && operation.method == "GET" && !names_a_thing(operation.path) => {
                return not_the_api(&operation, "a plain `not found`".into(), JSON);
            }
            Err(_) => return otherwise,
        };
        if let Some(status @ (404 | 405)) = otherwise.status() {
            // The thing may be missing, or the operation.
            if status == 404 && Compatibility::of(&*version).has_web_page_for_unknown_paths() {
                return otherwise;
            }
            if client.transport.offers(&operation).is_none()
                && let Err(error) = openapi(client).await
            {
                tracing::debug!(%error, "cannot ask the server for its operations");
            }
            match client.transport.offers(&operation) {
                Some(true) => return otherwise,
                None if status == 404 => return otherwise,
                Some(false) | None => {}
            }
        }
        Error::unsupported(operation.id, Some(version))
    })
}

/// The server answers unknown paths with its web page and status 200.
async fn refuse_web_page(client: &Client, operation: &Operation, response: &Response) -> Result<()> {
    let content_type = content_type(response);
    if !is_web_page(&content_type) {
        return Ok(());
    }
    Err(lacking(client, operation, not_the_api(operation, content_type, "an answer of the API")).await)
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind == JSON || kind.ends_with("+json")
}

fn is_web_page(content_type: &str) -> bool {
    content_type.starts_with("text/html")
}

fn not_the_api(operation: &Operation, content_type: String, expected: &'static str) -> Error {
    let Operation { id, method, path, .. } = *operation;
    let content_type = if content_type.is_empty() { "no content type".into() } else { content_type };
    Error::NotTheApi { operation: id, method, path, content_type, expected }
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Reads JSON, and reports where it differs from what was expected. `always` is how much memory it may take in any
/// case.
pub(crate) fn decode<T: DeserializeOwned>(operation: &Operation, body: &[u8], always: usize) -> Result<T> {
    let meter = Meter::of(body.len(), always);
    lenient::from_slice(body, &meter).map_err(|misfit| match meter.is_exceeded() {
        true => too_costly(operation.id, body.len(), &meter),
        false => {
            let shown = match operation.path.contains("/auth/") {
                // These answers hold tokens and passwords.
                true => "".into(),
                false => String::from_utf8_lossy(&body[..body.len().min(EXCERPTED)]),
            };
            Error::misfit(operation.id, "", &misfit, &shown)
        }
    })
}

/// Refuses values that would change which path is called.
///
/// An empty one reaches the collection instead of its member; `.` and `..` are resolved away before sending.
pub(crate) fn path_parameter(name: &'static str, value: &impl ToString) -> Result<()> {
    match value.to_string().as_str() {
        "" => Err(Error::invalid(name, "is empty")),
        text @ ("." | "..") => Err(Error::invalid(name, format!("is `{text}`, which is not a name"))),
        _ => Ok(()),
    }
}

/// A setter of a builder could not convert its value, or was never called.
pub(crate) fn invalid_parameter(complaint: String) -> Error {
    // Progenitor says "board_id was not initialized" or "conversion to `i64` for limit failed", for a body with
    // ": " and a reason.
    if let Some(name) = complaint.strip_suffix(" was not initialized") {
        return Error::invalid(name, "is required and was not set");
    }
    let conversion = complaint.strip_prefix("conversion to `").and_then(|rest| rest.split_once("` for "));
    match conversion.and_then(|(kind, rest)| Some((kind, rest.split_once(" failed")?))) {
        // A body says which of its members is the problem.
        Some((kind, (name, reason))) => {
            Error::invalid(name, format!("cannot be converted to `{}`{reason}", kind.replace(' ', "")))
        }
        None => Error::invalid("request", complaint),
    }
}

/// The value of a parameter that must come.
pub(crate) fn required<V: TryInto<T>, T>(value: V, complaint: &str) -> Result<T, String> {
    value.try_into().map_err(|_| complaint.to_owned())
}

/// The value of a parameter that may be left out.
pub(crate) fn optional<V: TryInto<T>, T>(value: V, complaint: &str) -> Result<Option<T>, String> {
    required(value, complaint).map(Some)
}

/// The value of a member of a body.
pub(crate) fn member<V: TryInto<T, Error: Display>, T>(value: V, complaint: &str) -> Result<T, String> {
    value.try_into().map_err(|error| format!("{complaint}{error}"))
}

/// A whole body, as what builds it.
pub(crate) fn whole<V: TryInto<T, Error: Display>, T, B: From<T>>(value: V, complaint: &str) -> Result<B, String> {
    member(value, complaint).map(B::from)
}

/// Calls a setter if there is a value.
pub(crate) fn maybe<B, V>(builder: B, value: Option<V>, set: impl FnOnce(B, V) -> B) -> B {
    match value {
        Some(value) => set(builder, value),
        None => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_http_does_not_have_is_an_error_and_not_a_read() {
        let client = crate::Client::new("http://127.0.0.1:9").unwrap();
        let begun = |method| {
            let operation = Operation { id: "some", method, path: "/some" };
            begin(client.api(), &operation, "http://127.0.0.1:9/some".to_owned())
        };
        let request = begun("DELETE").unwrap().build().unwrap();
        assert_eq!((request.method(), &request.headers()[header::ACCEPT]), (&Method::DELETE, &JSON.parse().unwrap()));
        for method in ["", "NO SUCH METHOD"] {
            let error = begun(method).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { .. }), "{method}: {error:?}");
        }
    }
}
