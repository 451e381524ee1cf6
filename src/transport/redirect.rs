//! What a redirect may do: lead a read to another place of the same server. Nothing else is followed.
//!
//! A redirect is only the server's word, or that of a proxy. To follow it to another host would hand over what a call
//! carries (token, password, picture) and take answers and fresh tokens from there; from https to http, everybody on
//! the way could read it. A write is not repeated elsewhere either: its first receiver may have carried it out.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::{
    Body, Method, Request, Response, StatusCode, Url,
    header::{self, HeaderValue},
};

use crate::{
    base::secrets,
    error::{Error, operation::Operation},
};

/// Longest chain of redirects, the limit of reqwest and of browsers alike.
const LONGEST: usize = 10;

/// How much of an address is shown.
const SHOWN: usize = 300;

/// The path of one call through redirects.
pub(crate) struct Trail {
    asked: Url,
    /// The request without its address, where it may be sent again: reads have no body.
    read: Option<Request>,
    hops: usize,
}

/// How a call goes on after an answer.
pub(crate) enum Step {
    /// The answer, from the place that was asked.
    Arrived(Response),
    /// The answer is elsewhere on the same server: send this.
    Onward(Request),
}

/// A redirect that is not followed.
#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Why not, and what to do.
    pub(crate) problem: String,
}

impl Redirect {
    /// The error of a call that was redirected.
    pub(super) fn of(self, operation: &Operation) -> Error {
        let Self { from, to, problem } = self;
        Error::Redirected { operation: operation.id, from, to, problem }
    }
}

/// Whether sending it again, here or elsewhere, changes nothing.
pub(crate) fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

impl Trail {
    pub(crate) fn of(request: &Request) -> Self {
        let read = if is_read(request) { request.try_clone() } else { None };
        Self { asked: request.url().clone(), read, hops: 0 }
    }

    /// Looks at an answer before anything of it is used.
    pub(crate) fn next(&mut self, response: Response) -> Result<Step, Redirect> {
        // A client made by the caller may have followed redirects by itself.
        if !self.is_where_asked(response.url()) {
            return Err(self.refusal(Some(response.url())));
        }
        let followed = matches!(
            response.status(),
            StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT
        );
        let Some(location) = response.headers().get(header::LOCATION).filter(|_| followed) else {
            return Ok(Step::Arrived(response));
        };
        let target = self.target(response.url(), location)?;
        match self.read.as_ref().and_then(Request::try_clone) {
            Some(mut onward) => {
                *onward.url_mut() = target.clone();
                self.asked = target;
                self.hops += 1;
                Ok(Step::Onward(onward))
            }
            None => Err(self.refusal(Some(&target))),
        }
    }

    /// Where to go on, from an answer of `url` with this `Location`.
    pub(crate) fn target(&self, url: &Url, location: &HeaderValue) -> Result<Url, Redirect> {
        let target = location.to_str().ok().and_then(|location| url.join(location).ok());
        let Some(mut target) = target.filter(|target| matches!(target.scheme(), "http" | "https")) else {
            return Err(self.refusal(None));
        };
        if self.read.is_none() || target.origin() != self.asked.origin() || self.hops >= LONGEST {
            return Err(self.refusal(Some(&target)));
        }
        // Neither can fail for an address with a host. What they hold is not ours to send.
        let _ = target.set_username("");
        let _ = target.set_password(None);
        Ok(target)
    }

    /// A read may end elsewhere in the same origin, anything else only where it was sent.
    fn is_where_asked(&self, url: &Url) -> bool {
        let same_place = || (url.path(), url.query()) == (self.asked.path(), self.asked.query());
        url.origin() == self.asked.origin() && (self.read.is_some() || same_place())
    }

    /// `to` is where the redirect leads, if that is an address at all.
    pub(crate) fn refusal(&self, to: Option<&Url>) -> Redirect {
        let problem = match to {
            None => "which is not the address of a web server".to_owned(),
            Some(to) if to.origin() != self.asked.origin() => {
                let what = match (self.asked.scheme(), to.scheme()) {
                    ("https", "http") => "is not encrypted",
                    _ => "is another server",
                };
                let advice = self.base_at(to).map_or_else(
                    || "is there a login page in front of InvokeAI?".to_owned(),
                    |base| format!("if that is InvokeAI, use {base} as the server's address"),
                );
                format!("which {what}, so neither token nor content went there; {advice}")
            }
            Some(to) if self.read.is_none() => {
                let advice = self.base_at(to).map(|base| format!("; use {base} as the server's address"));
                format!("but only reads follow redirects{}", advice.unwrap_or_default())
            }
            Some(_) => "after too many redirects in a row".to_owned(),
        };
        let to = to.map_or_else(|| "an unusable address".to_owned(), shown);
        Redirect { from: shown(&self.asked), to, problem }
    }

