//! Rust names for labels that people wrote.

use std::collections::{HashMap, HashSet};

/// Words that cannot be names, or would hide what every struct has or what lints look for.
const TAKEN: &[&str] = &[
    // Keywords, those of other editions too.
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    // Methods.
    "as_mut",
    "as_ref",
    "borrow",
    "borrow_mut",
    "clone",
    "clone_from",
    "clone_into",
    "default",
    "deref",
    "differences",
    "embedded",
    "eq",
    "fmt",
    "from",
    "input_values",
    "inputs",
    "into",
    "is_empty",
    "len",
    "ne",
    "new",
    "next",
    "not",
    "serialize",
    "to_owned",
    "to_string",
    "try_from",
    "try_into",
    "type_id",
    "value",
];

/// Types that generated code uses without a path, or that its readers expect to be the usual ones.
const TYPES: &[&str] = &[
    "Box",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Drop",
    "Eq",
    "Err",
    "Fn",
    "From",
    "Into",
    "Iterator",
    "None",
    "Ok",
    "Option",
    "Outputs",
    "PartialEq",
    "Required",
    "Result",
    "Self",
    "Send",
    "Some",
    "String",
    "Sync",
    "ToOwned",
    "ToString",
    "TryFrom",
    "TryInto",
    "Vec",
];

/// `Num Steps` and `numSteps` as `num_steps`; empty if there is no ASCII letter or digit.
pub(super) fn snake(text: &str) -> String {
    let mut snake = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let starts_word = c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit());
        if c.is_ascii_alphanumeric() {
            if (starts_word || !before.is_ascii_alphanumeric()) && !snake.is_empty() {
                snake.push('_');
            }
            snake.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    snake
}

/// `num_steps` as `NumSteps`.
pub(super) fn pascal(snake: &str) -> String {
    let words = snake.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}

/// The name for a type: never one that readers of Rust take for another type.
pub(super) fn type_name(snake: &str, otherwise: &str) -> String {
    let name = pascal(snake);
    if name.is_empty() || TYPES.contains(&name.as_str()) {
        return format!("{name}{otherwise}");
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("Input{name}") } else { name }
}

/// The same, for a type beside these: `sampler_1` and `sampler1` give one name.
pub(super) fn free_type_name(snake: &str, otherwise: &str, taken: &HashSet<String>) -> String {
    let name = type_name(snake, otherwise);
    let longer = format!("{}{otherwise}", name.strip_suffix(otherwise).unwrap_or(&name));
    let numbered = (2_usize..).map(|number| format!("{longer}{number}"));
    let mut names = [name, longer.clone()].into_iter().chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// What people and InvokeAI call an input, or a node that has outputs.
pub(super) struct Called<'a> {
    pub(super) label: &'a str,
    pub(super) field: &'a str,
    pub(super) node: &'a str,
}

/// Why a name is not simply that of the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Letters,
    Keyword,
    Shared,
    Numbered,
}

impl Reason {
    pub(super) fn words(self) -> &'static str {
        match self {
            Reason::Letters => "the label gives no name in ASCII letters",
            Reason::Keyword => "the name has another meaning in Rust",
            Reason::Shared => "several inputs have the label",
            Reason::Numbered => "another input has the name",
        }
    }
}

