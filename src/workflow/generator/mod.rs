//! Generators: values of the four `…GeneratorField` types, which make the list that a batch node runs over.
//!
//! The rules are the editor's (`features/nodes/types/field.ts`), down to JavaScript's arithmetic and number parsing, so
//! that the same workflow gives the same list.

mod javascript;
mod parameters;
mod twister;

use crate::schema::json_number;
use serde_json::Value;
use twister::MersenneTwister;

/// The most values that one generator may make; more is a typo, and would not fit in a queue.
const MAX_VALUES: i64 = 1_000_000;

/// What a generator makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GeneratorKind {
    /// Floats, from a `FloatGeneratorField`.
    Float,
    /// Integers, from an `IntegerGeneratorField`.
    Integer,
    /// Strings, from a `StringGeneratorField`.
    String,
    /// Images, from an `ImageGeneratorField`.
    Image,
}

impl GeneratorKind {
    /// The kind that a field type such as `FloatGeneratorField` holds; `None` if it holds no generator.
    pub fn of_field_type(name: &str) -> Option<Self> {
        Some(match name {
            "FloatGeneratorField" => GeneratorKind::Float,
            "IntegerGeneratorField" => GeneratorKind::Integer,
            "StringGeneratorField" => GeneratorKind::String,
            "ImageGeneratorField" => GeneratorKind::Image,
            _ => return None,
        })
    }
}

/// A generator: its rule with all parameters filled in.
///
/// ```
/// use invokeai_client::workflow::generator::{Generated, Generator, GeneratorKind};
/// use serde_json::json;
///
/// let stored = json!({"type": "integer_generator_linear_distribution", "start": 0, "end": 10, "count": 5});
/// let generator = Generator::from_json(GeneratorKind::Integer, &stored).expect("a generator of integers");
/// let Generated::Values(values) = generator.generate()? else { panic!("no server is needed") };
/// assert_eq!(values, [0, 3, 5, 8, 10].map(serde_json::Value::from));
/// # Ok::<_, invokeai_client::workflow::generator::GeneratorError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Generator {
    kind: GeneratorKind,
    rule: Rule,
    /// Values stored beside the rule, which take precedence over it; only float generators keep them.
    values: Option<Vec<f64>>,
}

crate::base::debug::short_debug! { Generator { kind, rule, values } }

/// How a generator makes its values. Numbers of integer generators are whole.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// `start + i * step`; one value if `step` is 0.
    ArithmeticSequence {
        /// First value.
        start: f64,
        /// Distance between values.
        step: f64,
        /// Number of values.
        count: i64,
    },
    /// `count` values evenly spread from `start` to `end`.
    LinearDistribution {
        /// First value.
        start: f64,
        /// Last value.
        end: f64,
        /// Number of values.
        count: i64,
    },
    /// `count` random values from `min` to `max`; integers include `max`.
    Uniform {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Number of values.
        count: i64,
        /// Seed of the Mersenne Twister; without one every run differs.
        seed: Option<i64>,
    },
    /// The parts of a text.
    ParseString {
        /// The text.
        input: String,
        /// What separates the parts, with the escapes of a JSON string (`\n`). If it is empty, the text is not split.
        split_on: String,
    },
    /// Every combination of a dynamic prompt; only the server can expand it.
    DynamicPromptsCombinatorial {
        /// The dynamic prompt, for example `a {cute|ferocious} cat`.
        input: String,
        /// The most prompts to make, at least 1.
        max_prompts: i64,
    },
    /// Random expansions of a dynamic prompt; only the server can expand it.
    DynamicPromptsRandom {
        /// The dynamic prompt, for example `a {cute|ferocious} cat`.
        input: String,
        /// Number of prompts, at least 1.
        count: i64,
        /// Seed of the choice.
        seed: Option<i64>,
    },
    /// The images of a board; only the server knows them.
    ImagesFromBoard {
        /// The board; without one there are no images.
        board_id: Option<String>,
        /// Which of its images.
        category: BoardSection,
    },
}

crate::base::debug::short_debug! {
    enum Rule {
        ArithmeticSequence { start, step, count },
        LinearDistribution { start, end, count },
        Uniform { min, max, count, seed },
        ParseString { input, split_on },
        DynamicPromptsCombinatorial { input, max_prompts },
        DynamicPromptsRandom { input, count, seed },
        ImagesFromBoard { board_id, category },
    }
}

/// Which images of a board a generator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoardSection {
    /// The gallery's images: server category `general`.
    Images,
    /// The gallery's assets: server categories `control`, `mask`, `user` and `other`.
    Assets,
}

/// The result of a generator.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Generated {
    /// The values, ready for a batch.
    Values(Vec<Value>),
    /// A server has to make the values.
    NeedsServer(ServerRequest),
}

crate::base::debug::short_debug! { enum Generated { Values(value), NeedsServer(value) } }

/// What to ask a server to get the values of a generator.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerRequest {
    /// `POST /api/v1/utilities/dynamicprompts`; the values are the answer's `prompts`.
    DynamicPrompts {
        /// The dynamic prompt.
        prompt: String,
        /// The most prompts to make.
        max_prompts: i64,
        /// Every combination in order, or random ones.
        combinatorial: bool,
        /// Seed for random ones. Without a seed the server always gives the same prompts, so a caller should pick one.
        seed: Option<i64>,
    },
    /// `GET /api/v1/boards/{board_id}/image_names` without intermediates; the values are `{image_name}` objects.
    BoardImages {
        /// The board.
        board_id: String,
        /// Which of its images.
        category: BoardSection,
    },
}

