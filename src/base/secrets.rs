//! What no message and no log may show: tokens, passwords, keys, and the parts of an address that may hold them.

use std::{fmt, sync::Arc};

#[cfg(feature = "client")]
use reqwest::header::{HeaderValue, InvalidHeaderValue};
#[cfg(feature = "client")]
use url::Url;

/// A token. Its `Debug` says only that there is one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(Arc<str>);

impl Token {
    pub(crate) fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    #[cfg(feature = "client")]
    /// The value of an `Authorization` header, which does not show itself either.
    pub(crate) fn header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(feature = "client")]
/// An address for messages: no user, no password, no query, no fragment.
pub(crate) fn address(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for addresses that cannot have a user, and so have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

#[cfg(feature = "client")]
/// The same, for a text that should be an address. One that is not may still hold a password before an `@`, or a secret
/// after a `?`.
pub(crate) fn address_text(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => address(&url),
        _ => text.rsplit('@').next().and_then(|rest| rest.split(['?', '#']).next()).unwrap_or_default().to_owned(),
    }
}

/// Members of answers whose values no message may show. The server repeats what it was given, including access tokens.
const SECRETS: &[&str] = &["access_token", "api_key", "current_password", "new_password", "password", "token"];

/// Whether a member or a parameter of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// A text in which the values of secret JSON members are replaced by dots. It may be JSON, a piece of JSON, or neither.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut shown = text.to_owned();
    for name in SECRETS {
        let quoted = format!("\"{name}\"");
        let mut from = 0;
        while let Some(at) = shown.get(from..).and_then(|rest| rest.find(&quoted)) {
            from += at + quoted.len();
            let rest = &shown[from..];
            let value = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ':');
            if let Some(value) = value.strip_prefix('"') {
                let begin = shown.len() - value.len();
                let end = end_of_string(value).map_or(shown.len(), |end| begin + end);
                shown.replace_range(begin..end, "…");
            }
        }
    }
    shown
}

/// The position of the quote that ends a JSON string; `None` if the text is cut off before.
fn end_of_string(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices()
        .find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map(|(at, _)| at)
}

/// Cuts a text to a few hundred characters, at a character's end. Secrets in JSON are left out.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 300;
    // A long text is not copied whole. What is left out makes the rest shorter, so more than that is examined.
    let begin = text.char_indices().nth(8 * LONGEST).map_or(text, |(end, _)| &text[..end]);
    let text = without_secrets(begin);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "client")]
    #[test]
    fn addresses_are_shown_without_what_may_be_secret() {
        for (text, shown) in [
            ("http://user:hush@a:9090/path?key=hush#hush", "http://a:9090/path"),
            ("user:hush@a b", "a b"),
            ("a b?hush", "a b"),
            ("", ""),
        ] {
            assert_eq!(address_text(text), shown);
        }
    }

    #[test]
    fn secrets_are_left_out_of_json_whole_or_cut() {
        for (text, shown) in [
            (r#"{"token": "a\"b", "x": 1, "password":"p"}"#, r#"{"token": "…", "x": 1, "password":"…"}"#),
            (r#"{"source":{"access_token":"hush"#, r#"{"source":{"access_token":"…"#),
            (r#"{"access_token": null, "token_epoch": "0"}"#, r#"{"access_token": null, "token_epoch": "0"}"#),
            (r#"the "token" is "wrong""#, r#"the "token" is "wrong""#),
            ("\"token\"", "\"token\""),
            ("é", "é"),
        ] {
            assert_eq!(excerpt(text), shown);
        }
    }
}
