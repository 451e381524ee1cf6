//! Texts of the InvokeAI server on their way to strangers.

/// The text without addresses and without absolute paths: both tell how the machine behind is set up.
pub(super) fn without_places(text: &str) -> String {
    let is_end = |c: char| c.is_whitespace() || "'\"`()[]{}<>,;".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if is_end(c) {
            push(&mut shown, &word);
            word.clear();
            shown.push(c);
        } else {
            word.push(c);
        }
    }
    push(&mut shown, &word);
    shown
}

fn push(shown: &mut String, word: &str) {
    let is_path = |word: &str| {
        let drive = word.chars().nth(1) == Some(':') && matches!(word.chars().nth(2), Some('\\' | '/'));
        drive || word.starts_with("\\\\") || word.starts_with("~/") || (word.starts_with('/') && word.len() > 1)
    };
    // A path may follow a name: `file=/opt/x`, `at:/opt/x`.
    let starts = std::iter::once(0).chain(word.match_indices(['=', ':']).map(|(at, _)| at + 1));
    let cut = match word.find("://") {
        Some(at) => Some((word[..at].rfind(|c: char| !c.is_alphanumeric()).map_or(0, |at| at + 1), "[address]")),
        None => starts.filter(|at| is_path(&word[*at..])).map(|at| (at, "[path]")).next(),
    };
    match cut {
        Some((at, place)) => {
            shown.push_str(word.get(..at).unwrap_or_default());
            shown.push_str(place);
        }
        None => shown.push_str(word),
    }
}

/// The text for HTML, whether between tags or in a quoted attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            c => shown.push(c),
        }
    }
    shown
}

/// A name for programs, of letters, digits and `separator`: `Positive Prompt` becomes `positive_prompt`. Empty if nothing
/// of it can be kept.
pub(super) fn slug(text: &str, separator: char) -> String {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with(separator) {
            name.push(separator);
        }
        if name.len() == 48 {
            break;
        }
    }
    name.trim_end_matches(separator).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_are_left_out() {
        for (text, shown) in [
            ("No file '/opt/invokeai/models/x.safetensors' here", "No file '[path]' here"),
            ("open(C:\\Users\\me\\x): denied", "open([path]): denied"),
            ("path=/srv/x, and 1/2 is half", "path=[path], and 1/2 is half"),
            ("asked http://10.0.0.7:9090/api?token=x", "asked [address]"),
            ("CUDA out of memory: 3 / 4 GB", "CUDA out of memory: 3 / 4 GB"),
            ("\\\\server\\share and ~/x", "[path] and [path]"),
            ("", ""),
        ] {
            assert_eq!(without_places(text), shown);
        }
    }

    #[test]
    fn names_for_programs_are_plain() {
        for (text, name) in [
            ("Positive Prompt", "positive_prompt"),
            ("  Größe (px) ", "gr_e_px"),
            ("文字", ""),
            ("../../etc", "etc"),
            ("a__b", "a_b"),
        ] {
            assert_eq!(slug(text, '_'), name);
        }
        assert_eq!(slug(&"x".repeat(500), '-').len(), 48);
    }

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(escaped("<a href='x'>\"&\""), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;&quot;");
    }
}
