//! Names of downloaded files, built from a template such as `{index:03}-{prompt:.40}-{seed}`.

use std::{fmt::Write as _, str::FromStr};

use invokeai_client::workflow::Workflow;
use serde_json::Value;

/// What a template may use besides inputs.
pub(super) const KEYS: [&str; 8] = ["index", "item", "batch", "date", "time", "node", "name", "number"];

/// Longest name without its extension, in characters.
const LONGEST: usize = 120;

/// The same in bytes: letters outside Latin scripts have two to four.
const LONGEST_IN_BYTES: usize = 150;

/// A name with placeholders to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// `{key:03.40}`: the least length of numbers, and the greatest length of texts.
    Place {
        key: String,
        width: usize,
        longest: Option<usize>,
    },
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            parts.push(Part::Text(rest[..at].to_owned()));
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                parts.push(Part::Text(brace.to_owned()));
                rest = after;
                continue;
            }
            let place = after.split_once('}').filter(|_| brace == "{");
            let (place, after) = place.ok_or("a brace is not closed; write {{ and }} for literal braces")?;
            parts.push(Part::place(place)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if !parts.iter().any(|part| matches!(part, Part::Place { .. })) {
            return Err("all files would have the same name: add a placeholder such as {index} or {name}".into());
        }
        Ok(Self(parts))
    }
}

impl Part {
    fn place(text: &str) -> Result<Self, String> {
        let (key, form) = text.rsplit_once(':').unwrap_or((text, ""));
        let (width, longest) = form.split_once('.').map_or((form, None), |(width, longest)| (width, Some(longest)));
        let number = |text: &str| match text {
            "" => Ok(0),
            digits => digits.parse::<usize>().ok().filter(|number| *number <= LONGEST).ok_or_else(|| {
                format!("{{{text}}}: expected {{KEY}}, {{KEY:03}} for leading zeros, or {{KEY:.40}} for a length")
            }),
        };
        let longest = longest.map(number).transpose()?;
        Ok(Self::Place { key: key.trim().to_owned(), width: number(width)?, longest })
    }
}

impl Template {
    /// A key that is neither one of the known ones nor an input.
    pub(crate) fn unknown(&self, known: &[&str], workflow: &Workflow) -> Option<&str> {
        let keys = self.0.iter().filter_map(|part| match part {
            Part::Place { key, .. } => Some(key.as_str()),
            Part::Text(_) => None,
        });
        let is_known = |key: &str| known.contains(&key) || place_of(workflow, key).is_some();
        keys.into_iter().find(|key| !is_known(key))
    }

    /// The name, without characters that a file name may not have.
    pub(crate) fn name(&self, value_of: impl Fn(&str) -> String) -> String {
        let mut name = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Place { key, width, longest } => {
                    let value = value_of(key);
                    let value: String = value.chars().take(longest.unwrap_or(usize::MAX)).collect();
                    // Writing to a string cannot fail.
                    let _ = match value.parse::<u64>() {
                        Ok(number) if *width > 0 => write!(name, "{number:0width$}"),
                        _ => write!(name, "{value:width$}"),
                    };
                }
            }
        }
        safe(&name)
    }
}

/// The node and field that a key means: an input, or the only field with this name.
fn place_of(workflow: &Workflow, key: &str) -> Option<(String, String)> {
    if let Ok(field) = workflow.named_field(key) {
        return Some((field.node_id, field.field_name));
    }
    let mut fields = workflow.fields_called(key);
    fields.retain(|field| !field.connected);
    let [field] = &fields[..] else { return None };
    Some((field.node_id.clone(), field.field_name.clone()))
}

/// The value of an input as a part of a name: that of the item, if the batch varied it, else that of the workflow. An image is
/// called by the file that it was, where that is known.
pub(crate) fn value_of(
    workflow: &Workflow,
    key: &str,
    of_item: impl Fn(&str, &str) -> Option<Value>,
    stem_of: impl Fn(&Value) -> Option<String>,
) -> String {
    let Some((node, field)) = place_of(workflow, key) else { return String::new() };
    let of_workflow = || workflow.node_field(&node, &field).ok()?.value().cloned();
    let Some(value) = of_item(&node, &field).or_else(of_workflow) else { return String::new() };
    stem_of(&value).unwrap_or_else(|| shown(&value))
}

