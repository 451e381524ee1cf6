//! Prompts (`prompt.py`): the template language of the `dynamicprompts` package, without wildcard files, and prompts
//! from a file.

use crate::testing::nodes::NodeError;
use crate::testing::nodes::call::{Call, Fields, fields, value_error};
use serde_json::json;
use std::collections::HashSet;
use std::io::BufRead;

/// A template: its parts one after the other.
type Sequence = Vec<Part>;

#[derive(Debug)]
enum Part {
    Text(String),
    /// `__name__`: as there are no files, it stays unchanged.
    Wildcard(String),
    /// `{2$$, $$0.5::a|b}`: this many of the options, with a separator.
    Variant {
        least: usize,
        most: usize,
        separator: String,
        options: Vec<(f64, Sequence)>,
    },
}

/// Templates nested deeper are refused.
const DEEPEST: usize = 64;
/// More prompts than this would only exhaust the memory of the program under test.
const MOST: usize = 10_000;

/// The prompts of a template, at most `max_prompts`: all combinations in order, or each drawn at random.
///
/// # Errors
/// If the template cannot be read, or combines a wildcard with options, as the server has no values for it.
pub(crate) fn dynamic_prompts(prompt: &str, max_prompts: usize, combinatorial: bool) -> Result<Vec<String>, NodeError> {
    let template: String =
        prompt.lines().map(|line| line.split('#').next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let chars: Vec<char> = template.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0 };
    let sequence = reader.sequence(0, false)?;
    let max_prompts = max_prompts.min(MOST);
    if combinatorial {
        let mut missing = Vec::new();
        for part in sequence.iter().filter(|part| matches!(part, Part::Variant { .. })) {
            wildcards(part, &mut missing);
        }
        if !missing.is_empty() {
            return Err(value_error(format!("No values found for wildcard(s): {}", missing.join(", "))));
        }
        return Ok(combinations(&sequence, max_prompts));
    }
    Ok((0..max_prompts).map(|_| draw(&sequence)).collect())
}

pub(crate) fn dynamic(call: &mut Call<'_>) -> Fields {
    let most = usize::try_from(call.int("max_prompts")?).unwrap_or(0);
    let prompts = dynamic_prompts(call.text("prompt")?, most, call.boolean("combinatorial")?)?;
    fields(json!({"collection": prompts}))
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn failed(&self, at: usize) -> NodeError {
        let found = self.chars.get(at).map_or_else(|| "end of text".into(), |char| format!("'{char}'"));
        let before = &self.chars[..at.min(self.chars.len())];
        let line = before.iter().filter(|&&char| char == '\n').count() + 1;
        let column = before.iter().rev().take_while(|&&char| char != '\n').count() + 1;
        let place = format!("(at char {at}), (line:{line}, col:{column})");
        NodeError::new("ParseException", format!("Expected end of text, found {found}  {place}"))
    }

    fn sequence(&mut self, depth: usize, inside: bool) -> Result<Sequence, NodeError> {
        let (mut parts, mut text) = (Vec::new(), String::new());
        while let Some(&char) = self.chars.get(self.at) {
            match char {
                '|' | '}' if inside => break,
                '}' => return Err(self.failed(self.at)),
                '{' => {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(self.variant(depth + 1)?);
                }
                '_' => match self.wildcard() {
                    Some(name) => {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                        parts.push(Part::Wildcard(name));
                    }
                    None => {
                        text.push(char);
                        self.at += 1;
                    }
                },
                _ => {
                    text.push(char);
                    self.at += 1;
                }
            }
        }
        parts.push(Part::Text(text));
        Ok(parts)
    }

    fn wildcard(&mut self) -> Option<String> {
        let rest = self.chars[self.at..].strip_prefix(&['_', '_'])?;
        let length = rest.windows(2).position(|pair| pair == ['_', '_']).filter(|&length| length > 0)?;
        let name: String = rest[..length].iter().collect();
        let is_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '/' | '*' | '.' | '?');
        name.chars().all(is_name).then(|| {
            self.at += length + 4;
            name
        })
    }

    fn variant(&mut self, depth: usize) -> Result<Part, NodeError> {
        let start = self.at;
        if depth > DEEPEST {
            return Err(self.failed(start));
        }
        self.at += 1;
        let (least, most, separator) = self.bound();
        let mut options = Vec::new();
        loop {
            // White space before an option is not part of it; after it, it is.
            while self.chars.get(self.at).is_some_and(|char| char.is_whitespace()) {
                self.at += 1;
            }
            let weight = self.weight();
            options.push((weight, self.sequence(depth, true)?));
            match self.chars.get(self.at) {
                Some('|') => self.at += 1,
                Some(_) => break,
                None => return Err(self.failed(start)),
            }
        }
        self.at += 1;
        let most = most.min(options.len());
        Ok(Part::Variant { least: least.min(most), most, separator, options })
    }

    /// `2$$`, `1-3$$`, `-2$$`, `2$$ and $$`; one if there is none.
    fn bound(&mut self) -> (usize, usize, String) {
        let rest: String = self.chars[self.at..].iter().collect();
        let read = || {
            let (bound, after) = rest.split_once("$$")?;
            let (least, most) = match bound.trim().split_once('-') {
                Some((least, most)) => {
                    let least = if least.is_empty() { Some(0) } else { least.parse().ok() };
                    let most = if most.is_empty() { Some(usize::MAX) } else { most.parse().ok() };
                    (least?, most?)
                }
                None => (bound.trim().parse().ok()?, bound.trim().parse().ok()?),
            };
            let separator = after.split_once("$$").filter(|(separator, _)| !separator.contains(['|', '{', '}']));
            let length =
                bound.chars().count() + 2 + separator.map_or(0, |(separator, _)| separator.chars().count() + 2);
            Some((least, most, separator.map_or(",", |(separator, _)| separator).to_owned(), length))
        };
        match read() {
            Some((least, most, separator, length)) => {
                self.at += length;
                (least.min(most), most.max(least), separator)
            }
            None => (1, 1, ",".into()),
        }
    }

    fn weight(&mut self) -> f64 {
        let rest = &self.chars[self.at..];
        let digits = rest.iter().take_while(|char| char.is_ascii_digit() || **char == '.').count();
        let number: String = rest[..digits].iter().collect();
        match (number.parse(), rest.get(digits..digits + 2)) {
            (Ok(weight), Some([':', ':'])) => {
                self.at += digits + 2;
                weight
            }
            _ => 1.0,
        }
    }
}

