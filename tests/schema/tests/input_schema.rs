//! The JSON schema of inputs says the same as the check of a value that is set, by an independent validator.

use std::{collections::BTreeMap, sync::LazyLock};

use invokeai_client::{
    schema::{InputTemplate, NodeCatalog},
    workflow::{Workflow, WorkflowDefinition, field::InkField},
};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Every input of every node of InvokeAI that has a schema of its own.
static TEMPLATES: LazyLock<Vec<(InputTemplate, Validator)>> = LazyLock::new(|| {
    let inputs = NodeCatalog::embedded().iter().flat_map(|node| node.inputs.values());
    let mut by_schema = BTreeMap::new();
    for template in inputs {
        let schema = InkField::new("node.field", template).json_schema();
        by_schema.entry(schema.to_string()).or_insert((template.clone(), schema));
    }
    let validator = |schema: &Value| jsonschema::draft202012::new(schema).unwrap();
    by_schema.into_values().map(|(template, schema)| (template, validator(&schema))).collect()
});

/// Whether the schema leaves the value out on purpose: texts where numbers or booleans belong, and whole numbers beyond
/// 2^53 that are written as floats.
fn is_left_out(template: &InputTemplate, value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| is_left_out(template, item)),
        Value::String(_) => {
            let numbers = template.options.iter().any(|option| option.value.is_number());
            numbers || matches!(template.field_type.name.as_str(), "IntegerField" | "FloatField" | "BooleanField")
        }
        Value::Number(number) => {
            number.is_f64() && number.as_f64().is_some_and(|float| float.abs() > 9_007_199_254_740_992.0)
        }
        _ => false,
    }
}

fn compare(value: &Value) {
    for (template, validator) in TEMPLATES.iter().filter(|(template, _)| !is_left_out(template, value)) {
        let mut field = InkField::new("node.field", template);
        let (set, valid) = (field.set(value), validator.is_valid(value));
        assert_eq!(set.is_ok(), valid, "{value}: {set:?}\n{:?}\n{}", field.template(), field.json_schema());
    }
}

/// Values near the edge of what some field accepts.
fn near() -> Vec<Value> {
    let model = |base: &str, kind: &str| json!({"key": "k", "hash": "h", "name": "n", "base": base, "type": kind});
    let with = |mut value: Value, name: &str, member: Value| {
        value[name] = member;
        value
    };
    let mut values = vec![
        json!(null),
        json!(true),
        json!("true"),
        json!(""),
        json!(" "),
        json!("\u{85}"),
        json!("\u{feff}"),
        json!("auto"),
        json!(" none "),
        json!("euler"),
        json!(" euler"),
        json!("#aabbcc"),
        json!("#AABBCC0"),
        json!("#aabbccdd"),
        json!("#gabbcc"),
        json!("aabbcc"),
        json!({}),
        json!([]),
        json!([[]]),
        json!([{}]),
        json!({"image_name": "a.png"}),
        json!({"image_name": " "}),
        json!({"image_name": "a", "width": 1}),
        json!({"video_name": "a"}),
        json!({"board_id": "b"}),
        json!({"id": "x"}),
        json!({"style_preset_id": 7, "id": "x"}),
        json!({"system_prompt_id": "x"}),
        json!({"workflow_id": "w"}),
        json!({"workflow_id": 3}),
        json!({"r": 1, "g": 2, "b": 3}),
        json!({"r": 1, "g": 2, "b": 3.0, "a": 256}),
        json!({"r": 1, "g": 2.5, "b": 3}),
        json!({"r": 1, "g": 2, "b": 3, "a": null}),
        json!(["a.png", {"image_name": "b"}]),
        json!(["a", ""]),
        json!([1, 2, 3]),
        json!([1, 2, 3, 4]),
        json!([0.5, 1]),
        json!(["a", "b", "c", "d"]),
        json!([true]),
        json!([{"lora": model("flux", "lora")}]),
        json!([model("sdxl", "lora")]),
        json!([{"lora": model("flux", "lora"), "weight": null}]),
        json!([{"lora": model("flux", "main"), "weight": 1}]),
        json!([{"lora": null}]),
        json!([[1], [2]]),
        json!(["#aabbcc"]),
    ];
    for number in [-1e300, -100.0, -1.0, -0.5, 0.0, 0.001, 0.5, 1.0, 1.5, 7.0, 8.0, 64.0, 100.0, 255.0, 1e15] {
        values.push(json!(number));
    }
    for number in
        [i64::MIN, -2, 0, 1, 3, 9, 16, 63, 512, 1024, 1080, 2048, 4096, 4_294_967_295, 4_294_967_296, i64::MAX]
    {
        values.push(json!(number));
    }
    values.push(json!(u64::MAX));
    for base in ["flux", "flux2", "sd-1", "sdxl", "sdxl-refiner", "wan", "any", "external", ""] {
        for kind in ["main", "vae", "lora", "t5_encoder", "clip_embed", "external_image_generator", "unknown"] {
            let model = model(base, kind);
            values.extend([
                model.clone(),
                with(model.clone(), "format", json!("diffusers")),
                with(model.clone(), "format", json!("checkpoint")),
                with(model.clone(), "format", json!(null)),
                with(model.clone(), "variant", json!("inpaint")),
                with(with(model.clone(), "format", json!("diffusers")), "variant", json!("large")),
                with(with(model.clone(), "format", json!("")), "variant", json!("")),
                with(with(model.clone(), "provider_id", json!("gemini")), "format", json!("external_api")),
                with(model.clone(), "hash", json!("")),
                with(model.clone(), "hash", json!(null)),
                with(model, "submodel_type", json!(3)),
            ]);
        }
    }
    let kinds = ["float", "integer", "string", "image"];
    let rules = [
        "arithmetic_sequence",
        "linear_distribution",
        "random_distribution_uniform",
        "parse_string",
        "images_from_board",
        "dynamic_prompts_combinatorial",
        "dynamic_prompts_random",
        "unknown",
    ];
    for generator in kinds.iter().flat_map(|kind| rules.iter().map(move |rule| format!("{kind}_generator_{rule}"))) {
        let of = |members: Value| with(members, "type", json!(generator));
        values.extend([
            of(json!({})),
            of(json!({"start": 1, "step": 0.5, "count": 3})),
            of(json!({"start": 1.0, "end": 7, "count": 3})),
            of(json!({"start": null})),
            of(json!({"min": 0, "max": 9, "seed": null})),
            of(json!({"seed": 1.5})),
            of(json!({"count": 0})),
            of(json!({"count": 9_007_199_254_740_992_u64})),
            of(json!({"input": "a", "splitOn": ""})),
            of(json!({"input": 3})),
            of(json!({"maxPrompts": 0})),
            of(json!({"maxPrompts": 3, "other": null})),
            of(json!({"other": 1})),
            of(json!({"values": [1, 2.5]})),
            of(json!({"values": null})),
            of(json!({"values": ["a"]})),
            of(json!({"board_id": " "})),
            of(json!({"board_id": "b", "category": "assets"})),
            of(json!({"board_id": null})),
            of(json!({"category": "other"})),
        ]);
    }
    values
}