/// The time now as date and time of day, as file names take them.
pub(crate) fn date_and_time() -> (String, String) {
    // `2026-11-29T03:55:01.5Z`
    let now = jiff::Timestamp::now().to_string();
    let time = now.chars().skip(11).take(8).map(|c| if c == ':' { '-' } else { c }).collect();
    (now.chars().take(10).collect(), time)
}

/// The name of a file on the server without its ending.
pub(crate) fn without_ending(name: &str) -> String {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// A value as a part of a name.
fn shown(value: &Value) -> String {
    let named = ["image_name", "video_name", "name"].into_iter().find_map(|key| value.get(key)?.as_str());
    match (named, value) {
        (Some(name), _) => name.to_owned(),
        (None, Value::String(text)) => text.clone(),
        (None, Value::Null) => String::new(),
        (None, other) => other.to_string(),
    }
}

/// Keeps letters, digits and a few characters that every system takes; everything else becomes an underscore.
fn safe(name: &str) -> String {
    // Letters that are drawn as nothing.
    let blank = |c: char| matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}');
    let plain =
        |c: char| c.is_alphanumeric() && !blank(c) || matches!(c, '-' | '_' | '.' | ',' | '+' | '=' | '(' | ')' | ' ');
    let mut safe: String = name.chars().map(|c| if plain(c) { c } else { '_' }).take(LONGEST).collect();
    // The library takes 200 bytes, and ` (2)`, the id of a job and an extension may be added.
    while safe.len() > LONGEST_IN_BYTES {
        safe.pop();
    }
    let safe = safe.trim().trim_end_matches('.').trim_start_matches('.');
    let stem = safe.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let device = matches!(&*stem, "" | "CON" | "PRN" | "AUX" | "NUL")
        || (stem.chars().count() == 4 && (stem.starts_with("COM") || stem.starts_with("LPT")));
    if device { format!("_{safe}") } else { safe.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(template: &str) -> String {
        let template: Template = template.parse().expect(template);
        template.name(|key| match key {
            "index" => "7".into(),
            "prompt" => "a/b: \u{202e}\"c\"\n".into(),
            "long" => "漢".repeat(300),
            "empty" => String::new(),
            other => panic!("{other}"),
        })
    }

    #[test]
    fn names_are_filled_in_and_safe() {
        for (template, expected) in [
            ("{index:03}-{prompt:.4}", "007-a_b_"),
            ("{index}", "7"),
            ("{{{index}}}", "_7_"),
            ("../{index}", "_7"),
            ("{prompt}", "a_b_ __c__"),
            ("{empty}", "_"),
            ("con{empty}", "_con"),
        ] {
            let made = name(template);
            assert_eq!(made.trim_end_matches('_'), expected.trim_end_matches('_'), "{template}");
            assert!(!made.contains(['/', '\\', ':', '\n']) && !made.starts_with('.'), "{made}");
        }
        let suffix = format!("-{}-1000.jpeg", "0".repeat(26));
        assert!(name("{long}").len() + suffix.len() <= 200);
    }

    /// The library refuses others, and a row whose name is refused would never be done.
    #[test]
    fn whatever_is_in_a_value_the_name_is_one_that_files_may_have() {
        let client = invokeai_client::Client::new("http://127.0.0.1:1").expect("a client");
        let file_name = |image: &str, stem: &str| client.image(image).download().named(stem).file_name();
        for stem in ["COM1", "com\u{b9}", "lpt9 ", "aux.x", " ", "..", "\u{fe0f}", &"x\u{301}".repeat(200)] {
            file_name("a.png", &safe(stem)).expect(stem);
        }
        for character in ('\0'..=char::MAX).filter(|character| character.is_alphanumeric()) {
            file_name("a.png", &safe(&format!("a{character}"))).expect("a letter");
        }
        // The ending is the server's choice, within limits.
        assert_eq!(file_name("a.webp", "1 (2)").expect("a name").as_deref(), Some("1 (2).webp"));
        for image in ["conftest.py", "run.sh", "index.html", "a.png/../../b", "a", "clip.mp4"] {
            assert!(file_name(image, "1").is_err(), "{image}");
        }
    }

    #[test]
    fn templates_that_mean_nothing_are_refused() {
        for wrong in ["", "same", "{index", "index}", "{index:x}", "{index:9999}"] {
            assert!(wrong.parse::<Template>().is_err(), "{wrong}");
        }
    }
}
