//! What fields accept, convert and refuse.

use super::*;
use crate::schema::{ModelRecord, NodeCatalog};
use crate::workflow::generator::{Generator, GeneratorKind};
use proptest::prelude::*;
use serde_json::json;

/// An unset field of one of InvokeAI's own nodes.
fn field(node_type: &str, name: &str) -> InkField {
    let node = NodeCatalog::embedded().get(node_type).unwrap_or_else(|| panic!("no node {node_type}"));
    let template = node.inputs.get(name).unwrap_or_else(|| panic!("no input {name}"));
    InkField::new(format!("n.{name}"), template)
}

/// A field of this property schema in a document of one node.
fn field_of(property: Value) -> InkField {
    let mut property = property;
    property["field_kind"] = "input".into();
    let document = json!({"components": {"schemas": {
        "A": {"class": "invocation", "output": {"$ref": "#/components/schemas/B"},
            "properties": {"type": {"default": "a"}, "x": property}},
        "B": {"class": "output", "properties": {"type": {"default": "b"}}},
    }}});
    let catalog = NodeCatalog::from_openapi(&document).expect("a catalog");
    let field = InkField::new("n.x", &catalog.get("a").expect("the node").inputs["x"]);
    // Whatever takes only edges ignores its value.
    let field_type = &field.template().field_type;
    assert!(field_type.is_stateful() || matches!(field, InkField::Opaque(_)), "{field_type} is not in STATEFUL");
    field
}

#[track_caller]
fn accepts(field: &mut InkField, value: Value, stored: Value) {
    field.set(&value).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(field.value(), Some(&stored), "{value}");
    assert_eq!(field.check(), Ok(()));
}

#[track_caller]
fn refuses(field: &mut InkField, value: Value) {
    let before = field.clone();
    assert!(field.set(&value).is_err(), "{value} is accepted");
    assert_eq!(*field, before, "a refused value leaves the field alone");
}

#[test]
fn integers() {
    let mut width = field("noise", "width");
    assert_eq!(width.ink_type(), "InkIntegerField");
    for (value, stored) in [(json!(64), 64), (json!("128"), 128), (json!(64.0), 64), (json!(" 8 "), 8)] {
        accepts(&mut width, value, json!(stored));
    }
    for value in [json!(12), json!(0), json!(-8), json!(64.5), json!("64x"), json!(true), json!([8]), json!(null)] {
        refuses(&mut width, value);
    }
    assert_eq!(width.get::<i64>(), Some(8));
    width.clear();
    assert_eq!((width.value(), width.get::<i64>()), (None, None));
    refuses(&mut field("noise", "seed"), json!(1e300));
    refuses(&mut field("noise", "seed"), json!(u64::MAX));
}

#[test]
fn step_counts_are_positive_even_where_the_schema_is_silent() {
    for name in ["steps", "num_steps"] {
        let document = json!({"type": "integer", "orig_required": true});
        let mut template = field_of(document).template().clone();
        template.name = name.into();
        let mut steps = InkField::new("n.steps", &template);
        refuses(&mut steps, json!(0));
        accepts(&mut steps, json!("30"), json!(30));
        assert_eq!(steps.accepts(), "a whole number greater than 0");
    }
    refuses(&mut field("flux_denoise", "num_steps"), json!(0));
    accepts(&mut field("core_metadata", "steps"), json!(0), json!(0));
    accepts(&mut field_of(json!({"type": "integer"})), json!(-5), json!(-5));
}

#[test]
fn whole_numbers_are_held_to_bounds_by_their_last_digit() {
    let mut sixteens = field_of(json!({"type": "integer", "multipleOf": 16}));
    sixteens.set(i64::MIN).unwrap();
    sixteens.set(i64::MAX - 15).unwrap();
    sixteens.set(i64::MAX).unwrap_err();
    let mut above = field_of(json!({"type": "integer", "exclusiveMinimum": 9_007_199_254_740_992_i64}));
    above.set(9_007_199_254_740_993_i64).unwrap();
    above.set(9_007_199_254_740_992_i64).unwrap_err();
}

