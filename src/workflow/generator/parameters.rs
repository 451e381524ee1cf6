//! How workflows store generators: an object with a `type` and the parameters of that rule.

use super::{BoardSection, Generator, GeneratorKind, Rule};
use crate::schema::json_number;
use serde_json::{Map, Value};

/// The rules of each kind by name, in the order in which the editor tries them.
const NUMBERS: [(&str, Read); 4] = [
    ("arithmetic_sequence", arithmetic_sequence),
    ("linear_distribution", linear_distribution),
    ("random_distribution_uniform", uniform),
    ("parse_string", parse_string),
];
const STRINGS: [(&str, Read); 3] = [
    ("parse_string", parse_string),
    ("dynamic_prompts_combinatorial", combinatorial),
    ("dynamic_prompts_random", random_prompts),
];
const IMAGES: [(&str, Read); 1] = [("images_from_board", images_from_board)];

type Read = fn(&Parameters<'_>) -> Option<Rule>;

struct Parameters<'a> {
    kind: GeneratorKind,
    members: &'a Map<String, Value>,
}

/// What the `type` of a kind's generators starts with, and its rules.
fn rules(kind: GeneratorKind) -> (&'static str, &'static [(&'static str, Read)]) {
    match kind {
        GeneratorKind::Float => ("float_generator_", &NUMBERS),
        GeneratorKind::Integer => ("integer_generator_", &NUMBERS),
        GeneratorKind::String => ("string_generator_", &STRINGS),
        GeneratorKind::Image => ("image_generator_", &IMAGES),
    }
}

pub(super) fn read(kind: GeneratorKind, members: &Map<String, Value>) -> Option<Generator> {
    let (prefix, rules) = rules(kind);
    let wanted = match members.get("type") {
        Some(name) => Some(name.as_str()?.strip_prefix(prefix)?),
        None => None,
    };
    let parameters = Parameters { kind, members };
    let mut fitting = rules.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    let rule = fitting.find_map(|(_, read)| read(&parameters))?;
    let values = match members.get("values").filter(|_| kind == GeneratorKind::Float) {
        Some(Value::Array(values)) => Some(values.iter().map(Value::as_f64).collect::<Option<_>>()?),
        Some(Value::Null) | None => None,
        Some(_) => return None,
    };
    Some(Generator { kind, rule, values })
}

pub(super) fn write(generator: &Generator) -> Value {
    let seed = |seed: &Option<i64>| seed.map(Value::from);
    let parameters: Vec<(&str, Option<Value>)> = match &generator.rule {
        Rule::ArithmeticSequence { start, step, count } => {
            vec![
                ("start", Some(json_number(*start))),
                ("step", Some(json_number(*step))),
                ("count", Some((*count).into())),
            ]
        }
        Rule::LinearDistribution { start, end, count } => {
            vec![
                ("start", Some(json_number(*start))),
                ("end", Some(json_number(*end))),
                ("count", Some((*count).into())),
            ]
        }
        Rule::Uniform { min, max, count, seed: s } => vec![
            ("min", Some(json_number(*min))),
            ("max", Some(json_number(*max))),
            ("count", Some((*count).into())),
            ("seed", seed(s)),
        ],
        Rule::ParseString { input, split_on } => {
            vec![("input", Some(input.as_str().into())), ("splitOn", Some(split_on.as_str().into()))]
        }
        Rule::DynamicPromptsCombinatorial { input, max_prompts } => {
            vec![("input", Some(input.as_str().into())), ("maxPrompts", Some((*max_prompts).into()))]
        }
        Rule::DynamicPromptsRandom { input, count, seed: s } => {
            vec![("input", Some(input.as_str().into())), ("count", Some((*count).into())), ("seed", seed(s))]
        }
        Rule::ImagesFromBoard { board_id, category } => vec![
            ("board_id", board_id.as_deref().map(Value::from)),
            ("category", Some(if *category == BoardSection::Assets { "assets" } else { "images" }.into())),
        ],
    };
    let values = generator.values.as_ref().map(|values| values.iter().copied().map(json_number).collect());
    let type_name = Some(type_name(generator.kind, &generator.rule).into());
    let members = [("type", type_name)].into_iter().chain(parameters).chain([("values", values)]);
    members.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The `type` of a rule, which starts with the kind of the generator; a kind without such a rule makes a name that
/// [`read`] refuses.
fn type_name(kind: GeneratorKind, rule: &Rule) -> String {
    let rule = match rule {
        Rule::ArithmeticSequence { .. } => "arithmetic_sequence",
        Rule::LinearDistribution { .. } => "linear_distribution",
        Rule::Uniform { .. } => "random_distribution_uniform",
        Rule::ParseString { .. } => "parse_string",
        Rule::DynamicPromptsCombinatorial { .. } => "dynamic_prompts_combinatorial",
        Rule::DynamicPromptsRandom { .. } => "dynamic_prompts_random",
        Rule::ImagesFromBoard { .. } => "images_from_board",
    };
    format!("{}{rule}", rules(kind).0)
}

impl Parameters<'_> {
    fn integer_or(&self, name: &str, default: i64) -> Option<i64> {
        self.members.get(name).map_or(Some(default), whole)
    }

    /// A number of the generator's kind.
    fn number_or(&self, name: &str, default: f64) -> Option<f64> {
        match self.members.get(name) {
            None => Some(default),
            Some(value) if self.kind == GeneratorKind::Integer => whole(value).map(|number| number as f64),
            Some(value) => value.as_f64(),
        }
    }

    fn text_or(&self, name: &str, default: &str) -> Option<String> {
        self.members.get(name).map_or(Some(default), Value::as_str).map(str::to_owned)
    }

    fn seed(&self) -> Option<Option<i64>> {
        match self.members.get("seed") {
            None | Some(Value::Null) => Some(None),
            Some(seed) => whole(seed).map(Some),
        }
    }

    fn by_kind<T>(&self, float: T, integer: T) -> T {
        if self.kind == GeneratorKind::Integer { integer } else { float }
    }
}

/// A whole number that JavaScript holds exactly, also if written `10.0`.
fn whole(value: &Value) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_991.0;
    let number = value.as_f64()?;
    (number.fract() == 0.0 && number.abs() <= LIMIT).then_some(number as i64)
}

fn arithmetic_sequence(p: &Parameters<'_>) -> Option<Rule> {
    let start = p.number_or("start", 0.0)?;
    let step = p.number_or("step", p.by_kind(0.1, 1.0))?;
    Some(Rule::ArithmeticSequence { start, step, count: p.integer_or("count", 10)? })
}

fn linear_distribution(p: &Parameters<'_>) -> Option<Rule> {
    let start = p.number_or("start", 0.0)?;
    let end = p.number_or("end", p.by_kind(1.0, 10.0))?;
    Some(Rule::LinearDistribution { start, end, count: p.integer_or("count", 10)? })
}

fn uniform(p: &Parameters<'_>) -> Option<Rule> {
    let min = p.number_or("min", 0.0)?;
    let max = p.number_or("max", p.by_kind(1.0, 10.0))?;
    Some(Rule::Uniform { min, max, count: p.integer_or("count", 10)?, seed: p.seed()? })
}

fn parse_string(p: &Parameters<'_>) -> Option<Rule> {
    let default = match p.kind {
        GeneratorKind::Float => "0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1",
        GeneratorKind::Integer => "1,2,3,4,5,6,7,8,9,10",
        _ => "foo,bar,baz,qux",
    };
    Some(Rule::ParseString { input: p.text_or("input", default)?, split_on: p.text_or("splitOn", ",")? })
}

const DYNAMIC_PROMPT: &str = "a super {cute|ferocious} {dog|cat}";

fn combinatorial(p: &Parameters<'_>) -> Option<Rule> {
    let max_prompts = p.integer_or("maxPrompts", 10).filter(|max| *max >= 1)?;
    Some(Rule::DynamicPromptsCombinatorial { input: p.text_or("input", DYNAMIC_PROMPT)?, max_prompts })
}

fn random_prompts(p: &Parameters<'_>) -> Option<Rule> {
    let count = p.integer_or("count", 10).filter(|count| *count >= 1)?;
    Some(Rule::DynamicPromptsRandom { input: p.text_or("input", DYNAMIC_PROMPT)?, count, seed: p.seed()? })
}

fn images_from_board(p: &Parameters<'_>) -> Option<Rule> {
    let board_id = match p.members.get("board_id") {
        None => None,
        Some(id) => Some(id.as_str().map(str::trim).filter(|id| !id.is_empty())?.to_owned()),
    };
    let category = match p.text_or("category", "images")?.as_str() {
        "images" => BoardSection::Images,
        "assets" => BoardSection::Assets,
        _ => return None,
    };
    Some(Rule::ImagesFromBoard { board_id, category })
}
