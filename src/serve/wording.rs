//! Texts of the InvokeAI server on their way to strangers.

/// What is left out of a text stands as one of these.
const PATH: &str = "[path]";
const ADDRESS: &str = "[address]";
const SECRET: &str = "[…]";

/// What names a secret that follows.
const SECRETS: [&str; 9] =
    ["token", "password", "passwd", "secret", "authorization", "bearer", "cookie", "apikey", "credential"];

/// Longest run of letters and digits together that is a word, and not a token, a hash or an id.
const WORD: usize = 19;

/// The text without what tells how the machine behind is set up, or belongs to others: paths, addresses, and whatever may
/// be a token or an id.
///
/// What is passed on has to be known as harmless. Whatever has a slash is a path, unless it is a fraction; and as paths may
/// have spaces, one between quotes goes up to the quote that closes, and any other takes the rest of its line along. So
/// more goes than has to. The whole is in the log.
pub(super) fn without_places(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        // A quote opens at the start of a word only: `don't` has none.
        let opens = "'\"`‘“«".contains(c) && shown.chars().next_back().is_none_or(|before| !before.is_alphanumeric());
        if opens
            && let Some(end) = closed(after, c)
            && let Some(inside) = after.get(..end)
            && let Some(place) = place_in(inside)
        {
            shown.push(c);
            shown.push_str(place);
            rest = after.get(end..).unwrap_or_default();
            // The quote that closes.
            let close = rest.chars().next().map_or(0, char::len_utf8);
            shown.push_str(rest.get(..close).unwrap_or_default());
            rest = rest.get(close..).unwrap_or_default();
            continue;
        }
        if is_between(c) {
            shown.push(c);
            rest = after;
            continue;
        }
        let end = rest.find(is_between).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        rest = rest.get(end..).unwrap_or_default();
        if push(&mut shown, word) == Some(PATH) {
            rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default();
        }
    }
    shown
}

/// Where what was opened with this quote is closed: a quote within a word does not close it.
fn closed(text: &str, quote: char) -> Option<usize> {
    let closing = match quote {
        '‘' => '’',
        '“' => '”',
        '«' => '»',
        same => same,
    };
    let ends = |end: &usize| {
        let after = text.get(end + closing.len_utf8()..).and_then(|rest| rest.chars().next());
        after.is_none_or(|after| !after.is_alphanumeric())
    };
    text.match_indices(closing).map(|(end, _)| end).find(ends)
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || "'\"`‘’“”«»()[]{}<>,;|".contains(c)
}

/// What a quoted text has to be replaced by as a whole, if anything of it has.
fn place_in(text: &str) -> Option<&'static str> {
    text.split(is_between).find_map(place)
}

/// Adds a word, or what stands for it; returns what that is.
fn push(shown: &mut String, word: &str) -> Option<&'static str> {
    if follows_secret(shown) && !is_secrets_name(word) && word.contains(char::is_alphanumeric) {
        // The whole of it: in `Bearer abc:`, `abc` is not a name before a colon.
        shown.push_str(SECRET);
        return Some(SECRET);
    }
    let place = place(word);
    // It may follow a name: `file=/opt/x`, `at:/opt/x`.
    let name = word.split(['=', ':']).next().unwrap_or_default();
    let is_name = name.len() > 1 && name.len() < word.len() && name.chars().all(|c| c.is_alphabetic() || c == '_');
    match place {
        Some(place) if is_name && place != ADDRESS => {
            shown.push_str(word.get(..=name.len()).unwrap_or_default());
            shown.push_str(place);
        }
        Some(place) => shown.push_str(place),
        None => shown.push_str(word),
    }
    place
}

/// Whether what was shown last says that a secret follows: `token: x`, `password = x`, `Bearer x`.
fn follows_secret(shown: &str) -> bool {
    let mut words = shown.rsplit(is_between).filter(|word| !word.is_empty());
    let last = words.next().unwrap_or_default();
    let name = last.trim_end_matches([':', '=']);
    let is_bearer = name.rsplit(['=', ':']).next().is_some_and(|name| name.eq_ignore_ascii_case("bearer"));
    let name = if name.is_empty() { words.next().unwrap_or_default() } else { name };
    is_bearer || (last.ends_with([':', '=']) && names_secret(name))
}

/// Whether a word ends like the name of a secret: `access_token`, `X-Api-Key`.
fn names_secret(word: &str) -> bool {
    let word = letters(word);
    SECRETS.iter().any(|secret| word.ends_with(secret))
}

/// Whether a word is such a name and nothing more, as in `Authorization: Bearer x`.
fn is_secrets_name(word: &str) -> bool {
    SECRETS.contains(&letters(word).as_str())
}

fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What a word is, if it is not for strangers.
fn place(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    if word.contains("://") || word.contains('@') || has_address(word) {
        return Some(ADDRESS);
    }
    let mut parts = word.match_indices(['=', ':']).map(|(at, _)| word.split_at(at));
    if parts.any(|(name, value)| names_secret(name) && value.len() > 1) {
        return Some(SECRET);
    }
    // Slashes, also as some write them, and the home of a user.
    let slashes = ['/', '\\', '∕', '⁄', '／', '＼', '~'];
    if (word.contains(slashes) && !is_fraction(word)) || lower.contains("%2f") || lower.contains("%5c") {
        return Some(PATH);
    }
    is_token(word).then_some(SECRET)
}

/// Whether it is numbers and slashes, such as `3/4`, or a slash that stands alone.
fn is_fraction(word: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit() || ".%:".contains(c));
    word == "/" || (word.split('/').count() > 1 && word.split('/').all(is_number))
}