#[test]
fn floats() {
    let mut start = field("flux_denoise", "denoising_start");
    accepts(&mut start, json!("0.65"), json!(0.65));
    accepts(&mut start, json!(1), json!(1));
    assert_eq!(start.get::<f64>(), Some(1.0));
    for value in [json!(1.01), json!("inf"), json!("nan"), json!(""), json!({})] {
        refuses(&mut start, value);
    }
    assert!(start.set(f64::NAN).is_err() && start.set(f64::INFINITY).is_err());
    let mut tenths = field_of(json!({"type": "number", "multipleOf": 0.1}));
    accepts(&mut tenths, json!(0.3), json!(0.3));
    refuses(&mut tenths, json!(0.35));
}

#[test]
fn bounds_hidden_from_the_editor_count() {
    let mut fps = field("video_concat", "fps");
    refuses(&mut fps, json!(121));
    accepts(&mut fps, json!(120), json!(120));
    let mut weight = field("controlnet", "control_weight");
    refuses(&mut weight, json!(2.5));
    assert_eq!(weight.accepts(), "a number at least -1, at most 2");
    refuses(&mut weight, json!([1]));
    let mut images = field("flux_kontext_image_prep", "images");
    refuses(&mut images, json!([]));
    refuses(&mut images, json!(vec!["i"; 11]));
    accepts(&mut images, json!(["i"]), json!([{"image_name": "i"}]));
}

#[test]
fn strings_and_booleans() {
    let mut text = field_of(json!({"type": "string", "minLength": 2, "maxLength": 3}));
    accepts(&mut text, json!("äöü"), json!("äöü"));
    for value in [json!("a"), json!("abcd"), json!(12), json!(null)] {
        refuses(&mut text, value);
    }
    assert_eq!(text.accepts(), "a string of 2 to 3 characters");
    let mut flag = field("noise", "use_cpu");
    accepts(&mut flag, json!("false"), json!(false));
    accepts(&mut flag, json!(true), json!(true));
    assert_eq!(flag.get::<bool>(), Some(true));
    refuses(&mut flag, json!(1));
}

#[test]
fn choices() {
    let mut length = field("flux_text_encoder", "t5_max_seq_len");
    assert_eq!(length.ink_type(), "InkEnumField");
    for value in [json!(256), json!(256.0), json!("256")] {
        accepts(&mut length, value, json!(256));
    }
    assert_eq!(length.get::<i64>(), Some(256));
    refuses(&mut length, json!(300));
    assert_eq!(length.accepts(), "one of 256, 512");

    let mut scheduler = field("denoise_latents", "scheduler");
    assert_eq!(scheduler.ink_type(), "InkSchedulerField");
    accepts(&mut scheduler, json!("euler"), json!("euler"));
    refuses(&mut scheduler, json!("Euler"));

    let mut workflow = field("call_saved_workflow", "workflow_id");
    assert_eq!(workflow.ink_type(), "InkSavedWorkflowField");
    accepts(&mut workflow, json!({"workflow_id": "w", "name": "x"}), json!("w"));
    refuses(&mut workflow, json!(" "));
}

#[test]
fn names_and_ids() {
    let mut image = field("img_resize", "image");
    for value in [json!("a.png"), json!({"image_name": "a.png", "width": 5}), json!(" a.png ")] {
        accepts(&mut image, value, json!({"image_name": "a.png"}));
    }
    assert_eq!(image.get::<String>().as_deref(), Some("a.png"));
    for value in [json!(""), json!({"image_name": " "}), json!({"video_name": "v"}), json!(1), json!(["a"])] {
        refuses(&mut image, value);
    }
    accepts(&mut field("extract_video_range", "video"), json!("v.mp4"), json!({"video_name": "v.mp4"}));

    let mut board = field("save_image", "board");
    accepts(&mut board, json!("auto"), json!("auto"));
    accepts(&mut board, json!("none"), json!("none"));
    accepts(&mut board, json!("b1"), json!({"board_id": "b1"}));
    accepts(&mut board, json!({"board_id": "b2", "board_name": "Mine"}), json!({"board_id": "b2"}));
    assert_eq!(board.get::<String>().as_deref(), Some("b2"));
    refuses(&mut board, json!({"board_name": "Mine"}));
    assert!(check("n.board", board.template(), &json!("b1")).is_err(), "an id alone is not a stored form");

    let preset = json!({"$ref": "#/components/schemas/StylePresetField"});
    accepts(&mut field_of(preset), json!({"id": "s", "preset_data": {}}), json!({"style_preset_id": "s"}));
    let prompt = json!({"$ref": "#/components/schemas/SystemPromptField"});
    accepts(&mut field_of(prompt), json!("p"), json!({"system_prompt_id": "p"}));
}

