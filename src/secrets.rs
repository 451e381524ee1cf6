//! What no message and no log may show.

/// Members of answers whose values no message may show. The server repeats what it was given, access tokens included.
const SECRETS: &[&str] = &["access_token", "api_key", "current_password", "new_password", "password", "token"];

/// Whether a member or a parameter of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// A text in which the values of secret JSON members are dots. It may be JSON, a piece of it, or none.
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

/// Where the quote is that ends a JSON string; `None` if it is cut before.
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
    // A long text is not copied whole. What is left out makes the rest shorter, so more than that is looked at.
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