/// A name for each, all different. Names of accessors also do not collide with each other's `set_` and `clear_`.
pub(super) fn distinct(all: &[Called<'_>]) -> Vec<(String, Option<Reason>)> {
    let plain: Vec<(String, Option<Reason>)> = all.iter().map(|called| by_label(called)).collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (name, _) in &plain {
        *count.entry(name).or_default() += 1;
    }
    let mut taken: HashSet<String> = HashSet::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut names = Vec::with_capacity(all.len());
    for (called, (name, reason)) in all.iter().zip(&plain) {
        let node = snake(called.node);
        let (base, mut reason) = match count.get(name.as_str()) {
            Some(1) | None => (name.clone(), *reason),
            Some(_) if node.is_empty() => (name.clone(), Some(Reason::Shared)),
            Some(_) => (usable(&format!("{node}_{}", name.trim_end_matches('_'))).0, Some(Reason::Shared)),
        };
        let forms = |name: &str| [name.to_owned(), format!("set_{name}"), format!("clear_{name}")];
        let mut candidate = base.clone();
        let number = numbers.entry(base.clone()).or_insert(1);
        while forms(&candidate).iter().any(|form| taken.contains(form)) {
            *number += 1;
            candidate = format!("{}_{number}", base.trim_end_matches('_'));
            reason = Some(Reason::Numbered);
        }
        taken.extend(forms(&candidate));
        names.push((candidate, reason));
    }
    names
}

fn by_label(called: &Called<'_>) -> (String, Option<Reason>) {
    let foreign = called.label.chars().any(|c| c.is_alphanumeric() && !c.is_ascii());
    let label = if foreign { String::new() } else { snake(called.label) };
    if !label.is_empty() {
        return usable(&label);
    }
    let field = snake(called.field);
    let name = if field.is_empty() { "input".to_owned() } else { field };
    (usable(&name).0, Some(Reason::Letters))
}

/// A name that can be an accessor's.
fn usable(name: &str) -> (String, Option<Reason>) {
    // By Rust's convention, a name with this prefix creates or consumes a value.
    let misleads = ["from_", "into_"].iter().any(|prefix| name.starts_with(prefix));
    if misleads || name.starts_with(|c: char| c.is_ascii_digit()) {
        return (format!("input_{name}"), Some(Reason::Keyword));
    }
    if TAKEN.contains(&name) { (format!("{name}_"), Some(Reason::Keyword)) } else { (name.to_owned(), None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(labels: &[(&str, &str, &str)]) -> Vec<String> {
        let called: Vec<_> = labels.iter().map(|&(label, field, node)| Called { label, field, node }).collect();
        distinct(&called).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn labels_become_predictable_names() {
        for (label, name) in [
            ("Num Steps", "num_steps"),
            ("numSteps", "num_steps"),
            ("T5 Encoder", "t5_encoder"),
            ("type", "type_"),
            ("Self", "self_"),
            ("2nd prompt", "input_2nd_prompt"),
            ("From image", "input_from_image"),
            ("🎨 Style", "style"),
            ("🎨", "field"),
            ("提示", "field"),
            ("Größe", "field"),
            ("\"*/ quoted", "quoted"),
            ("_", "field"),
        ] {
            assert_eq!(named(&[(label, "field", "node")]), [name], "{label}");
        }
    }

    #[test]
    fn equal_labels_are_told_apart_by_their_nodes_and_then_by_number() {
        assert_eq!(
            named(&[("Prompt", "prompt", "Positive"), ("Seed", "seed", "Noise"), ("Prompt", "prompt", "Negative")]),
            ["positive_prompt", "seed", "negative_prompt"]
        );
        assert_eq!(named(&[("a", "x", "n"), ("a", "y", "n"), ("n a 2", "z", "n")]), ["n_a", "n_a_2", "n_a_2_2"]);
        assert_eq!(
            named(&[("a", "x", "n"), ("Set a", "y", "n"), ("clear a", "z", "n")]),
            ["a", "set_a_2", "clear_a_2"]
        );
    }

    #[test]
    fn types_keep_clear_of_the_ones_that_code_uses() {
        assert_eq!(type_name("option", "Choice"), "OptionChoice");
        assert_eq!(type_name("self_", "Choice"), "SelfChoice");
        assert_eq!(type_name("2nd", "Choice"), "Input2nd");
        assert_eq!(type_name("scheduler", "Choice"), "Scheduler");
        assert_eq!(type_name("", "Workflow"), "Workflow");
    }

    #[test]
    fn types_are_told_apart() {
        let mut taken = HashSet::new();
        let mut named = |snake: &str| {
            let name = free_type_name(snake, "Choice", &taken);
            taken.insert(name.clone());
            name
        };
        for (snake, name) in [
            ("sampler_1", "Sampler1"),
            ("sampler1", "Sampler1Choice"),
            ("sampler_1_choice", "Sampler1Choice2"),
            ("option", "OptionChoice"),
            ("option_choice", "OptionChoice2"),
        ] {
            assert_eq!(named(snake), name);
        }
    }
}