    /// The base URL for which the call would have gone to `to`, if that has the path of the call.
    fn base_at(&self, to: &Url) -> Option<Url> {
        // All paths of InvokeAI begin with one of these, behind the path prefix of the server.
        let path = self.asked.path();
        let begin = ["/api/v", "/openapi.json", "/ws/socket.io"].iter().find_map(|known| path.rfind(known))?;
        let prefix = to.path().strip_suffix(&path[begin..])?;
        let mut base = to.join("/").ok()?;
        let _ = base.set_username("");
        let _ = base.set_password(None);
        base.set_path(&format!("{prefix}/"));
        Some(base).filter(|base| base.as_str().len() <= SHOWN)
    }
}

/// An address for messages. The other side may send one of hundreds of kilobytes.
fn shown(url: &Url) -> String {
    let text = secrets::address(url);
    if text.len() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// A body that cannot be sent again: no client that follows redirects takes the call elsewhere with it.
///
/// Reqwest repeats a call only with a copy of its body. It can copy bytes and an empty body, but not a body that is
/// produced while it is sent. (A redirect that turns a call into a GET leaves the body behind.)
pub(crate) fn unrepeatable(body: Option<Body>) -> Body {
    match body {
        Some(streamed) if streamed.as_bytes().is_none() => streamed,
        body => Body::wrap(Once(body.as_ref().and_then(Body::as_bytes).map(Bytes::copy_from_slice))),
    }
}

struct Once(Option<Bytes>);

impl http_body::Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // An exact zero would mean that there is nothing to copy.
        self.0.as_ref().map_or_else(SizeHint::new, |bytes| SizeHint::with_exact(bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, from: &str, to: &str) -> String {
        let trail = Trail::of(&Request::new(method, Url::parse(from).unwrap()));
        let Redirect { from, to, problem } = trail.refusal(Some(&Url::parse(to).unwrap()));
        format!("{from} to {to}, {problem}")
    }

    #[test]
    fn a_refusal_names_both_places_and_the_address_to_use() {
        for (method, from, to, said) in [
            (
                Method::GET,
                "http://example.org/api/v1/app/version",
                "https://user:hush@example.org/api/v1/app/version?hush#hush",
                "http://example.org/api/v1/app/version to https://example.org/api/v1/app/version, which is another \
                 server, so neither token nor content went there; if that is InvokeAI, use https://example.org/ as the \
                 server's address",
            ),
            (
                Method::POST,
                "https://a/old/api/v1/auth/login",
                "http://a/new/api/v1/auth/login",
                "https://a/old/api/v1/auth/login to http://a/new/api/v1/auth/login, which is not encrypted, so neither \
                 token nor content went there; if that is InvokeAI, use http://a/new/ as the server's address",
            ),
            (
                Method::GET,
                "https://a/openapi.json",
                "https://login.a/?next=/openapi.json",
                "https://a/openapi.json to https://login.a/, which is another server, so neither token nor content \
                 went there; is there a login page in front of InvokeAI?",
            ),
            (
                Method::POST,
                "http://a/api/v1/boards/?board_name=hush",
                "http://a/b/api/v1/boards/",
                "http://a/api/v1/boards/ to http://a/b/api/v1/boards/, but only reads follow redirects; use \
                 http://a/b/ as the server's address",
            ),
        ] {
            assert_eq!(refused(method, from, to), said);
        }
    }

    #[test]
    fn a_long_address_is_cut_short() {
        let long = "x".repeat(100_000);
        for to in [format!("http://b/{long}/api/v1/boards/"), format!("http://a/{long}"), format!("http://b/?{long}")] {
            let said = refused(Method::POST, "http://a/api/v1/boards/", &to);
            assert!(said.len() < 1000 && said.contains("http://a/api/v1/boards/ to http://"), "{said}");
        }
    }
}