/// A model that the filter of a field names.
fn wanted(template: &InputTemplate) -> Value {
    let filter = &template.model_filter;
    let first = |names: &[String], other: &str| names.first().map_or(other, String::as_str).to_owned();
    let (base, kind) = (first(&filter.base, "sd-1"), first(&filter.model_type, "main"));
    json!({"key": "k", "hash": "h", "name": "n", "base": base, "type": kind})
}

#[test]
fn a_validator_accepts_exactly_what_can_be_set() {
    assert!(TEMPLATES.len() > 100, "{} schemas", TEMPLATES.len());
    let values = near();
    values.iter().for_each(compare);
    // Every schema that accepts anything at all has accepted something, and refused something.
    for (template, validator) in TEMPLATES.iter() {
        let model = wanted(template);
        compare(&model);
        let lora = json!([{"lora": model, "weight": 0.5}]);
        compare(&lora);
        let takes = values
            .iter()
            .chain([&model, &lora, &json!([model])])
            .chain(template.options.iter().map(|option| &option.value))
            .any(|value| validator.is_valid(value));
        let takes_nothing = InkField::new("n.f", template).ink_type() == "InkOpaqueField";
        assert_eq!(takes, !takes_nothing, "{template:?}");
        assert!(values.iter().any(|value| !validator.is_valid(value)), "{template:?}");
    }
}

#[test]
fn every_choice_of_every_field_is_valid() {
    for (template, validator) in TEMPLATES.iter() {
        for option in &template.options {
            assert!(validator.is_valid(&option.value), "{}: {}", template.name, option.value);
        }
        assert!(template.options.is_empty() || !validator.is_valid(&json!("no such choice")), "{}", template.name);
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-300_i64..5000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-20.0..20.0).prop_map(Value::from),
        "[ -~é\u{85}\u{feff}]{0,9}".prop_map(Value::from),
        "#[0-9a-fA-Fg]{5,9}".prop_map(Value::from),
        Just(Value::Null),
    ];
    let names = [
        "image_name",
        "board_id",
        "id",
        "r",
        "g",
        "b",
        "a",
        "key",
        "hash",
        "name",
        "base",
        "type",
        "lora",
        "weight",
        "x",
    ];
    leaf.prop_recursive(3, 12, 5, move |inner| {
        let name = proptest::sample::select(names.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_validator_and_the_check_agree_on_any_value(value in any_value()) {
        compare(&value);
    }

    /// One change to a value that is near the edge.
    #[test]
    fn they_agree_on_values_with_one_changed_member(at in any::<prop::sample::Index>(), name in "[a-z_]{1,9}", member in any_value()) {
        let values = near();
        let mut value = at.get(&values).clone();
        if let Value::Object(members) = &mut value {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = if names.is_empty() { name } else { at.get(&names).clone() };
            members.insert(name, member);
        }
        compare(&value);
    }
}

#[test]
fn the_schema_of_a_workflow_takes_its_own_values_once_what_is_missing_is_there() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/workflows/flux-image-to-image.json");
    let mut workflow = Workflow::new(WorkflowDefinition::from_path(path).unwrap(), NodeCatalog::embedded());
    let schema = workflow.input_schema();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    let missing: Vec<String> = workflow.missing_required_inputs().into_iter().map(str::to_owned).collect();
    assert!(!missing.is_empty());
    assert_eq!(schema["required"], json!(missing));
    let properties = schema["properties"].as_object().unwrap();
    assert_eq!(
        properties.keys().collect::<Vec<_>>(),
        workflow.inputs().iter().map(|i| &i.system_name).collect::<Vec<_>>()
    );

    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(!validator.is_valid(&json!(workflow.values())));
    workflow.set_input("prompt", "a lighthouse").unwrap();
    workflow.set_input("image", "sketch.png").unwrap();
    let mut values = json!(workflow.values());
    assert!(
        validator.is_valid(&values),
        "{:?}",
        validator.iter_errors(&values).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    values["no such input"] = json!(1);
    assert!(!validator.is_valid(&values), "a misspelled input");
}