/// Whether a run of letters and digits in it is too long and too mixed for a word.
fn is_token(word: &str) -> bool {
    word.split(|c: char| !(c.is_alphanumeric() || "-_+".contains(c))).any(|run| {
        let has_digit = run.chars().any(|c| c.is_ascii_digit());
        run.chars().count() > WORD && has_digit
    })
}

/// Whether it has an address of digits, or a name with a port.
fn has_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '!', '?']);
    let is_v4 = |part: &str| part.parse::<std::net::Ipv4Addr>().is_ok();
    let is_v6 = word.matches(':').count() > 1
        && word.split('%').next().is_some_and(|word| word.parse::<std::net::Ipv6Addr>().is_ok());
    let has_v4 = word.split(|c: char| !(c.is_ascii_digit() || c == '.')).any(|part| is_v4(part.trim_matches('.')));
    let has_port = word.match_indices(':').map(|(at, _)| word.split_at(at)).any(|(name, port)| {
        let is_host = name.contains('.') || name.to_ascii_lowercase().ends_with("localhost");
        let digits = port.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        is_host && name.contains(char::is_alphabetic) && digits > 1
    });
    is_v6 || has_v4 || has_port
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_paths_are_left_out() {
        for (text, shown) in [
            ("No file '/opt/invokeai/models/x.safetensors' here", "No file '[path]' here"),
            ("open(C:\\Users\\me\\x): denied", "open([path]"),
            ("path=/srv/x y, and 1/2 is half\nor more", "path=[path]\nor more"),
            ("asked http://10.0.0.7:9090/api?token=x", "asked [address]"),
            ("CUDA out of memory: 3 / 4 GB, 12.5/16", "CUDA out of memory: 3 / 4 GB, 12.5/16"),
            ("\\\\server\\share and ~/x", "[path]"),
            ("'/home/John Smith/my models' isn't there", "'[path]' isn't there"),
            ("'/home/John's things/my models' isn't there", "'[path]' isn't there"),
            ("models/secret/x.bin", "[path]"),
            ("connect to gpu.example.org:9090 or 10.0.0.7 or ::1", "connect to [address] or [address] or [address]"),
            ("Authorization: Bearer abc, token=hush", "Authorization: Bearer […], token=[…]"),
            ("Bearer aaaa: refused", "Bearer […] refused"),
            ("password: hushtoken, token=x", "password: […], token=[…]"),
            ("session 3f1c9a52-8c1e-4a55-9d0b-0123456789ab ended", "session […] ended"),
            ("hf_abcdefghijklmnop1234567890", "[…]"),
            ("me@example.org said %2Fetc%2Fpasswd", "[address] said [path]"),
            ("expected shape [1, 16, 64, 64], got (3, 32)", "expected shape [1, 16, 64, 64], got (3, 32)"),
            ("it's 'not' a \"number\": width must be > 0", "it's 'not' a \"number\": width must be > 0"),
            ("", ""),
        ] {
            assert_eq!(without_places(text), shown);
        }
    }

    /// Something that strangers must not see, and what of it would give it away.
    fn private() -> impl Strategy<Value = (String, Vec<String>)> {
        let part = "[a-z]{4,12}";
        let parts = move || prop::collection::vec(part, 1..5);
        prop_oneof![
            parts().prop_map(|parts| (format!("/{}", parts.join("/")), parts)),
            parts().prop_map(|parts| (format!("C:\\{}", parts.join("\\")), parts)),
            parts().prop_map(|parts| (format!("\\\\{}\\x", parts.join("\\")), parts)),
            parts().prop_map(|parts| (format!("'/srv/{} x/{}'", parts.join(" "), parts.join("/")), parts)),
            parts().prop_map(|parts| (format!("file:///{}", parts.join("/")), parts)),
            (part, 1_u16..).prop_map(|(name, port)| (format!("https://{name}.example:{port}/x"), vec![name])),
            (part, 10_u16..).prop_map(|(name, port)| (format!("{name}.example:{port}"), vec![name])),
            any::<std::net::Ipv4Addr>().prop_map(|address| (address.to_string(), vec![address.to_string()])),
            "[a-zA-Z]{10}[0-9][a-zA-Z0-9]{12,40}".prop_map(|token| (token.clone(), vec![token])),
            part.prop_map(|word| (format!("Bearer {word}"), vec![word])),
            part.prop_map(|word| (format!("password={word}"), vec![word])),
        ]
    }

    proptest! {
        #[test]
        fn nothing_private_is_shown_whatever_stands_around_it(
            (text, secrets) in private(),
            before in "[A-Z ]{0,9}(at|in|file=|\\(|: |, |\\[|<)?",
            after in "(\\)|,| |\\.|: |>|\\])?[A-Z ]{0,9}",
        ) {
            prop_assume!(before.is_empty() || !before.ends_with(char::is_alphanumeric));
            let shown = without_places(&format!("{before}{text}{after}"));
            for secret in secrets {
                prop_assert!(!shown.contains(&secret), "{before}{text}{after} is shown as {shown}");
            }
        }

        #[test]
        fn words_of_people_stay_as_they_are(words in prop::collection::vec("[a-zäéA-Z]{1,15}|[0-9]{1,6}|[0-9]/[0-9]", 0..12)) {
            let text = words.join(" ");
            prop_assume!(!words.iter().any(|word| names_secret(word)));
            prop_assert_eq!(without_places(&text), text);
        }

        #[test]
        fn any_text_can_be_shown(text in ".{0,200}") {
            without_places(&text);
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