fn record(base: &str, model_type: &str) -> ModelRecord {
    let mut record = ModelRecord::new("k", "Name", base, model_type);
    record.hash = Some("blake3:00".into());
    record
}

fn identifier(base: &str, model_type: &str) -> Value {
    json!({"key": "k", "hash": "blake3:00", "name": "Name", "base": base, "type": model_type})
}

#[test]
fn models() {
    let mut t5 = field("flux_model_loader", "t5_encoder_model");
    assert_eq!(t5.ink_type(), "InkT5EncoderField");
    let mut found = record("any", "t5_encoder");
    found.other.insert("path".into(), "somewhere".into());
    t5.set(&found).expect("it fits");
    assert_eq!(t5.value(), Some(&identifier("any", "t5_encoder")));
    assert_eq!(t5.get::<ModelRecord>().map(|model| model.name).as_deref(), Some("Name"));

    let error = t5.set(record("flux", "vae")).expect_err("another type");
    assert!(error.to_string().contains("a model of type t5_encoder"), "{error}");
    let mut unhashed = identifier("any", "t5_encoder");
    unhashed["hash"] = json!("");
    for value in [unhashed, json!("k"), json!({"key": "k"}), json!({"model_name": "n", "base_model": "sd-1"})] {
        refuses(&mut t5, value);
    }
    let mut vae = field("flux_model_loader", "vae_model");
    refuses(&mut vae, identifier("sd-1", "vae"));
    let mut stored = identifier("flux", "vae");
    stored["submodel_type"] = json!("vae");
    accepts(&mut vae, stored.clone(), stored);

    // An identifier does not have a format, a record does.
    let mut gguf = field("wan_model_loader", "transformer_low_noise_model");
    assert_eq!(gguf.ink_type(), "InkMainModelField");
    accepts(&mut gguf, identifier("wan", "main"), identifier("wan", "main"));
    let mut diffusers = record("wan", "main");
    diffusers.format = Some("diffusers".into());
    assert!(gguf.set(diffusers).is_err());
    assert_eq!(field("model_identifier", "model").ink_type(), "InkModelIdentifierField");
}

#[test]
fn loras() {
    let mut loras = field("flux_lora_collection_loader", "loras");
    assert_eq!(loras.ink_type(), "InkLoraField");
    let suggested = json!({"key": "k", "hash": "blake3:00", "name": "Name", "base": "flux", "type": "lora",
        "default_settings": {"weight": 0.4}});
    let given = json!([{"lora": identifier("flux", "lora"), "weight": 1}, identifier("flux", "lora"), suggested]);
    let lora = |weight: f64| json!({"lora": identifier("flux", "lora"), "weight": weight});
    let stored = json!([{"lora": identifier("flux", "lora"), "weight": 1}, lora(0.75), lora(0.4)]);
    accepts(&mut loras, given, stored);
    let weights: Vec<_> = loras.get::<Vec<LoraWeight>>().expect("LoRAs").iter().map(|lora| lora.weight).collect();
    assert_eq!(weights, [1.0, 0.75, 0.4]);
    let error = loras.set(vec![identifier("flux", "lora"), identifier("flux", "vae")]).expect_err("a VAE");
    assert_eq!(error.field, "n.loras[1]");
    refuses(&mut loras, json!([{"lora": identifier("flux", "lora"), "weight": "strong"}]));
    refuses(&mut loras, identifier("flux", "lora"));
    accepts(&mut loras, json!([]), json!([]));
}

