//! The few rules of JavaScript that generators depend on.

/// `Math.round`: halves go up, also negative ones.
pub(super) fn round(number: f64) -> f64 {
    let floor = number.floor();
    if number - floor >= 0.5 { floor + 1.0 } else { floor }
}

/// Splits a text. The separator is read as the inside of a JSON string, so that `\n` works, or as it is where that
/// fails; an empty one does not split.
pub(super) fn split(input: &str, split_on: &str) -> Vec<String> {
    if split_on.is_empty() {
        return vec![input.to_owned()];
    }
    let unescaped = serde_json::from_str::<String>(&format!("\"{split_on}\""));
    let separator = unescaped.as_deref().unwrap_or(split_on);
    input.split(separator).map(str::to_owned).collect()
}

/// `parseFloat`: the longest number that the text starts with, if any.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let sign = text.len() - text.trim_start_matches(['+', '-']).len();
    if sign > 1 {
        return None;
    }
    let whole = sign + digits(&text[sign..]);
    let mut end = whole;
    if text[end..].starts_with('.') {
        let fraction = digits(&text[end + 1..]);
        if fraction > 0 || whole > sign {
            end += 1 + fraction;
        }
    }
    if end == sign {
        return None;
    }
    if text[end..].starts_with(['e', 'E']) {
        let exponent = &text[end + 1..];
        let sign = usize::from(exponent.starts_with(['+', '-']));
        match digits(&exponent[sign..]) {
            0 => {}
            count => end += 1 + sign + count,
        }
    }
    text[..end].parse().ok()
}

/// `parseInt` in base ten: the digits that the text starts with, if any.
pub(super) fn parse_int(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let sign = usize::from(text.starts_with(['+', '-']));
    match digits(&text[sign..]) {
        0 => None,
        count => text[..sign + count].parse().ok(),
    }
}

/// Number of ASCII digits at the start, so a valid byte offset.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_like_javascript_reads_them() {
        for (text, float, int) in [
            ("3x", Some(3.0), Some(3.0)),
            ("2.9", Some(2.9), Some(2.0)),
            (" -1.5e3 ", Some(-1500.0), Some(-1.0)),
            ("1e", Some(1.0), Some(1.0)),
            ("1e+", Some(1.0), Some(1.0)),
            (".5", Some(0.5), None),
            ("5.", Some(5.0), Some(5.0)),
            (".", None, None),
            ("+7", Some(7.0), Some(7.0)),
            ("+-7", None, None),
            ("--7", None, None),
            ("1.2.3", Some(1.2), Some(1.0)),
            ("", None, None),
            ("abc", None, None),
            ("0x10", Some(0.0), Some(0.0)),
            ("7é", Some(7.0), Some(7.0)),
        ] {
            assert_eq!((parse_float(text), parse_int(text)), (float, int), "{text:?}");
        }
    }

    #[test]
    fn halves_round_up() {
        let rounded = [2.5, -2.5, 1.4999, 0.499_999_999_999_999_94].map(round);
        assert_eq!(rounded, [3.0, -2.0, 1.0, 0.0]);
    }

    #[test]
    fn separators_may_be_escaped() {
        assert_eq!(split("a\nb", "\\n"), ["a", "b"]);
        assert_eq!(split("1\"2", "\""), ["1", "2"]);
        assert_eq!(split("a,b", ""), ["a,b"]);
        assert_eq!(split("a\\qb", "\\q"), ["a", "b"]);
    }
}