crate::base::debug::short_debug! {
    enum ServerRequest {
        DynamicPrompts { prompt, max_prompts, combinatorial, seed },
        BoardImages { board_id, category },
    }
}

/// Why a generator makes no values.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// The count is far too large.
    #[error("the generator's count is {count}; at most {MAX_VALUES} values are made")]
    TooMany {
        /// The count that was asked for.
        count: i64,
    },
}

crate::base::debug::short_debug! { enum GeneratorError { TooMany { count } } }

impl Generator {
    /// Creates a generator of numbers or strings from its rule; `None` if the kind has no such rule, or a number that
    /// should be whole is not.
    pub fn new(kind: GeneratorKind, rule: Rule) -> Option<Self> {
        let generator = Generator { kind, rule, values: None };
        // Reading back what it prints applies the one existing set of rules.
        Self::from_json(kind, &generator.to_json())
    }

    /// Reads a stored generator the way the editor does: without `type`, the first rule whose parameters fit is taken,
    /// and missing parameters get their defaults. `None` if no rule of this kind fits.
    pub fn from_json(kind: GeneratorKind, value: &Value) -> Option<Self> {
        parameters::read(kind, value.as_object()?)
    }

    /// The kind of values that it makes.
    pub fn kind(&self) -> GeneratorKind {
        self.kind
    }

    /// The rule by which it makes them.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The object that a workflow stores, with every parameter.
    pub fn to_json(&self) -> Value {
        parameters::write(self)
    }

    /// Makes the values. Random ones without a seed differ from call to call.
    ///
    /// # Errors
    /// If more than a million values are asked for.
    pub fn generate(&self) -> Result<Generated, GeneratorError> {
        if let Some(stored) = &self.values {
            return Ok(Generated::Values(stored.iter().copied().map(json_number).collect()));
        }
        let integer = self.kind == GeneratorKind::Integer;
        let numbers: Vec<f64> = match &self.rule {
            Rule::ArithmeticSequence { start, step, count } => {
                let count = if *step == 0.0 { 1 } else { checked(*count)? };
                (0..count).map(|i| start + i as f64 * step).collect()
            }
            Rule::LinearDistribution { count: 1, start, .. } => vec![*start],
            Rule::LinearDistribution { start, end, count } => {
                let steps = (count - 1) as f64;
                let offset = |i: i64| (end - start) * (i as f64 / steps);
                let offset = |i| {
                    if integer { javascript::round(offset(i)) } else { offset(i) }
                };
                (0..checked(*count)?).map(|i| start + offset(i)).collect()
            }
            Rule::Uniform { min, max, count, seed } => {
                let mut twister = seed.map(MersenneTwister::new);
                let mut random = || twister.as_mut().map_or_else(fastrand::f64, MersenneTwister::next_f64);
                let mut value = |_| match integer {
                    true => (random() * (max - min + 1.0)).floor() + min,
                    false => random() * (max - min) + min,
                };
                (0..checked(*count)?).map(&mut value).collect()
            }
            Rule::ParseString { input, split_on } => {
                let parts = javascript::split(input, split_on);
                match self.kind {
                    GeneratorKind::Float => parts.iter().filter_map(|part| javascript::parse_float(part)).collect(),
                    GeneratorKind::Integer => parts.iter().filter_map(|part| javascript::parse_int(part)).collect(),
                    _ => {
                        let parts = parts.into_iter().filter(|part| !part.is_empty());
                        return Ok(Generated::Values(parts.map(Value::from).collect()));
                    }
                }
            }
            Rule::DynamicPromptsCombinatorial { input, max_prompts } => {
                return Ok(Generated::NeedsServer(ServerRequest::DynamicPrompts {
                    prompt: input.clone(),
                    max_prompts: *max_prompts,
                    combinatorial: true,
                    seed: None,
                }));
            }
            Rule::DynamicPromptsRandom { input, count, seed } => {
                return Ok(Generated::NeedsServer(ServerRequest::DynamicPrompts {
                    prompt: input.clone(),
                    max_prompts: *count,
                    combinatorial: false,
                    seed: *seed,
                }));
            }
            Rule::ImagesFromBoard { board_id: None, .. } => return Ok(Generated::Values(Vec::new())),
            Rule::ImagesFromBoard { board_id: Some(board_id), category } => {
                let (board_id, category) = (board_id.clone(), *category);
                return Ok(Generated::NeedsServer(ServerRequest::BoardImages { board_id, category }));
            }
        };
        // What overflows to infinity has no place in JSON.
        Ok(Generated::Values(numbers.into_iter().filter(|n| n.is_finite()).map(json_number).collect()))
    }
}

impl From<Generator> for Value {
    fn from(generator: Generator) -> Self {
        generator.to_json()
    }
}

/// A negative count makes nothing, as in JavaScript.
fn checked(count: i64) -> Result<i64, GeneratorError> {
    if count > MAX_VALUES { Err(GeneratorError::TooMany { count }) } else { Ok(count) }
}

#[cfg(test)]
mod tests;