/// Names of the wildcards in a variant: the package never ends combining those. One outside of variants it repeats.
fn wildcards(part: &Part, found: &mut Vec<String>) {
    match part {
        Part::Wildcard(name) if !found.contains(name) => found.push(name.clone()),
        Part::Variant { options, .. } => {
            options.iter().flat_map(|(_, option)| option).for_each(|part| wildcards(part, found));
        }
        _ => {}
    }
}

/// The first combinations; the last part changes fastest.
fn combinations(sequence: &Sequence, limit: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for part in sequence {
        let choices = match part {
            Part::Text(text) => vec![text.clone()],
            Part::Wildcard(name) => vec![format!("__{name}__"); limit],
            Part::Variant { least, most, separator, options } => {
                let options: Vec<Vec<String>> = options.iter().map(|(_, option)| combinations(option, limit)).collect();
                let mut choices = Vec::new();
                for count in *least..=*most {
                    arrange(&options, count, separator, &mut Vec::new(), &mut choices, limit);
                }
                let mut seen = HashSet::new();
                choices.retain(|choice: &String| seen.insert(choice.clone()));
                choices
            }
        };
        all = all.iter().flat_map(|head| choices.iter().map(move |tail| format!("{head}{tail}"))).take(limit).collect();
    }
    all.truncate(limit);
    all
}

/// All ways to take `count` of the options, in order.
fn arrange(
    options: &[Vec<String>],
    count: usize,
    separator: &str,
    taken: &mut Vec<(usize, String)>,
    found: &mut Vec<String>,
    limit: usize,
) {
    if found.len() >= limit {
        return;
    }
    if taken.len() == count {
        let texts: Vec<&str> = taken.iter().map(|(_, text)| text.as_str()).collect();
        return found.push(texts.join(separator));
    }
    for (index, texts) in options.iter().enumerate() {
        if taken.iter().any(|(other, _)| *other == index) {
            continue;
        }
        for text in texts {
            taken.push((index, text.clone()));
            arrange(options, count, separator, taken, found, limit);
            taken.pop();
        }
    }
}

fn draw(sequence: &Sequence) -> String {
    let part = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Wildcard(name) => format!("__{name}__"),
        Part::Variant { least, most, separator, options } => {
            let mut left: Vec<&(f64, Sequence)> = options.iter().collect();
            let mut texts = Vec::new();
            for _ in 0..fastrand::usize(*least..=*most) {
                let total: f64 = left.iter().map(|(weight, _)| weight).sum();
                let mut point = fastrand::f64() * total;
                let chosen = left.iter().position(|(weight, _)| {
                    point -= weight;
                    point < 0.0
                });
                let (_, option) = left.remove(chosen.unwrap_or(left.len() - 1));
                texts.push(draw(option));
            }
            texts.join(separator)
        }
    };
    sequence.iter().map(part).collect()
}

pub(crate) fn from_file(call: &mut Call<'_>) -> Fields {
    let path = call.text("file_path")?;
    let file = std::fs::File::open(path);
    let file = file.map_err(|error| NodeError::new("FileNotFoundError", format!("{error}: '{path}'")))?;
    let start = usize::try_from(call.int("start_line")? - 1).unwrap_or(0);
    let count = usize::try_from(call.int("max_prompts")?).ok().filter(|&count| count > 0).unwrap_or(usize::MAX);
    let around = |field: &str| call.value(field).as_str().unwrap_or_default();
    let (before, after) = (around("pre_prompt"), around("post_prompt"));
    let mut prompts = Vec::new();
    for line in std::io::BufReader::new(file).lines().skip(start).take(count.min(MOST)) {
        let line = line.map_err(|error| NodeError::new("UnicodeDecodeError", error.to_string()))?;
        prompts.push(format!("{before}{}{after}", line.trim()));
    }
    fields(json!({"collection": prompts}))
}