#[test]
fn colors() {
    let mut color = field("blank_image", "color");
    let red = json!({"r": 255, "g": 0, "b": 0, "a": 255});
    for value in [json!("#ff0000"), json!("#FF0000ff"), json!({"r": 255.0, "g": 0, "b": 0}), red.clone()] {
        accepts(&mut color, value, red.clone());
    }
    color.set(ColorChannels { r: 1, g: 2, b: 3, a: 4 }).expect("a color");
    assert_eq!(color.get(), Some(ColorChannels { r: 1, g: 2, b: 3, a: 4 }));
    for value in [json!({"r": 256, "g": 0, "b": 0}), json!({"r": 0.5, "g": 0, "b": 0}), json!("#ff"), json!("#+f0000")]
    {
        refuses(&mut color, value);
    }
}

#[test]
fn generators() {
    let mut floats = field("float_generator", "generator");
    assert_eq!(floats.ink_type(), "InkFloatGeneratorField");
    let given = json!({"type": "float_generator_linear_distribution", "end": 2});
    let stored = json!({"type": "float_generator_linear_distribution", "start": 0, "end": 2, "count": 10});
    accepts(&mut floats, given, stored.clone());
    assert_eq!(floats.get::<Generator>(), Generator::from_json(GeneratorKind::Float, &stored));
    for value in [
        json!({"type": "float_generator_linear_distribution", "stop": 2}),
        json!({"start": 1}),
        json!({"type": "integer_generator_linear_distribution"}),
        json!([1.0]),
    ] {
        refuses(&mut floats, value);
    }
}

#[test]
fn collections() {
    let mut integers = field("integer_collection", "collection");
    assert_eq!(integers.ink_type(), "InkIntegerCollectionField");
    integers.set([1, 2]).expect("integers");
    accepts(&mut integers, json!(["1", 2.0]), json!([1, 2]));
    assert_eq!(integers.get::<Vec<i64>>(), Some(vec![1, 2]));
    let error = integers.set(json!([1, "two"])).expect_err("no number");
    assert_eq!((error.field.as_str(), error.value.as_str()), ("n.collection[1]", "\"two\""));
    assert_eq!(error.accepted, "a list, each a whole number");
    let mut flags = field("boolean_collection", "collection");
    assert_eq!(flags.ink_type(), "InkBooleanCollectionField");
    accepts(&mut flags, json!([true, "false"]), json!([true, false]));
    let mut batch = field("image_batch", "images");
    assert_eq!(batch.ink_type(), "InkImageCollectionField");
    refuses(&mut batch, json!([]));
    let mut videos = field("video_concat", "videos");
    assert_eq!(videos.ink_type(), "InkVideoCollectionField");
    accepts(&mut videos, json!(["a", "b"]), json!([{"video_name": "a"}, {"video_name": "b"}]));
}

#[test]
fn one_or_many() {
    let mut scale = field("denoise_latents", "cfg_scale");
    assert_eq!(scale.ink_type(), "InkFloatField");
    accepts(&mut scale, json!([7, "7.5"]), json!([7, 7.5]));
    assert_eq!((scale.get::<f64>(), scale.get::<Vec<f64>>()), (None, Some(vec![7.0, 7.5])));
    accepts(&mut scale, json!(7), json!(7));
    refuses(&mut scale, json!([7, []]));
    let mut images = field("llava_onevision_vllm", "images");
    accepts(&mut images, json!("a"), json!({"image_name": "a"}));
    accepts(&mut images, json!(["a", "b"]), json!([{"image_name": "a"}, {"image_name": "b"}]));
    assert_eq!(images.get::<Vec<String>>(), Some(vec!["a".into(), "b".into()]));
    refuses(&mut images, json!(["a", "b", "c", "d"]));
}

#[test]
fn types_of_custom_nodes() {
    let list = |name: &str| json!({"type": "array", "items": {"$ref": format!("#/components/schemas/{name}")}});
    let mut models = field_of(list("ModelIdentifierField"));
    assert_eq!(models.ink_type(), "InkModelCollectionField");
    models.set(vec![record("flux", "main")]).expect("any model");
    assert_eq!(models.get::<Vec<ModelRecord>>().map(|models| models.len()), Some(1));
    let mut colors = field_of(list("ColorField"));
    accepts(&mut colors, json!(["#01020304"]), json!([{"r": 1, "g": 2, "b": 3, "a": 4}]));
    for property in [list("BoardField"), list("Thing"), json!({"$ref": "#/components/schemas/LoRAField"})] {
        assert_eq!(field_of(property).ink_type(), "InkOpaqueField");
    }
}

