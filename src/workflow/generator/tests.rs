//! Known lists, and properties of the parser.

use super::*;
use serde_json::json;

fn values(kind: GeneratorKind, stored: Value) -> Vec<Value> {
    let generator = Generator::from_json(kind, &stored).unwrap_or_else(|| panic!("{stored} is refused"));
    match generator.generate() {
        Ok(Generated::Values(values)) => values,
        other => panic!("{stored} gives {other:?}"),
    }
}

fn floats(stored: Value) -> Vec<Value> {
    values(GeneratorKind::Float, stored)
}

fn integers(stored: Value) -> Vec<Value> {
    values(GeneratorKind::Integer, stored)
}

#[test]
fn integers_are_those_of_the_editor() {
    let uniform = |seed: i64, count: i64| json!({"type": "integer_generator_random_distribution_uniform", "min": 0, "max": 10, "count": count, "seed": seed});
    assert_eq!(integers(uniform(1, 6)), [4, 10, 7, 10, 0, 1]);
    assert_eq!(integers(uniform(123, 8)), [7, 7, 3, 4, 2, 7, 6, 7]);
    let wide = json!({"type": "integer_generator_random_distribution_uniform", "min": -1000, "max": 4_294_967_295_u32,
        "count": 5, "seed": 42});
    assert_eq!(integers(wide), [1_608_636_916_i64, 3_421_125_863, 4_083_286_826, 787_845_597, 3_143_889_757]);
    let linear = json!({"type": "integer_generator_linear_distribution", "start": 0, "end": 10, "count": 5});
    assert_eq!(integers(linear), [0, 3, 5, 8, 10]);
    let parse = |text: &str| json!({"type": "integer_generator_parse_string", "input": text});
    assert_eq!(integers(parse("3x, 2.9,,no")), [3, 2]);
    assert_eq!(integers(json!({})), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(integers(json!({"step": 0, "start": 4})), [4]);
}

#[test]
fn floats_are_those_of_the_editor() {
    let uniform = json!({"type": "float_generator_random_distribution_uniform", "count": 3, "seed": 1});
    assert_eq!(floats(uniform), [0.4170219984371215, 0.99718480813317, 0.720324489288032]);
    let down = json!({"type": "float_generator_arithmetic_sequence", "start": 1, "step": -0.3, "count": 5});
    let expected = [json!(1), json!(0.7), json!(0.4), json!(0.10000000000000009), json!(-0.19999999999999996)];
    assert_eq!(floats(down), expected);
    let one = json!({"type": "float_generator_linear_distribution", "start": 3, "end": 9, "count": 1});
    assert_eq!(floats(one), [3]);
    let stored = json!({"type": "float_generator_arithmetic_sequence", "count": 3, "values": [0.5]});
    assert_eq!(floats(stored), [0.5]);
    assert_eq!(floats(json!({"start": 1, "end": 2, "count": 3})), [json!(1), json!(1.1), json!(1.2)]);
    assert_eq!(floats(json!({"count": -3})), [0; 0]);
    assert_eq!(floats(json!({"type": "float_generator_parse_string", "input": "1e999,2"})), [2]);
}

#[test]
fn strings_keep_their_blanks() {
    let strings = |stored| values(GeneratorKind::String, stored);
    assert_eq!(strings(json!({"type": "string_generator_parse_string"})), ["foo", "bar", "baz", "qux"]);
    let lines = json!({"type": "string_generator_parse_string", "input": "a cat\n\na dog\r\n b ", "splitOn": "\\n"});
    assert_eq!(strings(lines), ["a cat", "a dog\r", " b "]);
}

#[test]
fn prompts_and_boards_need_a_server() {
    let stored = json!({"type": "string_generator_dynamic_prompts_random", "input": "{a|b}", "count": 2, "seed": 7});
    let generator = Generator::from_json(GeneratorKind::String, &stored).expect("it fits");
    let request =
        ServerRequest::DynamicPrompts { prompt: "{a|b}".into(), max_prompts: 2, combinatorial: false, seed: Some(7) };
    assert_eq!(generator.generate(), Ok(Generated::NeedsServer(request)));
    assert_eq!(values(GeneratorKind::Image, json!({})), [0; 0]);
    let stored = json!({"board_id": "b", "category": "assets"});
    let generator = Generator::from_json(GeneratorKind::Image, &stored).expect("it fits");
    let request = ServerRequest::BoardImages { board_id: "b".into(), category: BoardSection::Assets };
    assert_eq!(generator.generate(), Ok(Generated::NeedsServer(request)));
}

#[test]
fn what_does_not_fit_is_refused() {
    for (kind, stored) in [
        (GeneratorKind::Integer, json!({"type": "integer_generator_arithmetic_sequence", "start": 0.5})),
        (GeneratorKind::Integer, json!({"type": "float_generator_arithmetic_sequence"})),
        (GeneratorKind::String, json!({"type": "string_generator_dynamic_prompts_combinatorial", "maxPrompts": 0})),
        (GeneratorKind::Image, json!({"board_id": " "})),
        (GeneratorKind::Float, json!({"values": ["x"]})),
        (GeneratorKind::Float, json!([1, 2])),
        (GeneratorKind::Float, json!({"type": 7})),
    ] {
        assert_eq!(Generator::from_json(kind, &stored), None, "{stored}");
    }
    let rule = Rule::ImagesFromBoard { board_id: None, category: BoardSection::Images };
    assert_eq!(Generator::new(GeneratorKind::Float, rule), None);
}

#[test]
fn an_absurd_count_is_an_error() {
    let stored = json!({"count": 9_007_199_254_740_991_i64});
    let generator = Generator::from_json(GeneratorKind::Integer, &stored).expect("it fits");
    assert_eq!(generator.generate(), Err(GeneratorError::TooMany { count: 9_007_199_254_740_991 }));
}

#[test]
fn random_values_without_a_seed_stay_in_range() {
    let stored = json!({"type": "integer_generator_random_distribution_uniform", "min": -3, "max": 3, "count": 500});
    let values = integers(stored);
    assert_eq!(values.len(), 500);
    assert!(values.iter().all(|value| value.as_i64().is_some_and(|number| (-3..=3).contains(&number))));
}

#[test]
fn printing_and_reading_give_the_same_generator() {
    for (kind, stored) in [
        (GeneratorKind::Float, json!({"type": "float_generator_linear_distribution", "end": 2.5, "values": [1, 2.5]})),
        (GeneratorKind::Integer, json!({"type": "integer_generator_random_distribution_uniform", "seed": 5})),
        (GeneratorKind::String, json!({"type": "string_generator_dynamic_prompts_random"})),
        (GeneratorKind::Image, json!({"board_id": "b"})),
    ] {
        let generator = Generator::from_json(kind, &stored).expect("it fits");
        assert_eq!(Generator::from_json(kind, &generator.to_json()), Some(generator));
    }
}