#[test]
fn metadata_and_edges() {
    let mut loras = field("core_metadata", "loras");
    assert_eq!(loras.ink_type(), "InkMetadataField");
    accepts(&mut loras, json!([{"model": {}, "weight": 1}]), json!([{"model": {}, "weight": 1}]));
    refuses(&mut loras, json!([1]));
    let mut latents = field("l2i", "latents");
    assert_eq!(latents.ink_type(), "InkOpaqueField");
    let error = latents.set(json!({"latents_name": "x"})).expect_err("edges only");
    assert_eq!(error.accepted, "no value, only an edge that brings a LatentsField");
}

#[test]
fn stored_values_are_kept_and_reported() {
    let template = field("noise", "seed").template().clone();
    for (stored, sound) in [(json!(7), true), (json!("7"), false), (json!(1.5), false), (json!(-1), false)] {
        let field = InkField::with_stored("n.seed", &template, Some(stored.clone()));
        assert_eq!(field.value(), Some(&stored));
        assert_eq!(field.check().is_ok(), sound, "{stored}");
        assert_eq!(check("n.seed", &template, &stored), field.check());
    }
    let unset = InkField::with_stored("n.seed", &template, Some(Value::Null));
    assert_eq!((unset.value(), unset.check()), (None, Ok(())));
}

#[test]
fn errors_shorten_long_values() {
    let error = field("noise", "seed").set("ä".repeat(500)).expect_err("no number");
    assert_eq!(error.value.chars().count(), 121);
    assert!(error.to_string().starts_with("`n.seed` does not accept \"ä"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9#. {}\\\\-]{0,12}".prop_map(Value::from),
        prop_oneof!["image_name", "float_generator_parse_string", "auto", "#ff00ff", "euler"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let keys = prop_oneof!["type", "image_name", "lora", "weight", "key", "hash", "r", "g", "b", "count", "seed"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..6).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

fn any_template() -> impl Strategy<Value = &'static InputTemplate> {
    let templates: Vec<_> = NodeCatalog::embedded().iter().flat_map(|node| node.inputs.values()).collect();
    prop::sample::select(templates)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever is accepted is stored in a form that fits, passes its own check and is accepted unchanged again.
    #[test]
    fn what_is_set_can_be_set_again(template in any_template(), value in any_json()) {
        let mut field = InkField::new("n.f", template);
        if field.set(&value).is_ok() {
            let stored = field.value().expect("set").clone();
            prop_assert_eq!(field.check(), Ok(()));
            field.set(&stored).expect("its own stored form");
            prop_assert_eq!(field.value(), Some(&stored));
        } else {
            prop_assert_eq!(field.value(), None);
        }
    }

    /// Every integer within its bounds comes back as it went in.
    #[test]
    fn integers_come_back(number in any::<i64>()) {
        let mut field = field_of(json!({"type": "integer"}));
        field.set(number).expect("unbounded");
        prop_assert_eq!(field.get::<i64>(), Some(number));
        field.set(number.to_string()).expect("spelled");
        prop_assert_eq!(field.get::<i64>(), Some(number));
    }

    /// So does every text.
    #[test]
    fn texts_come_back(text in ".*") {
        let mut field = field_of(json!({"type": "string"}));
        field.set(&text).expect("unbounded");
        prop_assert_eq!(field.get::<String>(), Some(text));
    }

    /// No generator, however odd, panics or makes too much.
    #[test]
    fn generators_do_not_panic(value in any_json()) {
        for kind in [GeneratorKind::Float, GeneratorKind::Integer, GeneratorKind::String, GeneratorKind::Image] {
            if let Some(generator) = Generator::from_json(kind, &value) {
                // Only that it returns.
                _ = generator.generate();
            }
        }
    }
}
